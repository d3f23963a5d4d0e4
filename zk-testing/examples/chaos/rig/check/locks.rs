//! Locks: one holder at a time, by the tokens in what they guard, and by the clock up to which each is certain.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Call, History, Op, Seen, Time, Told};
use super::Violation;

/// Checks tokens, guarded writes, the times of which holders are certain, and at the end, that nothing is left of a lock.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let mut locks: BTreeMap<&str, Vec<(&Op, Time, u64)>> = BTreeMap::new();
    let mut guarded: BTreeMap<&str, Vec<(i32, u64, &Op)>> = BTreeMap::new();
    let mut ends: BTreeMap<u64, Time> = BTreeMap::new();
    let mut end = |token, at: Time| {
        let end = ends.entry(token).or_insert(at);
        *end = at.min(*end);
    };
    for op in history.ops.values() {
        match (&op.call, op.seen()) {
            (Call::Acquire { lock }, Some(Seen::Token(token))) => {
                locks.entry(lock).or_default().push((op, op.acked().unwrap_or(op.began), *token));
            }
            (Call::Guarded { path, token, lost }, _) => {
                for (_, mark) in op.writes() {
                    guarded.entry(path).or_default().push((mark.version, *token, op));
                    if *lost {
                        let what = format!("{token} was lost, its holder knew, and {path} was written with it");
                        violations.push(Violation::new("fencing", what, [op]));
                    }
                }
            }
            (Call::Release { token, .. }, _) => end(*token, op.began),
            _ => {}
        }
    }
    let mut until: BTreeMap<u64, Time> = BTreeMap::new();
    for told in &history.told {
        match told {
            Told::Holds { token, until: certain, .. } => {
                let until = until.entry(*token).or_default();
                *until = (*certain).max(*until);
            }
            Told::Lost { token, at } => end(*token, *at),
            _ => {}
        }
    }
    let mut looked_at = 0;
    for (lock, mut holders) in locks {
        looked_at += holders.len();
        let mut tokens = BTreeMap::new();
        for (op, _, token) in &holders {
            if let Some(other) = tokens.insert(*token, *op) {
                violations.push(Violation::new("tokens", format!("two hold {lock} by {token}"), [other, *op]));
            }
        }
        check_order(lock, &holders, violations);
        holders.sort_by_key(|(_, acquired, _)| *acquired);
        // Who is certain for the longest of all so far.
        let mut longest: Option<(Time, &Op, u64)> = None;
        for (op, acquired, token) in holders {
            if let Some((until, holder, by)) = longest.filter(|(until, ..)| *until > acquired) {
                let what = format!(
                    "{token} has {lock} at {:.4}, and {by} was certain of it until {:.4}",
                    super::super::history::seconds(acquired),
                    super::super::history::seconds(until)
                );
                violations.push(Violation::new("one holder", what, [holder, op]));
            }
            let until =
                until.get(&token).copied().unwrap_or(acquired).min(ends.get(&token).copied().unwrap_or(Time::MAX));
            if longest.is_none_or(|(longest, ..)| longest < until) {
                longest = Some((until, op, token));
            }
        }
    }
    for (path, mut writes) in guarded {
        looked_at += writes.len();
        writes.sort_by_key(|(version, ..)| *version);
        for pair in writes.windows(2) {
            let [(_, token, op), (_, next, next_op)] = pair else { continue };
            if token > next {
                let what = format!("{path} was written with {next} after {token}");
                violations.push(Violation::new("fencing", what, [*op, *next_op]));
            }
        }
    }
    if let Some(rest) = &history.rest {
        let locks = history.ops.values().filter_map(|op| match &op.call {
            Call::Acquire { lock } => Some(lock.as_str()),
            _ => None,
        });
        for lock in locks.collect::<BTreeSet<_>>() {
            if let Some(names) = rest.names.get(lock).filter(|names| !names.is_empty()) {
                let what = format!("{names:?} are left at {lock}, and nobody holds it or waits for it");
                violations.push(Violation::new("clean-up", what, []));
            }
        }
    }
    looked_at
}

