//! What a member makes of what it sees.

use crate::Zxid;

/// The node whose presence lets everybody in.
pub(super) const READY: &str = "ready";

/// Returns the names of the members.
pub(super) fn members<'a>(names: impl Iterator<Item = &'a str> + Clone) -> impl Iterator<Item = &'a str> + Clone {
    names.filter(|name| *name != READY)
}

/// How it stands with a member who wants to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Its node is gone.
    Gone,
    /// The barrier has opened while it was there: it is inside.
    Open(Zxid),
    /// The barrier has opened before it came. Whether that was for others who are still inside, or for some who have all gone
    /// without clearing up, their ages tell.
    Earlier(Zxid),
    /// There are enough members, so somebody has to open.
    Full,
    /// There are too few yet.
    Waiting,
}

/// Judges by the member's own node, the names that are there, and what created `ready` if it is there, asked later than for
/// the names.
pub(super) fn sight<'a>(
    (own, created): (&str, Zxid),
    names: impl Iterator<Item = &'a str> + Clone,
    ready: Option<Zxid>,
    wanted: usize,
) -> Sight {
    if !members(names.clone()).any(|name| name == own) {
        return Sight::Gone;
    }
    match ready {
        Some(ready) if ready > created => Sight::Open(ready),
        Some(ready) => Sight::Earlier(ready),
        None if members(names).count() >= wanted => Sight::Full,
        None => Sight::Waiting,
    }
}

/// For whom a member who wants to leave has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way<'a> {
    /// For nobody: the last one clears up.
    Last,
    /// For this one, with its own node still there, so that everybody else waits for it.
    Behind(&'a str),
    /// For this one, behind its own node's deletion.
    Without(&'a str),
}

/// Finds who is to go first. All that matters about the order is that everybody has the same.
pub(super) fn way<'a>(own: &str, names: impl Iterator<Item = &'a str> + Clone) -> Way<'a> {
    let is_here = names.clone().any(|name| name == own);
    let others = members(names).filter(|name| *name != own);
    match (others.clone().min(), others.max()) {
        (Some(lowest), Some(highest)) if is_here && own < lowest => Way::Behind(highest),
        (Some(lowest), _) => Way::Without(lowest),
        (None, _) => Way::Last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_enters_judges_by_ready_first_and_by_numbers_then() {
        let see =
            |names: &[&str], ready: Option<i64>| sight(("b", Zxid(10)), names.iter().copied(), ready.map(Zxid), 2);
        assert_eq!(see(&["a", "c", READY], Some(12)), Sight::Gone);
        assert_eq!(see(&["b"], None), Sight::Waiting);
        assert_eq!(see(&["b", READY], None), Sight::Waiting, "ready is not a member");
        assert_eq!(see(&["a", "b"], None), Sight::Full);
        assert_eq!(see(&["a", "b", "c"], None), Sight::Full);
        assert_eq!(see(&["b"], Some(12)), Sight::Open(Zxid(12)), "others may have left again");
        assert_eq!(see(&["a", "b", READY], Some(9)), Sight::Earlier(Zxid(9)));
    }

    #[test]
    fn everybody_waits_for_the_lowest_and_the_lowest_for_the_highest() {
        let find = |own: &'static str, names: &'static [&'static str]| way(own, names.iter().copied());
        assert_eq!(find("a", &["c", "a", READY, "b"]), Way::Behind("c"));
        assert_eq!(find("b", &["c", "a", READY, "b"]), Way::Without("a"));
        assert_eq!(find("b", &["c", READY]), Way::Without("c"), "its node is gone already");
        assert_eq!(find("a", &["z", READY]), Way::Without("z"));
        assert_eq!(find("a", &["a", READY]), Way::Last);
        assert_eq!(find("a", &[READY]), Way::Last);
    }
}
