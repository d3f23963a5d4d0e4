//! What every client of the benchmark needs besides its client: what it is told to do, and how it measures itself.
//!
//! A client is a program of its own, called `CLIENT WORKLOAD HOST:PORT OPERATIONS FLAVOUR`. It warms up, measures, and prints lines
//! of a name and a number, which the runner collects. Nothing is measured from outside but what counts whole processes.

mod client;
mod idle;
mod measure;
mod order;
mod system;
mod watching;

pub use client::{Client, run};
pub use measure::{Latencies, Measure, Sampled, tell};
pub use order::{Order, Workload};
pub use system::{cpu_time, raise_file_limit, resident_bytes, thread_count};

/// A node with 100 bytes of data.
pub const SMALL: &str = "/bench/small";
/// A node with [`BIG_BYTES`] of data.
pub const BIG: &str = "/bench/big";
/// What small writes write.
pub const SMALL_DATA: [u8; 100] = [b'x'; 100];
/// Half a megabyte, in the sense of jute.maxbuffer.
pub const BIG_BYTES: usize = 512 * 1024;
/// So many requests are in flight in workloads with a window.
pub const WINDOW: usize = 1000;
/// So many tasks, or threads, share a session.
pub const TASKS: usize = 256;
/// So many large payloads are in flight.
pub const BIG_WINDOW: usize = 8;
/// Writing here makes the server fire all watches of the connection.
pub const FIRE: &str = "/bench/fire";
/// Writing here makes the server hang up, after the reply.
pub const DROP: &str = "/bench/drop";
/// Reading here tells how many milliseconds after that as many watches were set again: nothing as long as they are not.
pub const REWATCHED: &str = "/bench/rewatched";
/// Reading here tells how many heartbeats the server has answered.
pub const PINGS: &str = "/bench/pings";
/// What sessions ask for that idle.
pub const IDLE_TIMEOUT_MS: u64 = 3000;

/// Returns the path of a watched node: 18 bytes.
pub fn watched_path(number: usize) -> String {
    format!("/watched/{number:09}")
}
