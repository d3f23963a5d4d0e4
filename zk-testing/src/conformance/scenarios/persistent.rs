//! Persistent watches, alone and together with one-shot ones on the same path, which servers before 3.9 do not keep apart.

use std::time::{Duration, Instant};

use zk_proto::{
    client::Watcher,
    code::{AddWatchMode::Persistent, AddWatchMode::PersistentRecursive},
    session::{
        WatchedEventKind, WatchedEventKind::NodeChildrenChanged, WatchedEventKind::NodeCreated,
        WatchedEventKind::NodeDataChanged, WatchedEventKind::NodeDeleted, WatchedEventKind::Resync,
    },
};

use crate::conformance::{Ground, next, so_far, soon};

#[track_caller]
fn assert_told<const N: usize>(watcher: &mut Watcher, expected: [(WatchedEventKind, &str); N]) {
    assert_eq!(so_far(watcher), expected.map(|(kind, path)| (kind, path.to_string())));
}

pub async fn a_persistent_watch_tells_of_the_node_and_its_list_of_children(ground: Ground) {
    let client = ground.client().await;
    let mut watcher = client.add_watch("/node", Persistent).await.unwrap();

    for _ in 0..2 {
        client.create("/node", b"").await.unwrap();
        client.set_data("/node", b"").await.unwrap();
        client.create("/node/child", b"").await.unwrap();
        client.set_data("/node/child", b"").await.unwrap();
        client.create("/node/child/deep", b"").await.unwrap();
        client.delete("/node/child/deep").await.unwrap();
        client.delete("/node/child").await.unwrap();
        client.delete("/node").await.unwrap();

        assert_told(
            &mut watcher,
            [
                (NodeCreated, "/node"),
                (NodeDataChanged, "/node"),
                (NodeChildrenChanged, "/node"),
                (NodeChildrenChanged, "/node"),
                (NodeDeleted, "/node"),
            ],
        );
    }
}

pub async fn a_recursive_watch_tells_of_every_node_below_and_of_no_list(ground: Ground) {
    let client = ground.client().await;
    let mut tree = client.add_watch("/node", PersistentRecursive).await.unwrap();

    client.create("/node", b"").await.unwrap();
    client.create("/nodes", b"").await.unwrap();
    client.create("/node/a", b"").await.unwrap();
    // Another watch's event must not be mistaken for the tree's.
    let (_, _, mut list) = client.get_children("/node/a").watch().await.unwrap();
    client.create("/node/a/b", b"").await.unwrap();
    client.set_data("/node/a/b", b"").await.unwrap();
    client.delete("/node/a/b").await.unwrap();
    client.set_data("/node", b"").await.unwrap();

    assert_told(
        &mut tree,
        [
            (NodeCreated, "/node"),
            (NodeCreated, "/node/a"),
            (NodeCreated, "/node/a/b"),
            (NodeDataChanged, "/node/a/b"),
            (NodeDeleted, "/node/a/b"),
            (NodeDataChanged, "/node"),
        ],
    );
    assert_told(&mut list, [(NodeChildrenChanged, "/node/a")]);
}

pub async fn trees_within_trees_each_tell_everything(ground: Ground) {
    let client = ground.client().await;
    client.create("/a", b"").await.unwrap();
    let mut all = client.add_watch("/", PersistentRecursive).await.unwrap();
    let mut outer = client.add_watch("/a", PersistentRecursive).await.unwrap();
    let mut inner = client.add_watch("/a/b", PersistentRecursive).await.unwrap();
    let mut node = client.add_watch("/a/b", Persistent).await.unwrap();

    client.create("/a/b", b"").await.unwrap();
    client.create("/a/b/c", b"").await.unwrap();
    client.create("/d", b"").await.unwrap();

    assert_told(&mut all, [(NodeCreated, "/a/b"), (NodeCreated, "/a/b/c"), (NodeCreated, "/d")]);
    assert_told(&mut outer, [(NodeCreated, "/a/b"), (NodeCreated, "/a/b/c")]);
    assert_eq!(so_far(&mut inner).first(), Some(&(NodeCreated, "/a/b".to_string())));
    assert_eq!(so_far(&mut node).first(), Some(&(NodeCreated, "/a/b".to_string())));
}

pub async fn a_persistent_watch_outlives_one_shot_ones_on_its_path(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let mut persistent = client.add_watch("/node", Persistent).await.unwrap();

    for _ in 0..3 {
        let (_, _, mut data) = client.get_data("/node").watch().await.unwrap();
        let (_, _, mut list) = client.get_children("/node").watch().await.unwrap();
        let (path, _) = client.create("/node/child-", b"").sequential().await.unwrap();
        client.set_data("/node", b"").await.unwrap();
        client.set_data("/node", b"").await.unwrap();
        client.delete(&path).await.unwrap();

        assert_told(&mut data, [(NodeDataChanged, "/node")]);
        assert_told(&mut list, [(NodeChildrenChanged, "/node")]);
        assert_told(
            &mut persistent,
            [
                (NodeChildrenChanged, "/node"),
                (NodeDataChanged, "/node"),
                (NodeDataChanged, "/node"),
                (NodeChildrenChanged, "/node"),
            ],
        );
    }
}

