//! From a sequence of steps that shows a difference to a shorter one.

use std::time::{Duration, Instant};

use crate::{pair::Difference, settings::Settings, step::Step};

/// So long it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// After so long without an answer there is none, which may be wrong only here.
const SILENCE: Duration = Duration::from_secs(1);

/// Returns a shorter sequence, and the difference that it shows: parts are left out, halves first and single steps in the
/// end, as long as there is a difference of this kind still. Each attempt is made with fresh servers.
pub(crate) fn shorter(settings: &Settings, steps: &[Step], kind: &str) -> (Vec<Step>, Option<Difference>) {
    let deadline = Instant::now() + PATIENCE;
    let mut short = steps.to_vec();
    let mut found = None;
    let mut part = short.len().div_ceil(2);
    while part > 0 && Instant::now() < deadline {
        let (mut start, mut is_shorter) = (0, false);
        while start < short.len() && Instant::now() < deadline {
            let mut attempt = short.clone();
            attempt.drain(start..(start + part).min(short.len()));
            match replay(*settings, &attempt, kind) {
                Some((len, difference)) => {
                    attempt.truncate(len);
                    (short, found, is_shorter) = (attempt, Some(difference), true);
                }
                None => start += part,
            }
        }
        part = if is_shorter { part.min(short.len()) } else { part / 2 };
    }
    let found = found.or_else(|| replay(*settings, &short, kind).map(|(_, difference)| difference));
    (short, found)
}

/// Returns the difference of this kind that a sequence shows, and after how many steps.
fn replay(settings: Settings, steps: &[Step], kind: &str) -> Option<(usize, Difference)> {
    let (_real, mut pair) = settings.start(SILENCE);
    let mut outcome = Ok(());
    let mut done = 0;
    while outcome.is_ok() && done < steps.len() {
        outcome = pair.perform(&steps[done]);
        done += 1;
    }
    let difference = outcome.and_then(|()| pair.settle_all()).err()?;
    (difference.kind() == kind).then_some((done, difference))
}
