//! Work that goes on behind the caller's back: cleaning up after a drop, keeping a node, filling a cache.
//!
//! The driver polls it, after IO and a bounded number of times a turn, so it needs no runtime. It makes requests like any
//! caller, but no session is kept open for its sake.

#[cfg(not(all(test, zk_shuttle)))]
use core::sync::atomic::{AtomicBool, Ordering};
use core::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    task::Wake,
};

#[cfg(all(test, zk_shuttle))]
use shuttle::sync::atomic::{AtomicBool, Ordering};

use super::{
    Client,
    shared::Shared,
    slots::{Key, Slots},
};
use crate::broken::broken;

/// How many times work in the background is polled before the driver looks at IO again.
const POLLS_A_TURN: usize = 64;

/// A [`Client`] for work in the background: it does the same, but does not keep the session open. Given by
/// [`Client::spawn`].
///
/// When the last client, watcher or unfinished request of the user's has gone, the session is closed: after
/// [`close_timeout`](crate::Config::close_timeout) at the latest, as soon as no such work is left, and at once while there is no
/// link. Until then requests are taken.
#[derive(Clone, Debug)]
pub struct Background(pub(super) Client);

impl Deref for Background {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

pub(super) type Chore = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The callers' side: work to begin, and work to go on with. Nothing while there is none.
#[derive(Default)]
pub(super) struct Chores(Option<Box<Work>>);

#[derive(Default)]
struct Work {
    incoming: VecDeque<Chore>,
    due: VecDeque<Key>,
    /// How much is not finished, what is to begin included.
    unfinished: usize,
}

impl Chores {
    pub(super) fn add(&mut self, chore: Chore) {
        let work = self.0.get_or_insert_default();
        work.incoming.push_back(chore);
        work.unfinished += 1;
    }

    /// Returns whether there is nothing left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns whether there is something to poll.
    pub(super) fn is_due(&self) -> bool {
        self.0.as_ref().is_some_and(|work| !work.incoming.is_empty() || !work.due.is_empty())
    }

    /// Notes that a task wants to be polled. It may be finished by now.
    fn ring(&mut self, key: Key) {
        if let Some(work) = &mut self.0 {
            work.due.push_back(key);
        }
    }

    /// Takes what the driver is to poll in one turn.
    pub(super) fn take(&mut self) -> Shift {
        let Some(work) = &mut self.0 else { return Shift::default() };
        let incoming = work.incoming.len().min(POLLS_A_TURN);
        let due = work.due.len().min(POLLS_A_TURN - incoming);
        Shift { incoming: work.incoming.drain(..incoming).collect(), due: work.due.drain(..due).collect() }
    }

    /// Notes that work was finished.
    pub(super) fn finish(&mut self, count: usize) {
        let Some(work) = &mut self.0 else { return };
        work.unfinished -= count;
        if work.unfinished == 0 {
            self.0 = None;
        }
    }

    /// Takes everything, to be dropped.
    pub(super) fn clear(&mut self) -> VecDeque<Chore> {
        self.0.take().map(|work| work.incoming).unwrap_or_default()
    }
}

impl fmt::Debug for Chores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unfinished = self.0.as_ref().map_or(0, |work| work.unfinished);
        f.debug_struct("Chores").field("unfinished", &unfinished).finish_non_exhaustive()
    }
}

/// What the driver polls in one turn.
#[derive(Default)]
pub(super) struct Shift {
    incoming: Vec<Chore>,
    due: Vec<Key>,
}

/// The driver's side: the work itself. Nothing until there is some.
#[derive(Default)]
pub(super) struct Tasks(Option<Box<Slots<Task>>>);

struct Task {
    chore: Chore,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Tells the driver that a task wants to be polled.
struct Bell {
    key: Key,
    rung: AtomicBool,
    /// Weak, because the exchange keeps wakers.
    shared: Weak<Shared>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.with(|exchange, outbox| {
                exchange.chores.ring(self.key);
                exchange.rouse(outbox);
            });
        }
    }
}

impl Tasks {
    /// Polls what is due, and returns how many are finished. Not to be called under the lock.
    pub(super) fn run(&mut self, shift: Shift, shared: &Arc<Shared>) -> usize {
        let tasks = self.0.get_or_insert_default();
        let begun = shift.incoming.into_iter().map(|chore| {
            let key = tasks.next_key();
            let bell = Arc::new(Bell { key, rung: AtomicBool::new(true), shared: Arc::downgrade(shared) });
            tasks.insert(Task { chore, waker: Waker::from(bell.clone()), bell })
        });
        let due: Vec<Key> = begun.collect::<Vec<_>>().into_iter().chain(shift.due).collect();
        due.into_iter().filter(|key| tasks.poll(*key)).count()
    }
}

impl Slots<Task> {
    /// Polls one task, and returns whether it is finished.
    fn poll(&mut self, key: Key) -> bool {
        let Some(Task { chore, bell, waker }) = self.get_mut(key) else { return false };
        // Before the poll: what rings during it wants another one.
        if !broken!("loses what rings while its work is polled") {
            bell.rung.store(false, Ordering::Release);
        }
        // A panic is that task's own affair, as in a runtime; the session goes on.
        let polled = catch_unwind(AssertUnwindSafe(|| chore.as_mut().poll(&mut Context::from_waker(waker))));
        let is_finished = !matches!(polled, Ok(Poll::Pending));
        if broken!("loses what rings while its work is polled") {
            bell.rung.store(false, Ordering::Release);
        }
        if is_finished {
            self.remove(key);
        }
        is_finished
    }
}
