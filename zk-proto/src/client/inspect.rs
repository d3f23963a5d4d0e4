//! A look inside, for tests that watch over a client without keeping it open.

use super::{exchange::Exchange, states::States};
use crate::{Instant, SessionId, Zxid, session::State};

/// How a client stands.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    pub session: Option<SessionId>,
    pub state: State,
    pub valid_until: Option<Instant>,
    pub last_zxid: Zxid,
    /// The steps that the link has taken: bits, in the order of `session::TRANSITIONS`.
    pub steps: u32,
    /// Requests that were not handed out.
    pub backlog: usize,
    /// Requests that were handed out and not answered.
    pub in_flight: usize,
    /// Watches of the session.
    pub watches: usize,
    /// Slots for outcomes, watchers, timers and readers of states that are in use.
    pub slots: [usize; 4],
}

impl Inspection {
    fn new(exchange: &Exchange) -> Self {
        let Exchange { session, requests, watchers, timers, states, .. } = exchange;
        Self {
            session: session.id(),
            state: session.state().clone(),
            valid_until: session.valid_until(),
            last_zxid: session.last_zxid(),
            steps: session.steps(),
            backlog: session.backlog_len(),
            in_flight: session.in_flight_len(),
            watches: session.watch_count(),
            slots: [requests.len(), watchers.len(), timers.len(), states.readers()],
        }
    }
}

impl States {
    /// Looks inside of the client.
    #[doc(hidden)]
    pub fn inspect(&self) -> Inspection {
        self.look(Inspection::new)
    }
}
