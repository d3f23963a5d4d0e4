//! Ephemeral nodes: there while their session lives, gone when it is over.
//!
//! A session lives, whatever anybody believes, until the last write that was carried out for it has begun. (A read proves nothing: a server that
//! is cut off answers some.) Lists that are held against that were made behind a write of the same client, so they show all that
//! was acknowledged before they began.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Call, History, Kind, Op, OpId, Seen, Time, Told};
use super::Violation;

/// Checks every list of ephemeral nodes. The name of each node is its operation.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let mut lived: BTreeMap<i64, Time> = BTreeMap::new();
    let mut over: BTreeMap<i64, Time> = BTreeMap::new();
    let (mut deletes, mut made): (BTreeMap<OpId, &Op>, Vec<&Op>) = (BTreeMap::new(), Vec::new());
    for op in history.ops.values() {
        if op.acked().is_some() && op.call.is_write() {
            let lived = lived.entry(op.session).or_default();
            *lived = op.began.max(*lived);
        }
        match &op.call {
            Call::Delete { path } if !op.is_refused() => drop(deletes.insert(id(path), op)),
            Call::Create { kind: Kind::Ephemeral, .. } => made.push(op),
            _ => {}
        }
    }
    for told in &history.told {
        if let Told::Over { session, at, .. } = told {
            over.insert(*session, *at);
        }
    }
    made.sort_by_key(|op| op.acked());
    let (mut looked_at, mut candidates, mut made_yet) = (0, BTreeMap::new(), made.iter().peekable());
    let lists = history.ops.values().filter_map(|op| match (&op.call, op.seen()) {
        (Call::List { .. }, Some(Seen::Names(names))) => Some((op, names, op.acked()?)),
        _ => None,
    });
    let mut lists: Vec<_> = lists.collect();
    lists.sort_by_key(|(list, ..)| list.began);
    for (list, names, listed) in lists {
        let there: BTreeSet<OpId> = names.iter().map(|name| id(name)).collect();
        for node in &there {
            let Some(create) = history.ops.get(node) else { continue };
            looked_at += 1;
            if over.get(&create.session).is_some_and(|over| *over < list.began) {
                let what = format!("{node} is there, and its session {:#x} was over before", create.session);
                violations.push(Violation::new("ephemerals", what, [create, list]));
            }
            let delete = deletes.get(node).filter(|delete| delete.acked().is_some_and(|end| end < list.began));
            if let Some(delete) = delete {
                violations.push(Violation::new("ephemerals", format!("{node} was deleted"), [create, *delete, list]));
            }
            if create.is_refused() {
                violations.push(Violation::new("ephemerals", format!("{node} was refused"), [create, list]));
            }
        }
        while let Some(create) = made_yet.next_if(|op| op.acked().is_none_or(|end| end < list.began)) {
            if create.acked().is_some() {
                candidates.insert(create.id, *create);
            }
        }
        // Those that nobody can expect any more need not be looked at again.
        candidates.retain(|node, create| {
            let is_deleted = deletes.get(node).is_some_and(|delete| delete.began < listed);
            !is_deleted && lived.get(&create.session).is_some_and(|lived| *lived > listed)
        });
        for (node, create) in &candidates {
            looked_at += 1;
            if !there.contains(node) {
                let what = format!("{node} is not there, and its session {:#x} lived on", create.session);
                violations.push(Violation::new("ephemerals", what, [*create, list]));
            }
        }
    }
    if let Some(rest) = &history.rest {
        looked_at += 1;
        for name in &rest.ephemerals {
            let create = history.ops.get(&id(name));
            violations.push(Violation::new("ephemerals", format!("{name} is left when all sessions are over"), create));
        }
    }
    looked_at
}

fn id(path: &str) -> OpId {
    path.rsplit('/').next().and_then(|name| name.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::super::history::Outcome;
    use super::super::fabricate::{Fabricated, SECOND, create, created, expect, set, unknown};
    use super::*;

    fn list(names: &[&str]) -> (Call, Outcome) {
        let names = names.iter().map(ToString::to_string).collect();
        (Call::List { path: "/eph".to_owned() }, Outcome::Done(Seen::Names(names)))
    }

    /// Session 1 makes a node, and lives until the tenth second.
    fn history() -> Fabricated {
        let mut history = Fabricated::default();
        history.op(1, 1, (1, 2), create("/eph/1", Kind::Ephemeral), created("/eph/1", 10));
        history.set(2, (10, 11), "/a", 20, 1);
        history
    }

    #[test]
    fn a_node_must_be_there_as_long_as_its_session_is_known_to_live() {
        for (times, count) in [((3, 4), 1), ((1, 3), 0), ((8, 12), 0)] {
            let mut history = history();
            let (call, outcome) = list(&[]);
            history.op(5, 2, times, call, outcome);
            history.op(6, 2, times, list(&["1"]).0, list(&["1"]).1);
            expect(count, check, &history);
        }
    }

    #[test]
    fn a_node_that_outlives_its_session_is_noticed() {
        let mut history = history();
        history.told(Told::Over { who: 1, at: 13 * SECOND, session: 1 });
        history.op(5, 2, (12, 14), list(&["1"]).0, list(&["1"]).1);
        expect(0, check, &history);

        history.op(6, 2, (14, 15), list(&["1"]).0, list(&["1"]).1);
        expect(1, check, &history);
    }

    #[test]
    fn a_node_that_was_deleted_may_be_there_no_more() {
        let mut history = history();
        let delete = Call::Delete { path: "/eph/1".to_owned() };
        history.op(3, 1, (4, 5), delete, Outcome::Done(Seen::Nothing));
        history.op(5, 2, (4, 6), list(&[]).0, list(&[]).1).op(6, 2, (4, 6), list(&["1"]).0, list(&["1"]).1);
        expect(0, check, &history);

        history.op(7, 2, (6, 7), list(&["1"]).0, list(&["1"]).1);
        expect(1, check, &history);
    }

    #[test]
    fn what_is_left_in_the_end_is_noticed() {
        let mut history = history();
        history.op(3, 1, (4, 5), set("/a"), unknown());
        history.rest(&[]).ephemerals.insert("1".to_owned());

        expect(1, check, &history);
    }
}
