//! From a connect string to a client.

use core::time::Duration;
use std::sync::Arc;

use super::{
    Client, ConnectFailure, Driver, Error, OnExpiry,
    exchange::{Exchange, Session},
    shared::{Hold, Holder, Shared},
};
use crate::{AuthInfo, Backoff, Config, ConnectString, ConnectStringError, Credentials, Limits, sasl};
#[cfg(feature = "tls")]
use crate::{
    Security, Server,
    tls::{self, Tls},
};

/// What an adapter adds to [`Io`](super::Io): a place where the driver runs, and chance.
pub trait Runtime {
    /// Returns bytes that are different each time and on each machine. They decide in which order servers are tried, how long
    /// to wait between attempts, and the names by which clients recognise their own nodes; two clients with the same seed do
    /// all of that alike.
    fn seed(&self) -> [u8; 32];

    /// Runs [`drive`](super::drive) with this driver to its end, in a task of its own.
    fn start(&self, driver: Driver);
}

/// How a client is to be, before it is made.
///
/// Who makes many clients alike makes them from clones of one builder: they share what they were made with, half a kilobyte each.
///
/// Adapters give one that knows its [`Runtime`] and ends in [`connect`](Self::connect); without, there is
/// [`build`](Self::build).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct Builder<R = ()> {
    runtime: R,
    plan: Plan,
}

/// What was chosen.
#[derive(Clone, Debug)]
struct Plan {
    /// One for all clients that are made from clones of a builder.
    config: Arc<Config>,
    connect_timeout: Duration,
    on_expiry: OnExpiry,
    watcher_queue: usize,
    seed: Option<[u8; 32]>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

#[cfg(feature = "tls")]
impl Plan {
    /// Returns why there is no use in dialling: every server is to be spoken to by TLS, and the client was not configured for it.
    fn cannot_connect(&self) -> Option<ConnectFailure> {
        let servers = &self.config.servers;
        if self.tls.is_some() || servers.iter().any(|server| server.security != Security::Tls) {
            return None;
        }
        let cause = |server: &Server| (server.clone(), Some(tls::NOT_CONFIGURED.to_string()));
        Some(ConnectFailure { waited: Duration::ZERO, servers: servers.iter().map(cause).collect() })
    }
}

impl Builder {
    /// Begins with servers and chroot, `host:port,host:port/chroot`, and defaults for all the rest.
    ///
    /// # Errors
    ///
    /// When the text is not a [`ConnectString`].
    pub fn new(servers: &str) -> Result<Self, ConnectStringError> {
        Ok(Self::from_config(servers.parse::<ConnectString>()?.into()))
    }

    /// Begins with a configuration.
    pub fn from_config(config: Config) -> Self {
        let plan = Plan {
            config: Arc::new(config),
            connect_timeout: Duration::from_secs(30),
            on_expiry: OnExpiry::default(),
            watcher_queue: 1024,
            seed: None,
            #[cfg(feature = "tls")]
            tls: None,
        };
        Self { runtime: (), plan }
    }
}

impl<R> Builder<R> {
    /// Goes on with a runtime, or with another one than the adapter's.
    pub fn with_runtime<S: Runtime>(self, runtime: S) -> Builder<S> {
        Builder { runtime, plan: self.plan }
    }

    fn config(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.plan.config)
    }

