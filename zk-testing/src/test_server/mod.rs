//! The server in memory, served over TCP: for tests of any client, in any language.
//!
//! [`TestServer::start`] takes a free port of the loopback interface and serves a [`Server`] there, from one thread, until
//! it is dropped. What goes wrong between clients and real servers can be had here on demand: sessions that expire,
//! connections that are cut or refused, silence, slowness, a lost reply, a restart. Each of these calls has done what it
//! says when it returns.
//!
//! ```
//! use zk_testing::TestServer;
//!
//! # fn main() -> std::io::Result<()> {
//! let server = TestServer::start()?;
//! println!("ZooKeeper at {}", server.connect_string());
//!
//! server.cut_connections();
//! assert!(server.sessions().is_empty(), "nobody has connected yet");
//! assert_eq!(server.get("/zookeeper").map(|(data, _)| data), Some(Some("".into())));
//! # Ok(())
//! # }
//! ```
//!
//! It is a test double: **it keeps nothing on disk**, it is alone, and what it serves is gone with it. Production is a
//! ZooKeeper ensemble.
//!
//! # What it carries
//!
//! Measured by `cargo run --release -p zk-testing --example measure` in November 2026, on two virtual processors of which the
//! client had one, over the loopback interface:
//!
//! | | time | memory of the process |
//! |---|---|---|
//! | 10,000 idle sessions, each with a connection | 0.4 s | 7 MiB, 810 bytes each, not counting the kernel's |
//! | 1,000,000 nodes of 10 bytes, 1,000 to a parent | 2.6 s | 300 MiB, 310 bytes each |
//! | 5,000,000 pipelined `getData` of those nodes, with those sessions | 2.6 s | |
//!
//! The reads are 1,900,000 a second, and 2,700,000 for each second that the server's thread really ran.

mod builder;
mod hooks;
#[cfg(feature = "tls")]
mod secure;
mod socket;
mod world;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use mio::{Events, Poll, Waker};

use crate::server::Server;

pub use builder::Builder;

use world::World;

/// So many events are taken at once.
const EVENTS: usize = 1024;

/// A ZooKeeper server in memory that serves a port of its own. See the [module](self).
///
/// It can be shared among threads. Dropping it closes the port and all connections.
pub struct TestServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    world: Mutex<World>,
    waker: Waker,
    /// How many calls wait for the world. The serving thread gives way to them.
    waiting: AtomicUsize,
}

impl TestServer {
    /// Starts a server with the [default settings](crate::server::Options) on a free port.
    ///
    /// # Errors
    ///
    /// When the operating system has no port or no thread to give.
    pub fn start() -> io::Result<Self> {
        Builder::new().start()
    }

    /// Returns settings to start a server with.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn serve(server: Server, address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), world::WAKER)?;
        let world = World::new(server, address, poll.registry().try_clone()?)?;
        let address = world.address();
        let shared = Arc::new(Shared { world: Mutex::new(world), waker, waiting: AtomicUsize::new(0) });
        let thread = thread::Builder::new().name(format!("zookeeper {}", address.port()));
        let thread = thread.spawn({
            let shared = shared.clone();
            move || shared.run(poll)
        })?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Returns where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns [`address`](Self::address) as a connect string.
    pub fn connect_string(&self) -> String {
        self.address.to_string()
    }

    /// Returns the port for clients.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Runs `meddle` while nothing else happens, then lets what it did take effect on the connections.
    fn meddle<T>(&self, meddle: impl FnOnce(&mut World) -> T) -> T {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let mut world = self.shared.lock();
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        let outcome = meddle(&mut world);
        world.settle();
        drop(world);
        // A wake that is lost would only be noticed when something else happens, and there is nothing else to do about it.
        _ = self.shared.waker.wake();
        outcome
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let Some(timeout) = self.lock().timeout() else { return };
            if let Err(error) = poll.poll(&mut events, timeout) {
                assert!(error.kind() == io::ErrorKind::Interrupted, "the operating system has no events: {error}");
            }
            while self.waiting.load(Ordering::Relaxed) > 0 {
                thread::yield_now();
            }
            self.lock().turn(&events);
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shared.lock().stop();
        _ = self.shared.waker.wake();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("address", &self.address).finish_non_exhaustive()
    }
}
