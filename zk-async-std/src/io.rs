//! async-std's socket, resolver and timer.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use async_std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    task,
};
use bytes::BytesMut;
use zk_proto::{Instant, client::Io};

/// How much is read at once at most.
const MOST_BYTES_A_READ: usize = 64 * 1024;

thread_local! {
    /// What sockets are read into, because async-std reads into initialised memory alone. It was zeroed once, which is cheaper than
    /// zeroing the room at the end of an input buffer for every read; and it is the thread's rather than the socket's, so that
    /// sessions that are idle have none.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What async-std lends to a driver. Its clock begins when it is made.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStdIo {
    origin: std::time::Instant,
}

impl AsyncStdIo {
    /// Makes one with a clock of its own.
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

impl Default for AsyncStdIo {
    fn default() -> Self {
        Self::new()
    }
}

impl Io for AsyncStdIo {
    type Stream = TcpStream;
    type Timer = AsyncStdTimer;

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs().await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn poll_read(&self, stream: &mut TcpStream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        #[cfg(unix)]
        if let Some(received) = crate::in_place::recv_large(stream, input) {
            return Poll::Ready(received);
        }
        let room = (input.capacity() - input.len()).min(MOST_BYTES_A_READ);
        let mut scratch = SCRATCH.take();
        if scratch.len() < room {
            scratch.resize(room, 0);
        }
        let polled = Pin::new(stream).poll_read(cx, &mut scratch[..room]);
        if let Poll::Ready(Ok(count)) = polled {
            input.extend_from_slice(&scratch[..count]);
        }
        SCRATCH.set(scratch);
        polled
    }

    fn poll_write(
        &self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write_vectored(cx, chunks)
    }

    fn timer(&self) -> AsyncStdTimer {
        AsyncStdTimer { armed: None }
    }

    fn poll_timer(&self, timer: &mut AsyncStdTimer, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = match &mut timer.armed {
            Some(armed) if armed.deadline == deadline => &mut armed.sleep,
            armed => {
                let sleep = Box::pin(task::sleep(deadline.saturating_since(self.now())));
                &mut armed.insert(Armed { deadline, sleep }).sleep
            }
        };
        let polled = sleep.as_mut().poll(cx);
        if polled.is_ready() {
            timer.armed = None;
        }
        polled
    }
}

/// Waits for one time after the other; made by [`AsyncStdIo`].
pub struct AsyncStdTimer {
    armed: Option<Armed>,
}

/// What waits for one time. async-std's timers cannot be set to another one.
struct Armed {
    deadline: Instant,
    sleep: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for AsyncStdTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncStdTimer").field(&self.armed.as_ref().map(|armed| armed.deadline)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::Write as _, net::TcpListener, time::Duration};

    use bytes::BufMut;

    use super::*;

    /// Returns both ends of a connection; the second one is the driver's.
    async fn connection(io: &AsyncStdIo) -> (std::net::TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = io.connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().unwrap().0, stream)
    }

