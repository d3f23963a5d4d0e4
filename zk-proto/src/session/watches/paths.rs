//! The paths that are watched, each under a small number.
//!
//! There may be a hundred thousand, so they are packed. All paths lie in one string, one behind the other; those that are forgotten leave
//! holes, which are closed when they outweigh what is left.

use alloc::{string::String, vec::Vec};

use super::{hash::HashKey, slots::Chain, table::Table};

/// Names a path, as long as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PathKey(u32);

/// What was found when a path was looked for. Good until a path is added or forgotten.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Found {
    hash: u32,
    pub(super) key: Option<PathKey>,
}

pub(super) struct Paths {
    hash_key: HashKey,
    /// The numbers of the records by the hashes of their paths.
    table: Table,
    records: Vec<Record>,
    /// The first of the free records; the start of each is the next one.
    free: u32,
    len: usize,
    text: String,
    /// How many bytes of the text are holes.
    holes: usize,
}

/// What is remembered of a path.
pub(super) struct Record {
    start: u32,
    len: u32,
    /// Its watches.
    pub(super) watches: Chain,
    /// The lists on which this link's server is believed to have the path: bits of [`List`](super::lists::List).
    pub(super) on_server: u8,
    is_taken: bool,
}

/// No record.
const NONE: u32 = u32::MAX;

/// Room for so many paths is kept when the last one is forgotten.
const KEPT_PATHS: usize = 64;

/// Fewer bytes than these are not worth closing holes for.
const KEPT_HOLES: usize = 4096;

impl Paths {
    pub(super) const fn new(hash_key: HashKey) -> Self {
        Self { hash_key, table: Table::new(), records: Vec::new(), free: NONE, len: 0, text: String::new(), holes: 0 }
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.hash_key);
    }

    /// Returns whether there is room for a path: for 4 GiB of them there is.
    pub(super) fn has_room_for(&self, path: &str) -> bool {
        u32::try_from(self.text.len().saturating_add(path.len())).is_ok()
    }

    /// Looks for a path.
    pub(super) fn look_for(&self, path: &str) -> Found {
        let hash = self.hash(path);
        let is_the_one = |number| self.text(PathKey(number)) == path;
        Found { hash, key: self.table.find(hash, is_the_one).map(PathKey) }
    }

    pub(super) fn find(&self, path: &str) -> Option<PathKey> {
        if self.len == 0 { None } else { self.look_for(path).key }
    }

    /// Remembers a path for which there is room, unless it was found.
    pub(super) fn add(&mut self, found: Found, path: &str) -> PathKey {
        if let Some(key) = found.key {
            return key;
        }
        let [start, len] = [self.text.len(), path.len()].map(|len| u32::try_from(len).expect("there is room"));
        self.text.push_str(path);
        self.len += 1;
        let record = Record { start, len, watches: Chain::EMPTY, on_server: 0, is_taken: true };
        let number = match self.records.get_mut(self.free as usize) {
            Some(free) => {
                let number = core::mem::replace(&mut self.free, free.start);
                *free = record;
                number
            }
            None => {
                self.records.push(record);
                number(self.records.len() - 1)
            }
        };
        self.table.add(found.hash, number);
        PathKey(number)
    }

    /// Forgets a path.
    pub(super) fn forget(&mut self, path: PathKey) {
        self.table.remove(self.hash(self.text(path)), path.0);
        let free = self.free;
        let record = self.get_mut(path);
        let len = record.len as usize;
        (record.is_taken, record.start) = (false, free);
        self.free = path.0;
        self.holes += len;
        self.len -= 1;
        if self.len == 0 && self.records.capacity() > KEPT_PATHS {
            self.clear();
        } else if self.holes > KEPT_HOLES && self.holes > self.text.len() / 2 {
            self.close_holes();
        }
    }

    pub(super) fn text(&self, path: PathKey) -> &str {
        self.get(path).text(&self.text)
    }

    pub(super) fn get(&self, path: PathKey) -> &Record {
        &self.records[path.0 as usize]
    }

    pub(super) fn get_mut(&mut self, path: PathKey) -> &mut Record {
        &mut self.records[path.0 as usize]
    }

    /// Returns the first path from the given record on, and the record behind it.
    pub(super) fn next(&self, from: usize) -> Option<(PathKey, usize)> {
        let found = self.records.iter().enumerate().skip(from).find(|(_, record)| record.is_taken);
        found.map(|(index, _)| (PathKey(number(index)), index + 1))
    }

    fn hash(&self, path: &str) -> u32 {
        // The upper half is as good.
        self.hash_key.hash(path.as_bytes()) as u32
    }

    fn close_holes(&mut self) {
        let mut text = String::with_capacity(self.text.len() - self.holes);
        for record in self.records.iter_mut().filter(|record| record.is_taken) {
            let start = text.len();
            text.push_str(record.text(&self.text));
            record.start = u32::try_from(start).expect("it was behind that before");
        }
        (self.text, self.holes) = (text, 0);
    }
}

impl Record {
    fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start as usize..][..self.len as usize]
    }
}

/// Returns a place in the table as the number of its record.
fn number(index: usize) -> u32 {
    u32::try_from(index).expect("the limit on watches is below 2^32")
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_path_is_found_until_it_is_forgotten_and_the_others_as_before() {
        let mut paths = Paths::new(HashKey::new([1, 2]));
        let names: Vec<String> = (0..3_000).map(|number| format!("/{}/{number}", "ä".repeat(number % 7))).collect();
        let keys: Vec<PathKey> = names.iter().map(|name| paths.add(paths.look_for(name), name)).collect();
        assert_eq!(paths.add(paths.look_for(&names[7]), &names[7]), keys[7], "it is there already");

        (0..3_000).filter(|number| number % 3 > 0).for_each(|number| paths.forget(keys[number]));
        let late = paths.add(paths.look_for("/late"), "/late");

        assert_eq!((paths.find("/late"), paths.text(late)), (Some(late), "/late"));
        for (number, name) in names.iter().enumerate() {
            assert_eq!(paths.find(name), (number % 3 == 0).then_some(keys[number]), "{name}");
        }
        assert!(core::iter::successors(paths.next(0), |(_, from)| paths.next(*from)).count() == 1_001);
        assert!(paths.text.len() < names.concat().len(), "holes were closed");
    }

    #[test]
    fn the_memory_of_a_crowd_is_given_back() {
        let mut paths = Paths::new(HashKey::new([1, 2]));
        let crowd = (0..5_000).map(|number| format!("/{number}"));
        let keys: Vec<PathKey> = crowd.map(|name| paths.add(paths.look_for(&name), &name)).collect();

        keys.into_iter().for_each(|key| paths.forget(key));

        assert_eq!((paths.records.capacity(), paths.text.capacity()), (0, 0));
        assert_eq!(paths.find("/1"), None);
    }
}
