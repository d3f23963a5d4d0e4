//! Caches of a tree, with one watch on everything and with those that reads leave.

use std::{collections::BTreeMap, sync::Arc};

use zk_proto::{
    client::{Client, Error},
    recipes::{CacheEvent, CacheEvents, CacheView, CachedNode, TreeCache, TreeCacheBuilder},
    request::{Op, Version},
};

use crate::{
    conformance::{Ground, eventually, soon},
    sim::Dice,
};

/// Begins a cache of each kind.
fn both(client: &Client, root: &str) -> [TreeCacheBuilder; 2] {
    let builder = || TreeCache::builder(client, root).unwrap();
    [builder(), builder().watch_each_node()]
}

/// What events tell, in a form to compare with.
fn written(event: CacheEvent) -> String {
    match event {
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
        assert_eq!(written(soon(events.next()).await.expect("there is more to come")), expected);
    }
}

/// Returns what is told until everything was read.
async fn until_synced(events: &mut CacheEvents) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    while told.last().is_none_or(|last| last != "synced") {
        told.push(written(soon(events.next()).await.expect("there is more to come")));
    }
    told
}

/// Waits until the cache shows this, for certain.
async fn shows(cache: &TreeCache, is_it: impl Fn(&CacheView) -> bool) -> Arc<CacheView> {
    let mut view = cache.snapshot();
    while view.is_stale() || !is_it(&view) {
        view = soon(cache.changed(&view)).await.unwrap();
    }
    view
}

async fn create<const N: usize>(client: &Client, nodes: [&str; N]) {
    for node in nodes {
        client.create(node, b"").await.unwrap();
    }
}

fn paths(view: &CacheView) -> Vec<&str> {
    view.iter().map(|(path, _)| path).collect()
}

pub async fn a_tree_comes_from_above_and_goes_from_below(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    for builder in both(&client, "/root") {
        create(&other, ["/root", "/root/a", "/root/a/b", "/root/a-b"]).await;
        let cache = builder.start();
        let mut events = cache.events();
        expect(&mut events, ["+/root=", "+/root/a=", "+/root/a-b=", "+/root/a/b=", "synced"]).await;

        other.set_data("/root/a/b", b"1").await.unwrap();
        expect(&mut events, ["*/root/a/b=1"]).await;
        other.create("/root/a/b/c", b"2").await.unwrap();
        expect(&mut events, ["+/root/a/b/c=2"]).await;
        assert_eq!((cache.children("/root"), cache.children("/root/a-b")), (vec!["a".into(), "a-b".into()], vec![]));
        assert_eq!(cache.get("/root/a/b").unwrap().data, "1");
        let all = ["/root/a/b/c", "/root/a/b", "/root/a-b", "/root/a", "/root"];
        let deletions = all.map(|path| Op::Delete(zk_proto::request::Delete { path, version: Version::Any }));
        let mut multi = other.multi();
        for deletion in deletions {
            multi = multi.op(deletion);
        }
        multi.await.unwrap();

        let mut told = BTreeMap::new();
        for turn in 0..all.len() {
            told.insert(written(soon(events.next()).await.unwrap()), turn);
        }
        assert_eq!(told.len(), all.len());
        for (below, above) in
            [("/root/a/b/c", "/root/a/b"), ("/root/a/b", "/root/a"), ("/root/a-b", "/root"), ("/root/a", "/root")]
        {
            assert!(told[&format!("-{below}")] < told[&format!("-{above}")], "{told:?}");
        }
    }
}

