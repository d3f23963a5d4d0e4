//! What replies and events change in what is known of a tree.
//!
//! Replies come in the order of their requests, so a later one is never older. What makes it hard is the rest: events that were not
//! told because there was no link, replies that were on their way when an event came, nodes that were deleted and made anew.
//!
//! * A node is named by the transaction that created it. Another one of the same path is a removal, of all that was below it too,
//!   and an addition.
//! * A node's children are as listed while the numbers that tell of them are as they were then. They count as listed only when the
//!   list has come and was applied.
//! * An event means: read again. While a read is on its way, at most one other follows.
//! * What was read before a node was told to be deleted says nothing any more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::scope::Scope;
use crate::{Zxid, broken::broken, client::Error, path, recipes::janitor::child, record::Stat};

/// A node as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedNode {
    /// Its data, where data is kept; null is empty.
    pub data: Bytes,
    /// Its numbers, as of the last time that its data was read: children that come and go do not show.
    pub stat: Stat,
}

/// What may be asked about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Its data and numbers.
    Node,
    /// The names of its children.
    Children,
    /// Whether it is there: only about the root, and when it was not.
    Presence,
}

/// What was answered.
#[derive(Debug)]
pub(super) enum Answer {
    Node(CachedNode),
    Children(Vec<String>, Stat),
    /// It is there.
    Present,
    /// There is no such node.
    Absent,
    Refused(Error),
    /// There was no answer.
    Lost,
}

/// How changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watching {
    /// By one watch on everything: a node without children needs no list.
    Whole,
    /// By a watch that each read leaves.
    Each,
}

type Question = (Arc<str>, What);

/// A tree, and what has yet to be read of it.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) scope: Scope,
    watching: Watching,
    /// How many questions may be on their way.
    window: usize,
    nodes: BTreeMap<Arc<str>, Entry>,
    due: VecDeque<Question>,
    is_due: BTreeSet<Question>,
    flights: BTreeMap<Question, Flight>,
    /// How often everything was read again.
    round: u32,
    /// Changes may have been missed, and nothing was done about it yet.
    is_in_doubt: bool,
    /// What has to be read before everything was.
    owed: BTreeSet<Question>,
    troubles: BTreeMap<Arc<str>, Error>,
    changed: Vec<Arc<str>>,
    removed: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    node: Arc<CachedNode>,
    is_shown: bool,
    /// Paths.
    children: BTreeSet<Arc<str>>,
    /// What the node's numbers were when the children were listed.
    listed: Option<Listed>,
    /// Whether the list leaves a watch that has not fired.
    is_list_watched: bool,
    /// In which round the children were last known to be all.
    checked: u32,
}

/// The numbers that tell of a node's children. The last child's transaction alone does not: where the counter of children is at its end,
/// it does not move when one is created (ZOOKEEPER-3249).
type Listed = (Zxid, i32, i32);

fn listed(stat: &Stat) -> Listed {
    (stat.pzxid, stat.cversion, stat.num_children)
}

#[derive(Debug)]
struct Flight {
    round: u32,
    /// Something has happened since: it is to be asked again.
    is_dirty: bool,
    /// The node was deleted since.
    is_dead: bool,
}

impl Mirror {
    pub(super) fn new(scope: Scope, watching: Watching, window: usize) -> Self {
        Self {
            scope,
            watching,
            window: window.max(1),
            nodes: BTreeMap::new(),
            due: VecDeque::new(),
            is_due: BTreeSet::new(),
            flights: BTreeMap::new(),
            round: 0,
            is_in_doubt: true,
            owed: BTreeSet::new(),
            troubles: BTreeMap::new(),
            changed: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// Returns a node that is shown.
    pub(super) fn get(&self, path: &str) -> Option<&Arc<CachedNode>> {
        self.nodes.get(path).filter(|entry| entry.is_shown).map(|entry| &entry.node)
    }

    /// Returns all nodes that are shown, parents before their children.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<CachedNode>)> {
        self.nodes.iter().filter(|(_, entry)| entry.is_shown).map(|(path, entry)| (path, &entry.node))
    }

    /// Returns the paths of a node's children that are known.
    pub(super) fn children(&self, path: &str) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.get(path).into_iter().flat_map(|entry| &entry.children)
    }

