//! Which connection watches which path.
//!
//! There are two tables, as on real servers: one for data, existence and persistent recursive watches, one for children. A
//! plain persistent watch is in both. An entry is a connection and a path, and says in which modes it is watched; an event
//! goes to a connection once for each table, however many modes it hits. 3.8 knows a single mode for each entry, so that
//! the last one set replaces the others, and keeps recursive watches in both tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use zk_proto::code::{EventType, WatcherType};

use super::{
    connections::Slot,
    options::Version,
    tree::{FixedMap, parent},
};

/// How a path is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchMode {
    /// Until it fires: left by `getData`, `exists` and `getChildren`.
    OneShot,
    /// Until it is removed.
    Persistent,
    /// Until it is removed, with all that is below.
    PersistentRecursive,
}

impl WatchMode {
    const ALL: [Self; 3] = [Self::OneShot, Self::Persistent, Self::PersistentRecursive];
}

/// A set of modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Modes(u8);

impl Modes {
    fn of(mode: WatchMode) -> Self {
        Self(1 << mode as u8)
    }

    fn contains(self, mode: WatchMode) -> bool {
        self.0 & Self::of(mode).0 != 0
    }

    fn with(self, mode: WatchMode) -> Self {
        Self(self.0 | Self::of(mode).0)
    }

    fn without(self, mode: WatchMode) -> Self {
        Self(self.0 & !Self::of(mode).0)
    }
}

/// One of the two tables.
#[derive(Debug, Default)]
struct Table {
    by_path: FixedMap<Arc<str>, BTreeMap<Slot, Modes>>,
    by_connection: FixedMap<Slot, BTreeSet<Arc<str>>>,
    recursive: usize,
}

impl Table {
    fn modes(&self, path: &str, connection: Slot) -> Modes {
        self.by_path.get(path).and_then(|watchers| watchers.get(&connection)).copied().unwrap_or_default()
    }

    fn set_modes(&mut self, path: &str, connection: Slot, modes: Modes) {
        let before = self.modes(path, connection);
        self.recursive += usize::from(modes.contains(WatchMode::PersistentRecursive));
        self.recursive -= usize::from(before.contains(WatchMode::PersistentRecursive));
        if modes == Modes::default() {
            self.forget(path, connection);
            return;
        }
        if before == Modes::default() {
            let path: Arc<str> = self.by_path.get_key_value(path).map_or_else(|| path.into(), |(path, _)| path.clone());
            self.by_connection.entry(connection).or_default().insert(path.clone());
            self.by_path.entry(path).or_default().insert(connection, modes);
        } else if let Some(watchers) = self.by_path.get_mut(path) {
            watchers.insert(connection, modes);
        }
    }

    fn forget(&mut self, path: &str, connection: Slot) {
        if let Some(watchers) = self.by_path.get_mut(path) {
            watchers.remove(&connection);
            if watchers.is_empty() {
                self.by_path.remove(path);
            }
        }
        if let Some(paths) = self.by_connection.get_mut(&connection) {
            paths.remove(path);
            if paths.is_empty() {
                self.by_connection.remove(&connection);
            }
        }
    }

    fn forget_connection(&mut self, connection: Slot) {
        for path in self.by_connection.get(&connection).cloned().unwrap_or_default() {
            self.set_modes(&path, connection, Modes::default());
        }
    }

