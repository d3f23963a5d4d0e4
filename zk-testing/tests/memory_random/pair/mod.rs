//! A server in memory and a real one, to which the same is done.
//!
//! The server in memory goes first, step by step, and what it sends is kept as what is expected of the other. Requests of one
//! connection are then sent to the real server together, and its frames compared one by one: within a connection, their
//! order is exact. Another connection has its turn only when all replies are there, so that both servers saw the same order
//! of requests, and events need no waiting for: they come before the next reply.

mod greet;

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use zk_proto::{
    Instant, SessionId,
    code::{ErrorCode, OpCode},
    record::RequestHeader,
    wire::{Encoder, Secret, split_frame},
};
use zk_testing::{
    Server,
    server::{ConnectionId, ReadOnly, WatchInfo},
};

use crate::{
    canon::{Canon, EVENT_XID},
    coverage::Coverage,
    memory_client::Frame,
    step::{Action, Body, Damage, Step, framed},
    wire::{Wire, parsed},
};

/// How many clients there are.
pub(crate) const CLIENTS: usize = 6;

/// So many requests are in flight at most.
const BATCH: usize = 64;

/// The clock of the server in memory goes on so much with each step: time is seen to pass, and nothing expires.
const STEP: Duration = Duration::from_micros(100);

const FRAME_LIMIT: usize = 64 << 20;

pub(crate) struct Pair {
    pub(crate) memory: Server,
    now: Instant,
    address: SocketAddr,
    patience: Duration,
    clients: [Client; CLIENTS],
    sessions: Vec<Session>,
    /// How many sessions there have been.
    met: usize,
    in_memory: Canon,
    in_real: Canon,
    batch: Batch,
    steps: usize,
    pub(crate) coverage: Coverage,
}

#[derive(Default)]
struct Client {
    open: Option<Open>,
    expected: VecDeque<Expected>,
    last_xid: i32,
}

struct Open {
    connection: ConnectionId,
    wire: Wire,
    /// As it is in memory.
    session_id: SessionId,
    has_auth: bool,
}

struct Session {
    memory: Credentials,
    real: Credentials,
}

struct Credentials {
    id: SessionId,
    passwd: Secret,
}

enum Expected {
    Frame {
        line: String,
        op: Option<OpCode>,
        /// The step, where its frames come in no order.
        unordered: Option<usize>,
    },
    End,
}

/// Requests on their way to the real server.
#[derive(Default)]
struct Batch {
    client: usize,
    len: usize,
    bytes: BytesMut,
}

/// Where the servers disagree.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) client: usize,
    /// The request that is answered.
    pub(crate) op: Option<OpCode>,
    pub(crate) memory: String,
    pub(crate) real: String,
}

impl Difference {
    /// Returns what is the same of a difference when it shows in another sequence.
    pub(crate) fn kind(&self) -> String {
        // What it is, and the error if it is a reply.
        let outcome = |line: &str| {
            let words: Vec<_> = line.split(' ').collect();
            let error = words.get(3).filter(|_| words[0] == "reply");
            format!("{} {}", words[0], error.copied().unwrap_or_default())
        };
        format!("{:?}: {} or {}", self.op, outcome(&self.memory), outcome(&self.real))
    }
}

impl Pair {
    /// Makes a pair of a server in memory and a real one that has had so many more transactions. What the real one does not
    /// answer within `patience` counts as unanswered.
    pub(crate) fn new(memory: Server, address: SocketAddr, base: i64, patience: Duration) -> Self {
        Self {
            in_memory: Canon::new(0),
            in_real: Canon::new(base),
            patience,
            memory,
            now: Instant::ORIGIN,
            address,
            clients: Default::default(),
            sessions: Vec::new(),
            met: 0,
            batch: Batch::default(),
            steps: 0,
            coverage: Coverage::default(),
        }
    }

    pub(crate) fn is_open(&self, client: usize) -> bool {
        self.clients[client].open.is_some()
    }

    /// Returns the session of a client that has a connection, as it is in memory.
    pub(crate) fn session_id(&self, client: usize) -> Option<SessionId> {
        self.clients[client].open.as_ref().map(|open| open.session_id)
    }

    pub(crate) fn has_auth(&self, client: usize) -> bool {
        self.clients[client].open.as_ref().is_some_and(|open| open.has_auth)
    }

