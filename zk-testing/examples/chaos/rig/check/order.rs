//! The order of writes.
//!
//! ZooKeeper numbers its transactions. A write that was acknowledged before another began has the smaller number, whoever made them:
//! that is all of linearizability for writes, because the numbers name the order that is to be found. Versions count
//! the writes of one node in the same order.

use std::collections::BTreeMap;

use super::super::history::{Call, History, Op, Seen};
use super::Violation;

/// Checks that transactions are numbered as real time has it, and that no two operations have the same number.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let mut writes: Vec<(&Op, u64, i64)> =
        history.ops.values().filter_map(|op| Some((op, op.acked()?, zxid(op)?))).collect();

    let mut by_zxid: BTreeMap<i64, &Op> = BTreeMap::new();
    for (op, _, zxid) in &writes {
        if let Some(other) = by_zxid.insert(*zxid, op) {
            violations.push(Violation::new("order", format!("two are transaction {zxid:#x}"), [other, *op]));
        }
    }

    let mut by_end = writes.clone();
    by_end.sort_by_key(|(_, end, _)| *end);
    writes.sort_by_key(|(op, ..)| op.began);
    let mut ended = by_end.iter().peekable();
    let mut latest: Option<(&Op, i64)> = None;
    for (op, _, zxid) in &writes {
        while let Some((other, _, other_zxid)) = ended.next_if(|(_, end, _)| *end < op.began) {
            if latest.is_none_or(|(_, latest)| latest < *other_zxid) {
                latest = Some((*other, *other_zxid));
            }
        }
        if let Some((earlier, earlier_zxid)) = latest.filter(|(_, latest)| latest >= zxid) {
            let what = format!("{zxid:#x} began when {earlier_zxid:#x} had been acknowledged");
            violations.push(Violation::new("order", what, [earlier, *op]));
        }
    }
    writes.len()
}

/// Checks that no two writes of a node have the same version, that versions and transactions are in one order, and that a write
/// that expects a version is the next one.
pub(super) fn check_versions(history: &History, violations: &mut Vec<Violation>) -> usize {
    // Of each node, with the transaction that made it: versions, transactions and who wrote.
    type Writes<'a> = Vec<(i32, i64, &'a Op)>;
    let mut nodes: BTreeMap<(&str, i64), Writes<'_>> = BTreeMap::new();
    for op in history.ops.values() {
        for (path, mark) in op.writes() {
            nodes.entry((path, mark.czxid)).or_default().push((mark.version, mark.mzxid, op));
            let Call::Set(sets) = &op.call else { continue };
            let expected = sets.iter().find(|set| set.path == path).and_then(|set| set.expected);
            if expected.is_some_and(|expected| expected.wrapping_add(1) != mark.version) {
                let what = format!("{path} has version {} where {expected:?} was expected", mark.version);
                violations.push(Violation::new("compare and set", what, [op]));
            }
        }
    }
    let mut looked_at = 0;
    for ((path, _), mut writes) in nodes {
        looked_at += writes.len();
        writes.sort_by_key(|(version, zxid, _)| (*version, *zxid));
        for pair in writes.windows(2) {
            let [(version, zxid, op), (next, next_zxid, next_op)] = pair else { continue };
            if version == next || zxid >= next_zxid {
                let what = format!("{path} has version {version} by {zxid:#x}, and version {next} by {next_zxid:#x}");
                violations.push(Violation::new("versions", what, [*op, *next_op]));
            }
        }
    }
    looked_at
}

/// Returns the transaction that an acknowledged write was.
fn zxid(op: &Op) -> Option<i64> {
    match (&op.call, op.seen()?) {
        (Call::Create { .. }, Seen::Created { czxid, .. }) => Some(*czxid),
        _ => op.writes().map(|(_, mark)| mark.mzxid).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::history::Set;
    use super::super::fabricate::{Fabricated, done, expect, mark, unknown};
    use super::*;

    #[test]
    fn writes_that_overlap_may_come_in_any_order() {
        let mut history = Fabricated::default();
        history.set(1, (1, 5), "/a", 20, 2).set(2, (2, 4), "/a", 10, 1).set(3, (6, 7), "/a", 30, 3);

        expect(0, check, &history);
        expect(0, check_versions, &history);
    }

    #[test]
    fn a_write_that_began_later_is_not_earlier() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 20, 2).set(2, (3, 4), "/b", 10, 1);

        expect(1, check, &history);
    }

    #[test]
    fn a_reply_that_two_get_is_noticed() {
        let mut history = Fabricated::default();
        history.set(1, (1, 4), "/a", 20, 2).set(2, (2, 4), "/a", 20, 2);

        expect(1, check, &history);
        expect(1, check_versions, &history);
    }

    #[test]
    fn a_version_that_is_not_the_next_one_is_noticed() {
        let mut history = Fabricated::default();
        let set = |expected| Call::Set(vec![Set { path: "/a".to_owned(), expected: Some(expected) }]);
        history.op(1, 1, (1, 2), set(4), done([mark(20, 5, 1)])).op(2, 1, (3, 4), set(5), done([mark(30, 7, 2)]));

        expect(1, check_versions, &history);
    }

    #[test]
    fn what_is_in_doubt_has_no_place_in_the_order() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 20, 2);
        history.op(2, 1, (3, 4), super::super::fabricate::set("/a"), unknown());

        expect(0, check, &history);
    }
}
