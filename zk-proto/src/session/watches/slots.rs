//! Watches in numbered slots, and those of one path in a ring.
//!
//! There may be a hundred thousand of these too, so they are small: of its root a watch keeps how long it is, and a path knows only the last
//! of its watches, which is followed by the first.

use alloc::vec::Vec;

use super::paths::PathKey;
use crate::{Root, broken::broken, request::WatchKind, wire::Text};

/// Names a watch, for as long as it is set or on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchId {
    index: u32,
    use_number: u32,
}

#[derive(Debug)]
pub(super) struct Watch<W> {
    use_number: u32,
    pub(super) path: PathKey,
    /// The next one in the ring of its path.
    next: u32,
    /// How many bytes of the path its owner does not see.
    root_len: u32,
    pub(super) kind: WatchKind,
    /// Whether another watch of the path hears for it at the server.
    pub(super) carried: bool,
    pub(super) stage: Stage,
    pub(super) handle: W,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The request that sets it is not answered.
    Pending,
    /// As `Pending`, but nobody is left to hear it.
    Abandoned,
    Set,
}

impl<W> Watch<W> {
    /// Makes a watch that is on its way.
    pub(super) fn new(
        path: PathKey,
        server_path: &str,
        root: &Root,
        kind: WatchKind,
        carried: bool,
        handle: W,
    ) -> Self {
        // The node of the configuration lies outside of most roots.
        let root_len = root.to_client(server_path).map_or(0, |_| root.as_str().len());
        let root_len = u32::try_from(root_len).expect("no frame holds a longer path");
        Self { use_number: 0, path, next: NONE, root_len, kind, carried, stage: Stage::Pending, handle }
    }

    /// Returns whether its request is on its way and does not ask the server to set it.
    pub(super) fn counts_on_another(&self) -> bool {
        self.carried && !self.kind.is_persistent() && self.stage == Stage::Pending
    }

