//! Finding something to take, and waiting for it.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use super::{
    super::{lock::Lock, session::Trouble},
    form::{Entry, Label},
    grab::Grab,
    item::Taken,
    store::{Store, in_one_session, shuffled, watched},
};
use crate::{
    SessionId,
    client::{Client, Error, Sleep, WatchEnd},
};

/// The longest time after which a wall clock is looked at again: people set them.
const LONGEST_LOOK_AWAY: Duration = Duration::from_secs(60);

/// How long somebody waits.
pub(super) struct Patience(Option<Sleep>);

impl Patience {
    pub(super) fn endless() -> Self {
        Self(None)
    }

    pub(super) fn until_in(client: &Client, limit: Duration) -> Self {
        Self(Some(client.sleep(limit)))
    }

    /// Waits for something; nothing when the time is up first.
    ///
    /// # Errors
    ///
    /// When nobody looks at the clock any more.
    pub(super) async fn wait_for<F: Future>(&mut self, future: F) -> Result<Option<F::Output>, Error> {
        let mut future = pin!(future);
        poll_fn(|cx| match (future.as_mut().poll(cx), &mut self.0) {
            (Poll::Ready(output), _) => Poll::Ready(Ok(Some(output))),
            (Poll::Pending, Some(sleep)) => Pin::new(sleep).poll(cx).map(|slept| slept.map(|()| None)),
            (Poll::Pending, None) => Poll::Pending,
        })
        .await
    }
}

/// What time it is on the wall.
#[derive(Clone)]
pub(super) struct WallClock(pub(super) Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WallClock").finish_non_exhaustive()
    }
}

/// How a queue is taken from.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// Among how many of the first to choose.
    pub(super) among: usize,
    /// What those who wait stand in line for.
    pub(super) turn: Option<Lock>,
    /// By which clock entries are due.
    pub(super) clock: Option<WallClock>,
}

impl Manner {
    pub(super) fn new() -> Self {
        Self { among: 1, turn: None, clock: None }
    }

    /// Returns how long it takes until an entry is due.
    fn until_due(&self, entry: &Entry<'_>) -> Duration {
        match (&self.clock, entry.label) {
            (Some(clock), Label::Rank(due)) => until(due, (clock.0)()),
            (None, _) | (Some(_), Label::Nothing | Label::Id(_)) => Duration::ZERO,
        }
    }
}

/// Returns the milliseconds since 1970, as names have them.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn until(due: i64, now: SystemTime) -> Duration {
    Duration::from_millis(u64::try_from(due.saturating_sub(millis(now))).unwrap_or(0))
}

/// What a list of entries was good for.
enum Found {
    Taken(Taken),
    /// Others were faster, or the session of the list is over: it is to be listed again.
    Stale,
    /// There is none, or none is due before that time has passed.
    Nothing {
        until_due: Option<Duration>,
    },
    TimeIsUp,
}

impl Store {
    /// Takes what comes first, and waits for it; nothing when the time is up.
    pub(super) async fn take(&self, manner: &Manner, mut patience: Patience) -> Result<Option<Taken>, Error> {
        let turn = match &manner.turn {
            Some(lock) => match patience.wait_for(lock.acquire()).await? {
                Some(held) => Some(held?),
                None => return Ok(None),
            },
            None => None,
        };
        let taken = loop {
            let list = in_one_session(&self.client, |session| watched(self, session, &self.path));
            let Some(listed) = patience.wait_for(list).await? else { return Ok(None) };
            let (session, (names, mut watcher)) = listed?;
            let until_due = match self.take_from(session, names.iter(), manner, &mut patience).await? {
                Found::Taken(taken) => break taken,
                Found::TimeIsUp => return Ok(None),
                Found::Stale => continue,
                Found::Nothing { until_due } => until_due,
            };
            let changed = self.changed_or_due(until_due, watcher.changed());
            match patience.wait_for(changed).await? {
                Some(waited) => waited?,
                None => return Ok(None),
            }
        };
        // The next one may go on; that is not waited for.
        drop(turn);
        Ok(Some(taken))
    }

    /// Takes what comes first, if there is anything.
    pub(super) async fn try_take(&self, manner: &Manner) -> Result<Option<Taken>, Error> {
        loop {
            let list = in_one_session(&self.client, |session| self.names(session, &self.path));
            let (session, Some(names)) = list.await? else { return Ok(None) };
            match self.take_from(session, names.iter(), manner, &mut Patience::endless()).await? {
                Found::Taken(taken) => return Ok(Some(taken)),
                Found::Stale => {}
                Found::Nothing { .. } | Found::TimeIsUp => return Ok(None),
            }
        }
    }

    /// Takes from a list, in its session.
    async fn take_from(
        &self,
        session: SessionId,
        names: impl Iterator<Item = &str>,
        manner: &Manner,
        patience: &mut Patience,
    ) -> Result<Found, Error> {
        let entries = self.form.in_order(names);
        let Some(first) = entries.first() else { return Ok(Found::Nothing { until_due: None }) };
        let until_due = manner.until_due(first);
        if !until_due.is_zero() {
            return Ok(Found::Nothing { until_due: Some(until_due) });
        }
        let due = entries.partition_point(|entry| manner.until_due(entry).is_zero());
        for entry in shuffled(&self.client, &entries[..due], manner.among) {
            match self.grab(session, entry.name, patience).await {
                Ok(Some(Grab::Ours(item))) => return Ok(Found::Taken(Taken::Item(item))),
                Ok(Some(Grab::Unknown(item))) => return Ok(Found::Taken(Taken::Unknown(item))),
                // Something has happened, so something more urgent may have come.
                Ok(Some(Grab::Gone)) if self.form.is_ranked() => return Ok(Found::Stale),
                Ok(Some(Grab::Gone)) => {}
                Ok(None) => return Ok(Found::TimeIsUp),
                Err(error) if Trouble::of(&error) == Trouble::SessionOver => return Ok(Found::Stale),
                Err(error) => return Err(error),
            }
        }
        Ok(Found::Stale)
    }

    /// Waits until the list is another one, or an entry of it is due.
    async fn changed_or_due<T>(
        &self,
        until_due: Option<Duration>,
        changed: impl Future<Output = Result<T, WatchEnd>>,
    ) -> Result<(), Error> {
        let mut patience = match until_due {
            Some(until_due) => Patience::until_in(&self.client, until_due.min(LONGEST_LOOK_AWAY)),
            None => Patience::endless(),
        };
        // That the session is over is for the next list to find out.
        patience.wait_for(changed).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_due_at_once_and_the_rest_in_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(5_000);
        for (due, expected) in [(0, 0), (4_999, 0), (5_000, 0), (5_001, 1), (65_000, 60_000), (i64::MIN, 0)] {
            assert_eq!(until(due, now), Duration::from_millis(expected), "{due}");
        }
        assert_eq!(millis(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), 0, "before 1970 is always");
        assert_eq!(millis(now), 5_000);
    }
}
