//! Looking at a server from outside of the protocol, and meddling with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use zk_proto::{
    Instant, SessionId, Zxid,
    code::OpCode,
    record::{Acl, Stat},
};

use super::{ConnectionId, ReadOnly, Server, WatchMode, from_ms, watches::List};

/// A node as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Where it is.
    pub path: String,
    /// Its data; null and empty are not the same.
    pub data: Option<Bytes>,
    /// What clients are told of it.
    pub stat: Stat,
    /// Its access control list.
    pub acl: Vec<Acl>,
}

/// A session as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its number.
    pub id: SessionId,
    /// Its timeout as it was granted last: milliseconds.
    pub timeout_ms: i32,
    /// When it is over if nothing more is heard of it; `None` while its time stands still.
    pub expires: Option<Instant>,
    /// The connection that it is bound to.
    pub connection: Option<ConnectionId>,
    /// The paths of its ephemeral nodes.
    pub ephemerals: Vec<String>,
}

/// What a watch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchList {
    /// Data and existence; persistent watches are here too.
    Data,
    /// The list of children; plain persistent watches are here too.
    Children,
}

/// A watch as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct WatchInfo {
    /// The session of the connection that holds it.
    pub session: SessionId,
    /// The path that is watched.
    pub path: String,
    /// For what.
    pub list: WatchList,
    /// For how long, and how far down.
    pub mode: WatchMode,
}

impl Server {
    /// Returns a node.
    pub fn node(&self, path: &str) -> Option<NodeInfo> {
        let node = self.tree.get(path)?;
        let data = node.data.as_deref().map(Bytes::copy_from_slice);
        Some(NodeInfo { path: path.to_owned(), data, stat: node.stat(), acl: node.acl.to_vec() })
    }

    /// Returns the names of a node's children, sorted.
    pub fn children(&self, path: &str) -> Option<Vec<String>> {
        let node = self.tree.get(path)?;
        Some(node.children.paths().map(|child| zk_proto::path::name(child).to_owned()).collect())
    }

    /// Returns a node and all below it, parents first, children by name. Nothing where there is no such node.
    pub fn dump(&self, path: &str) -> Vec<NodeInfo> {
        self.tree.below(path).filter_map(|(path, _)| self.node(path)).collect()
    }

    /// Returns how many nodes there are, the root included.
    pub fn node_count(&self) -> usize {
        self.tree.len()
    }

    /// Returns every watch, by session and path.
    pub fn watches(&self) -> Vec<WatchInfo> {
        let watches = self.watches.all().into_iter().filter_map(|(slot, path, list, mode)| {
            let session = self.connections.get(slot)?.session()?;
            let list = match list {
                List::Data => WatchList::Data,
                List::Children => WatchList::Children,
            };
            Some(WatchInfo { session, path: path.as_ref().to_owned(), list, mode })
        });
        let mut watches: Vec<_> = watches.collect();
        watches.sort_unstable();
        watches
    }