pub async fn a_recursive_watch_outlives_one_shot_ones_on_its_path(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let mut tree = client.add_watch("/node", PersistentRecursive).await.unwrap();

    let (_, _, mut data) = client.get_data("/node").watch().await.unwrap();
    let (_, exists) = client.exists("/node").watch().await.unwrap();
    drop(exists);
    client.set_data("/node", b"").await.unwrap();
    client.set_data("/node", b"").await.unwrap();
    client.create("/node/child", b"").await.unwrap();

    assert_told(&mut data, [(NodeDataChanged, "/node")]);
    let expected = [(NodeDataChanged, "/node"), (NodeDataChanged, "/node"), (NodeCreated, "/node/child")];
    assert_told(&mut tree, expected);
}

pub async fn a_dropped_one_shot_watch_leaves_the_persistent_one_on_its_path(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let mut persistent = client.add_watch("/node", Persistent).await.unwrap();

    drop(client.get_data("/node").watch().await.unwrap());
    drop(client.get_children("/node").watch().await.unwrap());
    drop(client.get_data("/node").watch().send());
    client.sync("/").await.unwrap();
    client.set_data("/node", b"").await.unwrap();
    client.create("/node/child", b"").await.unwrap();

    assert_told(&mut persistent, [(NodeDataChanged, "/node"), (NodeChildrenChanged, "/node")]);
}

pub async fn both_kinds_of_persistent_watches_live_on_one_path_whichever_came_first(ground: Ground) {
    let client = ground.client().await;
    for (node, modes) in [("/a", [Persistent, PersistentRecursive]), ("/b", [PersistentRecursive, Persistent])] {
        client.create(node, b"").await.unwrap();
        let mut first = client.add_watch(node, modes[0]).await.unwrap();
        let mut second = client.add_watch(node, modes[1]).await.unwrap();
        let child = format!("{node}/child");

        for _ in 0..2 {
            client.create(&child, b"").await.unwrap();
            client.set_data(node, b"").await.unwrap();
            client.delete(&child).await.unwrap();

            let (persistent, tree) =
                if modes[0] == Persistent { (&mut first, &mut second) } else { (&mut second, &mut first) };
            let list = (NodeChildrenChanged, node);
            assert_told(persistent, [list, (NodeDataChanged, node), list]);
            assert_told(tree, [(NodeCreated, &*child), (NodeDataChanged, node), (NodeDeleted, &*child)]);
        }
    }
}

pub async fn two_persistent_watchers_of_one_path_are_independent(ground: Ground) {
    let client = ground.client().await;
    let mut first = client.add_watch("/node", Persistent).await.unwrap();
    let second = client.add_watch("/node", Persistent).await.unwrap();

    drop(second);
    client.create("/node", b"").await.unwrap();

    assert_told(&mut first, [(NodeCreated, "/node")]);
}

pub async fn whoever_listens_too_slowly_is_told_to_read_again(ground: Ground) {
    let servers = ground.servers();
    let client = soon(ground.builder(&servers).watcher_queue(4).connect()).await.unwrap();
    let mut tree = client.add_watch("/", PersistentRecursive).await.unwrap();

    for number in 0..100 {
        client.create(&format!("/{number}"), b"").await.unwrap();
    }

    let told = so_far(&mut tree);
    assert_eq!(told[0], (Resync, "/".to_string()));
    assert!(told.len() <= 5, "{told:?}");
    client.create("/next", b"").await.unwrap();
    assert_eq!(next(&mut tree).await, (NodeCreated, "/next".to_string()));
}

pub async fn reads_with_a_watch_take_nothing_from_a_persistent_watch_while_others_write(ground: Ground) {
    const CHILDREN: usize = 250;
    // Byte by byte on a busy machine, that many take minutes.
    const LIMIT: Duration = Duration::from_secs(20);
    let servers = ground.servers();
    let (client, other) = (ground.connect(&servers).await, ground.connect(&servers).await);
    client.create("/node", b"").await.unwrap();
    let mut tree = client.add_watch("/node", PersistentRecursive).await.unwrap();
    let writer = ground.spawn(async move {
        let (begin, mut made) = (Instant::now(), 0);
        while made < CHILDREN && begin.elapsed() < LIMIT {
            let path = format!("/node/{made}");
            other.create(&path, b"").await.unwrap();
            // The list of children stays short: it is read again and again.
            other.delete(&path).await.unwrap();
            made += 1;
        }
        made
    });

    let mut told = 0;
    while !writer.is_finished() {
        drop(client.get_data("/node").watch().await.unwrap());
        drop(client.get_children("/node").watch().await.unwrap());
        told += so_far(&mut tree).len();
    }
    // Whatever was done is told before the answer to this.
    client.sync("/node").await.unwrap();
    told += so_far(&mut tree).len();

    assert_eq!(told, 2 * writer.await, "each is created, and deleted");
}
