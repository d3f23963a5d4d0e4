//! What was committed, as checkers want to know it, and as servers that lag are going to want it.

use std::collections::VecDeque;

use zk_proto::{Instant, SessionId, Zxid};

pub(crate) use crate::server::Effect;
use crate::server::Txn;

use super::Endpoint;

/// A committed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) zxid: Zxid,
    /// When it was committed.
    pub(crate) at: Instant,
    /// Whose request it was, or whose end it is. Zero for the servers' own.
    pub(crate) session: SessionId,
    /// What it did, in this order. A write that failed did nothing.
    pub(crate) effects: Vec<Effect>,
}

/// A place in the log: so many transactions come before.
pub(super) type Position = u64;

/// The transactions that not every server has carried out yet, and who waits for each of them.
#[derive(Default)]
pub(super) struct Log {
    entries: VecDeque<(Txn, Option<Endpoint>)>,
    first: Position,
}

impl Log {
    /// Adds a transaction. Returns the position behind it.
    pub(super) fn push(&mut self, txn: Txn, asking: Option<Endpoint>) -> Position {
        self.entries.push_back((txn, asking));
        self.end()
    }

    pub(super) fn end(&self) -> Position {
        self.first + self.entries.len() as Position
    }

    pub(super) fn get(&self, position: Position) -> Option<&(Txn, Option<Endpoint>)> {
        self.entries.get(usize::try_from(position.checked_sub(self.first)?).ok()?)
    }

    /// Forgets what comes before a position.
    pub(super) fn forget_before(&mut self, position: Position) {
        while self.first < position && self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }
}
