//! Sessions in random worlds: requests, watches, lost links, bytes in any pieces, time in any steps, calls in any order.
//!
//! Each seed is a world of its own and runs twice: what a session says must be the same to the bit. A failure names its seed,
//! and the environment variable `SEED` makes it the only one. It takes a range, such as `0..100000`, as well.

#[allow(dead_code, unused_imports, reason = "the fuzz targets use the other parts")]
mod worlds;

use std::{
    env,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use worlds::{Dice, Manners, World};

#[test]
fn a_session_keeps_its_promises_among_honest_servers() {
    seeds(4_000).for_each(|seed| run(seed, Manners::Honest));
}

#[test]
fn a_session_keeps_its_promises_among_servers_that_send_garbage() {
    seeds(2_000).for_each(|seed| run(seed, Manners::Hostile));
}

fn seeds(count: u64) -> Range<u64> {
    let Ok(chosen) = env::var("SEED") else { return 0..count };
    let number = |text: &str| text.parse::<u64>().expect("SEED is a number or a range of them");
    match chosen.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&chosen)..number(&chosen) + 1,
    }
}

fn run(seed: u64, manners: Manners) {
    let once = || catch_unwind(AssertUnwindSafe(|| World::new(Dice::new(seed), manners).run()));
    let transcripts = [once(), once()].map(|outcome| {
        outcome.unwrap_or_else(|panic| {
            eprintln!("seed {seed}, {manners:?}");
            resume_unwind(panic)
        })
    });
    let [first, second] = &transcripts;
    let differs = first.lines().zip(second.lines()).find(|(first, second)| first != second);
    assert_eq!(differs, None, "seed {seed}, {manners:?}: not the same twice");
}
