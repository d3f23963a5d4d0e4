//! Time, and what it is divided by.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use crate::system::cpu_time;

/// Prints one result for the runner.
pub fn tell(name: &str, value: impl Display) {
    println!("{name} {value}");
}

/// A measurement that has begun.
#[derive(Debug)]
pub struct Measure {
    cpu: Duration,
    began: Instant,
}

impl Measure {
    /// Begins.
    pub fn begin() -> Self {
        Self { began: Instant::now(), cpu: cpu_time() }
    }

    /// Ends, and returns the processor time and the time on the wall.
    pub fn end(self) -> (Duration, Duration) {
        (cpu_time() - self.cpu, self.began.elapsed())
    }

    /// Ends, and tells what each of so many operations cost.
    pub fn tell_per_operation(self, operations: usize) {
        let (cpu, wall) = self.end();
        tell("cpu_us_per_op", cpu.as_secs_f64() * 1e6 / operations as f64);
        tell("ops_per_s", operations as f64 / wall.as_secs_f64());
    }

    /// Ends, and tells what each megabyte of payload cost.
    pub fn tell_per_megabyte(self, bytes: usize) {
        let (cpu, wall) = self.end();
        let megabytes = bytes as f64 / 1e6;
        tell("cpu_us_per_mb", cpu.as_secs_f64() * 1e6 / megabytes);
        tell("mb_per_s", megabytes / wall.as_secs_f64());
    }
}

/// How long single operations took.
#[derive(Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Makes room for so many.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Notes one.
    pub fn note(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// Adds those of another task.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Tells half and the worst.
    pub fn tell(mut self) {
        self.0.sort_unstable();
        for (name, share) in [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999)] {
            let index = (self.0.len() as f64 * share) as usize;
            let latency = self.0.get(index.min(self.0.len().saturating_sub(1)));
            tell(name, latency.copied().unwrap_or_default().as_secs_f64() * 1e6);
        }
    }
}

/// Measures one operation of sixteen, because looking at the clock costs as much as encoding a few requests.
#[derive(Debug, Default)]
pub struct Sampled {
    count: u32,
    began: Option<Instant>,
    latencies: Latencies,
}

impl Sampled {
    /// An operation begins.
    pub fn begin(&mut self) {
        self.began = self.count.is_multiple_of(16).then(Instant::now);
        self.count += 1;
    }

    /// It has ended.
    pub fn end(&mut self) {
        if let Some(began) = self.began.take() {
            self.latencies.note(began.elapsed());
        }
    }

    /// Returns what was noted.
    pub fn into_latencies(self) -> Latencies {
        self.latencies
    }
}
