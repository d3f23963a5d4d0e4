//! Which watches there are, and who is told when one fires.
//!
//! The server forgets every watch when a link breaks, so the registry is the truth and the server's copy is a cache: after
//! each greeting, [`replay`] says what to set again. A one-shot watch leaves the registry the moment it fires,
//! *before* its event is queued; setting it again from the event handler is then an ordinary request.
//!
//! The server knows one watch a connection, path and list (data, child, persistent, recursive), however many watchers this
//! side has. For each path the registry remembers on which lists it believes the server to have it, so that the last
//! watcher to leave takes the server's watch off too.

mod replay;

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use super::{WatchedEvent, WatchedEventKind};
use crate::{Root, Zxid, code::WatcherType, path, request::WatchKind, wire::Text};

pub(super) use replay::{ReplayCursor, child_again};

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

#[derive(Debug)]
struct Watch<W> {
    path: Arc<str>,
    root: Root,
    kind: WatchKind,
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

/// The watches of one path.
#[derive(Debug, Default)]
struct PathWatches {
    /// Slots, in the order in which they were made.
    slots: Slots,
    /// The lists on which this link's server is believed to have the path: bits of [`List`].
    on_server: u8,
}

/// Mostly one, without a vector then.
#[derive(Debug, Default)]
enum Slots {
    #[default]
    None,
    One(u32),
    Many(Vec<u32>),
}

impl Slots {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(slot) => core::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }

    fn push(&mut self, slot: u32) {
        match self {
            Self::None => *self = Self::One(slot),
            Self::One(first) => *self = Self::Many(alloc::vec![*first, slot]),
            Self::Many(slots) => slots.push(slot),
        }
    }

    fn remove(&mut self, slot: u32) {
        match self {
            Self::One(only) if *only == slot => *self = Self::None,
            Self::Many(slots) => {
                slots.retain(|other| *other != slot);
                match slots[..] {
                    [] => *self = Self::None,
                    [only] => *self = Self::One(only),
                    _ => {}
                }
            }
            Self::None | Self::One(_) => {}
        }
    }
}

/// What to ask of the server so that it forgets a watch that nobody hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) path: Arc<str>,
    pub(super) watcher_type: WatcherType,
}

/// What a server before 3.9 forgets when a watch is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wiped {
    /// A persistent watch of that kind.
    pub(super) persistent: Option<WatchKind>,
    /// One-shot watches on children, once the persistent watch is there.
    pub(super) child: bool,
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
}