pub async fn nodes_made_anew_without_a_link_are_told_though_all_their_versions_are_the_same(ground: Ground) {
    for kind in 0..2 {
        let line = ground.line();
        let (client, other) = (ground.connect(&line.through).await, ground.client().await);
        create(&other, ["/root", "/root/dir", "/root/dir/old", "/root/leaf", "/root/same"]).await;
        let [one, each] = both(&client, "/root");
        let cache = [one, each].into_iter().nth(kind).unwrap().start();
        let mut events = cache.events();
        let mut begun = until_synced(&mut events).await;
        begun.sort_unstable();
        assert_eq!(begun, ["+/root/dir/old=", "+/root/dir=", "+/root/leaf=", "+/root/same=", "+/root=", "synced"]);

        line.sever();
        expect(&mut events, ["stale"]).await;
        let before = ["/root/leaf", "/root/dir"].map(|path| cache.get(path).unwrap().stat);
        for path in ["/root/leaf", "/root/dir/old", "/root/dir"] {
            other.delete(path).await.unwrap();
        }
        create(&other, ["/root/leaf", "/root/dir", "/root/dir/new"]).await;
        line.mend();

        let gone = ["-/root/leaf", "-/root/dir/old", "-/root/dir"];
        let come = ["+/root/dir=", "+/root/dir/new=", "+/root/leaf="];
        let told = until_synced(&mut events).await;
        for expected in gone.iter().chain(&come) {
            assert_eq!(told.iter().filter(|event| event == expected).count(), 1, "{told:?}");
        }
        assert_eq!(told.len(), 7, "nothing else: {told:?}");
        let after = ["/root/leaf", "/root/dir"].map(|path| cache.get(path).unwrap().stat);
        for (before, after) in before.iter().zip(after) {
            assert_eq!((before.version, before.cversion.max(1)), (after.version, after.cversion.max(1)));
            assert_ne!(before.czxid, after.czxid);
        }
        for path in ["/root/dir/new", "/root/dir", "/root/leaf", "/root/same", "/root"] {
            other.delete(path).await.unwrap();
        }
    }
}

pub async fn the_root_may_be_missing_and_come_as_often_as_it_likes(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    for builder in both(&client, "/above/root") {
        let cache = builder.start();
        let mut events = cache.events();
        expect(&mut events, ["synced"]).await;
        for _ in 0..3 {
            create(&other, ["/above", "/above/root"]).await;
            expect(&mut events, ["+/above/root="]).await;
            other.create("/above/root/a", b"").await.unwrap();
            expect(&mut events, ["+/above/root/a="]).await;
            for path in ["/above/root/a", "/above/root", "/above"] {
                other.delete(path).await.unwrap();
            }
            expect(&mut events, ["-/above/root/a", "-/above/root"]).await;
        }
        assert!(!cache.snapshot().has_root());
        assert_eq!(other.exists("/above").await.unwrap(), None, "it creates nothing");
    }
}

pub async fn only_what_is_asked_for_is_there(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    create(&other, ["/root", "/root/a", "/root/a/b", "/root/a/b/c", "/root/closed", "/root/closed/x"]).await;
    for (depth, expected) in [(0, vec!["/root"]), (1, vec!["/root", "/root/a", "/root/closed"])] {
        for builder in both(&client, "/root") {
            let cache = builder.max_depth(depth).start();
            assert_eq!(paths(&soon(cache.synced()).await.unwrap()), expected);
        }
    }
    for builder in both(&client, "/root") {
        let builder = builder.accept(|path| path != "/root/a").descend(|path| path != "/root/closed");
        let cache = builder.numbers_only().start();
        let expected = ["/root", "/root/a/b", "/root/a/b/c", "/root/closed"];
        assert_eq!(paths(&soon(cache.synced()).await.unwrap()), expected);
        other.create("/root/closed/y", b"").await.unwrap();
        other.set_data("/root/a", b"").await.unwrap();
        other.create("/root/a/d", b"seen").await.unwrap();

        let view = shows(&cache, |view| view.get("/root/a/d").is_some()).await;

        assert_eq!(paths(&view), ["/root", "/root/a/b", "/root/a/b/c", "/root/a/d", "/root/closed"]);
        let seen = view.get("/root/a/d").unwrap();
        assert_eq!((seen.data.len(), seen.stat.data_length), (0, 4), "only numbers");
        other.delete("/root/a/d").await.unwrap();
        other.delete("/root/closed/y").await.unwrap();
    }
}

pub async fn a_whole_chroot_is_followed_from_its_root(ground: Ground) {
    let client = ground.client().await;
    for builder in both(&client, "/") {
        let cache = builder.start();
        let mut events = cache.events();
        expect(&mut events, ["+/=", "synced"]).await;
        create(&client, ["/a", "/a/b"]).await;
        expect(&mut events, ["+/a=", "+/a/b="]).await;
        client.delete("/a/b").await.unwrap();
        client.delete("/a").await.unwrap();
        expect(&mut events, ["-/a/b", "-/a"]).await;
    }
}

