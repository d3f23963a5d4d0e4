//! Seeds, and what must be true of them all.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use zk_testing::sim::{self, Config, Coverage, Fault, Faults, Mixed};

fn run_all(seeds: Range<u64>) -> Coverage {
    let (next, config) = (AtomicU64::new(seeds.start), Config::default());
    let work = || {
        let mut coverage = Coverage::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return coverage;
            }
            match sim::run(seed, &config, &Mixed) {
                Ok(report) => coverage.add(&report.coverage),
                Err(failure) => panic!("{failure}"),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let mut all = Coverage::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            all.add(&worker.join().expect("all seeds of a worker are well"));
        }
    });
    all
}

#[test]
fn a_fixed_share_of_seeds_is_well() {
    let coverage = run_all(0..600);

    assert!(!coverage.has_undecided(), "{coverage}");
    let unseen = coverage.missing(Fault::ALL.map(|fault| ("fault", fault.name())));
    assert!(unseen.is_empty(), "a tame world: {unseen:?}");
}

#[test]
fn todays_share_of_seeds_is_well() {
    let today = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    let chosen = std::env::var("SIM_SEED_BASE").ok().map(|base| base.parse().expect("SIM_SEED_BASE is a number"));
    let base: u64 = chosen.unwrap_or_else(|| 1_000_000 + today() * 1_000);
    println!("SIM_SEED_BASE={base}");

    run_all(base..base + 300);
}

#[test]
fn the_same_seed_is_the_same_world_to_the_bit() {
    let mut config = Config::default();
    config.trace = true;
    for seed in 0..12 {
        let [first, second] = [(); 2].map(|()| sim::run(seed, &config, &Mixed).expect("the seed is well"));

        assert!(first.trace.len() > 100, "there is something to compare");
        let differs = first.trace.iter().zip(&second.trace).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((first.trace.len(), first.digest), (second.trace.len(), second.digest), "seed {seed}");
    }
}

#[test]
fn a_record_changes_nothing_but_is_kept() {
    let mut traced = Config::default();
    traced.trace = true;

    let [with, without] = [&traced, &Config::default()].map(|config| sim::run(3, config, &Mixed).expect("it is well"));

    assert_eq!((with.digest, with.coverage), (without.digest, without.coverage));
    assert!(without.trace.is_empty());
}

#[test]
fn a_world_without_faults_has_none() {
    let mut config = Config::default();
    config.faults = Faults::NONE;

    let report = sim::run(5, &config, &Mixed).expect("it is well");

    assert_eq!(report.coverage.iter().find(|(class, ..)| *class == "fault"), None);
    assert_eq!(report.coverage.get("link", "Dialing to Offline"), 0);
}
