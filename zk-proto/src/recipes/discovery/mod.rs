//! Where services are: instances register, and clients find one.
//!
//! A registration is a [kept node](super::KeptNode) with JSON in it, as Curator's discovery writes it; a directory is a
//! [cache](super::ChildrenCache) of a service's instances; and a provider picks one of them. How one is picked is a plain function over what
//! the directory has.

mod directory;
mod down;
mod instance;
mod provider;
mod registration;
mod strategy;
mod uri;

use std::sync::Arc;

use super::{ChildrenCache, OnChange, OnForeign, janitor::child};
use crate::{
    client::{Client, Error},
    path,
    record::Acl,
};

pub use directory::{DiscoveredInstance, ServiceDirectory, ServiceView};
pub use down::DownPolicy;
pub use instance::{InstanceError, ServiceInstance, ServiceType};
pub use provider::ServiceProvider;
pub use registration::ServiceRegistration;
pub use strategy::Strategy;
pub use uri::{UriPart, UriSpec, UriSpecError};

/// Registers instances of services, and finds them: as Curator's `ServiceDiscovery`, with which it can be mixed.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::discovery::{Discovery, ServiceInstance, Strategy};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let discovery = Discovery::new(&client, "/services")?;
/// let instance = ServiceInstance::new("search", "search-17").address("10.0.0.7").port(9000);
/// let registration = discovery.register(&instance)?;
/// registration.registered().await?;
///
/// let provider = discovery.directory("search")?.provider(Strategy::RoundRobin);
/// provider.synced().await?;
/// if let Some(found) = provider.pick() {
///     println!("{:?}:{:?}", found.address, found.port);
/// }
///
/// registration.unregister().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// A registered instance is listed as long as the process lives and has a session, with what was [set](ServiceRegistration::update) last. A
/// connection that breaks and comes back in the same session changes nothing on the server: nobody sees the instance vanish
/// (CURATOR-320), and a sequential one does not get another number.
///
/// | what happens | to a registration | to who looks for instances |
/// |---|---|---|
/// | connection lost | goes on, as long as the session does | the last view stays, marked as [stale](ServiceView::is_stale) |
/// | session expired | registered again at once, without a gap where the old node is still there | reads again |
/// | [`ServiceRegistration`] dropped | unregistered in the background; those of [persistent types](ServiceType) stay (CURATOR-94) | |
/// | [`ServiceRegistration::unregister`] | gone, also when it was being registered again (CURATOR-164) | |
/// | counter of the service's node at its end | a sequential instance cannot be registered: [`Failed`](super::KeptState::Failed) | |
/// | [`ServiceDirectory`] dropped, with its clones and providers | | nothing is followed any more |
/// | a node that cannot be read as an instance, or may not be read | | [named](ServiceView::unreadable), with the reason, and left out |
///
/// An instance that is found may be gone: its process may have died within the session's timeout, or come to be unreachable for its
/// users but not for ZooKeeper. Hence [`ServiceProvider::note_error`].
///
/// The server does not say who in a session has made a node: register an id once per client, and let ids of sequential instances
/// differ.
///
/// # Layout
///
/// `base/<service>/<id>`, followed by ten digits for [`ServiceType::DynamicSequential`], with Curator's JSON. Services that are not at
/// home below one node have a [path of their own](Self::service_path) (CURATOR-457).
#[derive(Clone, Debug)]
pub struct Discovery {
    client: Client,
    base: Arc<str>,
    service_path: Option<fn(&str, &str) -> String>,
    acl: Option<Arc<[Acl]>>,
    on_foreign: OnForeign,
    on_change: OnChange,
    format: Format,
}

/// What the JSON has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// All fields.
    #[default]
    Full,
    /// Not `enabled`, on which Curator's clients before 4.0 fail (CURATOR-275).
    Old,
}

impl Discovery {
    /// Makes a discovery of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, base: &str) -> Result<Self, Error> {
        path::validate(base)?;
        Ok(Self {
            client: client.clone(),
            base: base.into(),
            service_path: None,
            acl: None,
            on_foreign: OnForeign::default(),
            on_change: OnChange::default(),
            format: Format::default(),
        })
    }

    /// Sets how the path of a service is made of the base path and its name. Default: the one below the other.
    pub fn service_path(mut self, path: fn(base: &str, name: &str) -> String) -> Self {
        self.service_path = Some(path);
        self
    }

    /// Sets the access control list of the instances' nodes, of those above them too if they are made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Sets what is done when another process has registered an instance of the same service and id. Default: it is waited for.
    pub fn on_foreign(mut self, policy: OnForeign) -> Self {
        self.on_foreign = policy;
        self
    }

    /// Sets what is done when somebody else changes a registered instance. Default: it is changed back. With
    /// [`Accept`](OnChange::Accept) it is what is registered from now on, as with Curator's `watchInstances`.
    pub fn on_change(mut self, policy: OnChange) -> Self {
        self.on_change = policy;
        self
    }

    /// Leaves out of the JSON what Curator's clients before 4.0 fail on: whether the instance is enabled, which then cannot be told
    /// to anybody.
    pub fn without_enabled(mut self) -> Self {
        self.format = Format::Old;
        self
    }

    /// Registers an instance, in the background: it is listed as soon as there is a connection.
    /// [`ServiceRegistration::registered`] waits for that.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the service's name or the id cannot be part of a path.
    pub fn register(&self, instance: &ServiceInstance) -> Result<ServiceRegistration, Error> {
        ServiceRegistration::new(self, instance)
    }

    /// Begins to follow the instances of a service, in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the name cannot be part of a path.
    pub fn directory(&self, service: &str) -> Result<ServiceDirectory, Error> {
        let path = self.path_of(service)?;
        Ok(ServiceDirectory::new(&self.client, ChildrenCache::new(&self.client, &path)?))
    }

    /// Lists the names of all services below the base path, as they are now.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no base path yet.
    pub async fn services(&self) -> Result<Vec<String>, Error> {
        match self.client.get_children(&self.base).resend().await {
            Ok((names, _)) => Ok(names.iter().map(str::to_string).collect()),
            Err(Error::Server(crate::code::ErrorCode::NoNode)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Returns the path of a service.
    fn path_of(&self, service: &str) -> Result<String, Error> {
        let path = match self.service_path {
            Some(path_of) => path_of(&self.base, service),
            None => {
                path::validate_name(service)?;
                child(&self.base, service)
            }
        };
        path::validate(&path)?;
        Ok(path)
    }
}
