//! What a scenario stands on.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    panic::Location,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use zk_proto::{
    Backoff, SessionId,
    client::{Builder, Client, Driver, Runtime},
};

use super::{
    Line, Spawned,
    adapter::{Adapter, AdapterWithIo},
    bent::Bend,
    own_server::{OwnServer, Settings},
    secure::{Clients, SecureServer},
    soon,
    waiting::{eventually, limited},
    words,
};
use crate::{
    Authority, Identity, TestServer,
    ensemble::{self, Pieces, Proxy},
    server::Version,
};

/// How long a scenario may take.
const LIMIT: Duration = Duration::from_secs(150);

/// On which servers, and over which way, a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// On a server in memory.
    Memory,
    /// On a server in memory that imitates ZooKeeper 3.8.
    Memory38,
    /// On a server in memory that imitates ZooKeeper 3.5.
    Memory35,
    /// On a server in memory that imitates ZooKeeper 3.4.
    Memory34,
    /// On a server in memory that imitates ClickHouse Keeper.
    MemoryKeeper,
    /// On a server in memory, through a proxy that passes on each byte by itself.
    MemoryBySingleBytes,
    /// On a server in memory, through a proxy that passes bytes on in pieces of random length.
    MemoryInRandomPieces,
    /// On a server in memory, through an [`Io`](zk_proto::client::Io) whose every read and write is of one byte.
    MemoryByIoOfSingleBytes,
    /// On a real server.
    Real,
    /// On a real server, through a proxy that passes bytes on in pieces of random length.
    RealInRandomPieces,
}

/// The kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Memory(Version),
    Real,
}

impl Setting {
    fn kind(self) -> Kind {
        match self {
            Self::Memory | Self::MemoryBySingleBytes | Self::MemoryInRandomPieces | Self::MemoryByIoOfSingleBytes => {
                Kind::Memory(Version::V3_9)
            }
            Self::Memory38 => Kind::Memory(Version::V3_8),
            Self::Memory35 => Kind::Memory(Version::V3_5),
            Self::Memory34 => Kind::Memory(Version::V3_4),
            Self::MemoryKeeper => Kind::Memory(Version::Keeper),
            Self::Real | Self::RealInRandomPieces => Kind::Real,
        }
    }

    fn pieces(self) -> Pieces {
        match self {
            Self::Memory
            | Self::Memory38
            | Self::Memory35
            | Self::Memory34
            | Self::MemoryKeeper
            | Self::MemoryByIoOfSingleBytes
            | Self::Real => Pieces::AsTheyCome,
            Self::MemoryBySingleBytes => Pieces::SingleBytes,
            Self::MemoryInRandomPieces | Self::RealInRandomPieces => {
                let seed = std::env::var("ZK_TESTING_SEED").map_or(0, |seed| seed.parse().expect("a seed is a number"));
                eprintln!("the pieces are those of ZK_TESTING_SEED={seed}");
                Pieces::Random(seed)
            }
        }
    }
}

/// What a scenario stands on: an adapter, a kind of server, and a chroot of its own on a server that all scenarios share.
#[derive(Clone)]
pub struct Ground {
    kind: Kind,
    pieces: Pieces,
    adapter: Arc<dyn Adapter>,
    start: Arc<dyn Fn(Driver) + Send + Sync>,
    start_bent: Option<Arc<dyn Fn(Driver, Bend) + Send + Sync>>,
    /// What stands before the shared server.
    way: Option<Arc<Proxy>>,
    chroot: String,
}

/// Runs a scenario to its end.
///
/// # Panics
///
/// Where the setting is one of those for [`run_through_io`].
pub fn run(adapter: impl Adapter, setting: Setting, scenario: impl AsyncFnOnce(Ground)) {
    assert_ne!(setting, Setting::MemoryByIoOfSingleBytes, "this needs an adapter with an Io");
    let ground = Ground::new(Arc::new(adapter), setting);
    ground.stand(scenario);
}

