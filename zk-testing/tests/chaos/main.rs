//! Clients on real servers under faults, for a short while.
//!
//! For longer, and to see how it goes: `cargo run --release -p zk-testing --example chaos -- --minutes 10`. Its parts are compiled here once
//! more, so that the tests of its checkers are run.

#![cfg(unix)]

#[path = "../../examples/chaos/args.rs"]
mod args;
mod flags;
#[path = "../../examples/chaos/rig/mod.rs"]
mod rig;
mod short;
