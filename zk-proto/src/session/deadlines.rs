//! The time limits of requests.
//!
//! A limit is a duration that begins at the first time the session learns after the request was submitted, because whoever
//! submits has no clock.

use alloc::{boxed::Box, collections::BinaryHeap, vec::Vec};
use core::{cmp::Reverse, time::Duration};

use super::RequestId;
use crate::{Instant, broken::broken};

/// Time limits; nothing until there is one.
#[derive(Debug, Default)]
pub(super) struct Deadlines(Option<Box<Queues>>);

#[derive(Debug, Default)]
struct Queues {
    /// Not begun.
    fresh: Vec<(RequestId, Duration)>,
    running: BinaryHeap<Reverse<(Instant, RequestId)>>,
    /// How many of `running` are over at least; the rest of those leave when they come to the top.
    stale: usize,
}

impl Deadlines {
    pub(super) fn add(&mut self, request: RequestId, timeout: Duration) {
        if !broken!("ignores time limits") {
            self.0.get_or_insert_default().fresh.push((request, timeout));
        }
    }

    /// Begins what has not begun.
    pub(super) fn begin(&mut self, now: Instant) {
        let Some(queues) = &mut self.0 else { return };
        for (request, timeout) in queues.fresh.drain(..) {
            queues.running.push(Reverse((now + timeout, request)));
        }
    }

    /// Returns whether something waits for the time.
    pub(super) fn has_fresh(&self) -> bool {
        self.0.as_ref().is_some_and(|queues| !queues.fresh.is_empty())
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.as_ref()?.running.peek().map(|Reverse((at, _))| *at)
    }

    /// Returns a request whose time is up.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<RequestId> {
        if self.next()? > now {
            return None;
        }
        self.0.as_mut()?.running.pop().map(|Reverse((_, request))| request)
    }

    /// A request with a limit is over. `is_over` tells which others are too, so that no stale limit stays at the top.
    pub(super) fn finished(&mut self, is_over: impl Fn(RequestId) -> bool) {
        let Some(Queues { fresh, running, stale }) = self.0.as_deref_mut() else { return };
        *stale += 1;
        while let Some(Reverse((_, request))) = running.peek() {
            if !is_over(*request) {
                break;
            }
            running.pop();
            *stale = stale.saturating_sub(1);
        }
        if *stale > 64 && *stale > (running.len() + fresh.len()) / 2 {
            running.retain(|Reverse((_, request))| !is_over(*request));
            fresh.retain(|(request, _)| !is_over(*request));
            *stale = 0;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn limits_of_requests_that_are_over_do_not_pile_up_behind_one_that_goes_on() {
        let (mut deadlines, asked) = (Deadlines::default(), Cell::new(0));
        deadlines.add(RequestId(0), SECOND);
        for request in 1..=10_000 {
            deadlines.add(RequestId(request), 2 * SECOND);
            deadlines.begin(Instant::ORIGIN);
            deadlines.finished(|other| {
                asked.set(asked.get() + 1);
                other != RequestId(0)
            });
            let kept = deadlines.0.as_ref().unwrap().running.len();
            assert!(kept <= 130, "{kept} are kept");
        }
        assert!(asked.get() <= 40_000, "{} looks for 10,000 requests", asked.get());
        assert_eq!(deadlines.next(), Some(Instant::ORIGIN + SECOND));
    }
}
