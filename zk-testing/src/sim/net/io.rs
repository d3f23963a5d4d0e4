//! The network as a process sees it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use zk_proto::{Instant, client::Io};

use super::Net;
use crate::sim::clock::Clock;

/// What the world lends to a client: [`Io`] in virtual time.
#[derive(Clone)]
pub(crate) struct SimIo {
    pub(crate) net: Rc<RefCell<Net>>,
    pub(crate) process: u32,
    pub(crate) clock: Clock,
}

/// An open connection; dropping it closes it.
pub(crate) struct Stream {
    net: Rc<RefCell<Net>>,
    connection: u32,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.net.borrow_mut().close_by_client(self.connection);
    }
}

/// A timer, forgotten when it is dropped.
pub(crate) struct Alarm {
    net: Rc<RefCell<Net>>,
    timer: u32,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.net.borrow_mut().timers.remove(&self.timer);
    }
}

impl SimIo {
    /// Waits for a time of the world.
    async fn until(&self, at: Instant) {
        let alarm = self.timer();
        poll_fn(|cx| self.net.borrow_mut().poll_until(alarm.timer, at, cx.waker())).await;
    }
}

/// A dial under way; dropping it gives it up.
struct Dialing {
    net: Rc<RefCell<Net>>,
    dial: u32,
}

impl Drop for Dialing {
    fn drop(&mut self) {
        self.net.borrow_mut().hang_up(self.dial);
    }
}

impl Io for SimIo {
    type Stream = Stream;
    type Timer = Alarm;

    fn now(&self) -> Instant {
        self.clock.read(self.net.borrow().now)
    }

    async fn resolve(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        let (at, answer) = self.net.borrow_mut().look_up(self.process, host);
        self.until(at).await;
        Ok(answer?)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let dial = self.net.borrow_mut().dial(self.process, address);
        let dialing = Dialing { net: self.net.clone(), dial };
        let connection = poll_fn(|cx| self.net.borrow_mut().poll_dial(dialing.dial, cx.waker())).await?;
        Ok(Stream { net: self.net.clone(), connection })
    }

    fn poll_read(&self, stream: &mut Stream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.net.borrow_mut().read(stream.connection, input, cx.waker())
    }

    fn poll_write(&self, stream: &mut Stream, cx: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.net.borrow_mut().write(stream.connection, chunks, cx.waker())
    }

    fn timer(&self) -> Alarm {
        let timer = self.net.borrow_mut().new_number();
        Alarm { net: self.net.clone(), timer }
    }

    fn poll_timer(&self, timer: &mut Alarm, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.net.borrow_mut().poll_until(timer.timer, self.clock.when(deadline), cx.waker())
    }
}
