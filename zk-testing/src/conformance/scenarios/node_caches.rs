//! Caches of one node.

use std::time::Duration;

use zk_proto::{
    AuthInfo,
    client::{Client, Error},
    code::ErrorCode,
    recipes::{NodeCache, NodeState, NodeView},
    record::Acl,
    session::{End, Sent},
};

use crate::conformance::{Ground, eventually, is_suspended, reach, soon};

/// Waits for a view that can be trusted.
async fn settled(cache: &NodeCache) -> NodeView {
    soon(cache.when(|view| (!view.is_stale).then(|| view.clone()))).await.unwrap()
}

/// Waits for a view with this data, or for none.
async fn shows(cache: &NodeCache, data: Option<&str>) -> NodeView {
    let is_it = |view: &NodeView| match (&view.node, data) {
        (NodeState::Absent, None) => true,
        (NodeState::Present { data, .. }, Some(expected)) => data == expected,
        _ => false,
    };
    soon(cache.when(|view| is_it(view).then(|| view.clone()))).await.unwrap()
}

pub async fn a_node_is_followed_as_often_as_it_comes_and_goes(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let cache = NodeCache::new(&client, "/node").unwrap();
    assert!(!cache.current().is_initialized() || cache.current().node == NodeState::Absent);

    let mut view = settled(&cache).await;
    assert_eq!(view.node, NodeState::Absent);
    let mut told = Vec::new();
    for round in 0..3 {
        for data in [format!("{round}.0"), format!("{round}.1")] {
            match other.create("/node", data.as_bytes()).await {
                Ok(_) => {}
                Err(_) => _ = other.set_data("/node", data.as_bytes()).await.unwrap(),
            }
            view = soon(cache.changed(&view)).await.unwrap();
            told.push(view.data().cloned());
        }
        other.delete("/node").await.unwrap();
        view = soon(cache.changed(&view)).await.unwrap();
        told.push(view.data().cloned());
    }

    let expected = ["0.0", "0.1", "-", "1.0", "1.1", "-", "2.0", "2.1", "-"];
    let told: Vec<_> = told.iter().map(|data| data.as_deref().unwrap_or(b"-")).collect();
    assert_eq!(told, expected.map(str::as_bytes));
    assert_eq!(other.exists("/node").await.unwrap(), None, "it creates nothing");
    assert!(NodeCache::new(&client, "node").is_err(), "no path");
}

pub async fn a_node_made_anew_without_a_link_is_another_one_whatever_its_version(ground: Ground) {
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    other.create("/node", b"old").await.unwrap();
    let cache = NodeCache::new(&client, "/node").unwrap();
    let before = settled(&cache).await;

    line.sever();
    let stale = soon(cache.changed(&before)).await.unwrap();
    assert_eq!((&stale.node, stale.is_stale), (&before.node, true), "it shows what it has");
    other.delete("/node").await.unwrap();
    other.create("/node", b"new").await.unwrap();
    line.mend();

    let after = shows(&cache, Some("new")).await;
    assert_eq!(after.stat().unwrap().version, before.stat().unwrap().version);
    assert_ne!(after.node.revision(), before.node.revision());
    assert!(!after.is_stale);
}

pub async fn a_node_that_nothing_happened_to_is_no_news_after_a_reconnect(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    client.create("/node", b"same").await.unwrap();
    let cache = NodeCache::new(&client, "/node").unwrap();
    let before = settled(&cache).await;

    line.proxy.cut();
    let stale = soon(cache.changed(&before)).await.unwrap();
    assert!(stale.is_stale && stale.node == before.node, "{stale:?}");
    assert_eq!(soon(cache.changed(&stale)).await.unwrap(), before);
}

pub async fn a_node_is_followed_into_the_next_session(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    client.create("/node", b"mine").ephemeral().await.unwrap();
    let cache = NodeCache::new(&client, "/node").unwrap();
    shows(&cache, Some("mine")).await;

    line.expire(&client).await;
    line.mend();

    shows(&cache, None).await;
    client.create("/node", b"again").await.unwrap();
    shows(&cache, Some("again")).await;
}

