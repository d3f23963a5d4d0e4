//! The queue of callers for whom the session had no place.
//!
//! First come, first served: while anybody waits, newcomers queue up behind. Only the first of the queue is woken, and when
//! it has got its place, or leaves, it wakes the next.

use core::task::Waker;
use std::collections::BTreeMap;

use super::shared::Outbox;
use crate::{broken::broken, session::End};

/// A place in the queue; smaller is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// The queue; nothing while nobody waits.
#[derive(Debug, Default)]
pub(super) struct Places(Option<Box<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    queue: BTreeMap<Ticket, Option<Waker>>,
    /// Those who queued up for a session that is over, and have not been told yet.
    ended: BTreeMap<Ticket, End>,
    next: u64,
}

/// How it stands with a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may try.
    Now,
    /// Others come first.
    Later,
    /// The session for which it queued up is over.
    Never(End),
}

impl Places {
    /// Returns whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many wait.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |places| places.queue.len())
    }

    /// Queues up.
    pub(super) fn join(&mut self) -> Ticket {
        let places = self.0.get_or_insert_default();
        let ticket = Ticket(places.next);
        places.next += 1;
        places.queue.insert(ticket, None);
        ticket
    }

    /// Returns whose turn it is.
    pub(super) fn turn(&self, ticket: Ticket) -> Turn {
        let Some(places) = &self.0 else { return Turn::Now };
        match (places.ended.get(&ticket), places.queue.first_key_value()) {
            (Some(end), _) => Turn::Never(*end),
            (None, Some((first, _))) if *first < ticket => Turn::Later,
            (None, _) => Turn::Now,
        }
    }

    /// Returns the place for the waker of a ticket.
    pub(super) fn waker(&mut self, ticket: Ticket) -> &mut Option<Waker> {
        let waker = self.0.as_mut().and_then(|places| places.queue.get_mut(&ticket));
        waker.expect("a ticket is in the queue until it leaves")
    }

    /// Wakes the first of the queue: there may be a place.
    pub(super) fn call_first(&mut self, outbox: &mut Outbox) {
        let Some(places) = &mut self.0 else { return };
        if let Some(mut first) = places.queue.first_entry() {
            outbox.wake(first.get_mut().take());
        }
    }

    /// Leaves the queue, with or without having got a place.
    pub(super) fn leave(&mut self, ticket: Ticket, outbox: &mut Outbox) {
        let Some(places) = &mut self.0 else { return };
        places.ended.remove(&ticket);
        let left = places.queue.remove(&ticket);
        if places.queue.is_empty() && places.ended.is_empty() {
            self.0 = None;
        }
        if let Some(waker) = left {
            outbox.discard(waker);
            if !broken!("tells nobody that a place was left") {
                self.call_first(outbox);
            }
        }
    }

    /// Tells everybody that the session for which they queued up is over.
    pub(super) fn end(&mut self, end: End, outbox: &mut Outbox) {
        let Some(places) = &mut self.0 else { return };
        for (ticket, waker) in core::mem::take(&mut places.queue) {
            places.ended.insert(ticket, end);
            outbox.wake(waker);
        }
    }
}
