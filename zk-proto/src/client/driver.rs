//! The other half of the client: what a loop drives.

use core::{
    fmt,
    task::{Context, Poll},
};
use std::sync::Arc;

use bytes::BytesMut;

use super::{desk::Desk, shared::Shared};
#[cfg(feature = "tls")]
use crate::tls::{Secured, Tls};
use crate::{Instant, LinkId, Machine, Server, Transmit, Wants};

/// What lies between the exchange and the transport.
#[cfg(feature = "tls")]
type Layers = Secured<Desk>;
#[cfg(not(feature = "tls"))]
type Layers = Desk;

/// The half of a client that is driven: a [`Machine`] of bytes and time. Made by [`Builder::build`](super::Builder::build),
/// and given to [`drive`](super::drive) or to a loop of one's own.
///
/// Each call hands out what the session has learnt, to callers and watchers, and wakes them. A loop of one's own calls
/// [`poll_work`](Machine::poll_work) too before it waits: that polls the work in the background, and sees to it that the loop is
/// woken when there is something new to send.
///
/// Dropping the driver ends its clients, without closing the session on the server.
pub struct Driver(Layers);

impl Driver {
    #[cfg(feature = "tls")]
    pub(super) fn new(shared: Arc<Shared>, tls: Option<Tls>) -> Self {
        Self(Secured::new(Desk::new(shared), tls))
    }

    #[cfg(not(feature = "tls"))]
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Desk::new(shared))
    }

    /// Returns a function that tells how many requests were handed out and not answered yet; none once the driver is gone.
    ///
    /// For a loop that gives its driver away, to [`drive`](super::drive) for instance, and wants to know whether anything is
    /// waited for.
    pub fn unanswered(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        #[cfg(feature = "tls")]
        let desk = self.0.get_ref();
        #[cfg(not(feature = "tls"))]
        let desk = &self.0;
        desk.unanswered()
    }
}

impl Machine for Driver {
    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.0.handle_connected(link, now);
    }

    fn handle_input(&mut self, link: LinkId, input: &mut BytesMut, now: Instant) {
        self.0.handle_input(link, input, now);
    }

    fn handle_disconnected(&mut self, link: LinkId, now: Instant) {
        self.0.handle_disconnected(link, now);
    }

    fn handle_failure(&mut self, link: LinkId, complaint: &dyn fmt::Display, now: Instant) {
        self.0.handle_failure(link, complaint, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn wants(&self) -> Wants {
        self.0.wants()
    }

    fn wants_probe(&self) -> Option<(LinkId, Server)> {
        self.0.wants_probe()
    }

    fn wants_input(&self) -> bool {
        self.0.wants_input()
    }

    fn is_content_with(&self, link: Option<LinkId>, probe: Option<LinkId>) -> bool {
        self.0.is_content_with(link, probe)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn poll_transmit(&mut self, link: LinkId, now: Instant) -> Option<Transmit> {
        self.0.poll_transmit(link, now)
    }

    fn poll_work(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        self.0.poll_work(cx, now)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