/// Runs a scenario for an adapter with an [`Io`](zk_proto::client::Io) to its end.
pub fn run_through_io(adapter: impl AdapterWithIo, setting: Setting, scenario: impl AsyncFnOnce(Ground)) {
    let adapter = Arc::new(adapter);
    let mut ground = Ground::new(adapter.clone(), setting);
    if setting == Setting::MemoryByIoOfSingleBytes {
        let adapter = adapter.clone();
        ground.start = Arc::new(move |driver| adapter.start_bent(driver, Bend::SingleBytes));
    }
    ground.start_bent = Some(Arc::new(move |driver, bend| adapter.start_bent(driver, bend)));
    ground.stand(scenario);
}

/// Runs something that knows its servers from elsewhere and uses none of the ground's.
pub(super) fn run_elsewhere(adapter: impl Adapter, scenario: impl AsyncFnOnce(Ground)) {
    let ground = Ground::new(Arc::new(adapter), Setting::Memory);
    let adapter = ground.adapter.clone();
    adapter.block_on(Box::pin(limited(LIMIT, scenario(ground), Location::caller())));
}

/// A runtime as the scenario's adapter has it.
#[derive(Clone)]
pub struct Lent(Ground);

impl Runtime for Lent {
    fn seed(&self) -> [u8; 32] {
        self.0.adapter.runtime().seed()
    }

    fn start(&self, driver: Driver) {
        (self.0.start)(driver);
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}

impl Ground {
    fn new<A: Adapter>(adapter: Arc<A>, setting: Setting) -> Self {
        let start = {
            let adapter = adapter.clone();
            Arc::new(move |driver| adapter.runtime().start(driver))
        };
        let (kind, pieces) = (setting.kind(), setting.pieces());
        Self { kind, pieces, adapter, start, start_bent: None, way: None, chroot: String::new() }
    }

    fn stand(self, scenario: impl AsyncFnOnce(Self)) {
        let adapter = self.adapter.clone();
        let body = async move { scenario(self.fenced().await).await };
        adapter.block_on(Box::pin(limited(LIMIT, body, Location::caller())));
    }

    /// Makes the chroot that nobody else has.
    async fn fenced(mut self) -> Self {
        static CHROOTS: AtomicUsize = AtomicUsize::new(0);
        let chroot = format!("/scenario-{}", CHROOTS.fetch_add(1, Ordering::Relaxed));
        let client = self.connect(&self.address().to_string()).await;
        client.create(&chroot, b"").await.unwrap();
        soon(client.close()).await;
        drop(client);
        // Or a scenario might count the task of this one among those that were there before.
        eventually(|| self.tasks() == 0).await;
        self.chroot = chroot;
        if self.pieces != Pieces::AsTheyCome {
            self.way = Some(Arc::new(self.proxy()));
        }
        self
    }

    /// Returns where the shared server is.
    pub fn address(&self) -> SocketAddr {
        match self.kind {
            Kind::Memory(version) => memory(version).address(),
            Kind::Real => ensemble::shared().address(),
        }
    }

    /// Returns the path of the scenario's chroot on the shared server.
    pub fn chroot(&self) -> &str {
        &self.chroot
    }

    /// Returns a connect string of the shared server with the scenario's chroot.
    pub fn servers(&self) -> String {
        match &self.way {
            Some(proxy) => self.below(&proxy.connect_string()),
            None => self.below(&self.address().to_string()),
        }
    }

    /// Returns a connect string with the scenario's chroot.
    pub fn below(&self, servers: &str) -> String {
        format!("{servers}{}", self.chroot)
    }

    /// Begins a client that looks for its server again after 10 to 100 ms.
    pub fn builder(&self, servers: &str) -> Builder<Lent> {
        let backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(100) };
        Builder::new(servers).unwrap().backoff(backoff).with_runtime(Lent(self.clone()))
    }

