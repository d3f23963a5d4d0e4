//! The same random operations on a server in memory and on a real one: every field of every reply and every event must be
//! the same.
//!
//! The real one is whatever the harness finds, by `ZOOKEEPER_CLASSPATH` or where packages put it; the server in memory
//! imitates its release. A run is 100,000 operations on a few fresh pairs of servers with various settings. Its seed is
//! fixed; `ZOOKEEPER_RANDOM_SEED` sets that of a second run, and `ZOOKEEPER_RANDOM_OPERATIONS` the length of both.
//!
//! In the end it prints what was seen, operation by outcome and watch by event, and fails if anything was not that has to be.
//! A shorter run is against a member of an ensemble that has lost its quorum. Where the servers differ, it looks for a short sequence that shows it, and prints that.

#![cfg(unix)]

mod canon;
mod coverage;
mod dice;
mod draw;
mod lists;
#[path = "../memory_client/mod.rs"]
mod memory_client;
mod multis;
mod pair;
mod paths;
mod read_only;
mod required;
mod settings;
mod shrink;
mod step;
mod wire;

use std::{env, time::Duration};

use coverage::Coverage;
use draw::Draw;
use pair::Difference;
use settings::Settings;
use step::Step;
use zk_testing::server::Version;

/// The seed of every run that is not told another one.
const SEED: u64 = 20_220_225;

const OPERATIONS: usize = 100_000;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many steps before a difference are printed.
const LAST: usize = 8;

#[test]
fn random_operations_have_the_same_outcome_as_on_a_real_server() {
    let operations = number("ZOOKEEPER_RANDOM_OPERATIONS").map_or(OPERATIONS, |number| number.try_into().unwrap());
    for seed in [Some(SEED), number("ZOOKEEPER_RANDOM_SEED")].into_iter().flatten() {
        run(seed, operations);
    }
}

fn run(seed: u64, operations: usize) {
    println!("seed {seed}, {operations} operations");
    let mut coverage = Coverage::default();
    let mut version = Version::default();
    let worlds = Settings::all();
    for (number, settings) in worlds.iter().enumerate() {
        let seed = seed.wrapping_add(u64::try_from(number).unwrap() << 32);
        let began = std::time::Instant::now();
        let (seen, release) = world(settings, seed, operations / worlds.len());
        println!("{settings:?}: {:?}", began.elapsed());
        coverage.add(seen);
        version = release;
    }
    println!("{coverage}");
    let rare = required::rare(&coverage, version);
    println!("hardly ever seen: {rare:#?}");
    let missing: Vec<_> = rare.iter().filter(|(_, count)| *count == 0).collect();
    assert!(missing.is_empty(), "seed {seed}: never seen: {missing:#?}");
}

/// Runs so many operations with these settings.
fn world(settings: &Settings, seed: u64, operations: usize) -> (Coverage, Version) {
    let (real, mut pair) = settings.start(PATIENCE);
    let mut draw = Draw::new(seed);
    let mut steps: Vec<Step> = Vec::new();
    let mut outcome = Ok(());
    while outcome.is_ok() && steps.len() < operations {
        let step = draw.step(&pair);
        steps.push(step);
        outcome = pair.perform(&steps[steps.len() - 1]);
    }
    let outcome = outcome.and_then(|()| pair.settle_all());
    if let Err(difference) = outcome {
        drop(real);
        report(settings, seed, &steps, &difference);
    }
    (pair.coverage, pair.memory.options().version)
}

/// Panics with what is known of a difference.
fn report(settings: &Settings, seed: u64, steps: &[Step], difference: &Difference) -> ! {
    let Difference { client, op, memory, real } = difference;
    let step = steps.len();
    println!("{settings:?}, seed {seed}, step {step}, client {client}, {op:?}\nmemory: {memory}\nreal:   {real}");
    for Step { client, action, .. } in &steps[step.saturating_sub(LAST)..] {
        println!("  client {client}: {action:?}");
    }
    let (short, difference) = shrink::shorter(settings, steps, &difference.kind());
    println!("a sequence of {} steps that shows it:", short.len());
    for Step { client, action, is_alone } in &short {
        println!("  client {client}{}: {action:?}", if *is_alone { ", alone" } else { "" });
    }
    panic!("servers differ with {settings:?}, seed {seed}, at step {step}: {difference:#?}");
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}
