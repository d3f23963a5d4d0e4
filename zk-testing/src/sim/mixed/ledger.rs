//! What applications have asked for, and what they were told came of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use zk_proto::{Instant, client::Error};

use crate::sim::{Truth, Violation};

/// What its application knows of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// No answer yet.
    Open,
    /// It was answered.
    Done,
    /// It was said to have had no effect, for certain.
    NotApplied,
    /// Nobody can tell.
    InDoubt,
}

impl Fate {
    pub(super) fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(error) if error.is_certainly_not_applied() => Self::NotApplied,
            Err(_) => Self::InDoubt,
        }
    }
}

#[derive(Clone, Debug)]
struct Write {
    process: u32,
    what: String,
    fate: Fate,
}

#[derive(Clone, Debug)]
struct Open {
    process: u32,
    what: String,
    since: Instant,
}

/// All calls and writes of a world.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    writes: BTreeMap<Bytes, Write>,
    open: BTreeMap<u64, Open>,
    next: u64,
}

impl Ledger {
    /// Returns a number that was not given away before.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A call is made.
    pub(super) fn begin(&mut self, process: u32, what: &str, since: Instant) -> u64 {
        let call = self.number();
        self.open.insert(call, Open { process, what: what.to_owned(), since });
        call
    }

    /// A call is over, one way or the other.
    pub(super) fn end(&mut self, call: u64) {
        self.open.remove(&call);
    }

    /// A process is no more, and its calls are of no interest to anybody.
    pub(super) fn killed(&mut self, process: u32) {
        self.open.retain(|_, open| open.process != process);
        self.writes
            .values_mut()
            .filter(|write| write.process == process && write.fate == Fate::Open)
            .for_each(|write| write.fate = Fate::InDoubt);
    }

    /// A payload is on its way that no other write has.
    pub(super) fn write(&mut self, process: u32, payload: &Bytes, what: &str) {
        self.writes.insert(payload.clone(), Write { process, what: what.to_owned(), fate: Fate::Open });
    }

    /// It is known what came of a write, as far as its application can tell.
    pub(super) fn settle(&mut self, payload: &Bytes, fate: Fate, truth: &Truth) -> Result<(), Violation> {
        let Some(write) = self.writes.get_mut(payload) else { return Ok(()) };
        write.fate = fate;
        write.check(truth.writes_of(payload).len())
    }

    /// Looks whether each write was carried out as often as its application was told.
    pub(super) fn check(&self, truth: &Truth) -> Result<(), Violation> {
        self.writes.iter().try_for_each(|(payload, write)| write.check(truth.writes_of(payload).len()))
    }

    /// Looks whether every call is over.
    pub(super) fn check_nothing_pending(&self) -> Result<(), Violation> {
        match self.open.values().next() {
            None => Ok(()),
            Some(Open { process, what, since }) => {
                let what = format!("client P{process}: {what} is pending since {since:?}");
                Err(Violation::new("pending", what))
            }
        }
    }
}

impl Write {
    fn check(&self, times: usize) -> Result<(), Violation> {
        let is_right = match self.fate {
            Fate::Open | Fate::InDoubt => times <= 1,
            Fate::Done => times == 1,
            Fate::NotApplied => times == 0,
        };
        if is_right {
            return Ok(());
        }
        let Self { process, what, fate } = self;
        Err(Violation::new("writes", format!("client P{process}: {what} was told {fate:?}, and done {times} times")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(fate: Fate) -> Write {
        Write { process: 1, what: "set /a".to_owned(), fate }
    }

    #[test]
    fn a_write_is_done_as_often_as_its_application_was_told() {
        let table = [
            (Fate::Open, [true, true, false]),
            (Fate::Done, [false, true, false]),
            (Fate::NotApplied, [true, false, false]),
            (Fate::InDoubt, [true, true, false]),
        ];
        for (fate, expected) in table {
            for (times, is_right) in expected.into_iter().enumerate() {
                assert_eq!(write(fate).check(times).is_ok(), is_right, "{fate:?} {times}");
            }
        }
    }

    #[test]
    fn a_call_that_was_begun_and_not_ended_is_pending() {
        let mut ledger = Ledger::default();
        let first = ledger.begin(1, "get /a", Instant::ORIGIN);
        ledger.begin(2, "get /b", Instant::ORIGIN);
        ledger.end(first);

        assert!(ledger.check_nothing_pending().unwrap_err().what.contains("P2: get /b"));
        ledger.killed(2);
        assert_eq!(ledger.check_nothing_pending(), Ok(()));
    }
}
