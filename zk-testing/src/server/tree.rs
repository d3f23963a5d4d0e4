//! The nodes: an index by path, and what creating, deleting and changing does to a node and to the one above it.
//!
//! Nothing is checked here but what would break the tree; who may do what is decided before, in [`prepare`](super::prepare).
//! The empty path is another name of `/`, as on real servers, which makes the parent of `/a` what stands before its last
//! slash.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use zk_proto::{
    Zxid,
    record::{Acl, Stat},
    wire::Encoder,
};

use super::{
    node::{AclList, Node, Owner},
    options::Version,
    quota::Quotas,
};

/// A map without the standard library's randomness: the same calls give the same outputs.
pub(super) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

pub(super) const CONFIG_PATH: &str = "/zookeeper/config";
pub(super) const QUOTA_PATH: &str = "/zookeeper/quota";
const SYSTEM_PATH: &str = "/zookeeper";
const KEEPER_PATH: &str = "/keeper";
const KEEPER_API_PATH: &str = "/keeper/api_version";

/// Returns whether this is one of the nodes that are always there.
pub(super) fn is_special(path: &str, version: Version) -> bool {
    match path {
        "/" => true,
        SYSTEM_PATH | QUOTA_PATH => version > Version::Keeper,
        CONFIG_PATH => version >= Version::V3_5,
        KEEPER_PATH | KEEPER_API_PATH => version == Version::Keeper,
        _ => false,
    }
}

/// Returns what stands before the last slash: the parent, by the tree's naming of the root. `None` without a slash.
pub(super) fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

pub(super) struct Tree {
    nodes: FixedMap<Arc<str>, Box<Node>>,
    /// The lists in use, by their encoding.
    lists: FixedMap<Bytes, AclList>,
    pub(super) quotas: Quotas,
    pub(super) containers: BTreeSet<Arc<str>>,
    pub(super) with_ttl: BTreeSet<Arc<str>>,
    ephemerals: usize,
}

/// A node to be created.
pub(super) struct Creation {
    pub(super) path: Arc<str>,
    pub(super) data: Option<Bytes>,
    pub(super) acl: AclList,
    pub(super) owner: Owner,
    /// The parent's counter after the creation, which a counter at its ceiling does not take on.
    pub(super) parent_cversion: i32,
}

/// What is left of a deleted node.
pub(super) struct Deleted {
    pub(super) acl: AclList,
    pub(super) parent_acl: AclList,
    pub(super) owner: Owner,
}

impl Tree {
    pub(super) fn new(version: Version) -> Self {
        let mut tree = Self {
            nodes: FixedMap::default(),
            lists: FixedMap::default(),
            quotas: Quotas::default(),
            containers: BTreeSet::new(),
            with_ttl: BTreeSet::new(),
            ephemerals: 0,
        };
        let open = tree.intern(Acl::open().into());
        let read_only = tree.intern(Acl::read_only().into());
        let empty = |acl: &AclList| Node::new(Some(Box::default()), acl.clone(), Owner::None, Zxid(0), 0);
        tree.nodes.insert("/".into(), Box::new(empty(&open)));
        let always = [
            (SYSTEM_PATH, &open),
            (QUOTA_PATH, &open),
            (CONFIG_PATH, &read_only),
            (KEEPER_PATH, &open),
            (KEEPER_API_PATH, &open),
        ];
        for (path, acl) in always.into_iter().filter(|(path, _)| is_special(path, version)) {
            tree.attach(path.into(), empty(acl));
        }
        if let Some(api) = tree.get_mut(KEEPER_API_PATH) {
            api.data = Some(Box::from(*b"0"));
        }
        if let Some(config) = tree.get_mut(CONFIG_PATH) {
            config.aversion = -1;
        }
        tree
    }

