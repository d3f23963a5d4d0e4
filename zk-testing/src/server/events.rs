//! Watch events, from a change or from the past.
//!
//! An event goes to a connection that may read the node, by its ACL from before a deletion; it uses up a one-shot watch in
//! any case. Catch-up events, which tell a client that comes back what it missed, look at no ACL and carry no zxid.

use std::collections::BTreeSet;

use zk_proto::{
    Zxid,
    acl::Perms,
    code::{AddWatchMode, ErrorCode, EventType, KeeperState, WatcherType},
    record::{AddWatchRequest, CheckWatchesRequest, SetWatches2},
    wire::Text,
};

use super::{
    Server,
    acls::allows,
    answer::header,
    connections::Slot,
    java,
    node::AclList,
    options::Version,
    watches::{List, WatchMode},
};

/// The xid of every event.
const EVENT_XID: i32 = -1;

const NO_ZXID: Zxid = Zxid(-1);

impl Server {
    /// Tells everybody who watches.
    pub(super) fn fire(&mut self, list: List, path: &str, event: EventType, acl: &AclList, zxid: Zxid) {
        let watchers = self.watches.fire(list, path, event);
        self.tell(watchers, path, event, acl, zxid);
    }

    /// Tells everybody who watches a node in either list that it is gone, each one once.
    pub(super) fn fire_deleted(&mut self, path: &str, acl: &AclList, zxid: Zxid) {
        let mut watchers = self.watches.fire(List::Data, path, EventType::NodeDeleted);
        if self.options.version == Version::Keeper {
            self.tell(core::mem::take(&mut watchers), path, EventType::NodeDeleted, acl, zxid);
        }
        watchers.extend(self.watches.fire(List::Children, path, EventType::NodeDeleted));
        self.tell(watchers, path, EventType::NodeDeleted, acl, zxid);
    }

    fn tell(&mut self, watchers: BTreeSet<Slot>, path: &str, event: EventType, acl: &AclList, zxid: Zxid) {
        let zxid = if self.options.version < Version::V3_9 { NO_ZXID } else { zxid };
        let is_filtered = self.options.version >= Version::V3_8;
        for slot in watchers {
            let is_reader = |identities: &[_]| !is_filtered || allows(acl, Perms::READ, identities);
            if self.connections.get(slot).is_some_and(|connection| is_reader(&connection.identities)) {
                self.send_event(slot, &Text::from(path), event, zxid);
            }
        }
    }

    fn send_event(&mut self, slot: Slot, path: &Text, event: EventType, zxid: Zxid) {
        self.statistics.sent += 1;
        self.connections.send(slot, self.options.output_limit_bytes, |out| {
            header(out, EVENT_XID, zxid, ErrorCode::Ok);
            out.put(&event);
            out.put(&KeeperState::SyncConnected);
            out.put(&Some(path.clone()));
        });
    }

    /// Sets watches again, and tells at once what fired them in the meantime.
    ///
    /// # Errors
    ///
    /// At the first null, with what came before it done.
    pub(super) fn set_watches(&mut self, slot: Slot, request: &SetWatches2) -> Result<(), ErrorCode> {
        let since = request.relative_zxid;
        for path in paths(&request.data_watches)? {
            let path = java::read(path?);
            match self.tree.get(&path).map(|node| node.mzxid > since) {
                None => self.catch_up(slot, &path, EventType::NodeDeleted),
                Some(true) => self.catch_up(slot, &path, EventType::NodeDataChanged),
                Some(false) => self.watches.add(List::Data, &path, slot, WatchMode::OneShot),
            }
        }
        for path in paths(&request.exist_watches)? {
            let path = java::read(path?);
            match self.tree.get(&path) {
                Some(_) => self.catch_up(slot, &path, EventType::NodeCreated),
                None => self.watches.add(List::Data, &path, slot, WatchMode::OneShot),
            }
        }
        for path in paths(&request.child_watches)? {
            let path = java::read(path?);
            match self.tree.get(&path).map(|node| node.pzxid > since) {
                None => self.catch_up(slot, &path, EventType::NodeDeleted),
                Some(true) => self.catch_up(slot, &path, EventType::NodeChildrenChanged),
                Some(false) => self.watches.add(List::Children, &path, slot, WatchMode::OneShot),
            }
        }
        // Here real servers take null for a path that no node has.
        for path in paths(&request.persistent_watches)?.flatten() {
            self.watches.add_persistent(&java::read(path), slot, WatchMode::Persistent);
        }
        for path in paths(&request.persistent_recursive_watches)?.flatten() {
            self.watches.add_persistent(&java::read(path), slot, WatchMode::PersistentRecursive);
        }
        Ok(())
    }