    async fn read(io: &AsyncStdIo, stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|cx| io.poll_read(stream, cx, input)).await
    }

    async fn wait(io: &AsyncStdIo, timer: &mut AsyncStdTimer, deadline: Instant) {
        poll_fn(|cx| io.poll_timer(timer, cx, deadline)).await;
    }

    #[test]
    fn a_read_fills_the_room_there_is_and_leaves_the_rest_in_the_socket() {
        task::block_on(async {
            let io = AsyncStdIo::new();
            let (mut peer, mut stream) = connection(&io).await;
            peer.write_all(b"abcdefghij").unwrap();
            drop(peer);
            let mut input = BytesMut::with_capacity(7);
            input.put_slice(b"...");
            let (capacity, place) = (input.capacity(), input.as_ptr());

            assert_eq!(read(&io, &mut stream, &mut input).await.unwrap(), capacity - 3);
            assert_eq!((&input[..7], input.capacity(), input.as_ptr()), (&b"...abcd"[..], capacity, place));

            input.reserve(100);
            assert_eq!(read(&io, &mut stream, &mut input).await.unwrap(), 13 - capacity);
            assert_eq!(input, "...abcdefghij");
            assert_eq!(read(&io, &mut stream, &mut input).await.unwrap(), 0, "the end of the stream");
        });
    }

    /// Has the other side send ten times what a large frame begins with, and reads all of it to the end of `input`.
    async fn receive_large(input: &mut BytesMut) -> Vec<u8> {
        let io = AsyncStdIo::new();
        let (mut peer, mut stream) = connection(&io).await;
        let frame: Vec<u8> = (0..10 * 64 * 1024).map(|index| index as u8 ^ (index >> 8) as u8).collect();
        let sent = frame.clone();
        let writing = std::thread::spawn(move || peer.write_all(&sent).unwrap());
        while input.len() < frame.len() {
            assert!(read(&io, &mut stream, input).await.unwrap() > 0);
        }
        writing.join().unwrap();
        assert_eq!(read(&io, &mut stream, input).await.unwrap(), 0, "the end of the stream");
        frame
    }

    #[test]
    fn the_rest_of_a_large_frame_comes_to_where_it_stays() {
        let mut input = BytesMut::with_capacity(10 * 64 * 1024 + 1);
        let (place, capacity) = (input.as_ptr(), input.capacity());

        let frame = task::block_on(receive_large(&mut input));

        assert!(input == frame);
        assert_eq!((input.as_ptr(), input.capacity()), (place, capacity));
    }

    #[test]
    fn a_large_frame_beside_one_that_is_held_leaves_that_alone() {
        let mut input = BytesMut::with_capacity(20 * 64 * 1024);
        input.put_slice(&[7; 1000]);
        let held = input.split().freeze();

        let frame = task::block_on(receive_large(&mut input));

        assert!(input == frame);
        assert!(held == [7; 1000][..]);
    }

    #[test]
    fn requests_are_not_held_back_by_the_socket() {
        let (_peer, stream) = task::block_on(connection(&AsyncStdIo::new()));

        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn all_chunks_leave_in_one_write() {
        task::block_on(async {
            let io = AsyncStdIo::new();
            let (_peer, mut stream) = connection(&io).await;
            let chunks = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];

            assert_eq!(poll_fn(|cx| io.poll_write(&mut stream, cx, &chunks)).await.unwrap(), 5);
        });
    }

    #[test]
    fn names_and_addresses_resolve() {
        task::block_on(async {
            let io = AsyncStdIo::new();

            assert!(io.resolve("localhost", 2181).await.unwrap().iter().all(|address| address.ip().is_loopback()));
            assert_eq!(io.resolve("::1", 2181).await.unwrap(), ["[::1]:2181".parse().unwrap()]);
        });
    }

    #[test]
    fn a_timer_counts_for_the_last_deadline_it_was_asked_for() {
        task::block_on(async {
            let io = AsyncStdIo::new();
            let mut timer = io.timer();
            let (soon, late) = (io.now() + Duration::from_millis(20), io.now() + Duration::from_secs(3600));

            let early = poll_fn(|cx| Poll::Ready(io.poll_timer(&mut timer, cx, late))).await;
            wait(&io, &mut timer, soon).await;
            let fired = io.now();
            // A deadline that has passed is ready however often it is asked for.
            wait(&io, &mut timer, soon).await;

            assert!(early.is_pending() && soon <= fired && fired < late);
        });
    }

    #[test]
    fn a_timer_that_was_put_off_does_not_fire_at_its_old_time() {
        task::block_on(async {
            let io = AsyncStdIo::new();
            let (mut timer, mut other) = (io.timer(), io.timer());
            let (first, last) = (io.now() + Duration::from_millis(10), io.now() + Duration::from_secs(3600));
            assert!(poll_fn(|cx| Poll::Ready(io.poll_timer(&mut timer, cx, first))).await.is_pending());

            wait(&io, &mut other, first + Duration::from_millis(1)).await;

            assert!(poll_fn(|cx| Poll::Ready(io.poll_timer(&mut timer, cx, last))).await.is_pending());
        });
    }
}