    /// Sets the session timeout to ask for. Default 10 s. See [`Config::session_timeout`].
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.config().session_timeout = timeout;
        self
    }

    /// Sets how long [`connect`](Self::connect) may take. Default 30 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.plan.connect_timeout = timeout;
        self
    }

    /// Sets how long one attempt with one server may take. See [`Config::link_timeout`] for the default.
    pub fn link_timeout(mut self, timeout: Duration) -> Self {
        self.config().link_timeout = Some(timeout);
        self
    }

    /// Sets how long an orderly close may take, and work in the background before it. Default 2 s.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config().close_timeout = timeout;
        self
    }

    /// Takes a server that is cut off from the quorum too, for reading, and looks on for a writable one. See
    /// [`Config::read_only`].
    pub fn read_only(mut self) -> Self {
        self.config().read_only = true;
        self
    }

    /// Adds credentials for every link.
    pub fn auth(mut self, auth: AuthInfo) -> Self {
        self.config().auth.push(auth);
        self
    }

    /// Authenticates every link by SASL. The factory and its mechanisms are called while the client is locked, so they must not
    /// use the client.
    pub fn sasl(mut self, factory: Arc<dyn sasl::Factory>) -> Self {
        self.config().sasl = Some(factory);
        self
    }

    /// Speaks TLS with every server that does not say `tcp://` in the connect string. Without this, no server is spoken to by
    /// TLS, and those that say `tls://` not at all.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.plan.tls = Some(tls.into());
        self
    }

    /// Takes up a session that another client has [handed over](Client::hand_over), instead of beginning a new one.
    ///
    /// If it has expired by then, the client begins a new one all the same, unless told otherwise by
    /// [`on_expiry`](Self::on_expiry); compare [`Client::session`].
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.config().credentials = Some(credentials);
        self
    }

    /// Sets what is to be done when the session has expired. Default: begin a new one.
    pub fn on_expiry(mut self, on_expiry: OnExpiry) -> Self {
        self.plan.on_expiry = on_expiry;
        self
    }

    /// Counts the session as expired when no server was reached for so long. Default never. See [`Config::give_up_after`].
    pub fn give_up_after(mut self, timeout: Duration) -> Self {
        self.config().give_up_after = Some(timeout);
        self
    }

    /// Sets how much earlier than the server could expire the session [`Client::valid_until`] lies. Default a quarter of the
    /// timeout in force. See [`Config::validity_margin`] for what it must cover.
    pub fn validity_margin(mut self, margin: Duration) -> Self {
        self.config().validity_margin = Some(margin);
        self
    }

    /// Sets from when on an answer counts as [slow](crate::metrics::Metrics::slow). Default 1 s. See [`Config::slow_request`].
    pub fn slow_request(mut self, limit: Duration) -> Self {
        self.config().slow_request = Some(limit);
        self
    }

    /// Sets how long to wait between attempts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.config().backoff = backoff;
        self
    }

    /// Sets what is bounded by how much.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config().limits = limits;
        self
    }

    /// Sets how many events the owner of a persistent watch may be behind before they are replaced by one that says
    /// [`Resync`](crate::session::WatchedEventKind::Resync). Default 1,024.
    pub fn watcher_queue(mut self, events: usize) -> Self {
        self.plan.watcher_queue = events;
        self
    }

    /// Sets the seed of every random decision, for tests that are to repeat themselves. Default: the runtime's.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.plan.seed = Some(seed);
        self
    }

    /// Makes a client and its driver, which is to be driven: by [`drive`](super::drive) or a loop of one's own. The given seed
    /// is for where none was [set](Self::seed).
    pub fn build(self, seed: [u8; 32]) -> (Client, Driver) {
        let plan = self.plan;
        let root = plan.config.root.clone();
        let session = Session::with_shared(plan.config, plan.seed.unwrap_or(seed));
        let (on_expiry, watcher_queue) = (plan.on_expiry, plan.watcher_queue);
        let shared =
            Arc::new_cyclic(|shared| Shared::new(Exchange::new(shared.clone(), session, on_expiry, watcher_queue)));
        let hold = Arc::new(Hold { shared: shared.clone(), by: Holder::User });
        #[cfg(feature = "tls")]
        let driver = Driver::new(shared, plan.tls);
        #[cfg(not(feature = "tls"))]
        let driver = Driver::new(shared);
        (Client::new(hold, root), driver)
    }
}

impl<R: Runtime> Builder<R> {
    /// Makes a client and waits until a server serves its session.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] with the last cause for each server, when that took too long, and at once where every server is `tls://` and the
    /// client was not configured for TLS; [`Error::AuthFailed`] when a server
    /// refuses the credentials, or SASL fails; [`Error::Ended`] when the session is over otherwise.
    ///
    /// # Panics
    ///
    /// When it is awaited where the [`Runtime`] cannot start a driver: for tokio, outside of a runtime.
    pub async fn connect(self) -> Result<Client, Error> {
        #[cfg(feature = "tls")]
        if let Some(failure) = self.plan.cannot_connect() {
            return Err(failure.into());
        }
        let limit = self.plan.connect_timeout;
        let client = self.connect_lazy();
        match client.timeout(limit, client.connected()).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(error)) => Err(error),
            Err(Error::TimedOut { .. }) => Err(client.connect_failure(limit).into()),
            Err(error) => Err(error),
        }
    }

    /// Makes a client at once, without waiting for a server. Requests wait until there is one. See [`Client::connected`].
    ///
    /// # Panics
    ///
    /// When it is called where the [`Runtime`] cannot start a driver: for tokio, outside of a runtime.
    pub fn connect_lazy(self) -> Client {
        let Self { runtime, plan } = self;
        let (client, driver) = Builder { runtime: (), plan }.build(runtime.seed());
        runtime.start(driver);
        client
    }
}

impl Client {
    fn connect_failure(&self, waited: Duration) -> ConnectFailure {
        let exchange = self.hold.shared.lock();
        let cause = |server| exchange.failures.iter().find(|(known, _)| known.same_place(server)).map(|(_, text)| text);
        let servers =
            exchange.session.config().servers.iter().map(|server| (server.clone(), cause(server).cloned())).collect();
        ConnectFailure { waited, servers }
    }
}
