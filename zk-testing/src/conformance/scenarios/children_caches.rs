//! Caches of a node's children.

use std::time::Duration;

use zk_proto::{
    AuthInfo,
    client::{Client, Error},
    code::ErrorCode,
    recipes::{CacheEvent, CacheEvents, ChildrenCache, ChildrenView},
    record::Acl,
};

use crate::conformance::{Ground, eventually, soon};

/// Waits for the next event, in a form to compare with.
async fn next(events: &mut CacheEvents) -> String {
    match soon(events.next()).await.expect("there is more to come") {
        CacheEvent::Added { path, node } => format!("+{path}={}", String::from_utf8_lossy(&node.data)),
        CacheEvent::Updated { path, node, .. } => format!("*{path}={}", String::from_utf8_lossy(&node.data)),
        CacheEvent::Removed { path, .. } => format!("-{path}"),
        CacheEvent::Synced { .. } => "synced".to_owned(),
        CacheEvent::Stale => "stale".to_owned(),
        other => format!("{other:?}"),
    }
}

async fn expect<const N: usize>(events: &mut CacheEvents, expected: [&str; N]) {
    for expected in expected {
        assert_eq!(next(events).await, expected);
    }
}

/// Waits until these are the children, for certain.
async fn shows<const N: usize>(cache: &ChildrenCache, names: [&str; N]) -> ChildrenView {
    let mut view = cache.snapshot();
    while view.is_stale() || !view.names().eq(names) {
        view = soon(cache.changed(&view)).await.unwrap();
    }
    view
}

pub async fn children_are_followed_with_their_data_and_in_their_order(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    other.create("/parent", b"").await.unwrap();
    other.create("/parent/a", b"1").await.unwrap();
    let cache = ChildrenCache::new(&client, "/parent").unwrap();
    let mut events = cache.events();
    expect(&mut events, ["+/parent/a=1", "synced"]).await;

    other.create("/parent/b", b"2").await.unwrap();
    expect(&mut events, ["+/parent/b=2"]).await;
    other.set_data("/parent/a", b"3").await.unwrap();
    expect(&mut events, ["*/parent/a=3"]).await;
    other.create("/parent/b/below", b"").await.unwrap();
    other.set_data("/parent", b"of no interest").await.unwrap();
    other.delete("/parent/a").await.unwrap();
    expect(&mut events, ["-/parent/a"]).await;

    let view = cache.snapshot();
    assert_eq!(view.names().collect::<Vec<_>>(), ["b"]);
    assert_eq!(view.get("b").unwrap().data, "2");
    assert_eq!((cache.get("b").unwrap().stat.version, cache.get("a")), (0, None));
    assert!(ChildrenCache::new(&client, "/parent/").is_err(), "no path");
}

pub async fn a_child_deleted_and_made_anew_is_removed_and_added(ground: Ground) {
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    other.create("/parent", b"").await.unwrap();
    other.create("/parent/a", b"old").await.unwrap();
    let cache = ChildrenCache::new(&client, "/parent").unwrap();
    let mut events = cache.events();
    expect(&mut events, ["+/parent/a=old", "synced"]).await;

    line.sever();
    expect(&mut events, ["stale"]).await;
    other.delete("/parent/a").await.unwrap();
    other.create("/parent/a", b"new").await.unwrap();
    assert_eq!(cache.get("a").unwrap().data, "old", "it shows what it has");
    line.mend();

    expect(&mut events, ["-/parent/a", "+/parent/a=new", "synced"]).await;
    other.multi().delete("/parent/a", None).create("/parent/a", b"newer").await.unwrap();
    expect(&mut events, ["-/parent/a", "+/parent/a=newer"]).await;
}

pub async fn a_parent_that_is_missing_is_waited_for_and_not_made(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let cache = ChildrenCache::new(&client, "/above/parent").unwrap();
    let mut events = cache.events();
    expect(&mut events, ["synced"]).await;
    assert!(!cache.snapshot().has_parent());

    for round in ["1", "2"] {
        _ = other.create("/above", b"").await;
        other.create("/above/parent", b"").await.unwrap();
        other.create("/above/parent/a", round.as_bytes()).await.unwrap();
        expect(&mut events, [&*format!("+/above/parent/a={round}")]).await;
        assert!(cache.snapshot().has_parent());
        other.delete("/above/parent/a").await.unwrap();
        other.delete("/above/parent").await.unwrap();
        expect(&mut events, ["-/above/parent/a"]).await;
        let mut view = cache.snapshot();
        while view.has_parent() {
            view = soon(cache.changed(&view)).await.unwrap();
        }
    }
    assert_eq!(other.exists("/above/parent").await.unwrap(), None);
}

pub async fn children_that_go_while_they_are_read_do_not_keep_it_from_being_complete(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    other.create("/parent", b"").await.unwrap();
    for _ in 0..20 {
        for name in 0..10 {
            other.create(&format!("/parent/{name}"), b"").await.unwrap();
        }
        let cache = ChildrenCache::new(&client, "/parent").unwrap();
        let deleted: Vec<_> = (0..10).map(|name| other.delete(&format!("/parent/{name}")).send()).collect();

        soon(cache.synced()).await.unwrap();

        for deleted in deleted {
            soon(deleted).await.unwrap();
        }
        shows(&cache, []).await;
    }
}

