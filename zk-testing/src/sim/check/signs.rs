//! Which signs of life of a session the leader has heard of.
//!
//! Sessions expire by what the leader has heard. The other servers answer pings and reads by themselves, and pass on every half
//! tick only whom they have heard. So a client that proved to be alive by an answer may see its session expire all the same, and
//! cannot tell: where the server that answered fell out with the leader before it passed the sign on, or where the client had
//! been silent for so long that the leader gave up on it meanwhile. A session that ends so is not held against its client.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use zk_proto::{Instant, SessionId};

/// How long it may take at most until the leader has heard of a sign of life.
const HEARSAY: Duration = Duration::from_millis(1_200);

/// The last sign of life of a session.
#[derive(Clone, Copy, Debug)]
struct Sign {
    timeout: Duration,
    at: Instant,
    /// Whom it came to; none for the greeting, for which the leader itself answers.
    server: Option<usize>,
    /// The first sign behind a long pause.
    since: Instant,
    /// Whether the leader will not hear of it.
    is_lost: bool,
}

/// The last signs of life of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    signs: BTreeMap<SessionId, Sign>,
    /// Servers that cannot pass anything on.
    cut_off: BTreeSet<usize>,
}

impl Signs {
    /// A session was begun or taken up, by a greeting that was written then.
    pub(crate) fn greeted(&mut self, session: SessionId, timeout: Duration, at: Instant) {
        let sign = Sign { timeout, at, server: None, since: Instant::ORIGIN, is_lost: false };
        self.signs.insert(session, sign);
    }

    /// A server has heard of a session.
    pub(crate) fn heard(&mut self, session: SessionId, server: usize, at: Instant) {
        let is_lost = self.cut_off.contains(&server);
        let Some(sign) = self.signs.get_mut(&session) else { return };
        if sign.is_lost || at.saturating_since(sign.at) > sign.timeout * 65 / 100 {
            sign.since = at;
        }
        *sign = Sign { at: sign.at.max(at), server: Some(server), is_lost, ..*sign };
    }

    /// A server has crashed, or is cut off from the others.
    pub(crate) fn fell_out(&mut self, server: usize, at: Instant) {
        self.cut_off.insert(server);
        let of_server = self.signs.values_mut().filter(|sign| sign.server == Some(server));
        for sign in of_server.filter(|sign| at.saturating_since(sign.at) < HEARSAY) {
            sign.is_lost = true;
        }
    }

    /// A server can talk to the others again.
    pub(crate) fn came_back(&mut self, server: usize) {
        self.cut_off.remove(&server);
    }

    /// Returns whether the leader may not have heard of the last sign of life of a session.
    pub(crate) fn is_hearsay(&self, session: SessionId, now: Instant) -> bool {
        let sign = self.signs.get(&session);
        sign.is_none_or(|sign| sign.is_lost || now.saturating_since(sign.since) <= HEARSAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(7);

    fn at(ms: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(ms)
    }

    fn greeted() -> Signs {
        let mut signs = Signs::default();
        signs.greeted(SESSION, Duration::from_secs(5), at(10_000));
        signs
    }

    #[test]
    fn what_comes_in_time_is_passed_on() {
        let mut signs = greeted();
        for ms in [11_000, 14_000, 17_000] {
            signs.heard(SESSION, 0, at(ms));
            assert!(!signs.is_hearsay(SESSION, at(ms)), "{ms}");
        }
    }

    #[test]
    fn what_comes_behind_a_long_pause_may_come_too_late() {
        let mut signs = greeted();
        signs.heard(SESSION, 0, at(14_000));
        assert!(signs.is_hearsay(SESSION, at(15_000)));
        assert!(!signs.is_hearsay(SESSION, at(15_300)));
    }

    #[test]
    fn a_server_that_falls_out_takes_with_it_what_it_has_just_heard() {
        let mut signs = greeted();
        signs.heard(SESSION, 1, at(11_000));
        signs.fell_out(0, at(11_100));
        assert!(!signs.is_hearsay(SESSION, at(16_000)), "another one");
        signs.fell_out(1, at(12_500));
        assert!(!signs.is_hearsay(SESSION, at(16_000)), "it was passed on");

        signs.heard(SESSION, 1, at(12_600));
        assert!(signs.is_hearsay(SESSION, at(16_000)), "it is cut off");
        signs.came_back(1);
        signs.heard(SESSION, 1, at(16_100));

        assert!(!signs.is_hearsay(SESSION, at(17_500)));
    }
}
