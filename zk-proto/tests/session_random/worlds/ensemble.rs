//! A model of an ensemble: nodes, versions, watches, sessions. One server of it, as far as one client can tell.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use zk_proto::{
    SessionId, Zxid,
    code::{AddWatchMode, ErrorCode, EventType, OpCode, WatcherType},
    path,
    record::{
        AddWatchRequest, ConnectRequest, Create2Response, CreateRequest, DeleteRequest, ExistsRequest,
        GetChildren2Response, GetDataResponse, RemoveWatchesRequest, SetDataRequest, Stat,
    },
    request::WatchKind,
    wire::{Decoder, Text},
};

use super::support::{Asked, Greeting, event, paths_of, record, reply};

const ONCE: u8 = 1;
const PERSISTENT: u8 = 2;
const RECURSIVE: u8 = 4;

/// The body of a reply, or an error.
pub(crate) type Answer = Result<Bytes, ErrorCode>;

pub(crate) struct Ensemble {
    nodes: BTreeMap<String, Node>,
    zxid: i64,
    sessions: BTreeSet<i64>,
    next_session: i64,
    /// Before 3.9: one mode a path, the last one set, and events without a number.
    old: bool,
    /// Whether the server that is reached is cut off from the quorum.
    pub(crate) is_cut_off: bool,
}

#[derive(Clone, Default)]
struct Node {
    data: Vec<u8>,
    czxid: i64,
    mzxid: i64,
    pzxid: i64,
    version: i32,
}

/// A connection as the server sees it.
#[derive(Default)]
pub(crate) struct Connection {
    session: Option<i64>,
    is_read_only: bool,
    closed: bool,
    /// Modes of watches by path: those on data, and those on children.
    data: BTreeMap<String, u8>,
    child: BTreeMap<String, u8>,
    /// What was said and is on its way.
    pub(crate) said: BytesMut,
}

impl Connection {
    /// Returns the paths that are watched.
    pub(crate) fn watched(&self) -> BTreeSet<&str> {
        self.data.keys().chain(self.child.keys()).map(String::as_str).collect()
    }