    /// Returns whether the root is there.
    pub(super) fn has_root(&self) -> bool {
        self.nodes.contains_key(&self.scope.root)
    }

    /// Returns the nodes that the server does not show, and why.
    pub(super) fn troubles(&self) -> &BTreeMap<Arc<str>, Error> {
        &self.troubles
    }

    /// Returns whether everything was read since the last [`rescan`](Self::rescan).
    pub(super) fn is_complete(&self) -> bool {
        !self.is_in_doubt && self.owed.is_empty()
    }

    /// Takes the paths of nodes that have changed.
    pub(super) fn take_changed(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.changed)
    }

    /// Takes the paths of nodes that were removed, shown or not. They may be there again.
    pub(super) fn take_removed(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.removed)
    }

    /// Returns whether a node is known, shown or not.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    pub(super) fn watching(&self) -> Watching {
        self.watching
    }

    /// From now on, changes are told in another way.
    pub(super) fn watch_by(&mut self, watching: Watching) {
        self.watching = watching;
        self.forget_watches();
    }

    /// The watches that reads have left are gone.
    pub(super) fn forget_watches(&mut self) {
        self.nodes.values_mut().for_each(|entry| entry.is_list_watched = false);
    }

    /// Changes may be missed from now on, until a [`rescan`](Self::rescan).
    pub(super) fn doubt(&mut self) {
        self.is_in_doubt = true;
    }

    /// Changes may have been missed: everything is to be read again.
    pub(super) fn rescan(&mut self) {
        self.is_in_doubt = false;
        self.round += 1;
        self.flights.values_mut().for_each(|flight| flight.is_dirty = true);
        self.owed.extend(self.is_due.iter().cloned());
        self.owed.extend(self.flights.keys().cloned());
        let root = (self.scope.root.clone(), self.first_question());
        // Where it is not shown, the root is read by its list alone.
        let paths = self.nodes.keys().chain(self.troubles.keys()).filter(|path| **path != root.0);
        let all: Vec<Question> = paths.map(|path| (path.clone(), What::Node)).collect();
        for question in std::iter::once(root).chain(all) {
            self.owed.insert(question.clone());
            self.ask(question);
        }
    }

    /// Something has happened to a node, or to its list of children.
    pub(super) fn touch(&mut self, path: &str, what: What) {
        if path == &*self.scope.root {
            let what = if what == What::Node { self.first_question() } else { what };
            return self.ask((self.scope.root.clone(), what));
        }
        if self.scope.reaches(path) {
            self.ask((path.into(), what));
        }
    }

    /// The watch on a node's list of children has fired.
    pub(super) fn touch_list(&mut self, path: &str) {
        if let Some(entry) = self.nodes.get_mut(path) {
            entry.is_list_watched = false;
        }
        self.touch(path, What::Children);
    }

    /// A node was deleted. Only where events are told in the order of what has happened.
    pub(super) fn kill(&mut self, path: &str) {
        for what in [What::Node, What::Children] {
            let question = (path.into(), what);
            if broken!("tree cache: a late reply brings a deleted node back") {
                break;
            }
            if let Some(flight) = self.flights.get_mut(&question) {
                // What was asked in an earlier round is asked again in any case.
                (flight.is_dead, flight.is_dirty) = (true, flight.round != self.round);
            }
        }
        self.remove(path);
    }

    /// Asks again for what the server did not show.
    pub(super) fn retry(&mut self) {
        let paths: Vec<Arc<str>> = self.troubles.keys().cloned().collect();
        for path in paths {
            self.touch(&path, What::Node);
        }
    }

    /// Returns what to ask next, if there is room in the window.
    pub(super) fn next(&mut self) -> Option<Question> {
        if self.flights.len() >= self.window {
            return None;
        }
        let question = self.due.pop_front()?;
        self.is_due.remove(&question);
        self.flights.insert(question.clone(), Flight { round: self.round, is_dirty: false, is_dead: false });
        Some(question)
    }

    /// Takes in the answer to a question.
    pub(super) fn answer(&mut self, question: Question, answer: Answer) {
        let Some(flight) = self.flights.remove(&question) else { return };
        let (path, what) = &question;
        let was_absent = matches!(answer, Answer::Absent);
        let is_answer = match answer {
            Answer::Lost if broken!("tree cache: counts a list that failed as done") && *what == What::Children => {
                if let Some(entry) = self.nodes.get_mut(path) {
                    entry.listed = Some(listed(&entry.node.stat));
                }
                true
            }
            Answer::Lost => false,
            // It tells of a node that is no more.
            _ if flight.is_dead => true,
            Answer::Refused(error) => {
                self.troubles.insert(path.clone(), error);
                true
            }
            Answer::Node(node) => {
                self.troubles.remove(path);
                self.found(path, node, &flight);
                true
            }
            Answer::Children(names, stat) => {
                self.troubles.remove(path);
                self.list(path, &names, &stat, &flight);
                true
            }
            Answer::Present => {
                self.owe((path.clone(), self.first_question()), flight.round);
                true
            }
            Answer::Absent => {
                self.troubles.remove(path);
                self.remove(path);
                let is_told = *what == What::Presence || self.watching == Watching::Whole || *path != self.scope.root;
                if !is_told {
                    self.owe((path.clone(), What::Presence), flight.round);
                }
                true
            }
        };
        let is_forgotten = broken!("children cache: counts a child that has gone as still to be read");
        // Of a node that was deleted and made anew, this says nothing.
        let is_valid = is_answer && flight.round == self.round && !(flight.is_dead && flight.is_dirty);
        if is_valid && !(is_forgotten && was_absent) {
            self.owed.remove(&question);
        }
        if !is_answer || flight.is_dirty {
            self.ask(question);
        }
    }

    /// Returns what to ask about the root.
    fn first_question(&self) -> What {
        if self.scope.shows_root { What::Node } else { What::Children }
    }

    fn ask(&mut self, question: Question) {
        if let Some(flight) = self.flights.get_mut(&question) {
            flight.is_dirty = true;
        } else if self.is_due.insert(question.clone()) {
            self.due.push_back(question);
        }
    }

    /// Asks for what follows from an answer: as long as that is not there, the round of that answer is not complete.
    fn owe(&mut self, question: Question, round: u32) {
        if round == self.round {
            self.owed.insert(question.clone());
        }
        if self.flights.get(&question).is_none_or(|flight| flight.round != self.round) {
            self.ask(question);
        }
    }

    /// A node was read.
    fn found(&mut self, path: &Arc<str>, node: CachedNode, flight: &Flight) {
        let stat = node.stat;
        match self.nodes.get_mut(path) {
            Some(entry) if broken!("tree cache: compares versions") && entry.node.stat.version == stat.version => {}
            Some(entry) if entry.node.stat.czxid == stat.czxid => {
                if stat.mzxid > entry.node.stat.mzxid {
                    entry.node = Arc::new(node);
                    if entry.is_shown {
                        self.changed.push(path.clone());
                    }
                }
            }
            Some(_) | None => {
                self.remove(path);
                if !self.insert(path, node) {
                    return;
                }
            }
        }
        self.check_children(path, &stat, flight);
    }

    /// Adds a node, and returns whether that could be: a node whose parent is not known comes with the parent's list, for the
    /// parent was deleted, or is yet to be read.
    fn insert(&mut self, path: &Arc<str>, node: CachedNode) -> bool {
        if *path != self.scope.root {
            let Some(parent) = path::parent(path).and_then(|parent| self.nodes.get_mut(parent)) else { return false };
            parent.children.insert(path.clone());
        }
        let is_shown = self.scope.shows(path);
        let (children, listed) = (BTreeSet::new(), None);
        let entry = Entry { node: Arc::new(node), is_shown, children, listed, is_list_watched: false, checked: 0 };
        self.nodes.insert(path.clone(), entry);
        if is_shown {
            self.changed.push(path.clone());
        }
        true
    }

    /// Lists the children of a node that was read, unless that is known to be in vain.
    fn check_children(&mut self, path: &Arc<str>, stat: &Stat, flight: &Flight) {
        let is_whole = self.watching == Watching::Whole;
        let Some(entry) = self.nodes.get_mut(path) else { return };
        // Where everything is watched, those that come after the first list are told one by one.
        // What is left of an earlier round will be read again in this one.
        let is_checked = is_whole && entry.checked == self.round;
        if !self.scope.descends(path) || is_checked || flight.round != self.round {
            return;
        }
        if entry.listed == Some(listed(stat)) && (is_whole || entry.is_list_watched) {
            entry.checked = self.round;
        } else if is_whole && stat.num_children == 0 {
            self.list(path, &[], stat, flight);
        } else if !entry.is_list_watched || entry.checked != self.round {
            self.owe((path.clone(), What::Children), flight.round);
        }
    }

    /// The children of a node were listed.
    fn list(&mut self, path: &Arc<str>, names: &[String], stat: &Stat, flight: &Flight) {
        let is_other = self.nodes.get(path).is_none_or(|entry| entry.node.stat.czxid != stat.czxid);
        if is_other && *path == self.scope.root && !self.scope.shows_root {
            self.remove(path);
            self.insert(path, CachedNode { data: Bytes::new(), stat: *stat });
        } else if is_other {
            // A list of another node than the one that is known: which one it is will be read.
            return self.owe((path.clone(), What::Node), flight.round);
        }
        let paths: BTreeSet<Arc<str>> = names.iter().map(|name| child(path, name).into()).collect();
        let Some(entry) = self.nodes.get_mut(path) else { return };
        let gone: Vec<Arc<str>> = entry.children.difference(&paths).cloned().collect();
        let new: Vec<Arc<str>> = paths.difference(&entry.children).cloned().collect();
        if !flight.is_dirty && flight.round == self.round {
            (entry.listed, entry.is_list_watched, entry.checked) = (Some(listed(stat)), true, self.round);
        }
        for gone in gone {
            let is_older = self.nodes.get(&gone).is_some_and(|entry| entry.node.stat.czxid < stat.pzxid);
            if is_older {
                self.remove(&gone);
            }
        }
        for new in new {
            if self.scope.contains(&new) {
                self.owe((new, What::Node), flight.round);
            }
        }
    }

    /// Removes a node with all that is below it, what is deepest first.
    fn remove(&mut self, path: &str) {
        if let Some(parent) = path::parent(path).and_then(|parent| self.nodes.get_mut(parent)) {
            parent.children.remove(path);
        }
        let mut found: Vec<Arc<str>> =
            self.nodes.get_key_value(path).map(|(path, _)| path.clone()).into_iter().collect();
        let mut looked_at = 0;
        while let Some(next) = found.get(looked_at) {
            looked_at += 1;
            let below: Vec<Arc<str>> = self.children(next).cloned().collect();
            found.extend(below);
        }
        for path in found.into_iter().rev() {
            if self.nodes.remove(&path).is_some_and(|entry| entry.is_shown) {
                self.changed.push(path.clone());
            }
            self.removed.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(watching: Watching) -> Mirror {
        let root = "/r".into();
        let scope = Scope { root, shows_root: true, depth: 9, keeps_data: true, accept: None, descend: None };
        let mut mirror = Mirror::new(scope, watching, 64);
        mirror.rescan();
        mirror
    }

    /// Numbers of a node: created and changed by these transactions, with so many children as of a third.
    fn stat(czxid: i64, mzxid: i64, children: i32, pzxid: i64) -> Stat {
        let (czxid, mzxid, pzxid) = (Zxid(czxid), Zxid(mzxid), Zxid(pzxid));
        Stat { czxid, mzxid, pzxid, num_children: children, cversion: children, ..Stat::default() }
    }

    fn node(stat: Stat) -> Answer {
        Answer::Node(CachedNode { data: Bytes::new(), stat })
    }

    fn list(names: &[&str], stat: Stat) -> Answer {
        Answer::Children(names.iter().map(|name| name.to_string()).collect(), stat)
    }

    /// Answers what is asked next, which must be this.
    fn answer(mirror: &mut Mirror, path: &str, what: What, answer: Answer) {
        let question = mirror.next().expect("something is asked");
        assert_eq!((&*question.0, question.1), (path, what));
        mirror.answer(question, answer);
    }

    fn shown(mirror: &Mirror) -> Vec<(&str, i64, i64)> {
        mirror.nodes().map(|(path, node)| (&**path, node.stat.czxid.0, node.stat.mzxid.0)).collect()
    }

    fn changed(mirror: &mut Mirror) -> Vec<String> {
        mirror.take_changed().iter().map(|path| path.to_string()).collect()
    }

    /// Reads `/r`, `/r/a` and `/r/a/b`.
    fn filled(watching: Watching) -> Mirror {
        let mut mirror = mirror(watching);
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 1, 2)));
        answer(&mut mirror, "/r", What::Children, list(&["a"], stat(1, 1, 1, 2)));
        answer(&mut mirror, "/r/a", What::Node, node(stat(2, 2, 1, 3)));
        answer(&mut mirror, "/r/a", What::Children, list(&["b"], stat(2, 2, 1, 3)));
        assert!(!mirror.is_complete());
        answer(&mut mirror, "/r/a/b", What::Node, node(stat(3, 3, 0, 3)));
        if watching == Watching::Each {
            answer(&mut mirror, "/r/a/b", What::Children, list(&[], stat(3, 3, 0, 3)));
        }
        assert!(mirror.is_complete());
        assert_eq!(mirror.next(), None);
        assert_eq!(changed(&mut mirror), ["/r", "/r/a", "/r/a/b"]);
        mirror
    }

    #[test]
    fn a_tree_is_read_from_above_and_leaves_need_no_list_where_everything_is_watched() {
        for watching in [Watching::Whole, Watching::Each] {
            assert_eq!(shown(&filled(watching)), [("/r", 1, 1), ("/r/a", 2, 2), ("/r/a/b", 3, 3)]);
        }
    }

    #[test]
    fn a_reply_on_its_way_does_not_bring_a_deleted_node_back() {
        let mut mirror = filled(Watching::Whole);
        mirror.touch("/r/a/b", What::Node);
        let late = mirror.next().unwrap();
        mirror.kill("/r/a/b");
        assert_eq!(changed(&mut mirror), ["/r/a/b"]);

        mirror.answer(late, node(stat(3, 9, 0, 3)));

        assert_eq!((changed(&mut mirror), mirror.next()), (vec![], None));
        assert_eq!(shown(&mirror), [("/r", 1, 1), ("/r/a", 2, 2)]);
    }

    #[test]
    fn a_node_made_anew_behind_a_late_reply_is_read_again() {
        let mut mirror = filled(Watching::Whole);
        mirror.touch("/r/a/b", What::Node);
        let late = mirror.next().unwrap();
        mirror.kill("/r/a/b");
        mirror.touch("/r/a/b", What::Node);

        mirror.answer(late, node(stat(3, 9, 0, 3)));

        assert_eq!(mirror.get("/r/a/b"), None);
        answer(&mut mirror, "/r/a/b", What::Node, node(stat(11, 11, 0, 11)));
        assert_eq!(shown(&mirror)[2], ("/r/a/b", 11, 11));
    }

    #[test]
    fn a_node_deleted_and_made_anew_while_everything_is_read_is_waited_for() {
        let mut mirror = filled(Watching::Whole);
        mirror.touch("/r", What::Node);
        let earlier = mirror.next().unwrap();
        mirror.rescan();
        mirror.kill("/r");
        mirror.touch("/r", What::Node);
        mirror.answer(earlier, Answer::Lost);
        for path in ["/r/a", "/r/a/b"] {
            answer(&mut mirror, path, What::Node, Answer::Absent);
        }
        let late = mirror.next().unwrap();
        mirror.kill("/r");
        mirror.touch("/r", What::Node);
        mirror.answer(late, node(stat(9, 9, 0, 9)));
        assert!(!mirror.is_complete());

        answer(&mut mirror, "/r", What::Node, node(stat(12, 12, 0, 12)));

        assert!(mirror.is_complete());
        assert_eq!(shown(&mirror), [("/r", 12, 12)]);
    }

    #[test]
    fn many_events_while_a_read_is_on_its_way_are_one_more_read() {
        let mut mirror = filled(Watching::Whole);
        mirror.touch("/r/a", What::Node);
        let first = mirror.next().unwrap();
        for _ in 0..9 {
            mirror.touch("/r/a", What::Node);
        }
        assert_eq!(mirror.next(), None);

        mirror.answer(first, node(stat(2, 10, 1, 3)));

        answer(&mut mirror, "/r/a", What::Node, node(stat(2, 19, 1, 3)));
        assert_eq!(mirror.next(), None);
        assert_eq!(changed(&mut mirror), ["/r/a", "/r/a"]);
    }

    #[test]
    fn another_node_of_the_same_numbers_is_removed_and_added_with_what_is_below() {
        for watching in [Watching::Whole, Watching::Each] {
            let mut mirror = filled(watching);
            mirror.forget_watches();
            mirror.rescan();
            // Deleted and made anew with another child, so version and number of changes are the same.
            answer(&mut mirror, "/r", What::Node, node(Stat { cversion: 3, ..stat(1, 1, 1, 12) }));
            answer(&mut mirror, "/r/a", What::Node, node(stat(12, 12, 1, 13)));
            assert_eq!(changed(&mut mirror), ["/r/a/b", "/r/a", "/r/a"]);
            answer(&mut mirror, "/r/a/b", What::Node, Answer::Absent);
            answer(&mut mirror, "/r", What::Children, list(&["a"], Stat { cversion: 3, ..stat(1, 1, 1, 12) }));
            answer(&mut mirror, "/r/a", What::Children, list(&["c"], stat(12, 12, 1, 13)));
            answer(&mut mirror, "/r/a/c", What::Node, node(stat(13, 13, 0, 13)));
            if watching == Watching::Each {
                answer(&mut mirror, "/r/a/c", What::Children, list(&[], stat(13, 13, 0, 13)));
            }
            assert!(mirror.is_complete());
            assert_eq!(shown(&mirror), [("/r", 1, 1), ("/r/a", 12, 12), ("/r/a/c", 13, 13)]);
        }
    }

    #[test]
    fn a_list_whose_node_has_the_same_numbers_is_not_asked_for_again() {
        let mut mirror = filled(Watching::Whole);
        mirror.rescan();
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 1, 2)));
        answer(&mut mirror, "/r/a", What::Node, node(stat(2, 2, 1, 3)));
        answer(&mut mirror, "/r/a/b", What::Node, node(stat(3, 3, 0, 3)));
        assert!(mirror.is_complete());
        assert_eq!((mirror.next(), changed(&mut mirror)), (None, vec![]));
    }

    #[test]
    fn a_child_made_when_the_counter_is_at_its_end_is_found_all_the_same() {
        let mut mirror = filled(Watching::Whole);
        mirror.rescan();
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 1, 2)));
        // One more child, and the last transaction that has to do with children is still the old one.
        answer(&mut mirror, "/r/a", What::Node, node(stat(2, 2, 2, 3)));
        answer(&mut mirror, "/r/a/b", What::Node, node(stat(3, 3, 0, 3)));
        answer(&mut mirror, "/r/a", What::Children, list(&["b", "c"], stat(2, 2, 2, 3)));
        answer(&mut mirror, "/r/a/c", What::Node, node(stat(9, 9, 0, 9)));
        assert_eq!(mirror.children("/r/a").count(), 2);
    }

    #[test]
    fn what_was_lost_is_asked_again_and_a_list_counts_when_it_has_come() {
        let mut mirror = mirror(Watching::Whole);
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 1, 2)));
        answer(&mut mirror, "/r", What::Children, Answer::Lost);
        assert!(!mirror.is_complete());
        mirror.rescan();
        answer(&mut mirror, "/r", What::Children, list(&["a"], stat(1, 1, 1, 2)));
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 1, 2)));
        answer(&mut mirror, "/r/a", What::Node, Answer::Lost);
        assert!(!mirror.is_complete());
        answer(&mut mirror, "/r/a", What::Node, node(stat(2, 2, 0, 2)));
        assert!(mirror.is_complete());
    }

    #[test]
    fn a_child_that_is_gone_or_refused_keeps_nothing_back_and_the_refused_one_is_named() {
        let mut mirror = mirror(Watching::Whole);
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 2, 3)));
        answer(&mut mirror, "/r", What::Children, list(&["a", "b"], stat(1, 1, 2, 3)));
        answer(&mut mirror, "/r/a", What::Node, Answer::Absent);
        let refused = Error::Server(crate::code::ErrorCode::NoAuth);
        answer(&mut mirror, "/r/b", What::Node, Answer::Refused(refused.clone()));
        assert!(mirror.is_complete());
        assert_eq!(mirror.troubles().iter().map(|(path, error)| (&**path, error)).next(), Some(("/r/b", &refused)));

        mirror.retry();
        answer(&mut mirror, "/r/b", What::Node, Answer::Refused(refused));
        mirror.rescan();
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 2, 3)));
        assert!(!mirror.is_complete());
        answer(&mut mirror, "/r/b", What::Node, node(stat(3, 3, 0, 3)));
        assert!(mirror.troubles().is_empty() && mirror.is_complete());
    }

    #[test]
    fn a_missing_root_is_watched_where_reads_leave_no_watch_on_it() {
        let mut whole = mirror(Watching::Whole);
        answer(&mut whole, "/r", What::Node, Answer::Absent);
        assert!(whole.is_complete() && whole.next().is_none());

        let mut each = mirror(Watching::Each);
        answer(&mut each, "/r", What::Node, Answer::Absent);
        assert!(!each.is_complete());
        answer(&mut each, "/r", What::Presence, Answer::Present);
        answer(&mut each, "/r", What::Node, Answer::Absent);
        answer(&mut each, "/r", What::Presence, Answer::Absent);
        assert!(each.is_complete() && each.next().is_none());
    }

    #[test]
    fn an_old_list_tells_nothing_of_a_node_that_was_made_anew() {
        let mut mirror = filled(Watching::Each);
        mirror.touch_list("/r/a");
        answer(&mut mirror, "/r/a", What::Children, list(&[], stat(12, 12, 0, 12)));
        assert_eq!(shown(&mirror).len(), 3, "it is another one, to be read first");
        answer(&mut mirror, "/r/a", What::Node, node(stat(12, 12, 0, 12)));
        assert_eq!(shown(&mirror), [("/r", 1, 1), ("/r/a", 12, 12)]);
    }

    #[test]
    fn no_more_is_on_its_way_than_the_window_takes() {
        let mut mirror = mirror(Watching::Whole);
        mirror.window = 3;
        let names: Vec<String> = (0..10).map(|name| name.to_string()).collect();
        answer(&mut mirror, "/r", What::Node, node(stat(1, 1, 10, 11)));
        answer(&mut mirror, "/r", What::Children, Answer::Children(names, stat(1, 1, 10, 11)));
        let mut asked = Vec::new();
        while let Some(question) = mirror.next() {
            asked.push(question);
        }
        assert_eq!(asked.len(), 3);
    }
}