    fn catch_up(&mut self, slot: Slot, path: &str, event: EventType) {
        self.send_event(slot, &java::write(path), event, NO_ZXID);
    }

    pub(super) fn add_watch(&mut self, slot: Slot, request: &AddWatchRequest) -> Result<(), ErrorCode> {
        let mode = match request.mode {
            AddWatchMode::Persistent => WatchMode::Persistent,
            AddWatchMode::PersistentRecursive => WatchMode::PersistentRecursive,
            _ => return Err(ErrorCode::MarshallingError),
        };
        // Real servers take null for a path that no node has.
        if let Some(path) = &request.path {
            self.watches.add_persistent(&java::read(path), slot, mode);
        }
        Ok(())
    }

    /// Looks for watches of a connection, or removes them: the records of both are the same.
    pub(super) fn find_watch(
        &mut self,
        slot: Slot,
        request: &CheckWatchesRequest,
        is_removed: bool,
    ) -> Result<(), ErrorCode> {
        let kind = request.watcher_type;
        let is_known = match kind {
            WatcherType::Children | WatcherType::Data | WatcherType::Any => true,
            WatcherType::Persistent | WatcherType::PersistentRecursive => self.options.version >= Version::V3_9,
            _ => false,
        };
        if !is_known {
            return Err(ErrorCode::MarshallingError);
        }
        let Some(path) = &request.path else {
            let is_stumbled_over = self.options.version < Version::V3_9 && !is_removed;
            return Err(if is_stumbled_over { ErrorCode::MarshallingError } else { ErrorCode::NoWatcher });
        };
        let path = java::read(path);
        if self.options.version < Version::V3_9 && !is_removed && self.watches.stumbles_over(&path, kind) {
            return Err(ErrorCode::MarshallingError);
        }
        let is_found = match is_removed {
            true => self.watches.remove(&path, slot, kind),
            false => self.watches.contains(&path, slot, kind),
        };
        if is_found { Ok(()) } else { Err(ErrorCode::NoWatcher) }
    }
}

/// Returns the paths of one of the lists, none of which may be null.
fn paths(list: &Option<Vec<Option<Text>>>) -> Result<impl Iterator<Item = Result<&Text, ErrorCode>>, ErrorCode> {
    let list = list.as_ref().ok_or(ErrorCode::MarshallingError)?;
    Ok(list.iter().map(|path| path.as_ref().ok_or(ErrorCode::MarshallingError)))
}

