//! Which watches there are, and who is told when one fires.
//!
//! The server forgets every watch when a link breaks, so the registry is the truth and the server's copy is a cache: after
//! each greeting, [`replay`] says what to set again. A one-shot watch leaves the registry the moment it fires,
//! *before* its event is queued; setting it again from the event handler is then an ordinary request.
//!
//! The server knows one watch a connection, path and list (data, child, persistent, recursive), however many watchers this
//! side has. Before 3.9 it even keeps one mode only a connection and path, the last one set (ZOOKEEPER-4466): a one-shot watch
//! on a path with a persistent one would replace it. But the persistent one hears all that the one-shot one could, so the
//! latter is not set on the server at all, whatever its version: it is *carried*. In the same way a recursive watch carries a
//! persistent one, as the news of a child is news of the list of children.
//!
//! For each path the registry remembers on which lists it believes the server to have it, so that the last
//! watcher to leave takes the server's watch off too.

mod fire;
mod hash;
mod lists;
mod paths;
mod replay;
mod slots;
mod table;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::ops::{Deref, DerefMut};

use hash::HashKey;
use lists::{List, PERSISTENT_LISTS, bit, can_carry};
use paths::{Found, PathKey, Paths};
use slots::{Slots, Stage, Watch};

use crate::{Root, code::WatcherType, request::WatchKind, rng::Rng, wire::Text};

pub(super) use replay::{ReplayCursor, set_one};
pub use slots::WatchId;

/// What to ask of the server so that it forgets a watch that nobody hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) path: Arc<str>,
    pub(super) watcher_type: WatcherType,
}

/// How a new watch is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// As its request says.
    Plainly,
    /// Without the server's knowing: another watch carries it.
    Unmarked,
    /// As a recursive watch, which is there already and carries it.
    AsRecursive,
}

/// What becomes of a watch when its request has been answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Confirmed {
    /// All is well.
    Set,
    /// Nobody is left to hear it.
    Unheard(Option<Removal>),
    /// What should carry it is not there any more: it has to be set by itself.
    Uncarried(Arc<str>),
}

/// The registry of a session: nothing until there is a watch.
pub(super) struct Watches<W> {
    key: HashKey,
    registry: Option<Box<Registry<W>>>,
}

impl<W> Watches<W> {
    /// Begins with no watches. The dice decide what an adversary must not foresee: where in the table a path lies.
    pub(super) fn new(mut rng: Rng) -> Self {
        Self { key: HashKey::new([rng.next_u64(), rng.next_u64()]), registry: None }
    }

    /// Returns the registry if there ever was a watch. To change it otherwise is to make it.
    pub(super) fn known(&mut self) -> Option<&mut Registry<W>> {
        self.registry.as_deref_mut()
    }
}

impl<W> Deref for Watches<W> {
    type Target = Registry<W>;

    fn deref(&self) -> &Registry<W> {
        // Nothing is found in an empty one, whatever its key.
        self.registry.as_deref().unwrap_or(const { &Registry::new(HashKey::new([0; 2])) })
    }
}

impl<W> DerefMut for Watches<W> {
    fn deref_mut(&mut self) -> &mut Registry<W> {
        self.registry.get_or_insert_with(|| Box::new(Registry::new(self.key)))
    }
}

pub(super) struct Registry<W> {
    slots: Slots<W>,
    paths: Paths,
    recursive: Recursive,
    /// Whether this link's server is known to keep the modes of one path apart (3.9 and later).
    modes_apart: bool,
    /// Whether a server turned out not to know persistent watches (before 3.6): then nothing can be carried.
    without_persistent: bool,
}

/// What is known of all recursive watches: without any, no ancestors need be looked at.
#[derive(Default)]
struct Recursive {
    count: usize,
    /// How long the longest path was, since there were none.
    longest: usize,
}

impl<W> Registry<W> {
    const fn new(key: HashKey) -> Self {
        Self {
            slots: Slots::new(),
            paths: Paths::new(key),
            recursive: Recursive { count: 0, longest: 0 },
            modes_apart: false,
            without_persistent: false,
        }
    }
}

