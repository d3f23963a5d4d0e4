//! The same requests to a server in memory and to a real one: replies, events and hang-ups must be the same.
//!
//! The real one is whatever the harness finds, by `ZOOKEEPER_CLASSPATH` or where packages put it; the server in memory
//! imitates its release.

#![cfg(unix)]

mod access;
mod connections;
mod creates;
#[path = "../memory_client/mod.rs"]
mod memory_client;
mod multis;
mod reads;
mod requests;
mod settings;
mod time;
mod watches;
mod words;

use std::thread;

use memory_client::trace::Run;
use zk_testing::{TestServer, ensemble, server::Version, test_server};

/// Runs a script against both, and compares what they did.
pub(crate) fn compare(
    real: ensemble::Builder,
    memory: impl FnOnce(test_server::Builder) -> test_server::Builder,
    script: impl Fn(&mut Run, Version) + Sync,
) {
    let real = real.start().expect("a real server starts");
    let status = real.four_letter("srvr").expect("a real server tells its version");
    let version = if status.starts_with("Zookeeper version: 3.8") { Version::V3_8 } else { Version::V3_9 };
    let memory = memory(TestServer::builder()).version(version).start().expect("a port is free");
    let trace = |address| {
        let mut run = Run::new(address);
        script(&mut run, version);
        run.trace
    };
    let (real, memory) = thread::scope(|scope| {
        let real = scope.spawn(|| trace(real.address()));
        let memory = trace(memory.address());
        (real.join().expect("the script runs against a real server"), memory)
    });
    let mut differences = Vec::new();
    for (position, (real_line, memory_line)) in real.iter().zip(&memory).enumerate() {
        if real_line != memory_line {
            let context = real[position.saturating_sub(2)..position].join("\n  ");
            differences.push(format!("  {context}\nreal:   {real_line}\nmemory: {memory_line}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences, the first:\n{}",
        differences.len(),
        differences.iter().take(12).cloned().collect::<Vec<_>>().join("\n\n")
    );
    assert_eq!(real.len(), memory.len());
}

/// Leaves the settings of the server in memory as they are, which is as the harness sets those of real ones.
pub(crate) fn same(builder: test_server::Builder) -> test_server::Builder {
    builder
}
