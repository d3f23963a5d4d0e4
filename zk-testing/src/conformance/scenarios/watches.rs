//! One-shot watches.

use zk_proto::{
    client::{Error, WatchEnd, Watcher},
    code::ErrorCode,
    session::{
        WatchedEventKind::NodeChildrenChanged, WatchedEventKind::NodeCreated, WatchedEventKind::NodeDataChanged,
        WatchedEventKind::NodeDeleted,
    },
};

use crate::conformance::{Ground, code, next, so_far, soon};

async fn assert_spent(mut watcher: Watcher) {
    assert_eq!(soon(watcher.changed()).await, Err(WatchEnd::Fired));
    assert_eq!(soon(watcher.next()).await, None);
}

pub async fn every_one_shot_watch_tells_one_thing_once(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, mut data) = client.get_data("/node").watch().await.unwrap();
    let (found, mut present) = client.exists("/node").watch().await.unwrap();
    let (missing, mut absent) = client.exists("/later").watch().await.unwrap();
    let (_, _, mut children) = client.get_children("/node").watch().await.unwrap();
    assert!(found.is_some() && missing.is_none());

    for version in 0..2 {
        client.set_data("/node", b"").version(version).await.unwrap();
        client.create(&format!("/node/{version}"), b"").await.unwrap();
    }
    client.create("/later", b"").await.unwrap();
    client.delete("/later").await.unwrap();

    assert_eq!(so_far(&mut data), [(NodeDataChanged, "/node".to_string())]);
    assert_eq!(so_far(&mut present), [(NodeDataChanged, "/node".to_string())]);
    assert_eq!(so_far(&mut absent), [(NodeCreated, "/later".to_string())]);
    assert_eq!(so_far(&mut children), [(NodeChildrenChanged, "/node".to_string())]);
    for watcher in [data, present, absent, children] {
        assert_spent(watcher).await;
    }
}

pub async fn deletion_fires_every_one_shot_watch_of_the_node(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, data) = client.get_data("/node").watch().await.unwrap();
    let (_, exists) = client.exists("/node").watch().await.unwrap();
    let (_, _, children) = client.get_children("/node").watch().await.unwrap();
    let (_, _, mut parent) = client.get_children("/").watch().await.unwrap();

    client.delete("/node").await.unwrap();

    for mut watcher in [data, exists, children] {
        assert_eq!(so_far(&mut watcher), [(NodeDeleted, "/node".to_string())]);
        assert_spent(watcher).await;
    }
    assert_eq!(so_far(&mut parent), [(NodeChildrenChanged, "/".to_string())]);
}

pub async fn what_does_not_concern_a_watch_does_not_fire_it(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, mut data) = client.get_data("/node").watch().await.unwrap();
    let (_, _, mut children) = client.get_children("/node").watch().await.unwrap();

    client.create("/node/child", b"").await.unwrap();
    assert_eq!(so_far(&mut data), []);
    assert_eq!(so_far(&mut children), [(NodeChildrenChanged, "/node".to_string())]);

    let (_, _, mut children) = client.get_children("/node").watch().await.unwrap();
    client.set_data("/node/child", b"").await.unwrap();
    client.create("/node/child/deep", b"").await.unwrap();
    client.set_acl("/node", &zk_proto::record::Acl::open()).await.unwrap();
    client.create("/nodes", b"").await.unwrap();
    assert_eq!((so_far(&mut data), so_far(&mut children)), (vec![], vec![]));
}

pub async fn a_request_that_fails_leaves_no_watch(ground: Ground) {
    let client = ground.client().await;

    assert_eq!(code(client.get_data("/node").watch().await), ErrorCode::NoNode);
    assert_eq!(code(client.get_children("/node").watch().await), ErrorCode::NoNode);

    assert_eq!(ground.watched_paths(client.session().unwrap()), Vec::<String>::new());
}

pub async fn the_event_of_ones_own_write_comes_before_its_reply(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    for _ in 0..50 {
        let (_, stat, mut watcher) = client.get_data("/node").watch().await.unwrap();

        client.set_data("/node", b"").version(stat.version).await.unwrap();

        assert_eq!(so_far(&mut watcher), [(NodeDataChanged, "/node".to_string())]);
    }
}

pub async fn the_event_of_anothers_write_comes_before_a_reply_that_shows_it(ground: Ground) {
    let servers = ground.servers();
    let (reader, writer) = (ground.connect(&servers).await, ground.connect(&servers).await);
    writer.create("/node", b"").await.unwrap();
    let write = ground.spawn(async move {
        for _ in 0..200 {
            writer.set_data("/node", b"").await?;
        }
        Ok::<_, Error>(())
    });

    let mut version = 0;
    while version < 200 {
        let (_, stat, mut watcher) = reader.get_data("/node").watch().await.unwrap();
        version = stat.version;
        let (_, later) = reader.get_data("/node").await.unwrap();
        let is_told = !so_far(&mut watcher).is_empty();
        assert!(is_told || later.version == version, "version {} is shown, {version} was watched", later.version);
    }
    soon(write).await.unwrap();
}

pub async fn whoever_reads_and_watches_in_turn_ends_with_the_last_version(ground: Ground) {
    let servers = ground.servers();
    let (reader, writer) = (ground.connect(&servers).await, ground.connect(&servers).await);
    writer.create("/node", b"").await.unwrap();
    let follow = ground.spawn(async move {
        loop {
            let (_, stat, mut watcher) = reader.get_data("/node").watch().await?;
            if stat.version == 300 {
                return Ok::<_, Error>(());
            }
            watcher.changed().await?;
        }
    });

    for write in (0..300).map(|_| writer.set_data("/node", b"").send()).collect::<Vec<_>>() {
        soon(write).await.unwrap();
    }

    soon(follow).await.unwrap();
}

pub async fn two_watchers_of_one_path_both_hear(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, mut first) = client.get_data("/node").watch().await.unwrap();
    let (_, _, mut second) = client.clone().get_data("/node").watch().await.unwrap();
    let below = client.chroot("/node").unwrap();
    let (_, mut third) = below.exists("/").watch().await.unwrap();

    client.set_data("/node", b"").await.unwrap();

    assert_eq!(next(&mut first).await, (NodeDataChanged, "/node".to_string()));
    assert_eq!(next(&mut second).await, (NodeDataChanged, "/node".to_string()));
    assert_eq!(next(&mut third).await, (NodeDataChanged, "/".to_string()));
}

pub async fn the_end_of_another_session_fires_like_a_deletion(ground: Ground) {
    let servers = ground.servers();
    let (observer, owner) = (ground.connect(&servers).await, ground.connect(&servers).await);
    owner.create("/node", b"").ephemeral().await.unwrap();
    let (_, mut watcher) = observer.exists("/node").watch().await.unwrap();

    soon(owner.close()).await;

    assert_eq!(next(&mut watcher).await, (NodeDeleted, "/node".to_string()));
}

pub async fn waiting_for_an_event_can_be_broken_off_without_losing_it(ground: Ground) {
    let client = ground.client().await;
    let (_, mut watcher) = client.exists("/node").watch().await.unwrap();
    for _ in 0..10 {
        assert_eq!(so_far(&mut watcher), []);
    }

    client.create("/node", b"").await.unwrap();

    assert_eq!(next(&mut watcher).await, (NodeCreated, "/node".to_string()));
}
