//! A way to a server that can be broken as networks break.
//!
//! The proxy is a port, which is closed to refuse connections, and a [`Line`] through which those it took run.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::line::Line;
use super::pieces::Pieces;
use super::ports::{free_port, loopback};

/// How often a listener tries for its port when another process got hold of it first.
const PORT_TRIES: usize = 5;

/// A TCP proxy in front of one server. Dropping it closes everything that goes through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    listening: Mutex<Option<Listening>>,
}

/// A way through a [`Proxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the client sends.
    ToServer,
    /// What the server sends.
    ToClient,
    /// What either sends.
    Both,
}

impl Proxy {
    /// Starts a proxy in front of a server's [`address`](super::Server::address).
    ///
    /// # Errors
    ///
    /// Fails when no port can be had.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let line = Arc::new(Line::new(target));
        let mut tries = 1;
        loop {
            let address = loopback(free_port()?);
            match Listening::start(address, &line) {
                Ok(listening) => return Ok(Self { address, line, listening: Mutex::new(Some(listening)) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts a proxy at an address that was chosen before.
    pub(super) fn start_at(address: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let line = Arc::new(Line::new(target));
        let listening = Listening::start(address, &line)?;
        Ok(Self { address, line, listening: Mutex::new(Some(listening)) })
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

    /// Returns how many connections there are.
    pub fn connections(&self) -> usize {
        self.line.connections()
    }

    /// Closes all connections. New ones are as welcome as before.
    pub fn cut(&self) {
        self.line.cut();
    }

    /// Refuses new connections, as a host does where nobody listens. Those there are stay.
    pub fn refuse(&self) {
        *self.listening() = None;
    }

    /// Forwards nothing in this direction, on all connections there are and will be, but takes new ones.
    ///
    /// Nothing is lost: what is sent meanwhile, be it the end of a connection, arrives after [`allow`](Self::allow).
    pub fn black_hole(&self, direction: Direction) {
        self.line.close_gates(direction);
    }

    /// Ends [`refuse`](Self::refuse) and [`black_hole`](Self::black_hole).
    ///
    /// # Errors
    ///
    /// Fails when somebody else took the port while connections to it were refused.
    pub fn allow(&self) -> io::Result<()> {
        self.line.open_gates();
        let mut listening = self.listening();
        if listening.is_none() {
            *listening = Some(Listening::start(self.address, &self.line)?);
        }
        Ok(())
    }

    /// Passes what it reads on in such pieces, on all connections that will be.
    pub fn set_pieces(&self, pieces: Pieces) {
        self.line.set_pieces(pieces);
    }

    fn listening(&self) -> MutexGuard<'_, Option<Listening>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.cut();
    }
}

/// The open port. Dropping it closes the port, whose number can then be had again.
#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    fn start(address: SocketAddr, line: &Arc<Line>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let accept = {
            let (is_over, line) = (Arc::clone(&is_over), Arc::clone(line));
            move || {
                for client in listener.incoming() {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    // A client that cannot be served is closed, which tells it enough.
                    let _ = client.and_then(|client| line.connect(client));
                }
            }
        };
        Ok(Self { address, is_over, thread: Some(thread::spawn(accept)) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // The thread sits in `accept` and looks up when somebody comes.
        if TcpStream::connect(self.address).is_ok() {
            if let Some(thread) = self.thread.take() {
                // It does not panic, and if it did, the port would be closed all the same.
                let _ = thread.join();
            }
        }
    }
}