pub async fn a_tree_is_followed_into_the_next_session(ground: Ground) {
    for kind in 0..2 {
        let line = ground.line();
        let client = ground.connect(&line.through).await;
        let root = format!("/root{kind}");
        client.create(&root, b"").await.unwrap();
        client.create(&format!("{root}/mine"), b"").ephemeral().await.unwrap();
        let cache = both(&client, &root).into_iter().nth(kind).unwrap().start();
        let mut events = cache.events();
        let mine = format!("{root}/mine");
        expect(&mut events, [&*format!("+{root}="), &*format!("+{mine}="), "synced"]).await;

        line.expire(&client).await;
        line.mend();

        expect(&mut events, ["stale", &*format!("-{mine}"), "synced"]).await;
        client.create(&mine, b"").ephemeral().await.unwrap();
        expect(&mut events, [&*format!("+{mine}=")]).await;
    }
}

pub async fn a_tree_is_followed_before_there_is_a_server(ground: Ground) {
    let line = ground.line();
    line.sever();
    let client = ground.builder(&line.through).connect_lazy();
    let caches = both(&client, "/root").map(TreeCacheBuilder::start);
    create(&ground.client().await, ["/root", "/root/a"]).await;
    line.mend();

    for cache in caches {
        assert_eq!(paths(&soon(cache.synced()).await.unwrap()), ["/root", "/root/a"]);
    }
}

pub async fn both_kinds_have_what_there_is_behind_any_edits(ground: Ground) {
    const EDITS: usize = 400;
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    let caches = both(&client, "/root").map(TreeCacheBuilder::start);
    let mut streams = caches.each_ref().map(TreeCache::events);
    let mut replays: [BTreeMap<Arc<str>, Arc<CachedNode>>; 2] = Default::default();
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let mut dice = Dice::new(7);
    for edit in 0..EDITS {
        let mut path = "/root".to_owned();
        for _ in 0..dice.between(0, 3) {
            path = format!("{path}/{}", dice.choose(&NAMES));
        }
        let data = edit.to_string();
        let outcome = match dice.below(3) {
            0 => other.create(&path, data.as_bytes()).await.map(|_| Some(data)),
            1 => other.set_data(&path, data.as_bytes()).await.map(|_| Some(data)),
            _ => other.delete(&path).await.map(|()| None),
        };
        match outcome {
            Ok(Some(data)) => _ = model.insert(path, data),
            Ok(None) => _ = model.remove(&path),
            Err(Error::Server(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if dice.once_in(60) {
            line.proxy.cut();
        }
        if edit % 20 > 0 && edit + 1 < EDITS {
            continue;
        }
        let is_model = |view: &CacheView| {
            let nodes =
                view.iter().map(|(path, node)| (path.to_owned(), String::from_utf8_lossy(&node.data).into_owned()));
            nodes.eq(model.clone())
        };
        for ((cache, events), replay) in caches.iter().zip(&mut streams).zip(&mut replays) {
            let view = shows(cache, is_model).await;
            while !replay.iter().map(|(path, node)| (&**path, node)).eq(view.iter()) {
                apply(replay, soon(events.next()).await.unwrap());
            }
        }
    }
    assert!(model.len() > 3, "{model:?}");
}

fn apply(replay: &mut BTreeMap<Arc<str>, Arc<CachedNode>>, event: CacheEvent) {
    match event {
        CacheEvent::Added { path, node } => assert_eq!(replay.insert(path, node), None),
        CacheEvent::Updated { path, old, node } => assert_eq!(replay.insert(path, node), Some(old)),
        CacheEvent::Removed { path, node } => assert_eq!(replay.remove(&path), Some(node)),
        _ => {}
    }
}

pub async fn dropped_caches_leave_no_watch(ground: Ground) {
    let client = ground.client().await;
    let session = client.session().unwrap();
    create(&client, ["/root", "/root/a"]).await;
    let each = both(&client, "/root").map(TreeCacheBuilder::start);
    for cache in &each {
        soon(cache.synced()).await.unwrap();
    }
    assert!(!ground.watched_paths(session).is_empty());

    drop(each);

    eventually(|| ground.watched_paths(session).is_empty()).await;
    soon(Client::close(&client)).await;
}
