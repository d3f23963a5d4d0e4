//! One of the servers, and its two ways: to the leader and from it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use zk_proto::{Instant, SessionId};

use super::transaction::{Log, Position};
use crate::{
    server::{ConnectionId, Proposal, Server, Standing, Verdict},
    sim::dice::Dice,
};

pub(super) struct Member {
    pub(super) index: usize,
    pub(super) machine: Server,
    pub(super) state: State,
    /// Whether nothing goes between it and the others.
    pub(super) is_isolated: bool,
    pub(super) to_leader: Way<ToLeader>,
    pub(super) from_leader: Way<FromLeader>,
    /// When the leader is told which sessions were heard of.
    pub(super) report_due: Option<Instant>,
    pub(super) lag: Duration,
    /// How much of the log it has carried out.
    pub(super) carried_out: Position,
}

/// How far a server is in being part of the ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It does not run.
    Crashed,
    /// It knows no leader.
    Looking,
    /// It has found a leader, and has caught up with it at that time.
    Joining(Instant),
    /// It serves. If it was cut off, it gives up at that time.
    Serving { gives_up: Option<Instant> },
}

pub(super) enum ToLeader {
    Proposal(Proposal),
    /// These sessions were heard of, whose timeouts are these.
    Touched(BTreeMap<SessionId, i32>),
}

pub(super) enum FromLeader {
    /// So much of the log is committed.
    Committed(Position),
    Verdict(ConnectionId, Verdict),
}

/// A connection between two servers: messages arrive in their order, some time after they were sent.
pub(super) struct Way<T> {
    messages: VecDeque<(Instant, T)>,
}

impl<T> Default for Way<T> {
    fn default() -> Self {
        Self { messages: VecDeque::new() }
    }
}

impl<T> Way<T> {
    pub(super) fn send(&mut self, arrival: Instant, message: T) {
        let last = self.messages.back().map_or(arrival, |(last, _)| *last);
        self.messages.push_back((arrival.max(last), message));
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.messages.front().map(|(arrival, _)| *arrival)
    }

    /// Returns a message that has arrived.
    pub(super) fn take(&mut self, now: Instant) -> Option<T> {
        self.next_arrival().filter(|arrival| *arrival <= now)?;
        self.messages.pop_front().map(|(_, message)| message)
    }

    fn clear(&mut self) {
        self.messages.clear();
    }
}

impl Member {
    pub(super) fn new(index: usize, machine: Server, lag: Duration) -> Self {
        Self {
            index,
            machine,
            state: State::Looking,
            is_isolated: false,
            to_leader: Way::default(),
            from_leader: Way::default(),
            report_due: None,
            lag,
            carried_out: 0,
        }
    }

    pub(super) fn is_crashed(&self) -> bool {
        self.state == State::Crashed
    }

    /// Returns whether it runs and can talk to the others.
    pub(super) fn is_connected(&self) -> bool {
        !self.is_crashed() && !self.is_isolated
    }

    pub(super) fn is_serving(&self) -> bool {
        matches!(self.state, State::Serving { .. })
    }

    /// Returns how long the next message takes: half the lag at least.
    pub(super) fn delay(&self, dice: &mut Dice) -> Duration {
        if self.lag.is_zero() { Duration::ZERO } else { dice.duration(self.lag / 2, self.lag) }
    }

    /// Drops all clients, and all that was on its way.
    pub(super) fn leave(&mut self, state: State, standing: Standing, now: Instant) {
        self.state = state;
        self.to_leader.clear();
        self.from_leader.clear();
        self.report_due = None;
        self.machine.stand(standing, now);
    }

    /// Carries out what it has not yet of the log, and serves.
    pub(super) fn join(&mut self, log: &Log, leader: &Server, now: Instant) {
        self.leave(State::Serving { gives_up: None }, Standing::Member, now);
        self.carry_out(log, log.end(), now);
        self.machine.set_zxid(leader.zxid());
    }

    /// Carries out the log up to a position, and answers its clients who wait for that.
    pub(super) fn carry_out(&mut self, log: &Log, until: Position, now: Instant) {
        while self.carried_out < until {
            let Some((txn, asking)) = log.get(self.carried_out) else { return };
            self.carried_out += 1;
            // The names of other servers' connections mean nothing here.
            let asking = asking.filter(|asking| asking.server == self.index).map(|asking| asking.connection);
            self.machine.commit(txn, asking, now);
        }
    }
}
