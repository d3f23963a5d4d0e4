//! Whether a history is one that ZooKeeper and the recipes promise.
//!
//! Each checker is about one promise, and each has histories of its own that break it. All but what is said at the end holds for
//! every beginning of a history too, so that it can be looked at while it goes on.

mod caches;
mod ephemerals;
#[cfg(test)]
mod fabricate;
mod locks;
mod numbered;
mod order;
mod queues;
mod reads;
mod values;
mod watches;

use std::fmt;

use super::history::{History, Op, Told};

/// A promise that was broken, and the pieces of the history that show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
    pub(crate) evidence: Vec<String>,
}

impl Violation {
    pub(crate) fn new<'a>(
        promise: &'static str,
        what: impl Into<String>,
        evidence: impl IntoIterator<Item = &'a Op>,
    ) -> Self {
        Self { promise, what: what.into(), evidence: evidence.into_iter().map(ToString::to_string).collect() }
    }

    fn told(promise: &'static str, what: impl Into<String>, told: &Told) -> Self {
        Self { promise, what: what.into(), evidence: vec![format!("{told:?}")] }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)?;
        self.evidence.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// What is checked, each with what it looked at: so many things that could have been otherwise.
pub(crate) type Checked = Vec<(&'static str, usize)>;

/// Returns what is broken, and what was looked at.
pub(crate) fn check(history: &History) -> (Vec<Violation>, Checked) {
    type Checker = fn(&History, &mut Vec<Violation>) -> usize;
    let checkers: [(&'static str, Checker); 12] = [
        ("writes are in one order, that of real time", order::check),
        ("versions of a node grow one by one", order::check_versions),
        ("a session never sees less than it has seen", reads::check_sessions),
        ("behind a sync is all that was acknowledged", reads::check_syncs),
        ("what is read was written, once, and is still there", values::check),
        ("numbered nodes are made once, in order, and stay", numbered::check),
        ("watches miss nothing without saying so", watches::check),
        ("ephemeral nodes live as long as their sessions", ephemerals::check),
        ("one holder at a time, by tokens and by the clock", locks::check),
        ("queues lose nothing and give nothing twice", queues::check),
        ("caches show what is there", caches::check),
        ("nothing is seen that must not be", wrong),
    ];
    let mut violations = Vec::new();
    let checked = checkers.map(|(name, checker)| (name, checker(history, &mut violations)));
    (violations, checked.to_vec())
}

/// What clients have seen to be wrong by themselves.
fn wrong(history: &History, violations: &mut Vec<Violation>) -> usize {
    for told in &history.told {
        if let Told::Wrong { what, .. } = told {
            violations.push(Violation::told("seen where it happened", what.clone(), told));
        }
    }
    history.ops.len()
}

#[cfg(test)]
mod tests {
    use super::fabricate::{Fabricated, mark};
    use super::*;

    #[test]
    fn all_checkers_look_at_a_history_and_find_nothing_in_a_good_one() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 10, 1).get(2, 2, (3, 4), "/a", mark(10, 1, 1));
        history.rest(&[("/a", mark(10, 1, 1))]);

        let (violations, checked) = check(&history.0);
        assert_eq!((violations, checked.len()), (Vec::new(), 12));
    }

    #[test]
    fn what_a_client_has_seen_to_be_wrong_is_passed_on() {
        let mut history = Fabricated::default();
        history.told(Told::Wrong { who: 1, at: 1, what: "nothing can be taken".to_owned() });

        assert_eq!(check(&history.0).0.len(), 1);
    }
}
