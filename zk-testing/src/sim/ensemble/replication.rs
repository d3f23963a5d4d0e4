//! From a request at some server to a transaction at all of them.

use std::time::Duration;

use zk_proto::{Instant, SessionId, code::ErrorCode};

use super::{
    Endpoint, Ensemble, Transaction,
    member::{FromLeader, ToLeader},
};
use crate::server::{Proposal, Request, Txn, Verdict};

/// Which way a message arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrival {
    ToLeader { from: usize },
    FromLeader { to: usize },
}

impl Ensemble {
    /// Sends what a server has for the leader. Which sessions it heard of can wait, unless it leads itself.
    pub(super) fn forward(&mut self, from: usize) {
        let is_leader = self.leader() == Some(from);
        let half_tick = (self.options.server.tick_time / 2).max(Duration::from_millis(1));
        let Some(member) = self.members.get_mut(from) else { return };
        for proposal in member.machine.take_proposals() {
            let delay = if is_leader { Duration::ZERO } else { member.delay(&mut self.dice) };
            member.to_leader.send(self.now + delay, ToLeader::Proposal(proposal));
        }
        if member.report_due.is_none() && member.machine.has_touched() {
            let due = if is_leader { self.now } else { next_multiple(self.now, half_tick) };
            member.report_due = Some(due);
        }
        if is_leader {
            self.report();
        }
    }

    /// Tells the leader of sessions that were heard of, for whom it is time.
    pub(super) fn report(&mut self) {
        let leader = self.leader();
        for member in &mut self.members {
            if member.report_due.is_none_or(|due| due > self.now) {
                continue;
            }
            member.report_due = None;
            let delay = if leader == Some(member.index) { Duration::ZERO } else { member.delay(&mut self.dice) };
            member.to_leader.send(self.now + delay, ToLeader::Touched(member.machine.take_touched()));
        }
    }

    /// Returns when the next message arrives, and where. Of a server that is cut off, all wait; with a leader that cannot
    /// decide, those to it do.
    pub(super) fn next_arrival(&self) -> Option<(Instant, Arrival)> {
        let is_deciding = self.is_deciding();
        let members = self.members.iter().filter(|member| !member.is_isolated && member.is_serving());
        let arrivals = members.flat_map(|member| {
            let to = member.to_leader.next_arrival().filter(|_| is_deciding);
            let to = to.map(|due| (due, Arrival::ToLeader { from: member.index }));
            let from = member.from_leader.next_arrival().map(|due| (due, Arrival::FromLeader { to: member.index }));
            [to, from]
        });
        arrivals.flatten().min()
    }

    /// Lets all messages arrive whose time has come, and those that they bring about.
    pub(super) fn deliver(&mut self) {
        while let Some((_, arrival)) = self.next_arrival().filter(|(due, _)| *due <= self.now) {
            match arrival {
                Arrival::ToLeader { from } => match self.members[from].to_leader.take(self.now) {
                    Some(ToLeader::Proposal(proposal)) => self.decide(from, proposal),
                    Some(ToLeader::Touched(sessions)) => {
                        for (session, timeout_ms) in sessions {
                            self.truth.touch_session(session, timeout_ms, self.now);
                        }
                    }
                    None => {}
                },
                Arrival::FromLeader { to } => {
                    let member = &mut self.members[to];
                    match member.from_leader.take(self.now) {
                        Some(FromLeader::Committed(until)) => member.carry_out(&self.log, until, self.now),
                        Some(FromLeader::Verdict(connection, verdict)) => {
                            member.machine.handle_verdict(connection, verdict, self.now);
                        }
                        None => {}
                    }
                    self.forward(to);
                }
            }
        }
        let behind = self.members.iter().map(|member| member.carried_out).min();
        self.log.forget_before(behind.unwrap_or_default());
    }

    fn decide(&mut self, from: usize, proposal: Proposal) {
        let Proposal { connection, session, request } = proposal;
        let asking = Endpoint { server: from, connection };
        let verdict = match request {
            Request::Begin { timeout_ms } => {
                self.homes.insert(session, from);
                let txn = self.truth.propose_begin(session, timeout_ms, self.now);
                return self.commit(txn, Some(asking));
            }
            Request::Resume { timeout_ms } => match self.truth.resume_session(session, timeout_ms, self.now) {
                true => {
                    self.homes.insert(session, from);
                    Verdict::Lives
                }
                false => Verdict::Unknown,
            },
            Request::End => match self.truth.propose_end(session, self.now) {
                Some(txn) => return self.commit(txn, Some(asking)),
                None => Verdict::Refused(ErrorCode::SessionExpired),
            },
            Request::Sync => Verdict::Synced,
            Request::Write(write) => {
                let has_moved = match self.homes.get(&session) {
                    Some(home) => *home != from,
                    None if self.truth.has_session(session) => self.homes.insert(session, from).is_some(),
                    None => false,
                };
                if has_moved {
                    self.moved.insert(session);
                }
                match self.truth.propose_write(session, write, has_moved, self.now) {
                    Ok(txn) => return self.commit(txn, Some(asking)),
                    Err(error) => Verdict::Refused(error),
                }
            }
        };
        self.tell(from, FromLeader::Verdict(connection, verdict));
    }

    /// Commits a transaction: from here on it is true, and it is on its way to all servers.
    pub(super) fn commit(&mut self, txn: Txn, asking: Option<Endpoint>) {
        self.truth.confirm(&txn);
        let effects = txn.effects();
        if effects.contains(&super::Effect::Ended) {
            self.homes.remove(&txn.session);
        }
        self.history.push(Transaction { zxid: txn.zxid, at: self.now, session: txn.session, effects });
        let committed = self.log.push(txn, asking);
        for to in 0..self.members.len() {
            if self.members[to].is_serving() {
                self.tell(to, FromLeader::Committed(committed));
            }
        }
    }

    fn tell(&mut self, to: usize, message: FromLeader) {
        let leader = self.leader();
        let member = &mut self.members[to];
        let delay = if leader == Some(to) { Duration::ZERO } else { member.delay(&mut self.dice) };
        member.from_leader.send(self.now + delay, message);
    }

    /// Ends the sessions whose time is up.
    pub(super) fn expire_overdue(&mut self) {
        while self.is_deciding() {
            let Some(txn) = self.truth.propose_expiry(self.now) else { return };
            self.commit(txn, None);
            self.deliver();
        }
    }

    /// Deletes the containers and TTL nodes whose time is over, when it is time to look.
    pub(super) fn reap_overdue(&mut self) {
        if !self.is_deciding() {
            return;
        }
        for path in self.truth.overdue_nodes(self.now) {
            let txn = self.truth.propose_reaping(&path);
            self.commit(txn, None);
        }
        self.deliver();
    }

    /// Ends a session as if its time were up. Returns whether there was such a session, and a leader to end it.
    pub(crate) fn expire(&mut self, session: SessionId) -> bool {
        let txn = if self.is_deciding() { self.truth.propose_end(session, self.now) } else { None };
        let Some(txn) = txn else { return false };
        self.commit(txn, None);
        self.deliver();
        true
    }
}

/// Returns the first multiple of a duration that comes later.
fn next_multiple(now: Instant, unit: Duration) -> Instant {
    let unit = u64::try_from(unit.as_nanos()).unwrap_or(u64::MAX);
    Instant::from_nanos((now.as_nanos() / unit + 1).saturating_mul(unit))
}