    /// Returns whether what such a watch is for would be heard of, by whatever watch.
    pub(crate) fn hears(&self, path: &str, kind: WatchKind) -> bool {
        let has = |list: &BTreeMap<String, u8>, modes: u8| list.get(path).is_some_and(|present| present & modes != 0);
        let children = has(&self.child, ONCE | PERSISTENT) || has(&self.data, RECURSIVE);
        match kind {
            WatchKind::Data | WatchKind::Exist => has(&self.data, ONCE | PERSISTENT | RECURSIVE),
            WatchKind::Child => children,
            WatchKind::Persistent => has(&self.data, PERSISTENT | RECURSIVE) && children,
            WatchKind::PersistentRecursive => has(&self.data, RECURSIVE),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn say(&mut self, frame: &Bytes) {
        self.said.extend_from_slice(frame);
    }
}

impl Ensemble {
    pub(crate) fn new(old: bool) -> Self {
        let nodes = [("/".to_owned(), Node::default()), ("/app".to_owned(), Node::default())];
        Self { nodes: nodes.into(), zxid: 1000, sessions: BTreeSet::new(), next_session: 0x100, old, is_cut_off: false }
    }

    /// What comes next belongs to the transaction of before.
    pub(crate) fn same_transaction(&mut self) {
        self.zxid -= 1;
    }

    /// Lets every session expire.
    pub(crate) fn expire(&mut self) {
        self.sessions.clear();
    }

    /// Takes a frame of the client.
    pub(crate) fn take(&mut self, connection: &mut Connection, frame: Bytes) {
        if connection.closed {
            return;
        }
        if connection.session.is_none() {
            let request: ConnectRequest = Decoder::new(frame).get().expect("a client greets first");
            return self.greet(connection, &request);
        }
        let asked = Asked::read(frame);
        let (err, body) = self.answer(connection, &asked);
        let (xid, zxid) = match (asked.op, err) {
            (OpCode::Auth, _) => (-4, 0),
            (OpCode::Ping, _) => (-2, self.zxid),
            (_, ErrorCode::Unimplemented) => (asked.xid, -1),
            _ => (asked.xid, self.zxid),
        };
        connection.say(&reply(xid, zxid, err, &body));
        connection.closed = matches!(asked.op, OpCode::CloseSession) || err == ErrorCode::Unimplemented;
    }

    fn greet(&mut self, connection: &mut Connection, request: &ConnectRequest) {
        if request.last_zxid_seen.0 > self.zxid {
            // Only garbage can have told it so.
            connection.closed = true;
            return;
        }
        let known = self.sessions.contains(&request.session_id.0);
        connection.is_read_only = self.is_cut_off;
        if self.is_cut_off && request.read_only != Some(true) {
            connection.closed = true;
            return;
        }
        if request.session_id != SessionId(0) && !known {
            connection.closed = true;
            return connection.say(&Greeting::refused().frame());
        }
        let session = if known { request.session_id.0 } else { self.next_session };
        self.next_session += 1;
        // What begins on a server that is cut off is known to nobody else.
        if !self.is_cut_off {
            self.sessions.insert(session);
        }
        connection.session = Some(session);
        let read_only = Some(self.is_cut_off);
        connection.say(&Greeting { session, timeout_ms: 9_000, read_only, ..Greeting::default() }.frame());
    }

    fn answer(&mut self, connection: &mut Connection, asked: &Asked) -> (ErrorCode, Bytes) {
        let outcome = match asked.op {
            OpCode::Create2 | OpCode::Delete | OpCode::SetData if connection.is_read_only => {
                Err(ErrorCode::NotReadOnly)
            }
            OpCode::Create2 => {
                let request: CreateRequest = asked.record();
                self.create(connection, &named(request.path), &request.data.unwrap_or_default())
            }
            OpCode::Delete => self.delete(connection, &named(asked.record::<DeleteRequest>().path)),
            OpCode::SetData => {
                let request: SetDataRequest = asked.record();
                self.set_data(connection, &named(request.path), &request.data.unwrap_or_default())
            }
            OpCode::GetData | OpCode::Exists | OpCode::GetChildren2 => self.read(connection, asked),
            OpCode::AddWatch => Ok(self.add_watch(connection, &asked.record())),
            OpCode::RemoveWatches => self.remove_watches(connection, &asked.record()),
            OpCode::SetWatches | OpCode::SetWatches2 => Ok(self.set_watches(connection, asked)),
            OpCode::CloseSession => {
                self.sessions.remove(&connection.session.unwrap_or_default());
                Ok(Bytes::new())
            }
            OpCode::Ping | OpCode::Auth => Ok(Bytes::new()),
            _ => Err(ErrorCode::Unimplemented),
        };
        outcome.map_or_else(|error| (error, Bytes::new()), |body| (ErrorCode::Ok, body))
    }

    pub(crate) fn create(&mut self, connection: &mut Connection, path: &str, data: &[u8]) -> Answer {
        self.zxid += 1;
        let parent = path::parent(path).ok_or(ErrorCode::NodeExists)?;
        if self.nodes.contains_key(path) {
            return Err(ErrorCode::NodeExists);
        }
        self.nodes.get_mut(parent).ok_or(ErrorCode::NoNode)?.pzxid = self.zxid;
        let node = Node { data: data.to_vec(), czxid: self.zxid, mzxid: self.zxid, pzxid: self.zxid, version: 0 };
        let stat = stat_of(&node);
        self.nodes.insert(path.to_owned(), node);
        self.fire(connection, EventType::NodeCreated, path);
        self.fire(connection, EventType::NodeChildrenChanged, parent);
        Ok(record(&Create2Response { path: Some(path.into()), stat }))
    }

    pub(crate) fn delete(&mut self, connection: &mut Connection, path: &str) -> Answer {
        self.zxid += 1;
        let parent = path::parent(path).ok_or(ErrorCode::BadArguments)?;
        if self.nodes.keys().any(|other| path::parent(other) == Some(path)) {
            return Err(ErrorCode::NotEmpty);
        }
        self.nodes.remove(path).ok_or(ErrorCode::NoNode)?;
        self.nodes.get_mut(parent).ok_or(ErrorCode::NoNode)?.pzxid = self.zxid;
        self.fire(connection, EventType::NodeDeleted, path);
        self.fire(connection, EventType::NodeChildrenChanged, parent);
        Ok(Bytes::new())
    }

    pub(crate) fn set_data(&mut self, connection: &mut Connection, path: &str, data: &[u8]) -> Answer {
        self.zxid += 1;
        let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
        (node.data, node.mzxid, node.version) = (data.to_vec(), self.zxid, node.version + 1);
        let stat = stat_of(node);
        self.fire(connection, EventType::NodeDataChanged, path);
        Ok(record(&stat))
    }

    /// GetData, exists and getChildren2 have the same record.
    fn read(&mut self, connection: &mut Connection, asked: &Asked) -> Answer {
        let ExistsRequest { path, watch } = asked.record();
        let path = named(path);
        let node = self.nodes.get(&path).cloned();
        if watch && (node.is_some() || asked.op == OpCode::Exists) {
            let list = if asked.op == OpCode::GetChildren2 { &mut connection.child } else { &mut connection.data };
            set(list, &path, ONCE, self.old);
        }
        let node = node.ok_or(ErrorCode::NoNode)?;
        Ok(match asked.op {
            OpCode::GetData => record(&GetDataResponse { data: Some(node.data.clone().into()), stat: stat_of(&node) }),
            OpCode::Exists => record(&stat_of(&node)),
            _ => {
                let children = self.nodes.keys().filter(|other| path::parent(other) == Some(&path));
                let children = Some(children.map(|child| Some(Text::from(path::name(child)))).collect());
                record(&GetChildren2Response { children, stat: stat_of(&node) })
            }
        })
    }

    fn add_watch(&self, connection: &mut Connection, request: &AddWatchRequest) -> Bytes {
        let path = named(request.path.clone());
        let (mode, child) = match request.mode {
            AddWatchMode::PersistentRecursive => (RECURSIVE, self.old),
            _ => (PERSISTENT, true),
        };
        set(&mut connection.data, &path, mode, self.old);
        if child {
            set(&mut connection.child, &path, mode, self.old);
        }
        record(&ErrorCode::Ok)
    }

    fn remove_watches(&self, connection: &mut Connection, request: &RemoveWatchesRequest) -> Answer {
        let path = named(request.path.clone());
        let all = ONCE | PERSISTENT | RECURSIVE;
        let typed = if self.old { all } else { ONCE };
        let (data, child) = match request.watcher_type {
            WatcherType::Any => (all, all),
            WatcherType::Data => (typed, 0),
            WatcherType::Children => (0, typed),
            WatcherType::Persistent if !self.old => (PERSISTENT, PERSISTENT),
            WatcherType::PersistentRecursive if !self.old => (RECURSIVE, RECURSIVE),
            _ => return Err(ErrorCode::MarshallingError),
        };
        let removed = unset(&mut connection.data, &path, data) | unset(&mut connection.child, &path, child);
        if removed { Ok(Bytes::new()) } else { Err(ErrorCode::NoWatcher) }
    }

    fn set_watches(&self, connection: &mut Connection, asked: &Asked) -> Bytes {
        let (Zxid(relative), lists) = paths_of(asked);
        for (list, paths) in lists.iter().enumerate() {
            for path in paths {
                let node = self.nodes.get(path);
                let missed = match (list, node) {
                    (0 | 2, None) => Some(EventType::NodeDeleted),
                    (0, Some(node)) if node.mzxid > relative => Some(EventType::NodeDataChanged),
                    (1, Some(_)) => Some(EventType::NodeCreated),
                    (2, Some(node)) if node.pzxid > relative => Some(EventType::NodeChildrenChanged),
                    _ => None,
                };
                match (missed, list) {
                    (Some(kind), _) => connection.say(&event(kind, path, -1)),
                    (None, 0 | 1) => set(&mut connection.data, path, ONCE, self.old),
                    (None, 2) => set(&mut connection.child, path, ONCE, self.old),
                    (None, list) => {
                        let mode = [AddWatchMode::Persistent, AddWatchMode::PersistentRecursive][list - 3];
                        self.add_watch(connection, &AddWatchRequest { path: Some(path.as_str().into()), mode });
                    }
                }
            }
        }
        Bytes::new()
    }

    /// Tells the connection, once for each list that has a watch on it.
    fn fire(&self, connection: &mut Connection, kind: EventType, path: &str) {
        let (mut data, mut child) = (false, false);
        if kind == EventType::NodeChildrenChanged {
            child = hear(&mut connection.child, path, PERSISTENT);
        } else {
            data = hear(&mut connection.data, path, PERSISTENT | RECURSIVE);
            let above = path::ancestors(path).skip(1);
            data |= above.filter_map(|path| connection.data.get(path)).any(|modes| modes & RECURSIVE != 0);
        }
        if kind == EventType::NodeDeleted {
            // Who has heard it by the other list does not hear it twice.
            child = hear(&mut connection.child, path, PERSISTENT) && !data;
        }
        let zxid = if self.old { -1 } else { self.zxid };
        if data || child {
            connection.say(&event(kind, path, zxid));
        }
    }
}

fn set(list: &mut BTreeMap<String, u8>, path: &str, mode: u8, old: bool) {
    let modes = list.entry(path.to_owned()).or_default();
    *modes = if old { mode } else { *modes | mode };
}

fn unset(list: &mut BTreeMap<String, u8>, path: &str, modes: u8) -> bool {
    let Some(present) = list.get_mut(path) else { return false };
    let removed = *present & modes != 0;
    *present &= !modes;
    list.retain(|_, modes| *modes != 0);
    removed
}

/// Uses up a one-shot watch, and returns whether there was one, or one of the modes that stay.
fn hear(list: &mut BTreeMap<String, u8>, path: &str, stay: u8) -> bool {
    let heard = list.get(path).is_some_and(|modes| modes & (ONCE | stay) != 0);
    unset(list, path, ONCE);
    heard
}

fn stat_of(node: &Node) -> Stat {
    Stat {
        czxid: Zxid(node.czxid),
        mzxid: Zxid(node.mzxid),
        pzxid: Zxid(node.pzxid),
        version: node.version,
        ..Stat::default()
    }
}

fn named(path: Option<Text>) -> String {
    path.expect("a path is not null").to_string()
}
