//! A server that goes away and comes back.

use std::time::Duration;

use zk_proto::{
    client::{Client, Error},
    code::{AddWatchMode::Persistent, AddWatchMode::PersistentRecursive},
    session::{
        Cause, State, WatchedEventKind::NodeChildrenChanged, WatchedEventKind::NodeCreated,
        WatchedEventKind::NodeDataChanged, WatchedEventKind::Resync,
    },
};

use crate::conformance::{Ground, eventually, is_connected, is_suspended, next, reach, resume, so_far, soon};

pub async fn a_restarted_server_has_everything_back(ground: Ground) {
    let server = ground.server();
    let client = ground.connect(&server.connect_string()).await;
    let session = client.session();
    for path in ["/data", "/list", "/kept", "/tree"] {
        client.create(path, b"").await.unwrap();
    }
    let (_, stat) = client.create("/own", b"").ephemeral().await.unwrap();
    let (_, _, mut data) = client.get_data("/data").watch().await.unwrap();
    let (_, mut absent) = client.exists("/absent").watch().await.unwrap();
    let (_, _, mut list) = client.get_children("/list").watch().await.unwrap();
    let mut persistent = client.add_watch("/kept", Persistent).await.unwrap();
    let mut tree = client.add_watch("/tree", PersistentRecursive).await.unwrap();

    for _ in 0..2 {
        let mut states = client.states();
        server.kill();
        reach(&mut states, is_suspended).await;
        server.start_again();
        let state = reach(&mut states, is_connected).await;
        assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    }

    assert_eq!(client.session(), session);
    assert_eq!(client.exists("/own").await.unwrap(), Some(stat));
    assert_eq!(client.get_ephemerals("/").await.unwrap(), ["/own"]);
    assert_eq!(next(&mut persistent).await, (Resync, "/kept".to_string()));
    assert_eq!(next(&mut tree).await, (Resync, "/tree".to_string()));
    let other = ground.connect(&server.connect_string()).await;
    other.set_data("/data", b"").await.unwrap();
    other.create("/absent", b"").await.unwrap();
    other.create("/list/child", b"").await.unwrap();
    other.set_data("/kept", b"").await.unwrap();
    other.create("/tree/child", b"").await.unwrap();
    assert_eq!(next(&mut data).await, (NodeDataChanged, "/data".to_string()));
    assert_eq!(next(&mut absent).await, (NodeCreated, "/absent".to_string()));
    assert_eq!(next(&mut list).await, (NodeChildrenChanged, "/list".to_string()));
    assert_eq!(next(&mut persistent).await, (NodeDataChanged, "/kept".to_string()));
    assert_eq!(next(&mut tree).await, (NodeCreated, "/tree/child".to_string()));
}

pub async fn an_outage_longer_than_the_timeout_is_survived_if_the_server_was_down(ground: Ground) {
    let server = ground.server();
    let timeout = Duration::from_secs(3);
    // A server that is dialled in the middle of its start may keep the connection and never say a word, while it counts
    // the session's time already.
    let settings = ground.builder(&server.connect_string()).link_timeout(timeout / 10);
    let client = soon(settings.session_timeout(timeout).connect()).await.unwrap();
    let session = client.session();
    client.create("/own", b"").ephemeral().await.unwrap();
    let mut states = client.states();

    server.stop();
    let State::Suspended { valid_until, .. } = reach(&mut states, is_suspended).await else { unreachable!() };
    reach(&mut states, |state| *state == State::PresumedLost).await;
    soon(client.sleep_until(valid_until + timeout / 2)).await.unwrap();
    let queued = client.set_data("/own", b"still mine").send();
    server.start_again();

    let state = reach(&mut states, is_connected).await;
    assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    soon(queued).await.unwrap();
    assert_eq!(client.session(), session);
}

pub async fn a_paused_server_is_noticed_and_the_session_goes_on_with_it(ground: Ground) {
    let server = ground.server();
    let timeout = Duration::from_secs(4);
    let client = soon(ground.builder(&server.connect_string()).session_timeout(timeout).connect()).await.unwrap();
    let session = client.session();
    client.create("/own", b"").ephemeral().await.unwrap();
    let mut states = client.states();

    server.pause();
    let state = reach(&mut states, is_suspended).await;
    server.resume();
    assert!(matches!(state, State::Suspended { cause: Cause::Silence, .. }), "{state:?}");

    let state = reach(&mut states, is_connected).await;
    assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    assert_eq!(client.session(), session);
    assert!(client.exists("/own").await.unwrap().is_some());
}