    /// Makes a client, and waits until it has its session.
    pub async fn connect(&self, servers: &str) -> Client {
        self.connect_by(self.builder(servers)).await
    }

    /// Makes a client as the builder says, and waits until it has its session.
    pub async fn connect_by(&self, builder: Builder<Lent>) -> Client {
        let client = soon(builder.connect()).await.unwrap();
        self.acquaint(&client).await;
        client
    }

    /// Lets a client find out what its server lacks. That costs a link, and what is in flight on it: scenarios that are not about this
    /// shall not have it happen in the middle of something.
    async fn acquaint(&self, client: &Client) {
        let asked = match self.kind {
            Kind::Memory(Version::V3_4) => soon(client.create("/", b"")).await.map(|_| ()),
            Kind::Memory(Version::V3_5) => soon(client.get_ephemerals("/")).await.map(|_| ()),
            Kind::Memory(_) | Kind::Real => return,
        };
        assert!(asked.is_err(), "it is refused, or there already");
        soon(client.exists("/").resend()).await.unwrap();
    }

    /// Makes a client that sees the scenario's chroot.
    pub async fn client(&self) -> Client {
        self.connect(&self.servers()).await
    }

    /// Makes a client for which every name has these addresses.
    ///
    /// # Panics
    ///
    /// When the adapter's IO cannot be bent.
    pub fn resolving_to(&self, name: &str, addresses: impl Into<Arc<[SocketAddr]>>) -> Client {
        let start = self.start_bent.as_ref().expect("this scenario is for adapters with an Io");
        let (client, driver) = self.builder(name).build(self.adapter.runtime().seed());
        start(driver, Bend::Addresses(addresses.into()));
        client
    }

    /// Puts a proxy in front of the shared server.
    pub fn proxy(&self) -> Proxy {
        self.proxy_to(self.address())
    }

    /// Puts a proxy in front of a server.
    pub fn proxy_to(&self, server: SocketAddr) -> Proxy {
        let proxy = Proxy::start(server).unwrap();
        proxy.set_pieces(self.pieces);
        proxy
    }

    /// Puts a proxy in front of the scenario's chroot.
    pub fn line(&self) -> Line {
        Line::new(self.clone())
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Starts a server that speaks TLS, with a certificate as the scenario wants it.
    pub fn secure_server(&self, clients: Clients, certify: impl FnOnce(&Authority) -> Identity) -> SecureServer {
        SecureServer::start(self, clients, certify)
    }

    /// Starts a server that this scenario has to itself.
    pub fn server(&self) -> OwnServer {
        self.server_with(Settings::Default)
    }

    /// Starts a server that this scenario has to itself, with settings.
    pub fn server_with(&self, settings: Settings) -> OwnServer {
        OwnServer::start(self.kind, settings)
    }

    /// Starts a server in memory that this scenario has to itself, for what can be done to no other.
    ///
    /// # Panics
    ///
    /// When the scenario runs on real servers.
    pub fn test_server(&self) -> TestServer {
        match self.server() {
            OwnServer::Memory(server) => server,
            OwnServer::Real(_) => panic!("this scenario is for servers in memory"),
        }
    }

    /// Runs a future beside the scenario.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Spawned<T> {
        let (spawned, task) = Spawned::new(future);
        self.adapter.spawn(Box::pin(task));
        spawned
    }

    /// Returns how many tasks the adapter has; see [`Adapter::tasks`].
    pub fn tasks(&self) -> usize {
        self.adapter.tasks()
    }

    /// Returns the paths on which the shared server has data watches for a session, sorted.
    pub fn watched_paths(&self, session: SessionId) -> Vec<String> {
        words::watched_paths(self.address(), session)
    }
}

/// Returns the server in memory that all scenarios of the process share.
fn memory(version: Version) -> &'static TestServer {
    static SHARED: [OnceLock<TestServer>; 5] = [const { OnceLock::new() }; 5];
    SHARED[version as usize].get_or_init(|| TestServer::builder().version(version).start().unwrap())
}
