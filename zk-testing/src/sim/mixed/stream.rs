//! What a persistent watch has told, held against what it should have.

use zk_proto::{Zxid, path, session::WatchedEventKind};

use crate::sim::{Change, Truth, Violation};

/// An event as it is due.
type Due = (Zxid, WatchedEventKind, String);

/// The events of one persistent watch.
#[derive(Debug)]
pub(super) struct Stream {
    path: String,
    is_recursive: bool,
    /// Every change behind this is to be told; `None` where its owner has to read again first.
    covered: Option<Zxid>,
    /// What is to be told, as far as the truth was looked at.
    due: Vec<Due>,
    /// How far the truth was looked at.
    looked: Zxid,
    /// Which of those in `due` may be next. Servers before 3.9 do not say which change they tell, so that there may be several.
    next: Vec<usize>,
    /// What was told since its owner was to read again.
    early: Vec<(WatchedEventKind, String, Option<Zxid>)>,
    /// How often it was to be read again.
    pub(super) resyncs: u64,
}

impl Stream {
    /// A watch whose owner knows everything up to `covered`. It may have told some of that too.
    pub(super) fn new(path: &str, is_recursive: bool, covered: Zxid, truth: &Truth) -> Self {
        let mut stream = Self {
            path: path.to_owned(),
            is_recursive,
            covered: Some(covered),
            due: Vec::new(),
            looked: Zxid(0),
            next: Vec::new(),
            early: Vec::new(),
            resyncs: 0,
        };
        stream.look(truth);
        stream.next = (0..=stream.first_behind(covered)).collect();
        stream
    }

    pub(super) const fn is_recursive(&self) -> bool {
        self.is_recursive
    }

    /// Returns whether it tells when a node's data are set.
    pub(super) fn is_about(&self, path: &str) -> bool {
        path == self.path || (self.is_recursive && path::ancestors(path).any(|above| above == self.path))
    }

    pub(super) fn is_covered(&self) -> bool {
        self.covered.is_some()
    }

    /// Its owner is told to read again.
    pub(super) fn resync(&mut self) {
        self.covered = None;
        self.early.clear();
        self.resyncs += 1;
    }

    /// Its owner has read again, and knows everything up to `covered`.
    pub(super) fn read_again(&mut self, covered: Zxid, truth: &Truth) {
        self.look(truth);
        self.covered = Some(covered);
        let first = self.first_behind(covered);
        let early = std::mem::take(&mut self.early);
        let is_told = |count: &usize| {
            let (told, due) = (&early[early.len() - count..], self.due.get(first..first + count));
            due.is_some_and(|due| told.iter().zip(due).all(|((kind, path, zxid), due)| is_it(due, *kind, path, *zxid)))
        };
        self.next = (0..=early.len()).filter(is_told).map(|count| first + count).collect();
    }

    /// It tells an event, with the path as the server names it.
    pub(super) fn tell(
        &mut self,
        kind: WatchedEventKind,
        path: &str,
        zxid: Option<Zxid>,
        truth: &Truth,
    ) -> Result<(), Violation> {
        self.look(truth);
        let is_its = self.is_about(path) && !(self.is_recursive && kind == WatchedEventKind::NodeChildrenChanged);
        if !is_its {
            return Err(self.wrong(kind, path, zxid));
        }
        // What one-shot watches of the same path are told late is told to all. It cannot be told from the rest where the server
        // never says which change it tells.
        if zxid.is_none() && truth.tells_zxid() {
            return Ok(());
        }
        if self.covered.is_none() {
            self.early.push((kind, path.to_owned(), zxid));
            let is_known = zxid.is_none() || self.due.iter().any(|due| is_it(due, kind, path, zxid));
            return if is_known { Ok(()) } else { Err(self.wrong(kind, path, zxid)) };
        }
        let fits = |index: &&usize| self.due.get(**index).is_some_and(|due| is_it(due, kind, path, zxid));
        let next: Vec<usize> = self.next.iter().filter(fits).map(|index| index + 1).collect();
        if !next.is_empty() {
            self.next = next;
            return Ok(());
        }
        // One change of a list may be told twice where a recursive watch and one on the list itself hear for this one.
        let is_again = |index: &usize| {
            let before = index.checked_sub(1).and_then(|index| self.due.get(index));
            before.is_some_and(|due| kind == WatchedEventKind::NodeChildrenChanged && is_it(due, kind, path, zxid))
        };
        if self.next.iter().any(is_again) { Ok(()) } else { Err(self.wrong(kind, path, zxid)) }
    }

    fn wrong(&self, kind: WatchedEventKind, path: &str, zxid: Option<Zxid>) -> Violation {
        let due = self.next.last().and_then(|next| self.due.get(*next));
        let what = format!("the watch on {} tells {kind:?} of {path} at {zxid:?}, due is {due:?}", self.path);
        Violation::new("events", what)
    }

    /// Looks whether everything was told that happened up to `seen`.
    pub(super) fn check(&mut self, seen: Zxid, truth: &Truth) -> Result<(), Violation> {
        self.look(truth);
        let Some(covered) = self.covered else { return Ok(()) };
        let after = self.first_behind(seen);
        if after <= self.first_behind(covered) || self.next.iter().any(|next| *next >= after) {
            return Ok(());
        }
        let missing = self.next.last().and_then(|next| self.due.get(*next));
        Err(Violation::new("watches", format!("the watch on {} has not told {missing:?}", self.path)))
    }

