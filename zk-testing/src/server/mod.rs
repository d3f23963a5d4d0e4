//! A ZooKeeper server in memory: one node, as a pure machine.
//!
//! [`Server`] takes bytes of many connections, and the time; it gives bytes, deadlines and connections to close. It opens
//! nothing, reads no clock and rolls no dice but those of its seed, so a test may run it in virtual time, and
//! [`TestServer`](crate::TestServer) serves it over TCP. What it does with a request, what it refuses and in which order
//! it looks at things, is what a real server of the chosen [`Version`] does; see [`Options`] for what can be chosen.
//!
//! It is a test double. It keeps nothing on disk, and it is alone: production is a ZooKeeper ensemble.
//!
//! # Turning the machine
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use zk_proto::{Instant, record::{ConnectRequest, ConnectResponse}, wire::{Decoder, Encoder}};
//! use zk_testing::server::{Options, Server};
//!
//! # fn main() -> Result<(), zk_proto::wire::DecodeError> {
//! let mut server = Server::new(Options::default(), 1);
//! let connection = server.connect(([127, 0, 0, 1], 50_000).into(), Instant::ORIGIN);
//!
//! let mut greeting = BytesMut::new();
//! Encoder::new(&mut greeting).put(&ConnectRequest { timeout_ms: 5000, read_only: Some(false), ..Default::default() });
//! let mut input = BytesMut::from(&(greeting.len() as u32).to_be_bytes()[..]);
//! input.unsplit(greeting);
//! server.handle_input(connection, &mut input, Instant::ORIGIN);
//!
//! assert_eq!(server.poll_ready(), Some(connection));
//! let mut answer = server.poll_transmit(connection).expect("a greeting is answered");
//! answer.advance(4);
//! let answer: ConnectResponse = Decoder::new(answer).get()?;
//! assert_eq!(answer.timeout_ms, 5000);
//! # Ok(())
//! # }
//! ```
//!
//! After each call, look at [`poll_ready`](Server::poll_ready) until it gives nothing: each connection that it names has
//! something to send, or is to be closed, or takes input again. Not looking costs liveness and memory, never correctness.
//!
//! # Limits
//!
//! Nothing is allocated by a length that is merely claimed, and whatever comes in costs at most its connection. While more
//! than [`Options::output_pause_bytes`] wait to be sent to a connection, its requests are left in the input buffer
//! ([`wants_input`](Server::wants_input) says so); when more than [`Options::output_limit_bytes`] have come together all
//! the same, from watch events or from one gigantic reply, the connection is dropped. Real servers know neither limit.
//!
//! # What it is not
//!
//! `reconfig` is refused as by a real single server. Of SASL there is DIGEST-MD5 alone. A client that sends `deleteContainer`, which is the servers' own, is told that there is no such
//! operation, and a `createTTL` that would kill real servers for good is refused.

mod acls;
mod answer;
mod auth;
mod connections;
mod decide;
mod events;
mod greeting;
mod input;
mod inspect;
mod java;
mod leader;
mod multi;
mod node;
mod options;
mod prepare;
mod quota;
mod reads;
mod reaper;
mod replica;
mod sasl;
mod sessions;
mod shuffle;
mod statistics;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
mod txn;
mod watches;
mod words;
mod writes;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zk_proto::{Instant, SessionId, Zxid, code::OpCode};

pub use connections::ConnectionId;
pub use inspect::{NodeInfo, SessionInfo, WatchInfo, WatchList};
pub(crate) use leader::{Proposal, Request, Verdict};
pub use options::{Options, Order, ReadOnly, Version};
pub(crate) use replica::Standing;
pub use sasl::Users;
pub(crate) use txn::{Effect, Txn};
pub use watches::WatchMode;

use auth::Identity;
use connections::{Connections, Phase, Slot};
use options::millis;
use replica::Replica;
use sessions::Sessions;
use shuffle::Shuffle;
use statistics::Statistics;
use tree::Tree;
use watches::Watches;

/// So long a connection that is to be closed may take to send what was queued before.
const LINGER: Duration = Duration::from_secs(5);

