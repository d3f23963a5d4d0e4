//! Picking an instance.

use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    ServiceDirectory, ServiceInstance, ServiceView, Strategy,
    directory::DiscoveredInstance,
    down::{DownPolicy, Errors},
    strategy::{Memory, pick},
};
use crate::{broken::broken, client::Error};

type Filter = Arc<dyn Fn(&ServiceInstance) -> bool + Send + Sync>;

/// Picks one of the instances of a service at a time: of those that are enabled, that its filter lets through, and that are not
/// [down](Self::note_error). Cheap to clone; clones share what they remember.
///
/// Picking asks nobody: it goes by what the directory has, also while there is no connection.
#[derive(Clone)]
pub struct ServiceProvider {
    directory: ServiceDirectory,
    strategy: Strategy,
    policy: DownPolicy,
    filter: Option<Filter>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    memory: Memory,
    errors: Errors,
}

impl ServiceProvider {
    pub(super) fn new(directory: ServiceDirectory, strategy: Strategy) -> Self {
        Self { directory, strategy, policy: DownPolicy::default(), filter: None, state: Arc::default() }
    }

    /// Sets which instances are picked. Default: all. Disabled ones never are.
    pub fn filter(mut self, filter: impl Fn(&ServiceInstance) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Sets when an instance counts as down.
    pub fn down_policy(mut self, policy: DownPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Returns the directory.
    pub fn directory(&self) -> &ServiceDirectory {
        &self.directory
    }

    /// Waits until the directory was read: see [`ServiceDirectory::synced`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn synced(&self) -> Result<ServiceView, Error> {
        self.directory.synced().await
    }

    /// Picks an instance; `None` where there is none.
    pub fn pick(&self) -> Option<Arc<DiscoveredInstance>> {
        self.pick_with(None)
    }

    /// Picks an instance for a key, with [`Strategy::RendezvousHash`]; for other strategies the key does not matter.
    pub fn pick_for(&self, key: impl AsRef<[u8]>) -> Option<Arc<DiscoveredInstance>> {
        self.pick_with(Some(key.as_ref()))
    }

    fn pick_with(&self, key: Option<&[u8]>) -> Option<Arc<DiscoveredInstance>> {
        let view = self.directory.snapshot();
        let candidates = self.candidates(&view);
        let plain: Vec<&DiscoveredInstance> = candidates.iter().map(|candidate| &***candidate).collect();
        let random = || {
            let mut bytes = [0; 8];
            self.directory.client().fill_random(&mut bytes);
            u64::from_be_bytes(bytes)
        };
        let index = pick(self.strategy, &plain, key, &mut self.state().memory, random)?;
        candidates.get(index).map(|candidate| Arc::clone(candidate))
    }

    /// Returns all instances that may be picked now.
    pub fn all(&self) -> Vec<Arc<DiscoveredInstance>> {
        self.candidates(&self.directory.snapshot()).into_iter().cloned().collect()
    }

    fn candidates<'a>(&self, view: &'a ServiceView) -> Vec<&'a Arc<DiscoveredInstance>> {
        if view.is_stale() && broken!("discovery: has nothing to offer without a connection") {
            return Vec::new();
        }
        let is_wanted = |instance: &ServiceInstance| self.filter.as_ref().is_none_or(|filter| filter(instance));
        let wanted: Vec<_> = view.iter().filter(|one| one.enabled && is_wanted(one)).collect();
        let now = self.directory.client().last_seen();
        let state = self.state();
        let is_up = |one: &&Arc<DiscoveredInstance>| !state.errors.is_down(&one.identity(), now, &self.policy);
        let up: Vec<_> = wanted.iter().copied().filter(is_up).collect();
        if up.is_empty() && !self.policy.hides_last { wanted } else { up }
    }

    /// Notes that an instance has not worked. It is not picked any more when that happens too often, by the
    /// [policy](Self::down_policy), until some time has passed or it registers anew.
    ///
    /// Time is that of the client's driver, which looks at its clock whenever it has something to do, heartbeats at least.
    pub fn note_error(&self, instance: &DiscoveredInstance) {
        let now = self.directory.client().last_seen();
        self.state().errors.note(instance.identity(), now, &self.policy);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServiceProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceProvider").field("strategy", &self.strategy).finish_non_exhaustive()
    }
}