pub async fn a_node_is_followed_before_there_is_a_server(ground: Ground) {
    let line = ground.line();
    line.sever();
    let client = ground.builder(&line.through).connect_lazy();
    let cache = NodeCache::new(&client, "/node").unwrap();
    ground.client().await.create("/node", b"there").await.unwrap();
    assert_eq!(cache.current().node, NodeState::Unknown);

    line.mend();

    assert!(!shows(&cache, Some("there")).await.is_stale);
}

pub async fn a_node_that_may_not_be_read_shows_why_until_it_may(ground: Ground) {
    let servers = ground.servers();
    let owner = soon(ground.builder(&servers).auth(AuthInfo::digest("owner", "")).connect()).await.unwrap();
    let client = ground.client().await;
    owner.create("/mine", b"secret").acl(&Acl::creator_all()).await.unwrap();
    let cache = NodeCache::new(&client, "/mine").unwrap();

    let hidden = soon(cache.when(|view| view.trouble.is_some().then(|| view.clone()))).await.unwrap();
    let trouble = Some(Error::Server(ErrorCode::NoAuth));
    assert_eq!((&hidden.node, hidden.is_stale, &hidden.trouble), (&NodeState::Unknown, true, &trouble));
    // Nothing tells that it may be read now.
    owner.set_acl("/mine", &Acl::open()).await.unwrap();

    let view = shows(&cache, Some("secret")).await;
    assert_eq!((view.is_stale, view.trouble), (false, None));
}

pub async fn a_dropped_cache_leaves_no_watch(ground: Ground) {
    let client = ground.client().await;
    let session = client.session().unwrap();
    client.create("/node", b"").await.unwrap();
    let cache = NodeCache::new(&client, "/node").unwrap();
    let absent = NodeCache::new(&client, "/absent").unwrap();
    settled(&cache).await;
    settled(&absent).await;
    client.set_data("/node", b"1").await.unwrap();
    shows(&cache, Some("1")).await;
    let paths = [format!("{}/absent", ground.chroot()), format!("{}/node", ground.chroot())];
    assert_eq!(ground.watched_paths(session), paths);

    let clone = cache.clone();
    drop((cache, absent));
    eventually(|| ground.watched_paths(session) == paths[1..]).await;
    client.set_data("/node", b"2").await.unwrap();
    shows(&clone, Some("2")).await;
    drop(clone);

    eventually(|| ground.watched_paths(session).is_empty()).await;
}

pub async fn a_cache_keeps_its_last_view_when_its_client_is_over(ground: Ground) {
    // Closing gives work in the background this time to finish. A cache has nothing to finish.
    let patient = ground.builder(&ground.servers()).close_timeout(Duration::from_secs(3600));
    let client = soon(patient.connect()).await.unwrap();
    client.create("/node", b"last").await.unwrap();
    let cache = NodeCache::new(&client, "/node").unwrap();
    settled(&cache).await;
    let waiting = ground.spawn({
        let cache = cache.clone();
        async move { cache.when(|view| (view.data()? == "never").then_some(())).await }
    });

    soon(Client::close(&client)).await;

    assert_eq!(soon(waiting).await, Err(Error::Ended { end: End::Closed, sent: Sent::No }));
    assert_eq!(cache.current().data().unwrap(), "last");
    assert!(cache.current().is_stale);
}

pub async fn views_never_go_back(ground: Ground) {
    const WRITES: usize = 200;
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    other.create("/node", b"0").await.unwrap();
    let cache = NodeCache::new(&client, "/node").unwrap();
    let mut states = client.states();
    let mut view = settled(&cache).await;
    let writer = ground.spawn(async move {
        for number in 1..=WRITES {
            other.set_data("/node", number.to_string().as_bytes()).await.unwrap();
        }
    });

    let mut seen = Vec::new();
    while view.data().unwrap() != WRITES.to_string().as_str() {
        if seen.len() == 20 {
            line.proxy.cut();
            reach(&mut states, is_suspended).await;
        }
        view = soon(cache.changed(&view)).await.unwrap();
        seen.push(view.stat().unwrap().version);
    }

    soon(writer).await;
    assert!(seen.is_sorted(), "{seen:?}");
}
