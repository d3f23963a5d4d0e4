//! What reads see.
//!
//! A session goes forward only, whichever servers it is on: once it has seen a transaction, by a write of its own or in
//! anything that it read, every later read shows at least that state of the whole tree. Others may be ahead of it, unless it asks
//! the leader first, by a sync.
//!
//! ZooKeeper answers a sync without a vote (ZOOKEEPER-1675), so a leader who was replaced and has not noticed may answer too early.
//! Such times are left out: those that somebody has brought about, and some seconds after the first write under a new leader, which
//! its number tells.

use std::collections::BTreeMap;

use super::super::history::{Call, History, Op, Seen, Time};
use super::Violation;

/// How long an old leader may go on behind the first write of a new one, where nobody holds him up: until he misses his followers.
const OLD_LEADERS_TIME: Time = 10_000_000_000;

/// Checks each read against what its session had seen before it began.
pub(super) fn check_sessions(history: &History, violations: &mut Vec<Violation>) -> usize {
    let known = known(history);
    let mut sessions: BTreeMap<i64, Vec<(&Op, Time)>> = BTreeMap::new();
    for op in history.ops.values().filter(|op| op.session != 0) {
        if let Some(end) = op.acked() {
            sessions.entry(op.session).or_default().push((op, end));
        }
    }
    let mut looked_at = 0;
    for ops in sessions.into_values() {
        let mut by_end = ops.clone();
        by_end.sort_by_key(|(_, end)| *end);
        let mut by_begin = ops;
        by_begin.sort_by_key(|(op, _)| op.began);
        let mut ended = by_end.into_iter().peekable();
        let mut latest: Option<(i64, &Op)> = None;
        for (op, _) in by_begin {
            while let Some((other, _)) = ended.next_if(|(_, end)| *end < op.began) {
                let zxid = seen_up_to(other);
                if latest.is_none_or(|(latest, _)| latest < zxid) {
                    latest = Some((zxid, other));
                }
            }
            let (Some((path, Some(mark))), Some((zxid, seen))) = (op.read(), latest) else { continue };
            looked_at += 1;
            let changes = known.get(path).map_or(&[][..], Vec::as_slice);
            let index = changes.partition_point(|(change, _)| *change <= zxid);
            let Some((change, by)) = index.checked_sub(1).map(|last| changes[last]) else { continue };
            if change > mark.mzxid {
                let what = format!(
                    "the session had seen {zxid:#x}, and then reads {path} as of {:#x}, which {change:#x} has changed",
                    mark.mzxid
                );
                violations.push(Violation::new("sessions go forward", what, [seen, by, op]));
            }
        }
    }
    looked_at
}

/// Checks each read behind a sync against what was acknowledged to anybody before.
pub(super) fn check_syncs(history: &History, violations: &mut Vec<Violation>) -> usize {
    let mut acked: BTreeMap<&str, Vec<(Time, i64, &Op)>> = BTreeMap::new();
    for op in history.ops.values() {
        for (path, mark) in op.writes() {
            acked.entry(path).or_default().push((op.acked().unwrap_or(Time::MAX), mark.mzxid, op));
        }
    }
    for writes in acked.values_mut() {
        writes.sort_by_key(|(end, ..)| *end);
        // Each with the latest transaction up to it.
        let mut latest: Option<(i64, &Op)> = None;
        for (_, zxid, op) in writes {
            match latest {
                Some((latest, by)) if latest > *zxid => (*zxid, *op) = (latest, by),
                Some(_) | None => latest = Some((*zxid, *op)),
            }
        }
    }
    let replaced = replaced(history);
    let is_in_doubt = |op: &Op, end: Time| {
        history.in_doubt.iter().any(|(from, to)| *from <= end && op.began <= *to)
            || replaced.iter().any(|at| *at <= end && op.began <= *at + OLD_LEADERS_TIME)
    };
    let mut looked_at = 0;
    for op in history.ops.values() {
        let (Call::Get { sync: true, .. }, Some((path, Some(mark))), Some(end)) = (&op.call, op.read(), op.acked())
        else {
            continue;
        };
        if is_in_doubt(op, end) {
            continue;
        }
        looked_at += 1;
        let writes = acked.get(path).map_or(&[][..], Vec::as_slice);
        let index = writes.partition_point(|(end, ..)| *end < op.began);
        let Some((_, zxid, by)) = index.checked_sub(1).map(|last| writes[last]) else { continue };
        if zxid > mark.mzxid {
            let what = format!("{path} is read as of {:#x}, behind a sync, and {zxid:#x} was acknowledged", mark.mzxid);
            violations.push(Violation::new("sync", what, [by, op]));
        }
    }
    looked_at
}

