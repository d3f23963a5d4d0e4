//! Who leads, and what follows when nobody does.
//!
//! A leader leads as long as it runs and hears of a majority, itself included. When it is gone, or has heard of too few for
//! [`sync_limit`](super::EnsembleOptions::sync_limit), all servers drop their clients; a majority that can talk elects
//! another one, which begins a new epoch and gives every session its full timeout.

use zk_proto::Instant;

use super::{Ensemble, member::State};
use crate::server::Standing;

/// Who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leadership {
    /// This server. If it hears of too few, it decides nothing, and gives up at that time.
    Led { by: usize, gives_up: Option<Instant> },
    /// There is a majority, which has chosen one at that time. The last leader is not, if there is another.
    Electing { until: Instant, last: Option<usize> },
    /// There is no majority.
    Vacant { last: Option<usize> },
}

impl Leadership {
    pub(super) fn leader(self) -> Option<usize> {
        match self {
            Self::Led { by, .. } => Some(by),
            Self::Electing { .. } | Self::Vacant { .. } => None,
        }
    }

    fn last(self) -> Option<usize> {
        match self {
            Self::Led { by, .. } => Some(by),
            Self::Electing { last, .. } | Self::Vacant { last } => last,
        }
    }
}

impl Ensemble {
    /// Returns whether there is a leader that a majority hears.
    pub(super) fn is_deciding(&self) -> bool {
        match self.leadership {
            Leadership::Led { gives_up, .. } => gives_up.is_none(),
            Leadership::Electing { .. } | Leadership::Vacant { .. } => false,
        }
    }

    /// Returns when leaders or servers come or go next.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        let leader = match self.leadership {
            Leadership::Led { gives_up, .. } => gives_up,
            Leadership::Electing { until, .. } => Some(until),
            Leadership::Vacant { .. } => None,
        };
        let members = self.members.iter().map(|member| match member.state {
            State::Crashed | State::Looking => None,
            State::Joining(at) => Some(at),
            State::Serving { gives_up } => gives_up,
        });
        members.chain([leader]).flatten().min()
    }

    /// Lets leaders and servers come and go whose time it is.
    pub(super) fn lead(&mut self, now: Instant) {
        match self.leadership {
            Leadership::Led { gives_up: Some(at), .. } if at <= now => self.step_down(now),
            Leadership::Electing { until, last } if until <= now => self.elect(last, now),
            Leadership::Led { .. } | Leadership::Electing { .. } | Leadership::Vacant { .. } => {}
        }
        for index in 0..self.members.len() {
            match self.members[index].state {
                State::Joining(at) if at <= now => self.members[index].join(&self.log, &self.truth, now),
                State::Serving { gives_up: Some(at) } if at <= now => self.look(index, now),
                State::Crashed | State::Looking | State::Joining(_) | State::Serving { .. } => {}
            }
        }
    }

    /// Draws the conclusions from a server that has come or gone.
    pub(super) fn reconsider(&mut self, now: Instant) {
        let has_majority = self.is_majority(|member| member.is_connected());
        match self.leadership {
            Leadership::Led { by, gives_up } => {
                let is_gone = self.members[by].is_crashed() || !self.is_majority(|member| !member.is_crashed());
                let is_heard = has_majority && self.members[by].is_connected();
                if is_gone {
                    return self.step_down(now);
                }
                let gives_up = if is_heard { None } else { Some(gives_up.unwrap_or(now + self.options.sync_limit)) };
                self.leadership = Leadership::Led { by, gives_up };
                if is_heard {
                    self.admit(now);
                }
            }
            Leadership::Electing { last, .. } if !has_majority => {
                self.leadership = Leadership::Vacant { last };
                self.look_anew(now);
            }
            Leadership::Vacant { last } if has_majority => {
                self.leadership = Leadership::Electing { until: now + self.options.election, last };
                self.look_anew(now);
            }
            Leadership::Electing { .. } | Leadership::Vacant { .. } => self.look_anew(now),
        }
    }

    /// Ends the reign of a leader. All servers drop their clients, and what was not committed is lost.
    pub(super) fn step_down(&mut self, now: Instant) {
        let last = self.leadership.last();
        self.leadership = if self.is_majority(|member| member.is_connected()) {
            Leadership::Electing { until: now + self.options.election, last }
        } else {
            Leadership::Vacant { last }
        };
        for index in 0..self.members.len() {
            if !self.members[index].is_crashed() {
                self.look(index, now);
            }
        }
    }

    fn elect(&mut self, last: Option<usize>, now: Instant) {
        let mut able: Vec<_> = self.members.iter().filter(|member| member.is_connected()).collect();
        if able.len() > 1 {
            able.retain(|member| Some(member.index) != last);
        }
        let by = able[self.dice.below(able.len())].index;
        self.leadership = Leadership::Led { by, gives_up: None };
        self.homes.clear();
        self.truth.begin_epoch();
        self.truth.restart(now);
        self.members[by].join(&self.log, &self.truth, now);
        self.admit(now);
    }

    /// Lets all servers join that can.
    fn admit(&mut self, now: Instant) {
        for member in &mut self.members {
            if member.is_connected() && member.state == State::Looking {
                // There and back.
                let delay = member.delay(&mut self.dice) + member.delay(&mut self.dice);
                member.leave(State::Joining(now + delay), Standing::Away, now);
            }
        }
    }

    /// Lets a server look for a leader, and meanwhile serve who only wants to read if it may.
    pub(super) fn look(&mut self, index: usize, now: Instant) {
        let standing = self.standing_without_leader(index);
        self.members[index].leave(State::Looking, standing, now);
    }

    /// Lets the servers without a leader begin or end to serve who only wants to read.
    fn look_anew(&mut self, now: Instant) {
        for index in 0..self.members.len() {
            let standing = self.standing_without_leader(index);
            let member = &mut self.members[index];
            if member.state == State::Looking && member.machine.standing() != standing {
                member.leave(State::Looking, standing, now);
            }
        }
    }

    fn standing_without_leader(&self, index: usize) -> Standing {
        let is_hopeless = match self.leadership {
            Leadership::Led { .. } | Leadership::Electing { .. } => self.members[index].is_isolated,
            Leadership::Vacant { .. } => true,
        };
        self.options.read_only.filter(|_| is_hopeless).map_or(Standing::Away, Standing::ReadOnly)
    }

    fn is_majority(&self, counts: impl Fn(&super::Member) -> bool) -> bool {
        self.members.iter().filter(|member| counts(member)).count() * 2 > self.members.len()
    }
}
