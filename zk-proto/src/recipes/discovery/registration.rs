//! An instance that is registered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{
    super::{
        janitor::child,
        kept::{Kept, KeptMode, KeptNode, KeptState, Presence},
    },
    Discovery, Format, ServiceInstance, ServiceType,
};
use crate::{broken::broken, client::Error, path};

/// A registration, until it is [unregistered](Self::unregister) or dropped. Dropping it unregisters in the background, but for those
/// that are [static or permanent](ServiceType).
#[derive(Debug)]
#[must_use = "dropping it unregisters the instance"]
pub struct ServiceRegistration {
    wanted: Mutex<Wanted>,
    format: Format,
    kept: Kept,
}

/// What is to be registered.
#[derive(Debug)]
struct Wanted {
    instance: ServiceInstance,
    /// The data that it was read from, or written as.
    data: Bytes,
}

impl Wanted {
    /// Replaces the instance, but for what does not change: whose it is, and where its node is.
    fn replace(&mut self, with: ServiceInstance) {
        let ServiceInstance { name, id, service_type, .. } = std::mem::take(&mut self.instance);
        self.instance = ServiceInstance { name, id, service_type, ..with };
    }
}

impl ServiceRegistration {
    pub(super) fn new(discovery: &Discovery, instance: &ServiceInstance) -> Result<Self, Error> {
        path::validate_name(&instance.id)?;
        let path = child(&discovery.path_of(&instance.name)?, &instance.id);
        let mode = match &instance.service_type {
            ServiceType::Dynamic | ServiceType::Other(_) => KeptMode::Ephemeral,
            ServiceType::DynamicSequential => KeptMode::EphemeralSequential,
            ServiceType::Static | ServiceType::Permanent => KeptMode::Persistent,
        };
        let data = Bytes::from(instance.encode(discovery.format));
        let plan = KeptNode::new(&discovery.client, &path)?.mode(mode).data(&data);
        let mut plan = plan.on_foreign(discovery.on_foreign).on_change(discovery.on_change);
        if let Some(acl) = &discovery.acl {
            plan = plan.acl(acl);
        }
        let wanted = Wanted { instance: instance.clone(), data };
        Ok(Self { wanted: Mutex::new(wanted), format: discovery.format, kept: plan.keep() })
    }

    /// Returns the instance as it is to be registered: as it was set last, or as somebody else has changed it, where that
    /// is [accepted](Discovery::on_change).
    pub fn instance(&self) -> ServiceInstance {
        self.current().instance.clone()
    }

    /// Takes in what others have changed.
    fn current(&self) -> MutexGuard<'_, Wanted> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let data = self.kept.data();
        if data != wanted.data {
            // What is no instance stays on the server until the next update, but does not count here.
            if let Ok(now) = ServiceInstance::from_json(&data) {
                wanted.replace(now);
            }
            wanted.data = data;
        }
        wanted
    }

    /// Changes the instance. It is written in the background, at once or when there is a connection, and is what is registered again in
    /// later sessions (CURATOR-146). The service, the id and the type stay as they are.
    ///
    /// Others who change the same registration wait meanwhile, so the function must not ask this registration itself.
    pub fn update(&self, change: impl FnOnce(&mut ServiceInstance)) {
        let mut wanted = self.current();
        let mut changed = wanted.instance.clone();
        change(&mut changed);
        wanted.replace(changed);
        if !matches!(self.state(), KeptState::Present(_))
            && broken!("discovery: registers again what was registered first")
        {
            return;
        }
        // Under the lock, so that of two updates the later one is written.
        wanted.data = wanted.instance.encode(self.format).into();
        self.kept.set_data(&wanted.data);
    }

    /// Returns how it stands: [`Blocked`](KeptState::Blocked) where another process has registered the same id.
    pub fn state(&self) -> KeptState {
        self.kept.state()
    }

    /// Waits until it stands otherwise than `known`, and returns how. May be cancelled at any moment.
    pub async fn changed(&self, known: &KeptState) -> KeptState {
        self.kept.changed(known).await
    }

    /// Waits until the instance is registered as it was set last.
    ///
    /// # Errors
    ///
    /// When the server refuses for good, or the client is over.
    pub async fn registered(&self) -> Result<Presence, Error> {
        self.kept.established().await
    }

    /// Tries again now, after a [failure](KeptState::Failed).
    pub fn retry(&self) {
        self.kept.retry();
    }

    /// Unregisters the instance, whatever its type, and waits until the server has done so, over lost connections too. A registration
    /// that was under way comes to nothing (CURATOR-164).
    ///
    /// # Errors
    ///
    /// The server's, such as [`NoAuth`](crate::code::ErrorCode::NoAuth).
    pub async fn unregister(self) -> Result<(), Error> {
        self.kept.remove().await
    }
}
