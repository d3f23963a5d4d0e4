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

mod replay;

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};

use super::{WatchedEvent, WatchedEventKind};
use crate::{Root, Zxid, broken::broken, code::WatcherType, path, request::WatchKind, wire::Text};

pub(super) use replay::{ReplayCursor, set_one};

/// Names a watch, for as long as it is set or on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchId {
    index: u32,
    generation: u32,
}

/// The lists that a server keeps for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Data,
    Child,
    Persistent,
    Recursive,
}

impl List {
    const ALL: [Self; 4] = [Self::Data, Self::Child, Self::Persistent, Self::Recursive];

    fn of(kind: WatchKind) -> Self {
        match kind {
            WatchKind::Data | WatchKind::Exist => Self::Data,
            WatchKind::Child => Self::Child,
            WatchKind::Persistent => Self::Persistent,
            WatchKind::PersistentRecursive => Self::Recursive,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }

    fn watcher_type(self) -> WatcherType {
        match self {
            Self::Data => WatcherType::Data,
            Self::Child => WatcherType::Children,
            Self::Persistent => WatcherType::Persistent,
            Self::Recursive => WatcherType::PersistentRecursive,
        }
    }
}

const PERSISTENT_LISTS: u8 = 1 << List::Persistent as u8 | 1 << List::Recursive as u8;

#[derive(Debug)]
struct Slot<W> {
    generation: u32,
    watch: Option<Watch<W>>,
}

impl<W> Slot<W> {
    /// Takes the watch out. Its name means nothing from now on.
    fn vacate(&mut self) -> Option<Watch<W>> {
        let watch = self.watch.take()?;
        self.generation = self.generation.wrapping_add(1);
        Some(watch)
    }
}

#[derive(Debug)]
struct Watch<W> {
    path: Arc<str>,
    root: Root,
    kind: WatchKind,
    /// Whether another watch of the path hears for it at the server.
    carried: bool,
    stage: Stage<W>,
}

#[derive(Debug)]
enum Stage<W> {
    /// The request that sets it is not answered.
    Pending(W),
    /// As `Pending`, but nobody is left to hear it.
    Abandoned,
    Set(W),
}

/// The watches of one path. There may be a hundred thousand of these, so they are small.
#[derive(Debug)]
struct PathWatches {
    /// The only slot, or [`NO_SLOT`].
    only: u32,
    /// The lists on which this link's server is believed to have the path: bits of [`List`].
    on_server: u8,
    /// The slots in the order in which they were made, where there are several.
    #[expect(clippy::box_collection, reason = "it is seldom there, and a vector would take three times the room")]
    several: Option<Box<Vec<u32>>>,
}

const NO_SLOT: u32 = u32::MAX;

impl Default for PathWatches {
    fn default() -> Self {
        Self { only: NO_SLOT, on_server: 0, several: None }
    }
}

impl PathWatches {
    fn slots(&self) -> &[u32] {
        match (&self.several, self.only) {
            (Some(slots), _) => slots,
            (None, NO_SLOT) => &[],
            (None, _) => core::slice::from_ref(&self.only),
        }
    }

    fn push(&mut self, slot: u32) {
        match (&mut self.several, self.only) {
            (Some(slots), _) => slots.push(slot),
            (None, NO_SLOT) => self.only = slot,
            (None, only) => self.several = Some(Box::new(alloc::vec![only, slot])),
        }
    }

    fn remove(&mut self, slot: u32) {
        match &mut self.several {
            Some(slots) => {
                slots.retain(|other| *other != slot);
                if slots.len() < 2 {
                    self.only = slots.first().copied().unwrap_or(NO_SLOT);
                    self.several = None;
                }
            }
            None if self.only == slot => self.only = NO_SLOT,
            None => {}
        }
    }

    /// Returns whether there is nothing to remember of the path.
    fn is_forgotten(&self) -> bool {
        self.slots().is_empty() && self.on_server == 0
    }

