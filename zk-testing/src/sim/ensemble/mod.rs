//! Several servers that replicate, as one pure machine: the same server as [`Server`], several times, and a leader.
//!
//! There is one order of transactions. A write goes from the server that received it to the leader, which decides it against
//! all that was decided before, gives it its number and commits it at once; each server carries it out some time later, in
//! that order, and the one that was asked answers. Reads are served by each server from what it has carried out. So a server
//! can be behind, and a request can be lost on its way to a leader that is no more, but what was committed stays.
//!
//! The leader's knowledge is a machine of its own, without connections: it is what is true, wherever the leader is. Which
//! server leads decides only whose messages take no time, and what happens when that server is gone.
//!
//! With one server, nothing takes time, and an ensemble answers as a [`Server`] does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use zk_proto::{Instant, SessionId};

mod faults;
mod leadership;
mod member;
mod options;
mod replication;
#[cfg(test)]
mod tests;
mod transaction;

pub(crate) use options::EnsembleOptions;
pub(crate) use transaction::{Effect, Transaction};

use crate::{
    server::{ConnectionId, NodeInfo, Server, SessionInfo, WatchInfo},
    sim::dice::Dice,
};
use leadership::Leadership;
use member::Member;
use transaction::Log;

/// A connection of one of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Endpoint {
    pub(crate) server: usize,
    pub(crate) connection: ConnectionId,
}

/// Several servers that replicate. See the [module](self).
pub(crate) struct Ensemble {
    options: EnsembleOptions,
    members: Vec<Member>,
    leadership: Leadership,
    /// All that is committed, and the sessions with their time.
    truth: Server,
    /// Where each session is served. A leader learns it anew.
    homes: BTreeMap<SessionId, usize>,
    /// Those that had a connection broken because they were served elsewhere by then.
    moved: BTreeSet<SessionId>,
    log: Log,
    history: Vec<Transaction>,
    dice: Dice,
    now: Instant,
}

impl Ensemble {
    /// Makes fresh servers, of which one leads.
    pub(crate) fn new(options: EnsembleOptions, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut settings = options.server.clone();
        settings.read_only = None;
        let truth = Server::new(settings.clone(), dice.number());
        let first_id = settings.server_id;
        let members = (0..options.servers.max(1)).map(|index| {
            settings.server_id = first_id.wrapping_add(u8::try_from(index).unwrap_or(u8::MAX));
            Member::new(index, Server::replica(settings.clone(), dice.number()), options.lag)
        });
        let members: Vec<_> = members.collect();
        let leader = dice.below(members.len());
        let mut ensemble = Self {
            options,
            members,
            leadership: Leadership::Led { by: leader, gives_up: None },
            truth,
            homes: BTreeMap::new(),
            moved: BTreeSet::new(),
            log: Log::default(),
            history: Vec::new(),
            dice,
            now: Instant::ORIGIN,
        };
        for member in &mut ensemble.members {
            member.join(&ensemble.log, &ensemble.truth, Instant::ORIGIN);
        }
        ensemble
    }

    /// Returns whether a connection of this session was ever broken because the session was served elsewhere.
    pub(crate) fn has_moved(&self, session: SessionId) -> bool {
        self.moved.contains(&session)
    }

    /// Returns how many servers there are, whether they run or not.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Takes a new connection, or returns `None` where nobody listens. A server without a leader takes it and closes it soon.
    pub(crate) fn connect(&mut self, server: usize, peer: SocketAddr, now: Instant) -> Option<Endpoint> {
        self.advance(now);
        let member = self.members.get_mut(server).filter(|member| !member.is_crashed())?;
        Some(Endpoint { server, connection: member.machine.connect(peer, now) })
    }

    /// Takes bytes of a connection, as [`Server::handle_input`] does.
    pub(crate) fn handle_input(&mut self, at: Endpoint, input: &mut BytesMut, now: Instant) {
        self.advance(now);
        while let Some(member) = self.members.get_mut(at.server) {
            let before = input.len();
            member.machine.handle_input(at.connection, input, self.now);
            self.forward(at.server);
            self.deliver();
            // A server stops where the leader is asked, and may have had the answer by now.
            if input.is_empty() || input.len() == before {
                return;
            }
        }
    }

