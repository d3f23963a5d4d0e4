//! Clients that are dropped in whatever state they are, and leave nothing behind.

use std::{future::IntoFuture, time::Duration};

use zk_proto::{
    client::{Builder, Client},
    code::AddWatchMode::{Persistent, PersistentRecursive},
    session::{End, State},
};

use crate::{
    conformance::{
        Ground, OwnServer, eventually, ground::Lent, is_suspended, pause, process::Process, reach, soon, within,
    },
    ensemble::Direction,
};

/// What there is on a server, and in this process, when no client is there.
struct Idle<'a> {
    ground: &'a Ground,
    server: &'a OwnServer,
    connections: i64,
    tasks: usize,
}

impl<'a> Idle<'a> {
    fn new(ground: &'a Ground, server: &'a OwnServer) -> Self {
        let connections = server.monitored("zk_num_alive_connections");
        Self { ground, server, connections, tasks: ground.tasks() }
    }

    /// Waits until it is so again.
    async fn again(&self) {
        eventually(|| {
            self.server.monitored("zk_num_alive_connections") == self.connections
                && self.server.monitored("zk_global_sessions") == 0
                && self.ground.tasks() == self.tasks
        })
        .await;
        assert_eq!(self.server.monitored("zk_watch_count"), 0);
        assert_eq!(self.server.monitored("zk_ephemerals_count"), 0);
    }
}

/// Begins a client whose session no scenario can wait for to expire.
fn long(ground: &Ground, servers: &str) -> Builder<Lent> {
    ground.builder(servers).session_timeout(Duration::from_secs(60))
}

async fn connect(ground: &Ground, server: &OwnServer) -> Client {
    soon(long(ground, &server.connect_string()).connect()).await.unwrap()
}

pub async fn an_idle_client_leaves_nothing(ground: Ground) {
    let server = ground.server();
    let idle = Idle::new(&ground, &server);

    let client = connect(&ground, &server).await;
    assert_eq!(server.monitored("zk_global_sessions"), 1);
    drop(client);

    idle.again().await;
}

pub async fn requests_and_watches_on_their_way_leave_nothing(ground: Ground) {
    let server = ground.server();
    let idle = Idle::new(&ground, &server);

    let client = connect(&ground, &server).await;
    let pending: Vec<_> = (0..100).map(|_| client.create("/n-", b"").ephemeral().sequential().send()).collect();
    let watched = client.exists("/node").watch().send();
    assert!(within(Duration::ZERO, client.get_data("/").into_future()).await.is_none());
    drop((client, watched, pending));

    idle.again().await;
}

pub async fn watchers_leave_nothing(ground: Ground) {
    let server = ground.server();
    let idle = Idle::new(&ground, &server);

    let client = connect(&ground, &server).await;
    let watchers = [
        client.add_watch("/", Persistent).await.unwrap(),
        client.add_watch("/", PersistentRecursive).await.unwrap(),
        client.exists("/absent").watch().await.unwrap().1,
    ];
    drop((client, watchers));

    idle.again().await;
}

pub async fn work_in_the_background_leaves_nothing(ground: Ground) {
    let server = ground.server();
    let idle = Idle::new(&ground, &server);

    let settings = long(&ground, &server.connect_string()).close_timeout(Duration::from_millis(100));
    let client = soon(settings.connect()).await.unwrap();
    client.spawn(|client| async move {
        while client.create("/n-", b"").ephemeral().sequential().await.is_ok() {
            client.delete("/none").await.unwrap_err();
        }
    });
    client.spawn(|_| std::future::pending());
    client.exists("/").await.unwrap();
    drop(client);

    idle.again().await;
}

pub async fn a_closing_client_leaves_nothing(ground: Ground) {
    let server = ground.server();
    let idle = Idle::new(&ground, &server);

    let client = connect(&ground, &server).await;
    client.create("/own", b"").ephemeral().await.unwrap();
    drop(client.close());
    drop(client);

    idle.again().await;
}

pub async fn a_client_without_a_link_leaves_its_session_to_expire_and_nothing_else(ground: Ground) {
    let server = ground.server();
    let idle = Idle::new(&ground, &server);
    let proxy = ground.proxy_to(server.address());

    let settings = ground.builder(&proxy.connect_string()).session_timeout(Duration::from_secs(1));
    let client = soon(settings.connect()).await.unwrap();
    client.create("/own", b"").ephemeral().await.unwrap();
    let mut states = client.states();
    proxy.black_hole(Direction::Both);
    proxy.cut();
    reach(&mut states, is_suspended).await;
    drop(client);
    assert_eq!(soon(states.next()).await, Some(State::Ended(End::Closed)));
    // The ends of the connections go through with the rest.
    proxy.allow().unwrap();

    idle.again().await;
    eventually(|| proxy.connections() == 0).await;
}

pub async fn a_client_that_is_dropped_while_it_connects_leaves_nothing(ground: Ground) {
    let server = ground.server();
    let servers = server.connect_string();
    let idle = Idle::new(&ground, &server);

    drop(long(&ground, &servers).connect_lazy());
    for delay_us in 0..100 {
        drop(within(Duration::from_micros(20 * delay_us), long(&ground, &servers).connect()).await);
        let lazy = long(&ground, &servers).connect_lazy();
        let pending = lazy.create("/own", b"").ephemeral().send();
        pause(Duration::ZERO).await;
        drop((lazy, pending));
    }

    idle.again().await;
}

pub async fn a_client_dropped_without_a_link_stops_dialling(ground: Ground) {
    let proxy = ground.proxy();
    let settings = ground.builder(&proxy.connect_string()).close_timeout(Duration::from_millis(200));
    let suspended = soon(settings.clone().connect()).await.unwrap();
    let mut states = suspended.states();
    proxy.black_hole(Direction::Both);
    proxy.cut();
    reach(&mut states, is_suspended).await;
    let greeting = settings.connect_lazy();
    eventually(|| proxy.connections() == 2).await;

    drop((suspended, greeting));

    assert_eq!(soon(states.next()).await, Some(State::Ended(End::Closed)));
    assert_eq!(soon(states.next()).await, None);
    // The ends of the connections go through with the rest.
    proxy.allow().unwrap();
    eventually(|| proxy.connections() == 0).await;
}

pub async fn no_thread_and_no_socket_stays_in_the_process(ground: Ground) {
    let server = ground.server();

    let mut process = Process::come_and_go(&server.connect_string());

    process.hear("nothing is left");
    // One of those that came had no link when it went, and could not say so.
    eventually(|| server.monitored("zk_global_sessions") == 0).await;
}
