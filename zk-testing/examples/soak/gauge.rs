//! What a process and a server have at a moment.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// One look at everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Seconds since the start.
    pub(crate) at: f64,
    /// Whether no client was there.
    pub(crate) is_quiet: bool,
    pub(crate) resident_bytes: f64,
    pub(crate) allocated_bytes: f64,
    pub(crate) descriptors: f64,
    pub(crate) threads: f64,
    pub(crate) watches: f64,
    pub(crate) sessions: f64,
}

/// What a server counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) sessions: u64,
    pub(crate) watches: u64,
    pub(crate) connections: u64,
}

/// Takes a sample.
pub(crate) fn sample(at: Duration, is_quiet: bool, allocated: usize, counted: Counted) -> Sample {
    Sample {
        at: at.as_secs_f64(),
        is_quiet,
        resident_bytes: resident() as f64,
        allocated_bytes: allocated as f64,
        descriptors: entries("/proc/self/fd"),
        threads: entries("/proc/self/task"),
        watches: counted.watches as f64,
        sessions: counted.sessions as f64,
    }
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn entries(path: &str) -> f64 {
    fs::read_dir(path).map_or(0.0, |entries| entries.count() as f64)
}

/// Asks a server for its counters.
pub(crate) fn ask(server: SocketAddr) -> io::Result<Counted> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"mntr")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let counter = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|value| value.trim().parse().ok());
        value.ok_or_else(|| io::Error::other(format!("no {name} in what mntr says")))
    };
    Ok(Counted {
        sessions: counter("zk_global_sessions\t")?,
        watches: counter("zk_watch_count\t")?,
        connections: counter("zk_num_alive_connections\t")?,
    })
}
