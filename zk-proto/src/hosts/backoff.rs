//! How long to wait before the next dial.
//!
//! When one server dies, all its clients look for another at once; when the ensemble dies, all clients there are knock
//! until it is back. Hence three rules: a lost link is replaced at once, the servers of a round are tried at short and
//! random distances, and between rounds there is a pause that doubles and is different for each client.

use core::time::Duration;

use crate::rng::Rng;

/// How quickly servers are dialled anew.
///
/// The first dial after a working link was lost is made at once. Until every server was tried, dials follow each other
/// after a random part of `initial`, and so they do within any later round. Each later round begins with a pause:
/// `initial` before the second, then twice as long before each further one, but no longer than `max`. The actual pause
/// is a random one between half of that and all of it. With `initial` zero there are no pauses at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first round, and the limit of those within a round. The default is 100 ms.
    pub initial: Duration,
    /// The longest pause. The default is 5 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_millis(100), max: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// Returns how long to wait before the next dial, when so many `failures` came since a link last worked, and there
    /// are so many `servers`.
    pub(crate) fn delay(&self, failures: u32, servers: usize, rng: &mut Rng) -> Duration {
        let servers = u32::try_from(servers).unwrap_or(u32::MAX).max(1);
        match (failures / servers, failures % servers) {
            (0, 0) => Duration::ZERO,
            (rounds, 0) => {
                let longest = self.pause(rounds);
                between(longest / 2, longest, rng)
            }
            (_, _) => between(Duration::ZERO, self.initial.min(self.max), rng),
        }
    }

    /// Returns the longest pause after so many rounds, of which there was at least one.
    fn pause(&self, rounds: u32) -> Duration {
        let doublings = 1_u32.checked_shl(rounds - 1).unwrap_or(u32::MAX);
        self.initial.saturating_mul(doublings).min(self.max)
    }
}

fn between(least: Duration, limit: Duration, rng: &mut Rng) -> Duration {
    let span = u64::try_from((limit - least).as_nanos()).unwrap_or(u64::MAX);
    least + Duration::from_nanos(rng.below(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_follow_the_table() {
        let backoff = Backoff::default();
        // Failures and servers, and the shortest and the longest delay in ms.
        let table = [
            (0, 1, 0, 0),
            (1, 1, 50, 100),
            (2, 1, 100, 200),
            (3, 1, 200, 400),
            (6, 1, 1_600, 3_200),
            (7, 1, 2_500, 5_000),
            (8, 1, 2_500, 5_000),
            (33, 1, 2_500, 5_000),
            (34, 1, 2_500, 5_000),
            (u32::MAX, 1, 2_500, 5_000),
            (0, 3, 0, 0),
            (1, 3, 0, 100),
            (2, 3, 0, 100),
            (3, 3, 50, 100),
            (4, 3, 0, 100),
            (5, 3, 0, 100),
            (6, 3, 100, 200),
            (9, 3, 200, 400),
            (30, 3, 2_500, 5_000),
            (31, 3, 0, 100),
            (1, usize::MAX, 0, 100),
            (1, 0, 50, 100),
        ];

        for (failures, servers, least, longest) in table {
            let (least, longest) = (Duration::from_millis(least), Duration::from_millis(longest));
            let (mut shortest_seen, mut longest_seen) = (Duration::MAX, Duration::ZERO);
            for seed in 0..=255 {
                let delay = backoff.delay(failures, servers, &mut Rng::new([seed; 32]));
                assert!((least..=longest).contains(&delay), "{failures} of {servers}, seed {seed}: {delay:?}");
                shortest_seen = shortest_seen.min(delay);
                longest_seen = longest_seen.max(delay);
            }
            // The whole range is used, so that clients come apart.
            let margin = (longest - least) / 20;
            assert!(shortest_seen <= least + margin, "{failures} of {servers}: at least {shortest_seen:?}");
            assert!(longest_seen >= longest - margin, "{failures} of {servers}: at most {longest_seen:?}");
        }
    }

    #[test]
    fn without_an_initial_delay_there_is_none() {
        let backoff = Backoff { initial: Duration::ZERO, ..Backoff::default() };

        for failures in 0..100 {
            assert_eq!(backoff.delay(failures, 3, &mut Rng::new([1; 32])), Duration::ZERO);
        }
    }

    #[test]
    fn the_limit_holds_even_below_the_initial_delay() {
        let max = Duration::from_millis(10);
        let backoff = Backoff { initial: Duration::from_secs(1), max };

        for failures in 0..100 {
            assert!(backoff.delay(failures, 3, &mut Rng::new([1; 32])) <= max);
        }
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let backoff = Backoff { initial: Duration::MAX, max: Duration::MAX };

        for failures in [0, 1, 2, 3, 64, u32::MAX] {
            for servers in [0, 1, 2, usize::MAX] {
                backoff.delay(failures, servers, &mut Rng::new([1; 32]));
            }
        }
    }
}