    /// Returns the number of sessions to take up again, some of which are over.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Does a step, or leaves it where it makes no sense: a call without a connection, a greeting with one.
    pub(crate) fn perform(&mut self, step: &Step) -> Result<(), Difference> {
        self.steps += 1;
        self.now = self.now + STEP;
        if step.is_alone || self.batch.client != step.client || self.batch.len == BATCH {
            self.flush()?;
        }
        let is_open = self.is_open(step.client);
        match &step.action {
            Action::Greet(greeting) if !is_open => {
                self.settle_all()?;
                self.greet(step.client, greeting)?;
            }
            Action::Call { op, body, damage } if is_open => {
                if step.is_alone {
                    self.settle(step.client)?;
                }
                self.call(step.client, *op, body, damage);
                // Where there is no answer, the request could be overtaken by those of others.
                if *op == OpCode::Check {
                    self.settle(step.client)?;
                }
            }
            Action::Nonsense(bytes) if is_open => {
                self.settle(step.client)?;
                self.send(step.client, bytes, bytes);
                self.collect(step.client, None);
            }
            Action::HangUp if is_open => {
                self.settle(step.client)?;
                self.hang_up(step.client)?;
            }
            Action::Greet(_) | Action::Call { .. } | Action::Nonsense(_) | Action::HangUp => {}
        }
        if step.is_alone { self.flush() } else { Ok(()) }
    }

    /// Cuts the server in memory off, as the real one has been.
    pub(crate) fn lose_quorum(&mut self, kind: ReadOnly) -> Result<(), Difference> {
        self.memory.set_read_only(Some(kind), self.now);
        // Sessions that were local are forgotten.
        if kind == ReadOnly::LocalSessions {
            self.sessions.clear();
        }
        self.collect(0, None);
        self.flush()
    }

    /// Waits until everybody has heard everything.
    pub(crate) fn settle_all(&mut self) -> Result<(), Difference> {
        (0..CLIENTS).try_for_each(|client| self.settle(client))
    }

    /// Waits until a client has heard everything, by a ping.
    fn settle(&mut self, client: usize) -> Result<(), Difference> {
        self.flush()?;
        // Who is not let in has no watches, and would lose the connection by the ping.
        let is_let_in = self.memory.options().required_auth.is_empty() || self.has_auth(client);
        if self.is_open(client) && is_let_in {
            self.call(client, OpCode::Ping, &Body::Nothing, &Damage::None);
        }
        self.flush()
    }

    fn call(&mut self, client: usize, op: OpCode, body: &Body, damage: &Damage) {
        self.clients[client].last_xid += 1;
        let xid = match op {
            OpCode::Ping => -2,
            OpCode::Auth => -4,
            _ => self.clients[client].last_xid,
        };
        let frame = |ahead| {
            let mut frame = BytesMut::new();
            Encoder::new(&mut frame).put(&RequestHeader { xid, op });
            frame.unsplit(body.encoded(op, damage, &self.memory, ahead));
            framed(&frame)
        };
        let (for_memory, for_real) = (frame(0), frame(self.in_real.absolute(0)));
        let watches = if may_fire(op) { self.memory.watches() } else { Vec::new() };
        self.send(client, &for_memory, &for_real);
        self.coverage.called(op, damage);
        let events = self.collect(client, Some((op, body)));
        self.cover_events(op, &watches, &events);
    }

    /// Hands bytes to the server in memory, and keeps those for the other.
    fn send(&mut self, client: usize, for_memory: &[u8], for_real: &[u8]) {
        let Some(open) = &self.clients[client].open else { return };
        self.memory.handle_input(open.connection, &mut BytesMut::from(for_memory), self.now);
        self.batch.client = client;
        self.batch.len += 1;
        self.batch.bytes.extend_from_slice(for_real);
    }