    /// Returns the number of nodes, the root included.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the number of ephemeral nodes.
    pub(super) fn ephemerals(&self) -> usize {
        self.ephemerals
    }

    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(key(path)).map(AsRef::as_ref)
    }

    pub(super) fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.nodes.get_mut(key(path)).map(AsMut::as_mut)
    }

    /// Returns the list as it is shared by the nodes.
    pub(super) fn intern(&mut self, list: AclList) -> AclList {
        let mut encoded = BytesMut::new();
        list.iter().for_each(|acl| Encoder::new(&mut encoded).put(acl));
        if let Some(shared) = self.lists.get(&encoded[..]) {
            return shared.clone();
        }
        // Lists that no node has any more go when the map would have to grow.
        if self.lists.len() == self.lists.capacity() {
            self.lists.retain(|_, shared| Arc::strong_count(shared) > 1);
        }
        self.lists.insert(encoded.freeze(), list.clone());
        list
    }

    /// Returns the node's new stat and the parent's ACL, or `None` where there is no parent or the node exists.
    pub(super) fn create(&mut self, creation: Creation, zxid: Zxid, time: i64) -> Option<(Stat, AclList)> {
        let Creation { path, data, acl, owner, parent_cversion } = creation;
        if self.get(&path).is_some() {
            return None;
        }
        let parent = self.get_mut(parent(&path)?)?;
        let parent_acl = parent.acl.clone();
        if parent_cversion > parent.cversion {
            parent.cversion = parent_cversion;
            parent.pzxid = zxid;
        }
        let len = data.as_ref().map_or(0, Bytes::len);
        let node = Node::new(data.map(|data| (&data[..]).into()), acl, owner, zxid, time);
        let stat = node.stat();
        self.attach(path.clone(), node);
        match owner {
            Owner::None => {}
            Owner::Session(_) => self.ephemerals += 1,
            Owner::Container => _ = self.containers.insert(path.clone()),
            Owner::Ttl(_) => _ = self.with_ttl.insert(path.clone()),
        }
        self.quota_created(&path, len);
        Some((stat, parent_acl))
    }

    /// Puts a node under its parent, whose counters stay as they are.
    fn attach(&mut self, path: Arc<str>, node: Node) {
        if let Some(parent) = parent(&path).and_then(|parent| self.get_mut(parent)) {
            parent.children.insert(path.clone());
        }
        self.nodes.insert(path, Box::new(node));
    }

    /// Deletes a node, which must have no children. Returns `None` where it or its parent is not there.
    pub(super) fn delete(&mut self, path: &str, zxid: Zxid) -> Option<Deleted> {
        let parent_path = parent(path)?;
        let node = self.nodes.remove(key(path))?;
        let parent = self.get_mut(parent_path)?;
        parent.children.remove(path);
        parent.pzxid = parent.pzxid.max(zxid);
        let parent_acl = parent.acl.clone();
        match node.owner {
            Owner::None => {}
            Owner::Session(_) => self.ephemerals -= 1,
            Owner::Container => _ = self.containers.remove(path),
            Owner::Ttl(_) => _ = self.with_ttl.remove(path),
        }
        self.quota_deleted(path, node.data_len());
        Some(Deleted { acl: node.acl, parent_acl, owner: node.owner })
    }

    /// Replaces a node's data. Returns its new stat and its ACL.
    pub(super) fn set_data(
        &mut self,
        path: &str,
        data: Option<Bytes>,
        version: i32,
        zxid: Zxid,
        time: i64,
    ) -> Option<(Stat, AclList)> {
        let node = self.get_mut(path)?;
        let before = node.data_len();
        node.data = data.map(|data| (&data[..]).into());
        node.version = version;
        node.mzxid = zxid;
        node.mtime = time;
        let (stat, acl, after) = (node.stat(), node.acl.clone(), node.data_len());
        self.quota_changed(path, before, after);
        Some((stat, acl))
    }

    pub(super) fn set_acl(&mut self, path: &str, acl: AclList, version: i32) -> Option<Stat> {
        let node = self.get_mut(path)?;
        node.acl = acl;
        node.aversion = version;
        Some(node.stat())
    }

    /// Returns the number of a node's descendants.
    pub(super) fn descendants(&self, path: &str) -> usize {
        match path {
            "/" => self.nodes.len() - 1,
            // Real servers count the paths that begin with this path and a slash: for the empty one, `/` is among them.
            "" => self.nodes.len(),
            path => self.below(path).count() - 1,
        }
    }

    /// Returns a node and all below it, parents first.
    pub(super) fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let mut waiting: Vec<_> = self.nodes.get_key_value(key(path)).into_iter().collect();
        std::iter::from_fn(move || {
            let (path, node) = waiting.pop()?;
            let first = waiting.len();
            waiting.extend(node.children.paths().filter_map(|child| self.nodes.get_key_value(child)));
            waiting[first..].reverse();
            Some((&**path, &**node))
        })
    }
}

