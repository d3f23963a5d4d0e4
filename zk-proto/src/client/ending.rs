//! How a client ends: by the last handle's drop, on demand, with its session, or by hand-over.

use super::{
    exchange::Exchange,
    shared::{Holder, Outbox},
};
use crate::{
    Credentials, Instant,
    session::{End, Refusal, State},
};

/// Where the client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are taken.
    Open,
    /// Only work in the background is taken, until that time (which is unknown until the driver sees the next `now`).
    Draining { until: Option<Instant> },
    /// Nothing is taken.
    Closing,
    /// No session, ever again.
    Over(End),
}

/// What to do when a session is over that nobody has closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnExpiry {
    /// Begin a new session, for the same clients, when the old one has [expired](End::Expired) or was
    /// [rejected](End::Rejected).
    #[default]
    Renew,
    /// Leave it at that: every later call fails.
    End,
}

impl Exchange {
    /// Returns whether requests are taken.
    pub(super) fn admit(&self, by: Holder) -> Result<(), Refusal> {
        match (self.phase, by) {
            (Phase::Open, _) | (Phase::Draining { .. }, Holder::Background) => Ok(()),
            (Phase::Draining { .. }, Holder::User) | (Phase::Closing, _) => Err(Refusal::Ended(End::Closed)),
            (Phase::Over(end), _) => Err(Refusal::Ended(end)),
        }
    }

    /// Ends the session in good order: what was asked for is sent, work in the background gets a short time, then the server
    /// is told.
    pub(super) fn close(&mut self, outbox: &mut Outbox) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining { until: None };
            self.states.wake_all(outbox);
            self.drain();
            self.rouse(outbox);
        }
    }

    /// Ends this client, and leaves the session to whoever has its credentials.
    pub(super) fn hand_over(&mut self, outbox: &mut Outbox) -> Option<Credentials> {
        match self.phase {
            Phase::Over(_) => None,
            Phase::Open | Phase::Draining { .. } | Phase::Closing => {
                self.phase = Phase::Closing;
                self.rouse(outbox);
                self.session.detach()
            }
        }
    }

    /// The session is over: begins the next one, or ends the client.
    pub(super) fn succeed(&mut self, end: End, outbox: &mut Outbox) {
        if self.phase == Phase::Open && self.on_expiry == OnExpiry::Renew && self.session.renew() {
            return;
        }
        self.phase = Phase::Over(end);
        self.timers.stop(outbox);
        self.challenge = None;
        outbox.wake(self.challenge_waker.take());
    }

    /// Closes the session if nothing is left to wait for.
    pub(super) fn drain(&mut self) {
        let Phase::Draining { until } = self.phase else { return };
        let is_connected = matches!(self.session.state(), State::Connected { .. });
        if self.chores.is_empty() || !is_connected || until.is_some_and(|until| until <= self.now()) {
            self.phase = Phase::Closing;
            self.session.close();
        }
    }

    /// Lets time pass for work in the background: the time it gets begins now, or is over.
    pub(super) fn handle_drain_timeout(&mut self) {
        if self.phase == (Phase::Draining { until: None }) {
            self.phase = Phase::Draining { until: Some(self.now() + self.session.config().close_timeout) };
        }
        self.drain();
    }

    /// Returns when [`handle_drain_timeout`](Self::handle_drain_timeout) is due.
    pub(super) fn drain_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Draining { until } => Some(until.unwrap_or(self.now())),
            Phase::Open | Phase::Closing | Phase::Over(_) => None,
        }
    }

    /// Returns whether users' requests are taken.
    #[cfg(feature = "recipes")]
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Returns how the client's last session ended, when there will be no other.
    pub(super) fn over(&self) -> Option<End> {
        match self.phase {
            Phase::Over(end) => Some(end),
            Phase::Open | Phase::Draining { .. } | Phase::Closing => None,
        }
    }
}
