//! What can happen to servers.

use zk_proto::Instant;

use super::{Ensemble, Leadership, member::State};
use crate::server::Standing;

impl Ensemble {
    /// Ends a server at once: its connections are gone, nobody listens, and what was on its way to or from it is lost. What it
    /// has carried out stays.
    pub(crate) fn crash(&mut self, server: usize, now: Instant) {
        self.advance(now);
        let Some(member) = self.members.get_mut(server).filter(|member| !member.is_crashed()) else { return };
        member.leave(State::Crashed, Standing::Away, self.now);
        self.reconsider(self.now);
    }

    /// Starts a server that has crashed. It serves once it has caught up with a leader.
    pub(crate) fn restart(&mut self, server: usize, now: Instant) {
        self.advance(now);
        if self.members.get(server).is_some_and(|member| member.is_crashed()) {
            self.look(server, self.now);
            self.reconsider(self.now);
        }
    }

    /// Cuts a server off from the others, but not from its clients.
    ///
    /// It serves what it has, and what needs the leader waits. Rejoined before the sync limit, it goes on as if messages had
    /// only been slow; after that, it has dropped its clients, and what was on its way is lost. A leader that is cut off, or
    /// from which too many others are, decides nothing meanwhile.
    pub(crate) fn isolate(&mut self, server: usize, now: Instant) {
        self.advance(now);
        let gives_up = self.now + self.options.sync_limit;
        let Some(member) = self.members.get_mut(server).filter(|member| !member.is_isolated) else { return };
        member.is_isolated = true;
        match member.state {
            State::Serving { .. } => member.state = State::Serving { gives_up: Some(gives_up) },
            State::Joining(_) => self.look(server, self.now),
            State::Crashed | State::Looking => {}
        }
        self.reconsider(self.now);
    }

    /// Lets a server talk to the others again.
    pub(crate) fn rejoin(&mut self, server: usize, now: Instant) {
        self.advance(now);
        let Some(member) = self.members.get_mut(server).filter(|member| member.is_isolated) else { return };
        member.is_isolated = false;
        match member.state {
            State::Serving { .. } => member.state = State::Serving { gives_up: None },
            State::Crashed | State::Looking | State::Joining(_) => {}
        }
        self.reconsider(self.now);
        self.deliver();
    }

    /// Deposes the leader. For the time of an election nobody is served; then another server leads, if there is one.
    pub(crate) fn change_leader(&mut self, now: Instant) {
        self.advance(now);
        match self.leadership {
            Leadership::Led { .. } => self.step_down(self.now),
            Leadership::Electing { .. } | Leadership::Vacant { .. } => {}
        }
    }
}
