//! What is in nodes: everything that was acknowledged, nothing that was refused, and nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Call, History, Mark, Op, OpId};
use super::Violation;

/// Checks every state of a node that was seen, and at the end, that every version of it is somebody's.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let mut looked_at = 0;
    // Of each node, at which version each value stands.
    let mut versions: BTreeMap<(&str, i64, OpId), (i32, &Op)> = BTreeMap::new();
    for op in history.ops.values() {
        for (path, mark) in op.read().and_then(|(path, mark)| Some((path, mark?))).into_iter().chain(op.writes()) {
            looked_at += 1;
            check_value(history, op, path, mark, violations);
            let (known, by) = *versions.entry((path, mark.czxid, mark.value)).or_insert((mark.version, op));
            if known != mark.version {
                let what = format!("{path} has the data of op {} in version {known} and {}", mark.value, mark.version);
                violations.push(Violation::new("once", what, [by, op]));
            }
        }
    }
    let Some(rest) = &history.rest else { return looked_at };
    let mut acked: BTreeMap<&str, BTreeMap<i32, &Op>> = BTreeMap::new();
    let mut in_doubt: BTreeMap<&str, BTreeSet<OpId>> = BTreeMap::new();
    for op in history.ops.values() {
        for (path, mark) in op.writes() {
            acked.entry(path).or_default().insert(mark.version, op);
        }
        if op.is_in_doubt() {
            for path in paths(&op.call) {
                in_doubt.entry(path).or_default().insert(op.id);
            }
        }
    }
    for (path, mark) in rest.nodes.iter().filter(|(path, _)| acked.contains_key(path.as_str())) {
        let (acked, in_doubt) = (&acked[path.as_str()], in_doubt.get(path.as_str()).map_or(0, BTreeSet::len));
        if acked.values().any(|op| op.writes().any(|(other, write)| other == path && write.czxid != mark.czxid)) {
            // It was made anew, and counts anew.
            continue;
        }
        looked_at += 1;
        if let Some((version, op)) = acked.last_key_value().filter(|(version, _)| **version > mark.version) {
            let what = format!("{path} has version {} in the end, and {version} was acknowledged", mark.version);
            violations.push(Violation::new("lost", what, [*op]));
        }
        let own = acked.get(&mark.version).filter(|op| op.id != mark.value);
        if let Some(op) = own {
            violations.push(Violation::new("lost", format!("{path} ends with the data of op {}", mark.value), [*op]));
        }
        let others = usize::try_from(mark.version).unwrap_or(0).saturating_sub(acked.len());
        if others > in_doubt {
            let what = format!(
                "{path} was set {} times: {} were acknowledged, and {in_doubt} are in doubt",
                mark.version,
                acked.len()
            );
            violations.push(Violation::new("once", what, acked.last_key_value().map(|(_, op)| *op)));
        }
    }
    looked_at
}

/// Checks that what is in a node is what somebody has written there, as he was told.
fn check_value(history: &History, op: &Op, path: &str, mark: Mark, violations: &mut Vec<Violation>) {
    let Some(writer) = history.ops.get(&mark.value) else {
        // While the history goes on, what one process tells may be ahead of what another does.
        if mark.value != 0 && history.rest.is_some() {
            violations.push(Violation::new("written by nobody", format!("{path} contains op {}", mark.value), [op]));
        }
        return;
    };
    let mut told = writer.writes().filter(|(other, _)| *other == path);
    let end = op.end.as_ref().map_or(op.began, |(end, _)| *end);
    let what = if !paths(&writer.call).any(|written| written == path) {
        "another's reply: it was not written there"
    } else if writer.is_refused() {
        "it was told to be refused"
    } else if writer.began > end {
        "it was not written yet"
    } else if told.any(|(_, told)| told != mark) {
        "it was told to be otherwise"
    } else {
        return;
    };
    violations.push(Violation::new("values", format!("{path}, {mark:?}: {what}"), [writer, op]));
}

/// Returns the nodes whose data an operation means to write.
fn paths(call: &Call) -> impl Iterator<Item = &str> {
    let (sets, one) = match call {
        Call::Set(sets) => (sets.as_slice(), None),
        Call::Guarded { path, .. } | Call::Create { path, .. } => (&[][..], Some(path.as_str())),
        _ => (&[][..], None),
    };
    sets.iter().map(|set| set.path.as_str()).chain(one)
}

#[cfg(test)]
mod tests {
    use super::super::fabricate::{Fabricated, expect, mark, refused, set, unknown};
    use super::*;

    #[test]
    fn what_was_acknowledged_and_what_is_in_doubt_may_be_there() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 10, 1).op(2, 1, (3, 4), set("/a"), unknown()).set(3, (5, 6), "/a", 30, 3);
        history.get(4, 2, (4, 5), "/a", mark(20, 2, 2));
        history.rest(&[("/a", mark(30, 3, 3))]);

        expect(0, check, &history);
    }

    #[test]
    fn a_write_that_is_gone_in_the_end_is_noticed() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 10, 1).set(2, (3, 4), "/a", 20, 2);
        history.rest(&[("/a", mark(10, 1, 1))]);

        expect(1, check, &history);
    }

    #[test]
    fn a_write_that_was_carried_out_twice_is_noticed() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 20, 2);
        history.rest(&[("/a", mark(20, 2, 1))]);
        expect(1, check, &history);

        let mut history = Fabricated::default();
        history.op(1, 1, (1, 2), set("/a"), unknown());
        history.get(2, 2, (3, 4), "/a", mark(10, 1, 1)).get(3, 2, (5, 6), "/a", mark(20, 2, 1));
        expect(1, check, &history);
    }

    #[test]
    fn a_write_that_was_refused_and_is_there_is_noticed() {
        let mut history = Fabricated::default();
        history.op(1, 1, (1, 2), set("/a"), refused()).get(2, 2, (3, 4), "/a", mark(10, 1, 1));

        expect(1, check, &history);
    }

    #[test]
    fn a_reply_to_another_request_is_noticed() {
        let mut history = Fabricated::default();
        history.set(1, (1, 2), "/a", 10, 1).get(2, 2, (3, 4), "/b", mark(10, 1, 1));

        expect(1, check, &history);
    }

    #[test]
    fn data_from_nowhere_is_noticed() {
        let mut history = Fabricated::default();
        history.get(2, 2, (3, 4), "/b", mark(10, 1, 99));
        history.rest(&[]);

        expect(1, check, &history);
    }
}
