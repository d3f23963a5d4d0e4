//! Sockets, names and the time, for one driver on one mio poll.

use std::{
    future::poll_fn,
    io::{self, ErrorKind, IoSlice},
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::BytesMut;
use mio::{Interest, Registry, Token, event::Event, unix::SourceFd};
use zk_proto::{Instant, client::Io};

use crate::socket::{Loan, PATIENCE, Socket};

/// What a poll lends to one driver.
///
/// Nobody is woken from here but by the poll itself: whoever waits for its events polls the driver after them, and that looks at
/// everything.
#[derive(Debug)]
pub(crate) struct Reactor {
    registry: Registry,
    tokens: Range<usize>,
    origin: std::time::Instant,
    /// When the driver's turn has begun, in nanoseconds: early enough for whatever is done in it, and looking at the clock costs as much
    /// as all the rest of a read.
    turned_at: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    /// By token, as far as tokens were needed.
    sockets: Vec<Option<Arc<Socket>>>,
    /// Whether the poll tells of the sockets.
    is_watching: bool,
    /// When the driver is due.
    deadline: Option<Instant>,
    /// Until when the background thread sleeps; `None` while it is awake.
    asleep_until: Option<Instant>,
}

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    reactor: Arc<Reactor>,
    socket: Arc<Socket>,
    index: usize,
}

impl Reactor {
    pub(crate) fn new(registry: Registry, tokens: Range<usize>) -> Arc<Self> {
        let table = Table { sockets: Vec::new(), is_watching: true, deadline: None, asleep_until: None };
        let (origin, turned_at) = (std::time::Instant::now(), AtomicU64::new(0));
        Arc::new(Self { registry, tokens, origin, turned_at, table: Mutex::new(table) })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an event, and returns whether it was one of ours.
    pub(crate) fn note(&self, event: &Event) -> bool {
        let Token(token) = event.token();
        let Some(index) = token.checked_sub(self.tokens.start).filter(|_| self.tokens.contains(&token)) else {
            return false;
        };
        if let Some(Some(socket)) = self.table().sockets.get(index) {
            socket.note(event);
        }
        true
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    /// Returns how long it is until the driver is due.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let deadline = self.table().deadline?;
        Some(deadline.saturating_since(self.now()))
    }

    /// Returns the time as the driver sees it: while a thread waits for bytes, it stands still.
    ///
    /// The driver must not miss bytes that lie in that thread's hands already, or in the socket because the process was halted: it
    /// would take the server for silent. When the thread is back, which does not take long, it reads them, and then looks at the time.
    fn time(&self) -> Instant {
        let lent_since = self.table().lent_since();
        lent_since.unwrap_or_else(|| self.now())
    }

    /// Begins a turn of the driver, and returns its time.
    fn begin_turn(&self) -> Instant {
        let now = self.time();
        self.turned_at.store(now.as_nanos(), Relaxed);
        now
    }

    fn turned_at(&self) -> Instant {
        Instant::from_nanos(self.turned_at.load(Relaxed))
    }

    /// The background thread is about to sleep: returns for how long. If it is to look what others do, that is not long.
    pub(crate) fn fall_asleep(&self, is_looking: bool) -> Option<Duration> {
        let now = self.now();
        let mut table = self.table();
        let look = is_looking.then(|| now + PATIENCE);
        let until = match table.lent_since() {
            // Whoever has the lease sees to the deadline.
            Some(_) => look.or(Some(now + PATIENCE)),
            None => [table.deadline, look].into_iter().flatten().min(),
        };
        table.asleep_until = Some(until.unwrap_or(Instant::from_nanos(u64::MAX)));
        until.map(|until| until.saturating_since(now))
    }

    pub(crate) fn wake_up(&self) {
        self.table().asleep_until = None;
    }

    /// Returns whether the background thread would sleep too long.
    pub(crate) fn is_overslept(&self) -> bool {
        let table = self.table();
        table.deadline.zip(table.asleep_until).is_some_and(|(deadline, until)| deadline < until)
    }

    /// Returns whether a thread waits for bytes.
    pub(crate) fn is_lent(&self) -> bool {
        self.table().lent_since().is_some()
    }

    /// Returns whether the poll tells of the sockets.
    pub(crate) fn is_watching(&self) -> bool {
        self.table().is_watching
    }

    /// The driver is about to be polled, which tells anew when it is due, or it is no more.
    pub(crate) fn forget_deadline(&self) {
        self.table().deadline = None;
    }

    /// Gives the right to wait for bytes, if there is one socket and no more.
    pub(crate) fn lend(&self) -> Loan {
        self.table().single().map_or(Loan::Refused, |socket| socket.lend(self.turned_at()))
    }

    /// Makes the poll tell of the sockets, or not. Turning it on tells what is there already. It cannot be turned off while there is
    /// something to be told besides bytes.
    pub(crate) fn watch(&self, is_watching: bool) {
        self.set_watching(&mut self.table(), is_watching);
    }

    fn set_watching(&self, table: &mut Table, is_watching: bool) {
        let is_possible = is_watching || table.single().is_some_and(|socket| socket.is_settled());
        if table.is_watching == is_watching || !is_possible {
            return;
        }
        table.is_watching = is_watching;
        for (index, socket) in table.sockets.iter().enumerate() {
            let Some(socket) = socket else { continue };
            let result = if is_watching { self.register(index, socket) } else { self.deregister(socket) };
            // It cannot fail for a socket that is open; if it did, the silence of the server would show.
            debug_assert!(result.is_ok(), "the poll took a socket once and refuses it now: {result:?}");
        }
    }

    fn register(&self, index: usize, socket: &Socket) -> io::Result<()> {
        let token = Token(self.tokens.start + index);
        self.registry.register(&mut SourceFd(&socket.fd()), token, Interest::READABLE | Interest::WRITABLE)
    }

    fn deregister(&self, socket: &Socket) -> io::Result<()> {
        self.registry.deregister(&mut SourceFd(&socket.fd()))
    }

    fn add(self: &Arc<Self>, socket: Socket) -> io::Result<Connection> {
        let socket = Arc::new(socket);
        let mut table = self.table();
        let index = table.free_index();
        if index >= self.tokens.len() {
            return Err(io::Error::new(ErrorKind::QuotaExceeded, "no token is left for a socket"));
        }
        // A new socket needs the poll to connect.
        self.set_watching(&mut table, true);
        self.register(index, &socket)?;
        table.sockets[index] = Some(socket.clone());
        Ok(Connection { reactor: self.clone(), socket, index })
    }
}

impl Table {
    /// Returns the socket, if there is one and no more.
    fn single(&self) -> Option<&Arc<Socket>> {
        let mut sockets = self.sockets.iter().flatten();
        sockets.next().filter(|_| sockets.next().is_none())
    }