fn key(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_nodes_of_its_own() {
        for (version, config, zookeeper, keeper) in [
            (Version::Keeper, false, false, true),
            (Version::V3_4, false, true, false),
            (Version::V3_5, true, true, false),
        ] {
            let tree = Tree::new(version);
            let has = |path: &str| tree.get(path).is_some();
            assert_eq!((has(CONFIG_PATH), has(QUOTA_PATH)), (config, zookeeper), "{version:?}");
            assert_eq!((has(KEEPER_PATH), has(KEEPER_API_PATH)), (keeper, keeper), "{version:?}");
        }
    }

    #[test]
    fn a_fresh_tree_has_the_stats_of_a_fresh_server() {
        let tree = Tree::new(Version::V3_9);
        let table = [("/", -1, 1, 0), ("/zookeeper", -2, 2, 0), (QUOTA_PATH, 0, 0, 0), (CONFIG_PATH, 0, 0, -1)];

        for (path, cversion, num_children, aversion) in table {
            let expected = Stat { cversion, num_children, aversion, ..Stat::default() };
            assert_eq!(tree.get(path).unwrap().stat(), expected, "{path}");
        }
        assert_eq!(tree.len(), 4);
    }

    #[test]
    fn the_empty_path_is_the_root() {
        let tree = Tree::new(Version::V3_9);

        assert!(std::ptr::eq(tree.get("").unwrap(), tree.get("/").unwrap()));
        assert_eq!((tree.descendants("/"), tree.descendants(""), tree.descendants("/zookeeper")), (3, 4, 2));
    }

    #[test]
    fn creating_and_deleting_leave_their_mark_on_the_parent() {
        let mut tree = Tree::new(Version::V3_9);
        create(&mut tree, "/a", 1, 5);
        create(&mut tree, "/a/b", 1, 6);

        assert_eq!(tree.get("/a").unwrap().pzxid, Zxid(6));
        assert!(tree.delete("/a/b", Zxid(7)).is_some());

        let stat = tree.get("/a").unwrap().stat();
        assert_eq!((stat.cversion, stat.pzxid, stat.mzxid, stat.version), (2, Zxid(7), Zxid(5), 0));
        assert!(tree.delete("/a/b", Zxid(8)).is_none());
    }

    #[test]
    fn a_counter_at_its_ceiling_stays_there() {
        let mut tree = Tree::new(Version::V3_9);
        create(&mut tree, "/a", 1, 5);
        tree.get_mut("/a").unwrap().cversion = i32::MAX;

        create(&mut tree, "/a/b", i32::MIN, 6);

        let node = tree.get("/a").unwrap();
        assert_eq!((node.cversion, node.pzxid), (i32::MAX, Zxid(5)));
    }

    #[test]
    fn equal_lists_are_one_and_unused_ones_go() {
        let mut tree = Tree::new(Version::V3_9);
        let one = tree.intern(Acl::creator_all().into());
        assert!(Arc::ptr_eq(&one, &tree.intern(Acl::creator_all().into())));
        drop(one);

        for number in 0..1000 {
            tree.intern([Acl::new(zk_proto::acl::Perms::READ, "digest", &format!("user:{number}"))].into());
        }

        assert!(tree.lists.len() < 100, "{} lists are kept", tree.lists.len());
    }

    #[test]
    fn below_goes_from_parents_to_children_by_name() {
        let mut tree = Tree::new(Version::V3_9);
        for (number, path) in ["/b", "/a", "/a/y", "/a/x", "/a/x/1"].into_iter().enumerate() {
            create(&mut tree, path, 9, i64::try_from(number).unwrap());
        }

        assert_eq!(tree.below("/a").map(|(path, _)| path).collect::<Vec<_>>(), ["/a", "/a/x", "/a/x/1", "/a/y"]);
    }

    fn create(tree: &mut Tree, path: &str, parent_cversion: i32, zxid: i64) {
        let acl = tree.intern(Acl::open().into());
        let creation = Creation { path: path.into(), data: None, acl, owner: Owner::None, parent_cversion };
        assert!(tree.create(creation, Zxid(zxid), 0).is_some());
    }
}
