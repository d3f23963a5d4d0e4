//! The simulator can fail: each of the mistakes that can be switched on in the client is caught, by the worlds that everybody
//! runs.
//!
//! ```text
//! RUSTFLAGS="--cfg zk_broken" cargo test --release -p zk-testing --test broken
//! ```
#![cfg(zk_broken)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zk_proto::broken::{RECIPE_VARIANTS, VARIANTS, set, was_reached};
use zk_testing::sim::{Config, Mixed, Workload, run, workload};

/// How many seeds it may take at most.
const SEEDS: u64 = 2_000;

/// What no application can see: the client hands on all that a read has brought at once, so whoever finds the reply finds the
/// event too, in whichever order the session has told them. The tests of the session notice it.
const INVISIBLE: &[&str] = &["tells a reply before the event that comes first"];

/// What came of a mistake.
struct Outcome {
    variant: &'static str,
    was_reached: bool,
    caught: Option<String>,
}

fn try_out(variant: &'static str, workload: &dyn Workload) -> Outcome {
    set(Some(variant));
    let config = Config::default();
    let caught = (0..SEEDS).find_map(|seed| run(seed, &config, workload).err());
    let was_reached = was_reached();
    set(None);
    Outcome { variant, was_reached, caught: caught.map(|failure| failure.to_string()) }
}

#[test]
fn every_mistake_is_caught() {
    let mistakes: Vec<_> = VARIANTS.iter().map(|variant| (*variant, &Mixed as &dyn Workload)).collect();
    try_all(&mistakes);
}

#[test]
fn every_mistake_of_the_recipes_is_caught() {
    let of_workload = |(name, variants): &(&str, &'static [&'static str])| {
        let workload = workload(name).unwrap_or_else(|| panic!("no workload is called {name}"));
        variants.iter().map(move |variant| (*variant, workload))
    };
    let mistakes: Vec<_> = RECIPE_VARIANTS.iter().flat_map(of_workload).collect();
    try_all(&mistakes);
}

fn try_all(mistakes: &[(&'static str, &dyn Workload)]) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut outcomes = Vec::new();
        while let Some((variant, workload)) = mistakes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = try_out(variant, *workload);
            let how = outcome.caught.as_deref().unwrap_or("NOT CAUGHT");
            eprintln!("{variant:?}: {how}{}", if outcome.was_reached { "" } else { ", NEVER MADE" });
            outcomes.push(outcome);
        }
        outcomes
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker does not panic")).collect()
    });

    let is_as_expected =
        |outcome: &&Outcome| outcome.was_reached && outcome.caught.is_none() == INVISIBLE.contains(&outcome.variant);
    let missed = outcomes.iter().filter(|outcome| !is_as_expected(outcome));
    let missed: Vec<&str> = missed.map(|outcome| outcome.variant).collect();
    assert_eq!(outcomes.len(), mistakes.len());
    assert!(missed.is_empty(), "not as expected within {SEEDS} seeds: {missed:?}");
}