impl<W: Clone> Registry<W> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_path: BTreeMap::new(), recursive: 0, modes_apart: false }
    }

    /// Forgets every watch, but not which names were given away.
    pub(super) fn clear(&mut self) {
        for (index, slot) in (0..).zip(&mut self.slots) {
            if slot.watch.take().is_some() {
                slot.generation = slot.generation.wrapping_add(1);
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
    pub(super) fn add_pending(&mut self, kind: WatchKind, server_path: &str, root: Root, handle: W) -> WatchId {
        let path = match self.by_path.get_key_value(server_path) {
            Some((path, _)) => path.clone(),
            None => server_path.into(),
        };
        let watch = Watch { path: path.clone(), root, kind, stage: Stage::Pending(handle) };
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
        self.by_path.entry(path).or_default().slots.push(index);
        if kind == WatchKind::PersistentRecursive {
            self.recursive += 1;
        }
        WatchId { index, generation: self.slots[index as usize].generation }
    }

    /// Returns what kind of watch it is.
    pub(super) fn kind(&mut self, id: WatchId) -> Option<WatchKind> {
        self.get_mut(id).map(|watch| watch.kind)
    }

    /// The request was answered: the watch is set. `kind` is what it turned out to be. Returns what must be taken off,
    /// where nobody is left to hear it.
    pub(super) fn confirm(&mut self, id: WatchId, kind: WatchKind) -> Option<Removal> {
        let watch = self.get_mut(id)?;
        watch.kind = kind;
        let path = watch.path.clone();
        match core::mem::replace(&mut watch.stage, Stage::Abandoned) {
            Stage::Pending(handle) | Stage::Set(handle) => watch.stage = Stage::Set(handle),
            Stage::Abandoned => {
                self.mark_on_server(&path, kind);
                self.free_slot(id.index);
                return self.settle(&path);
            }
        }
        self.mark_on_server(&path, kind);
        None
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

    /// Returns what to set once more behind a request that sets a watch of that kind on that path.
    ///
    /// Servers before 3.9 keep one mode a connection and path in each of two lists, the last one set (ZOOKEEPER-4466). Reads
    /// of data and existence set the mode in the list for data, lists of children in the one for children, `addWatch` in
    /// both. So a one-shot watch wipes a persistent one, and a recursive one, which tells nothing of children as such, wipes a
    /// one-shot watch on children.
    pub(super) fn wiped_by(&self, server_path: &str, kind: WatchKind) -> Wiped {
        let Some(watches) = self.by_path.get(server_path).filter(|_| !self.modes_apart) else {
            return Wiped::default();
        };
        let watches = watches.slots.as_slice().iter().filter_map(|slot| self.slots[*slot as usize].watch.as_ref());
        let heard = watches.filter(|watch| !matches!(watch.stage, Stage::Abandoned));
        let kinds = heard.fold(0, |kinds, watch| kinds | bit(watch.kind));
        let has = |kind| kinds & bit(kind) != 0;
        let persistent = match (kind, has(WatchKind::PersistentRecursive)) {
            (WatchKind::PersistentRecursive, _) => None,
            // For a recursive watch, the list for children is of no use.
            (WatchKind::Child, true) => None,
            // A recursive watch tells all that a persistent one beside it needs, see `fire`, so its mode has to be the last.
            (WatchKind::Data | WatchKind::Exist | WatchKind::Persistent, true) => Some(WatchKind::PersistentRecursive),
            (WatchKind::Persistent, false) => None,
            (WatchKind::Data | WatchKind::Exist | WatchKind::Child, false) => {
                has(WatchKind::Persistent).then_some(WatchKind::Persistent)
            }
        };
        let last = persistent.unwrap_or(kind);
        Wiped { persistent, child: last == WatchKind::PersistentRecursive && has(WatchKind::Child) }
    }

    /// A watch was set once more, behind another one. Returns what must be taken off, where nobody hears it any more.
    pub(super) fn set_again(&mut self, path: Arc<str>, kind: WatchKind) -> Option<Removal> {
        self.by_path.entry(path.clone()).or_default();
        self.mark_on_server(&path, kind);
        self.settle(&path)
    }

    /// A watch has fired at the server: tells everyone who hears it, in the order in which the watches were made, and drops
    /// the one-shot ones. Returns what must be taken off, where only those kept it.
    pub(super) fn fire(
        &mut self,
        kind: WatchedEventKind,
        server_path: &Text,
        zxid: Option<Zxid>,
        mut tell: impl FnMut(W, WatchedEvent),
    ) -> Option<Removal> {
        // Servers before 3.9 send no number.
        self.modes_apart |= zxid.is_some();
        if let Some(watches) = self.by_path.get_mut(server_path.as_str()) {
            watches.on_server &= !fired_lists(kind);
            let told_otherwise = zxid.is_none() && watches.on_server & List::Recursive.bit() != 0;
            let slots: Vec<u32> = watches.slots.as_slice().to_vec();
            for slot in slots {
                let Some(watch) = &mut self.slots[slot as usize].watch else { continue };
                let is_list = kind == WatchedEventKind::NodeChildrenChanged && watch.kind == WatchKind::Persistent;
                if !hears(watch.kind, kind) || (is_list && told_otherwise) {
                    continue;
                }
                let Stage::Set(handle) = &watch.stage else { continue };
                let (handle, path) = (handle.clone(), watch.path_of(server_path));
                if !watch.kind.is_persistent() {
                    self.free_slot(slot);
                }
                tell(handle, WatchedEvent { kind, path, zxid });
            }
        }
        let removal = self.settle(server_path);
        // A child watch below may bring NodeChildrenChanged along: that is not for recursive watches.
        if self.recursive > 0 && kind != WatchedEventKind::NodeChildrenChanged {
            for ancestor in path::ancestors(server_path) {
                let Some(watches) = self.by_path.get(ancestor) else { continue };
                for slot in watches.slots.as_slice() {
                    let Some(watch) = &self.slots[*slot as usize].watch else { continue };
                    if let (WatchKind::PersistentRecursive, Stage::Set(handle)) = (watch.kind, &watch.stage) {
                        tell(handle.clone(), WatchedEvent { kind, path: watch.path_of(server_path), zxid });
                    }
                }
            }
        }
        if zxid.is_none() && matches!(kind, WatchedEventKind::NodeCreated | WatchedEventKind::NodeDeleted) {
            self.tell_list_changed(server_path, tell);
        }
        removal
    }

    /// A server before 3.9 that has a path in recursive mode tells nothing of its list of children as such; but it tells of
    /// each child. Persistent watches on the path are told what that means.
    fn tell_list_changed(&self, child: &str, mut tell: impl FnMut(W, WatchedEvent)) {
        let Some(parent) = path::parent(child) else { return };
        let Some(watches) = self.by_path.get(parent).filter(|_| !self.modes_apart) else { return };
        if watches.on_server & List::Recursive.bit() == 0 {
            return;
        }
        for slot in watches.slots.as_slice() {
            let Some(watch) = &self.slots[*slot as usize].watch else { continue };
            if let (WatchKind::Persistent, Stage::Set(handle)) = (watch.kind, &watch.stage) {
                let path = watch.path_of(&Text::from(parent));
                let kind = WatchedEventKind::NodeChildrenChanged;
                tell(handle.clone(), WatchedEvent { kind, path, zxid: None });
            }
        }
    }

    /// The link is gone, and with it all that its server had.
    pub(super) fn link_lost(&mut self) {
        self.modes_apart = false;
        self.by_path.retain(|_, watches| {
            watches.on_server = 0;
            !matches!(watches.slots, Slots::None)
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
        let mut dropped = Vec::new();
        let mut from = 0;
        while let Some((handle, path, next)) = self.next_persistent(from) {
            if let Some(watch) = &self.slots[next - 1].watch {
                let server_path = watch.path.clone();
                self.free_slot(u32::try_from(next - 1).expect("the limit on watches is below 2^32"));
                self.drop_if_empty(&server_path);
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

    fn mark_on_server(&mut self, path: &str, kind: WatchKind) {
        let Some(watches) = self.by_path.get_mut(path) else { return };
        watches.on_server |= List::of(kind).bit();
        // Before 3.9 this has taken the place of a recursive mode that nobody needs any more.
        if kind == WatchKind::Persistent && !self.modes_apart {
            let watches_of_path =
                watches.slots.as_slice().iter().filter_map(|slot| self.slots[*slot as usize].watch.as_ref());
            if !watches_of_path.map(|watch| watch.kind).any(|kind| kind == WatchKind::PersistentRecursive) {
                watches.on_server &= !List::Recursive.bit();
            }
        }
    }

    fn free_slot(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let Some(watch) = slot.watch.take() else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        if watch.kind == WatchKind::PersistentRecursive {
            self.recursive -= 1;
        }
        if let Some(watches) = self.by_path.get_mut(&watch.path) {
            watches.slots.remove(index);
        }
    }

    fn drop_if_empty(&mut self, path: &str) {
        if self.by_path.get(path).is_some_and(|watches| matches!(watches.slots, Slots::None) && watches.on_server == 0)
        {
            self.by_path.remove(path);
        }
    }

    /// Compares what the server has of a path with what is heard of it.
    fn settle(&mut self, path: &str) -> Option<Removal> {
        let watches = self.by_path.get_mut(path)?;
        let mut heard: u8 = 0;
        for slot in watches.slots.as_slice() {
            if let Some(watch) = &self.slots[*slot as usize].watch {
                heard |= List::of(watch.kind).bit();
            }
        }
        let unheard = watches.on_server & !heard;
        let removal = if unheard == 0 {
            None
        } else if heard == 0 {
            watches.on_server = 0;
            Some(WatcherType::Any)
        } else if !self.modes_apart && (watches.on_server | heard) & PERSISTENT_LISTS != 0 {
            // Before 3.9 a removal by type would hit the persistent watches too: wait for the last one.
            None
        } else {
            List::ALL.into_iter().find(|list| unheard & list.bit() != 0).map(|list| {
                watches.on_server &= !list.bit();
                list.watcher_type()
            })
        };
        self.drop_if_empty(path);
        removal.map(|watcher_type| Removal { path: path.into(), watcher_type })
    }
}

impl<W> Watch<W> {
    /// Returns the path as the watch's owner names it.
    fn path_of(&self, server_path: &Text) -> Text {
        match self.root.to_client(server_path) {
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
