//! A socket that several threads share, of which one reads at a time.
//!
//! The socket itself is in blocking mode, and whoever must not wait says so with each call. So a thread that waits for a reply
//! does it with one system call, `recv`, and neither `epoll` nor another thread takes part. While it does, the socket is
//! *lent*: nobody else reads, because bytes must stay in order. What it has received lies in the inbox, for the driver to
//! take as if it had read it itself.

use std::{
    io::{self, ErrorKind, IoSlice},
    mem,
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::{AsRawFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use mio::event::Event;
use rustix::{
    buffer::spare_capacity,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg},
};
use zk_proto::Instant;

/// How long a thread waits for a reply by itself. If it takes longer, the background thread does the waiting, and nothing is gained
/// by doing it oneself.
pub(crate) const PATIENCE: Duration = Duration::from_millis(5);

/// How long it counts that there was nothing to read. A process may have been halted since, and bytes that have come meanwhile
/// must be read before the time is judged, whether the poll has told of them or not.
const FRESH: Duration = Duration::from_millis(10);

/// The memory that is read into, zeroed once.
const SCRATCH_BYTES: usize = 64 * 1024;

#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::DONTWAIT;

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    is_open: bool,
    /// What the poll has told and was not found to be otherwise since.
    is_readable: bool,
    is_writable: bool,
    /// The poll has told that the stream ends. It tells so once, and perhaps together with the last bytes.
    is_ending: bool,
    /// There was no room for the last write.
    is_full: bool,
    /// When there was nothing to read.
    empty_at: Instant,
    inbox: Inbox,
}

/// Where received bytes lie until the driver takes them.
#[derive(Debug)]
enum Inbox {
    /// Bytes from `taken` to `len`.
    Here { scratch: Vec<u8>, taken: usize, len: usize },
    /// The end of the stream, or an error, is next.
    Over(Option<io::Error>),
    /// A thread waits for bytes, since then.
    Lent(Instant),
}

impl Inbox {
    const EMPTY: Self = Self::Here { scratch: Vec::new(), taken: 0, len: 0 };
}

/// What comes of asking for a lease.
#[derive(Debug)]
pub(crate) enum Loan {
    Lease(Lease),
    /// There is something to read, and no need to wait.
    Unread,
    /// Somebody else waits, or there is nothing to wait for.
    Refused,
}

/// The right to wait for bytes. It is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    socket: Arc<Socket>,
    inbox: Inbox,
}

