//! How a session has fared, in numbers: what monitoring reads now and then.
//!
//! A session counts as it goes, and [`Session::metrics`](crate::Session::metrics) (of a client:
//! [`metrics`](crate::client::Client::metrics)) copies the counters. They begin at zero with the session's machine and never go
//! back, also when a session expires and another one follows. Counting costs some 5 ns a request, and allocates nothing but 200 bytes when
//! an operation is first used.
//!
//! ```
//! use core::time::Duration;
//! use zk_proto::metrics::Metrics;
//!
//! fn report(metrics: &Metrics) {
//!     for operation in &metrics.operations {
//!         let latency = &operation.latency;
//!         println!("{}: {} answered, 99 % within {:?}", operation.op, latency.count(), latency.percentile(99));
//!     }
//!     if metrics.disconnected > Duration::from_secs(60) {
//!         println!("{} links were lost", metrics.links_lost);
//!     }
//! }
//! ```
#![cfg_attr(
    not(feature = "client"),
    allow(rustdoc::broken_intra_doc_links, reason = "the client's half has pages of its own")
)]

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use crate::{Instant, Server, SessionId, Zxid, code::OpCode, session::State};

/// A copy of a session's counters, and where it stands at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// The latest time that the session was told: durations that are still running count up to here.
    pub at: Instant,
    /// Where the session stands.
    pub state: State,
    /// The session; `None` before the first one.
    pub session: Option<SessionId>,
    /// The server of the present link, connected or being dialled.
    pub server: Option<Server>,
    /// The last transaction seen in a reply.
    pub last_zxid: Zxid,

    /// Requests by operation, in the order in which the operations were first used. The session's own (heartbeats, watches that are
    /// set again, credentials, the close) are not among them.
    pub operations: Vec<OperationMetrics>,
    /// How many answers took [`slow_request`](crate::Config::slow_request) or longer.
    pub slow: u64,
    /// How long answers to heartbeats took: what the network and the server take for something that costs nothing.
    pub heartbeats: Histogram,
    /// Bytes that were handed to links, before encryption.
    pub bytes_sent: u64,
    /// Bytes of frames that came from links, after decryption.
    pub bytes_received: u64,

    /// How many requests wait to be handed to a link.
    pub queued: usize,
    /// How many bytes wait, or are kept to be sent again.
    pub queued_bytes: usize,
    /// How many requests were handed to the present link and are not answered.
    pub in_flight: usize,
    /// How many callers wait because the session is full. Zero for a session without a client.
    pub waiting: usize,

    /// How many watches are set or on their way.
    pub watches: usize,
    /// How many events watches have told.
    pub watch_events: u64,

    /// How often a server was dialled.
    pub dials: u64,
    /// How many links failed before they served the session.
    pub links_failed: u64,
    /// How many links were lost that had served the session, or were left for another server.
    pub links_lost: u64,
    /// How many sessions there were: one, and one more for each that expired and was followed by another.
    pub sessions: u64,
    /// How often a link took the session up again.
    pub resumed: u64,
    /// How many sessions expired, or were rejected by every server.
    pub expired: u64,
    /// How long there was no link that served the session, from the first dial on, in all.
    pub disconnected: Duration,
}

/// How the requests of one operation have fared. Each request counts once; those that wait or are in flight do not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationMetrics {
    /// The operation.
    pub op: OpCode,
    /// Answered without error.
    pub ok: u64,
    /// Answered with an error: `NoNode`, `BadVersion` and the like. Nothing was done.
    pub errors: u64,
    /// In doubt, because the link broke before the answer.
    pub lost: u64,
    /// Given up at their time limit.
    pub timed_out: u64,
    /// Over with their session, or pinned to one that is over.
    pub ended: u64,
    /// Taken back before they were sent.
    pub withdrawn: u64,
    /// How long answers took, with or without error, from the moment when the request was handed to a link. What it waited before is
    /// not in it, because whoever submits has no clock; [`Metrics::queued`] shows that there is such a wait.
    pub latency: Histogram,
}

impl OperationMetrics {
    pub(crate) fn new(op: OpCode) -> Self {
        Self { op, ok: 0, errors: 0, lost: 0, timed_out: 0, ended: 0, withdrawn: 0, latency: Histogram::default() }
    }
}

/// How many durations lay within which bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; Self::BOUNDS.len() + 1],
    count: u64,
    sum_nanos: u64,
    longest_nanos: u64,
}

