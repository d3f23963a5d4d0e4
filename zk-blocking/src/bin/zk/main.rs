//! `zk`: ZooKeeper from the command line.
//!
//! `zk --help` is the documentation. Each family of commands has a file in [`commands`], with its options and its help; what
//! they share lies beside: the session, output, failures and their exit codes, walks of trees.

mod args;
mod child;
mod commands;
mod data;
mod failure;
mod json;
mod output;
mod progress;
mod secure;
mod session;
mod text;
mod walk;
mod window;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    let Cli { options, command } = Cli::parse();
    match command.run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(options.json),
    }
}
