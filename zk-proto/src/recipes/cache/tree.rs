//! A node with all that is below it.

use std::sync::Arc;

use super::{
    WINDOW,
    engine::{Reporter, follow},
    mirror::{CachedNode, Mirror, Watching},
    scope::Scope,
    view::{CacheEvents, CacheView, Shared},
};
use crate::{
    client::{Client, Error},
    path,
};

/// Follows a node with all that is below it, or with a part of that.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{CacheEvent, TreeCache};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let cache = TreeCache::builder(&client, "/app")?.max_depth(3).start();
///
/// // What is there, as soon as all of it was read.
/// let view = cache.synced().await?;
/// for (path, node) in view.iter() {
///     println!("{path}: {:?}", node.data);
/// }
///
/// // And what happens: all that is there first, then each change.
/// let mut events = cache.events();
/// while let Some(event) = events.next().await {
///     match event {
///         CacheEvent::Added { path, node } | CacheEvent::Updated { path, node, .. } => println!("{path}: {:?}", node.data),
///         CacheEvent::Removed { path, .. } => println!("{path} has gone"),
///         CacheEvent::Synced { zxid } => println!("as of {zxid}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Each node that it shows was on the server, and the view of a node never goes back within a session. When nothing changes any more
/// and there is a connection, it shows the tree as it is. It is no log: values in between may be left out. A node that was deleted
/// and made anew is another node, [removed and added](super::CacheEvent), whatever its version and those of its children.
///
/// | what happens | what it shows |
/// |---|---|
/// | connection lost | the last view, [stale](CacheView::is_stale) until everything was read again; what was missed is told as the difference |
/// | session expired | the same; it reads and watches in the next session, and ephemeral nodes of the old one are seen to go |
/// | the root is missing, or deleted | nothing, until it is made; the cache never creates it (CURATOR-319) |
/// | a node may not be read ([`NoAuth`](crate::code::ErrorCode::NoAuth)) | the node as it was last seen, or not at all, and the [error](CacheView::troubles); it is asked for again when it changes, after a reconnect, and by and by |
/// | a reader of [`events`](Self::events) is slow | he is told the newest of each node when he gets to it; he holds one mark for each node at most |
/// | the client is at a server that is cut off from the others, which it was told will do | what that server has |
/// | the last clone of the cache is dropped | its watches are taken off the server |
///
/// # What it costs
///
/// On servers since 3.6 one recursive watch, and a read for each change. After each reconnect every node is read again, and the
/// children of those nodes are listed whose numbers tell that children have come or gone. On servers that do not know such watches, each
/// node has two watches, and each change is read behind them. No more than 64 requests are on their way, unless it is told
/// [otherwise](TreeCacheBuilder::window), and all the nodes with their data are in memory, unless it is told
/// [to leave the data](TreeCacheBuilder::numbers_only).
///
/// The session stays open as long as the cache is there.
#[must_use = "dropping it ends the watch on the tree"]
#[derive(Clone, Debug)]
pub struct TreeCache(Arc<Handle>);

/// What keeps a cache going.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) client: Client,
    pub(super) root: Arc<str>,
    pub(super) shared: Arc<Shared>,
}

/// How a [`TreeCache`] is to be.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is started"]
pub struct TreeCacheBuilder {
    client: Client,
    scope: Scope,
    window: usize,
    watching: Watching,
}

impl TreeCache {
    /// Begins to follow a node with all that is below it, in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, root: &str) -> Result<Self, Error> {
        Ok(Self::builder(client, root)?.start())
    }

    /// Begins to say what is to be followed, and how.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn builder(client: &Client, root: &str) -> Result<TreeCacheBuilder, Error> {
        path::validate(root)?;
        let root = root.into();
        let scope = Scope { root, shows_root: true, depth: usize::MAX, keeps_data: true, accept: None, descend: None };
        Ok(TreeCacheBuilder { client: client.clone(), scope, window: WINDOW, watching: Watching::Whole })
    }

    /// Returns the path of the root.
    pub fn path(&self) -> &str {
        &self.0.root
    }

    /// Returns a node as it was last read.
    pub fn get(&self, path: &str) -> Option<Arc<CachedNode>> {
        self.0.shared.lock().mirror.get(path).cloned()
    }

    /// Returns the names of a node's children that are shown, sorted.
    pub fn children(&self, path: &str) -> Vec<String> {
        let known = self.0.shared.lock();
        let mirror = &known.mirror;
        let shown = mirror.children(path).filter(|child| mirror.get(child).is_some());
        shown.map(|child| path::name(child).to_string()).collect()
    }

    /// Returns what is known, at one moment. As long as nothing changes, this is the same each time and costs next to nothing; behind a
    /// change, a map of all nodes is made anew. [`get`](Self::get) asks for less.
    pub fn snapshot(&self) -> Arc<CacheView> {
        self.0.shared.view()
    }

    /// Waits until everything was read, at the beginning or after a lost connection, and returns what is known. May be cancelled at any
    /// moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn synced(&self) -> Result<Arc<CacheView>, Error> {
        self.0.shared.synced(&self.0.client).await
    }

    /// Waits until another view than this is known, and returns it. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &CacheView) -> Result<Arc<CacheView>, Error> {
        self.0.shared.changed(known, &self.0.client).await
    }

    /// Returns what happens from now on, as a stream that begins with all nodes that there are.
    pub fn events(&self) -> CacheEvents {
        CacheEvents::new(&self.0.shared)
    }
}

impl TreeCacheBuilder {
    /// Leaves out what is further below the root than so many levels. Default: nothing. With 0, the root is all there is.
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.scope.depth = depth;
        self
    }

    /// Leaves nodes out whose path is not accepted; what is below them is there all the same. The function is called while the cache
    /// is locked: it must not use it.
    pub fn accept(mut self, accept: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.scope.accept = Some(Arc::new(accept));
        self
    }

    /// Leaves out what is below nodes whose path is not accepted; the nodes themselves are there all the same. The function is called
    /// while the cache is locked: it must not use it.
    pub fn descend(mut self, descend: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.scope.descend = Some(Arc::new(descend));
        self
    }

    /// Keeps no data, which is not read then, but only the numbers of each node.
    pub fn numbers_only(mut self) -> Self {
        self.scope.keeps_data = false;
        self
    }

    /// Sets how many requests are on their way at most. Default 64.
    pub fn window(mut self, requests: usize) -> Self {
        self.window = requests;
        self
    }

    /// Uses the watches that reads leave, two for each node, though the server may know better ones: for trees of which only a part is
    /// followed, where one watch would tell of everything.
    pub fn watch_each_node(mut self) -> Self {
        self.watching = Watching::Each;
        self
    }

    /// Begins to follow, in the background.
    pub fn start(self) -> TreeCache {
        TreeCache(Handle::start(&self.client, Mirror::new(self.scope, self.watching, self.window)))
    }
}

impl Handle {
    pub(super) fn start(client: &Client, mirror: Mirror) -> Arc<Self> {
        let root = mirror.scope.root.clone();
        let shared = Arc::new(Shared::new(mirror));
        let reporter = Reporter(shared.clone());
        client.spawn(|client| follow(client, reporter));
        Arc::new(Self { client: client.clone(), root, shared })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}
