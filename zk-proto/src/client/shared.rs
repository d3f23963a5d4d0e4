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
#[cfg(not(all(test, zk_shuttle)))]
use std::sync::{Mutex, MutexGuard};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, PoisonError},
};

#[cfg(all(test, zk_shuttle))]
use shuttle::sync::{Mutex, MutexGuard};

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
            match look(&mut exchange, &mut outbox) {
                Ok(found) => {
                    drop(exchange);
                    outbox.deliver();
                    return Poll::Ready(found);
                }
                Err(Some(waker)) if waker.will_wake(cx.waker()) => break,
                Err(place) => {
                    if let Some(waker) = fresh.take() {
                        outbox.discard(place.replace(waker));
                        break;
                    }
                }
            }
            drop(exchange);
            fresh = Some(cx.waker().clone());
        }
        outbox.deliver();
        Poll::Pending
    }
}

/// What is to be done when the lock is released.
///
/// There is one for each time that the lock is taken, so one that stays empty costs next to nothing, and the first waker no
/// allocation.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    first: Option<Parcel>,
    /// Empty while there is no first.
    more: Vec<Parcel>,
    /// What is to be traced.
    pub(super) journal: Journal,
}

/// A waker, and what is to be done with it.
#[derive(Debug)]
enum Parcel {
    Wake(Waker),
    Drop(Waker),
}

impl Outbox {
    /// Leaves a waker to be called.
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.post(Parcel::Wake(waker));
        }
    }

    /// Leaves a waker to be dropped.
    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.post(Parcel::Drop(waker));
        }
    }

    fn post(&mut self, parcel: Parcel) {
        if self.first.is_none() {
            self.first = Some(parcel);
        } else {
            self.more.push(parcel);
        }
    }

    /// Wakes everybody, and tells whoever traces. Not to be called under the lock.
    #[inline]
    pub(super) fn deliver(&mut self) {
        if let Some(first) = self.first.take() {
            self.hand_out(first);
        }
        self.journal.tell();
    }

    fn hand_out(&mut self, first: Parcel) {
        let mut panic = None;
        for parcel in iter::once(first).chain(self.more.drain(..)) {
            // It may be a caller's own, and the others must be told all the same.
            let handed_out = catch_unwind(AssertUnwindSafe(|| match parcel {
                Parcel::Wake(waker) => waker.wake(),
                Parcel::Drop(waker) => drop(waker),
            }));
            if let Err(payload) = handed_out {
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