    /// Returns its path, or one below it, as the watch's owner names it.
    pub(super) fn path_of(&self, server_path: &Text) -> Text {
        let root_len = self.root_len as usize;
        if root_len == 0 || broken!("names server paths in events below a chroot") {
            return server_path.clone();
        }
        match &server_path[root_len..] {
            "" => Text::from("/"),
            path => {
                let wire = server_path.as_wire();
                // The rest of the same bytes, unless they had to be rewritten.
                if wire.ends_with(path.as_bytes()) {
                    Text::from_wire(wire.slice(wire.len() - path.len()..))
                } else {
                    Text::from(path)
                }
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Slots<W> {
    slots: Vec<Slot<W>>,
    /// The first of the free slots, each of which names the next.
    free: u32,
    len: usize,
    /// How many watches there have been. A name that was given away means one of them.
    uses: u32,
}

#[derive(Debug)]
enum Slot<W> {
    Free { next: u32 },
    Taken(Watch<W>),
}

/// No slot.
const NONE: u32 = u32::MAX;

/// The watches of a path in the order in which they were made: the last of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain(u32);

impl Chain {
    pub(super) const EMPTY: Self = Self(NONE);

    pub(super) fn is_empty(self) -> bool {
        self.0 == NONE
    }
}

/// A table with room for more than so many watches is given back when the last one leaves.
const KEPT_SLOTS: usize = 64;

impl<W> Slots<W> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE, len: 0, uses: 0 }
    }

    /// Forgets every watch, but not which names were given away.
    pub(super) fn clear(&mut self) {
        *self = Self { uses: self.uses, ..Self::new() };
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a watch behind the others of its path.
    pub(super) fn add(&mut self, chain: &mut Chain, watch: Watch<W>) -> WatchId {
        self.uses = self.uses.wrapping_add(1);
        self.len += 1;
        let index = match self.slots.get(self.free as usize) {
            Some(Slot::Free { next }) => core::mem::replace(&mut self.free, *next),
            Some(Slot::Taken(_)) => unreachable!("the list is of free ones"),
            None => u32::try_from(self.slots.len()).expect("the limit on watches is below 2^32"),
        };
        let next = match *chain {
            Chain(NONE) => index,
            Chain(last) => core::mem::replace(&mut self.at_mut(last).next, index),
        };
        *chain = Chain(index);
        let slot = Slot::Taken(Watch { use_number: self.uses, next, ..watch });
        match self.slots.get_mut(index as usize) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        WatchId { index, use_number: self.uses }
    }

    pub(super) fn get(&self, id: WatchId) -> Option<&Watch<W>> {
        match self.slots.get(id.index as usize)? {
            Slot::Taken(watch) if watch.use_number == id.use_number => Some(watch),
            Slot::Taken(_) | Slot::Free { .. } => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: WatchId) -> Option<&mut Watch<W>> {
        match self.slots.get_mut(id.index as usize)? {
            Slot::Taken(watch) if watch.use_number == id.use_number => Some(watch),
            Slot::Taken(_) | Slot::Free { .. } => None,
        }
    }

    /// Returns the watches of a path.
    pub(super) fn of(&self, chain: Chain) -> impl Iterator<Item = &Watch<W>> {
        let first = (!chain.is_empty()).then(|| self.at(chain.0).next);
        let ring = core::iter::successors(first, move |index| (*index != chain.0).then(|| self.at(*index).next));
        ring.map(|index| self.at(index))
    }

    /// Shows all watches of a path to `look`, to be changed.
    pub(super) fn look_at(&mut self, chain: Chain, mut look: impl FnMut(&mut Watch<W>)) {
        let mut index = chain.0;
        while index != NONE {
            index = self.at(index).next;
            look(self.at_mut(index));
            if index == chain.0 {
                break;
            }
        }
    }

    /// Removes those watches of a path that are not to be kept.
    pub(super) fn retain(&mut self, chain: &mut Chain, mut keep: impl FnMut(&Watch<W>) -> bool) {
        let Chain(last) = *chain;
        let (mut before, mut index) = (last, NONE);
        while index != last {
            index = self.at(before).next;
            if keep(self.at(index)) {
                before = index;
            } else {
                self.remove_behind(before, index, chain);
            }
        }
    }

    /// Removes a watch. Its name means nothing from now on.
    pub(super) fn remove(&mut self, id: WatchId, chain: &mut Chain) {
        // The first one of the path is behind the last.
        let mut before = chain.0;
        while self.at(before).next != id.index {
            before = self.at(before).next;
        }
        self.remove_behind(before, id.index, chain);
    }

    fn remove_behind(&mut self, before: u32, index: u32, chain: &mut Chain) {
        if before == index {
            *chain = Chain::EMPTY;
        } else {
            self.at_mut(before).next = self.at(index).next;
            if chain.0 == index {
                *chain = Chain(before);
            }
        }
        self.slots[index as usize] = Slot::Free { next: self.free };
        self.free = index;
        self.len -= 1;
        if self.len == 0 && self.slots.capacity() > KEPT_SLOTS {
            self.clear();
        }
    }

    /// Returns the first watch from the given slot on, and the slot behind it.
    pub(super) fn next(&self, from: usize, mut is_meant: impl FnMut(&Watch<W>) -> bool) -> Option<(WatchId, usize)> {
        (0..).zip(&self.slots).skip(from).find_map(|(index, slot)| match slot {
            Slot::Taken(watch) if is_meant(watch) => {
                Some((WatchId { index, use_number: watch.use_number }, index as usize + 1))
            }
            Slot::Taken(_) | Slot::Free { .. } => None,
        })
    }

    fn at(&self, index: u32) -> &Watch<W> {
        match &self.slots[index as usize] {
            Slot::Taken(watch) => watch,
            Slot::Free { .. } => unreachable!("only those are chained that are there"),
        }
    }

    fn at_mut(&mut self, index: u32) -> &mut Watch<W> {
        match &mut self.slots[index as usize] {
            Slot::Taken(watch) => watch,
            Slot::Free { .. } => unreachable!("only those are chained that are there"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::watches::{hash::HashKey, paths::Paths};

    fn three() -> (Slots<char>, Chain, [WatchId; 3]) {
        let mut paths = Paths::new(HashKey::new([1, 2]));
        let path = paths.add(paths.look_for("/a"), "/a");
        let (mut slots, mut chain) = (Slots::new(), Chain::EMPTY);
        let watch = |handle| Watch::new(path, "/a", &Root::default(), WatchKind::Data, false, handle);
        let ids = ['a', 'b', 'c'].map(|handle| slots.add(&mut chain, watch(handle)));
        (slots, chain, ids)
    }

    fn handles(slots: &Slots<char>, chain: Chain) -> Vec<char> {
        slots.of(chain).map(|watch| watch.handle).collect()
    }

    #[test]
    fn those_that_are_left_keep_their_order_whichever_goes() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let (mut slots, mut chain, ids) = three();
            let mut expected = alloc::vec!['a', 'b', 'c'];
            assert_eq!(handles(&slots, chain), expected);
            for gone in order {
                slots.remove(ids[gone], &mut chain);
                expected.retain(|handle| *handle != ['a', 'b', 'c'][gone]);
                assert_eq!(handles(&slots, chain), expected, "{order:?}");
                assert!(slots.get(ids[gone]).is_none());
            }
            assert!(chain.is_empty());
        }
    }

    #[test]
    fn all_are_asked_once_which_are_to_be_kept() {
        for kept in 0..8 {
            let (mut slots, mut chain, _) = three();
            let mut asked = Vec::new();
            slots.retain(&mut chain, |watch| {
                asked.push(watch.handle);
                kept & 1 << (asked.len() - 1) != 0
            });
            assert_eq!(asked, ['a', 'b', 'c']);
            let expected: Vec<char> = (0..3).filter(|place| kept & 1 << place != 0).map(|place| asked[place]).collect();
            assert_eq!((handles(&slots, chain), slots.len()), (expected.clone(), expected.len()));
        }
    }

    #[test]
    fn a_slot_that_is_used_again_or_was_given_back_bears_another_name() {
        let (mut slots, mut chain, [old, ..]) = three();
        slots.remove(old, &mut chain);
        let path = slots.of(chain).next().expect("there are two").path;
        let new = slots.add(&mut chain, Watch::new(path, "/a", &Root::default(), WatchKind::Data, false, 'd'));
        assert_eq!((new.index, slots.get(old).is_some()), (old.index, false));

        slots.clear();

        let mut chain = Chain::EMPTY;
        let newer = slots.add(&mut chain, Watch::new(path, "/a", &Root::default(), WatchKind::Data, false, 'e'));
        assert!(slots.get(old).is_none() && slots.get(new).is_none() && slots.get(newer).is_some());
    }
}