    /// Returns whom to tell of something that happens to `path`, and drops the one-shot watches that this uses up.
    fn fire(&mut self, path: &str, event: EventType) -> BTreeSet<Slot> {
        let mut told = BTreeSet::new();
        let mut used_up = Vec::new();
        for (connection, modes) in self.by_path.get(path).into_iter().flatten() {
            // Only 3.8 has recursive watches in the table of children.
            if *modes != Modes::of(WatchMode::PersistentRecursive) || event != EventType::NodeChildrenChanged {
                told.insert(*connection);
            }
            if modes.contains(WatchMode::OneShot) {
                used_up.push((*connection, modes.without(WatchMode::OneShot)));
            }
        }
        for (connection, modes) in used_up {
            self.set_modes(path, connection, modes);
        }
        if self.recursive > 0 && event != EventType::NodeChildrenChanged {
            for above in std::iter::successors(above(path), |path| above(path)) {
                let watchers = self.by_path.get(above).into_iter().flatten();
                let recursive = watchers.filter(|(_, modes)| modes.contains(WatchMode::PersistentRecursive));
                told.extend(recursive.map(|(connection, _)| *connection));
            }
        }
        told
    }
}

/// Returns the path of the node above, `/` as such.
fn above(path: &str) -> Option<&str> {
    match parent(path)? {
        "" if path.len() > 1 => Some("/"),
        "" => None,
        parent => Some(parent),
    }
}

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Data,
    Children,
}

pub(super) struct Watches {
    version: Version,
    data: Table,
    children: Table,
}

impl Watches {
    pub(super) fn new(version: Version) -> Self {
        Self { version, data: Table::default(), children: Table::default() }
    }

    fn table(&mut self, list: List) -> &mut Table {
        match list {
            List::Data => &mut self.data,
            List::Children => &mut self.children,
        }
    }

    /// Sets a watch in one of the lists.
    pub(super) fn add(&mut self, list: List, path: &str, connection: Slot, mode: WatchMode) {
        let is_last_set_kept = self.version < Version::V3_9;
        let table = self.table(list);
        let modes = if is_last_set_kept { Modes::default() } else { table.modes(path, connection) };
        table.set_modes(path, connection, modes.with(mode));
    }

    /// Sets a persistent watch in the lists where it belongs.
    pub(super) fn add_persistent(&mut self, path: &str, connection: Slot, mode: WatchMode) {
        self.add(List::Data, path, connection, mode);
        if mode == WatchMode::Persistent || self.version < Version::V3_9 {
            self.add(List::Children, path, connection, mode);
        }
    }

    /// Returns whether there is such a watch.
    pub(super) fn contains(&self, path: &str, connection: Slot, kind: WatcherType) -> bool {
        if self.version < Version::V3_9 {
            // Whose watch it is, 3.8 does not look at; and nothing at all at the empty path.
            let any = |table: &Table| !path.is_empty() && table.by_path.contains_key(path);
            return match kind {
                WatcherType::Children => any(&self.children),
                WatcherType::Data => any(&self.data),
                _ => any(&self.children) || any(&self.data),
            };
        }
        let has = |table: &Table, mode| table.modes(path, connection).contains(mode);
        match kind {
            WatcherType::Children => has(&self.children, WatchMode::OneShot),
            WatcherType::Data => has(&self.data, WatchMode::OneShot),
            WatcherType::Persistent => has(&self.data, WatchMode::Persistent),
            WatcherType::PersistentRecursive => has(&self.data, WatchMode::PersistentRecursive),
            _ => WatchMode::ALL.into_iter().any(|mode| has(&self.children, mode) || has(&self.data, mode)),
        }
    }

    /// Returns whether 3.8 stumbles when it looks for watches on this path: it goes on to the nodes above where it may have to,
    /// and takes a slash to be there.
    pub(super) fn stumbles_over(&self, path: &str, kind: WatcherType) -> bool {
        let stumbles = |table: &Table| {
            let goes_up = table.recursive > 0 && !table.by_path.contains_key(path);
            !path.is_empty() && (!path.contains('/') || goes_up && !path.starts_with('/'))
        };
        match kind {
            WatcherType::Children => stumbles(&self.children),
            WatcherType::Data => stumbles(&self.data),
            _ => stumbles(&self.children) || stumbles(&self.data),
        }
    }

