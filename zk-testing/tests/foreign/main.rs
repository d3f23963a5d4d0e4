//! Clients of other languages against the server in memory: Java's command line and class, the C client, kazoo.
//!
//! Each runs a script that makes its own assertions, prints `ok: STEP` for each step, and asks for faults by a line that
//! begins with `?`. What is needed comes from `.ci/install-foreign`; without it these tests fail and say so.

#![cfg(unix)]

mod c;
mod command_line;
mod java;
mod python;
mod script;

/// What every client does, in this order.
pub(crate) const STEPS: [&str; 14] = [
    "create",
    "sequential",
    "ephemeral",
    "children",
    "watches",
    "bad version",
    "multi",
    "multi that fails",
    "access list",
    "sync",
    "reconnect",
    "close",
    "expiry",
    "end",
];