/// A ZooKeeper server of one node, without IO. See the [module](self).
pub struct Server {
    options: Options,
    tree: Tree,
    sessions: Sessions,
    connections: Connections,
    watches: Watches,
    zxid: Zxid,
    read_only: Option<ReadOnly>,
    now: Instant,
    next_reaping: Instant,
    shuffle: Shuffle,
    statistics: Statistics,
    /// How many SASL exchanges have begun.
    nonces: u64,
    /// Operations whose next reply is to be lost.
    swallowed: Vec<OpCode>,
    /// Operations whose next request is to be refused as one that waited too long.
    throttled: Vec<OpCode>,
    /// What a server needs that is not alone.
    replica: Option<Box<Replica>>,
}

impl Server {
    /// Makes a fresh server. The seed is for the order of what has none, see [`Order`].
    pub fn new(options: Options, seed: u64) -> Self {
        let mut server = Self {
            tree: Tree::new(options.version),
            sessions: Sessions::new(options.tick_ms()),
            connections: Connections::default(),
            watches: Watches::new(options.version),
            zxid: Zxid(0),
            read_only: options.read_only,
            now: Instant::ORIGIN,
            next_reaping: Instant::ORIGIN + options.container_check_interval,
            shuffle: Shuffle::new(options.order, seed),
            statistics: Statistics::default(),
            nonces: 0,
            swallowed: Vec::new(),
            throttled: Vec::new(),
            replica: None,
            options,
        };
        server.sessions.count_from(server.options.server_id, server.wall_ms());
        server
    }

    /// Returns the settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Sets the port that `conf` tells, which is known only once it is open.
    pub fn set_client_port(&mut self, port: u16) {
        self.options.client_port = port;
    }

    /// Takes a new connection.
    pub fn connect(&mut self, peer: SocketAddr, now: Instant) -> ConnectionId {
        self.advance(now);
        let is_full = self.is_full_for(peer.ip());
        let id = self.connections.add(peer, self.wall_ms());
        if let Some(slot) = self.connections.slot(id) {
            if is_full { self.drop_connection(slot) } else { self.expect_greeting(slot) }
        }
        id
    }

    /// Takes notice that a connection has shown a certificate, which was verified. Its subject, as in RFC 2253, is an id of the connection
    /// from now on, in the scheme `x509`. Does nothing where [certificates](Options::certificates) are unknown.
    pub fn certified(&mut self, connection: ConnectionId, subject: &str) {
        let connection = self.connections.slot(connection).and_then(|slot| self.connections.get_mut(slot));
        if let Some(connection) = connection.filter(|_| self.options.certificates) {
            connection.identities.push(Identity { scheme: "x509", id: subject.to_owned() });
        }
    }

    /// Takes bytes of a connection: whole frames off the front of `input`, as long as their replies find room. The rest
    /// stays.
    pub fn handle_input(&mut self, connection: ConnectionId, input: &mut BytesMut, now: Instant) {
        self.advance(now);
        if let Some(slot) = self.connections.slot(connection) {
            self.take_input(slot, input);
        }
    }

    /// Forgets a connection that is gone. Its session stays, for as long as its timeout.
    pub fn handle_disconnected(&mut self, connection: ConnectionId) {
        if let Some(slot) = self.connections.slot(connection) {
            self.detach(slot);
            self.connections.remove(slot);
        }
    }

