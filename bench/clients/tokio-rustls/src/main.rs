//! Frames of prepared bytes through tokio-rustls, on a current-thread runtime: what a client on tokio has to expect of TLS. It knows
//! nothing of ZooKeeper but that a frame begins with its length.

use std::{env, fs::File, io, io::BufReader, sync::Arc};

use bench_harness::{BIG, BIG_BYTES, BIG_WINDOW, Measure, Order, SMALL, WINDOW, Workload};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

fn main() -> io::Result<()> {
    let order = Order::from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match order.workload {
            Workload::TlsReads => {
                let (mut wire, request) = (Wire::connect(&order.server).await?, get_data(SMALL));
                wire.window(&request, order.warm_up(), WINDOW).await?;
                let measure = Measure::begin();
                wire.window(&request, order.operations, WINDOW).await?;
                measure.tell_per_operation(order.operations);
            }
            Workload::TlsBigReads | Workload::TlsBigWrites => {
                let is_write = order.workload == Workload::TlsBigWrites;
                let request = if is_write { set_data(BIG, &vec![b'z'; BIG_BYTES]) } else { get_data(BIG) };
                let mut wire = Wire::connect(&order.server).await?;
                wire.window(&request, order.warm_up(), BIG_WINDOW).await?;
                let measure = Measure::begin();
                wire.window(&request, order.operations, BIG_WINDOW).await?;
                measure.tell_per_megabyte(order.operations * BIG_BYTES);
            }
            _ => order.refuse(),
        }
        Ok(())
    })
}

/// A connection that reads whole frames to memory that it uses again.
struct Wire {
    stream: TlsStream<TcpStream>,
    frame: Vec<u8>,
}

impl Wire {
    async fn connect(server: &str) -> io::Result<Self> {
        let path = env::var_os("BENCH_CERTIFICATE").ok_or(io::ErrorKind::NotFound)?;
        let mut roots = RootCertStore::empty();
        for certificate in rustls_pemfile::certs(&mut BufReader::new(File::open(path)?)) {
            roots.add(certificate?).map_err(io::Error::other)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let mut wire = Self { stream, frame: Vec::new() };
        wire.send(&greeting()).await?;
        wire.receive().await?;
        Ok(wire)
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Sends the same request so many times: small ones together, large ones as they are.
    async fn send_many(&mut self, request: &[u8], count: usize) -> io::Result<()> {
        if request.len() < BIG_BYTES {
            return self.send(&request.repeat(count)).await;
        }
        for _ in 0..count {
            self.send(request).await?;
        }
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        let length = self.stream.read_u32().await? as usize;
        if self.frame.len() < length {
            self.frame.resize(length, 0);
        }
        self.stream.read_exact(&mut self.frame[..length]).await.map(|_| ())
    }

    /// Makes so many requests. Half a window is sent at once when there is room for it.
    async fn window(&mut self, request: &[u8], count: usize, window: usize) -> io::Result<()> {
        let (mut to_send, mut in_flight) = (count, 0);
        while to_send > 0 || in_flight > 0 {
            if to_send > 0 && in_flight <= window / 2 {
                let now = to_send.min(window - in_flight);
                self.send_many(request, now).await?;
                (to_send, in_flight) = (to_send - now, in_flight + now);
            }
            self.receive().await?;
            in_flight -= 1;
        }
        Ok(())
    }
}

fn greeting() -> Vec<u8> {
    let mut greeting = 45_u32.to_be_bytes().to_vec();
    greeting.extend_from_slice(&[0; 12]);
    greeting.extend_from_slice(&10_000_u32.to_be_bytes());
    greeting.extend_from_slice(&[0; 8]);
    greeting.extend_from_slice(&16_u32.to_be_bytes());
    greeting.extend_from_slice(&[0; 17]);
    greeting
}

fn get_data(path: &str) -> Vec<u8> {
    request(4, &[&length(path.as_bytes()), path.as_bytes(), &[0]])
}

fn set_data(path: &str, data: &[u8]) -> Vec<u8> {
    request(5, &[&length(path.as_bytes()), path.as_bytes(), &length(data), data, &(-1_i32).to_be_bytes()])
}

/// All requests bear the same number.
fn request(op: u32, body: &[&[u8]]) -> Vec<u8> {
    let frame = [&1_u32.to_be_bytes(), &op.to_be_bytes(), &body.concat()[..]].concat();
    [&length(&frame), &frame[..]].concat()
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("requests are small").to_be_bytes()
}
