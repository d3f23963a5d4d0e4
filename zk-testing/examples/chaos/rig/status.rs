//! How it goes, on one line.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::troubles::Band;

/// A line that is written again and again where somebody looks on, and now and then where a file is written.
pub(crate) struct Status {
    begun: Instant,
    duration: Duration,
    is_terminal: bool,
    shown: Instant,
    counted: u64,
}

impl Status {
    pub(crate) fn new(duration: Duration) -> Self {
        let begun = Instant::now();
        Self { begun, duration, is_terminal: stderr().is_terminal(), shown: begun, counted: 0 }
    }

    /// Shows how it goes if that was some time ago.
    pub(crate) fn show(&mut self, hub: &Hub, bands: &[Band], violations: usize) {
        let interval = Duration::from_millis(if self.is_terminal { 500 } else { 10_000 });
        let since = self.shown.elapsed();
        if since < interval {
            return;
        }
        let counts = &hub.counts;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (done, refused, unknown) = (load(&counts.done), load(&counts.refused), load(&counts.unknown));
        let all = done + refused + unknown;
        let rate = (all - self.counted) as f64 / since.as_secs_f64().max(0.001);
        (self.shown, self.counted) = (Instant::now(), all);
        let faults: Vec<String> = bands
            .iter()
            .filter(|band| band.over.is_none())
            .map(|band| match band.to {
                None => format!("{} ({})", band.fault.name(), band.target),
                Some(_) => format!("getting over: {}", band.fault.name()),
            })
            .collect();
        let faults = if faults.is_empty() { "no fault".to_owned() } else { faults.join(", ") };
        let elapsed = self.begun.elapsed().as_secs();
        let line = format!(
            "{:>2}:{:02}/{}:{:02}  {rate:>5.0} ops/s  {:>3} under way  {unknown} in doubt  {violations} violations  {faults}",
            elapsed / 60,
            elapsed % 60,
            self.duration.as_secs() / 60,
            self.duration.as_secs() % 60,
            hub.outstanding(),
        );
        if self.is_terminal {
            // Longer than a line, it would not be overwritten.
            let line: String = line.chars().take(158).collect();
            eprint!("\r\x1b[K{line}");
        } else {
            eprintln!("{line}");
        }
        // Nobody is helped by an error about a line of status.
        _ = stderr().flush();
    }

    /// Says something that stays.
    pub(crate) fn interrupt(&mut self, text: &str) {
        self.end();
        eprintln!("{text}");
    }

    pub(crate) fn end(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
