//! Runs clients on real servers while everything goes wrong, and checks what they were promised.
//!
//! ```text
//! cargo run --release -p zk-testing --example chaos -- --minutes 10
//! ```
//!
//! Three real servers are started, and a process full of clients on each adapter. Meanwhile servers are killed, halted, cut off from each
//! other and wiped, and clients are cut off, halted and killed, as the seed has it. All that clients do is written
//! down, and held against what ZooKeeper and the recipes promise. Then it prints what was done and what went wrong, and draws how it went. The
//! exit code is 1 where a promise was broken, 2 where nothing can be said: for flags that are not understood, and where there are no servers.

#[cfg(unix)]
mod args;
#[cfg(unix)]
mod rig;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    use args::{Args, HELP};

    match rig::run_if_ordered() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => {
            eprintln!("chaos, a process of clients: {error}");
            return ExitCode::from(2);
        }
    }
    match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => match chaos(args) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("chaos: {error}");
                ExitCode::from(2)
            }
        },
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("chaos: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether every promise was kept.
#[cfg(unix)]
fn chaos(args: args::Args) -> std::io::Result<bool> {
    let crew = || std::env::current_exe().map(std::process::Command::new);
    // Before all the work, lest it be in vain.
    std::fs::create_dir_all(&args.out)?;
    let plan = rig::Plan {
        duration: args.duration,
        seed: args.seed,
        servers: args.servers,
        adapters: args.adapters,
        clients: args.clients,
        rate: args.rate,
        trouble: args.trouble,
        session_timeout: args.timeout,
        crew,
        mistake: args.mistake,
    };
    let report = rig::run(&plan)?;
    println!("{report}");
    std::fs::write(args.out.join("summary.txt"), format!("{report}\n"))?;
    std::fs::write(args.out.join("chaos.svg"), report.svg())?;
    println!("see {}", args.out.join("chaos.svg").display());
    Ok(report.violations.is_empty())
}

#[cfg(not(unix))]
fn main() {
    eprintln!("real servers are started on Unix only");
}
