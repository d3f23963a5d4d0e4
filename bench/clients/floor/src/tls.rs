//! A TLS connection that trusts the runner's certificate.

use std::{env, fs::File, io, io::BufReader, net::TcpStream, sync::Arc};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName};

use crate::wire;

pub(crate) fn connect(server: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let path = env::var_os("BENCH_CERTIFICATE").ok_or(io::ErrorKind::NotFound)?;
    let mut roots = RootCertStore::empty();
    for certificate in rustls_pemfile::certs(&mut BufReader::new(File::open(path)?)) {
        roots.add(certificate?).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    connection.set_buffer_limit(None);
    Ok(StreamOwned::new(connection, wire::open(server)?))
}
