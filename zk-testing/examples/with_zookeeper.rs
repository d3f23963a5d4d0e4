//! Runs a command with `ZK_SERVERS` set to a real ZooKeeper server that is started for it and stopped after it.
//!
//! ```text
//! cargo run -q -p zk-testing --example with_zookeeper -- cargo run -q -p zk-tokio --example quickstart
//! ```

use std::{
    env, io,
    process::{Command, ExitCode},
};

use zk_testing::ensemble::Server;

fn main() -> io::Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: with_zookeeper COMMAND [ARGUMENT...]");
        return Ok(ExitCode::from(2));
    };
    let server = Server::start()?;
    let status = Command::new(program).args(words).env("ZK_SERVERS", server.connect_string()).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
