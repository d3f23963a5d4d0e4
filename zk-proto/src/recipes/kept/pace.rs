//! How fast to repair what is broken again and again.

use core::time::Duration;

use crate::Instant;

/// How long to wait at first and at most.
const LEAST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(10);

/// After so long without trouble, it begins anew.
const CALM: Duration = Duration::from_secs(30);

/// How many repairs are made at once.
const FREE: u32 = 2;

/// Counts repairs and failures that follow upon each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    count: u32,
    last: Option<Instant>,
}

impl Pace {
    /// Returns how long to wait before something is repaired.
    pub(super) fn repair(&mut self, now: Instant) -> Duration {
        match self.count(now) {
            count if count <= FREE => Duration::ZERO,
            count => delay(count - FREE),
        }
    }

    /// Returns how long to wait after a failure.
    pub(super) fn failure(&mut self, now: Instant) -> Duration {
        delay(self.count(now))
    }

    fn count(&mut self, now: Instant) -> u32 {
        if self.last.is_some_and(|last| now.saturating_since(last) >= CALM) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
        self.count
    }
}

/// Doubles from one to the next.
fn delay(count: u32) -> Duration {
    LEAST.saturating_mul(1 << count.saturating_sub(1).min(16)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repairs_are_made_at_once_and_others_later_and_later() {
        let mut pace = Pace::default();
        let delays: Vec<_> = (0..12).map(|_| pace.repair(Instant::ORIGIN).as_millis()).collect();
        assert_eq!(delays, [0, 0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);

        let later = Instant::ORIGIN + CALM;
        assert_eq!(pace.repair(later), Duration::ZERO, "it was calm");
    }

    #[test]
    fn every_failure_is_followed_by_a_pause() {
        let mut pace = Pace::default();
        let delays: Vec<_> = (0..4).map(|_| pace.failure(Instant::ORIGIN).as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400]);
        for _ in 0..100 {
            assert!(pace.failure(Instant::ORIGIN) <= MOST);
        }
    }
}
