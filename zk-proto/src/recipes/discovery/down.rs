//! Instances that do not work, as far as their clients have noticed.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use crate::{Instant, Zxid};

/// When an instance counts as down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownPolicy {
    /// After so many errors.
    pub errors: usize,
    /// Within so long; an error counts for no longer than that.
    pub window: Duration,
    /// Whether to have none at all when all are down. Otherwise, all are as good as ever then.
    pub hides_last: bool,
}

impl Default for DownPolicy {
    /// Two errors within 30 seconds, as Curator's; never all of them.
    fn default() -> Self {
        Self { errors: 2, window: Duration::from_secs(30), hides_last: false }
    }
}

/// What identifies an instance: its node's name and creation. One that registers anew begins without errors.
pub(super) type Identity = (String, Zxid);

/// The errors of late.
#[derive(Debug, Default)]
pub(super) struct Errors(BTreeMap<Identity, VecDeque<Instant>>);

impl Errors {
    /// Notes an error. Those that count no more are forgotten, of all instances.
    pub(super) fn note(&mut self, instance: Identity, now: Instant, policy: &DownPolicy) {
        self.0.retain(|_, errors| {
            errors.retain(|at| counts(*at, now, policy));
            !errors.is_empty()
        });
        let errors = self.0.entry(instance).or_default();
        errors.push_back(now);
        if errors.len() > policy.errors.max(1) {
            errors.pop_front();
        }
    }

    /// Returns whether an instance counts as down.
    pub(super) fn is_down(&self, instance: &Identity, now: Instant, policy: &DownPolicy) -> bool {
        let errors = self.0.get(instance).into_iter().flatten().filter(|at| counts(**at, now, policy)).count();
        errors >= policy.errors.max(1)
    }
}

fn counts(at: Instant, now: Instant, policy: &DownPolicy) -> bool {
    now.saturating_since(at) < policy.window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn instance(created: i64) -> Identity {
        ("id".to_string(), Zxid(created))
    }

    #[test]
    fn errors_count_together_within_the_window_and_for_the_same_instance() {
        let policy = DownPolicy::default();
        let mut errors = Errors::default();

        errors.note(instance(1), at(0), &policy);
        assert!(!errors.is_down(&instance(1), at(0), &policy));
        errors.note(instance(1), at(29), &policy);
        assert!(errors.is_down(&instance(1), at(29), &policy));
        assert!(!errors.is_down(&instance(2), at(29), &policy), "it has registered anew");
        assert!(!errors.is_down(&instance(1), at(30), &policy), "the first one is too old");
        errors.note(instance(1), at(31), &policy);
        assert!(errors.is_down(&instance(1), at(58), &policy));
        assert!(!errors.is_down(&instance(1), at(59), &policy));
    }

    #[test]
    fn what_is_kept_of_errors_is_bounded() {
        let policy = DownPolicy::default();
        let mut errors = Errors::default();
        for second in 0..1_000 {
            errors.note(instance(1), at(second), &policy);
            errors.note(instance(i64::try_from(second).unwrap() + 2), at(second), &policy);
        }
        assert!(errors.0.len() <= 31 && errors.0.values().all(|errors| errors.len() <= 2), "{}", errors.0.len());
    }
}