impl Histogram {
    /// The upper bounds of the buckets, inclusive: 100 µs to 10 s. One more bucket holds what is longer.
    pub const BOUNDS: [Duration; 16] = [
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2_500),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];

    /// The bounds as they are compared: every answer is recorded, and nanoseconds cost less than durations.
    const BOUNDS_NANOS: [u64; Self::BOUNDS.len()] = {
        let mut nanos = [0; Self::BOUNDS.len()];
        let mut index = 0;
        while index < nanos.len() {
            nanos[index] = Self::BOUNDS[index].as_nanos() as u64;
            index += 1;
        }
        nanos
    };

    pub(crate) fn record(&mut self, nanos: u64) {
        self.buckets[Self::bucket(nanos)] += 1;
        self.count += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
        self.longest_nanos = self.longest_nanos.max(nanos);
    }

    fn bucket(nanos: u64) -> usize {
        // From below, for most are short.
        Self::BOUNDS_NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(Self::BOUNDS.len())
    }

    /// Returns how many durations there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// Returns the longest duration; zero where there was none.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest_nanos)
    }

    /// Returns each bound with the number of durations that do not exceed it, as Prometheus counts; at last `None`, no bound, with
    /// the number of all.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bounds = Self::BOUNDS.iter().map(|bound| Some(*bound)).chain([None]);
        bounds.zip(&self.buckets).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }

    /// Returns a duration that so many of a hundred did not exceed: the bound of the bucket in which it lies, or the longest
    /// duration where that is less. `None` where there was none. More than 100 is taken as 100.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let rank = (u128::from(self.count) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let (bound, _) = self.cumulative().find(|(_, count)| u128::from(*count) >= rank)?;
        Some(bound.map_or(self.longest(), |bound| bound.min(self.longest())))
    }
}

/// A histogram in half the room, for what happens a few times a second at most: there can be a thousand.
#[derive(Debug, Default)]
pub(crate) struct SlowHistogram {
    buckets: [u32; Histogram::BOUNDS.len() + 1],
    sum_nanos: u64,
    longest_nanos: u64,
}

impl SlowHistogram {
    pub(crate) fn record(&mut self, nanos: u64) {
        let bucket = &mut self.buckets[Histogram::bucket(nanos)];
        *bucket = bucket.saturating_add(1);
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
        self.longest_nanos = self.longest_nanos.max(nanos);
    }
}

impl From<&SlowHistogram> for Histogram {
    fn from(slow: &SlowHistogram) -> Self {
        let SlowHistogram { buckets, sum_nanos, longest_nanos } = *slow;
        let buckets = buckets.map(u64::from);
        Self { buckets, count: buckets.iter().sum(), sum_nanos, longest_nanos }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; Self::BOUNDS.len() + 1], count: 0, sum_nanos: 0, longest_nanos: 0 }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("sum", &self.sum())
            .field("longest", &self.longest())
            .field("percentile_50", &self.percentile(50))
            .field("percentile_99", &self.percentile(99))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn histogram(durations: impl IntoIterator<Item = Duration>) -> Histogram {
        let mut histogram = Histogram::default();
        durations.into_iter().for_each(|duration| histogram.record(u64::try_from(duration.as_nanos()).unwrap()));
        histogram
    }

    #[test]
    fn bounds_rise_and_belong_to_their_bucket() {
        assert!(Histogram::BOUNDS.is_sorted_by(|a, b| a < b));
        for (index, bound) in Histogram::BOUNDS.into_iter().enumerate() {
            let within = histogram([bound]);
            let beyond = histogram([bound + Duration::from_nanos(1)]);
            assert_eq!((within.buckets[index], beyond.buckets[index + 1]), (1, 1), "{bound:?}");
        }
    }

    #[test]
    fn nothing_has_no_percentiles() {
        let empty = Histogram::default();
        assert_eq!((empty.percentile(0), empty.percentile(100)), (None, None));
        assert_eq!((empty.count(), empty.sum(), empty.longest()), (0, Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn percentiles_are_the_bounds_of_their_buckets_and_never_beyond_the_longest() {
        let hundred = histogram((0..98).map(|_| MS).chain([20 * MS, 60_000 * MS]));
        assert_eq!(hundred.percentile(98), Some(MS));
        assert_eq!(hundred.percentile(99), Some(25 * MS));
        assert_eq!((hundred.percentile(100), hundred.percentile(255)), (Some(60_000 * MS), Some(60_000 * MS)));
        assert_eq!(histogram([3 * MS]).percentile(50), Some(3 * MS));
        assert_eq!((hundred.count(), hundred.sum(), hundred.longest()), (100, 60_118 * MS, 60_000 * MS));
    }

    #[test]
    fn the_small_histogram_counts_as_the_large_one() {
        let (mut small, mut large) = (SlowHistogram::default(), Histogram::default());
        for nanos in [0, 1, 100_000, 100_001, 3_000_000, 10_000_000_000, u64::MAX] {
            small.record(nanos);
            large.record(nanos);
        }
        assert_eq!(Histogram::from(&small), large);
    }

    #[test]
    fn cumulative_counts_end_with_all() {
        let counts: Vec<_> = histogram([MS, 2 * MS, 60_000 * MS]).cumulative().collect();
        assert_eq!(counts.len(), 17);
        assert_eq!(counts[2], (Some(Duration::from_micros(500)), 0));
        assert_eq!(counts[3], (Some(MS), 1));
        assert_eq!(counts[15], (Some(10_000 * MS), 2));
        assert_eq!(counts[16], (None, 3));
    }
}
