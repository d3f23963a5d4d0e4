//! The lock between callers and driver, and what keeps a session open.
//!
//! No code of the caller's runs under the lock that could know of the client: no waker is called, cloned or dropped there, and
//! no future is dropped there. Any of these may come back to the client (the last waker of a task can own the task, and the
//! task a request), which would wait for the lock for ever. So whoever holds it leaves such things in an [`Outbox`], and
//! empties that after the release. A caller's own `Request` and SASL mechanism do run there, and are told so.

use core::{
    iter,
    task::{Context, Poll, Waker},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{exchange::Exchange, journal::Journal};

/// The meeting place of the callers and the driver of one session (and of its successors).
#[derive(Debug)]
pub(super) struct Shared {
    exchange: Mutex<Exchange>,
}

impl Shared {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange: Mutex::new(exchange) }
    }

    /// Locks, for looking only; whoever changes something uses [`with`](Self::with).
    pub(super) fn lock(&self) -> MutexGuard<'_, Exchange> {
        // The only panics there can be are those of a caller's own code. One of a `Request` loses that request alone.
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something under the lock, tells everybody whom it concerns, and wakes them after the release.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Exchange, &mut Outbox) -> T) -> T {
        let mut outbox = Outbox::default();
        let result = {
            let mut exchange = self.lock();
            let result = work(&mut exchange, &mut outbox);
            exchange.settle(&mut outbox);
            result
        };
        outbox.deliver();
        result
    }

    /// Looks for something under the lock; where it is not there yet, `look` gives the place to leave the waker.
    pub(super) fn poll<T>(
        &self,
        cx: &Context<'_>,
        look: impl for<'x> FnMut(&'x mut Exchange, &mut Outbox) -> Result<T, &'x mut Option<Waker>>,
    ) -> Poll<T> {
        self.poll_with(None, cx, look)
    }

    /// As [`poll`](Self::poll), for something that is certainly not there yet: saves looking twice.
    pub(super) fn poll_first<T>(
        &self,
        cx: &Context<'_>,
        look: impl for<'x> FnMut(&'x mut Exchange, &mut Outbox) -> Result<T, &'x mut Option<Waker>>,
    ) -> Poll<T> {
        self.poll_with(Some(cx.waker().clone()), cx, look)
    }

    fn poll_with<T>(
        &self,
        mut fresh: Option<Waker>,
        cx: &Context<'_>,
        mut look: impl for<'x> FnMut(&'x mut Exchange, &mut Outbox) -> Result<T, &'x mut Option<Waker>>,
    ) -> Poll<T> {
        let mut outbox = Outbox::default();
        loop {
            let mut exchange = self.lock();
            let polled = match look(&mut exchange, &mut outbox) {
                Ok(found) => Some(Poll::Ready(found)),
                Err(Some(waker)) if waker.will_wake(cx.waker()) => Some(Poll::Pending),
                Err(place) => fresh.take().map(|waker| {
                    outbox.discard(place.replace(waker));
                    Poll::Pending
                }),
            };
            drop(exchange);
            match polled {
                Some(polled) => {
                    outbox.deliver();
                    return polled;
                }
                None => fresh = Some(cx.waker().clone()),
            }
        }
    }
}

/// What is to be done when the lock is released.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    wake: Few,
    spent: Few,
    /// What is to be traced.
    pub(super) journal: Journal,
}

impl Outbox {
    /// Leaves a waker to be called.
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wake.extend(waker);
    }

    /// Leaves a waker to be dropped.
    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        self.spent.extend(waker);
    }

    /// Wakes everybody, and tells whoever traces. Not to be called under the lock.
    pub(super) fn deliver(&mut self) {
        self.spent.take_each(drop);
        self.wake.take_each(Waker::wake);
        self.journal.tell();
    }
}

/// Wakers, mostly one or none: the first costs no allocation.
#[derive(Debug, Default)]
struct Few {
    first: Option<Waker>,
    /// Empty while there is no first.
    more: Vec<Waker>,
}

impl Few {
    fn extend(&mut self, waker: Option<Waker>) {
        if self.first.is_none() {
            self.first = waker;
        } else {
            self.more.extend(waker);
        }
    }

    fn take_each(&mut self, use_up: impl Fn(Waker)) {
        let Some(first) = self.first.take() else { return };
        let mut panic = None;
        for waker in iter::once(first).chain(self.more.drain(..)) {
            // It may be a caller's own, and the others must be told all the same.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| use_up(waker))) {
                panic.get_or_insert(payload);
            }
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

/// Somebody's share in the session. While a user has one, the session stays open.
///
/// Clients, watchers and unfinished requests share it by reference count, so that cloning them does not touch the lock.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    pub(super) by: Holder,
}

/// Who makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// Somebody for whom the session is kept open.
    User,
    /// Work in the background, which only gets a short time when the last user has gone.
    Background,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.by == Holder::User {
            self.shared.with(Exchange::close);
        }
    }
}