    /// Does what is due: sessions expire, containers and TTL nodes go, connections that do not get on are dropped.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some(session) = self.sessions.overdue(self.now_ms()) {
            self.expire(session);
        }
        while let Some(slot) = self.connections.take_overdue(self.now) {
            self.drop_connection(slot);
        }
        for path in self.take_overdue_nodes() {
            let txn = self.decide_reaping(&path);
            // It was there a moment ago, and nothing else runs.
            _ = self.carry_out(txn);
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.sessions.next_expiry_ms().map(from_ms);
        [expiry, self.connections.next_deadline(), self.reaping_due()].into_iter().flatten().min()
    }

    /// Returns a connection for which [`poll_transmit`](Self::poll_transmit) or [`wants_close`](Self::wants_close) has
    /// something new, each one once for any number of news.
    pub fn poll_ready(&mut self) -> Option<ConnectionId> {
        self.connections.poll_ready()
    }

    /// Returns bytes to send on a connection, a bounded helping, to be sent before the next one.
    ///
    /// Once they are gone, input that was left because of [`wants_input`](Self::wants_input) may be taken.
    pub fn poll_transmit(&mut self, connection: ConnectionId) -> Option<Bytes> {
        self.connections.slot(connection).and_then(|slot| self.connections.poll_transmit(slot))
    }

    /// Returns whether input of a connection would be taken. While it is false, do not read.
    pub fn wants_input(&self, connection: ConnectionId) -> bool {
        let connection = self.connections.slot(connection).and_then(|slot| self.connections.get(slot));
        connection.is_some_and(|connection| match connection.phase {
            Phase::New | Phase::Open { .. } => connection.has_room(self.options.output_pause_bytes),
            Phase::Ignored => true,
            Phase::Asking { .. } | Phase::Closing | Phase::Closed => false,
        })
    }

    /// Returns whether a connection is to be closed: the server is done with it, and nothing is left to send. Closing it is
    /// to be told by [`handle_disconnected`](Self::handle_disconnected), as ever.
    pub fn wants_close(&self, connection: ConnectionId) -> bool {
        let connection = self.connections.slot(connection).and_then(|slot| self.connections.get(slot));
        connection.is_none_or(|connection| match connection.phase {
            Phase::New | Phase::Asking { .. } | Phase::Open { .. } | Phase::Ignored => false,
            Phase::Closing | Phase::Closed => connection.out.is_empty(),
        })
    }

    /// Returns whether a connection is to be closed without waiting for what was handed out before: it was cut, its session
    /// has expired, or it takes nothing.
    pub fn wants_drop(&self, connection: ConnectionId) -> bool {
        let connection = self.connections.slot(connection).and_then(|slot| self.connections.get(slot));
        connection.is_none_or(|connection| connection.phase == Phase::Closed)
    }

    /// Takes notice of the time, which never runs backwards here.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn now_ms(&self) -> u64 {
        self.now.as_nanos() / 1_000_000
    }

    /// Returns the wall clock: milliseconds since 1970.
    fn wall_ms(&self) -> i64 {
        i64::try_from(millis(self.options.wall_clock).saturating_add(self.now_ms())).unwrap_or(i64::MAX)
    }

    /// Returns whether an address has as many connections as it may.
    fn is_full_for(&self, address: IpAddr) -> bool {
        let limit = self.options.max_connections_per_address;
        limit > 0 && self.connections.iter().filter(|(_, other)| other.peer.ip() == address).count() >= limit
    }

    /// Closes a connection once what is queued for it is sent.
    fn close_connection(&mut self, slot: Slot) {
        self.end_connection(slot, Phase::Closing);
        self.connections.set_deadline(slot, Some(self.now + LINGER));
    }

    /// Closes a connection at once, whatever is queued for it.
    fn drop_connection(&mut self, slot: Slot) {
        self.end_connection(slot, Phase::Closed);
        self.connections.set_deadline(slot, None);
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.out = BytesMut::new();
        }
    }

    fn end_connection(&mut self, slot: Slot, phase: Phase) {
        self.detach(slot);
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.phase = phase;
            connection.waiting.clear();
        }
        self.connections.mark_ready(slot);
    }

    /// Takes session and watches off a connection.
    fn detach(&mut self, slot: Slot) {
        self.watches.forget_connection(slot);
        let session = self.connections.get(slot).and_then(|connection| connection.session());
        let session = session.and_then(|session| self.sessions.get_mut(session));
        if let Some(session) = session.filter(|session| session.connection == Some(slot)) {
            session.connection = None;
        }
    }

    /// Ends a session: its ephemeral nodes go in one transaction. Its connection is left to the caller.
    fn end_session(&mut self, id: SessionId) {
        match self.decide_end(id) {
            // It is not refused: whatever it meets that should not be is left as it is.
            Some(txn) => _ = self.carry_out(txn),
            // What nobody else knows of needs no transaction.
            None => _ = self.sessions.remove(id),
        }
    }

    /// Notes that a session was heard of.
    fn touch(&mut self, session: SessionId, timeout_ms: i32) {
        match &mut self.replica {
            Some(replica) if self.read_only.is_none() => _ = replica.touched.insert(session, timeout_ms),
            Some(_) | None => {
                let now_ms = self.now_ms();
                self.sessions.touch(session, timeout_ms, now_ms);
            }
        }
    }
}