    /// Forgets a connection that is gone. Its session stays, and so does what was forwarded for it.
    pub(crate) fn handle_disconnected(&mut self, at: Endpoint) {
        if let Some(member) = self.members.get_mut(at.server) {
            member.machine.handle_disconnected(at.connection);
        }
    }

    /// Does what is due: messages between servers arrive, leaders come and go, sessions expire, containers and TTL nodes go,
    /// connections that do not get on are dropped.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.lead(self.now);
        self.report();
        self.deliver();
        self.expire_overdue();
        for member in &mut self.members {
            member.machine.handle_timeout(self.now);
        }
        self.reap_overdue();
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout) next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let leader = self.is_deciding().then(|| self.truth.poll_timeout()).flatten();
        let arrival = self.next_arrival().map(|(arrival, _)| arrival);
        let members = self.members.iter().flat_map(|member| [member.machine.poll_timeout(), member.report_due]);
        members.chain([leader, arrival, self.next_turn()]).flatten().min()
    }

    /// Returns a connection for which there is something new, each one once for any number of news.
    pub(crate) fn poll_ready(&mut self) -> Option<Endpoint> {
        let mut members = self.members.iter_mut();
        members.find_map(|member| Some(Endpoint { server: member.index, connection: member.machine.poll_ready()? }))
    }

    /// Returns bytes to send on a connection, as [`Server::poll_transmit`] does.
    pub(crate) fn poll_transmit(&mut self, at: Endpoint) -> Option<Bytes> {
        self.members.get_mut(at.server)?.machine.poll_transmit(at.connection)
    }

    /// Returns whether input of a connection would be taken.
    pub(crate) fn wants_input(&self, at: Endpoint) -> bool {
        self.members.get(at.server).is_some_and(|member| member.machine.wants_input(at.connection))
    }

    /// Returns whether a connection is to be closed once all is sent.
    pub(crate) fn wants_close(&self, at: Endpoint) -> bool {
        self.members.get(at.server).is_none_or(|member| member.machine.wants_close(at.connection))
    }

    /// Returns whether a connection is to be closed without waiting.
    pub(crate) fn wants_drop(&self, at: Endpoint) -> bool {
        self.members.get(at.server).is_none_or(|member| member.machine.wants_drop(at.connection))
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}

/// # What is true
impl Ensemble {
    /// Returns a node as it was committed last.
    pub(crate) fn node(&self, path: &str) -> Option<NodeInfo> {
        self.truth.node(path)
    }

    /// Returns the paths of all nodes, parents first.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.truth.dump("/").into_iter().map(|node| node.path).collect()
    }

    /// Returns the sessions, by their numbers. They have no connection here, and while nobody leads they expire later than told.
    pub(crate) fn sessions(&self) -> Vec<SessionInfo> {
        self.truth.sessions()
    }

    /// Returns which server leads, if one does.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.leadership.leader()
    }

    /// Returns every watch that a server keeps, by session and path.
    pub(crate) fn watches(&self, server: usize) -> Vec<WatchInfo> {
        self.members.get(server).map(|member| member.machine.watches()).unwrap_or_default()
    }

    /// Returns the connections of a server that were not told to have ended.
    pub(crate) fn connections(&self, server: usize) -> Vec<ConnectionId> {
        self.members.get(server).map(|member| member.machine.connections()).unwrap_or_default()
    }

    /// Returns what was committed since the last time. Who never does keeps all of it in memory.
    pub(crate) fn take_history(&mut self) -> Vec<Transaction> {
        std::mem::take(&mut self.history)
    }

    /// Sets how long messages between a server and the leader take from now on: half of it to all of it. Between the leader
    /// and itself they take no time.
    pub(crate) fn set_lag(&mut self, server: usize, lag: Duration) {
        if let Some(member) = self.members.get_mut(server) {
            member.lag = lag;
        }
    }
}
