//! What came of a run, in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::check::{Checked, Violation};
use super::clock;
use super::history::{History, Outcome, Time, Told};
use super::plot::plot;
use super::run::Plan;
use super::series::Series;
use super::troubles::Band;

/// How many violations of one promise are shown.
const SHOWN: usize = 20;

/// The summary of a run.
pub(crate) struct Report {
    pub(crate) violations: Vec<Violation>,
    pub(crate) checked: Checked,
    /// By operation: done, refused, in doubt, and the median and the 99th percentile of those done, in milliseconds.
    operations: BTreeMap<&'static str, [f64; 5]>,
    /// By fault: how often.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    /// How many sessions there were.
    sessions: usize,
    /// How many of them were lost by clients that went on.
    pub(crate) lost: usize,
    resumed: usize,
    seconds: f64,
    seed: u64,
    svg: String,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        history: &History,
        bands: Vec<Band>,
        violations: Vec<Violation>,
        checked: Checked,
        begun: Time,
    ) -> Self {
        let mut latencies: BTreeMap<&'static str, (usize, usize, Vec<u64>)> = BTreeMap::new();
        for op in history.ops.values() {
            let (refused, in_doubt, done) = latencies.entry(op.call.name()).or_default();
            match &op.end {
                Some((at, Outcome::Done(_))) => done.push(at.saturating_sub(op.began)),
                Some((_, Outcome::Refused(_))) => *refused += 1,
                Some((_, Outcome::Unknown(_))) | None => *in_doubt += 1,
            }
        }
        let operations = latencies.into_iter().map(|(name, (refused, in_doubt, mut done))| {
            done.sort_unstable();
            let percentile = |percent: usize| {
                let index = (done.len() * percent / 100).min(done.len().saturating_sub(1));
                done.get(index).map_or(0.0, |nanos| *nanos as f64 / 1e6)
            };
            (name, [done.len() as f64, refused as f64, in_doubt as f64, percentile(50), percentile(99)])
        });
        let mut faults = BTreeMap::new();
        bands.iter().for_each(|band| *faults.entry(band.fault.name()).or_default() += 1);
        let count = |is_so: &dyn Fn(&Told) -> bool| history.told.iter().filter(|told| is_so(told)).count();
        let sessions: BTreeSet<i64> = history.ops.values().map(|op| op.session).filter(|id| *id != 0).collect();
        let series = Series::new(history, begun);
        let svg = plot(&series, &bands, plan, violations.len());
        Self {
            violations,
            checked,
            operations: operations.collect(),
            faults,
            sessions: sessions.len(),
            lost: count(&|told| matches!(told, Told::Over { .. })),
            resumed: count(&|told| matches!(told, Told::State { state, .. } if state == "resumed")),
            seconds: (clock::now() - begun) as f64 / 1e9,
            seed: plan.seed,
            svg,
        }
    }

    /// Returns how many operations there were.
    pub(crate) fn operations(&self) -> usize {
        self.operations.values().map(|numbers| numbers[..3].iter().sum::<f64>() as usize).sum()
    }

    /// Returns a drawing of how it went.
    pub(crate) fn svg(&self) -> &str {
        &self.svg
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "operation", "done", "refused", "in doubt", "p50 ms", "p99 ms"
        )?;
        for (name, [done, refused, in_doubt, p50, p99]) in &self.operations {
            writeln!(f, "{name:<18} {done:>9.0} {refused:>9.0} {in_doubt:>9.0} {p50:>9.1} {p99:>9.1}")?;
        }
        writeln!(f, "\n{:<36} {:>9}", "fault", "times")?;
        for (name, count) in &self.faults {
            writeln!(f, "{name:<36} {count:>9}")?;
        }
        writeln!(f, "\n{:<50} {:>9}", "checked", "looked at")?;
        for (name, count) in &self.checked {
            writeln!(f, "{name:<50} {count:>9}")?;
        }
        writeln!(
            f,
            "\n{} operations by {} sessions in {:.0} s, seed {}: {} links lost and resumed, {} sessions lost",
            self.operations(),
            self.sessions,
            self.seconds,
            self.seed,
            self.resumed,
            self.lost
        )?;
        let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
        for violation in &self.violations {
            let count = shown.entry(violation.promise).or_default();
            *count += 1;
            if *count <= SHOWN {
                writeln!(f, "\nVIOLATION {violation}")?;
            }
        }
        for (promise, count) in shown.into_iter().filter(|(_, count)| *count > SHOWN) {
            writeln!(f, "\nand {} more of: {promise}", count - SHOWN)?;
        }
        match self.violations.len() {
            0 => write!(f, "no promise broken"),
            count => write!(f, "{count} VIOLATIONS"),
        }
    }
}
