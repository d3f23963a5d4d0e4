//! What is shown of a map.

use std::{collections::BTreeMap, sync::Arc};

use super::super::{
    cache::CacheView,
    value::{Unreadable, ValueCodec},
};
use crate::{Zxid, broken::broken, client::Error};

/// What was seen of a [`SharedMap`](super::SharedMap). Cheap to clone.
#[derive(Debug)]
pub struct SharedMapView<T>(Arc<Seen<T>>);

#[derive(Debug)]
struct Seen<T> {
    entries: BTreeMap<Arc<str>, Arc<MapEntry<T>>>,
    troubles: BTreeMap<Arc<str>, Error>,
    is_stale: bool,
}

/// One of the entries of a [`SharedMap`](super::SharedMap), as it was seen.
#[derive(Debug)]
pub struct MapEntry<T> {
    value: Option<Arc<T>>,
    /// What created the node, and what last set it.
    revision: (Zxid, Zxid),
    rejected: Option<Unreadable>,
}

impl<T> Clone for SharedMapView<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> SharedMapView<T> {
    pub(super) fn nothing() -> Self {
        Self(Arc::new(Seen { entries: BTreeMap::new(), troubles: BTreeMap::new(), is_stale: true }))
    }

    /// Returns what it is when there will be nothing new.
    pub(super) fn when_over(&self) -> Self {
        Self(Arc::new(Seen { entries: self.0.entries.clone(), troubles: self.0.troubles.clone(), is_stale: true }))
    }

    /// Returns what is to be seen by now. What was read before is not read again.
    pub(super) fn next<C: ValueCodec<Value = T>>(&self, root: &str, view: &CacheView, codec: &C) -> Self {
        let mut entries = BTreeMap::new();
        for (path, node) in view.iter() {
            let Some(key) = key(root, path).filter(|_| !node.data.is_empty()) else { continue };
            let (revision, known) = ((node.stat.czxid, node.stat.mzxid), self.0.entries.get_key_value(key));
            let (key, entry) = match known {
                Some((key, known)) if known.revision == revision => (key.clone(), known.clone()),
                Some((key, known)) => {
                    let next = MapEntry::next(known.value.clone(), revision, codec.read(&node.data));
                    (key.clone(), Arc::new(next))
                }
                None => (key.into(), Arc::new(MapEntry::next(None, revision, codec.read(&node.data)))),
            };
            entries.insert(key, entry);
        }
        if broken!("maps: goes on with what was deleted while it was stale") && self.is_stale() {
            for (key, entry) in &self.0.entries {
                entries.entry(key.clone()).or_insert_with(|| entry.clone());
            }
        }
        Self(Arc::new(Seen { entries, troubles: view.troubles().clone(), is_stale: view.is_stale() }))
    }

    /// Returns the value of an entry: as it was seen, or the last one that could be read; `None` where there is no entry, or nothing in it
    /// could be read so far.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.entry(key)?.value()
    }

    /// Returns an entry.
    pub fn entry(&self, key: &str) -> Option<&MapEntry<T>> {
        self.0.entries.get(key).map(|entry| &**entry)
    }

    /// Returns all entries, with their keys, sorted by them; also those without a value.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &MapEntry<T>)> {
        self.0.entries.iter().map(|(key, entry)| (&**key, &**entry))
    }

    /// Returns all values, with their keys, sorted by them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries().filter_map(|(key, entry)| Some((key, entry.value()?)))
    }

    /// Returns the keys of all entries that contain what could not be read, and why. Their values are older ones, if there are any.
    pub fn rejected(&self) -> impl Iterator<Item = (&str, &Unreadable)> {
        self.entries().filter_map(|(key, entry)| Some((key, entry.rejected()?)))
    }

    /// Returns the nodes that the server does not let the client read, by path, and why. They are shown as they were last seen, or
    /// not at all.
    pub fn troubles(&self) -> &BTreeMap<Arc<str>, Error> {
        &self.0.troubles
    }

    /// Returns whether it may be older than what the client could know: there is no connection, or not everything was read again
    /// since.
    pub fn is_stale(&self) -> bool {
        self.0.is_stale
    }

    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let numbers = |seen: &Self| (seen.0.is_stale, seen.0.entries.len(), seen.0.troubles.len());
        Arc::ptr_eq(&self.0, &other.0)
            || (numbers(self) == numbers(other)
                && self.0.troubles == other.0.troubles
                && self
                    .0
                    .entries
                    .iter()
                    .zip(&other.0.entries)
                    .all(|(one, other)| (one.0, one.1.revision) == (other.0, other.1.revision)))
    }
}

impl<T> MapEntry<T> {
    /// Returns what comes of an entry when it was set.
    fn next(last: Option<Arc<T>>, revision: (Zxid, Zxid), read: Result<T, Unreadable>) -> Self {
        match read {
            Ok(value) => Self { value: Some(Arc::new(value)), revision, rejected: None },
            Err(why) if broken!("maps: lets go of a value for one it cannot read") => {
                Self { value: None, revision, rejected: Some(why) }
            }
            Err(why) => Self { value: last, revision, rejected: Some(why) },
        }
    }

    /// Returns the value: as it was seen, or the last one that could be read; `None` where nothing could be read so far.
    pub fn value(&self) -> Option<&T> {
        self.value.as_deref()
    }

    /// Returns the value, for others to keep.
    pub fn shared(&self) -> Option<Arc<T>> {
        self.value.clone()
    }

    /// Returns why what the node contains could not be read. The value is an older one then.
    pub fn rejected(&self) -> Option<&Unreadable> {
        self.rejected.as_ref()
    }

    /// Returns the transaction that has set what the node contains.
    pub fn set_by(&self) -> Zxid {
        self.revision.1
    }

    pub(super) fn revision(&self) -> (Zxid, Zxid) {
        self.revision
    }
}

/// Returns the key of a node below the root.
fn key<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    let root = if root == "/" { "" } else { root };
    path.strip_prefix(root)?.strip_prefix('/').filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths_from_the_root_on() {
        for (root, path, expected) in [
            ("/app", "/app", None),
            ("/app", "/app/a", Some("a")),
            ("/app", "/app/a/b", Some("a/b")),
            ("/app", "/apple/a", None),
            ("/", "/", None),
            ("/", "/a/b", Some("a/b")),
        ] {
            assert_eq!(key(root, path), expected, "{path} from {root}");
        }
    }
}