    /// Compares what the server has of the path with what is heard of it, and returns what to take off.
    fn settle<W>(&mut self, slots: &[Slot<W>], modes_apart: bool) -> Option<WatcherType> {
        let mut heard: u8 = 0;
        for slot in self.slots() {
            let Some(watch) = &slots[*slot as usize].watch else { continue };
            heard |= List::of(watch.kind).bit();
            heard |= match (watch.carried, watch.kind) {
                (false, _) => 0,
                (true, WatchKind::Persistent) if modes_apart && self.on_server & List::Persistent.bit() != 0 => 0,
                (true, WatchKind::Persistent) => List::Recursive.bit(),
                (true, _) => PERSISTENT_LISTS,
            };
        }
        let unheard = self.on_server & !heard;
        if unheard == 0 {
            None
        } else if heard == 0 {
            self.on_server = 0;
            Some(WatcherType::Any)
        } else if !modes_apart && (self.on_server | heard) & PERSISTENT_LISTS != 0 {
            // Before 3.9 a removal by type would hit the persistent watches too: wait for the last one.
            None
        } else {
            List::ALL.into_iter().find(|list| unheard & list.bit() != 0).map(|list| {
                self.on_server &= !list.bit();
                list.watcher_type()
            })
        }
    }
}

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

#[derive(Debug)]
pub(super) struct Registry<W> {
    slots: Vec<Slot<W>>,
    free: Vec<u32>,
    by_path: BTreeMap<Arc<str>, PathWatches>,
    /// How many recursive watches there are: without any, no ancestors need be looked at.
    recursive: usize,
    /// Whether this link's server is known to keep the modes of one path apart (3.9 and later).
    modes_apart: bool,
    /// Whether a server turned out not to know persistent watches (before 3.6): then nothing can be carried.
    without_persistent: bool,
}

impl<W: Clone> Registry<W> {
    pub(super) fn new() -> Self {
        let (slots, free, by_path) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { slots, free, by_path, recursive: 0, modes_apart: false, without_persistent: false }
    }

    /// Forgets every watch, but not which names were given away.
    pub(super) fn clear(&mut self) {
        for (index, slot) in (0..).zip(&mut self.slots) {
            if slot.vacate().is_some() {
                self.free.push(index);
            }
        }
        self.by_path.clear();
        (self.recursive, self.modes_apart) = (0, false);
    }

