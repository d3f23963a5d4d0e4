//! One node: its data, its counters, its children.

use std::{collections::BTreeSet, sync::Arc};

use zk_proto::{
    SessionId, Zxid,
    record::{Acl, Stat},
};

/// An access control list, shared by all nodes that have the same.
pub(super) type AclList = Arc<[Acl]>;

/// The longest time to live: 40 bits of milliseconds.
pub(super) const MAX_TTL_MS: i64 = (1 << 40) - 1;

/// What ends a node besides a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nothing does.
    None,
    /// The end of this session.
    Session(SessionId),
    /// The loss of its last child.
    Container,
    /// So many milliseconds without change and without children.
    Ttl(i64),
}

impl Owner {
    pub(super) fn is_session(self) -> bool {
        matches!(self, Self::Session(_))
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) data: Option<Box<[u8]>>,
    pub(super) acl: AclList,
    pub(super) owner: Owner,
    pub(super) czxid: Zxid,
    pub(super) mzxid: Zxid,
    pub(super) pzxid: Zxid,
    pub(super) ctime: i64,
    pub(super) mtime: i64,
    pub(super) version: i32,
    /// How many children were ever created: the sequence counter. Not the `cversion` that clients see.
    pub(super) cversion: i32,
    pub(super) aversion: i32,
    pub(super) children: Children,
}

impl Node {
    /// Makes a node as it is right after its creation.
    pub(super) fn new(data: Option<Box<[u8]>>, acl: AclList, owner: Owner, zxid: Zxid, time: i64) -> Self {
        Self {
            data,
            acl,
            owner,
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time,
            mtime: time,
            version: 0,
            cversion: 0,
            aversion: 0,
            children: Children::default(),
        }
    }

    pub(super) fn data_len(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.len())
    }

    /// Returns what clients are told: deletions of children count in `cversion`, and only sessions are owners.
    pub(super) fn stat(&self) -> Stat {
        let num_children = i32::try_from(self.children.len()).unwrap_or(i32::MAX);
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion.wrapping_mul(2).wrapping_sub(num_children),
            aversion: self.aversion,
            ephemeral_owner: match self.owner {
                Owner::Session(session) => session,
                Owner::None | Owner::Container | Owner::Ttl(_) => SessionId(0),
            },
            data_length: i32::try_from(self.data_len()).unwrap_or(i32::MAX),
            num_children,
            pzxid: self.pzxid,
        }
    }
}

/// The children of a node, by their full paths: the strings are those of the tree's index, so that a child costs a pointer.
#[derive(Debug, Default)]
pub(super) struct Children(BTreeSet<Arc<str>>);

impl Children {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, path: Arc<str>) {
        self.0.insert(path);
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// Returns the paths by name.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cversion_that_clients_see_counts_creations_and_deletions() {
        let mut node = Node::new(None, Arc::new([]), Owner::None, Zxid(1), 0);
        for (created, path) in ["/a/b", "/a/c", "/a/d"].into_iter().enumerate() {
            node.children.insert(path.into());
            node.cversion += 1;
            assert_eq!(node.stat().cversion, i32::try_from(created).unwrap() + 1);
        }
        node.children.remove("/a/b");

        assert_eq!((node.stat().cversion, node.stat().num_children), (4, 2));
    }

    #[test]
    fn only_sessions_show_as_owners() {
        let shown = |owner| Node::new(None, Arc::new([]), owner, Zxid(1), 0).stat().ephemeral_owner;

        assert_eq!(shown(Owner::Session(SessionId(7))), SessionId(7));
        for owner in [Owner::None, Owner::Container, Owner::Ttl(5)] {
            assert_eq!(shown(owner), SessionId(0));
        }
    }
}
