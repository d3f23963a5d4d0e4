//! tokio's socket, resolver and timer.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::Sleep,
};
use zk_proto::{Instant, client::Io};

/// What tokio lends to a driver. Its clock begins when it is made, and stands still where tokio's is paused for a test.
#[derive(Clone, Copy, Debug)]
pub struct TokioIo {
    origin: tokio::time::Instant,
}

impl TokioIo {
    /// Makes one with a clock of its own.
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }
}

impl Default for TokioIo {
    fn default() -> Self {
        Self::new()
    }
}

impl Io for TokioIo {
    type Stream = TcpStream;
    type Timer = Pin<Box<Sleep>>;

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.origin.elapsed()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn poll_read(&self, stream: &mut TcpStream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // This future keeps nothing between polls, so a new one each time is as good as one that is kept.
        pin!(stream.read_buf(input)).poll(cx)
    }

    fn poll_write(
        &self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write_vectored(cx, chunks)
    }

    fn timer(&self) -> Self::Timer {
        Box::pin(tokio::time::sleep(Duration::ZERO))
    }

    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let deadline = self.origin + Duration::from_nanos(deadline.as_nanos());
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }
}
