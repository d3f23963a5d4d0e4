//! A server that follows a leader: what it asks for, and what it does with the answers.
//!
//! Reads are served from what has been carried out here. What needs the leader is forwarded when it is read, several requests
//! of a connection one behind the other; everything else of a connection waits until those before it are answered, so that
//! replies come in the order of requests. Authentication alone is answered at once, as on real servers.

use std::{collections::BTreeMap, mem};

use bytes::{Bytes, BytesMut};
use zk_proto::{
    Instant, SessionId,
    code::{ErrorCode, OpCode},
};

use super::{
    ConnectionId, Options, ReadOnly, Server,
    connections::{Phase, Slot},
    input::is_write,
    leader::{Proposal, Request, Verdict, Write},
    txn::{Deed, Txn},
};

/// What a server that is not alone has besides.
#[derive(Default)]
pub(super) struct Replica {
    /// What the leader has not been asked yet.
    proposals: Vec<Proposal>,
    /// The sessions of which the leader does not know yet that they were heard of, with their timeouts.
    pub(super) touched: BTreeMap<SessionId, i32>,
    /// Whether nobody is served.
    is_away: bool,
    /// The first id that a session may have that only this server knows of.
    first_local: Option<SessionId>,
}

/// A request that is not answered yet.
pub(super) enum Waiting {
    /// The leader was asked.
    Forwarded(Received),
    /// It is served here, once those before it are answered.
    Behind(Received),
}

/// A request as it came in.
pub(super) struct Received {
    xid: i32,
    op: OpCode,
    body: Bytes,
}

/// Whether a server takes part in its ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It follows the leader, or leads.
    Member,
    /// It has no leader, and takes nobody.
    Away,
    /// It has no leader, and takes who only wants to read.
    ReadOnly(ReadOnly),
}

/// # For the ensemble
impl Server {
    /// Makes a fresh server that is to follow a leader. It takes nobody yet.
    pub(crate) fn replica(options: Options, seed: u64) -> Self {
        let mut server = Self::new(options, seed);
        server.replica = Some(Box::new(Replica { is_away: true, ..Replica::default() }));
        server
    }

    /// Joins the ensemble or leaves it. All connections are dropped, and what the leader was asked is forgotten.
    pub(crate) fn stand(&mut self, standing: Standing, now: Instant) {
        self.advance(now);
        self.cut_all();
        self.sessions.forget_local();
        self.sessions.count_from(self.options.server_id, self.wall_ms());
        let (is_away, read_only) = match standing {
            Standing::Member => (false, None),
            Standing::Away => (true, None),
            Standing::ReadOnly(read_only) => (false, Some(read_only)),
        };
        self.read_only = read_only;
        let first_local = read_only.map(|_| self.sessions.peek_id());
        self.replica = Some(Box::new(Replica { is_away, first_local, ..Replica::default() }));
    }

    /// Returns what a server takes part in; one that is alone is its own ensemble.
    pub(crate) fn standing(&self) -> Standing {
        match self.read_only {
            Some(read_only) => Standing::ReadOnly(read_only),
            None if self.is_away() => Standing::Away,
            None => Standing::Member,
        }
    }

    /// Returns what the leader is to be asked, in this order.
    pub(crate) fn take_proposals(&mut self) -> Vec<Proposal> {
        self.replica.as_mut().map(|replica| mem::take(&mut replica.proposals)).unwrap_or_default()
    }

    pub(crate) fn has_touched(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| !replica.touched.is_empty())
    }

    /// Returns the sessions that were heard of, with their timeouts.
    pub(crate) fn take_touched(&mut self) -> BTreeMap<SessionId, i32> {
        self.replica.as_mut().map(|replica| mem::take(&mut replica.touched)).unwrap_or_default()
    }

    /// Carries out the next transaction, and answers the connection that asked for it.
    pub(crate) fn commit(&mut self, txn: &Txn, asking: Option<ConnectionId>, now: Instant) {
        self.advance(now);
        let asking = asking.and_then(|connection| self.connections.slot(connection));
        if let Deed::End { .. } = txn.deed {
            let bound = self.sessions.get(txn.session).and_then(|session| session.connection);
            if let Some(other) = bound.filter(|slot| Some(*slot) != asking) {
                self.drop_connection(other);
            }
        }
        let outcome = self.carry_out(txn.clone());
        let Some(slot) = asking else { return };
        match self.asked(slot) {
            Some(Asked::Session(asked)) => self.take_up(slot, asked),
            Some(Asked::Request(_)) if matches!(txn.deed, Deed::Failure(ErrorCode::SessionMoved)) => {
                self.close_connection(slot);
            }
            Some(Asked::Request(request)) => {
                self.answer_write(slot, request.xid, request.op, outcome);
                self.go_on(slot);
            }
            None => {}
        }
    }

    /// Takes an answer that is no transaction.
    pub(crate) fn handle_verdict(&mut self, connection: ConnectionId, verdict: Verdict, now: Instant) {
        self.advance(now);
        let Some(slot) = self.connections.slot(connection) else { return };
        match (self.asked(slot), verdict) {
            (Some(Asked::Session(asked)), Verdict::Lives) => self.take_up(slot, asked),
            (Some(Asked::Session(asked)), Verdict::Unknown | Verdict::Synced | Verdict::Refused(_)) => {
                self.refuse_session(slot, asked.read_only);
            }
            (Some(Asked::Request(request)), Verdict::Lives | Verdict::Unknown | Verdict::Synced) => {
                self.serve_waiting(slot, request);
                self.go_on(slot);
            }
            (Some(Asked::Request(request)), Verdict::Refused(error)) => {
                self.answer_write(slot, request.xid, request.op, Err(error));
                self.go_on(slot);
            }
            (None, _) => {}
        }
    }
}