impl Socket {
    /// Begins to connect.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::from(mio::net::TcpStream::connect(address)?);
        let state = State {
            is_open: false,
            is_readable: false,
            is_writable: false,
            is_ending: false,
            is_full: false,
            empty_at: Instant::ORIGIN,
            inbox: Inbox::EMPTY,
        };
        Ok(Self { stream, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Takes note of what the poll has told.
    pub(crate) fn note(&self, event: &Event) {
        let mut state = self.state();
        state.is_ending |= event.is_read_closed() || event.is_error();
        state.is_readable |= event.is_readable() || state.is_ending;
        state.is_writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Returns whether it is connected by now, and makes it ready for use.
    pub(crate) fn finish_connect(&self) -> io::Result<bool> {
        let mut state = self.state();
        if !state.is_writable {
            return Ok(false);
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                state.is_writable = false;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        self.stream.set_nodelay(true)?;
        self.stream.set_nonblocking(false)?;
        self.stream.set_read_timeout(Some(PATIENCE))?;
        state.is_open = true;
        Ok(true)
    }

    /// Reads what there is without waiting. `None`: nothing, or somebody else is at it.
    pub(crate) fn read(&self, input: &mut BytesMut, now: Instant) -> Option<io::Result<usize>> {
        let mut state = self.state();
        let room = input.capacity() - input.len();
        let State { is_readable, is_ending, empty_at, inbox, .. } = &mut *state;
        let (scratch, taken, len) = match inbox {
            Inbox::Lent(_) => return None,
            Inbox::Over(error) => return Some(error.take().map_or(Ok(0), Err)),
            Inbox::Here { scratch, taken, len } => (scratch, taken, len),
        };
        if taken == len {
            if !*is_readable && now < *empty_at + FRESH {
                return None;
            }
            let is_large = input.len() >= SCRATCH_BYTES;
            let wanted = if is_large { room } else { room.min(SCRATCH_BYTES) };
            let received = if is_large {
                recv_in_place(&self.stream, input)
            } else {
                scratch.resize(SCRATCH_BYTES, 0);
                recv(&self.stream, &mut scratch[..wanted], RecvFlags::DONTWAIT).map(|(count, _)| count)
            };
            match received.map_err(io::Error::from) {
                Ok(count) => {
                    *empty_at = now;
                    // Less than was asked for was all that there is; what comes later is told anew, but for the end.
                    *is_readable = count >= wanted || *is_ending;
                    if is_large {
                        return Some(Ok(count));
                    }
                    (*taken, *len) = (0, count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    (*is_readable, *is_ending, *empty_at) = (false, false, now);
                    return None;
                }
                Err(error) => return Some(Err(error)),
            }
        }
        let count = room.min(*len - *taken);
        input.extend_from_slice(&scratch[*taken..*taken + count]);
        *taken += count;
        Some(Ok(count))
    }

    /// Writes without waiting. `None`: no room.
    pub(crate) fn write(&self, chunks: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        match sendmsg(&self.stream, chunks, &mut SendAncillaryBuffer::default(), SEND).map_err(io::Error::from) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.state().is_full = true;
                None
            }
            result => {
                self.state().is_full = false;
                Some(result)
            }
        }
    }

    /// Gives the right to wait for bytes, if it is to be had and there are none yet.
    pub(crate) fn lend(self: &Arc<Self>, now: Instant) -> Loan {
        let mut state = self.state();
        match &state.inbox {
            Inbox::Here { taken, len, .. } if taken == len && state.is_open => {}
            Inbox::Here { .. } | Inbox::Over(_) | Inbox::Lent(_) => return Loan::Refused,
        }
        if state.is_readable {
            return Loan::Unread;
        }
        let inbox = mem::replace(&mut state.inbox, Inbox::Lent(now));
        Loan::Lease(Lease { socket: self.clone(), inbox })
    }

    /// Returns since when a thread waits for bytes.
    pub(crate) fn lent_since(&self) -> Option<Instant> {
        match self.state().inbox {
            Inbox::Lent(since) => Some(since),
            Inbox::Here { .. } | Inbox::Over(_) => None,
        }
    }

    /// Returns whether nothing but bytes from the other side can be news.
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.state();
        state.is_open && !state.is_full
    }

    /// Closes the connection, also under the hands of a thread that waits.
    pub(crate) fn close(&self) {
        self.state().is_open = false;
        // Nothing is to be done where it is closed already.
        _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Lease {
    /// Waits for bytes, but not for long, and gives the lease back. Returns whether it was not in vain.
    pub(crate) fn wait(mut self) -> bool {
        let Inbox::Here { scratch, taken, len } = &mut self.inbox else { return false };
        scratch.resize(SCRATCH_BYTES, 0);
        match recv(&self.socket.stream, &mut scratch[..], RecvFlags::empty()).map_err(io::Error::from) {
            Ok((0, _)) => self.inbox = Inbox::Over(None),
            Ok((count, _)) => (*taken, *len) = (0, count),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return false,
                // The process may have been halted: there may be more to do now than to wait for bytes.
                ErrorKind::Interrupted => {}
                _ => self.inbox = Inbox::Over(Some(error)),
            },
        }
        true
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.socket.state();
        if let Inbox::Lent(since) = state.inbox {
            state.empty_at = since;
        }
        if let Inbox::Here { len: SCRATCH_BYTES, .. } = self.inbox {
            // There may be more.
            state.is_readable = true;
        }
        state.inbox = mem::replace(&mut self.inbox, Inbox::EMPTY);
    }
}

/// Reads to the end of `input`, which is the beginning of a large frame: that much is not copied once more.
///
/// The system can be lent memory that was never written to only as a vector's, without unsafe code. `input` becomes one and
/// back without being moved, as long as nobody else holds a slice of its memory.
fn recv_in_place(stream: &TcpStream, input: &mut BytesMut) -> rustix::io::Result<usize> {
    let room = input.capacity() - input.len();
    let mut memory = Vec::from(mem::take(input));
    memory.reserve(room);
    let received = recv(stream, spare_capacity(&mut memory), RecvFlags::DONTWAIT);
    *input = BytesMut::from(Bytes::from(memory));
    received.map(|(count, _)| count)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use mio::{Events, Interest, Poll, Token, unix::SourceFd};

    use super::*;

    /// A socket whose poll is asked by hand, and the other side.
    struct Pair {
        socket: Arc<Socket>,
        peer: TcpStream,
        poll: Poll,
    }

    impl Pair {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = Socket::connect(listener.local_addr().unwrap()).unwrap();
            let poll = Poll::new().unwrap();
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut SourceFd(&socket.fd()), Token(0), interest).unwrap();
            let mut pair = Self { socket: Arc::new(socket), peer: listener.accept().unwrap().0, poll };
            while !pair.socket.finish_connect().unwrap() {
                pair.note();
            }
            pair
        }

        /// Waits for events, and has the socket take note of them.
        fn note(&mut self) {
            let mut events = Events::with_capacity(8);
            self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "the poll tells something");
            events.iter().for_each(|event| self.socket.note(event));
        }

        /// Waits until the other side's bytes have arrived, or its end.
        fn arrive(&self) {
            self.socket.stream.peek(&mut [0]).unwrap();
        }

        fn lend(&self, now: Instant) -> Option<Lease> {
            match self.socket.lend(now) {
                Loan::Lease(lease) => Some(lease),
                Loan::Unread | Loan::Refused => None,
            }
        }

        fn read(&self, now: Instant) -> Option<Vec<u8>> {
            let mut input = BytesMut::with_capacity(1024);
            self.socket.read(&mut input, now).map(|result| {
                assert_eq!(result.unwrap(), input.len());
                input.to_vec()
            })
        }
    }

