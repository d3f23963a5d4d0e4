//! Runs every client of the benchmark in turns, and shows what came of it.
//!
//! `bench/run` builds everything first. Arguments: `--rounds N`, `--workloads w1,w2`, `--clients floor,zk-tokio-ct`, `--out FOLDER`,
//! `--scale X` (for fewer operations: 0.1), `--counts` (system calls, allocations and instructions too), `--real` (against a real
//! ZooKeeper instead), `--draw` (draws and prints again what is in the folder, and measures nothing).

mod clients;
mod counts;
mod machine;
mod options;
mod plan;
mod plot;
mod results;
mod round;
mod servers;
mod table;

use std::{error::Error, fs};

use crate::{options::Options, results::Results};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let plans = plan::plans(&options)?;
    fs::create_dir_all(&options.out)?;
    let path = options.out.join(if options.is_real { "real.json" } else { "results.json" });
    let mut results = if path.exists() { Results::read(&path)? } else { Results::default() };
    if !options.only_draws {
        let clients = clients::find(&options)?;
        results.machine = machine::describe();
        for client in &clients.missing {
            println!("not measured: {}", client);
        }
        results.missing = clients.missing;
        for plan in plans {
            let measured = round::measure(plan, &clients.found, &options)?;
            results.take(plan.name, measured);
            if options.counts {
                for (client, counts) in counts::measure(plan, &clients.found, &options)? {
                    results.add(plan.name, &client, counts);
                }
            }
            // What is there already is kept should a later one fail.
            results.write(&path)?;
        }
        servers::clean();
    }
    let table = table::render(&results);
    println!("{table}");
    fs::write(path.with_extension("md"), table)?;
    if !options.is_real {
        plot::draw(&results, &options.out)?;
    }
    Ok(())
}
