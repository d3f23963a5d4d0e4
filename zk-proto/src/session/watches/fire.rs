//! Who is told when a watch fires.

use super::{
    Registry, Removal,
    lists::{List, fired_lists, hears},
    paths::PathKey,
    slots::{Stage, Watch},
};
use crate::{
    Zxid,
    broken::broken,
    path,
    request::WatchKind,
    session::{WatchedEvent, WatchedEventKind},
    wire::Text,
};

impl<W: Clone> Registry<W> {
    /// A watch has fired at the server: tells everyone who hears it, in the order in which the watches were made, and drops
    /// the one-shot ones. Returns what must be taken off, where only those kept it.
    pub(in super::super) fn fire(
        &mut self,
        kind: WatchedEventKind,
        server_path: &Text,
        zxid: Option<Zxid>,
        mut tell: impl FnMut(W, WatchedEvent),
    ) -> [Option<Removal>; 2] {
        // Servers before 3.9 send no number.
        self.modes_apart |= zxid.is_some();
        let removal = self.paths.find(server_path).and_then(|path| {
            self.paths.get_mut(path).on_server &= !fired_lists(kind);
            self.tell_path(kind, (path, server_path), zxid, |watch| hears(watch.kind, kind), &mut tell)
        });
        // A child watch below may bring NodeChildrenChanged along: that is not for recursive watches.
        let is_deaf = broken!("does not hear below a recursive watch");
        if self.recursive.count > 0 && kind != WatchedEventKind::NodeChildrenChanged && !is_deaf {
            self.tell_ancestors(kind, server_path, zxid, &mut tell);
        }
        let is_about_list = matches!(kind, WatchedEventKind::NodeCreated | WatchedEventKind::NodeDeleted);
        let parent = path::parent(server_path).filter(|_| is_about_list);
        [removal, parent.and_then(|parent| self.fire_list(parent, zxid, tell))]
    }

    /// Tells the recursive watches on a path and above it.
    fn tell_ancestors(
        &self,
        kind: WatchedEventKind,
        server_path: &Text,
        zxid: Option<Zxid>,
        tell: &mut impl FnMut(W, WatchedEvent),
    ) {
        // The server may send a path of any depth; to look for all that is above it would take the square of its length.
        let is_too_long = |ancestor: &&str| ancestor.len() > self.recursive.longest;
        for ancestor in path::ancestors(server_path).skip_while(is_too_long) {
            let Some(path) = self.paths.find(ancestor) else { continue };
            for watch in self.slots.of(self.paths.get(path).watches) {
                if (watch.kind, watch.stage) == (WatchKind::PersistentRecursive, Stage::Set) {
                    tell(watch.handle.clone(), WatchedEvent { kind, path: watch.path_of(server_path), zxid });
                }
            }
        }
    }

    /// A child of a path was created or deleted. A recursive watch on the path was told so, and on behalf of whom it carries
    /// this means that the list of children has changed.
    fn fire_list(
        &mut self,
        server_path: &str,
        zxid: Option<Zxid>,
        mut tell: impl FnMut(W, WatchedEvent),
    ) -> Option<Removal> {
        let path = self.paths.find(server_path)?;
        let on_server = self.paths.get(path).on_server;
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
        self.tell_path(kind, (path, &Text::from(server_path)), zxid, hears, &mut tell)
    }

    /// Tells those watches of a path that are set and hear an event, drops the one-shot ones, and returns what must be taken
    /// off.
    ///
    /// A server that has a hundred thousand events to tell is not to wait, so the path is looked up once.
    fn tell_path(
        &mut self,
        kind: WatchedEventKind,
        (path, server_path): (PathKey, &Text),
        zxid: Option<Zxid>,
        hears: impl Fn(&Watch<W>) -> bool,
        tell: &mut impl FnMut(W, WatchedEvent),
    ) -> Option<Removal> {
        self.slots.retain(&mut self.paths.get_mut(path).watches, |watch| {
            if watch.stage != Stage::Set || !hears(watch) {
                return true;
            }
            tell(watch.handle.clone(), WatchedEvent { kind, path: watch.path_of(server_path), zxid });
            watch.kind.is_persistent()
        });
        self.settle(path)
    }
}