impl<W: Clone> Registry<W> {
    /// Forgets every watch, but not which names were given away.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.paths.clear();
        (self.recursive, self.modes_apart) = (Recursive::default(), false);
    }

    /// Returns how many watches are set or on their way.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether there can be a watch on this path too.
    pub(super) fn has_room_for(&self, server_path: &str) -> bool {
        self.paths.has_room_for(server_path)
    }

    /// Notes a watch that is on its way, where its path was looked for.
    pub(super) fn add_pending(
        &mut self,
        kind: WatchKind,
        asking: Asking,
        (server_path, found): (&str, Found),
        root: &Root,
        handle: W,
    ) -> WatchId {
        let path = self.paths.add(found, server_path);
        if kind == WatchKind::PersistentRecursive {
            self.recursive.count += 1;
            self.recursive.longest = self.recursive.longest.max(server_path.len());
        }
        let carried = asking != Asking::Plainly;
        let watch = Watch::new(path, server_path, root, kind, carried, handle);
        self.slots.add(&mut self.paths.get_mut(path).watches, watch)
    }

    /// Returns what kind of watch it is.
    pub(super) fn kind(&self, id: WatchId) -> Option<WatchKind> {
        self.slots.get(id).map(|watch| watch.kind)
    }

    /// Returns how to ask for a watch, and what was found of its path: by the key of this registry, not of one that is empty.
    pub(super) fn asking(&mut self, kind: WatchKind, server_path: &str) -> (Asking, Found) {
        let found = self.paths.look_for(server_path);
        let Some(path) = found.key else { return (Asking::Plainly, found) };
        let mut kinds = 0;
        for watch in self.watches(path) {
            // A persistent one that was given up on its way gets to the server all the same.
            if watch.stage != Stage::Abandoned || watch.kind.is_persistent() {
                kinds |= bit(watch.kind);
            }
        }
        let on_server = self.paths.get(path).on_server;
        for (list, kind) in
            [(List::Persistent, WatchKind::Persistent), (List::Recursive, WatchKind::PersistentRecursive)]
        {
            if on_server & list.bit() != 0 {
                kinds |= bit(kind);
            }
        }
        let asking = match (can_carry(kinds, kind) && !self.without_persistent, kind) {
            (false, _) => Asking::Plainly,
            (true, WatchKind::Persistent) => Asking::AsRecursive,
            (true, _) => Asking::Unmarked,
        };
        (asking, found)
    }

    /// The request was answered: the watch is set. `kind` is what it turned out to be.
    pub(super) fn confirm(&mut self, id: WatchId, kind: WatchKind) -> Confirmed {
        let Some(watch) = self.slots.get_mut(id) else { return Confirmed::Unheard(None) };
        watch.kind = kind;
        let (path, carried, is_heard) = (watch.path, watch.carried, watch.stage != Stage::Abandoned);
        if is_heard {
            watch.stage = Stage::Set;
        }
        let record = self.paths.get_mut(path);
        let has_carrier = record.on_server & PERSISTENT_LISTS != 0;
        match (carried, kind) {
            (false, _) => record.on_server |= List::of(kind).bit(),
            (true, WatchKind::Persistent) => record.on_server |= List::Recursive.bit(),
            (true, _) => {}
        }
        if kind.is_persistent() && (is_heard || !self.modes_apart) {
            // From here on it hears for the others of the path, and has taken their place on servers before 3.9.
            self.slots.look_at(record.watches, |watch| watch.carried |= can_carry(bit(kind), watch.kind));
        }
        self.without_persistent &= !kind.is_persistent();
        if !is_heard {
            self.remove(id, path);
            return Confirmed::Unheard(self.settle(path));
        }
        if !kind.is_persistent() && carried && !has_carrier && !self.has_pending_persistent(path) {
            self.paths.get_mut(path).on_server |= List::of(kind).bit();
            if let Some(watch) = self.slots.get_mut(id) {
                watch.carried = false;
            }
            return Confirmed::Uncarried(self.paths.text(path).into());
        }
        Confirmed::Set
    }

    /// Returns whether a persistent watch is on its way, perhaps for others only.
    fn has_pending_persistent(&self, path: PathKey) -> bool {
        self.watches(path).any(|watch| watch.kind.is_persistent() && watch.stage != Stage::Set)
    }

    /// Returns whether watches on their way count on this one, which is on its way too, to carry them.
    pub(super) fn is_counted_on(&self, id: WatchId) -> bool {
        let Some(watch) = self.slots.get(id) else { return false };
        watch.kind.is_persistent() && self.watches(watch.path).any(Watch::counts_on_another)
    }

    /// The request failed, or was never sent: there is no watch. Returns what must be taken off: other watches of the path
    /// may have gone while this one was on its way.
    pub(super) fn cancel(&mut self, id: WatchId) -> Option<Removal> {
        let path = self.slots.get(id)?.path;
        self.remove(id, path);
        self.settle(path)
    }

    /// The caller gives up a watch. Returns its handle, and what must be taken off.
    pub(super) fn give_up(&mut self, id: WatchId) -> Option<(W, Option<Removal>)> {
        let watch = self.slots.get_mut(id)?;
        let (path, handle) = (watch.path, watch.handle.clone());
        match watch.stage {
            // The slot waits for the answer: only then is it known whether the server has a watch.
            Stage::Pending => {
                watch.stage = Stage::Abandoned;
                Some((handle, None))
            }
            Stage::Abandoned => None,
            Stage::Set => {
                self.remove(id, path);
                Some((handle, self.settle(path)))
            }
        }
    }

    /// The link is gone, and with it all that its server had.
    pub(super) fn link_lost(&mut self) {
        self.modes_apart = false;
        let mut from = 0;
        while let Some((path, next)) = self.paths.next(from) {
            self.paths.get_mut(path).on_server = 0;
            self.drop_if_forgotten(path);
            from = next;
        }
    }

    /// Returns the next persistent watch that is set, from slot `from` on, and the slot behind it.
    pub(super) fn next_persistent(&self, from: usize) -> Option<(W, Text, usize)> {
        let (id, next) = self.slots.next(from, |watch| watch.kind.is_persistent() && watch.stage == Stage::Set)?;
        let watch = self.slots.get(id)?;
        Some((watch.handle.clone(), watch.path_of(&Text::from(self.paths.text(watch.path))), next))
    }

    /// Drops every persistent watch that is set, and returns the handles and paths.
    pub(super) fn drop_persistent(&mut self) -> Vec<(W, Text)> {
        self.without_persistent = true;
        let mut dropped = Vec::new();
        let mut from = 0;
        while let Some((id, next)) =
            self.slots.next(from, |watch| watch.kind.is_persistent() && watch.stage == Stage::Set)
        {
            if let Some(watch) = self.slots.get(id) {
                let path = watch.path;
                dropped.push((watch.handle.clone(), watch.path_of(&Text::from(self.paths.text(path)))));
                self.remove(id, path);
                self.drop_if_forgotten(path);
            }
            from = next;
        }
        dropped
    }

    fn watches(&self, path: PathKey) -> impl Iterator<Item = &Watch<W>> {
        self.slots.of(self.paths.get(path).watches)
    }

    /// Removes a watch, and leaves its path.
    fn remove(&mut self, id: WatchId, path: PathKey) {
        if self.kind(id) == Some(WatchKind::PersistentRecursive) {
            self.recursive.count -= 1;
            if self.recursive.count == 0 {
                self.recursive.longest = 0;
            }
        }
        self.slots.remove(id, &mut self.paths.get_mut(path).watches);
    }

    /// Forgets a path of which there is nothing to remember.
    fn drop_if_forgotten(&mut self, path: PathKey) {
        let record = self.paths.get(path);
        if record.watches.is_empty() && record.on_server == 0 {
            self.paths.forget(path);
        }
    }

    /// Compares what the server has of a path with what is heard of it, and returns what to take off.
    fn settle(&mut self, path: PathKey) -> Option<Removal> {
        let watcher_type = self.unheard(path);
        let removal = watcher_type.map(|watcher_type| Removal { path: self.paths.text(path).into(), watcher_type });
        self.drop_if_forgotten(path);
        removal
    }

    /// Notes as taken off what the server has of a path and nobody hears, and returns its type.
    fn unheard(&mut self, path: PathKey) -> Option<WatcherType> {
        let record = self.paths.get_mut(path);
        let mut heard: u8 = 0;
        for watch in self.slots.of(record.watches) {
            heard |= List::of(watch.kind).bit();
            heard |= match (watch.carried, watch.kind) {
                (false, _) => 0,
                (true, WatchKind::Persistent) if self.modes_apart && record.on_server & List::Persistent.bit() != 0 => {
                    0
                }
                (true, WatchKind::Persistent) => List::Recursive.bit(),
                (true, _) => PERSISTENT_LISTS,
            };
        }
        let unheard = record.on_server & !heard;
        if unheard == 0 {
            None
        } else if heard == 0 {
            record.on_server = 0;
            Some(WatcherType::Any)
        } else if !self.modes_apart && (record.on_server | heard) & PERSISTENT_LISTS != 0 {
            // Before 3.9 a removal by type would hit the persistent watches too: wait for the last one.
            None
        } else {
            List::ALL.into_iter().find(|list| unheard & list.bit() != 0).map(|list| {
                record.on_server &= !list.bit();
                list.watcher_type()
            })
        }
    }
}
