//! What a test can do to a server besides talking to it.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use zk_proto::{SessionId, Zxid, code::OpCode, record::Stat};

use super::TestServer;
use crate::server::{NodeInfo, ReadOnly, SessionInfo, WatchInfo};

/// # Sessions and connections
impl TestServer {
    /// Returns the sessions, by their numbers.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.meddle(|world| world.server.sessions())
    }

    /// Ends a session as if its time were up. Returns whether there was such a session.
    pub fn expire_session(&self, session: SessionId) -> bool {
        self.meddle(|world| world.server.expire(session))
    }

    /// Ends all sessions as if their time were up.
    pub fn expire_sessions(&self) {
        self.meddle(|world| {
            for session in world.server.sessions() {
                world.server.expire(session.id);
            }
        });
    }

    /// Returns how many connections there are.
    pub fn connections(&self) -> usize {
        self.meddle(|world| world.server.connections().len())
    }

    /// Closes the connection of a session, without a word. Returns whether it had one.
    pub fn cut_session(&self, session: SessionId) -> bool {
        self.meddle(|world| {
            let mut sessions = world.server.sessions().into_iter();
            let connection = sessions.find(|info| info.id == session).and_then(|info| info.connection);
            connection.map(|connection| world.server.cut(connection)).is_some()
        })
    }

    /// Closes all connections, without a word. Their sessions stay.
    pub fn cut_connections(&self) {
        self.meddle(|world| world.server.cut_all());
    }

    /// Closes new connections at once, or takes them again. Those that exist stay.
    pub fn refuse_connections(&self, is_refusing: bool) {
        self.meddle(|world| world.is_refusing = is_refusing);
    }

    /// Halts the server: it reads nothing, writes nothing, and takes no connection, until it is told to
    /// [`resume`](Self::resume). Its connections stay open and silent.
    pub fn pause(&self) {
        self.meddle(|world| world.is_paused = true);
    }

    /// Lets a halted server go on. Time has passed meanwhile, and sessions that were not heard of for too long are over.
    pub fn resume(&self) {
        self.meddle(|world| {
            if world.is_paused {
                world.resume()
            }
        });
    }

    /// Does what a restart does that finds all data again: all connections are cut, sessions and nodes stay, and sessions
    /// have their full timeout from now on. The port stays open.
    pub fn restart(&self) {
        self.meddle(|world| world.server.restart(world.now()));
    }

    /// Begins a new epoch, as an ensemble does with a new leader: the upper half of the next transaction's number is higher.
    pub fn begin_epoch(&self) {
        self.meddle(|world| world.server.begin_epoch());
    }

    /// Cuts the server off from its ensemble, so that it serves read-only clients, or brings it back. All connections are
    /// cut.
    pub fn set_read_only(&self, read_only: Option<ReadOnly>) {
        self.meddle(|world| world.server.set_read_only(read_only, world.now()));
    }
}

/// # Replies
impl TestServer {
    /// Holds back for so long all that the server sends from now on; nothing is lost and the order stays.
    pub fn delay_replies(&self, delay: Duration) {
        self.meddle(|world| world.delay = delay);
    }

    /// Loses the reply to the next request of this operation, by whichever client. The request is carried out. Several
    /// calls add up.
    pub fn swallow_reply(&self, op: OpCode) {
        self.meddle(|world| world.server.swallow_reply(op));
    }

    /// Refuses the next request of this operation, by whichever client, with `ThrottledOp`: it is not carried out, as on a
    /// real server under a load that it throttles. Several calls add up; `ping` and `closeSession` are never refused.
    pub fn throttle_request(&self, op: OpCode) {
        self.meddle(|world| world.server.throttle_request(op));
    }

    /// Returns how many requests came in of each operation.
    pub fn requests(&self) -> BTreeMap<OpCode, u64> {
        self.meddle(|world| world.server.requests())
    }
}

/// # Nodes and watches
impl TestServer {
    /// Returns a node's data and what clients are told of it.
    pub fn get(&self, path: &str) -> Option<(Option<Bytes>, Stat)> {
        self.meddle(|world| world.server.node(path)).map(|node| (node.data, node.stat))
    }

    /// Returns a node, its ACL included.
    pub fn node(&self, path: &str) -> Option<NodeInfo> {
        self.meddle(|world| world.server.node(path))
    }

    /// Returns the names of a node's children, sorted.
    pub fn children(&self, path: &str) -> Option<Vec<String>> {
        self.meddle(|world| world.server.children(path))
    }

    /// Returns a node and all below it, parents first.
    pub fn dump(&self, path: &str) -> Vec<NodeInfo> {
        self.meddle(|world| world.server.dump(path))
    }

    /// Returns every watch, by session and path.
    pub fn watches(&self) -> Vec<WatchInfo> {
        self.meddle(|world| world.server.watches())
    }

    /// Sets from where a node counts the sequential children to come. Returns whether there is such a node.
    pub fn set_sequence(&self, path: &str, next: i32) -> bool {
        self.meddle(|world| world.server.set_sequence(path, next))
    }

    /// Returns the number of the last transaction.
    pub fn zxid(&self) -> Zxid {
        self.meddle(|world| world.server.zxid())
    }
}
