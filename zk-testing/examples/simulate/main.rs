//! Runs worlds in which everything goes wrong, and tells what it has seen.
//!
//! ```text
//! cargo run --release -p zk-testing --example simulate -- --seeds 0..10000
//! ```
//!
//! A world that finds something wrong is run again with less and less in it, as long as the same is wrong; the command that
//! repeats the smallest one is printed, and what happened in it. The exit code is 1 then, 2 for flags that are not understood.

mod args;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use args::{Args, HELP};
use zk_testing::sim::{self, Config, Coverage, Failure, Workload};

/// From so many seeds on, everything must have been seen.
const ENOUGH_SEEDS: u64 = 2_000;

fn main() -> ExitCode {
    if std::env::args().skip(1).eq(["--list"]) {
        sim::workloads().for_each(|workload| println!("{}", workload.name()));
        return ExitCode::SUCCESS;
    }
    match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => simulate(&args),
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("simulate: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// What all threads have come to together.
#[derive(Default)]
struct Sum {
    coverage: Coverage,
    simulated: Duration,
    failure: Option<Failure>,
}

fn simulate(args: &Args) -> ExitCode {
    let workload = sim::workload(&args.workload).expect("the name was looked at");
    let begun = Instant::now();
    let (next, done, is_over) = (AtomicU64::new(args.seeds.start), AtomicU64::new(0), AtomicBool::new(false));
    let sum = Mutex::new(Sum::default());
    let count = args.seeds.end - args.seeds.start;
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= args.seeds.end {
                return;
            }
            let outcome = sim::run(seed, &args.config, workload);
            done.fetch_add(1, Ordering::Relaxed);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(report) => {
                    sum.coverage.add(&report.coverage);
                    sum.simulated += report.simulated;
                    report.trace.iter().for_each(|line| println!("{line}"));
                }
                Err(failure) => {
                    is_over.store(true, Ordering::Relaxed);
                    // The smallest seed of those under way, so that it is the same one each time.
                    if sum.failure.as_ref().is_none_or(|known| known.seed > failure.seed) {
                        sum.failure = Some(failure);
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut shown = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            let is_terminal = std::io::stderr().is_terminal();
            if shown.elapsed() > Duration::from_millis(if is_terminal { 200 } else { 10_000 }) {
                shown = Instant::now();
                show_progress(done.load(Ordering::Relaxed), count, begun.elapsed(), is_terminal);
            }
        }
    });
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (done, seconds) = (done.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
    if let Some(failure) = sum.failure {
        tell_failure(&failure, &args.config, workload);
        return ExitCode::FAILURE;
    }
    print!("{}", sum.coverage);
    println!(
        "{done} seeds in {seconds:.1} s, {:.0} seeds/s, {:.1} hours simulated",
        done as f64 / seconds.max(0.001),
        sum.simulated.as_secs_f64() / 3600.0
    );
    let missing = sum.coverage.missing(sim::expected(workload));
    for (class, name) in &missing {
        println!("never seen: {class} {name}");
    }
    let is_full_run = args.is_default && count >= ENOUGH_SEEDS;
    if sum.coverage.has_undecided() || (is_full_run && !missing.is_empty()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn show_progress(done: u64, count: u64, elapsed: Duration, is_terminal: bool) {
    const WIDTH: usize = 40;
    let share = done as f64 / count.max(1) as f64;
    let speed = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = (count - done.min(count)) as f64 / speed.max(0.001);
    if is_terminal {
        let full = ((share * WIDTH as f64) as usize).min(WIDTH);
        let bar = "█".repeat(full) + &"░".repeat(WIDTH - full);
        eprint!("\r\x1b[K{bar} {done}/{count} seeds, {speed:.0}/s, {left:.0} s left");
    } else {
        eprintln!("{done}/{count} seeds, {speed:.0}/s, {left:.0} s left");
    }
    // Nobody is helped by an error about a progress bar.
    _ = std::io::stderr().flush();
}

fn tell_failure(failure: &Failure, config: &Config, workload: &'static dyn Workload) {
    println!("{failure}");
    eprintln!("looking for a smaller world with the same fault …");
    let (smaller, failure) = sim::shrink(failure, config, workload);
    failure.trace.iter().for_each(|line| println!("{line}"));
    println!("\n{failure}\n\nTo repeat it:\n");
    println!(
        "    cargo run --release -p zk-testing --example simulate -- --workload {} --seed {} --trace{}",
        workload.name(),
        failure.seed,
        args::flags(&smaller)
    );
}
