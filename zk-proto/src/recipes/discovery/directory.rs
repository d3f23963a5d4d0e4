//! The instances of a service, as far as they are known.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    super::cache::{ChildrenCache, ChildrenView},
    InstanceError, ServiceInstance, ServiceProvider, Strategy,
    down::Identity,
};
use crate::{
    Zxid,
    broken::broken,
    client::{Client, Error},
};

/// Follows the instances of a service, in the background, until it is dropped. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServiceDirectory {
    client: Client,
    cache: ChildrenCache,
    decoded: Arc<Mutex<Decoded>>,
}

/// An instance that was found. It gives what the [`ServiceInstance`] does, and says which node it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DiscoveredInstance {
    /// The instance.
    pub instance: ServiceInstance,
    /// The name of its node: the id, with the number of a sequential one.
    pub node: String,
    /// The transaction that has registered it.
    pub created: Zxid,
}

impl Deref for DiscoveredInstance {
    type Target = ServiceInstance;

    fn deref(&self) -> &ServiceInstance {
        &self.instance
    }
}

impl DiscoveredInstance {
    pub(super) fn identity(&self) -> Identity {
        (self.node.clone(), self.created)
    }

    pub(super) fn is_node(&self, node: &str, created: Zxid) -> bool {
        (self.node.as_str(), self.created) == (node, created)
    }

    #[cfg(test)]
    pub(super) fn of(instance: ServiceInstance, created: Zxid) -> Self {
        Self { node: instance.id.clone(), instance, created }
    }
}

/// The instances of a service at one moment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServiceView {
    instances: Arc<[Arc<DiscoveredInstance>]>,
    unreadable: Arc<BTreeMap<Arc<str>, InstanceError>>,
    children: ChildrenView,
}

/// What was read of each node, so that none is read twice.
#[derive(Debug, Default)]
struct Decoded {
    nodes: BTreeMap<String, (Zxid, Zxid, Read)>,
    /// What was made of it last: while nothing changes, picking costs no more than that.
    last: Option<ServiceView>,
}

type Read = Result<Arc<DiscoveredInstance>, InstanceError>;

impl Decoded {
    fn view(&mut self, children: ChildrenView) -> ServiceView {
        if let Some(last) = self.last.as_ref().filter(|last| last.children.is_same(&children)) {
            return last.clone();
        }
        let mut now = BTreeMap::new();
        for (name, node) in children.iter() {
            let (created, set) = (node.stat.czxid, node.stat.mzxid);
            let read = match self.nodes.remove(name) {
                Some((_, _, read))
                    if broken!("discovery: goes on with what it has read of a node that was made anew") =>
                {
                    read
                }
                Some((was_created, was_set, read)) if (was_created, was_set) == (created, set) => read,
                Some(_) | None => ServiceInstance::from_json(&node.data)
                    .map(|instance| Arc::new(DiscoveredInstance { instance, node: name.to_string(), created })),
            };
            now.insert(name.to_string(), (created, set, read));
        }
        self.nodes = now;
        let reads = || self.nodes.iter().map(|(name, (_, _, read))| (name, read));
        let wrong = reads().filter_map(|(name, read)| Some((children.path(name).into(), read.as_ref().err()?.clone())));
        let refused = children.troubles().map(|(path, error)| (path.into(), InstanceError::Refused(error.clone())));
        let view = ServiceView {
            instances: reads().filter_map(|(_, read)| read.as_ref().ok().cloned()).collect(),
            unreadable: Arc::new(wrong.chain(refused).collect()),
            children,
        };
        self.last = Some(view.clone());
        view
    }
}

impl ServiceDirectory {
    pub(super) fn new(client: &Client, cache: ChildrenCache) -> Self {
        Self { client: client.clone(), cache, decoded: Arc::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns which instances there are, as far as is known now.
    pub fn snapshot(&self) -> ServiceView {
        self.view(self.cache.snapshot())
    }

    /// Waits until everything was read, at the beginning or after a lost connection, and returns which instances there are. May be
    /// cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn synced(&self) -> Result<ServiceView, Error> {
        Ok(self.view(self.cache.synced().await?))
    }

    /// Waits until something else is known than in this view, and returns that. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &ServiceView) -> Result<ServiceView, Error> {
        Ok(self.view(self.cache.changed(&known.children).await?))
    }

    /// Makes a provider, which picks one of the instances at a time.
    pub fn provider(&self, strategy: Strategy) -> ServiceProvider {
        ServiceProvider::new(self.clone(), strategy)
    }

    fn view(&self, children: ChildrenView) -> ServiceView {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner).view(children)
    }
}

impl ServiceView {
    /// Returns all instances, sorted by the names of their nodes; disabled ones too.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DiscoveredInstance>> {
        self.instances.iter()
    }

    /// Returns how many instances there are.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// Returns the nodes that cannot be read as instances, by path, and why. It is the service's own path where the server does not
    /// let its instances be listed. What may not be read any more is still there as it was last seen.
    pub fn unreadable(&self) -> &BTreeMap<Arc<str>, InstanceError> {
        &self.unreadable
    }

    /// Returns whether everything was read once.
    pub fn is_initialized(&self) -> bool {
        self.children.is_initialized()
    }

    /// Returns whether it may be older than what the client could know: there is no connection, or not everything was read again
    /// since.
    pub fn is_stale(&self) -> bool {
        self.children.is_stale()
    }
}
