//! How often to try again, and after which pause.

use core::{future::Future, time::Duration};

use super::session::Trouble;
use crate::{
    Instant,
    client::{Client, Error},
};

/// When to try again what failed because somebody else was faster: how often, after which pauses, for how long in all.
///
/// A rule and nothing else: the same arguments give the same [`pause`](Self::pause), time and chance come from outside. Made by one of
/// [`never`](Self::never), [`fixed`](Self::fixed) and [`exponential`](Self::exponential), the last two of which go on for ever unless
/// they are given a number of [`attempts`](Self::attempts) or a [`deadline`](Self::deadline).
///
/// ```
/// use std::time::Duration;
/// use zk_proto::recipes::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(Duration::from_millis(10), Duration::from_secs(1)).attempts(8);
/// let (no_time, chance) = (Duration::ZERO, u64::MAX / 2);
/// assert_eq!(policy.pause(1, no_time, chance), Some(Duration::ZERO));
/// assert!(policy.pause(7, no_time, chance).is_some());
/// assert_eq!(policy.pause(8, no_time, chance), None);
/// ```
///
/// It is not about lost connections: the client mends those by itself, and no attempt is spent on waiting for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    pauses: Pauses,
    /// `None` for as many as it takes.
    attempts: Option<u32>,
    deadline: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pauses {
    Fixed(Duration),
    Exponential { base: Duration, cap: Duration },
}

/// For ever, with pauses that grow from 10 ms to 1 s at most.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(10), Duration::from_secs(1))
    }
}

impl RetryPolicy {
    /// Makes one attempt and no other.
    pub const fn never() -> Self {
        Self::fixed(Duration::ZERO).attempts(1)
    }

    /// Pauses for the same time before each attempt.
    pub const fn fixed(pause: Duration) -> Self {
        Self { pauses: Pauses::Fixed(pause), attempts: None, deadline: None }
    }

    /// Does not pause before the second attempt; before the third for a random part of `base`, and then of twice, four times,
    /// eight times as much, up to `cap`. So those who compete drift apart.
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        Self { pauses: Pauses::Exponential { base, cap }, attempts: None, deadline: None }
    }

    /// Makes so many attempts at most, the first included.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Goes on for so long at most, lost connections included. What would begin later is not begun.
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Returns after which pause to try again, or `None` not to: behind so many failures, at least one, so long after the
    /// beginning, and with a random number.
    pub fn pause(&self, failures: u32, elapsed: Duration, random: u64) -> Option<Duration> {
        if self.attempts.is_some_and(|attempts| failures >= attempts) {
            return None;
        }
        let pause = match self.pauses {
            Pauses::Fixed(pause) => pause,
            Pauses::Exponential { base, cap } => match failures.checked_sub(2) {
                None => Duration::ZERO,
                Some(doublings) => part(window(base, doublings).min(cap), random),
            },
        };
        let is_in_time = self.deadline.is_none_or(|limit| elapsed.saturating_add(pause) < limit);
        is_in_time.then_some(pause)
    }
}

fn window(base: Duration, doublings: u32) -> Duration {
    2_u32.checked_pow(doublings).map_or(Duration::MAX, |factor| base.saturating_mul(factor))
}

/// Returns a part of a duration, from nothing to nearly all of it.
fn part(whole: Duration, random: u64) -> Duration {
    // 64 bits of nanoseconds are 584 years, and such a window is not meant to be waited out.
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    client: &'a Client,
    policy: RetryPolicy,
    begun: Instant,
    failures: u32,
}

impl<'a> Tries<'a> {
    /// # Errors
    ///
    /// When the client is over, and it is needed for its clock.
    pub(crate) async fn begin(client: &'a Client, policy: RetryPolicy) -> Result<Self, Error> {
        if policy.deadline.is_some() {
            // Has the driver look at its clock: where nothing happens, the last time it did so may be a while ago.
            client.sleep(Duration::ZERO).await?;
        }
        Ok(Self { client, policy, begun: client.last_seen(), failures: 0 })
    }

    fn spent(&self) -> Duration {
        self.client.last_seen().saturating_since(self.begun)
    }

