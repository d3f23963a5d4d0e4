//! What the ensemble has committed, as a tree that remembers.
//!
//! Built from the ensemble's transactions alone, by the protocol's rules and not by the server's code, so that each can be held
//! against the other. Every node knows all of its past states, so a checker can ask how things stood at any transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use zk_proto::{Instant, SessionId, Zxid, path, record::Stat, session::WatchedEventKind};

use super::{
    ensemble::{Effect, Transaction},
    trace::Violation,
};

/// What a node was like from one transaction to the next one that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its data; null and empty are not the same.
    pub data: Option<Bytes>,
    /// The transaction that created it.
    pub czxid: Zxid,
    /// The transaction that last set its data.
    pub mzxid: Zxid,
    /// The transaction that last created or deleted a child.
    pub pzxid: Zxid,
    /// How often its data was set.
    pub version: i32,
    /// How often children were created or deleted.
    pub cversion: i32,
    /// How often its access control list was set.
    pub aversion: i32,
    /// The session that it ends with; zero for none.
    pub owner: SessionId,
    /// How many children it has.
    pub children: i32,
}

impl NodeState {
    /// Returns whether a client that is told `stat` is told this state.
    pub fn is_shown_by(&self, stat: &Stat) -> bool {
        let data_length = self.data.as_ref().map_or(0, Bytes::len);
        (self.czxid, self.mzxid, self.pzxid) == (stat.czxid, stat.mzxid, stat.pzxid)
            && (self.version, self.cversion, self.aversion) == (stat.version, stat.cversion, stat.aversion)
            && (self.owner, self.children) == (stat.ephemeral_owner, stat.num_children)
            && i32::try_from(data_length) == Ok(stat.data_length)
    }
}

/// A session's life as the ensemble sees it.
#[derive(Clone, Debug)]
pub struct Life {
    /// The transaction with which it began.
    pub began: Zxid,
    /// The timeout that it was granted first.
    pub timeout_ms: i32,
    /// The transaction with which it ended, and when that was committed.
    pub ended: Option<(Zxid, Instant)>,
    /// Its ephemeral nodes.
    pub ephemerals: BTreeSet<Arc<str>>,
}

/// A change that watches tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The transaction.
    pub zxid: Zxid,
    /// Which node.
    pub path: Arc<str>,
    /// What became of it.
    pub kind: WatchedEventKind,
}

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Whose request it was, or whose end it is; zero for the servers' own.
    pub session: SessionId,
    /// Whether it changed anything.
    pub is_effective: bool,
    /// The nodes that it created, deleted or set.
    pub paths: BTreeSet<Arc<str>>,
}

/// Everything that was committed in a world.
#[derive(Debug, Default)]
pub struct Truth {
    nodes: BTreeMap<Arc<str>, Vec<(Zxid, Option<NodeState>)>>,
    children: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    sessions: BTreeMap<SessionId, Life>,
    changes: Vec<Change>,
    deeds: BTreeMap<Zxid, Deed>,
    payloads: BTreeMap<Bytes, Vec<Zxid>>,
    last: Zxid,
    tells_zxid: bool,
}

impl Truth {
    /// Makes the history of servers that say with each event which change it tells, or do not.
    pub(crate) fn new(tells_zxid: bool) -> Self {
        Self { tells_zxid, ..Self::default() }
    }

    /// Returns whether the servers say with each event of a change which one it was: those of 3.9 do, except for what happened
    /// while there was no link.
    pub fn tells_zxid(&self) -> bool {
        self.tells_zxid
    }

    /// Notes a node that was there from the beginning.
    pub(crate) fn found(&mut self, at: &str, data: Option<Bytes>, stat: &Stat) {
        let state = NodeState {
            data,
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            owner: stat.ephemeral_owner,
            children: stat.num_children,
        };
        let at: Arc<str> = at.into();
        if let Some(parent) = path::parent(&at) {
            self.children.entry(parent.into()).or_default().insert(at.clone());
        }
        self.nodes.insert(at, vec![(Zxid(0), Some(state))]);
    }

