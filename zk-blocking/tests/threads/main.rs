//! Clients in plain threads, on servers in memory: what this adapter does by itself.
//!
//! What is lost here would be found by the next heartbeat, so sessions are long, and nothing may take as long as one.

#![cfg(unix)]

mod limits;
mod lost;
mod nested;
mod sharing;
mod smoke;

use std::{
    future::IntoFuture,
    time::{Duration, Instant},
};

use zk_blocking::{Backoff, Client, Wait};
use zk_testing::TestServer;

/// How long anything may take: less than it is to the next heartbeat, which would bring everything in motion again.
const PATIENCE: Duration = Duration::from_secs(15);

/// A third of this is the time between heartbeats.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

fn connect(server: &TestServer) -> Client {
    let backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(100) };
    let builder = zk_blocking::builder(&server.connect_string()).unwrap().backoff(backoff);
    soon(builder.session_timeout(SESSION_TIMEOUT).connect()).unwrap()
}

/// Waits for what must come soon.
#[track_caller]
fn soon<F: IntoFuture>(future: F) -> F::Output {
    future.wait_timeout(PATIENCE).expect("it comes soon")
}

/// Waits for something that only the server knows, and nobody is told.
#[track_caller]
fn eventually(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it comes soon");
        // The server gives way to whoever looks at it, and must get on.
        std::thread::sleep(Duration::from_millis(1));
    }
}
