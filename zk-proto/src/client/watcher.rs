//! Watches in their owner's hand.
//!
//! The session keeps track of what is watched on the server; here is what was told and not yet heard. A one-shot watch
//! tells one thing. A persistent one goes on and on, so what its owner has not heard is bounded: past the limit, all of it is
//! replaced by one mark that says *read again*.

use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{collections::VecDeque, sync::Arc};

use futures_core::Stream;

use super::{
    shared::{Hold, Outbox},
    slots::{Key, Slots},
};
use crate::{
    request::Watched,
    session::{End, WatchId, WatchedEvent, WatchedEventKind},
    wire::Text,
};

/// A watch that was left on the server. It tells what happens until it is over or dropped; dropping takes it off the server
/// when nobody else uses it.
///
/// A **one-shot** watch ([`watch`](super::Call::watch) on exists, getData, getChildren and getConfig) tells one event:
/// await [`changed`](Self::changed), then read and watch again.
///
/// A **persistent** watch ([`add_watch`](super::Client::add_watch)) tells events until the session is over: await
/// [`next`](Self::next) in a loop, or use it as a [`Stream`]. Whenever events may have been missed, because there was no link
/// or because the owner did not listen for too long, it tells one of kind [`Resync`](WatchedEventKind::Resync): read again
/// what matters, the watch is set.
///
/// Both survive a lost link, and both end with the session: the last item is the [`WatchEnd`]. The session stays open as long as
/// there is a watcher.
#[must_use = "dropping it takes the watch off"]
pub struct Watcher {
    hold: Arc<Hold>,
    key: Key,
}

/// Why a watch will tell nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WatchEnd {
    /// The session is over, and the watch with it. A later session knows nothing of it: read and watch again.
    #[error("the watch has ended with its session: {0}")]
    Session(End),
    /// The present server cannot set persistent watches: it is older than 3.6.
    #[error("the watch has ended: the server does not know persistent watches")]
    Unsupported,
    /// It was for one event, and that was told.
    #[error("the one-shot watch has fired already")]
    Fired,
}

impl Watcher {
    pub(super) fn new(hold: Arc<Hold>, key: Key) -> Self {
        Self { hold, key }
    }

    /// Waits for the next event. For one-shot watches: a second call fails with [`WatchEnd::Fired`].
    ///
    /// May be cancelled at any moment without losing an event.
    ///
    /// # Errors
    ///
    /// When the watch is over and all events were told.
    pub async fn changed(&mut self) -> Result<WatchedEvent, WatchEnd> {
        poll_fn(|cx| self.poll_told(cx, Watchers::changed)).await
    }

    /// Waits for the next event; `None` when the watch is over.
    ///
    /// The last item but for `None` says why it is over, unless it was a one-shot watch that has fired. May be cancelled at any
    /// moment without losing an event.
    pub async fn next(&mut self) -> Option<Result<WatchedEvent, WatchEnd>> {
        poll_fn(|cx| self.poll_told(cx, Watchers::next)).await
    }

    fn poll_told<T>(
        &self,
        cx: &Context<'_>,
        look: impl Fn(&mut Watchers, Key) -> Result<T, &mut Option<Waker>>,
    ) -> Poll<T> {
        self.hold.shared.poll(cx, |exchange, _| look(&mut exchange.watchers, self.key))
    }
}

impl Stream for Watcher {
    type Item = Result<WatchedEvent, WatchEnd>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_told(cx, Watchers::next)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.hold.shared.with(|exchange, outbox| exchange.unwatch(self.key, outbox));
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

/// What was told to each watcher and not heard yet.
#[derive(Debug)]
pub(super) struct Watchers {
    /// Nothing until there is one.
    table: Option<Box<Table>>,
    /// How many events one watcher may be behind.
    limit: usize,
}

#[derive(Debug, Default)]
struct Table {
    slots: Slots<Slot>,
    busy: Slots<Busy>,
}

/// There may be a hundred thousand watchers. Most were told nothing yet, and where nobody waits for one either, it is a name.
#[derive(Debug)]
enum Slot {
    /// The session's name for the watch, as long as it has one.
    Quiet(Option<WatchId>),
    /// As `Quiet`, and its session is over.
    Over(End),
    /// There is more of it.
    Busy(Key),
}

#[derive(Debug)]
struct Busy {
    /// The session's name for the watch, as long as it has one.
    id: Option<WatchId>,
    waker: Option<Waker>,
    told: Told,
    end: Option<WatchEnd>,
    /// Whether the stream has told the end.
    end_told: bool,
}

/// What was told: nothing yet, by a one-shot watch. All else is in a box, because most of them wait for long.
#[derive(Debug)]
pub(super) struct Told(Option<Box<Tale>>);

#[derive(Debug)]
enum Tale {
    /// By a one-shot watch.
    Once(WatchedEvent),
    /// By a persistent one.
    Queue(Queue),
}

#[derive(Debug)]
struct Queue {
    /// What is watched, as its owner names it.
    path: Text,
    events: VecDeque<WatchedEvent>,
}

impl Told {
    /// Returns that nothing was told yet by the watch that a request leaves.
    pub(super) fn nothing<R: Watched>(request: &R) -> Self {
        Self(
            request
                .kind()
                .is_persistent()
                .then(|| Box::new(Tale::Queue(Queue { path: Text::from(request.path()), events: VecDeque::new() }))),
        )
    }

