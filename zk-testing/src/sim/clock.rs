//! The clock of a process, which is not that of the world.

use zk_proto::Instant;

/// A clock that began at another time than the world's, and runs somewhat faster or slower.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: u64,
    /// How many of its nanoseconds pass in a million of the world's.
    rate: u64,
}

impl Clock {
    pub(crate) const EXACT: u64 = 1_000_000;

    pub(crate) fn new(origin: u64, rate: u64) -> Self {
        Self { origin, rate: rate.max(1) }
    }

    /// Returns what the clock shows at a time of the world.
    pub(crate) fn read(self, at: Instant) -> Instant {
        let passed = u128::from(at.as_nanos()) * u128::from(self.rate) / u128::from(Self::EXACT);
        Instant::from_nanos(u64::try_from(u128::from(self.origin) + passed).unwrap_or(u64::MAX))
    }

    /// Returns the first time of the world at which the clock shows this or more.
    pub(crate) fn when(self, shows: Instant) -> Instant {
        let passed = u128::from(shows.as_nanos().saturating_sub(self.origin)) * u128::from(Self::EXACT);
        Instant::from_nanos(u64::try_from(passed.div_ceil(u128::from(self.rate))).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_at_the_time_that_is_named_for_it_and_not_before() {
        for rate in [920_000, 999_999, Clock::EXACT, 1_000_001, 1_080_000] {
            let clock = Clock::new(12_345, rate);
            for shows in [12_345, 12_346, 1_000_000_007, 86_400_000_000_000].map(Instant::from_nanos) {
                let when = clock.when(shows);
                assert!(clock.read(when) >= shows, "{rate}");
                assert!(when == Instant::ORIGIN || clock.read(Instant::from_nanos(when.as_nanos() - 1)) < shows);
            }
        }
    }
}