    /// Returns which is the first event behind a transaction.
    fn first_behind(&self, zxid: Zxid) -> usize {
        self.due.partition_point(|due| due.0 <= zxid)
    }

    fn look(&mut self, truth: &Truth) {
        for change in truth.changes_since(self.looked) {
            if let Some((kind, path)) = self.view(change) {
                self.due.push((change.zxid, kind, path));
            }
        }
        self.looked = truth.last().max(self.looked);
    }

    /// Returns what the watch is to tell of a change.
    fn view(&self, change: &Change) -> Option<(WatchedEventKind, String)> {
        let Change { path, kind, .. } = change;
        if path.as_ref() == self.path {
            return Some((*kind, self.path.clone()));
        }
        if self.is_recursive {
            return path::ancestors(path).any(|above| above == self.path).then(|| (*kind, path.to_string()));
        }
        let is_list_changed = matches!(kind, WatchedEventKind::NodeCreated | WatchedEventKind::NodeDeleted)
            && path::parent(path) == Some(&self.path);
        is_list_changed.then(|| (WatchedEventKind::NodeChildrenChanged, self.path.clone()))
    }
}

fn is_it(due: &Due, kind: WatchedEventKind, path: &str, zxid: Option<Zxid>) -> bool {
    due.1 == kind && due.2 == path && zxid.is_none_or(|zxid| zxid == due.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use WatchedEventKind::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    use zk_proto::{Instant, SessionId, record::Stat};

    use super::*;
    use crate::sim::ensemble::{Effect, Transaction};

    /// A history in which `/a` is created, set and deleted, each time with a child of it.
    fn history(steps: usize) -> Truth {
        let mut truth = Truth::new(true);
        truth.found("/", None, &Stat::default());
        let path = |path: &str| -> Arc<str> { path.into() };
        let created = |at: &str| Effect::Created { path: path(at), data: None, owner: None };
        let effects = [
            created("/a"),
            created("/a/b"),
            Effect::DataSet { path: path("/a"), data: None, version: 1 },
            Effect::Deleted { path: path("/a/b") },
            Effect::Deleted { path: path("/a") },
        ];
        for (index, effect) in (1..).zip(effects).take(steps) {
            let zxid = Zxid(index);
            let transaction = Transaction { zxid, at: Instant::ORIGIN, session: SessionId(0), effects: vec![effect] };
            truth.commit(&transaction).unwrap();
        }
        truth
    }

    fn tell(stream: &mut Stream, events: &[(WatchedEventKind, &str, i64)], truth: &Truth) -> Result<(), Violation> {
        events.iter().try_for_each(|(kind, path, zxid)| stream.tell(*kind, path, Some(Zxid(*zxid)), truth))
    }

    const PERSISTENT: [(WatchedEventKind, &str, i64); 5] = [
        (NodeCreated, "/a", 1),
        (NodeChildrenChanged, "/a", 2),
        (NodeDataChanged, "/a", 3),
        (NodeChildrenChanged, "/a", 4),
        (NodeDeleted, "/a", 5),
    ];
    const RECURSIVE: [(WatchedEventKind, &str, i64); 5] = [
        (NodeCreated, "/a", 1),
        (NodeCreated, "/a/b", 2),
        (NodeDataChanged, "/a", 3),
        (NodeDeleted, "/a/b", 4),
        (NodeDeleted, "/a", 5),
    ];

    #[test]
    fn a_watch_that_tells_everything_is_well_and_one_that_leaves_anything_out_is_not() {
        let truth = history(5);
        for (is_recursive, events) in [(false, PERSISTENT), (true, RECURSIVE)] {
            let stream = || Stream::new("/a", is_recursive, Zxid(0), &history(0));
            let mut complete = stream();
            tell(&mut complete, &events, &truth).unwrap();
            assert_eq!(complete.check(Zxid(5), &truth), Ok(()));

            for left_out in 0..events.len() {
                let mut lacking = stream();
                let rest = [&events[..left_out], &events[left_out + 1..]].concat();
                let told = tell(&mut lacking, &rest, &truth);
                assert!(told.is_err() || lacking.check(Zxid(5), &truth).is_err(), "{is_recursive}: {left_out}");
            }
        }
    }

    #[test]
    fn what_was_not_there_is_not_to_be_told() {
        let truth = history(5);
        for event in [(NodeDeleted, "/a", 1), (NodeCreated, "/b", 1), (NodeCreated, "/a", 2)] {
            let mut stream = Stream::new("/a", false, Zxid(0), &history(0));
            assert_eq!(tell(&mut stream, &[event], &truth).unwrap_err().check, "events");
        }
    }

    #[test]
    fn after_a_resync_all_is_told_that_was_not_read() {
        let truth = history(5);
        let resynced = || {
            let mut stream = Stream::new("/a", false, Zxid(0), &history(0));
            stream.resync();
            stream
        };
        let mut silent = resynced();
        assert_eq!(silent.check(Zxid(5), &truth), Ok(()), "its owner has not read yet");
        silent.read_again(Zxid(3), &truth);
        assert_eq!(silent.check(Zxid(5), &truth).unwrap_err().check, "watches");

        let mut early = resynced();
        tell(&mut early, &PERSISTENT[2..4], &truth).unwrap();
        early.read_again(Zxid(3), &truth);
        assert!(early.check(Zxid(5), &truth).is_err());
        tell(&mut early, &PERSISTENT[4..], &truth).unwrap();
        assert_eq!(early.check(Zxid(5), &truth), Ok(()));
    }
}
