//! The client's half of the loop: a driver, and the one transport that it wants.
//!
//! Nothing here knows what else the loop does. There is no probe ([`Machine::wants_probe`]): only sessions that take read-only
//! servers ask for one, which would be a second transport of the same kind.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    mem,
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    task::{Context, Wake},
    thread,
    time::Duration,
};

use bytes::{Buf, BytesMut};
use mio::{Interest, Registry, event::Event, net::TcpStream};
use zk_proto::{Instant, LinkId, Machine, Server, Transmit, Wants, client::Driver, session::End};

use super::{LoopWaker, ZOOKEEPER};

/// How many reads are made before the visitors get their turn.
const READS_A_TURN: usize = 8;

pub(crate) struct ZooKeeper {
    driver: Driver,
    registry: Registry,
    origin: std::time::Instant,
    waker: Arc<LoopWaker>,
    transport: Option<Transport>,
    /// Looking up a name blocks, so a thread does it for each link, and leaves here what it has found.
    found: (Sender<Found>, Receiver<Found>),
}

type Found = (LinkId, io::Result<SocketAddr>);

/// All that belongs to one link, and goes with it.
struct Transport {
    link: LinkId,
    /// mio tells once that a socket is ready. It remains so until a call says that it would block.
    is_readable: bool,
    is_writable: bool,
    stage: Stage,
}

enum Stage {
    Resolving,
    Connecting(TcpStream),
    Open(Open),
    /// Failed; the driver was told.
    Gone,
}

struct Open {
    stream: TcpStream,
    input: BytesMut,
    output: Option<Transmit>,
}

impl ZooKeeper {
    pub(crate) fn new(driver: Driver, registry: Registry, waker: Arc<LoopWaker>) -> Self {
        let origin = std::time::Instant::now();
        Self { driver, registry, origin, waker, transport: None, found: mpsc::channel() }
    }

    /// Notes that mio says something of the socket.
    pub(crate) fn note_ready(&mut self, event: &Event) {
        if let Some(transport) = &mut self.transport {
            transport.is_readable |= event.is_readable();
            transport.is_writable |= event.is_writable();
        }
    }

    /// Takes in what has arrived.
    pub(crate) fn receive(&mut self) {
        let now = self.now();
        while let Ok((link, address)) = self.found.1.try_recv() {
            if let Some(transport) = self.transport.as_mut().filter(|transport| transport.link == link) {
                match address.and_then(|address| connect(&self.registry, address)) {
                    Ok(stream) => transport.stage = Stage::Connecting(stream),
                    Err(error) => transport.fail(&mut self.driver, &error, now),
                }
            }
        }
        if let Some(transport) = &mut self.transport {
            if let Err(error) = transport.receive(&mut self.driver, now) {
                transport.fail(&mut self.driver, &error, now);
            }
        }
    }

    /// Returns how the session has ended.
    pub(crate) fn ended(&self) -> Option<End> {
        match self.driver.wants() {
            Wants::Nothing(end) => Some(end),
            Wants::Offline | Wants::Link { .. } => None,
        }
    }

    /// Makes the transport the one that is wanted, writes what there is to write, and does what is due. Returns whether there may
    /// be more to do, so that the loop must not wait.
    pub(crate) fn send_and_work(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.now();
        match self.driver.wants() {
            Wants::Offline | Wants::Nothing(_) => self.transport = None,
            Wants::Link { id, .. } if self.transport.as_ref().is_some_and(|transport| transport.link == id) => {}
            Wants::Link { id, server } => self.dial(id, server),
        }
        let mut is_busy = false;
        if let Some(transport) = &mut self.transport {
            match transport.send(&mut self.driver, now) {
                Ok(()) => is_busy = transport.has_more() && self.driver.wants_input(),
                Err(error) => {
                    transport.fail(&mut self.driver, &error, now);
                    is_busy = true;
                }
            }
        }
        if self.driver.poll_timeout().is_some_and(|due| due <= now) {
            self.driver.handle_timeout(now);
            is_busy = true;
        }
        // Last, because this is where the driver goes to sleep: from now on it wakes the loop when there is something to do.
        is_busy | self.driver.poll_work(cx, now).is_ready()
    }

    /// Returns how long the loop may wait.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.driver.poll_timeout().map(|due| due.saturating_since(self.now()))
    }

    fn dial(&mut self, link: LinkId, server: Server) {
        // The old transport is closed first: it must not be open while the new one is.
        self.transport = None;
        self.transport = Some(Transport::new(link));
        let (found, waker) = (self.found.0.clone(), self.waker.clone());
        thread::spawn(move || {
            // A loop that has ended meanwhile is of no concern here.
            _ = found.send((link, resolve(&server)));
            waker.wake();
        });
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }
}

impl Transport {
    fn new(link: LinkId) -> Self {
        Self { link, is_readable: false, is_writable: false, stage: Stage::Resolving }
    }

    fn fail(&mut self, driver: &mut Driver, error: &io::Error, now: Instant) {
        self.stage = Stage::Gone;
        driver.handle_failure(self.link, error, now);
    }

    /// Returns whether there may be more to read at once.
    fn has_more(&self) -> bool {
        self.is_readable && matches!(self.stage, Stage::Open(_))
    }

    fn receive(&mut self, driver: &mut Driver, now: Instant) -> io::Result<()> {
        if let Stage::Connecting(stream) = &self.stage {
            if !self.is_writable || !is_connected(stream)? {
                return Ok(());
            }
            if let Stage::Connecting(stream) = mem::replace(&mut self.stage, Stage::Gone) {
                self.stage = Stage::Open(Open { stream, input: BytesMut::new(), output: None });
                driver.handle_connected(self.link, now);
            }
        }
        let Stage::Open(open) = &mut self.stage else { return Ok(()) };
        // Frames that were left here while the driver wanted none.
        if driver.wants_input() && !open.input.is_empty() {
            driver.handle_input(self.link, &mut open.input, now);
        }
        let mut buffer = [0; 16 * 1024];
        for _ in 0..READS_A_TURN {
            if !self.is_readable || !driver.wants_input() {
                break;
            }
            match open.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    open.input.extend_from_slice(&buffer[..count]);
                    driver.handle_input(self.link, &mut open.input, now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send(&mut self, driver: &mut Driver, now: Instant) -> io::Result<()> {
        let Stage::Open(open) = &mut self.stage else { return Ok(()) };
        while self.is_writable {
            // What the socket did not take of one helping goes out before the next.
            let transmit = match &mut open.output {
                Some(transmit) => transmit,
                None => match driver.poll_transmit(self.link, now) {
                    Some(transmit) => open.output.insert(transmit),
                    None => break,
                },
            };
            let mut chunks = [IoSlice::new(&[]); 16];
            let count = transmit.chunks_vectored(&mut chunks);
            match open.stream.write_vectored(&chunks[..count]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => transmit.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !transmit.has_remaining() {
                open.output = None;
            }
        }
        Ok(())
    }
}

/// Looks up one address of a server, another one at each attempt.
fn resolve(server: &Server) -> io::Result<SocketAddr> {
    let addresses: Vec<_> = (&*server.host, server.port).to_socket_addrs()?.collect();
    let index = (server.attempt as usize).checked_rem(addresses.len());
    index.map(|index| addresses[index]).ok_or_else(|| ErrorKind::AddrNotAvailable.into())
}

/// Begins to connect. mio says that the socket is writable when that is done, for better or worse.
fn connect(registry: &Registry, address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    registry.register(&mut stream, ZOOKEEPER, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => stream.set_nodelay(true).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
