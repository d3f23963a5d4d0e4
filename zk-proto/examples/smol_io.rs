//! The client on smol, through an adapter of this program's own: [`OnSmol`] and [`SmolIo`] are all that it takes.
//! `docs/embedding/runtime.md` explains it.
//!
//! ```text
//! cargo run -q -p zk-proto --example smol_io                              # on a server in memory
//! ZK_SERVERS=localhost:2181 cargo run -q -p zk-proto --example smol_io    # on yours
//! ```

use std::{
    array, env,
    error::Error,
    future::Future,
    hash::{BuildHasher, RandomState},
    io::{self, IoSlice},
    net::{SocketAddr, TcpStream},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use smol::{
    Async, Timer,
    io::{AsyncRead, AsyncWrite},
};
use zk_proto::{
    Instant,
    client::{Builder, Driver, Io, Runtime, drive},
    session::WatchedEventKind,
};
use zk_testing::TestServer;

/// Where the driver runs, and chance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnSmol;

impl Runtime for OnSmol {
    fn seed(&self) -> [u8; 32] {
        array::from_fn(|index| RandomState::new().hash_one(index).to_ne_bytes()[0])
    }

    fn start(&self, driver: Driver) {
        smol::spawn(drive(driver, SmolIo { origin: std::time::Instant::now() })).detach();
    }
}

/// What smol lends to a driver.
struct SmolIo {
    origin: std::time::Instant,
}

/// A socket, and a buffer that was zeroed once, because smol reads into initialised memory alone.
struct Stream {
    socket: Async<TcpStream>,
    buffer: Box<[u8; 16 * 1024]>,
}

impl Io for SmolIo {
    type Stream = Stream;
    /// With the deadline that it is set to.
    type Timer = (Timer, Option<Instant>);

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((host, port)).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let socket = Async::<TcpStream>::connect(address).await?;
        socket.get_ref().set_nodelay(true)?;
        Ok(Stream { socket, buffer: Box::new([0; 16 * 1024]) })
    }

    fn poll_read(&self, stream: &mut Stream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let room = (input.capacity() - input.len()).min(stream.buffer.len());
        let count = ready!(Pin::new(&mut stream.socket).poll_read(cx, &mut stream.buffer[..room]))?;
        input.extend_from_slice(&stream.buffer[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_write(&self, stream: &mut Stream, cx: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut stream.socket).poll_write_vectored(cx, chunks)
    }

    fn timer(&self) -> Self::Timer {
        (Timer::never(), None)
    }

    fn poll_timer(&self, (timer, armed): &mut Self::Timer, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if *armed != Some(deadline) {
            timer.set_at(self.origin + deadline.saturating_since(Instant::ORIGIN));
            *armed = Some(deadline);
        }
        ready!(Pin::new(timer).poll(cx));
        *armed = None;
        Poll::Ready(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(servers) = env::var("ZK_SERVERS") {
        return smol::block_on(run(&servers));
    }
    let server = TestServer::start()?;
    smol::block_on(run(&server.connect_string()))
}

/// Makes, watches, changes and deletes a node.
pub(crate) async fn run(servers: &str) -> Result<(), Box<dyn Error>> {
    let client = Builder::new(servers)?.with_runtime(OnSmol).connect().await?;
    let (path, _) = client.create("/smol-io-", b"hello").ephemeral().sequential().await?;
    let (data, stat, mut watcher) = client.get_data(&path).watch().await?;
    println!("read      {:?} from {path}", String::from_utf8_lossy(&data));
    assert_eq!(data, "hello");

    let writing = smol::spawn({
        let (client, path) = (client.clone(), path.clone());
        async move { client.set_data(&path, b"hello, smol").version(stat.version).await }
    });
    let event = watcher.changed().await?;
    println!("heard     {:?} {}", event.kind, event.path);
    assert_eq!((event.kind, &*event.path), (WatchedEventKind::NodeDataChanged, &*path));
    assert_eq!(writing.await?.version, 1);

    client.delete(&path).version(1).await?;
    client.close().await;
    println!("closed    and nothing is left behind");
    Ok(())
}
