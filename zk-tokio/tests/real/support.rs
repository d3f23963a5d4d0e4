//! What all tests need: a limit to patience, clients that come back within milliseconds, ways to lose a link or a session, and
//! a look at things from the server's side.

use std::{
    future::{Future, IntoFuture},
    panic::Location,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::runtime;
use zk_testing::ensemble::{Direction, Proxy, Server, shared};
use zk_tokio::{
    Backoff, Builder, Client, ErrorCode, SessionId, State, States, WatchedEvent, WatchedEventKind, Watcher,
};

/// How long anything may take that is awaited by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a test may take.
const TEST_LIMIT: Duration = Duration::from_secs(150);

/// What a watcher hears, in a form to compare with.
pub(crate) type Heard = (WatchedEventKind, String);

/// Runs a test on the multi-threaded runtime. The test itself has this thread alone and may block; clients are driven on others.
#[track_caller]
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(limited(TEST_LIMIT, test, Location::caller()))
}

/// Waits for what must come soon.
#[track_caller]
pub(crate) fn soon<F: IntoFuture>(future: F) -> impl Future<Output = F::Output> {
    limited(PATIENCE, future, Location::caller())
}

async fn limited<F: IntoFuture>(limit: Duration, future: F, caller: &Location<'_>) -> F::Output {
    match tokio::time::timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("nothing came of it within {limit:?}: {caller}"),
    }
}

/// Begins a client that looks for its server again after 10 to 100 ms.
pub(crate) fn builder(servers: &str) -> Builder {
    let backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(100) };
    zk_tokio::builder(servers).unwrap().backoff(backoff)
}

pub(crate) async fn connect(servers: &str) -> Client {
    soon(builder(servers).connect()).await.unwrap()
}

/// Returns a connect string of the shared server with a chroot that nobody else has.
pub(crate) fn chroot(name: &str) -> String {
    format!("{}{}", shared().connect_string(), shared().chroot(name).unwrap())
}

/// Connects to the shared server, below a chroot that nobody else has.
pub(crate) async fn client(name: &str) -> Client {
    connect(&chroot(name)).await
}

/// A chroot on the shared server, and two ways to it.
pub(crate) struct Line {
    pub(crate) proxy: Proxy,
    pub(crate) through: String,
    pub(crate) direct: String,
}

impl Line {
    pub(crate) fn new(name: &str) -> Self {
        let proxy = Proxy::start(shared().address()).unwrap();
        let chroot = shared().chroot(name).unwrap();
        let through = format!("{}{chroot}", proxy.connect_string());
        Self { proxy, through, direct: format!("{}{chroot}", shared().connect_string()) }
    }

    /// Breaks the link and lets no other come about.
    pub(crate) fn sever(&self) {
        self.proxy.black_hole(Direction::Both);
        self.proxy.cut();
    }

    /// Lets links come about again.
    pub(crate) fn mend(&self) {
        self.proxy.allow().unwrap();
    }

    /// Ends a session on the server as expiry would, but at once: another client takes it up and closes it, while its owner
    /// is kept away. Leaves the line severed.
    pub(crate) async fn expire(&self, client: &Client) {
        self.sever();
        let credentials = client.credentials().unwrap();
        let thief = soon(builder(&self.direct).credentials(credentials).connect()).await.unwrap();
        assert_eq!(thief.session(), client.session(), "taken up");
        soon(thief.close()).await;
    }
}

/// Waits until a client's state is one of these, and returns it.
#[track_caller]
pub(crate) fn reach(states: &mut States, is_reached: impl Fn(&State) -> bool) -> impl Future<Output = State> {
    soon(async move {
        while let Some(state) = states.next().await {
            if is_reached(&state) {
                return state;
            }
        }
        panic!("the states have ended");
    })
}

pub(crate) fn is_connected(state: &State) -> bool {
    matches!(state, State::Connected { .. })
}

pub(crate) fn is_suspended(state: &State) -> bool {
    matches!(state, State::Suspended { .. })
}

/// Waits until a client has lost its link and has another, for the same session.
#[track_caller]
pub(crate) fn resume(states: &mut States) -> impl Future<Output = ()> {
    soon(async move {
        reach(states, is_suspended).await;
        let state = reach(states, is_connected).await;
        assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    })
}

/// Waits for what a watcher hears next.
#[track_caller]
pub(crate) fn next(watcher: &mut Watcher) -> impl Future<Output = Heard> {
    soon(async move { heard(watcher.changed().await.unwrap()) })
}

/// Returns everything that a watcher has been told and not heard yet.
///
/// Events of earlier changes come before every reply, so behind any request this is certain to be all.
pub(crate) fn so_far(watcher: &mut Watcher) -> Vec<Heard> {
    let mut all = Vec::new();
    while let Poll::Ready(Some(event)) = pin!(watcher.next()).poll(&mut Context::from_waker(Waker::noop())) {
        all.push(heard(event.unwrap()));
    }
    all
}

pub(crate) fn heard(event: WatchedEvent) -> Heard {
    (event.kind, event.path.to_string())
}

/// Returns the server's error of a request that must have one.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, zk_tokio::Error>) -> ErrorCode {
    let error = outcome.expect_err("the server must refuse this");
    error.code().unwrap_or_else(|| panic!("not an error of the server's: {error:?}"))
}

/// Waits for something that only the server knows and nobody is told: asks for it again and again.
#[track_caller]
pub(crate) fn eventually(is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    soon(async move {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}

/// Returns one of the numbers that a server keeps about itself.
pub(crate) fn monitored(server: &Server, key: &str) -> i64 {
    let text = server.four_letter("mntr").unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
    value.unwrap_or_else(|| panic!("no {key} in {text}")).parse().unwrap()
}

/// Returns the paths on which the shared server has data watches for a session, sorted.
pub(crate) fn watched_paths(session: SessionId) -> Vec<String> {
    let text = shared().four_letter("wchc").unwrap();
    let own = text.lines().skip_while(|line| *line != session.to_string()).skip(1);
    let mut paths: Vec<String> = own.map_while(|line| line.strip_prefix('\t')).map(String::from).collect();
    paths.sort_unstable();
    paths
}
