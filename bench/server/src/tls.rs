//! The same over TLS.

use std::{error::Error, fs::File, io, io::BufReader, net::TcpStream, sync::Arc};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{serve as serve_stream, state::State};

pub(crate) fn config(certificate: &str, key: &str) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let certificates =
        rustls_pemfile::certs(&mut BufReader::new(File::open(certificate)?)).collect::<Result<_, _>>()?;
    let key =
        rustls_pemfile::private_key(&mut BufReader::new(File::open(key)?))?.ok_or("there is no key in the file")?;
    Ok(Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?))
}

pub(crate) fn serve(stream: TcpStream, config: Arc<ServerConfig>, state: &State) -> io::Result<()> {
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    // Otherwise a batch of replies is written in pieces of 64 kB.
    connection.set_buffer_limit(None);
    serve_stream(&mut StreamOwned::new(connection, stream), state)
}