pub async fn ephemeral_children_go_with_their_session_and_the_cache_lives_on(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    client.create("/parent", b"").await.unwrap();
    client.create("/parent/mine", b"").ephemeral().await.unwrap();
    client.create("/parent/kept", b"").await.unwrap();
    let cache = ChildrenCache::new(&client, "/parent").unwrap();
    let mut events = cache.events();
    expect(&mut events, ["+/parent/kept=", "+/parent/mine=", "synced"]).await;

    line.expire(&client).await;
    line.mend();

    expect(&mut events, ["stale", "-/parent/mine", "synced"]).await;
    client.create("/parent/again", b"").ephemeral().await.unwrap();
    expect(&mut events, ["+/parent/again="]).await;
}

pub async fn a_reader_who_is_slow_is_told_the_newest_of_each_child(ground: Ground) {
    let client = ground.client().await;
    client.create("/parent", b"").await.unwrap();
    client.create("/parent/gone", b"").await.unwrap();
    client.create("/parent/anew", b"old").await.unwrap();
    let cache = ChildrenCache::new(&client, "/parent").unwrap();
    let mut events = cache.events();
    expect(&mut events, ["+/parent/anew=old", "+/parent/gone=", "synced"]).await;

    client.delete("/parent/gone").await.unwrap();
    client.delete("/parent/anew").await.unwrap();
    client.create("/parent/anew", b"0").await.unwrap();
    for number in 1..=100 {
        client.set_data("/parent/anew", number.to_string().as_bytes()).await.unwrap();
        client.create("/parent/short", b"").await.unwrap();
        client.delete("/parent/short").await.unwrap();
    }
    while shows(&cache, ["anew"]).await.get("anew").unwrap().data != "100" {
        let view = cache.snapshot();
        soon(cache.changed(&view)).await.unwrap();
    }

    expect(&mut events, ["-/parent/gone", "-/parent/anew", "+/parent/anew=100"]).await;
}

pub async fn children_are_settled_when_none_comes_or_goes_for_a_while(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    client.create("/parent", b"").await.unwrap();
    let cache = ChildrenCache::new(&client, "/parent").unwrap();
    let writer = ground.spawn(async move {
        for name in 0..100 {
            other.create(&format!("/parent/{name}"), b"").await.unwrap();
        }
    });

    let settled = soon(cache.settled(Duration::from_millis(300))).await.unwrap();

    assert!(writer.is_finished());
    assert_eq!(settled.len(), 100);
}

pub async fn a_child_that_may_not_be_read_is_no_child_and_keeps_nothing_back(ground: Ground) {
    let servers = ground.servers();
    let owner = soon(ground.builder(&servers).auth(AuthInfo::digest("owner", "")).connect()).await.unwrap();
    let client = ground.client().await;
    owner.create("/parent", b"").await.unwrap();
    owner.create("/parent/mine", b"secret").acl(&Acl::creator_all()).await.unwrap();
    owner.create("/parent/open", b"").await.unwrap();
    let cache = ChildrenCache::new(&client, "/parent").unwrap();

    let view = shows(&cache, ["open"]).await;
    let troubles: Vec<_> = view.troubles().collect();
    assert_eq!(troubles, [("/parent/mine", &Error::Server(ErrorCode::NoAuth))]);
    // Nothing tells that it may be read now.
    owner.set_acl("/parent/mine", &Acl::open()).await.unwrap();

    let view = shows(&cache, ["mine", "open"]).await;
    assert_eq!((view.get("mine").unwrap().data.as_ref(), view.troubles().next()), (&b"secret"[..], None));
}

pub async fn numbers_may_be_all_that_is_wanted(ground: Ground) {
    let client = ground.client().await;
    client.create("/parent", b"").await.unwrap();
    client.create("/parent/a", b"some").await.unwrap();
    let cache = ChildrenCache::numbers_only(&client, "/parent").unwrap();
    let mut events = cache.events();
    expect(&mut events, ["+/parent/a=", "synced"]).await;

    client.set_data("/parent/a", b"other").await.unwrap();

    expect(&mut events, ["*/parent/a="]).await;
    assert_eq!(cache.get("a").unwrap().stat.data_length, 5);
}

pub async fn a_dropped_cache_tells_nothing_more_and_leaves_no_watch(ground: Ground) {
    let client = ground.client().await;
    let session = client.session().unwrap();
    client.create("/parent", b"").await.unwrap();
    client.create("/parent/a", b"").await.unwrap();
    let cache = ChildrenCache::new(&client, "/parent").unwrap();
    let absent = ChildrenCache::new(&client, "/absent").unwrap();
    shows(&cache, ["a"]).await;
    shows(&absent, []).await;
    let mut events = cache.events();
    expect(&mut events, ["+/parent/a=", "synced"]).await;

    drop((cache, absent));

    expect(&mut events, ["stale"]).await;
    assert_eq!(soon(events.next()).await, None);
    eventually(|| ground.watched_paths(session).is_empty()).await;
    // Watches on lists do not show there. They would tell of this, and be read again.
    client.create("/parent/b", b"").await.unwrap();
    soon(Client::close(&client)).await;
}