    /// Returns how many watches are set or on their way.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Notes a watch that is on its way.
    pub(super) fn add_pending(
        &mut self,
        kind: WatchKind,
        asking: Asking,
        server_path: &str,
        root: Root,
        handle: W,
    ) -> WatchId {
        // The path is mostly a new one, and a look whether it is costs more than the name.
        let entry = self.by_path.entry(server_path.into());
        let path = entry.key().clone();
        let watches = entry.or_default();
        let carried = asking != Asking::Plainly;
        let watch = Watch { path, root, kind, carried, stage: Stage::Pending(handle) };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize].watch = Some(watch);
                index
            }
            None => {
                self.slots.push(Slot { generation: 0, watch: Some(watch) });
                u32::try_from(self.slots.len() - 1).expect("the limit on watches is below 2^32")
            }
        };
        watches.push(index);
        if kind == WatchKind::PersistentRecursive {
            self.recursive += 1;
        }
        WatchId { index, generation: self.slots[index as usize].generation }
    }

    /// Returns what kind of watch it is.
    pub(super) fn kind(&mut self, id: WatchId) -> Option<WatchKind> {
        self.get_mut(id).map(|watch| watch.kind)
    }

    /// Returns how to ask for a watch.
    pub(super) fn asking(&self, kind: WatchKind, server_path: &str) -> Asking {
        let Some(watches) = self.by_path.get(server_path) else { return Asking::Plainly };
        let mut kinds = 0;
        for watch in watches.slots().iter().filter_map(|slot| self.slots[*slot as usize].watch.as_ref()) {
            // A persistent one that was given up on its way gets to the server all the same.
            if !matches!(watch.stage, Stage::Abandoned) || watch.kind.is_persistent() {
                kinds |= bit(watch.kind);
            }
        }
        for (list, kind) in
            [(List::Persistent, WatchKind::Persistent), (List::Recursive, WatchKind::PersistentRecursive)]
        {
            if watches.on_server & list.bit() != 0 {
                kinds |= bit(kind);
            }
        }
        match (can_carry(kinds, kind) && !self.without_persistent, kind) {
            (false, _) => Asking::Plainly,
            (true, WatchKind::Persistent) => Asking::AsRecursive,
            (true, _) => Asking::Unmarked,
        }
    }

    /// The request was answered: the watch is set. `kind` is what it turned out to be.
    pub(super) fn confirm(&mut self, id: WatchId, kind: WatchKind) -> Confirmed {
        let Some(watch) = self.get_mut(id) else { return Confirmed::Unheard(None) };
        watch.kind = kind;
        let (path, carried) = (watch.path.clone(), watch.carried);
        let is_heard = match core::mem::replace(&mut watch.stage, Stage::Abandoned) {
            Stage::Pending(handle) | Stage::Set(handle) => {
                watch.stage = Stage::Set(handle);
                true
            }
            Stage::Abandoned => false,
        };
        let Some(watches) = self.by_path.get_mut(&path) else { return Confirmed::Unheard(None) };
        let has_carrier = watches.on_server & PERSISTENT_LISTS != 0;
        match (carried, kind) {
            (false, _) => watches.on_server |= List::of(kind).bit(),
            (true, WatchKind::Persistent) => watches.on_server |= List::Recursive.bit(),
            (true, _) => {}
        }
        if kind.is_persistent() && (is_heard || !self.modes_apart) {
            // From here on it hears for the others of the path, and has taken their place on servers before 3.9.
            for slot in watches.slots().iter().filter(|slot| **slot != id.index) {
                if let Some(watch) = &mut self.slots[*slot as usize].watch {
                    watch.carried |= can_carry(bit(kind), watch.kind);
                }
            }
        }
        self.without_persistent &= !kind.is_persistent();
        if !is_heard {
            self.free_slot(id.index);
            return Confirmed::Unheard(self.settle(&path));
        }
        if !kind.is_persistent() && carried && !has_carrier && !self.has_pending_persistent(&path) {
            let Some(watches) = self.by_path.get_mut(&path) else { return Confirmed::Set };
            watches.on_server |= List::of(kind).bit();
            if let Some(watch) = self.get_mut(id) {
                watch.carried = false;
            }
            return Confirmed::Uncarried(path);
        }
        Confirmed::Set
    }

    /// Returns whether a persistent watch is on its way, perhaps for others only.
    fn has_pending_persistent(&self, path: &str) -> bool {
        let slots = self.by_path.get(path).map_or(&[][..], |watches| watches.slots());
        let mut watches = slots.iter().filter_map(|slot| self.slots[*slot as usize].watch.as_ref());
        watches.any(|watch| watch.kind.is_persistent() && !matches!(watch.stage, Stage::Set(_)))
    }

    /// Returns whether watches on their way count on this one, which is on its way too, to carry them.
    pub(super) fn is_counted_on(&self, id: WatchId) -> bool {
        let Some(watch) = self.slots.get(id.index as usize).and_then(|slot| slot.watch.as_ref()) else { return false };
        let slots = self.by_path.get(&watch.path).map_or(&[][..], |watches| watches.slots());
        let mut others = slots.iter().filter_map(|slot| self.slots[*slot as usize].watch.as_ref());
        watch.kind.is_persistent() && others.any(Watch::counts_on_another)
    }

    /// The request failed, or was never sent: there is no watch. Returns what must be taken off: other watches of the path
    /// may have gone while this one was on its way.
    pub(super) fn cancel(&mut self, id: WatchId) -> Option<Removal> {
        let path = self.get_mut(id)?.path.clone();
        self.free_slot(id.index);
        self.settle(&path)
    }

    /// The caller gives up a watch. Returns its handle, and what must be taken off.
    pub(super) fn give_up(&mut self, id: WatchId) -> Option<(W, Option<Removal>)> {
        let watch = self.get_mut(id)?;
        match core::mem::replace(&mut watch.stage, Stage::Abandoned) {
            // The slot waits for the answer: only then is it known whether the server has a watch.
            Stage::Pending(handle) => Some((handle, None)),
            Stage::Abandoned => None,
            Stage::Set(handle) => {
                let path = watch.path.clone();
                self.free_slot(id.index);
                Some((handle, self.settle(&path)))
            }
        }
    }

    /// A watch has fired at the server: tells everyone who hears it, in the order in which the watches were made, and drops
    /// the one-shot ones. Returns what must be taken off, where only those kept it.
    pub(super) fn fire(
        &mut self,
        kind: WatchedEventKind,
        server_path: &Text,
        zxid: Option<Zxid>,
        mut tell: impl FnMut(W, WatchedEvent),
    ) -> [Option<Removal>; 2] {
        // Servers before 3.9 send no number.
        self.modes_apart |= zxid.is_some();
        let fired = (server_path, fired_lists(kind));
        let removal = self.tell_path(kind, fired, zxid, |watch| hears(watch.kind, kind), &mut tell);
        // A child watch below may bring NodeChildrenChanged along: that is not for recursive watches.
        let is_deaf = broken!("does not hear below a recursive watch");
        if self.recursive > 0 && kind != WatchedEventKind::NodeChildrenChanged && !is_deaf {
            for ancestor in path::ancestors(server_path) {
                let Some(watches) = self.by_path.get(ancestor) else { continue };
                for slot in watches.slots() {
                    let Some(watch) = &self.slots[*slot as usize].watch else { continue };
                    if let (WatchKind::PersistentRecursive, Stage::Set(handle)) = (watch.kind, &watch.stage) {
                        tell(handle.clone(), WatchedEvent { kind, path: watch.path_of(server_path), zxid });
                    }
                }
            }
        }
        let is_about_list = matches!(kind, WatchedEventKind::NodeCreated | WatchedEventKind::NodeDeleted);
        let parent = path::parent(server_path).filter(|_| is_about_list);
        [removal, parent.and_then(|parent| self.fire_list(parent, zxid, tell))]
    }

    /// A child of a path was created or deleted. A recursive watch on the path was told so, and on behalf of whom it carries
    /// this means that the list of children has changed.
    fn fire_list(
        &mut self,
        server_path: &str,
        zxid: Option<Zxid>,
        mut tell: impl FnMut(W, WatchedEvent),
    ) -> Option<Removal> {
        let on_server = self.by_path.get(server_path)?.on_server;
        if on_server & List::Recursive.bit() == 0 {
            return None;
        }
        // Where the server keeps both modes, the persistent one is told by the server.
        let tells_persistent = self.modes_apart && on_server & List::Persistent.bit() != 0;
        let kind = WatchedEventKind::NodeChildrenChanged;
        let hears = |watch: &Watch<W>| match watch.kind {
            WatchKind::Child => watch.carried,
            WatchKind::Persistent => watch.carried && !tells_persistent,
            WatchKind::Data | WatchKind::Exist | WatchKind::PersistentRecursive => false,
        };
        self.tell_path(kind, (&Text::from(server_path), 0), zxid, hears, &mut tell)
    }

    /// Tells those watches of a path that are set and hear an event, drops the one-shot ones, and returns what must be taken off.
    /// The server has used up its lists in `fired`.
    ///
    /// A server that has a hundred thousand events to tell is not to wait, so the path is looked up once.
    fn tell_path(
        &mut self,
        kind: WatchedEventKind,
        (server_path, fired): (&Text, u8),
        zxid: Option<Zxid>,
        hears: impl Fn(&Watch<W>) -> bool,
        tell: &mut impl FnMut(W, WatchedEvent),
    ) -> Option<Removal> {
        let watches = self.by_path.get_mut(server_path.as_str())?;
        watches.on_server &= !fired;
        let mut next = 0;
        while let Some(index) = watches.slots().get(next).copied() {
            let slot = &mut self.slots[index as usize];
            next += 1;
            let Some(watch) = slot.watch.as_ref().filter(|watch| hears(watch)) else { continue };
            let Stage::Set(handle) = &watch.stage else { continue };
            let (handle, path) = (handle.clone(), watch.path_of(server_path));
            if !watch.kind.is_persistent() {
                slot.vacate();
                self.free.push(index);
                watches.remove(index);
                next -= 1;
            }
            tell(handle, WatchedEvent { kind, path, zxid });
        }
        let watcher_type = watches.settle(&self.slots, self.modes_apart);
        if watches.is_forgotten() {
            self.by_path.remove(server_path.as_str());
        }
        watcher_type.map(|watcher_type| Removal { path: server_path.as_str().into(), watcher_type })
    }

    /// The link is gone, and with it all that its server had.
    pub(super) fn link_lost(&mut self) {
        self.modes_apart = false;
        self.by_path.retain(|_, watches| {
            watches.on_server = 0;
            !watches.slots().is_empty()
        });
    }

    /// Returns the next persistent watch from slot `from` on, and the slot behind it.
    pub(super) fn next_persistent(&self, from: usize) -> Option<(W, Text, usize)> {
        self.slots.iter().enumerate().skip(from).find_map(|(index, slot)| match &slot.watch {
            Some(watch) if watch.kind.is_persistent() => match &watch.stage {
                Stage::Set(handle) => Some((handle.clone(), watch.path_of(&Text::from(&*watch.path)), index + 1)),
                Stage::Pending(_) | Stage::Abandoned => None,
            },
            _ => None,
        })
    }

    /// Drops every persistent watch that is set, and returns the handles and paths.
    pub(super) fn drop_persistent(&mut self) -> Vec<(W, Text)> {
        self.without_persistent = true;
        let mut dropped = Vec::new();
        let mut from = 0;
        while let Some((handle, path, next)) = self.next_persistent(from) {
            if let Some(watch) = &self.slots[next - 1].watch {
                let server_path = watch.path.clone();
                self.free_slot(u32::try_from(next - 1).expect("the limit on watches is below 2^32"));
                self.drop_if_forgotten(&server_path);
            }
            dropped.push((handle, path));
            from = next;
        }
        dropped
    }

    fn get_mut(&mut self, id: WatchId) -> Option<&mut Watch<W>> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation == id.generation { slot.watch.as_mut() } else { None }
    }

    fn free_slot(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let Some(watch) = slot.vacate() else { return };
        self.free.push(index);
        if watch.kind == WatchKind::PersistentRecursive {
            self.recursive -= 1;
        }
        if let Some(watches) = self.by_path.get_mut(&watch.path) {
            watches.remove(index);
        }
    }

    fn drop_if_forgotten(&mut self, path: &str) {
        if self.by_path.get(path).is_some_and(PathWatches::is_forgotten) {
            self.by_path.remove(path);
        }
    }

    /// Compares what the server has of a path with what is heard of it.
    fn settle(&mut self, path: &str) -> Option<Removal> {
        let watches = self.by_path.get_mut(path)?;
        let watcher_type = watches.settle(&self.slots, self.modes_apart);
        if watches.is_forgotten() {
            self.by_path.remove(path);
        }
        watcher_type.map(|watcher_type| Removal { path: path.into(), watcher_type })
    }
}