#[cfg(test)]
mod tests {
    use zk_proto::{
        code::{
            CreateMode,
            EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted},
            OpCode,
        },
        record::{Acl, CreateRequest, DeleteRequest, SetAclRequest, SetDataRequest},
    };

    use super::*;
    use crate::server::testing::{Bench, create, text};

    #[test]
    fn the_event_of_an_own_change_comes_before_its_reply() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        bench.create(connection, "/a", CreateMode::Persistent);
        bench.watch(connection, OpCode::GetData, "/a");

        let frames = bench.exchange(connection, OpCode::SetData, &set("/a"));

        assert_eq!(frames[0].event(), (NodeDataChanged, "/a".into()));
        assert_eq!((frames[0].header.zxid, frames.len()), (frames[1].header.zxid, 2));
    }

    #[test]
    fn a_deleted_node_is_told_once_and_then_its_parent() {
        let mut bench = Bench::new();
        let (watcher, changer) = (bench.connect(), bench.connect());
        bench.create(changer, "/a", CreateMode::Persistent);
        for (op, path) in [(OpCode::GetData, "/a"), (OpCode::GetChildren, "/a"), (OpCode::GetChildren2, "/")] {
            bench.watch(watcher, op, path);
        }

        bench.call(changer, OpCode::Delete, &DeleteRequest { path: text("/a"), version: -1 });

        assert_eq!(bench.events(watcher), [(NodeDeleted, "/a".into()), (NodeChildrenChanged, "/".into())]);
    }

    #[test]
    fn who_may_not_read_is_told_nothing_and_has_lost_the_watch() {
        let mut bench = Bench::new();
        let (watcher, changer) = (bench.connect(), bench.connect());
        bench.create(changer, "/a", CreateMode::Persistent);
        bench.watch(watcher, OpCode::GetData, "/a");
        let acl = |perms| SetAclRequest {
            path: text("/a"),
            acl: Some(vec![Acl::new(perms, "world", "anyone")]),
            version: -1,
        };
        bench.call(changer, OpCode::SetAcl, &acl(Perms(Perms::ALL.0 & !Perms::READ.0)));

        bench.call(changer, OpCode::SetData, &set("/a"));
        bench.call(changer, OpCode::SetAcl, &acl(Perms::ALL));
        bench.call(changer, OpCode::SetData, &set("/a"));

        assert_eq!(bench.events(watcher), []);
        assert_eq!(bench.server.watches(), []);
    }

    #[test]
    fn events_of_3_8_carry_no_transaction() {
        let mut bench = Bench::with(|options| options.version = Version::V3_8);
        let connection = bench.connect();
        bench.watch(connection, OpCode::Exists, "/a");

        let frames = bench.exchange(connection, OpCode::Create, &create("/a", CreateMode::Persistent));

        assert_eq!(frames[0].header.zxid, NO_ZXID);
    }

    #[test]
    fn an_exists_watch_is_left_on_a_missing_node_and_others_are_not() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        for op in [OpCode::GetData, OpCode::GetChildren, OpCode::Exists] {
            assert_eq!(bench.watch(connection, op, "/a"), ErrorCode::NoNode);
        }

        assert_eq!(bench.server.watches().len(), 1);
    }

    #[test]
    fn who_comes_back_is_told_what_was_missed() {
        let mut bench = Bench::new();
        let (old, changer) = (bench.connect(), bench.connect());
        for path in ["/same", "/changed", "/gone"] {
            bench.create(changer, path, CreateMode::Persistent);
        }
        let seen = bench.server.zxid();
        bench.server.cut(old);
        bench.call(changer, OpCode::SetData, &set("/changed"));
        bench.call(changer, OpCode::Delete, &DeleteRequest { path: text("/gone"), version: -1 });
        let list = |paths: &[&str]| Some(paths.iter().map(|path| text(path)).collect());
        let request = SetWatches2 {
            relative_zxid: seen,
            data_watches: list(&["/same", "/changed", "/gone"]),
            exist_watches: list(&["/same", "/none"]),
            child_watches: list(&["/", "/same"]),
            persistent_watches: list(&["/changed"]),
            persistent_recursive_watches: list(&["/gone"]),
        };
        let new = bench.connect();

        let mut frames = bench.exchange(new, OpCode::SetWatches2, &request);

        assert_eq!(frames.pop().map(|reply| reply.header.err), Some(ErrorCode::Ok));
        assert!(frames.iter().all(|event| event.header.zxid == NO_ZXID));
        let events: Vec<_> = frames.iter().map(|event| event.event()).collect();
        let expected =
            [(NodeDataChanged, "/changed"), (NodeDeleted, "/gone"), (NodeCreated, "/same"), (NodeChildrenChanged, "/")];
        assert_eq!(events, expected.map(|(event, path)| (event, path.to_owned())));
        // Data of /same, the missing /none, children of /same, both lists of /changed, and what is below /gone.
        assert_eq!(bench.server.watches().len(), 6);
    }

    #[test]
    fn null_is_nothing_to_watch_for_good_and_a_mistake_in_the_other_lists() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        let empty = || Some(Vec::new());
        let nothing = SetWatches2 {
            relative_zxid: Zxid(0),
            data_watches: empty(),
            exist_watches: empty(),
            child_watches: empty(),
            persistent_watches: empty(),
            persistent_recursive_watches: empty(),
        };
        let null = || Some(vec![None, text("/a")]);
        let mut err = |request: &SetWatches2| bench.call(connection, OpCode::SetWatches2, request).header.err;

        let both = SetWatches2 { persistent_watches: null(), persistent_recursive_watches: null(), ..nothing.clone() };
        assert_eq!(err(&both), ErrorCode::Ok);
        for list in [
            SetWatches2 { data_watches: null(), ..nothing.clone() },
            SetWatches2 { exist_watches: null(), ..nothing.clone() },
            SetWatches2 { child_watches: null(), ..nothing.clone() },
        ] {
            assert_eq!(err(&list), ErrorCode::MarshallingError, "{list:?}");
        }
        // What stands behind the null is watched, in both tables for the plain one.
        assert_eq!(bench.server.watches().len(), 3);
    }

    #[test]
    fn the_ephemeral_nodes_of_an_expired_session_are_told_to_those_who_watch() {
        let mut bench = Bench::new();
        let (watcher, owner) = (bench.connect(), bench.connect());
        for path in ["/b", "/a"] {
            bench.call(
                owner,
                OpCode::Create,
                &CreateRequest { mode: CreateMode::Ephemeral, ..create(path, CreateMode::Ephemeral) },
            );
            bench.watch(watcher, OpCode::Exists, path);
        }
        let session = bench.server.sessions()[1].id;

        assert!(bench.server.expire(session));

        assert_eq!(bench.events(watcher), [(NodeDeleted, "/a".into()), (NodeDeleted, "/b".into())]);
        assert!(bench.wants_close(owner) && bench.output(owner).is_empty());
    }

    fn set(path: &str) -> SetDataRequest {
        SetDataRequest { path: text(path), data: None, version: -1 }
    }
}
