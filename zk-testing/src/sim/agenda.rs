//! What is to happen, and when.

use std::collections::BTreeMap;

use zk_proto::Instant;

/// Things to happen, in the order of their times, and those of one time in the order in which they were noted down.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    items: BTreeMap<(Instant, u64), E>,
    next: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), next: 0 }
    }
}

impl<E> Agenda<E> {
    pub(crate) fn add(&mut self, at: Instant, item: E) {
        self.items.insert((at, self.next), item);
        self.next += 1;
    }

    /// Returns when the next thing happens.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.items.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next thing, if its time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<E> {
        if self.next_at()? > now {
            return None;
        }
        self.items.pop_first().map(|(_, item)| item)
    }
}