    /// Returns since when a thread waits for bytes.
    fn lent_since(&self) -> Option<Instant> {
        self.sockets.iter().flatten().find_map(|socket| socket.lent_since())
    }

    fn free_index(&mut self) -> usize {
        let index = self.sockets.iter().position(Option::is_none).unwrap_or(self.sockets.len());
        if index == self.sockets.len() {
            self.sockets.push(None);
        }
        index
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut table = self.reactor.table();
        table.sockets[self.index] = None;
        if table.is_watching {
            // At worst the poll tells of a socket that is not in the table any more.
            _ = self.reactor.deregister(&self.socket);
        }
        drop(table);
        self.socket.close();
    }
}

/// [`Io`] by a reactor.
#[derive(Clone, Debug)]
pub(crate) struct MioIo {
    pub(crate) reactor: Arc<Reactor>,
    /// Has the driver polled.
    pub(crate) waker: Waker,
}

impl Io for MioIo {
    type Stream = Connection;
    type Timer = ();

    /// Callers have threads of their own.
    const HAS_NEIGHBOURS: bool = false;

    fn now(&self) -> Instant {
        self.reactor.begin_turn()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        look_up(host, port, self.waker.clone()).await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Connection> {
        let connection = self.reactor.add(Socket::connect(address)?)?;
        poll_fn(|_| match connection.socket.finish_connect() {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        })
        .await?;
        Ok(connection)
    }

    fn poll_read(&self, stream: &mut Connection, _: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        stream.socket.read(input, self.reactor.turned_at()).map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_write(
        &self,
        stream: &mut Connection,
        _: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match stream.socket.write(chunks) {
            Some(result) => Poll::Ready(result),
            None => {
                // Who could tell when there is room again?
                self.reactor.watch(true);
                Poll::Pending
            }
        }
    }

    fn timer(&self) {}

    fn poll_timer(&self, (): &mut (), _: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if deadline <= self.reactor.turned_at() {
            return Poll::Ready(());
        }
        let mut table = self.reactor.table();
        table.deadline = Some(table.deadline.map_or(deadline, |other| other.min(deadline)));
        Poll::Pending
    }
}

/// Looks a name up in a thread of its own: the system's resolver may take long, and cannot be given up.
async fn look_up(host: &str, port: u16, waker: Waker) -> io::Result<Vec<SocketAddr>> {
    let (answer, name) = (Arc::new(Mutex::new(None)), host.to_string());
    let place = answer.clone();
    std::thread::Builder::new().name("zk-resolve".into()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        waker.wake();
    })?;
    poll_fn(|_| match answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(found) => Poll::Ready(found),
        None => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use mio::Events;

    use super::*;

    struct Bench {
        reactor: Arc<Reactor>,
        poll: mio::Poll,
        listener: TcpListener,
    }

    impl Bench {
        fn new(tokens: Range<usize>) -> Self {
            let poll = mio::Poll::new().unwrap();
            let reactor = Reactor::new(poll.registry().try_clone().unwrap(), tokens);
            Self { reactor, poll, listener: TcpListener::bind("127.0.0.1:0").unwrap() }
        }

        fn dial(&self) -> io::Result<Connection> {
            self.reactor.add(Socket::connect(self.listener.local_addr().unwrap()).unwrap())
        }

        /// Makes a connection, and returns the other side too.
        fn connect(&mut self) -> (Connection, TcpStream) {
            let connection = self.dial().unwrap();
            while !connection.socket.finish_connect().unwrap() {
                assert!(self.note() > 0);
            }
            let input = &mut BytesMut::with_capacity(16);
            assert!(connection.socket.read(input, self.reactor.now()).is_none());
            (connection, self.listener.accept().unwrap().0)
        }

        /// Takes note of what the poll tells within a moment, and returns how many events that were.
        fn note(&mut self) -> usize {
            let mut events = Events::with_capacity(8);
            self.poll.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
            events.iter().filter(|event| self.reactor.note(event)).count()
        }
    }

    #[test]
    fn the_drivers_time_stands_still_while_a_thread_waits_for_bytes() {
        let mut bench = Bench::new(1..3);
        let (_connection, _peer) = bench.connect();
        let io = MioIo { reactor: bench.reactor.clone(), waker: Waker::noop().clone() };
        let before = io.now();
        let Loan::Lease(lease) = bench.reactor.lend() else { panic!("there is a socket") };
        let lent = io.now();
        assert!(before <= lent);
        let due = lent + Duration::from_nanos(1);

        // However long that is: the process may have been halted, and the bytes lie in the thread's hands.
        while bench.reactor.now() <= due {}
        let polled = io.poll_timer(&mut (), &mut Context::from_waker(Waker::noop()), due);
        assert_eq!((io.now(), polled), (lent, Poll::Pending));
        assert_eq!(bench.reactor.fall_asleep(false), Some(PATIENCE), "who waits sees to what is due");
        drop(lease);

        assert!(io.now() > due);
        assert_eq!(bench.reactor.fall_asleep(false), Some(Duration::ZERO));
    }

    #[test]
    fn a_socket_that_is_not_watched_tells_what_is_there_when_it_is_watched_again() {
        let mut bench = Bench::new(1..3);
        let (_connection, mut peer) = bench.connect();
        bench.reactor.watch(false);
        assert!(!bench.reactor.is_watching());
        io::Write::write_all(&mut peer, b"bytes").unwrap();
        assert_eq!(bench.note(), 0);

        bench.reactor.watch(true);

        assert_eq!(bench.note(), 1);
        assert!(matches!(bench.reactor.lend(), Loan::Unread));
    }

    #[test]
    fn every_socket_is_watched_while_one_of_them_connects() {
        let mut bench = Bench::new(1..3);
        let (connection, _peer) = bench.connect();
        bench.reactor.watch(false);

        let second = bench.dial().unwrap();
        assert!(bench.reactor.is_watching());
        bench.reactor.watch(false);
        assert!(bench.reactor.is_watching());
        assert!(matches!(bench.reactor.lend(), Loan::Refused), "nobody may wait for one of two");
        assert!(bench.note() > 0);

        drop(second);
        bench.reactor.watch(false);
        assert!(!bench.reactor.is_watching());
        drop(connection);
    }

    #[test]
    fn tokens_are_used_again_and_are_not_more_than_were_given() {
        let bench = Bench::new(5..7);
        let (first, second) = (bench.dial().unwrap(), bench.dial().unwrap());
        assert_eq!(bench.dial().unwrap_err().kind(), ErrorKind::QuotaExceeded);

        drop(first);

        assert_eq!((bench.dial().unwrap().index, second.index), (0, 1));
    }

    #[test]
    fn a_sleeper_is_known_to_sleep_too_long_when_something_is_due_earlier() {
        let bench = Bench::new(1..3);
        let io = MioIo { reactor: bench.reactor.clone(), waker: Waker::noop().clone() };
        assert_eq!(bench.reactor.fall_asleep(false), None);
        assert!(!bench.reactor.is_overslept());

        let soon = io.now() + Duration::from_secs(1);
        assert!(io.poll_timer(&mut (), &mut Context::from_waker(Waker::noop()), soon).is_pending());
        assert!(bench.reactor.is_overslept());
        bench.reactor.wake_up();
        assert!(!bench.reactor.is_overslept(), "who is awake looks by itself");
        assert!(bench.reactor.fall_asleep(false).is_some_and(|sleep| sleep <= Duration::from_secs(1)));
        assert!(!bench.reactor.is_overslept());
        assert_eq!(bench.reactor.fall_asleep(true), Some(PATIENCE));
    }
}
