//! Queues: what was put is taken, and by one only.
//!
//! A queue whose items are gone once they are taken may lose one with the process that was taking it, and one for each take that is in doubt;
//! it gives none twice. A queue of work may give an item several times, and lets it go once, to one who has acknowledged it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{Call, History, Op, OpId, Seen};
use super::Violation;

#[derive(Default)]
struct Book<'a> {
    puts: BTreeMap<OpId, &'a Op>,
    /// Each item with those who certainly took it.
    taken: BTreeMap<OpId, Vec<&'a Op>>,
    perhaps: BTreeSet<OpId>,
    /// Each item with those who were told that they have finished it.
    acked: BTreeMap<OpId, Vec<&'a Op>>,
    acked_perhaps: BTreeSet<OpId>,
    /// Takes of which nobody knows what they took.
    takes_in_doubt: usize,
    is_of_work: bool,
}

/// Checks that no item is had twice, and at the end, that none is lost.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let mut books: BTreeMap<&str, Book<'_>> = BTreeMap::new();
    for op in history.ops.values() {
        match (&op.call, op.seen()) {
            (Call::Put { queue }, _) => drop(books.entry(queue).or_default().puts.insert(op.id, op)),
            (Call::Take { queue }, Some(Seen::Item { item, is_certain: true })) => {
                books.entry(queue).or_default().taken.entry(*item).or_default().push(op);
            }
            (Call::Take { queue }, Some(Seen::Item { item, .. })) => {
                books.entry(queue).or_default().perhaps.insert(*item);
            }
            (Call::Take { queue }, None) if op.is_in_doubt() => books.entry(queue).or_default().takes_in_doubt += 1,
            (Call::Ack { queue, item }, seen) => {
                let book = books.entry(queue).or_default();
                book.is_of_work = true;
                if seen.is_some() {
                    book.acked.entry(*item).or_default().push(op);
                } else if op.is_in_doubt() {
                    book.acked_perhaps.insert(*item);
                }
            }
            _ => {}
        }
    }
    let mut looked_at = 0;
    for (queue, book) in &books {
        looked_at += book.puts.len();
        let had = if book.is_of_work { &book.acked } else { &book.taken };
        for (item, ops) in had.iter().filter(|(_, ops)| ops.len() > 1) {
            let what = format!("item {item} of {queue} was had {} times", ops.len());
            violations.push(Violation::new("queues", what, book.puts.get(item).into_iter().chain(ops).copied()));
        }
        for (item, ops) in &book.taken {
            let put = book.puts.get(item);
            if put.is_some_and(|put| put.is_refused()) || put.is_none() && history.rest.is_some() {
                let what = format!("item {item} of {queue} was taken, and was never put");
                violations.push(Violation::new("queues", what, put.into_iter().chain(ops).copied()));
            }
        }
        let Some(rest) = &history.rest else { continue };
        let mut left = BTreeMap::<OpId, usize>::new();
        for item in rest.items.get(*queue).into_iter().flatten() {
            *left.entry(*item).or_default() += 1;
        }
        let lost = book.puts.iter().filter(|(item, put)| {
            let is_had = had.contains_key(item) || left.contains_key(item);
            let is_had_perhaps =
                if book.is_of_work { book.acked_perhaps.contains(item) } else { book.perhaps.contains(item) };
            put.acked().is_some() && !is_had && !is_had_perhaps
        });
        let lost: Vec<&Op> = lost.map(|(_, put)| *put).collect();
        let explained = if book.is_of_work { 0 } else { book.takes_in_doubt };
        if lost.len() > explained {
            let what = format!("{} items of {queue} are lost, and {explained} takes are in doubt", lost.len());
            violations.push(Violation::new("queues", what, lost));
        }
        for (item, count) in left {
            if count > 1 || had.contains_key(&item) {
                let what = format!("item {item} of {queue} is there {count} times, and was had: {:?}", had.get(&item));
                violations.push(Violation::new("queues", what, book.puts.get(&item).copied()));
            }
        }
    }
    looked_at
}

#[cfg(test)]
mod tests {
    use super::super::super::history::Outcome;
    use super::super::fabricate::{Fabricated, expect, refused, unknown};
    use super::*;

    const QUEUE: &str = "/q";

    fn put(history: &mut Fabricated, id: u64, outcome: Outcome) {
        history.op(id, 1, (id, id + 1), Call::Put { queue: QUEUE.to_owned() }, outcome);
    }

    fn take(history: &mut Fabricated, id: u64, item: u64) {
        let outcome = Outcome::Done(Seen::Item { item, is_certain: true });
        history.op(id, 1, (id, id + 1), Call::Take { queue: QUEUE.to_owned() }, outcome);
    }

    fn ack(history: &mut Fabricated, id: u64, item: u64, outcome: Outcome) {
        history.op(id, 1, (id, id + 1), Call::Ack { queue: QUEUE.to_owned(), item }, outcome);
    }

    fn done() -> Outcome {
        Outcome::Done(Seen::Nothing)
    }

    #[test]
    fn what_was_put_is_taken_or_left() {
        let mut history = Fabricated::default();
        put(&mut history, 1, done());
        put(&mut history, 2, done());
        put(&mut history, 3, unknown());
        take(&mut history, 4, 1);
        history.rest(&[]).items.insert(QUEUE.to_owned(), vec![2]);

        expect(0, check, &history);
    }

    #[test]
    fn an_item_that_is_lost_is_noticed_unless_a_take_is_in_doubt() {
        let mut history = Fabricated::default();
        put(&mut history, 1, done());
        history.rest(&[]);
        expect(1, check, &history);

        history.op(2, 1, (2, 3), Call::Take { queue: QUEUE.to_owned() }, unknown());
        expect(0, check, &history);
    }

    #[test]
    fn an_item_that_is_had_twice_is_noticed() {
        let mut history = Fabricated::default();
        put(&mut history, 1, done());
        take(&mut history, 2, 1);
        take(&mut history, 3, 1);
        expect(1, check, &history);

        let mut history = Fabricated::default();
        put(&mut history, 1, done());
        take(&mut history, 2, 1);
        history.rest(&[]).items.insert(QUEUE.to_owned(), vec![1]);
        expect(1, check, &history);
    }

    #[test]
    fn an_item_that_was_never_put_is_noticed() {
        let mut history = Fabricated::default();
        put(&mut history, 1, refused());
        take(&mut history, 2, 1);

        expect(1, check, &history);
    }

    #[test]
    fn work_may_be_given_twice_and_is_finished_once() {
        let mut history = Fabricated::default();
        put(&mut history, 1, done());
        take(&mut history, 2, 1);
        take(&mut history, 3, 1);
        ack(&mut history, 4, 1, refused());
        ack(&mut history, 5, 1, done());
        history.rest(&[]);
        expect(0, check, &history);

        ack(&mut history, 6, 1, done());
        expect(1, check, &history);
    }

    #[test]
    fn work_that_nobody_has_finished_is_noticed_when_it_is_gone() {
        let mut history = Fabricated::default();
        put(&mut history, 1, done());
        take(&mut history, 2, 1);
        ack(&mut history, 4, 1, refused());
        history.rest(&[]);
        expect(1, check, &history);

        ack(&mut history, 5, 1, unknown());
        expect(0, check, &history);
    }
}
