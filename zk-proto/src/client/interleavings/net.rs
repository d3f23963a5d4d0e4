//! Connections in memory, and a server in a thread of its own at their other end.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, BytesMut};
use shuttle::sync::{Condvar, Mutex};

use crate::{Instant, client::Io};

/// What lies between a driver and a server.
#[derive(Default)]
pub(super) struct Net {
    state: Mutex<State>,
    has_news: Condvar,
}

#[derive(Default)]
struct State {
    accepted: VecDeque<Arc<Connection>>,
    is_over: bool,
}

/// Both directions of a connection.
#[derive(Default)]
pub(super) struct Connection {
    state: Mutex<Directions>,
    has_news: Condvar,
}

#[derive(Default)]
struct Directions {
    up: BytesMut,
    down: BytesMut,
    reader: Option<Waker>,
    is_closed: bool,
}

impl Net {
    /// Waits for a connection; none when there will be no more.
    pub(super) fn accept(&self) -> Option<Arc<Connection>> {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(connection) = state.accepted.pop_front() {
                return Some(connection);
            }
            if state.is_over {
                return None;
            }
            state = self.has_news.wait(state).unwrap();
        }
    }

    /// Lets no more connections in.
    pub(super) fn end(&self) {
        self.state.lock().unwrap().is_over = true;
        self.has_news.notify_all();
    }
}

impl Connection {
    /// Waits for the next frame of the client; none when it has hung up.
    pub(super) fn frame(&self) -> Option<BytesMut> {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some((length, rest)) = state.up.split_first_chunk() {
                let length = usize::try_from(i32::from_be_bytes(*length)).unwrap();
                if rest.len() >= length {
                    state.up.advance(4);
                    return Some(state.up.split_to(length));
                }
            }
            if state.is_closed {
                return None;
            }
            state = self.has_news.wait(state).unwrap();
        }
    }

    /// Sends a frame to the client.
    pub(super) fn send(&self, frame: &[u8]) {
        let reader = {
            let mut state = self.state.lock().unwrap();
            state.down.extend_from_slice(&i32::try_from(frame.len()).unwrap().to_be_bytes());
            state.down.extend_from_slice(frame);
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }

    /// Hangs up.
    pub(super) fn close(&self) {
        let reader = {
            let mut state = self.state.lock().unwrap();
            state.is_closed = true;
            state.reader.take()
        };
        self.has_news.notify_all();
        reader.into_iter().for_each(Waker::wake);
    }
}

/// The driver's end.
pub(super) struct Stream(Arc<Connection>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What drives the client: a network, and a clock that stands still. Nothing is ever saved by a time that is up.
pub(super) struct Still(pub(super) Arc<Net>);

impl Io for Still {
    type Stream = Stream;
    type Timer = ();

    fn now(&self) -> Instant {
        Instant::ORIGIN
    }

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Stream> {
        let connection = Arc::new(Connection::default());
        self.0.state.lock().unwrap().accepted.push_back(connection.clone());
        self.0.has_news.notify_all();
        Ok(Stream(connection))
    }

    fn poll_read(&self, stream: &mut Stream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut state = stream.0.state.lock().unwrap();
        let count = state.down.len().min(input.capacity() - input.len());
        if count == 0 && !state.is_closed {
            let former = mem::replace(&mut state.reader, Some(cx.waker().clone()));
            drop(state);
            drop(former);
            return Poll::Pending;
        }
        input.extend_from_slice(&state.down.split_to(count));
        Poll::Ready(Ok(count))
    }

    fn poll_write(&self, stream: &mut Stream, _: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // What is written to nobody seems to go well, as over TCP: what was received before the end is read first.
        let mut state = stream.0.state.lock().unwrap();
        chunks.iter().for_each(|chunk| state.up.extend_from_slice(chunk));
        drop(state);
        stream.0.has_news.notify_all();
        Poll::Ready(Ok(chunks.iter().map(|chunk| chunk.len()).sum()))
    }

    fn timer(&self) {}

    fn poll_timer(&self, (): &mut (), _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}
