//! Nodes that the server numbers: each is made once, in the order in which they were asked for, and stays.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Call, History, Kind, Op, OpId, Seen};
use super::Violation;

/// Checks the numbers of those that were acknowledged, and at the end, which are there. The name of each contains its operation.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let creates = history.ops.values().filter_map(|op| match &op.call {
        Call::Create { path, kind: Kind::Numbered } => Some((op, path.rsplit_once('/')?.0)),
        _ => None,
    });
    let creates: Vec<(&Op, &str)> = creates.collect();
    let mut numbers: BTreeMap<&str, BTreeMap<i64, (u64, &Op)>> = BTreeMap::new();
    for (op, parent) in &creates {
        let Some(Seen::Created { path, czxid }) = op.seen() else { continue };
        let Some((id, number)) = parse(path) else {
            violations.push(Violation::new("numbers", format!("{path} has no number"), [*op]));
            continue;
        };
        if id != op.id {
            violations.push(Violation::new("numbers", format!("{path} is another's"), [*op]));
        }
        numbers.entry(parent).or_default().insert(*czxid, (number, op));
    }
    for (number, op, next, next_op) in numbers.values().flat_map(|numbers| {
        let later = numbers.values().skip(1);
        numbers.values().zip(later).map(|((number, op), (next, next_op))| (number, op, next, next_op))
    }) {
        if number >= next {
            let what = format!("number {number} was made before number {next}");
            violations.push(Violation::new("numbers", what, [*op, *next_op]));
        }
    }
    let Some(rest) = &history.rest else { return creates.len() };
    for (parent, names) in &rest.names {
        let own: Vec<&Op> = creates.iter().filter(|(_, of)| of == parent).map(|(op, _)| *op).collect();
        if own.is_empty() {
            continue;
        }
        let mut made: BTreeMap<OpId, BTreeSet<&str>> = BTreeMap::new();
        for name in names {
            if let Some((id, _)) = parse(name) {
                made.entry(id).or_default().insert(name);
            }
        }
        for op in own {
            let there = made.get(&op.id);
            let what = match (there.map_or(0, BTreeSet::len), op.seen()) {
                (0, Some(_)) => "it was acknowledged, and is not there",
                (1, Some(Seen::Created { path, .. }))
                    if !there.is_some_and(|names| names.iter().all(|name| path.ends_with(name))) =>
                {
                    "it is there with another number"
                }
                (1.., None) if op.is_refused() => "it was told to be refused, and is there",
                (2.., _) => "it is there more than once",
                _ => continue,
            };
            violations.push(Violation::new("numbered nodes", format!("{what}: {there:?}"), [op]));
        }
    }
    creates.len()
}

/// Returns the operation in a name, and the number behind it.
fn parse(path: &str) -> Option<(OpId, u64)> {
    let name = path.rsplit('/').next()?;
    let (id, number) = name.split_once('-')?;
    Some((id.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::fabricate::{Fabricated, create, created, expect, refused, unknown};
    use super::*;

    fn history(there: &[&str]) -> Fabricated {
        let mut history = Fabricated::default();
        let make = |id: u64| create(&format!("/log/{id}-"), Kind::Numbered);
        history.op(1, 1, (1, 2), make(1), created("/log/1-0000000000", 10));
        history.op(2, 1, (3, 4), make(2), unknown());
        history.op(3, 1, (5, 6), make(3), created("/log/3-0000000002", 30));
        history.op(4, 1, (7, 8), make(4), refused());
        let names = there.iter().map(ToString::to_string).collect();
        history.rest(&[]).names.insert("/log".to_owned(), names);
        history
    }

    #[test]
    fn what_is_in_doubt_may_be_there_or_not() {
        expect(0, check, &history(&["1-0000000000", "3-0000000002"]));
        expect(0, check, &history(&["1-0000000000", "2-0000000001", "3-0000000002"]));
    }

    #[test]
    fn what_is_lost_or_there_twice_or_was_refused_is_noticed() {
        expect(1, check, &history(&["1-0000000000"]));
        expect(1, check, &history(&["1-0000000000", "2-0000000001", "2-0000000003", "3-0000000002"]));
        expect(1, check, &history(&["1-0000000000", "3-0000000002", "4-0000000001"]));
        expect(1, check, &history(&["1-0000000000", "3-0000000007"]));
    }

    #[test]
    fn numbers_that_go_back_are_noticed() {
        let mut history = Fabricated::default();
        let make = |id: u64| create(&format!("/log/{id}-"), Kind::Numbered);
        history.op(1, 1, (1, 2), make(1), created("/log/1-0000000005", 10));
        history.op(2, 1, (3, 4), make(2), created("/log/2-0000000004", 20));

        expect(1, check, &history);
    }
}
