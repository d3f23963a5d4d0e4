//! What nobody hears is taken off the server.

use zk_proto::{
    client::Client,
    code::{AddWatchMode::Persistent, AddWatchMode::PersistentRecursive, ErrorCode, WatcherType},
    request::CheckWatches,
    session::WatchedEventKind::NodeDataChanged,
};

use crate::conformance::{Ground, code, so_far};

/// Asks the server whether this connection has a watch. Requests are carried out in order: a watcher that was dropped before is
/// gone by then.
async fn has_watch(client: &Client, path: &str, watcher_type: WatcherType) -> bool {
    match client.request(CheckWatches { path, watcher_type }).await {
        Ok(()) => true,
        outcome @ Err(_) => {
            assert_eq!(code(outcome), ErrorCode::NoWatcher);
            false
        }
    }
}

pub async fn a_dropped_watcher_takes_its_watch_off(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let watchers = [
        client.get_data("/node").watch().await.unwrap().2,
        client.exists("/node").watch().await.unwrap().1,
        client.exists("/missing").watch().await.unwrap().1,
        client.get_children("/node").watch().await.unwrap().2,
        client.add_watch("/kept", Persistent).await.unwrap(),
        client.add_watch("/tree", PersistentRecursive).await.unwrap(),
    ];
    let paths = ["/node", "/missing", "/kept", "/tree"];
    let session = client.session().unwrap();
    for path in paths {
        assert!(has_watch(&client, path, WatcherType::Any).await, "{path}");
    }
    let root = client.root().as_str().to_string();
    let mut expected = paths.map(|path| root.clone() + path);
    expected.sort_unstable();
    assert_eq!(ground.watched_paths(session), expected);

    drop(watchers);

    for path in paths {
        assert!(!has_watch(&client, path, WatcherType::Any).await, "{path}");
    }
    assert_eq!(ground.watched_paths(session), Vec::<String>::new());
}

pub async fn the_last_of_several_watchers_takes_the_watch_off(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, first) = client.get_data("/node").watch().await.unwrap();
    let (_, mut second) = client.exists("/node").watch().await.unwrap();

    drop(first);
    assert!(has_watch(&client, "/node", WatcherType::Data).await);
    client.set_data("/node", b"").await.unwrap();
    assert_eq!(so_far(&mut second), [(NodeDataChanged, "/node".to_string())]);

    let (_, _, first) = client.get_data("/node").watch().await.unwrap();
    let (_, second) = client.exists("/node").watch().await.unwrap();
    drop((first, second));
    assert!(!has_watch(&client, "/node", WatcherType::Any).await);
}

pub async fn only_the_kind_that_nobody_hears_is_taken_off(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, data) = client.get_data("/node").watch().await.unwrap();
    let (_, _, mut list) = client.get_children("/node").watch().await.unwrap();

    drop(data);

    assert!(!has_watch(&client, "/node", WatcherType::Data).await);
    assert!(has_watch(&client, "/node", WatcherType::Children).await);
    client.create("/node/child", b"").await.unwrap();
    assert_eq!(so_far(&mut list).len(), 1);
}

pub async fn a_watch_whose_request_is_dropped_does_not_stay(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();

    for _ in 0..20 {
        // Dropped on the way, at whatever point that is.
        drop(client.get_data("/node").watch().send());
        drop(client.exists("/missing").watch().send());
        client.get_children("/node").watch().send().detach();
        drop(client.add_watch("/kept", Persistent).send());
    }
    // The removals go out when the replies are in, which is before this one's.
    client.sync("/").await.unwrap();

    for path in ["/node", "/missing", "/kept"] {
        assert!(!has_watch(&client, path, WatcherType::Any).await, "{path}");
    }
}

pub async fn a_watch_that_has_fired_is_not_taken_off_a_second_time(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, first) = client.get_data("/node").watch().await.unwrap();
    client.set_data("/node", b"").await.unwrap();
    let (_, _, mut second) = client.get_data("/node").watch().await.unwrap();

    drop(first);

    assert!(has_watch(&client, "/node", WatcherType::Data).await, "it belongs to the second");
    client.set_data("/node", b"").await.unwrap();
    assert_eq!(so_far(&mut second), [(NodeDataChanged, "/node".to_string())]);
}

pub async fn watchers_that_come_and_go_leave_the_right_watches(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let mut kept = Vec::new();
    for round in 0..50 {
        let (_, _, data) = client.get_data("/node").watch().await.unwrap();
        let (_, _, list) = client.get_children("/node").watch().await.unwrap();
        let persistent = client.add_watch("/node", Persistent).await.unwrap();
        let tree = client.add_watch("/node", PersistentRecursive).await.unwrap();
        // A different one stays each time, while the others are dropped in a different order.
        let mut all = [data, list, persistent, tree];
        all.rotate_left(round % 4);
        let [stays, rest @ ..] = all;
        drop(rest);
        kept = vec![stays];
        client.set_data("/node", b"").await.unwrap();
        client.delete("/node").await.unwrap();
        client.create("/node", b"").await.unwrap();
        assert!(!so_far(&mut kept[0]).is_empty(), "round {round}");
    }

    drop(kept);
    assert!(!has_watch(&client, "/node", WatcherType::Any).await);
}
