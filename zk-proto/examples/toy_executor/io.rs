//! What the executor lends to a driver.

use std::{
    future::poll_fn,
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    rc::Rc,
    sync::mpsc::{self, TryRecvError},
    task::{Context, Poll},
    thread,
};

use bytes::BytesMut;
use rustix::{
    event::PollFlags,
    io::Errno,
    net::{AddressFamily, SocketType, connect, socket, sockopt::socket_error},
};
use zk_proto::{Instant, client::Io};

use super::executor::{Alarm, Executor};

pub(crate) struct ToyIo {
    executor: Rc<Executor>,
    origin: std::time::Instant,
}

/// A socket, and a buffer to read into that was zeroed once.
pub(crate) struct Stream {
    socket: Rc<TcpStream>,
    buffer: Vec<u8>,
}

impl ToyIo {
    pub(crate) fn new(executor: &Rc<Executor>) -> Self {
        Self { executor: executor.clone(), origin: std::time::Instant::now() }
    }

    /// Tries something that may block; then the task is woken when that is over.
    fn attempt<T>(
        &self,
        socket: &Rc<TcpStream>,
        readiness: PollFlags,
        cx: &Context<'_>,
        attempt: impl FnOnce(&TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        match attempt(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.executor.await_socket(socket, readiness, cx.waker());
                Poll::Pending
            }
            outcome => Poll::Ready(outcome),
        }
    }
}

impl Io for ToyIo {
    type Stream = Stream;
    type Timer = Rc<Alarm>;

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    /// In a thread, because the system's resolver blocks. The thread wakes the task when it is done.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut thread = None;
        poll_fn(|cx| {
            let found = thread.get_or_insert_with(|| {
                let (sender, found) = mpsc::channel();
                // All wakers of one task are alike here, so the first one will do.
                let (host, waker) = (host.to_owned(), cx.waker().clone());
                thread::spawn(move || {
                    // Nobody listens when the attempt was given up.
                    _ = sender.send((&*host, port).to_socket_addrs().map(Vec::from_iter));
                    waker.wake();
                });
                found
            });
            match found.try_recv() {
                Ok(addresses) => Poll::Ready(addresses),
                Err(TryRecvError::Empty) => Poll::Pending,
                Err(TryRecvError::Disconnected) => Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            }
        })
        .await
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = Rc::new(TcpStream::from(socket(family, SocketType::STREAM, None)?));
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                // The socket becomes writable when the attempt is over, for better or worse.
                poll_fn(|cx| {
                    self.attempt(&socket, PollFlags::OUT, cx, |socket| match socket.peer_addr() {
                        Ok(_) => Ok(()),
                        Err(_) => Err(socket_error(socket)?.err().unwrap_or(Errno::WOULDBLOCK).into()),
                    })
                })
                .await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Stream { socket, buffer: vec![0; 16 * 1024] })
    }

    fn poll_read(&self, stream: &mut Stream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let Stream { socket, buffer } = stream;
        let room = (input.capacity() - input.len()).min(buffer.len());
        self.attempt(socket, PollFlags::IN, cx, |mut socket| {
            let count = socket.read(&mut buffer[..room])?;
            input.extend_from_slice(&buffer[..count]);
            Ok(count)
        })
    }

    fn poll_write(&self, stream: &mut Stream, cx: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.attempt(&stream.socket, PollFlags::OUT, cx, |mut socket| socket.write_vectored(chunks))
    }

    fn timer(&self) -> Rc<Alarm> {
        self.executor.alarm()
    }

    fn poll_timer(&self, alarm: &mut Rc<Alarm>, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.now() >= deadline {
            return Poll::Ready(());
        }
        alarm.set(self.origin + deadline.saturating_since(Instant::ORIGIN), cx.waker());
        Poll::Pending
    }
}
