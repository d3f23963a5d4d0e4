//! What a cache shows, and how changes are told.
//!
//! Events are differences: between what a reader was told and what is known now. So a reader that is slow, or stops, holds one mark for
//! each node at most, however much happens; what it has missed in between was told to nobody in time anyway.

use core::{
    ops::Bound,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_core::Stream;

use super::mirror::{CachedNode, Mirror};
use crate::{
    Zxid,
    client::{Client, Error},
    path,
    recipes::session::over,
};

/// What a cache knows at one moment.
#[derive(Clone, Debug)]
pub struct CacheView {
    nodes: BTreeMap<Arc<str>, Arc<CachedNode>>,
    has_root: bool,
    standing: Standing,
    is_initialized: bool,
    troubles: BTreeMap<Arc<str>, Error>,
    version: u64,
}

impl CacheView {
    /// Returns a node.
    pub fn get(&self, path: &str) -> Option<&Arc<CachedNode>> {
        self.nodes.get(path)
    }

    /// Returns all nodes with their paths, parents before their children.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<CachedNode>)> {
        self.nodes.iter().map(|(path, node)| (&**path, node))
    }

    /// Returns how many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns whether the node that the cache is about is there, whether or not it is shown itself.
    pub fn has_root(&self) -> bool {
        self.has_root
    }

    /// Returns whether everything was read once.
    pub fn is_initialized(&self) -> bool {
        self.is_initialized
    }

    /// Returns whether it may be older than what the client could know: there is no connection, or not everything was read again
    /// since.
    pub fn is_stale(&self) -> bool {
        self.standing == Standing::Stale
    }

    /// Returns up to which transaction everything was certainly seen when it was last complete; `None` when stale.
    pub fn synced(&self) -> Option<Zxid> {
        match self.standing {
            Standing::Synced(zxid) => Some(zxid),
            Standing::Stale => None,
        }
    }

    /// Returns the nodes that the server does not let the client read, and why. They are shown as they were last seen, or not at
    /// all.
    pub fn troubles(&self) -> &BTreeMap<Arc<str>, Error> {
        &self.troubles
    }
}

/// Whether everything was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Stale,
    Synced(Zxid),
}

/// What has changed in a cache.
///
/// For each path it goes [`Added`](Self::Added), any number of [`Updated`](Self::Updated), [`Removed`](Self::Removed), and so on. Parents
/// are added before their children, and removed behind them. Who applies all events to an empty map has what the cache has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheEvent {
    /// There is a node.
    Added {
        /// Where.
        path: Arc<str>,
        /// What it is like.
        node: Arc<CachedNode>,
    },
    /// The data of a node was set.
    Updated {
        /// Which one.
        path: Arc<str>,
        /// What was told of it last.
        old: Arc<CachedNode>,
        /// What it is like now.
        node: Arc<CachedNode>,
    },
    /// A node has gone. Where another one has taken its place, that follows as [`Added`](Self::Added).
    Removed {
        /// Which one.
        path: Arc<str>,
        /// What was told of it last.
        node: Arc<CachedNode>,
    },
    /// Everything was read. The first one says that the cache is initialised; another follows each [`Stale`](Self::Stale).
    Synced {
        /// What was told so far shows the tree as of this transaction at least.
        zxid: Zxid,
    },
    /// The connection is lost, or events were missed. Everything will be read again.
    Stale,
}

impl CacheEvent {
    /// Returns the path of the node that it is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Added { path, .. } | Self::Updated { path, .. } | Self::Removed { path, .. } => Some(path),
            Self::Synced { .. } | Self::Stale => None,
        }
    }

    /// Returns the name of the node that it is about.
    pub fn name(&self) -> Option<&str> {
        self.path().map(path::name)
    }
}

/// What the background has found out, for everybody who wants to know.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Known>);