/// What a connection has asked the leader for.
enum Asked {
    Session(Session),
    Request(Received),
}

struct Session {
    id: SessionId,
    timeout_ms: i32,
    read_only: Option<bool>,
}

/// # For the rest of the server
impl Server {
    pub(super) fn is_away(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| replica.is_away)
    }

    pub(super) fn has_proposals(&self) -> bool {
        self.replica.as_ref().is_some_and(|replica| !replica.proposals.is_empty())
    }

    /// Returns whether a session that is not known may be one that ended here and that nobody else knew of. Of all others a
    /// server that is cut off cannot say that they are over.
    pub(super) fn may_be_local(&self, id: SessionId) -> bool {
        match &self.replica {
            Some(replica) => replica.first_local.is_some_and(|first| (first..self.sessions.peek_id()).contains(&id)),
            None => true,
        }
    }

    /// Closes a connection that has come to a server without a leader.
    pub(super) fn turn_away(&mut self, slot: Slot, input: &mut BytesMut) {
        let text = match &input[..4] {
            b"ruok" => "imok",
            b"isro" => "null",
            b"srvr" | b"stat" | b"cons" | b"mntr" | b"dump" | b"wchs" | b"wchc" | b"wchp" => {
                "This ZooKeeper instance is not currently serving requests\n"
            }
            _ => "",
        };
        input.clear();
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.out.extend_from_slice(text.as_bytes());
        }
        self.close_connection(slot);
    }

    /// Asks the leader for a session.
    pub(super) fn ask(
        &mut self,
        slot: Slot,
        session: SessionId,
        timeout_ms: i32,
        read_only: Option<bool>,
        request: Request,
    ) {
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.phase = Phase::Asking { session, timeout_ms, read_only };
        }
        self.propose(slot, session, request);
    }

    /// Serves a request when those before it are answered, or forwards it now.
    pub(super) fn serve_in_turn(&mut self, slot: Slot, session: SessionId, xid: i32, op: OpCode, body: Bytes) {
        let received = Received { xid, op, body };
        let is_forwarded = self.read_only.is_none() && (is_write(op) || op == OpCode::CloseSession);
        let Some(connection) = self.connections.get_mut(slot) else { return };
        if !is_forwarded {
            match connection.waiting.is_empty() {
                true => self.serve_waiting(slot, received),
                false => connection.waiting.push_back(Waiting::Behind(received)),
            }
            return;
        }
        let request = match op {
            OpCode::CloseSession => Request::End,
            OpCode::Sync => Request::Sync,
            _ => Request::Write(Write { identities: connection.identities.clone(), op, body: received.body.clone() }),
        };
        connection.waiting.push_back(Waiting::Forwarded(received));
        self.propose(slot, session, request);
    }

    fn propose(&mut self, slot: Slot, session: SessionId, request: Request) {
        let Some(connection) = self.connections.get(slot).map(|connection| connection.id) else { return };
        if let Some(replica) = &mut self.replica {
            replica.proposals.push(Proposal { connection, session, request });
        }
    }

    /// Returns what a connection waits for, which is off its list then.
    fn asked(&mut self, slot: Slot) -> Option<Asked> {
        let connection = self.connections.get_mut(slot)?;
        match connection.phase {
            Phase::Asking { session: id, timeout_ms, read_only } => {
                Some(Asked::Session(Session { id, timeout_ms, read_only }))
            }
            Phase::Open { .. } => match connection.waiting.pop_front() {
                Some(Waiting::Forwarded(request)) => Some(Asked::Request(request)),
                Some(waiting @ Waiting::Behind(_)) => {
                    connection.waiting.push_front(waiting);
                    None
                }
                None => None,
            },
            Phase::New | Phase::Ignored | Phase::Closing | Phase::Closed => None,
        }
    }

    /// Gives a connection its session, of which this server may not have heard before.
    fn take_up(&mut self, slot: Slot, asked: Session) {
        let Session { id, timeout_ms, read_only } = asked;
        self.sessions.add(id, timeout_ms, false);
        let bound = self.sessions.get(id).and_then(|session| session.connection);
        if let Some(other) = bound.filter(|other| *other != slot) {
            self.drop_connection(other);
        }
        self.bind(slot, id, read_only, timeout_ms);
    }

    /// Serves what has waited for an answer, up to what still waits.
    fn go_on(&mut self, slot: Slot) {
        while let Some(connection) = self.connections.get_mut(slot) {
            match connection.waiting.pop_front() {
                Some(Waiting::Behind(request)) => self.serve_waiting(slot, request),
                Some(waiting @ Waiting::Forwarded(_)) => {
                    connection.waiting.push_front(waiting);
                    break;
                }
                None => break,
            }
        }
        // There is room for more, even if there was nothing to say.
        self.connections.mark_ready(slot);
    }

    fn serve_waiting(&mut self, slot: Slot, request: Received) {
        let Some(session) = self.connections.get(slot).and_then(|connection| connection.session()) else { return };
        self.serve_known(slot, session, request.xid, request.op, request.body);
    }
}