/// Returns when the first write was acknowledged under each leader but the first, whose number is in the upper half of the transaction's.
fn replaced(history: &History) -> Vec<Time> {
    let mut leaders: BTreeMap<i64, Time> = BTreeMap::new();
    for op in history.ops.values() {
        for (_, mark) in op.writes() {
            let first = leaders.entry(mark.mzxid >> 32).or_insert(Time::MAX);
            *first = op.acked().unwrap_or(Time::MAX).min(*first);
        }
    }
    leaders.into_values().skip(1).collect()
}

/// Returns the transactions that are known to have changed each node, in order, and who knows of it.
fn known(history: &History) -> BTreeMap<&str, Vec<(i64, &Op)>> {
    let mut known: BTreeMap<&str, Vec<(i64, &Op)>> = BTreeMap::new();
    for op in history.ops.values() {
        for (path, mark) in op.writes().chain(op.read().and_then(|(path, mark)| Some((path, mark?)))) {
            known.entry(path).or_default().push((mark.mzxid, op));
        }
    }
    for changes in known.values_mut() {
        changes.sort_by_key(|(zxid, op)| (*zxid, op.id));
        changes.dedup_by_key(|(zxid, _)| *zxid);
    }
    known
}

/// Returns the latest transaction that an operation has shown.
fn seen_up_to(op: &Op) -> i64 {
    match op.seen() {
        Some(Seen::Nodes(marks)) => marks.iter().flatten().map(|mark| mark.mzxid.max(mark.czxid)).max().unwrap_or(0),
        Some(Seen::Created { czxid, .. }) => *czxid,
        Some(Seen::Token(token)) => i64::try_from(*token).unwrap_or(0),
        Some(Seen::Nothing | Seen::Names(_) | Seen::Item { .. }) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fabricate::{Fabricated, SECOND, done, expect, get, mark};
    use super::*;

    #[test]
    fn a_session_that_goes_back_on_a_node_is_noticed() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 10, 1).set(2, (3, 4), "/a", 20, 2);
        history.get(3, 7, (5, 6), "/a", mark(20, 2, 2)).get(4, 8, (7, 8), "/a", mark(10, 1, 1));
        expect(0, check_sessions, &history.get_twice());

        history.get(5, 7, (7, 8), "/a", mark(10, 1, 1));
        expect(1, check_sessions, &history);
    }

    #[test]
    fn a_session_that_goes_back_on_another_node_is_noticed() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 10, 1).set(2, (3, 4), "/b", 20, 1).set(3, (5, 6), "/a", 30, 2);
        history.get(4, 7, (7, 8), "/b", mark(20, 1, 2)).get(5, 7, (9, 10), "/a", mark(10, 1, 1));
        expect(0, check_sessions, &history);

        history.get(6, 7, (11, 12), "/a", mark(30, 2, 3)).get(7, 7, (13, 14), "/b", mark(5, 0, 0));
        expect(1, check_sessions, &history);
    }

    #[test]
    fn a_sync_that_is_passed_by_is_noticed_unless_the_leader_is_in_doubt() {
        let mut history = Fabricated::default();
        history.set(1, (1, 4), "/a", 20, 2).set(2, (2, 3), "/a", 10, 1);
        history.op(3, 7, (3, 5), get("/a", true), done([mark(10, 1, 2)]));
        expect(0, check_syncs, &history);

        history.op(4, 7, (5, 6), get("/a", true), done([mark(10, 1, 2)]));
        expect(1, check_syncs, &history);

        history.0.in_doubt.push((6 * SECOND, 9 * SECOND));
        expect(0, check_syncs, &history);
    }

    #[test]
    fn an_old_leader_is_given_some_seconds() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 10, 1).set(2, (3, 4), "/a", 1 << 32, 2);
        history.op(3, 7, (5, 6), get("/a", true), done([mark(10, 1, 1)]));
        history.op(4, 7, (16, 17), get("/b", true), done([mark(5, 0, 0)]));
        expect(0, check_syncs, &history);

        history.op(5, 7, (16, 17), get("/a", true), done([mark(10, 1, 1)]));
        expect(1, check_syncs, &history);
    }

    impl Fabricated {
        /// Returns the same history: sessions 7 and 8 are each read once, so one more read of 7 gives it something to be held against.
        fn get_twice(&mut self) -> Self {
            let mut twice = Self::default();
            twice.0.ops = self.0.ops.clone();
            twice.get(9, 7, (7, 8), "/a", mark(20, 2, 2));
            twice
        }
    }
}