pub async fn requests_in_flight_at_a_kill_are_lost_and_the_others_are_not(ground: Ground) {
    let server = ground.server();
    let client = ground.connect(&server.connect_string()).await;
    client.create("/list", b"").await.unwrap();
    let mut states = client.states();

    // A paused server answers nothing, and takes no more than its socket holds.
    server.pause();
    let in_flight: Vec<_> = (0..50).map(|_| client.create("/list/n-", b"").sequential().send()).collect();
    let limit = Duration::from_millis(50);
    assert!(matches!(soon(client.sync("/").timeout(limit)).await, Err(Error::TimedOut { .. })));
    server.kill();
    reach(&mut states, is_suspended).await;
    let unsent: Vec<_> = (0..50).map(|_| client.create("/list/n-", b"").sequential().send()).collect();
    server.start_again();

    for pending in in_flight {
        assert_eq!(soon(pending).await.unwrap_err(), Error::Lost);
    }
    for pending in unsent {
        soon(pending).await.unwrap();
    }
    let created = client.get_children("/list").await.unwrap().0.len();
    assert!((50..=100).contains(&created), "{created}");
}

/// About 10 MiB of paths.
const MANY: usize = 100_000;

fn long_path(number: usize) -> String {
    format!("/{number:0>104}")
}

pub async fn a_hundred_thousand_watches_survive_a_restart(ground: Ground) {
    let server = ground.server();
    let client = ground.connect(&server.connect_string()).await;
    let mut watchers = Vec::with_capacity(MANY);
    for start in (0..MANY).step_by(10_000) {
        let paths = (start..start + 10_000).map(long_path);
        let pending: Vec<_> = paths.map(|path| client.exists(&path).watch().send()).collect();
        for pending in pending {
            watchers.push(soon(pending).await.unwrap().1);
        }
    }
    let is_complete = || server.monitored("zk_watch_count") == MANY as i64;
    assert!(is_complete());
    let mut states = client.states();

    server.kill();
    reach(&mut states, is_suspended).await;
    server.start_again();
    reach(&mut states, is_connected).await;
    // The watches go before every request.
    soon(client.sync("/")).await.unwrap();

    assert!(is_complete());
    for number in [0, 1, 1_234, MANY / 2, MANY - 2, MANY - 1] {
        let path = long_path(number);
        client.create(&path, b"").await.unwrap();
        assert_eq!(so_far(&mut watchers[number]), [(NodeCreated, path)]);
    }
    assert_eq!(watchers.iter_mut().map(|watcher| so_far(watcher).len()).sum::<usize>(), 0, "nobody else");
    watchers.truncate(1);
    eventually(|| server.monitored("zk_watch_count") == 0).await;
}

pub async fn writes_that_were_answered_are_there_after_any_number_of_kills(ground: Ground) {
    let server = ground.server();
    let client = ground.connect(&server.connect_string()).await;
    client.create("/list", b"").await.unwrap();
    let writer = ground.spawn(write_until_deleted(client.clone()));
    let mut states = client.states();

    for _ in 0..3 {
        server.kill();
        server.start_again();
        resume(&mut states).await;
        client.create("/list/n-", b"").sequential().await.unwrap();
    }
    client.create("/end", b"").await.unwrap();

    let answered = soon(writer).await;
    let names = client.get_children("/list").await.unwrap().0;
    for path in &answered {
        let name = path.strip_prefix("/list/").unwrap();
        assert!(names.contains(name), "{path} was answered");
    }
}

async fn write_until_deleted(client: Client) -> Vec<String> {
    let mut answered = Vec::new();
    loop {
        match client.create("/list/n-", b"").sequential().await {
            Ok((path, _)) => answered.push(path),
            Err(error) => assert_eq!(error, Error::Lost),
        }
        if client.exists("/end").resend().await.unwrap().is_some() {
            return answered;
        }
    }
}