fn from_ms(ms: u64) -> Instant {
    Instant::from_nanos(ms.saturating_mul(1_000_000))
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("zxid", &self.zxid)
            .field("nodes", &self.tree.len())
            .field("sessions", &self.sessions.len())
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use zk_proto::{
        code::{AddWatchMode, CreateMode, ErrorCode},
        record::{AddWatchRequest, GetDataRequest, RequestHeader, SetDataRequest},
    };

    use super::*;
    use testing::{Bench, frame, text};

    #[test]
    fn a_session_expires_at_the_tick_after_its_timeout_and_takes_its_nodes_along() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        bench.create(connection, "/e", CreateMode::Ephemeral);
        bench.server.handle_disconnected(connection);

        bench.advance(Duration::from_millis(10_499));
        assert!(bench.server.node("/e").is_some());
        bench.advance(Duration::from_millis(1));

        assert_eq!((bench.server.node("/e"), bench.server.sessions().len()), (None, 0));
        assert_eq!(bench.server.zxid(), Zxid(3), "its end is a transaction");
    }

    #[test]
    fn a_handled_deadline_is_not_named_again() {
        let mut bench = Bench::new();
        bench.connect();
        bench.dial();
        while let Some(due) = bench.server.poll_timeout() {
            bench.server.handle_timeout(due);
            assert!(bench.server.poll_timeout().is_none_or(|next| next > due));
        }
    }

    #[test]
    fn requests_wait_while_their_answers_find_no_room() {
        let mut bench = Bench::with(|options| options.output_pause_bytes = 1000);
        let connection = bench.connect();
        let mut input = BytesMut::new();
        for xid in 0..100 {
            input.unsplit(frame(|out| {
                out.put(&RequestHeader { xid, op: OpCode::GetData });
                out.put(&GetDataRequest { path: text("/"), watch: false });
            }));
        }

        bench.server.handle_input(connection, &mut input, bench.now);
        assert!(!input.is_empty() && !bench.server.wants_input(connection));
        let mut answered = 0;
        while !input.is_empty() {
            answered += bench.frames(connection).len();
            assert!(bench.server.wants_input(connection));
            bench.server.handle_input(connection, &mut input, bench.now);
        }

        assert_eq!(answered + bench.frames(connection).len(), 100);
    }

    #[test]
    fn who_does_not_take_his_events_is_dropped_before_they_fill_the_memory() {
        let mut bench = Bench::with(|options| options.output_limit_bytes = 10_000);
        let (watcher, changer) = (bench.connect(), bench.connect());
        let watch = AddWatchRequest { path: text("/"), mode: AddWatchMode::Persistent };
        assert_eq!(bench.call(watcher, OpCode::AddWatch, &watch).header.err, ErrorCode::Ok);

        for _ in 0..1000 {
            bench.call(changer, OpCode::SetData, &SetDataRequest { path: text("/"), data: None, version: -1 });
        }

        assert!(bench.wants_close(watcher) && !bench.wants_close(changer));
        bench.server.handle_disconnected(watcher);
        assert_eq!(bench.server.watches(), []);
    }

    #[test]
    fn the_names_of_connections_that_are_gone_are_ignored() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        bench.server.handle_disconnected(connection);

        bench.input(connection, b"ruok");
        bench.server.handle_disconnected(connection);

        assert!(bench.output(connection).is_empty());
        assert!(bench.server.wants_close(connection) && !bench.server.wants_input(connection));
    }

    #[test]
    fn containers_and_ttl_nodes_go_at_the_next_look() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        let request = testing::create("/c", CreateMode::Container);
        bench.call(connection, OpCode::CreateContainer, &request);
        bench.create(connection, "/c/x", CreateMode::Persistent);
        let delete = zk_proto::record::DeleteRequest { path: text("/c/x"), version: -1 };

        bench.advance(Duration::from_secs(5));
        assert!(bench.server.node("/c").is_some());
        bench.call(connection, OpCode::Delete, &delete);
        bench.advance(Duration::from_secs(1));

        assert!(bench.server.node("/c").is_none());
    }

    #[test]
    fn so_many_connections_an_address_may_have() {
        let mut bench = Bench::with(|options| options.max_connections_per_address = 2);
        let connections = [bench.dial(), bench.dial(), bench.dial()];

        assert_eq!(connections.map(|connection| bench.wants_close(connection)), [false, false, true]);
    }
}