    /// Removes watches of a connection. Returns whether there were any.
    pub(super) fn remove(&mut self, path: &str, connection: Slot, kind: WatcherType) -> bool {
        let modes: &[WatchMode] = match kind {
            // To 3.8 a mode is a property of the entry, and the entry goes.
            WatcherType::Children | WatcherType::Data if self.version >= Version::V3_9 => &[WatchMode::OneShot],
            WatcherType::Persistent => &[WatchMode::Persistent],
            WatcherType::PersistentRecursive => &[WatchMode::PersistentRecursive],
            _ => &WatchMode::ALL,
        };
        let lists: &[List] = match kind {
            WatcherType::Children => &[List::Children],
            WatcherType::Data | WatcherType::PersistentRecursive => &[List::Data],
            _ => &[List::Children, List::Data],
        };
        let mut is_removed = false;
        for list in lists {
            let table = self.table(*list);
            let before = table.modes(path, connection);
            let after = modes.iter().fold(before, |left, mode| left.without(*mode));
            if after != before {
                table.set_modes(path, connection, after);
                is_removed = true;
            }
        }
        is_removed
    }

    /// Returns whom to tell, and drops the one-shot watches that this uses up.
    pub(super) fn fire(&mut self, list: List, path: &str, event: EventType) -> BTreeSet<Slot> {
        self.table(list).fire(path, event)
    }

    pub(super) fn forget_connection(&mut self, connection: Slot) {
        self.data.forget_connection(connection);
        self.children.forget_connection(connection);
    }

    /// Returns the number of entries: paths of connections, in both lists.
    pub(super) fn len(&self) -> usize {
        [&self.data, &self.children].iter().flat_map(|table| table.by_connection.values()).map(BTreeSet::len).sum()
    }

    /// Returns the paths in the data list by connection, which is what the four-letter words tell of.
    pub(super) fn data_by_connection(&self) -> BTreeMap<Slot, &BTreeSet<Arc<str>>> {
        self.data.by_connection.iter().map(|(connection, paths)| (*connection, paths)).collect()
    }

    /// Returns the connections in the data list by path.
    pub(super) fn data_by_path(&self) -> BTreeMap<&str, Vec<Slot>> {
        self.data.by_path.iter().map(|(path, watchers)| (&**path, watchers.keys().copied().collect())).collect()
    }

