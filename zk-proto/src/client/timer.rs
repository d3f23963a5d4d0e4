//! Waiting for a time, by the driver's deadline.
//!
//! Nobody here reads a clock. A timer is made with a duration, which starts at the first time of day that the driver sees
//! afterwards; until then the driver is due at once.

use core::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{collections::BTreeSet, sync::Arc};

use super::{
    Error,
    exchange::Exchange,
    shared::{Outbox, Shared},
    slots::{Key, Slots},
};
use crate::{Instant, session::Sent};

/// The timers of everybody; nothing while there are none.
#[derive(Debug, Default)]
pub(super) struct Timers(Option<Box<Table>>);

#[derive(Debug, Default)]
struct Table {
    slots: Slots<Timer>,
    running: BTreeSet<(Instant, Key)>,
    /// Timers to be started at the next `now`. May name some that are gone.
    fresh: Vec<Key>,
}

#[derive(Debug)]
struct Timer {
    when: When,
    waker: Option<Waker>,
}

/// When a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// So long after the next `now`.
    In(Duration),
    /// Then.
    At(Instant),
    /// It has fired.
    Fired,
}

impl Timers {
    /// Returns how many timers there are.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |table| table.slots.len())
    }

    /// Adds a timer.
    pub(super) fn start(&mut self, when: When) -> Key {
        let table = self.0.get_or_insert_default();
        let key = table.slots.insert(Timer { when, waker: None });
        match when {
            When::In(_) => table.fresh.push(key),
            When::At(at) => _ = table.running.insert((at, key)),
            When::Fired => {}
        }
        key
    }

    /// Returns how long it is until a timer fires.
    fn remaining(&self, key: Key, now: Instant) -> Duration {
        match self.0.as_ref().and_then(|table| table.slots.get(key)).map(|timer| timer.when) {
            Some(When::In(duration)) => duration,
            Some(When::At(at)) => at.saturating_since(now),
            Some(When::Fired) | None => Duration::ZERO,
        }
    }

    /// Returns nothing when the timer has fired, or else the place for a waker.
    fn look(&mut self, key: Key) -> Option<&mut Option<Waker>> {
        match self.0.as_mut()?.slots.get_mut(key)? {
            Timer { when: When::Fired, .. } => None,
            timer => Some(&mut timer.waker),
        }
    }

    pub(super) fn cancel(&mut self, key: Key, outbox: &mut Outbox) {
        let Some(table) = &mut self.0 else { return };
        let Some(timer) = table.slots.remove(key) else { return };
        if let When::At(at) = timer.when {
            table.running.remove(&(at, key));
        }
        outbox.discard(timer.waker);
        if table.slots.len() == 0 {
            self.0 = None;
        }
    }

    /// Returns when to call [`handle`](Self::handle) next; `now` is the last time it was told.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let table = self.0.as_ref()?;
        if table.fresh.is_empty() { table.running.first().map(|(at, _)| *at) } else { Some(now) }
    }

    /// Starts what is new and fires what is due.
    pub(super) fn handle(&mut self, now: Instant, outbox: &mut Outbox) {
        let Some(table) = &mut self.0 else { return };
        for key in table.fresh.drain(..) {
            let Some(timer) = table.slots.get_mut(key) else { continue };
            let When::In(duration) = timer.when else { continue };
            timer.when = When::At(now + duration);
            table.running.insert((now + duration, key));
        }
        while let Some((at, key)) = table.running.first().copied() {
            if at > now {
                break;
            }
            table.running.remove(&(at, key));
            if let Some(timer) = table.slots.get_mut(key) {
                timer.when = When::Fired;
                outbox.wake(timer.waker.take());
            }
        }
    }

    /// Wakes everybody: the clock has stopped for good.
    pub(super) fn stop(&mut self, outbox: &mut Outbox) {
        let Some(table) = &mut self.0 else { return };
        table.slots.values_mut().for_each(|timer| outbox.wake(timer.waker.take()));
    }
}

/// Completes after some time; made by [`Client::sleep`](super::Client::sleep).
///
/// Fails with [`Error::Ended`] when the session is over for good, because then nobody watches the clock any more.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    shared: Arc<Shared>,
    timer: Key,
}

impl Sleep {
    pub(super) fn new(shared: &Arc<Shared>, when: When) -> Self {
        let timer = shared.with(|exchange, outbox| {
            exchange.rouse(outbox);
            exchange.timers.start(when)
        });
        Self { shared: shared.clone(), timer }
    }

    /// Returns how long it will still take.
    pub(super) fn remaining(&self, exchange: &Exchange) -> Duration {
        exchange.timers.remaining(self.timer, exchange.now())
    }
}

impl Future for Sleep {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.shared.poll(cx, |exchange, _| {
            let over = exchange.over();
            match (exchange.timers.look(self.timer), over) {
                (None, _) => Ok(Ok(())),
                (Some(_), Some(end)) => Ok(Err(Error::Ended { end, sent: Sent::No })),
                (Some(place), None) => Err(place),
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.shared.with(|exchange, outbox| exchange.timers.cancel(self.timer, outbox));
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

/// Runs `future` until `sleep` is over.
pub(super) async fn limited<F: Future>(sleep: Sleep, future: F) -> Result<F::Output, Error> {
    let (mut sleep, mut future) = (sleep, pin!(future));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => Pin::new(&mut sleep)
            .poll(cx)
            .map(|elapsed| Err(elapsed.err().unwrap_or(Error::TimedOut { sent: Sent::Perhaps }))),
    })
    .await
}
