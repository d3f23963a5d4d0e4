//! What happened when: a run in equal spans of time.

use super::history::{History, Outcome, Time, Told};

/// How many spans there are at most.
const MOST: u64 = 360;

/// Counts and latencies over time.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) begun: Time,
    pub(crate) span: Time,
    pub(crate) spans: Vec<Span>,
    /// When sessions were lost.
    pub(crate) lost: Vec<Time>,
}

/// What ended in one span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Span {
    pub(crate) done: usize,
    pub(crate) refused: usize,
    pub(crate) in_doubt: usize,
    /// Of what was done and had nobody else to wait for, in nanoseconds, sorted.
    latencies: Vec<u64>,
}

impl Series {
    pub(crate) fn new(history: &History, begun: Time) -> Self {
        let ends = history.ops.values().filter_map(|op| Some(op.end.as_ref()?.0));
        let length = ends.max().unwrap_or(begun).saturating_sub(begun).max(1);
        let span = (length / MOST).max(1_000_000_000);
        let count = usize::try_from(length / span + 1).expect("there are few spans");
        let mut series = Self { begun, span, spans: vec![Span::default(); count], lost: Vec::new() };
        for op in history.ops.values() {
            let Some((at, outcome)) = &op.end else { continue };
            let index = usize::try_from(at.saturating_sub(begun) / span).unwrap_or(usize::MAX).min(count - 1);
            let slot = &mut series.spans[index];
            match outcome {
                Outcome::Done(_) => slot.done += 1,
                Outcome::Refused(_) => slot.refused += 1,
                Outcome::Unknown(_) => slot.in_doubt += 1,
            }
            if matches!(outcome, Outcome::Done(_)) && !op.call.waits() {
                slot.latencies.push(at.saturating_sub(op.began));
            }
        }
        series.spans.iter_mut().for_each(|span| span.latencies.sort_unstable());
        series.lost = history
            .told
            .iter()
            .filter_map(|told| match told {
                Told::Over { at, .. } => Some(*at),
                _ => None,
            })
            .collect();
        series
    }

    /// Returns how long it lasts, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.spans.len() as f64 * self.span as f64 / 1e9
    }

    /// Returns how many operations a second ended in a span.
    pub(crate) fn rate(&self, count: usize) -> f64 {
        count as f64 / (self.span as f64 / 1e9)
    }
}

impl Span {
    /// Returns a latency in milliseconds; nothing where nothing was done.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let last = self.latencies.len().checked_sub(1)?;
        let index = (self.latencies.len() * percent / 100).min(last);
        Some(self.latencies[index] as f64 / 1e6)
    }
}