    /// Returns every watch: connection, path, list and mode.
    pub(super) fn all(&self) -> Vec<(Slot, Arc<str>, List, WatchMode)> {
        let mut all = Vec::new();
        for (list, table) in [(List::Data, &self.data), (List::Children, &self.children)] {
            for (path, watchers) in &table.by_path {
                for (connection, modes) in watchers {
                    let modes = WatchMode::ALL.into_iter().filter(|mode| modes.contains(*mode));
                    all.extend(modes.map(|mode| (*connection, path.clone(), list, mode)));
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged};

    const ME: Slot = Slot(0);
    const OTHER: Slot = Slot(1);

    #[test]
    fn a_one_shot_watch_fires_once_and_a_persistent_one_always() {
        let mut watches = Watches::new(Version::V3_9);
        watches.add(List::Data, "/a", ME, WatchMode::OneShot);
        watches.add_persistent("/a", OTHER, WatchMode::Persistent);

        assert_eq!(watches.fire(List::Data, "/a", NodeDataChanged), [ME, OTHER].into());
        assert_eq!(watches.fire(List::Data, "/a", NodeDataChanged), [OTHER].into());
        assert_eq!(watches.fire(List::Children, "/a", NodeChildrenChanged), [OTHER].into());
    }

    #[test]
    fn a_recursive_watch_hears_of_all_below_but_not_of_neighbours() {
        let mut watches = Watches::new(Version::V3_9);
        watches.add_persistent("/a", ME, WatchMode::PersistentRecursive);

        for (path, is_told) in [("/a", true), ("/a/b", true), ("/a/b/c", true), ("/ab", false), ("/", false)] {
            assert_eq!(watches.fire(List::Data, path, NodeCreated).contains(&ME), is_told, "{path}");
        }
        assert_eq!(watches.fire(List::Children, "/a", NodeChildrenChanged), [].into());
    }

    #[test]
    fn a_recursive_watch_on_the_root_hears_of_everything() {
        for version in [Version::V3_8, Version::V3_9] {
            let mut watches = Watches::new(version);
            watches.add_persistent("/", ME, WatchMode::PersistentRecursive);

            for path in ["/", "/a", "/a/b"] {
                assert_eq!(watches.fire(List::Data, path, NodeDataChanged), [ME].into(), "{path}");
                assert_eq!(watches.fire(List::Children, path, NodeChildrenChanged), [].into(), "{path}");
            }
        }
    }

    #[test]
    fn in_3_8_the_last_mode_wins_and_in_3_9_all_are_kept() {
        for (version, heard) in [(Version::V3_8, 1), (Version::V3_9, 3)] {
            let mut watches = Watches::new(version);
            watches.add_persistent("/a", ME, WatchMode::Persistent);
            watches.add(List::Data, "/a", ME, WatchMode::OneShot);

            let told = (0..3).filter(|_| watches.fire(List::Data, "/a", NodeDataChanged).contains(&ME)).count();

            assert_eq!(told, heard, "{version:?}");
            assert_eq!(watches.fire(List::Children, "/a", NodeChildrenChanged), [ME].into(), "{version:?}");
        }
    }

    #[test]
    fn removal_by_type_takes_what_the_release_takes() {
        use WatcherType::{Any, Children, Data, Persistent, PersistentRecursive};
        let removed = |version, kind| {
            let mut watches = Watches::new(version);
            watches.add_persistent("/a", ME, WatchMode::Persistent);
            let is_removed = watches.remove("/a", ME, kind);
            (is_removed, watches.len())
        };

        let new =
            [(Children, (false, 2)), (Data, (false, 2)), (Persistent, (true, 0)), (PersistentRecursive, (false, 2))];
        for (kind, expected) in new {
            assert_eq!(removed(Version::V3_9, kind), expected, "{kind:?}");
        }
        for (kind, expected) in [(Children, (true, 1)), (Data, (true, 1)), (Any, (true, 0))] {
            assert_eq!(removed(Version::V3_8, kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn the_search_of_3_8_stumbles_where_there_is_no_slash_to_go_up_by() {
        let mut watches = Watches::new(Version::V3_8);
        let stumbles =
            |watches: &Watches| ["a", "a/b", "/a", ""].map(|path| watches.stumbles_over(path, WatcherType::Any));
        assert_eq!(stumbles(&watches), [true, false, false, false]);

        watches.add_persistent("/x", OTHER, WatchMode::PersistentRecursive);
        assert_eq!(stumbles(&watches), [true, true, false, false]);
        watches.add_persistent("a/b", OTHER, WatchMode::Persistent);
        assert_eq!(stumbles(&watches), [true, false, false, false]);
    }

    #[test]
    fn the_search_of_3_8_finds_the_watches_of_anybody_but_for_those_on_the_empty_path() {
        let mut watches = Watches::new(Version::V3_8);
        for path in ["/a", ""] {
            watches.add(List::Data, path, OTHER, WatchMode::OneShot);
        }

        assert!(watches.contains("/a", ME, WatcherType::Data));
        assert!(!watches.contains("", OTHER, WatcherType::Data));
    }

    #[test]
    fn nothing_is_left_of_a_connection_that_is_forgotten() {
        let mut watches = Watches::new(Version::V3_9);
        for path in ["/a", "/b"] {
            watches.add(List::Data, path, ME, WatchMode::OneShot);
            watches.add_persistent(path, ME, WatchMode::PersistentRecursive);
            watches.add(List::Children, path, OTHER, WatchMode::OneShot);
        }

        watches.forget_connection(ME);

        assert_eq!(watches.len(), 2);
        assert_eq!((watches.data.recursive, watches.data.by_path.len()), (0, 0));
    }
}
