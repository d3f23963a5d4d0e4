//! Real servers, real processes full of clients, faults, and a history that is checked.

mod admin;
mod check;
mod clock;
pub(crate) mod crew;
mod faults;
mod history;
mod hub;
mod plot;
mod report;
mod run;
mod series;
mod stage;
mod status;
mod troubles;

pub(crate) use crew::{Adapter, run_if_ordered};
pub(crate) use run::{Plan, run};
pub(crate) use troubles::Trouble;

/// How many registers there are.
pub(crate) const REGISTERS: usize = 6;
/// Where what is made, changed and deleted.
const TREE: &str = "/chaos/tree";
const EPHEMERALS: &str = "/chaos/eph";
const NUMBERED: &str = "/chaos/log";
const FIFO: &str = "/chaos/fifo";
const WORK: &str = "/chaos/work";
/// Locks, each with the node that it guards.
const LOCKS: [(&str, &str); 3] = [
    ("/chaos/locks/0", "/chaos/guarded/0"),
    ("/chaos/locks/1", "/chaos/guarded/1"),
    ("/chaos/locks/2", "/chaos/guarded/2"),
];
