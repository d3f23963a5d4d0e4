//! An adapter's IO with a bend in it.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use zk_proto::{Instant, client::Io};

/// What is to be different.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Bend {
    /// Every name has these addresses, in this order.
    Addresses(Arc<[SocketAddr]>),
    /// Every read brings one byte, and every write takes one.
    SingleBytes,
}

/// What a runtime lends, with a [`Bend`] in it.
#[derive(Clone, Debug)]
pub struct Bent<I> {
    io: I,
    bend: Bend,
}

impl<I> Bent<I> {
    /// Bends this.
    pub fn new(io: I, bend: Bend) -> Self {
        Self { io, bend }
    }
}

impl<I: Io> Io for Bent<I> {
    type Stream = I::Stream;
    type Timer = I::Timer;

    fn now(&self) -> Instant {
        self.io.now()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match &self.bend {
            Bend::Addresses(addresses) => Ok(addresses.to_vec()),
            Bend::SingleBytes => self.io.resolve(host, port).await,
        }
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> {
        self.io.connect(address)
    }

    fn poll_read(&self, stream: &mut I::Stream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self.bend {
            Bend::Addresses(_) => self.io.poll_read(stream, cx, input),
            Bend::SingleBytes => {
                let mut byte = BytesMut::with_capacity(1);
                assert_eq!(byte.capacity(), 1, "an adapter reads as much as fits");
                let count = ready!(self.io.poll_read(stream, cx, &mut byte))?;
                input.extend_from_slice(&byte);
                Poll::Ready(Ok(count))
            }
        }
    }

    fn poll_write(
        &self,
        stream: &mut I::Stream,
        cx: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = chunks.iter().find_map(|chunk| chunk.first_chunk::<1>());
        match (&self.bend, first) {
            (Bend::SingleBytes, Some(byte)) => self.io.poll_write(stream, cx, &[IoSlice::new(byte)]),
            (Bend::Addresses(_) | Bend::SingleBytes, _) => self.io.poll_write(stream, cx, chunks),
        }
    }

    fn timer(&self) -> Self::Timer {
        self.io.timer()
    }

    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.io.poll_timer(timer, cx, deadline)
    }
}