    fn at(time_ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(time_ms)
    }

    #[test]
    fn the_end_of_the_stream_is_not_missed_when_it_comes_with_the_last_bytes() {
        let mut pair = Pair::new();
        pair.peer.write_all(b"bytes").unwrap();
        pair.peer.shutdown(Shutdown::Both).unwrap();
        // Another poll tells that both are there, so this one tells of both at once.
        let (mut other, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
        let readable = Interest::READABLE;
        other.registry().register(&mut SourceFd(&pair.socket.fd()), Token(0), readable).unwrap();
        while !events.iter().any(|event| event.is_read_closed()) {
            other.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        }
        pair.note();

        assert_eq!(pair.read(at(1)), Some(b"bytes".to_vec()));
        assert_eq!(pair.read(at(1)), Some(vec![]), "the end");
    }

    #[test]
    fn nothing_is_read_again_before_the_poll_tells_of_it_or_time_has_passed() {
        let mut pair = Pair::new();
        assert_eq!(pair.read(at(100)), None);
        pair.peer.write_all(b"bytes").unwrap();
        pair.arrive();

        assert_eq!(pair.read(at(105)), None, "it is too soon to try in vain once more");
        // As after a process was halted: the poll was not asked yet, and it is late.
        assert_eq!(pair.read(at(5000)), Some(b"bytes".to_vec()));
        assert_eq!(pair.read(at(5000)), None);
        pair.peer.write_all(b"more").unwrap();
        pair.note();
        assert_eq!(pair.read(at(5001)), Some(b"more".to_vec()));
    }

    #[test]
    fn nobody_reads_beside_a_lease_and_its_bytes_come_first() {
        let mut pair = Pair::new();
        assert_eq!(pair.read(at(100)), None);
        let lease = pair.lend(at(101)).unwrap();
        assert!(pair.lend(at(101)).is_none(), "there is but one");
        assert_eq!(pair.socket.lent_since(), Some(at(101)));
        pair.peer.write_all(b"one ").unwrap();
        pair.note();
        assert_eq!(pair.read(at(5000)), None);

        assert!(lease.wait());
        pair.peer.write_all(b"two").unwrap();
        pair.arrive();

        assert!(pair.lend(at(5000)).is_none(), "there are bytes already");
        assert_eq!((pair.read(at(5000)), pair.read(at(5000))), (Some(b"one ".to_vec()), Some(b"two".to_vec())));
        assert_eq!(pair.socket.lent_since(), None);
    }

    #[test]
    fn a_lease_is_given_back_in_vain_after_a_short_time_and_when_it_is_dropped() {
        let pair = Pair::new();
        assert_eq!(pair.read(at(100)), None);

        assert!(!pair.lend(at(101)).unwrap().wait());
        drop(pair.lend(at(102)).unwrap());

        assert!(pair.lend(at(103)).is_some());
    }

    #[test]
    fn a_lease_ends_with_the_stream_whichever_side_ends_it() {
        let pair = Pair::new();
        assert_eq!(pair.read(at(100)), None);
        let lease = pair.lend(at(101)).unwrap();
        pair.peer.shutdown(Shutdown::Write).unwrap();
        assert!(lease.wait());
        assert_eq!(pair.read(at(102)), Some(vec![]));

        let pair = Pair::new();
        assert_eq!(pair.read(at(100)), None);
        let lease = pair.lend(at(101)).unwrap();
        pair.socket.close();
        assert!(lease.wait());
        assert!(pair.lend(at(102)).is_none());
    }

    #[test]
    fn a_lease_that_brings_all_it_can_hold_leaves_the_rest_to_be_read() {
        let mut pair = Pair::new();
        assert_eq!(pair.read(at(100)), None);
        let lease = pair.lend(at(101)).unwrap();
        let sent = vec![7; 3 * SCRATCH_BYTES];
        let mut peer = pair.peer.try_clone().unwrap();
        let writing = thread::spawn(move || peer.write_all(&sent).unwrap());
        let mut received = 0;
        assert!(lease.wait());

        while received < 3 * SCRATCH_BYTES {
            match pair.read(at(102)) {
                Some(bytes) => received += bytes.len(),
                None => pair.note(),
            }
        }

        writing.join().unwrap();
        assert_eq!(pair.read(at(102)), None);
    }

    fn large_frame() -> Vec<u8> {
        (0..10 * SCRATCH_BYTES).map(|index| index as u8 ^ (index >> 8) as u8).collect()
    }

    /// Receives that frame at the end of `input`.
    fn receive(pair: &mut Pair, input: &mut BytesMut, frame: &[u8]) {
        let (mut peer, sent, len) = (pair.peer.try_clone().unwrap(), frame.to_vec(), input.len() + frame.len());
        let writing = thread::spawn(move || peer.write_all(&sent).unwrap());
        while input.len() < len {
            if pair.socket.read(input, at(100)).is_none() {
                pair.note();
            }
        }
        writing.join().unwrap();
        assert!(pair.socket.read(input, at(200)).is_none());
    }

    #[test]
    fn the_rest_of_a_large_frame_comes_to_where_it_stays() {
        let mut pair = Pair::new();
        let frame = large_frame();
        let mut input = BytesMut::with_capacity(frame.len() + 1);
        let place = input.as_ptr();

        receive(&mut pair, &mut input, &frame);

        assert!(input == frame);
        assert_eq!((input.as_ptr(), input.capacity()), (place, frame.len() + 1));
    }

    #[test]
    fn a_large_frame_beside_one_that_is_held_leaves_that_alone() {
        let mut pair = Pair::new();
        let frame = large_frame();
        let mut input = BytesMut::with_capacity(2 * frame.len());
        input.extend_from_slice(&[7; 1000]);
        let held = input.split().freeze();

        receive(&mut pair, &mut input, &frame);

        assert!(input == frame);
        assert!(held == [7; 1000][..]);
        assert!(input.capacity() >= frame.len());
    }

    #[test]
    fn a_socket_is_not_settled_while_it_connects_or_is_full() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!Socket::connect(listener.local_addr().unwrap()).unwrap().is_settled());
        let mut pair = Pair::new();
        assert!(pair.socket.is_settled());
        let chunk = vec![0; 1 << 20];
        let mut written = 0;

        while let Some(result) = pair.socket.write(&[IoSlice::new(&chunk)]) {
            written += result.unwrap();
        }
        assert!(!pair.socket.is_settled());

        let mut drained = vec![0; written];
        pair.peer.read_exact(&mut drained).unwrap();
        assert!(pair.socket.write(&[IoSlice::new(b"more")]).is_some());
        assert!(pair.socket.is_settled());
    }
}
