//! Values under small keys, in memory that is used again.
//!
//! Everybody who waits has a slot: taking one costs no allocation once the table has grown to the size that the traffic
//! needs. A key says which use of a slot it means, so that an old one finds nothing instead of somebody else's value.

use crate::broken::broken;

/// Names a value in [`Slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    index: u32,
    use_number: u32,
}

/// A table of values.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// The first of the free slots, each of which names the next.
    free: Option<u32>,
    len: u32,
    uses: u32,
}

#[derive(Debug)]
enum Slot<T> {
    Free { next: Option<u32> },
    Taken { use_number: u32, value: T },
}

/// A table with room for more than so many values is given back when the last one leaves.
const KEPT_SLOTS: usize = 1024;

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: None, len: 0, uses: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Returns the key that the next value is going to have.
    pub(super) fn next_key(&self) -> Key {
        let index = self.free.unwrap_or_else(|| u32::try_from(self.slots.len()).expect("fewer than 2^32 waiters"));
        Key { index, use_number: self.uses.wrapping_add(1) }
    }

    /// Adds a value.
    #[inline]
    pub(super) fn insert(&mut self, value: T) -> Key {
        let key = self.next_key();
        let taken = Slot::Taken { use_number: key.use_number, value };
        self.uses = key.use_number;
        self.len += 1;
        match self.slots.get_mut(key.index as usize) {
            Some(slot) => {
                let Slot::Free { next } = *slot else { unreachable!("the list is of free ones") };
                self.free = next;
                *slot = taken;
            }
            None => self.slots.push(taken),
        }
        key
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        match self.slots.get(key.index as usize)? {
            Slot::Taken { use_number, value } if is_meant(*use_number, key) => Some(value),
            Slot::Taken { .. } | Slot::Free { .. } => None,
        }
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index as usize)? {
            Slot::Taken { use_number, value } if is_meant(*use_number, key) => Some(value),
            Slot::Taken { .. } | Slot::Free { .. } => None,
        }
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let taken = core::mem::replace(&mut self.slots[key.index as usize], Slot::Free { next: self.free });
        let Slot::Taken { value, .. } = taken else { unreachable!("it was just there") };
        self.left(key);
        Some(value)
    }

    /// Drops a value where it lies, instead of moving it out.
    #[inline]
    pub(super) fn discard(&mut self, key: Key) {
        if self.get(key).is_some() {
            self.slots[key.index as usize] = Slot::Free { next: self.free };
            self.left(key);
        }
    }

    /// Puts a slot that was freed at the head of those that are.
    fn left(&mut self, key: Key) {
        self.free = Some(key.index);
        self.len -= 1;
        if self.len == 0 && self.slots.capacity() > KEPT_SLOTS {
            self.slots = Vec::new();
            self.free = None;
        }
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Taken { value, .. } => Some(value),
            Slot::Free { .. } => None,
        })
    }
}

/// Returns whether a key means the present use of its slot.
fn is_meant(use_number: u32, key: Key) -> bool {
    use_number == key.use_number || broken!("frees the slot of a request that was given up before its reply")
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_value_until_that_is_taken_out() {
        let mut slots = Slots::new();
        let (a, b) = (slots.insert('a'), slots.insert('b'));

        assert_eq!(slots.remove(a), Some('a'));

        assert_eq!((slots.get(a), slots.get(b)), (None, Some(&'b')));
        assert_eq!(slots.remove(a), None);
    }

    #[test]
    fn a_slot_is_used_again_under_another_key() {
        let mut slots = Slots::new();
        let old = slots.insert('a');
        slots.remove(old);

        let new = slots.insert('b');

        assert_eq!(old.index, new.index);
        assert_eq!(slots.get(old), None);
        assert_eq!(slots.get_mut(new), Some(&mut 'b'));
    }

    #[test]
    fn the_memory_of_a_crowd_is_given_back_and_its_keys_stay_dead() {
        let mut slots = Slots::new();
        let crowd: Vec<Key> = (0..5_000).map(|n| slots.insert(n)).collect();

        crowd.iter().for_each(|key| assert!(slots.remove(*key).is_some()));
        let newcomer = slots.insert(-1);

        assert!(slots.slots.capacity() < KEPT_SLOTS);
        assert!(crowd.iter().all(|key| slots.get(*key).is_none()));
        assert_eq!(slots.values_mut().count(), 1);
        assert_eq!(slots.get(newcomer), Some(&-1));
    }
}