    fn pop(&mut self) -> Option<WatchedEvent> {
        if let Some(Tale::Queue(queue)) = self.0.as_deref_mut() {
            return queue.events.pop_front();
        }
        match *self.0.take()? {
            Tale::Once(event) => Some(event),
            Tale::Queue(_) => unreachable!("it was not one"),
        }
    }
}

impl Queue {
    fn push(&mut self, event: WatchedEvent, limit: usize) {
        let is_resync = |event: &WatchedEvent| event.kind == WatchedEventKind::Resync;
        if is_resync(&event) && self.events.back().is_some_and(is_resync) {
            return;
        }
        if self.events.len() >= limit.max(1) {
            self.events.clear();
            let path = self.path.clone();
            return self.events.push_back(WatchedEvent { kind: WatchedEventKind::Resync, path, zxid: None });
        }
        // The owner is behind; what waits here for long must not keep whole read buffers alive.
        let event = if self.events.is_empty() { event } else { WatchedEvent { path: event.path.detach(), ..event } };
        self.events.push_back(event);
    }
}

impl Watchers {
    pub(super) const fn new(limit: usize) -> Self {
        Self { table: None, limit }
    }

    /// Returns how many watchers there are.
    pub(super) fn len(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.slots.len())
    }

    /// Returns the key that the next watcher is going to have.
    pub(super) fn next_key(&mut self) -> Key {
        self.table.get_or_insert_default().slots.next_key()
    }

    /// Makes room for what a watch tells, which the session knows by this name.
    pub(super) fn insert(&mut self, told: Told, id: WatchId) -> Key {
        let table = self.table.get_or_insert_default();
        let slot = match told {
            Told(None) => Slot::Quiet(Some(id)),
            told => Slot::Busy(table.busy.insert(Busy { told, ..Busy::new(Some(id), None) })),
        };
        table.slots.insert(slot)
    }

    /// Lets go of a watch and returns the session's name for it.
    pub(super) fn remove(&mut self, key: Key, outbox: &mut Outbox) -> Option<WatchId> {
        let table = self.table.as_mut()?;
        match table.slots.remove(key)? {
            Slot::Quiet(id) => id,
            Slot::Over(_) => None,
            Slot::Busy(key) => {
                let busy = table.busy.remove(key)?;
                outbox.discard(busy.waker);
                busy.id
            }
        }
    }

    /// Tells an event to its watcher.
    pub(super) fn tell(&mut self, key: Key, event: WatchedEvent, outbox: &mut Outbox) {
        let limit = self.limit;
        let Some(busy) = self.busy(key) else { return };
        if event.kind == WatchedEventKind::Unsupported {
            busy.end = Some(WatchEnd::Unsupported);
        } else {
            match busy.told.0.as_deref_mut() {
                Some(Tale::Queue(queue)) => queue.push(event, limit),
                Some(Tale::Once(_)) | None => {
                    busy.told = Told(Some(Box::new(Tale::Once(event))));
                    busy.end = Some(WatchEnd::Fired);
                    busy.id = None;
                }
            }
        }
        outbox.wake(busy.waker.take());
    }

    /// Ends all watches with their session.
    pub(super) fn end(&mut self, end: End, outbox: &mut Outbox) {
        let Some(table) = &mut self.table else { return };
        for slot in table.slots.values_mut() {
            if let Slot::Quiet(_) = slot {
                *slot = Slot::Over(end);
            }
        }
        for busy in table.busy.values_mut() {
            busy.id = None;
            busy.end.get_or_insert(WatchEnd::Session(end));
            outbox.wake(busy.waker.take());
        }
    }

    fn changed(&mut self, key: Key) -> Result<Result<WatchedEvent, WatchEnd>, &mut Option<Waker>> {
        let busy = self.busy(key).expect("a watcher keeps its slot");
        match (busy.told.pop(), busy.end) {
            (Some(event), _) => Ok(Ok(event)),
            (None, Some(end)) => Ok(Err(end)),
            (None, None) => Err(&mut busy.waker),
        }
    }

    fn next(&mut self, key: Key) -> Result<Option<Result<WatchedEvent, WatchEnd>>, &mut Option<Waker>> {
        let busy = self.busy(key).expect("a watcher keeps its slot");
        match (busy.told.pop(), busy.end) {
            (Some(event), _) => Ok(Some(Ok(event))),
            (None, Some(WatchEnd::Fired)) => Ok(None),
            (None, Some(end)) => Ok((!core::mem::replace(&mut busy.end_told, true)).then_some(Err(end))),
            (None, None) => Err(&mut busy.waker),
        }
    }

    /// Returns all that there is of a watcher, who is quiet no more.
    fn busy(&mut self, key: Key) -> Option<&mut Busy> {
        let Table { slots, busy } = self.table.as_deref_mut()?;
        let slot = slots.get_mut(key)?;
        let key = match *slot {
            Slot::Quiet(id) => busy.insert(Busy::new(id, None)),
            Slot::Over(end) => busy.insert(Busy::new(None, Some(WatchEnd::Session(end)))),
            Slot::Busy(key) => key,
        };
        *slot = Slot::Busy(key);
        busy.get_mut(key)
    }
}

impl Busy {
    fn new(id: Option<WatchId>, end: Option<WatchEnd>) -> Self {
        Self { id, waker: None, told: Told(None), end, end_told: false }
    }
}