    /// Returns the last transaction.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// Returns how a node stands; `None` where there is none.
    pub fn node(&self, path: &str) -> Option<&NodeState> {
        self.nodes.get(path)?.last()?.1.as_ref()
    }

    /// Returns how a node stood when so much was committed.
    pub fn node_at(&self, path: &str, zxid: Zxid) -> Option<&NodeState> {
        let states = self.nodes.get(path)?;
        let after = states.partition_point(|(since, _)| *since <= zxid);
        states[..after].last()?.1.as_ref()
    }

    /// Returns all states that a node had from one transaction to another, absence included.
    pub fn states(&self, path: &str, from: Zxid, to: Zxid) -> Vec<Option<&NodeState>> {
        let Some(states) = self.nodes.get(path) else { return vec![None] };
        let first = states.partition_point(|(since, _)| *since <= from);
        let after = states.partition_point(|(since, _)| *since <= to);
        let before = if first == 0 { vec![None] } else { vec![states[first - 1].1.as_ref()] };
        before.into_iter().chain(states[first..after.max(first)].iter().map(|(_, state)| state.as_ref())).collect()
    }

    /// Returns the paths of all nodes.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let is_there = |(_, states): &(&Arc<str>, &Vec<(Zxid, Option<NodeState>)>)| {
            states.last().is_some_and(|(_, state)| state.is_some())
        };
        self.nodes.iter().filter(is_there).map(|(path, _)| path.as_ref())
    }

    /// Returns a node's children, by path.
    pub fn children(&self, path: &str) -> impl Iterator<Item = &str> {
        self.children.get(path).into_iter().flatten().map(AsRef::as_ref)
    }

    /// Returns a session's life.
    pub fn session(&self, session: SessionId) -> Option<&Life> {
        self.sessions.get(&session)
    }

    /// Returns all sessions.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &Life)> {
        self.sessions.iter().map(|(id, life)| (*id, life))
    }

    /// Returns the changes behind a transaction, in their order.
    pub fn changes_since(&self, zxid: Zxid) -> &[Change] {
        &self.changes[self.changes.partition_point(|change| change.zxid <= zxid)..]
    }

    /// Returns what a transaction did, if there is one of this number.
    pub fn deed(&self, zxid: Zxid) -> Option<&Deed> {
        self.deeds.get(&zxid)
    }

    /// Returns the transactions that wrote this data into a node.
    pub fn writes_of(&self, data: &[u8]) -> &[Zxid] {
        self.payloads.get(data).map_or(&[], Vec::as_slice)
    }

    /// Takes in a transaction.
    ///
    /// # Errors
    ///
    /// Where it cannot follow on what was before.
    pub(crate) fn commit(&mut self, transaction: &Transaction) -> Result<(), Violation> {
        let Transaction { zxid, at, session, effects } = transaction;
        let (zxid, session) = (*zxid, *session);
        if zxid <= self.last {
            return Err(wrong(zxid, format!("it comes behind {}", self.last)));
        }
        self.last = zxid;
        let mut deed = Deed { session, is_effective: !effects.is_empty(), paths: BTreeSet::new() };
        for effect in effects {
            match effect {
                Effect::Began { timeout_ms } => {
                    let life = Life { began: zxid, timeout_ms: *timeout_ms, ended: None, ephemerals: BTreeSet::new() };
                    if self.sessions.insert(session, life).is_some() {
                        return Err(wrong(zxid, format!("session {session} begins again")));
                    }
                }
                Effect::Ended => match self.sessions.get_mut(&session) {
                    Some(life) if life.ended.is_none() => life.ended = Some((zxid, *at)),
                    Some(_) | None => return Err(wrong(zxid, format!("session {session} ends without being there"))),
                },
                Effect::Created { path, data, owner } => {
                    deed.paths.insert(path.clone());
                    self.create(zxid, path, data.clone(), *owner)?;
                }
                Effect::Deleted { path } => {
                    deed.paths.insert(path.clone());
                    self.delete(zxid, path)?;
                }
                Effect::DataSet { path, data, version } => {
                    deed.paths.insert(path.clone());
                    self.set_data(zxid, path, data.clone(), *version)?;
                }
                Effect::AclSet { path, version } => {
                    deed.paths.insert(path.clone());
                    let mut state = self.present(zxid, path)?;
                    state.aversion = state.aversion.wrapping_add(1);
                    if state.aversion != *version {
                        return Err(wrong(zxid, format!("{path} gets ACL version {version}")));
                    }
                    self.put(zxid, path, Some(state));
                }
            }
        }
        self.deeds.insert(zxid, deed);
        let over = self.sessions.get(&session).filter(|life| life.ended.is_some_and(|(ended, _)| ended == zxid));
        match over.and_then(|life| life.ephemerals.first()) {
            Some(left) => Err(wrong(zxid, format!("{left} outlives its session {session}"))),
            None => Ok(()),
        }
    }

    fn create(
        &mut self,
        zxid: Zxid,
        path: &Arc<str>,
        data: Option<Bytes>,
        owner: Option<SessionId>,
    ) -> Result<(), Violation> {
        if self.node(path).is_some() {
            return Err(wrong(zxid, format!("{path} is created although it is there")));
        }
        let parent: Arc<str> = path::parent(path).unwrap_or("/").into();
        let mut above = self.present(zxid, &parent)?;
        if let Some(owner) = owner {
            match self.sessions.get_mut(&owner) {
                Some(life) if life.ended.is_none() => _ = life.ephemerals.insert(path.clone()),
                Some(_) | None => {
                    return Err(wrong(zxid, format!("{path} is created by session {owner}, which is not there")));
                }
            }
        }
        above.cversion = above.cversion.wrapping_add(1);
        above.children += 1;
        above.pzxid = zxid;
        self.put(zxid, &parent, Some(above));
        self.children.entry(parent).or_default().insert(path.clone());
        self.remember(zxid, data.as_ref());
        let state = NodeState {
            data,
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            version: 0,
            cversion: 0,
            aversion: 0,
            owner: owner.unwrap_or_default(),
            children: 0,
        };
        self.put(zxid, path, Some(state));
        self.changes.push(Change { zxid, path: path.clone(), kind: WatchedEventKind::NodeCreated });
        Ok(())
    }

    fn delete(&mut self, zxid: Zxid, path: &Arc<str>) -> Result<(), Violation> {
        let state = self.present(zxid, path)?;
        if state.children > 0 {
            return Err(wrong(zxid, format!("{path} is deleted although it has children")));
        }
        let parent: Arc<str> = path::parent(path).unwrap_or("/").into();
        let mut above = self.present(zxid, &parent)?;
        above.cversion = above.cversion.wrapping_add(1);
        above.children -= 1;
        above.pzxid = zxid;
        self.put(zxid, &parent, Some(above));
        if let Some(children) = self.children.get_mut(&parent) {
            children.remove(path);
        }
        if let Some(life) = self.sessions.get_mut(&state.owner) {
            life.ephemerals.remove(path);
        }
        self.put(zxid, path, None);
        self.changes.push(Change { zxid, path: path.clone(), kind: WatchedEventKind::NodeDeleted });
        Ok(())
    }

    fn set_data(&mut self, zxid: Zxid, path: &Arc<str>, data: Option<Bytes>, version: i32) -> Result<(), Violation> {
        let mut state = self.present(zxid, path)?;
        state.version = state.version.wrapping_add(1);
        if state.version != version {
            return Err(wrong(zxid, format!("{path} gets version {version} where {} is due", state.version)));
        }
        self.remember(zxid, data.as_ref());
        (state.data, state.mzxid) = (data, zxid);
        self.put(zxid, path, Some(state));
        self.changes.push(Change { zxid, path: path.clone(), kind: WatchedEventKind::NodeDataChanged });
        Ok(())
    }

    fn remember(&mut self, zxid: Zxid, data: Option<&Bytes>) {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            self.payloads.entry(data.clone()).or_default().push(zxid);
        }
    }

    fn present(&self, zxid: Zxid, path: &str) -> Result<NodeState, Violation> {
        self.node(path).cloned().ok_or_else(|| wrong(zxid, format!("{path} is changed although it is not there")))
    }

    fn put(&mut self, zxid: Zxid, path: &Arc<str>, state: Option<NodeState>) {
        let states = self.nodes.entry(path.clone()).or_default();
        // A transaction of several parts is one step.
        match states.last_mut() {
            Some((last, old)) if *last == zxid => *old = state,
            Some(_) | None => states.push((zxid, state)),
        }
    }
}

