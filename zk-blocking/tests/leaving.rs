//! Clients that are dropped, whatever they are at, and leave nothing: no thread, no file descriptor, no session.
//!
//! All of the process is counted, so nothing else runs here: one test, one thing after the other.

#![cfg(target_os = "linux")]

use std::{
    fs,
    time::{Duration, Instant},
};

use zk_blocking::{AddWatchMode, Backoff, Builder, Client, State, Wait};
use zk_testing::TestServer;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the process has that a client could leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// By name, those of clients alone.
    threads: Vec<String>,
    descriptors: usize,
    sessions: usize,
    connections: usize,
}

impl Left {
    fn now(server: &TestServer) -> Self {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        // A thread may end while it is looked at.
        let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
        Self {
            threads: names.filter(|name| name.starts_with("zk-")).collect(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            sessions: server.sessions().len(),
            connections: server.connections(),
        }
    }
}

fn builder(servers: &str) -> Builder {
    let backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(100) };
    zk_blocking::builder(servers).unwrap().backoff(backoff).session_timeout(Duration::from_secs(60))
}

fn connect(server: &TestServer) -> Client {
    builder(&server.connect_string()).connect().wait_timeout(PATIENCE).unwrap().unwrap()
}

/// Does something that makes clients and drops them, and waits until nothing of them is left.
fn leaves_nothing(what: &str, server: &TestServer, act: impl FnOnce()) {
    let before = Left::now(server);
    assert_eq!((&before.threads[..], before.sessions), (&[][..], 0), "before {what}");
    act();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = Left::now(server);
        if left == before {
            return;
        }
        assert!(Instant::now() < deadline, "after {what}: {left:?}, and before: {before:?}");
        std::thread::yield_now();
    }
}

#[test]
fn clients_that_are_dropped_leave_nothing() {
    let server = TestServer::start().unwrap();
    let servers = server.connect_string();

    leaves_nothing("an idle client", &server, || {
        let client = connect(&server);
        assert_eq!(Left::now(&server).threads, ["zk-client\n"]);
        drop(client);
    });
    leaves_nothing("a client that was busy a moment ago", &server, || {
        let client = connect(&server);
        assert!((0..200).all(|_| client.exists("/").wait().is_ok()));
    });
    leaves_nothing("a client with requests on their way and watches", &server, || {
        let client = connect(&server);
        let watchers: Vec<_> = ["/a", "/b"].map(|path| client.exists(path).watch().wait().unwrap()).into();
        let tree = client.add_watch("/", AddWatchMode::PersistentRecursive).wait().unwrap();
        let pending: Vec<_> = (0..100).map(|_| client.create("/n-", b"").ephemeral().sequential().send()).collect();
        assert!(client.get_data("/").wait_timeout(Duration::ZERO).is_err());
        drop((client, pending, watchers, tree));
    });
    leaves_nothing("a client that is dropped by a future that is waited for", &server, || {
        let client = connect(&server);
        async move {
            client.exists("/").await.unwrap();
            drop(client);
        }
        .wait();
    });
    leaves_nothing("a client that is dropped by its own work in the background", &server, || {
        let client = connect(&server);
        let (last, kept) = (client.clone(), connect(&server));
        kept.spawn(|_| async move { drop(last) });
        drop((client, kept));
    });
    leaves_nothing("a client that is dropped by a thread while another one waits", &server, || {
        let client = connect(&server);
        server.pause();
        std::thread::scope(|scope| {
            let other = client.clone();
            scope.spawn(move || other.exists("/").wait_timeout(Duration::from_millis(20)).unwrap_err());
            drop(client);
        });
        server.resume();
    });
    leaves_nothing("a closing client", &server, || {
        let client = connect(&server);
        client.create("/own", b"").ephemeral().wait().unwrap();
        drop(client.close());
    });
    leaves_nothing("a client that is closed", &server, || connect(&server).close().wait());
    leaves_nothing("a client whose session has expired", &server, || {
        let client = connect(&server);
        let mut states = client.states();
        server.expire_sessions();
        while !matches!(states.next().wait(), Some(State::Ended(_))) {}
    });
    leaves_nothing("a client that never had a server", &server, || {
        let nowhere = builder("127.0.0.1:1").connect_timeout(Duration::from_millis(50));
        nowhere.connect().wait().unwrap_err();
        drop(builder("127.0.0.1:1").connect_lazy());
    });
    leaves_nothing("a client that looks up a name", &server, || {
        drop(builder(&format!("localhost:{}", server.port())).connect_lazy());
        drop(builder("no-such-host.invalid").connect_lazy());
    });
    leaves_nothing("clients that are dropped at any moment of their dialling", &server, || {
        for round in 0..100 {
            _ = builder(&servers).connect().wait_timeout(Duration::from_micros(10 * round));
            let client = builder(&servers).connect_lazy();
            drop(client.create("/own", b"").ephemeral().send());
        }
    });
    leaves_nothing("a client whose link is lost", &server, || {
        let client = connect(&server);
        let mut states = client.states();
        server.refuse_connections(true);
        server.cut_connections();
        while !matches!(states.next().wait(), Some(State::Suspended { .. })) {}
        drop(client);
        while states.next().wait().is_some() {}
        server.refuse_connections(false);
        // There was no link to close it by.
        server.expire_sessions();
    });
    leaves_nothing("a client that is handed over", &server, || {
        let credentials = connect(&server).hand_over().unwrap();
        let heir = builder(&servers).credentials(credentials).connect().wait().unwrap();
        heir.close().wait();
    });
}
