//! A hash table of small numbers: eight bytes a place, of which four in five may be taken.
//!
//! What a number names lies elsewhere, and is looked at only where the hash is the same.

use alloc::vec::Vec;

pub(super) struct Table {
    /// As many as a power of two, or none.
    places: Vec<Place>,
    len: usize,
}

#[derive(Clone, Copy)]
struct Place {
    hash: u32,
    /// [`NONE`] where nothing is.
    number: u32,
}

const NONE: u32 = u32::MAX;

const EMPTY: Place = Place { hash: 0, number: NONE };

/// Fewer places than these are not worth giving back.
const KEPT_PLACES: usize = 64;

impl Table {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), len: 0 }
    }

    /// Returns the number with this hash that is the one.
    pub(super) fn find(&self, hash: u32, is_the_one: impl Fn(u32) -> bool) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            match self.places[at] {
                Place { number: NONE, .. } => return None,
                place if place.hash == hash && is_the_one(place.number) => return Some(place.number),
                _ => at = self.behind(at),
            }
        }
    }

    /// Adds a number that is not there yet.
    pub(super) fn add(&mut self, hash: u32, number: u32) {
        if (self.len + 1) * 5 > self.places.len() * 4 {
            self.resize((self.places.len() * 2).max(KEPT_PLACES));
        }
        self.put(Place { hash, number });
        self.len += 1;
    }

    /// Removes a number that is there.
    pub(super) fn remove(&mut self, hash: u32, number: u32) {
        let mut hole = self.home(hash);
        while self.places[hole].number != number {
            hole = self.behind(hole);
        }
        // Those behind move up, so that nobody stops looking for them at the hole; but none to before its home.
        let mut at = self.behind(hole);
        while self.places[at].number != NONE {
            let home = self.home(self.places[at].hash);
            if self.distance(home, at) >= self.distance(hole, at) {
                self.places[hole] = self.places[at];
                hole = at;
            }
            at = self.behind(at);
        }
        self.places[hole] = EMPTY;
        self.len -= 1;
        if self.places.len() > KEPT_PLACES && self.len < self.places.len() / 8 {
            self.resize(self.places.len() / 4);
        }
    }

    fn resize(&mut self, count: usize) {
        let places = core::mem::replace(&mut self.places, alloc::vec![EMPTY; count]);
        places.into_iter().filter(|place| place.number != NONE).for_each(|place| self.put(place));
    }

    fn put(&mut self, place: Place) {
        let mut at = self.home(place.hash);
        while self.places[at].number != NONE {
            at = self.behind(at);
        }
        self.places[at] = place;
    }

    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.places.len() - 1)
    }

    fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    /// Returns how many steps lead from one place to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::Rng;

    /// Numbers under few hashes, so that they crowd; each is found as long as it is there, and no other.
    #[test]
    fn what_was_added_is_found_until_it_is_removed() {
        for seed in 0..50 {
            let mut rng = Rng::new([seed; 32]);
            let (mut table, mut model) = (Table::new(), BTreeMap::new());
            for step in 0..2_000 {
                let number = rng.below(200) as u32;
                // At the end of the table and around it, and the same hash for several.
                let hash = (number / 3).wrapping_sub(20).wrapping_mul(1 + u32::from(seed) % 3);
                if model.remove(&number).is_some() {
                    table.remove(hash, number);
                } else if rng.below(4000) > step {
                    table.add(hash, number);
                    model.insert(number, hash);
                }
                for (number, hash) in &model {
                    assert_eq!(table.find(*hash, |found| found == *number), Some(*number), "seed {seed}, step {step}");
                }
                assert_eq!(table.find(hash, |found| found == number).is_some(), model.contains_key(&number));
            }
        }
    }

    #[test]
    fn the_places_of_a_crowd_are_given_back() {
        let mut table = Table::new();
        (0..10_000).for_each(|number| table.add(number, number));
        assert!(table.places.len() <= 16_384);

        (0..9_990).for_each(|number| table.remove(number, number));

        assert!(table.places.len() <= 2 * KEPT_PLACES, "{}", table.places.len());
        assert!((9_990..10_000).all(|number| table.find(number, |_| true) == Some(number)));
    }
}