impl<W> Watch<W> {
    /// Returns whether its request is on its way and does not ask the server to set it.
    fn counts_on_another(&self) -> bool {
        self.carried && !self.kind.is_persistent() && matches!(self.stage, Stage::Pending(_))
    }

    /// Returns the path as the watch's owner names it.
    fn path_of(&self, server_path: &Text) -> Text {
        match self.root.to_client(server_path) {
            _ if broken!("names server paths in events below a chroot") => server_path.clone(),
            None => server_path.clone(),
            Some(path) if path.len() == server_path.len() => server_path.clone(),
            Some(path) => {
                let wire = server_path.as_wire();
                // The rest of the same bytes, unless they had to be rewritten or the root itself is meant.
                if wire.ends_with(path.as_bytes()) && path.len() < wire.len() {
                    Text::from_wire(wire.slice(wire.len() - path.len()..))
                } else {
                    Text::from(path)
                }
            }
        }
    }
}

/// Returns a kind as a member of a set.
fn bit(kind: WatchKind) -> u8 {
    1 << kind as u8
}

/// Returns whether one of these kinds, on the same path, hears all that a watch of `kind` can be told.
fn can_carry(kinds: u8, kind: WatchKind) -> bool {
    let recursive = kinds & bit(WatchKind::PersistentRecursive) != 0;
    match kind {
        WatchKind::PersistentRecursive => false,
        WatchKind::Persistent => recursive,
        WatchKind::Data | WatchKind::Exist | WatchKind::Child => recursive || kinds & bit(WatchKind::Persistent) != 0,
    }
}

/// Returns the one-shot lists that such an event uses up at the server.
fn fired_lists(kind: WatchedEventKind) -> u8 {
    match kind {
        WatchedEventKind::NodeCreated | WatchedEventKind::NodeDataChanged => List::Data.bit(),
        WatchedEventKind::NodeDeleted => List::Data.bit() | List::Child.bit(),
        WatchedEventKind::NodeChildrenChanged => List::Child.bit(),
        WatchedEventKind::Resync | WatchedEventKind::Unsupported => 0,
    }
}

/// Returns whether a watch on the event's own path hears it. Recursive watches are asked separately.
fn hears(watch: WatchKind, event: WatchedEventKind) -> bool {
    match event {
        WatchedEventKind::NodeCreated | WatchedEventKind::NodeDataChanged => {
            matches!(watch, WatchKind::Data | WatchKind::Exist | WatchKind::Persistent)
        }
        WatchedEventKind::NodeDeleted => watch != WatchKind::PersistentRecursive,
        WatchedEventKind::NodeChildrenChanged => matches!(watch, WatchKind::Child | WatchKind::Persistent),
        WatchedEventKind::Resync | WatchedEventKind::Unsupported => false,
    }
}
