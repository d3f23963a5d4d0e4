//! The driver's side of the exchange: what comes in is handed out here, and what is to go out is taken.

use core::{
    fmt,
    task::{Context, Poll, Waker},
};
use std::sync::Arc;

use bytes::BytesMut;

use super::{
    background::Tasks,
    exchange::Exchange,
    shared::{Outbox, Shared},
};
use crate::{Instant, LinkId, Machine, Server, Transmit, Wants};

/// The driver, but for what lies between it and the transport.
///
/// Each call hands out what the session has learnt, to callers and watchers, and wakes them.
pub(super) struct Desk {
    shared: Arc<Shared>,
    tasks: Tasks,
    outbox: Outbox,
    /// To be woken with, while awake.
    waker: Option<Waker>,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, tasks: Tasks::default(), outbox: Outbox::default(), waker: None }
    }

    /// Does something under the lock, hands out what comes of it, and wakes everybody concerned after the release.
    fn with<T>(&mut self, work: impl FnOnce(&mut Exchange, &mut Outbox) -> T) -> T {
        let Self { shared, outbox, waker, .. } = self;
        let result = {
            let mut exchange = shared.lock();
            exchange.driver_awake(waker, outbox);
            let result = work(&mut exchange, outbox);
            exchange.settle(outbox);
            result
        };
        outbox.deliver();
        result
    }

    pub(super) fn unanswered(&self) -> impl Fn() -> usize + Send + Sync + use<> {
        let shared = Arc::downgrade(&self.shared);
        move || shared.upgrade().map_or(0, |shared| shared.lock().session.in_flight_len())
    }

    fn look<T>(&self, question: impl FnOnce(&Exchange) -> T) -> T {
        question(&self.shared.lock())
    }
}

impl Machine for Desk {
    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.with(|exchange, _| {
            exchange.see(now);
            exchange.session.handle_connected(link, now);
        });
    }

    fn handle_input(&mut self, link: LinkId, input: &mut BytesMut, now: Instant) {
        self.with(|exchange, outbox| {
            exchange.see(now);
            loop {
                exchange.session.handle_input(link, input, now);
                // A full queue of events is emptied here, so the session can go on with what it left in the buffer.
                let is_full = !exchange.session.wants_input();
                exchange.settle(outbox);
                if !is_full || !exchange.session.wants_input() {
                    break;
                }
            }
        });
    }

    fn handle_disconnected(&mut self, link: LinkId, now: Instant) {
        self.with(|exchange, _| {
            exchange.see(now);
            exchange.session.handle_disconnected(link, now);
        });
    }

    fn handle_failure(&mut self, link: LinkId, complaint: &dyn fmt::Display, now: Instant) {
        let complaint = complaint.to_string();
        self.with(|exchange, outbox| {
            exchange.see(now);
            exchange.handle_failure(link, complaint, now, outbox);
        });
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.with(|exchange, outbox| {
            exchange.see(now);
            // What ends here may begin something that is due at once: a new session, or the close of this one.
            while exchange.deadline().is_some_and(|deadline| deadline <= exchange.now()) {
                exchange.handle_timeout(outbox);
                exchange.settle(outbox);
            }
        });
    }

    fn wants(&self) -> Wants {
        self.look(|exchange| exchange.session.wants())
    }

    fn wants_probe(&self) -> Option<(LinkId, Server)> {
        self.look(|exchange| exchange.session.wants_probe())
    }

    fn wants_input(&self) -> bool {
        self.look(|exchange| exchange.session.wants_input())
    }

    fn is_content_with(&self, link: Option<LinkId>, probe: Option<LinkId>) -> bool {
        self.shared.lock().is_content_with(link, probe)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.shared.lock().poll_timeout()
    }

    fn poll_transmit(&mut self, link: LinkId, now: Instant) -> Option<Transmit> {
        self.with(|exchange, outbox| {
            exchange.see(now);
            let mut transmit = exchange.session.poll_transmit(link, now);
            // What the server is known to lack is refused when its turn comes.
            exchange.settle(outbox);
            if let Some(transmit) = &mut transmit {
                exchange.places.call_first(outbox);
                transmit.is_last = !exchange.session.has_output();
            }
            transmit
        })
    }

    fn poll_work(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        let Self { shared, waker, .. } = self;
        let shift = {
            let mut exchange = shared.lock();
            exchange.see(now);
            if !exchange.chores.is_due() {
                return if exchange.driver_asleep(waker) { Poll::Pending } else { Poll::Ready(()) };
            }
            exchange.chores.take()
        };
        let finished = self.tasks.run(shift, &self.shared);
        self.with(|exchange, _| {
            exchange.chores.finish(finished);
            exchange.drain();
        });
        Poll::Ready(())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Whoever still waits would wait for ever.
        let chores = self.with(|exchange, outbox| {
            exchange.hand_over(outbox);
            exchange.settle(outbox);
            exchange.chores.clear()
        });
        drop(chores);
        self.tasks = Tasks::default();
    }
}