/// Checks that who began to ask when another had the lock already has the greater token.
fn check_order(lock: &str, holders: &[(&Op, Time, u64)], violations: &mut Vec<Violation>) {
    let mut by_end: Vec<_> = holders.to_vec();
    by_end.sort_by_key(|(_, acquired, _)| *acquired);
    let mut by_begin: Vec<_> = holders.to_vec();
    by_begin.sort_by_key(|(op, ..)| op.began);
    let mut ended = by_end.into_iter().peekable();
    let mut latest: Option<(u64, &Op)> = None;
    for (op, _, token) in by_begin {
        while let Some((other, _, token)) = ended.next_if(|(_, acquired, _)| *acquired < op.began) {
            if latest.is_none_or(|(latest, _)| latest < token) {
                latest = Some((token, other));
            }
        }
        if let Some((earlier, other)) = latest.filter(|(latest, _)| *latest >= token) {
            let what = format!("{lock} was asked for after {earlier} had it, and is had by {token}");
            violations.push(Violation::new("tokens", what, [other, op]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::history::Outcome;
    use super::super::fabricate::{Fabricated, SECOND, done, expect, mark};
    use super::*;

    fn acquire(history: &mut Fabricated, id: u64, times: (u64, u64), token: u64) {
        history.op(id, 1, times, Call::Acquire { lock: "/l".to_owned() }, Outcome::Done(Seen::Token(token)));
    }

    fn release(history: &mut Fabricated, id: u64, times: (u64, u64), token: u64) {
        let release = Call::Release { lock: "/l".to_owned(), token };
        history.op(id, 1, times, release, Outcome::Done(Seen::Nothing));
    }

    fn holds(history: &mut Fabricated, token: u64, until: u64) {
        history.told(Told::Holds { lock: "/l".to_owned(), token, who: 1, until: until * SECOND });
    }

    fn guarded(history: &mut Fabricated, id: u64, token: u64, version: i32, lost: bool) {
        let call = Call::Guarded { path: "/g".to_owned(), token, lost };
        history.op(id, 1, (id, id + 1), call, done([mark(i64::from(version) * 10, version, id)]));
    }

    #[test]
    fn holders_one_after_the_other_are_fine() {
        let mut history = Fabricated::default();
        acquire(&mut history, 1, (1, 2), 10);
        holds(&mut history, 10, 30);
        release(&mut history, 2, (4, 6), 10);
        acquire(&mut history, 3, (1, 5), 11);
        guarded(&mut history, 4, 10, 1, false);
        guarded(&mut history, 6, 11, 2, false);
        history.rest(&[]).names.insert("/l".to_owned(), BTreeSet::new());

        expect(0, check, &history);
    }

    #[test]
    fn two_holders_at_a_time_are_noticed() {
        let mut history = Fabricated::default();
        acquire(&mut history, 1, (1, 2), 10);
        holds(&mut history, 10, 30);
        acquire(&mut history, 3, (1, 20), 11);
        expect(1, check, &history);

        history.told(Told::Lost { token: 10, at: 15 * SECOND });
        expect(0, check, &history);
    }

    #[test]
    fn a_token_that_does_not_grow_or_is_another_s_is_noticed() {
        let mut history = Fabricated::default();
        acquire(&mut history, 1, (1, 2), 10);
        acquire(&mut history, 2, (3, 4), 9);
        expect(1, check, &history);

        let mut history = Fabricated::default();
        acquire(&mut history, 1, (1, 4), 10);
        acquire(&mut history, 2, (2, 5), 10);
        expect(1, check, &history);
    }

    #[test]
    fn a_write_of_an_earlier_holder_is_noticed() {
        let mut history = Fabricated::default();
        guarded(&mut history, 1, 11, 1, false);
        guarded(&mut history, 2, 10, 2, false);
        expect(1, check, &history);

        let mut history = Fabricated::default();
        guarded(&mut history, 1, 10, 1, true);
        expect(1, check, &history);
    }

    #[test]
    fn a_node_that_nobody_waits_with_is_noticed() {
        let mut history = Fabricated::default();
        acquire(&mut history, 1, (1, 2), 10);
        history.rest(&[]).names.insert("/l".to_owned(), ["left".to_owned()].into());

        expect(1, check, &history);
    }
}