    /// Takes what the server in memory has to send, and returns the events: who is told what.
    fn collect(&mut self, client: usize, call: Option<(OpCode, &Body)>) -> Vec<(usize, Frame)> {
        let mut events = Vec::new();
        while let Some(connection) = self.memory.poll_ready() {
            let is_it = |other: &Client| other.open.as_ref().is_some_and(|open| open.connection == connection);
            let Some(to) = self.clients.iter().position(is_it) else {
                // A connection that was hung up on before it got anywhere.
                self.memory.handle_disconnected(connection);
                continue;
            };
            let mut output = BytesMut::new();
            while let Some(bytes) = self.memory.poll_transmit(connection) {
                output.extend_from_slice(&bytes);
            }
            while let Some(frame) = split_frame(&mut output, FRAME_LIMIT).expect("a server sends no huge frames") {
                let frame = parsed(frame);
                let op = call.map(|(op, _)| op).filter(|_| frame.header.xid != EVENT_XID && to == client);
                let line = self.in_memory.line(&frame, op);
                let unordered =
                    (call.map(|(op, _)| op) == Some(OpCode::CloseSession) && op.is_none()).then_some(self.steps);
                self.clients[to].expected.push_back(Expected::Frame { line, op, unordered });
                match (op, call) {
                    (Some(_), Some((op, body))) => {
                        self.coverage.answered(op, body, &frame);
                        if op == OpCode::Auth && frame.header.err == ErrorCode::Ok {
                            self.note_auth(client, body);
                        }
                    }
                    _ => events.push((to, frame)),
                }
            }
            if self.memory.wants_close(connection) {
                self.memory.handle_disconnected(connection);
                self.clients[to].expected.push_back(Expected::End);
            }
        }
        events
    }

    fn note_auth(&mut self, client: usize, body: &Body) {
        let is_digest = matches!(body, Body::Auth(packet) if packet.scheme.as_deref() == Some("digest"));
        if let Some(open) = &mut self.clients[client].open {
            open.has_auth |= is_digest;
        }
    }

    fn cover_events(&mut self, op: OpCode, watches: &[WatchInfo], events: &[(usize, Frame)]) {
        for (client, frame) in events {
            let session = self.session_id(*client);
            let watches = watches.iter().filter(|watch| Some(watch.session) == session);
            self.coverage.heard(op, watches, frame);
        }
    }

    /// Sends what is on its way, and compares what the real server sends with what is expected.
    fn flush(&mut self) -> Result<(), Difference> {
        let Batch { client, bytes, .. } = std::mem::take(&mut self.batch);
        if !bytes.is_empty() {
            if let Some(open) = &mut self.clients[client].open {
                open.wire.send(&bytes);
            }
            self.drain(client)?;
        }
        for client in 0..CLIENTS {
            if matches!(self.clients[client].expected.back(), Some(Expected::End)) {
                self.drain(client)?;
            }
        }
        Ok(())
    }

    fn drain(&mut self, client: usize) -> Result<(), Difference> {
        while let Some(expected) = self.clients[client].expected.pop_front() {
            match expected {
                Expected::End => {
                    let found = self.next_line(client, None);
                    self.clients[client].open = None;
                    same(client, "hung up".into(), found)?;
                }
                Expected::Frame { line, op, unordered: None } => {
                    let found = self.next_line(client, op);
                    same_reply(client, op, line, found)?;
                }
                Expected::Frame { line, unordered: Some(step), .. } => {
                    let mut lines = vec![line];
                    while let Some(Expected::Frame { unordered: Some(other), .. }) =
                        self.clients[client].expected.front()
                    {
                        if *other != step {
                            break;
                        }
                        if let Some(Expected::Frame { line, .. }) = self.clients[client].expected.pop_front() {
                            lines.push(line);
                        }
                    }
                    let mut found: Vec<_> = lines.iter().map(|_| self.next_line(client, None)).collect();
                    lines.sort();
                    found.sort();
                    same(client, lines.join("\n"), found.join("\n"))?;
                }
            }
        }
        Ok(())
    }

    /// Returns what the real server sends next to a client.
    fn next_line(&mut self, client: usize, op: Option<OpCode>) -> String {
        match &mut self.clients[client].open {
            Some(open) => self.in_real.next_line(&mut open.wire, op),
            None => "hung up before".into(),
        }
    }

    fn hang_up(&mut self, client: usize) -> Result<(), Difference> {
        let Some(mut open) = self.clients[client].open.take() else { return Ok(()) };
        self.memory.handle_disconnected(open.connection);
        open.wire.finish();
        // Only when the other side has closed as well are the watches gone.
        same(client, "hung up".into(), self.in_real.next_line(&mut open.wire, None))
    }
}

fn same(client: usize, memory: String, real: String) -> Result<(), Difference> {
    same_reply(client, None, memory, real)
}

fn same_reply(client: usize, op: Option<OpCode>, memory: String, real: String) -> Result<(), Difference> {
    if memory == real { Ok(()) } else { Err(Difference { client, op, memory, real }) }
}

/// Returns whether it can fire watches.
fn may_fire(op: OpCode) -> bool {
    use OpCode::*;
    matches!(op, Create | Create2 | CreateContainer | CreateTtl | Delete | SetData | Multi | CloseSession)
}
