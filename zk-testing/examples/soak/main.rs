//! Clients come and go for as long as one likes, on all three adapters, and what they take must not grow.
//!
//! ```text
//! cargo run --release -p zk-testing --example soak -- --minutes 30
//! cargo run --release -p zk-testing --example soak -- --minutes 10 --real
//! cargo run --release -p zk-testing --example soak -- --seconds 20 --leak memory
//! ```
//!
//! It runs in rounds: a few seconds of everything that a client can be put through, then a pause in which no client is left and the
//! server has forgotten every session. What the process has at these quiet points (memory, descriptors, threads) is held against a
//! line, once it is warm; see `verdict.rs` for the limits. It ends with 1 where something grows. With `--plot FILE` it draws a picture.

mod args;
mod churn;
mod gauge;
mod plot;
mod rounds;
mod verdict;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

fn main() -> ExitCode {
    let args = match args::Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::from(2);
        }
    };
    let samples = rounds::run(&args, || ALLOCATOR.allocated());
    if let Some(path) = &args.plot {
        if let Err(error) = std::fs::write(path, plot::svg(&samples)) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
    }
    let verdicts = verdict::judge(&samples);
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    if verdicts.iter().all(|verdict| verdict.is_flat()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
