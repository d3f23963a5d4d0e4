//! Numbers: Curator's `DistributedAtomicLong`, `DistributedAtomicInteger` and `SharedCount`, kazoo's `Counter`.

use zk_blocking::{
    Client,
    recipes::{AtomicNumber, NumberLayout, Outcome, Reason},
};

use crate::{
    ground::Ground,
    languages::Library::{self, Curator, Kazoo},
    ours::soon,
};

fn number(client: &Client, layout: NumberLayout) -> AtomicNumber {
    AtomicNumber::new(client, "/number").unwrap().layout(layout)
}

/// Lets both sides count, by turns and at the same time. `recipe` has a `get` and an `add`.
fn both_sides_count(library: Library, recipe: &str, layout: NumberLayout) {
    let ground = Ground::new();
    let client = ground.ours();
    let (one, two) = (ground.peer(library), ground.peer(library));
    let number = number(&client, layout);
    let applied = |outcome: Outcome<_>| outcome.applied().expect("nothing was lost");

    assert_eq!(applied(soon(number.add(-7)).unwrap()).after, -7);
    assert_eq!(one.ask(&format!("{recipe} get /number")), "-7");
    assert_eq!(one.ask(&format!("{recipe} add /number 300")), "293");
    assert_eq!(soon(number.get()).unwrap(), 293);

    let add = format!("{recipe} add /number 1");
    let theirs: Vec<_> = (0..20).flat_map(|_| [one.begin(&add), two.begin(&add)]).collect();
    for _ in 0..20 {
        applied(soon(number.add(1)).unwrap());
    }
    theirs.into_iter().for_each(|theirs| _ = theirs.answer());
    assert_eq!(soon(number.get()).unwrap(), 353);
    assert_eq!(two.ask(&format!("{recipe} get /number")), "353");
}

#[test]
fn ours_and_a_long_of_curators_count_together() {
    both_sides_count(Curator, "long", NumberLayout::CuratorLong);
}

#[test]
fn ours_and_an_integer_of_curators_count_together() {
    both_sides_count(Curator, "integer", NumberLayout::CuratorInt);
}

#[test]
fn ours_and_a_counter_of_kazoos_count_together() {
    both_sides_count(Kazoo, "counter", NumberLayout::Decimal);
}

#[test]
fn ours_and_a_counter_of_kazoos_count_together_as_curator_does() {
    both_sides_count(Kazoo, "curator-counter", NumberLayout::CuratorInt);
}

#[test]
fn a_number_is_set_only_if_it_is_what_one_believes() {
    let ground = Ground::new();
    let client = ground.ours();
    let curator = ground.curator();
    let number = number(&client, NumberLayout::CuratorLong);
    assert_eq!(curator.ask(&format!("long set /number {}", i64::MIN)), i64::MIN.to_string());
    let outcome = soon(number.compare_and_set(5, 6)).unwrap();
    assert_eq!(outcome, Outcome::NotApplied(Reason::Declined));
    assert!(soon(number.compare_and_set(i64::MIN, i64::MAX)).unwrap().applied().is_some());
    assert_eq!(curator.ask("long cas /number 5 6"), "no");
    assert_eq!(curator.ask(&format!("long cas /number {} 6", i64::MAX)), "yes");
    assert_eq!(soon(number.get()).unwrap(), 6);
}

#[test]
fn a_shared_count_hears_of_what_ours_do_to_it() {
    let ground = Ground::new();
    let client = ground.ours();
    let (curator, kazoo) = (ground.curator(), ground.kazoo());
    let number = number(&client, NumberLayout::CuratorInt);
    curator.ask("count start /number 7");
    assert_eq!(soon(number.get()).unwrap(), 7);
    assert!(soon(number.add(1)).unwrap().applied().is_some());
    assert_eq!(curator.ask("count hear /number 8"), "8");
    assert_eq!(kazoo.ask("curator-counter add /number 1"), "9");
    assert_eq!(curator.ask("count hear /number 9"), "9");
    assert_eq!(curator.ask("count try /number 10"), "yes");
    assert_eq!(soon(number.get()).unwrap(), 10);
}