    /// Returns the sessions, by their numbers.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let session = |id| {
            let session = self.sessions.get(id)?;
            let connection = session.connection.and_then(|slot| self.connections.get(slot));
            Some(SessionInfo {
                id,
                timeout_ms: session.timeout_ms,
                expires: session.expires_ms().map(from_ms),
                connection: connection.map(|connection| connection.id),
                ephemerals: session.ephemerals.iter().map(|path| path.as_ref().to_owned()).collect(),
            })
        };
        self.sessions.ids().into_iter().filter_map(session).collect()
    }

    /// Returns the connections that were not told to have ended.
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.connections.iter().map(|(_, connection)| connection.id).collect()
    }

    /// Returns how many requests came in of each operation. Frames without an operation do not count.
    pub fn requests(&self) -> BTreeMap<OpCode, u64> {
        self.statistics.requests()
    }

    /// Returns the number of the last transaction.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Ends a session as if its time were up. Returns whether there was such a session.
    pub fn expire(&mut self, session: SessionId) -> bool {
        let Some(connection) = self.sessions.get(session).map(|session| session.connection) else { return false };
        if let Some(slot) = connection {
            self.drop_connection(slot);
        }
        self.end_session(session);
        true
    }

    /// Drops a connection without a word. Its session stays.
    pub fn cut(&mut self, connection: ConnectionId) {
        if let Some(slot) = self.connections.slot(connection) {
            self.drop_connection(slot);
        }
    }

    /// Drops all connections.
    pub fn cut_all(&mut self) {
        for slot in self.connections.slots() {
            self.drop_connection(slot);
        }
    }

    /// Does what a restart does that finds all data again: connections are dropped, sessions stay and have their full
    /// timeout from now on, and the numbers of new sessions follow from the time.
    pub fn restart(&mut self, now: Instant) {
        self.advance(now);
        self.cut_all();
        let now_ms = self.now_ms();
        self.sessions.resume(now_ms);
        if self.read_only.is_some() {
            self.sessions.suspend();
        }
        self.sessions.count_from(self.options.server_id, self.wall_ms());
    }

    /// Begins a new epoch, as an ensemble does with each new leader: the upper half of transaction numbers counts one up,
    /// the lower half begins anew.
    pub fn begin_epoch(&mut self) {
        self.zxid = Zxid(((self.zxid.0 >> 32) + 1) << 32);
    }

    /// Cuts the server off from its ensemble, or brings it back. All connections are dropped, local sessions are forgotten,
    /// and no other session expires meanwhile.
    pub fn set_read_only(&mut self, read_only: Option<ReadOnly>, now: Instant) {
        self.read_only = read_only;
        self.restart(now);
    }

    /// Loses the reply to the next request of this operation, which is carried out. Several calls add up.
    pub fn swallow_reply(&mut self, op: OpCode) {
        self.swallowed.push(op);
    }

    /// Refuses the next request of this operation, with `ThrottledOp`, as a real server does whose requests waited too long
    /// with `throttled_op_wait_time` set. Several calls add up; `ping` and `closeSession` are never refused.
    pub fn throttle_request(&mut self, op: OpCode) {
        self.throttled.push(op);
    }

    /// Sets from where a node counts the sequential children to come. Returns whether there is such a node.
    ///
    /// The counter is the number of children that the node ever had, from which the `cversion` follows that clients see.
    pub fn set_sequence(&mut self, path: &str, next: i32) -> bool {
        let node = self.tree.get_mut(path);
        node.map(|node| node.cversion = next).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zk_proto::code::{CreateMode, ErrorCode};

    use super::*;
    use crate::server::testing::{Bench, greeting};

    #[test]
    fn a_restart_cuts_connections_and_keeps_sessions_and_nodes() {
        let mut bench = Bench::new();
        let (connection, session) = bench.greet(&greeting());
        bench.create(connection, "/e", CreateMode::Ephemeral);
        bench.advance(Duration::from_secs(9));

        bench.server.restart(bench.now);

        assert!(bench.wants_close(connection));
        bench.advance(Duration::from_secs(9));
        assert!(bench.server.node("/e").is_some(), "the timeout has begun anew");
        assert_eq!(bench.greet_again(&session.unwrap()).1.map(|answer| answer.timeout_ms), Some(10_000));
    }

    #[test]
    fn a_new_epoch_begins_with_a_transaction_of_its_own() {
        let mut bench = Bench::new();
        bench.server.begin_epoch();
        bench.connect();
        assert_eq!(bench.server.zxid(), Zxid(1 << 32 | 1));
    }

    #[test]
    fn no_session_expires_while_the_server_is_cut_off() {
        let mut bench = Bench::new();
        let (_, session) = bench.greet(&greeting());
        bench.server.set_read_only(Some(ReadOnly::LocalSessions), bench.now);

        assert_eq!(bench.server.sessions()[0].expires, None);
        bench.advance(Duration::from_secs(100));
        assert!(
            bench.greet_again(&session.clone().unwrap()).1.is_none(),
            "a session of the ensemble has no place here"
        );
        bench.server.set_read_only(None, bench.now);

        assert!(bench.greet_again(&session.unwrap()).1.is_some_and(|answer| answer.timeout_ms > 0));
        let due = bench.server.poll_timeout();
        assert!(due.is_some() && bench.server.sessions()[0].expires == due);
    }

    #[test]
    fn the_tree_can_be_looked_at() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        for path in ["/b", "/a", "/a/x"] {
            assert_eq!(bench.create(connection, path, CreateMode::Persistent), ErrorCode::Ok);
        }

        assert_eq!(bench.server.children("/"), Some(["a", "b", "zookeeper"].map(String::from).to_vec()));
        let dump: Vec<_> = bench.server.dump("/a").into_iter().map(|node| (node.path, node.data)).collect();
        assert_eq!(dump, ["/a", "/a/x"].map(|path| (path.to_owned(), Some(Bytes::from_static(b"data")))));
        assert_eq!((bench.server.children("/none"), bench.server.dump("/none")), (None, vec![]));
        assert_eq!(bench.server.requests()[&OpCode::Create], 3);
    }
}
