//! The children of a node.

use core::time::Duration;
use std::sync::Arc;

use super::{
    WINDOW,
    mirror::{CachedNode, Mirror, Watching},
    scope::Scope,
    tree::Handle,
    view::{CacheEvents, CacheView},
};
use crate::{
    Zxid,
    client::{Client, Error},
    path,
    recipes::janitor::child,
};

/// Follows the children of a node: their names, data and numbers.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::ChildrenCache;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let cache = ChildrenCache::new(&client, "/members")?;
///
/// let mut view = cache.synced().await?;
/// loop {
///     println!("{} members", view.len());
///     for (name, member) in view.iter() {
///         println!("{name}: {:?}", member.data);
///     }
///     view = cache.changed(&view).await?;
/// }
/// # }
/// ```
///
/// # What it guarantees
///
/// What a [`TreeCache`](super::TreeCache) does, of which it is one level: the same happens to it when the connection is lost, when the
/// session expires, and when it is dropped. The node itself is not read and need not exist: while it is missing, there are no children, and
/// when it is made, they are seen. It never creates it.
///
/// A child that goes before it could be read is none (CURATOR-476). One that was deleted and made anew is another one, whatever its
/// version (CURATOR-391).
///
/// It costs a watch for the list and one for each child, a list for each child that comes or goes, and a read for each that is new
/// or was changed. After each reconnect every child is read again.
#[must_use = "dropping it ends the watch on the children"]
#[derive(Clone, Debug)]
pub struct ChildrenCache(Arc<Handle>);

/// The children of a node at one moment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChildrenView {
    parent: Arc<str>,
    view: Arc<CacheView>,
}

impl ChildrenCache {
    /// Begins to follow the children of a node, in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, parent: &str) -> Result<Self, Error> {
        Self::start(client, parent, true)
    }

    /// As [`new`](Self::new), without the children's data, which is not read then.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn numbers_only(client: &Client, parent: &str) -> Result<Self, Error> {
        Self::start(client, parent, false)
    }

    fn start(client: &Client, parent: &str, keeps_data: bool) -> Result<Self, Error> {
        path::validate(parent)?;
        let root = parent.into();
        let scope = Scope { root, shows_root: false, depth: 1, keeps_data, accept: None, descend: None };
        // A watch on everything would tell of what is below the children too.
        Ok(Self(Handle::start(client, Mirror::new(scope, Watching::Each, WINDOW))))
    }

    /// Returns the path of the node whose children they are.
    pub fn path(&self) -> &str {
        &self.0.root
    }

    /// Returns a child as it was last read.
    pub fn get(&self, name: &str) -> Option<Arc<CachedNode>> {
        self.0.shared.lock().mirror.get(&child(self.path(), name)).cloned()
    }

    /// Returns what is known, at one moment. As long as nothing changes, this costs next to nothing; behind a change, a map of
    /// all children is made anew.
    pub fn snapshot(&self) -> ChildrenView {
        self.view(self.0.shared.view())
    }

    /// Waits until everything was read, at the beginning or after a lost connection, and returns what is known. May be cancelled at any
    /// moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn synced(&self) -> Result<ChildrenView, Error> {
        Ok(self.view(self.0.shared.synced(&self.0.client).await?))
    }

    /// Waits until another view than this is known, and returns it: another child, one less, other data, stale or not stale any more.
    /// May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &ChildrenView) -> Result<ChildrenView, Error> {
        Ok(self.view(self.0.shared.changed(&known.view, &self.0.client).await?))
    }

    /// Waits until no child has come or gone for so long, and returns what is known then. For those who act on who is there, when many
    /// come and go at a time. May be cancelled at any moment.
    ///
    /// Time counts while everything is known only: it begins anew when the connection was lost.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn settled(&self, quiet: Duration) -> Result<ChildrenView, Error> {
        loop {
            let view = self.synced().await?;
            match self.0.client.timeout(quiet, self.unsettled(&view)).await {
                Err(Error::TimedOut { .. }) => return Ok(self.snapshot()),
                Ok(Ok(())) => {}
                Ok(Err(error)) | Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there are other children, or it is not known who is there.
    async fn unsettled(&self, settled: &ChildrenView) -> Result<(), Error> {
        let mut view = settled.clone();
        while view.is_same_set(settled) {
            view = self.changed(&view).await?;
        }
        Ok(())
    }

    /// Returns what happens from now on, as a stream that begins with all children that there are.
    pub fn events(&self) -> CacheEvents {
        CacheEvents::new(&self.0.shared)
    }

    fn view(&self, view: Arc<CacheView>) -> ChildrenView {
        ChildrenView { parent: self.0.root.clone(), view }
    }
}

impl ChildrenView {
    /// Returns a child.
    pub fn get(&self, name: &str) -> Option<&Arc<CachedNode>> {
        self.view.get(&child(&self.parent, name))
    }

    /// Returns all children with their names, sorted by them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<CachedNode>)> {
        self.view.iter().map(|(path, node)| (path::name(path), node))
    }

    /// Returns the names of all children, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Returns how many children there are.
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.view.is_empty()
    }

    /// Returns whether the node is there whose children they are.
    pub fn has_parent(&self) -> bool {
        self.view.has_root()
    }

    /// Returns whether everything was read once.
    pub fn is_initialized(&self) -> bool {
        self.view.is_initialized()
    }

    /// Returns whether it may be older than what the client could know: see [`CacheView::is_stale`].
    pub fn is_stale(&self) -> bool {
        self.view.is_stale()
    }

    /// Returns up to which transaction everything was certainly seen; `None` when stale.
    pub fn synced(&self) -> Option<Zxid> {
        self.view.synced()
    }

    /// Returns the children that the server does not let the client read, by path, and why.
    pub fn troubles(&self) -> impl Iterator<Item = (&str, &Error)> {
        self.view.troubles().iter().map(|(path, error)| (&**path, error))
    }

    /// Returns the path of a child.
    #[cfg(feature = "discovery")]
    pub(crate) fn path(&self, name: &str) -> String {
        child(&self.parent, name)
    }

    /// Returns whether it is the same view: nothing has changed from the one to the other.
    #[cfg(feature = "discovery")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
    }

    /// Returns whether the same children are known for certain, whatever their data.
    fn is_same_set(&self, other: &Self) -> bool {
        let ids = |view: &Self| view.iter().map(|(name, node)| (name.to_string(), node.stat.czxid)).collect::<Vec<_>>();
        self.is_stale() == other.is_stale() && ids(self) == ids(other)
    }
}
