//! What the events of a cache amount to, and whether they can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use zk_proto::{
    Zxid, path,
    recipes::{CacheEvent, CachedNode},
};

use crate::sim::{NodeState, Process, Truth, Violation};

/// The nodes at and below a root, down to a depth, as a reader of events has them.
#[derive(Debug)]
pub(super) struct Replay {
    root: &'static str,
    levels: std::ops::RangeInclusive<usize>,
    has_data: bool,
    pub(super) nodes: BTreeMap<Arc<str>, Arc<CachedNode>>,
    pub(super) is_synced: bool,
}

impl Replay {
    pub(super) fn new(root: &'static str, levels: std::ops::RangeInclusive<usize>, has_data: bool) -> Self {
        Self { root, levels, has_data, nodes: BTreeMap::new(), is_synced: false }
    }

    /// Takes in an event.
    pub(super) fn apply(&mut self, process: &Process, event: CacheEvent) {
        process.note(|| format!("is told {event:?}"));
        process.count(match &event {
            CacheEvent::Added { .. } if self.is_synced => "added",
            CacheEvent::Added { .. } => "added before everything was read",
            CacheEvent::Updated { .. } => "updated",
            CacheEvent::Removed { .. } if self.is_synced => "removed",
            CacheEvent::Removed { .. } => "removed while stale",
            CacheEvent::Synced { .. } => "synced",
            _ => "stale",
        });
        let found = process.truth(|truth| self.take(truth, event));
        process.expect(found.map_err(|what| Violation::new("events", what)));
    }

    fn take(&mut self, truth: &Truth, event: CacheEvent) -> Result<(), String> {
        match event {
            CacheEvent::Added { path, node } => {
                self.check_node(truth, &path, &node)?;
                let parent = path::parent(&path).unwrap_or("/");
                if level(self.root, &path) != Some(*self.levels.start()) && !self.nodes.contains_key(parent) {
                    return Err(format!("{path} is added before its parent"));
                }
                match self.nodes.insert(path.clone(), node) {
                    None => Ok(()),
                    Some(old) => Err(format!("{path} is added, and there is {old:?}")),
                }
            }
            CacheEvent::Updated { path, old, node } => {
                self.check_node(truth, &path, &node)?;
                let is_later = old.stat.czxid == node.stat.czxid && old.stat.mzxid < node.stat.mzxid;
                match self.nodes.insert(path.clone(), node) {
                    Some(told) if told == old && is_later => Ok(()),
                    told => Err(format!("{path} is updated from {old:?}, and there was {told:?}")),
                }
            }
            CacheEvent::Removed { path, node } => {
                let below = format!("{path}/");
                if let Some(below) = self.nodes.keys().find(|other| other.starts_with(&below)) {
                    return Err(format!("{path} is removed before {below}"));
                }
                match self.nodes.remove(&path) {
                    Some(told) if told == node => Ok(()),
                    told => Err(format!("{path} is removed as {node:?}, and there was {told:?}")),
                }
            }
            CacheEvent::Synced { zxid } => {
                self.is_synced = true;
                self.check_synced(truth, zxid)
            }
            CacheEvent::Stale => {
                let was_synced = std::mem::replace(&mut self.is_synced, false);
                if was_synced { Ok(()) } else { Err("it is stale, and was not synced".to_owned()) }
            }
            other => Err(format!("what is {other:?}?")),
        }
    }

    /// A node that is told was there.
    fn check_node(&self, truth: &Truth, path: &str, node: &CachedNode) -> Result<(), String> {
        let is_so = truth.node_at(path, node.stat.mzxid).is_some_and(|state| self.is_shown(state, node));
        if is_so { Ok(()) } else { Err(format!("{path} was never {node:?}")) }
    }

    fn is_shown(&self, state: &NodeState, node: &CachedNode) -> bool {
        (state.czxid, state.mzxid, state.version) == (node.stat.czxid, node.stat.mzxid, node.stat.version)
            && (!self.has_data || state.data.as_deref().unwrap_or_default() == &*node.data)
    }

    /// Nothing is older than it is said to be.
    fn check_synced(&self, truth: &Truth, zxid: Zxid) -> Result<(), String> {
        for path in self.paths(truth) {
            let (Some(then), Some(now)) = (truth.node_at(path, zxid), truth.node(path)) else { continue };
            let is_told = self.nodes.get(path).is_some_and(|node| node.stat.mzxid >= then.mzxid);
            // What was deleted since may be missing, whatever has come instead.
            if then.czxid == now.czxid && !is_told {
                return Err(format!(
                    "it is as of {zxid}, when {path} was {then:?}, but it has {:?}",
                    self.nodes.get(path)
                ));
            }
        }
        Ok(())
    }

    fn paths<'a>(&'a self, truth: &'a Truth) -> impl Iterator<Item = &'a str> {
        truth.paths().filter(|path| level(self.root, path).is_some_and(|level| self.levels.contains(&level)))
    }

    /// When nothing happens any more, it has what there is.
    pub(super) fn check_at_rest(&self, truth: &Truth) -> Result<(), String> {
        if !self.is_synced {
            return Err("its events do not end with everything being read".to_owned());
        }
        for path in self.paths(truth) {
            let node = self.nodes.get(path);
            if !node.is_some_and(|node| truth.node(path).is_some_and(|state| self.is_shown(state, node))) {
                return Err(format!("{path} is {:?}, and was told as {node:?}", truth.node(path)));
            }
        }
        match self.nodes.keys().find(|path| truth.node(path).is_none()) {
            Some(path) => Err(format!("{path} is gone, and was not told to be")),
            None => Ok(()),
        }
    }

    /// When all events were taken, it has what the cache has.
    pub(super) fn check_against<'a>(
        &self,
        view: impl Iterator<Item = (&'a str, &'a Arc<CachedNode>)>,
    ) -> Result<(), Violation> {
        let told = self.nodes.values().map(|node| &**node);
        let view: Vec<(&str, &CachedNode)> = view.map(|(path, node)| (path::name(path), &**node)).collect();
        let names = self.nodes.keys().map(|path| path::name(path));
        if names.zip(told).eq(view.iter().copied()) {
            return Ok(());
        }
        let what = format!("events make {:?}, and the cache has {view:?}", self.nodes);
        Err(Violation::new("events", what))
    }
}

/// Returns how many levels a node is below a root.
fn level(root: &str, path: &str) -> Option<usize> {
    match path.strip_prefix(root)? {
        "" => Some(0),
        below if below.starts_with('/') => Some(below.matches('/').count()),
        _ => None,
    }
}