fn wrong(zxid: Zxid, what: String) -> Violation {
    Violation::new("history", format!("transaction {zxid}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(7);

    fn world() -> Truth {
        let mut truth = Truth::new(true);
        truth.found("/", None, &Stat::default());
        commit(&mut truth, 1, vec![Effect::Began { timeout_ms: 5_000 }]).unwrap();
        truth
    }

    fn commit(truth: &mut Truth, zxid: i64, effects: Vec<Effect>) -> Result<(), Violation> {
        truth.commit(&Transaction { zxid: Zxid(zxid), at: Instant::ORIGIN, session: SESSION, effects })
    }

    fn created(path: &str, owner: Option<SessionId>) -> Effect {
        Effect::Created { path: path.into(), data: Some(Bytes::copy_from_slice(path.as_bytes())), owner }
    }

    fn deleted(path: &str) -> Effect {
        Effect::Deleted { path: path.into() }
    }

    #[test]
    fn how_a_node_stood_is_known_for_every_transaction() {
        let mut truth = world();
        commit(&mut truth, 2, vec![created("/a", None)]).unwrap();
        commit(&mut truth, 3, vec![created("/a/b", None)]).unwrap();
        commit(&mut truth, 4, vec![deleted("/a/b"), deleted("/a")]).unwrap();

        let children = |zxid| truth.node_at("/a", Zxid(zxid)).map(|node| (node.children, node.cversion));
        assert_eq!([1, 2, 3, 4].map(children), [None, Some((0, 0)), Some((1, 1)), None]);
        assert_eq!(truth.states("/a", Zxid(1), Zxid(4)).len(), 4, "absent, new, with a child, absent");
        assert_eq!(truth.states("/none", Zxid(0), Zxid(4)), [None]);
        assert_eq!(truth.writes_of(b"/a/b"), [Zxid(3)]);
    }

    #[test]
    fn an_ephemeral_node_lives_as_long_as_its_session_and_no_longer() {
        let mut truth = world();
        commit(&mut truth, 2, vec![created("/e", Some(SESSION))]).unwrap();
        let left = commit(&mut truth, 3, vec![Effect::Ended]);
        assert!(left.unwrap_err().what.contains("outlives"));

        let mut truth = world();
        commit(&mut truth, 2, vec![created("/e", Some(SESSION))]).unwrap();
        commit(&mut truth, 3, vec![Effect::Ended, deleted("/e")]).unwrap();
        let late = commit(&mut truth, 4, vec![created("/f", Some(SESSION))]);
        assert!(late.unwrap_err().what.contains("not there"));
    }

    #[test]
    fn a_history_that_cannot_be_is_noticed() {
        let set = |version| Effect::DataSet { path: "/a".into(), data: None, version };
        let table = [
            (2, vec![created("/a", None), created("/a", None)], "is created although"),
            (2, vec![deleted("/a")], "is changed although"),
            (2, vec![created("/a/b", None)], "is changed although"),
            (2, vec![created("/a", None), created("/a/b", None), deleted("/a")], "it has children"),
            (2, vec![created("/a", None), set(2)], "gets version 2"),
            (1, vec![], "comes behind"),
            (2, vec![Effect::Began { timeout_ms: 1 }], "begins again"),
            (2, vec![Effect::Ended, Effect::Ended], "ends without"),
        ];
        for (zxid, effects, expected) in table {
            let what = commit(&mut world(), zxid, effects).unwrap_err().what;
            assert!(what.contains(expected), "{what}");
        }
    }
}
