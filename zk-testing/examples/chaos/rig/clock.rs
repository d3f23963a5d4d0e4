//! The clock that all processes of the machine share.

use rustix::time::{ClockId, clock_gettime};

use super::history::Time;

/// Returns the time of the monotonic clock.
pub(crate) fn now() -> Time {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |part: i64| Time::try_from(part).expect("the monotonic clock is not negative");
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}