#[derive(Debug)]
pub(super) struct Known {
    pub(super) mirror: Mirror,
    standing: Standing,
    is_initialized: bool,
    /// There will be nothing new.
    is_over: bool,
    /// Nobody wants to know any more.
    is_unwanted: bool,
    version: u64,
    view: Option<Arc<CacheView>>,
    readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    waiting: Vec<Waker>,
    background: Option<Waker>,
}

/// What somebody who listens to events was told.
#[derive(Debug, Default)]
struct Reader {
    told: BTreeMap<Arc<str>, Arc<CachedNode>>,
    standing: Option<Standing>,
    /// What was told and may be another node by now, or none.
    leaving: BTreeSet<Arc<str>>,
    /// What may be new.
    coming: BTreeSet<Arc<str>>,
}

impl Shared {
    pub(super) fn new(mirror: Mirror) -> Self {
        Self(Mutex::new(Known {
            mirror,
            standing: Standing::Stale,
            is_initialized: false,
            is_over: false,
            is_unwanted: false,
            version: 0,
            view: None,
            readers: BTreeMap::new(),
            next_reader: 0,
            waiting: Vec::new(),
            background: None,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and tells everybody whom it concerns.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let (result, waiting) = {
            let mut known = self.lock();
            let before = (known.standing, known.is_over, known.mirror.troubles().len(), known.mirror.has_root());
            let result = change(&mut known);
            let changed = known.mirror.take_changed();
            let after = (known.standing, known.is_over, known.mirror.troubles().len(), known.mirror.has_root());
            if changed.is_empty() && before == after {
                return result;
            }
            known.version += 1;
            known.view = None;
            for reader in known.readers.values_mut() {
                reader.leaving.extend(changed.iter().filter(|path| reader.told.contains_key(*path)).cloned());
                reader.coming.extend(changed.iter().cloned());
            }
            (result, std::mem::take(&mut known.waiting))
        };
        waiting.into_iter().for_each(Waker::wake);
        result
    }

    /// Returns what is known, as it is now.
    pub(super) fn view(&self) -> Arc<CacheView> {
        let mut known = self.lock();
        if let Some(view) = &known.view {
            return view.clone();
        }
        let view = Arc::new(CacheView {
            nodes: known.mirror.nodes().map(|(path, node)| (path.clone(), node.clone())).collect(),
            has_root: known.mirror.has_root(),
            standing: known.standing,
            is_initialized: known.is_initialized,
            troubles: known.mirror.troubles().clone(),
            version: known.version,
        });
        known.view = Some(view.clone());
        view
    }

    /// Waits until there is another view than this one.
    pub(super) async fn changed(&self, known: &CacheView, client: &Client) -> Result<Arc<CacheView>, Error> {
        let is_new = poll_fn(|cx| {
            let mut now = self.lock();
            if now.version != known.version {
                return Poll::Ready(true);
            }
            if now.is_over {
                return Poll::Ready(false);
            }
            now.wait(cx);
            Poll::Pending
        });
        if is_new.await { Ok(self.view()) } else { Err(over(client)) }
    }

    /// Waits until everything was read, and not before a connection that was lost is there again.
    pub(super) async fn synced(&self, client: &Client) -> Result<Arc<CacheView>, Error> {
        let mut view = self.view();
        while view.is_stale() {
            view = self.changed(&view, client).await?;
        }
        Ok(view)
    }

    /// Looks, for the background, whether it is still wanted, and leaves its waker.
    pub(super) fn poll_unwanted(&self, cx: &Context<'_>) -> Poll<()> {
        let mut known = self.lock();
        if known.is_unwanted {
            return Poll::Ready(());
        }
        match &known.background {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            Some(_) | None => known.background = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Nobody wants to know any more.
    pub(super) fn abandon(&self) {
        let background = {
            let mut known = self.lock();
            known.is_unwanted = true;
            known.background.take()
        };
        if let Some(waker) = background {
            waker.wake();
        }
    }
}

impl Known {
    /// Notes that everything was read, and how far the server had come by then.
    pub(super) fn set_synced(&mut self, zxid: Zxid) {
        if self.standing == Standing::Stale {
            (self.standing, self.is_initialized) = (Standing::Synced(zxid), true);
        }
    }

    /// Notes that something may have been missed.
    pub(super) fn set_stale(&mut self) {
        self.standing = Standing::Stale;
    }

    /// Notes that there will be nothing new.
    pub(super) fn set_over(&mut self) {
        (self.standing, self.is_over) = (Standing::Stale, true);
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    /// Finds what a reader is to be told next.
    fn tell(&mut self, reader: u64) -> Option<CacheEvent> {
        let reader = self.readers.get_mut(&reader)?;
        // What is deepest goes first.
        while let Some(path) = reader.leaving.pop_last() {
            let Some(told) = reader.told.get(&path) else { continue };
            if self.mirror.get(&path).is_some_and(|now| now.stat.czxid == told.stat.czxid) {
                continue;
            }
            // A node below it may belong to the next one of its name, and have been told too early.
            let path = match last_below(&reader.told, &path) {
                Some(below) => {
                    reader.leaving.insert(path);
                    reader.coming.insert(below.clone());
                    below
                }
                None => path,
            };
            let node = reader.told.remove(&path)?;
            return Some(CacheEvent::Removed { path, node });
        }
        // And what is highest comes first.
        while let Some(path) = reader.coming.pop_first() {
            let Some(node) = self.mirror.get(&path).cloned() else { continue };
            match reader.told.insert(path.clone(), node.clone()) {
                None => return Some(CacheEvent::Added { path, node }),
                Some(old) if old.stat.mzxid != node.stat.mzxid => return Some(CacheEvent::Updated { path, old, node }),
                Some(_) => {}
            }
        }
        let is_news = match (reader.standing, self.standing) {
            (None, Standing::Stale) => false,
            (told, now) => told != Some(now),
        };
        if !is_news {
            return None;
        }
        reader.standing = Some(self.standing);
        Some(match self.standing {
            Standing::Synced(zxid) => CacheEvent::Synced { zxid },
            Standing::Stale => CacheEvent::Stale,
        })
    }
}

/// Returns the last path below another one.
fn last_below(nodes: &BTreeMap<Arc<str>, Arc<CachedNode>>, path: &str) -> Option<Arc<str>> {
    let above = if path == "/" { "" } else { path };
    // The character behind the slash.
    let (from, to): (Arc<str>, Arc<str>) = (format!("{above}/").into(), format!("{above}0").into());
    nodes.range((Bound::Excluded(from), Bound::Excluded(to))).next_back().map(|(path, _)| path.clone())
}

/// The events of a cache, as a stream: everything that is there first, as [`Added`](CacheEvent::Added), then what changes.
///
/// Each reader has its own. Who reads slowly is told of each node only what it is like when he gets to it; so it keeps one mark for each
/// node at most. It ends behind the last event of a client that is over, or of a cache that was dropped.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct CacheEvents {
    shared: Arc<Shared>,
    reader: u64,
}

impl CacheEvents {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let mut known = shared.lock();
        let reader = known.next_reader;
        known.next_reader += 1;
        let coming = known.mirror.nodes().map(|(path, _)| path.clone()).collect();
        known.readers.insert(reader, Reader { coming, ..Reader::default() });
        drop(known);
        Self { shared: shared.clone(), reader }
    }

    /// Waits for the next event; `None` when no other will follow. May be cancelled at any moment.
    pub async fn next(&mut self) -> Option<CacheEvent> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for CacheEvents {
    type Item = CacheEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<CacheEvent>> {
        let mut known = self.shared.lock();
        match known.tell(self.reader) {
            Some(event) => Poll::Ready(Some(event)),
            None if known.is_over => Poll::Ready(None),
            None => {
                known.wait(cx);
                Poll::Pending
            }
        }
    }
}

impl Drop for CacheEvents {
    fn drop(&mut self) {
        let reader = self.shared.lock().readers.remove(&self.reader);
        drop(reader);
    }
}
