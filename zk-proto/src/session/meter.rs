//! What the session counts as it goes.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::RequestError;
use crate::{
    Instant,
    code::OpCode,
    metrics::{OperationMetrics, SlowHistogram},
};

/// An answer that took long.
#[cfg(feature = "tracing")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slow {
    pub(crate) op: OpCode,
    pub(crate) took: Duration,
}

/// How many slow answers are kept until somebody asks.
#[cfg(feature = "tracing")]
const KEPT_SLOW: usize = 16;

/// The operations that were used.
#[derive(Debug, Default)]
struct Operations {
    /// Those of `tallies` in the same order. A program uses few, and they lie side by side.
    ops: Vec<OpCode>,
    tallies: Vec<OperationMetrics>,
    /// The one that was used last, and is likely the next.
    last: usize,
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Nothing until there is a request.
    operations: Option<Box<Operations>>,
    /// From when on an answer is slow.
    slow_nanos: u64,
    pub(super) slow: u64,
    #[cfg(feature = "tracing")]
    pub(super) slow_answers: Vec<Slow>,
    pub(super) heartbeats: SlowHistogram,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) watch_events: u64,
    pub(super) dials: u64,
    pub(super) links_failed: u64,
    pub(super) links_lost: u64,
    pub(super) sessions: u64,
    pub(super) resumed: u64,
    pub(super) expired: u64,
    /// How long the session was cut off before the present time.
    disconnected: Duration,
    /// Since when it is cut off.
    cut_off: Option<Instant>,
}

impl Meter {
    pub(super) fn new(slow: Option<Duration>) -> Self {
        let slow_nanos = slow.map_or(u64::MAX, |slow| u64::try_from(slow.as_nanos()).unwrap_or(u64::MAX));
        Self { slow_nanos, ..Self::default() }
    }

    fn tally(&mut self, op: OpCode) -> &mut OperationMetrics {
        let Operations { ops, tallies, last } = &mut **self.operations.get_or_insert_default();
        if ops.get(*last) != Some(&op) {
            let known = ops.iter().position(|known| *known == op);
            *last = known.unwrap_or_else(|| {
                ops.push(op);
                tallies.push(OperationMetrics::new(op));
                ops.len() - 1
            });
        }
        &mut tallies[*last]
    }

    /// A caller's request is over without an answer.
    pub(super) fn failed(&mut self, op: OpCode, error: RequestError) {
        let tally = self.tally(op);
        *match error {
            RequestError::Server(_) => &mut tally.errors,
            RequestError::Lost => &mut tally.lost,
            RequestError::TimedOut { .. } => &mut tally.timed_out,
            RequestError::SessionChanged | RequestError::Ended { .. } => &mut tally.ended,
        } += 1;
    }

    /// A caller has taken a request back.
    pub(super) fn withdrawn(&mut self, op: OpCode) {
        self.tally(op).withdrawn += 1;
    }

    /// A caller's request was answered: by an error or not, or `None` where the caller has given it up and that was counted.
    pub(super) fn answered(&mut self, op: OpCode, is_ok: Option<bool>, took_nanos: u64) {
        let tally = self.tally(op);
        tally.latency.record(took_nanos);
        match is_ok {
            Some(true) => tally.ok += 1,
            Some(false) => tally.errors += 1,
            None => {}
        }
        if took_nanos >= self.slow_nanos {
            self.slow += 1;
            #[cfg(feature = "tracing")]
            if self.slow_answers.len() < KEPT_SLOW {
                self.slow_answers.push(Slow { op, took: Duration::from_nanos(took_nanos) });
            }
        }
    }

    /// There is no link that serves the session.
    pub(super) fn cut_off(&mut self, now: Instant) {
        self.cut_off.get_or_insert(now);
    }

    /// A link serves the session, or there is no session any more.
    pub(super) fn not_cut_off(&mut self, now: Instant) {
        self.disconnected = self.disconnected_by(now);
        self.cut_off = None;
    }

    pub(super) fn disconnected_by(&self, now: Instant) -> Duration {
        self.disconnected + self.cut_off.map_or(Duration::ZERO, |since| now.saturating_since(since))
    }

    pub(super) fn operations(&self) -> Vec<OperationMetrics> {
        self.operations.as_ref().map(|operations| operations.tallies.clone()).unwrap_or_default()
    }
}