    /// Returns how long a request may take.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.policy.deadline.map(|limit| limit.saturating_sub(self.spent()))
    }

    /// Notes a failure and pauses; false when there is to be no other attempt.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub(crate) async fn again(&mut self) -> Result<bool, Error> {
        self.failures = self.failures.saturating_add(1);
        let mut random = [0; 8];
        self.client.fill_random(&mut random);
        match self.policy.pause(self.failures, self.spent(), u64::from_be_bytes(random)) {
            Some(Duration::ZERO) => Ok(true),
            Some(pause) => self.client.sleep(pause).await.map(|()| true),
            None => Ok(false),
        }
    }
}

impl Tries<'_> {
    /// Does what may be done again, in whichever session there is; `None` when the time is up.
    ///
    /// # Errors
    ///
    /// The step's that have nothing to do with links and sessions, and when the client is over.
    pub(crate) async fn repeat<T, F: Future<Output = Result<T, Error>>>(
        &self,
        mut step: impl FnMut() -> F,
    ) -> Result<Option<T>, Error> {
        loop {
            let error = match self.in_time(step()).await {
                Err(error) => error,
                done => return done,
            };
            if Trouble::of(&error) == Trouble::Definite {
                return Err(error);
            }
            // Where there will be no other session, that is the end of it.
            if self.in_time(self.client.connected()).await?.is_none() {
                return Ok(None);
            }
        }
    }

    /// Does a step; `None` when the time is up before it is done.
    ///
    /// # Errors
    ///
    /// The step's, and when the client is over.
    pub(crate) async fn in_time<T>(&self, step: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
        let Some(limit) = self.limit() else { return step.await.map(Some) };
        match self.client.timeout(limit, step).await {
            Ok(result) => result.map(Some),
            Err(Error::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// All but one part in 2⁶⁴.
    const ALL: u64 = u64::MAX;

    #[test]
    fn each_policy_pauses_and_ends_as_it_says() {
        let exponential = RetryPolicy::exponential(ms(10), ms(1_000));
        let table = [
            (RetryPolicy::never(), 1, ms(0), ALL, None),
            (RetryPolicy::fixed(ms(7)), 1, ms(0), 0, Some(ms(7))),
            (RetryPolicy::fixed(ms(7)), u32::MAX, Duration::MAX, 0, Some(ms(7))),
            (RetryPolicy::fixed(ms(7)).attempts(3), 2, ms(0), 0, Some(ms(7))),
            (RetryPolicy::fixed(ms(7)).attempts(3), 3, ms(0), 0, None),
            (RetryPolicy::fixed(ms(7)).deadline(ms(100)), 1, ms(92), 0, Some(ms(7))),
            (RetryPolicy::fixed(ms(7)).deadline(ms(100)), 1, ms(93), 0, None),
            (exponential, 1, ms(0), ALL, Some(ms(0))),
            (exponential, 2, ms(0), 1 << 63, Some(ms(5))),
            (exponential, 3, ms(0), 1 << 63, Some(ms(10))),
            (exponential, 4, ms(0), 1 << 62, Some(ms(10))),
            (exponential, 20, ms(0), 1 << 63, Some(ms(500))),
            (exponential, u32::MAX, ms(0), 1 << 63, Some(ms(500))),
            (exponential, 20, ms(0), 0, Some(ms(0))),
            (exponential.deadline(ms(400)), 20, ms(0), 1 << 63, None),
            (exponential.attempts(0), 1, ms(0), 0, None),
        ];
        for (policy, failures, elapsed, random, expected) in table {
            assert_eq!(policy.pause(failures, elapsed, random), expected, "{policy:?} behind {failures} failures");
        }
    }

    #[test]
    fn no_pause_is_longer_than_the_cap_and_none_overflows() {
        let policies =
            [RetryPolicy::exponential(ms(3), ms(40)), RetryPolicy::exponential(Duration::MAX, Duration::MAX)];
        for policy in policies {
            for failures in 1..200 {
                for random in [0, 1, ALL / 3, ALL] {
                    let pause = policy.pause(failures, ms(0), random).expect("it goes on for ever");
                    assert!(policy.pauses != policies[0].pauses || pause <= ms(40), "{pause:?}");
                }
            }
        }
    }
}
