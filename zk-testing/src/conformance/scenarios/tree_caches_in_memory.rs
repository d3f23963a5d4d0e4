//! Caches of a tree on servers that are old, or have much to show.

use std::time::Instant;

use zk_proto::{
    client::Client,
    recipes::{CacheEvent, CacheEvents, TreeCache},
    request::{Create2, Op},
};

use crate::{
    TestServer,
    conformance::{Ground, soon},
};

pub async fn a_server_that_knows_no_persistent_watches_has_its_tree_followed_all_the_same(ground: Ground) {
    let server = TestServer::builder().options(|options| options.persistent_watches = false).start().unwrap();
    let client = ground.connect(&server.address().to_string()).await;
    client.create("/root", b"").await.unwrap();
    client.create("/root/a", b"").await.unwrap();
    let cache = TreeCache::new(&client, "/root").unwrap();
    let mut events = cache.events();

    // The server closes the connection over the request that it does not know, and the session goes on.
    assert_eq!(soon(cache.synced()).await.unwrap().len(), 2);
    let session = client.session();
    let first = changes(&mut events, 2).await;
    client.create("/root/b", b"1").await.unwrap();
    client.set_data("/root/a", b"2").await.unwrap();
    let mut then = changes(&mut events, 2).await;

    then.sort_unstable();
    assert_eq!(first, ["+/root", "+/root/a"]);
    assert_eq!(then, ["*/root/a", "+/root/b"]);
    assert_eq!(client.session(), session);
}

/// Returns so many changes.
async fn changes(events: &mut CacheEvents, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        match soon(events.next()).await.unwrap() {
            CacheEvent::Added { path, .. } => told.push(format!("+{path}")),
            CacheEvent::Updated { path, .. } => told.push(format!("*{path}")),
            CacheEvent::Removed { path, .. } => told.push(format!("-{path}")),
            _ => {}
        }
    }
    told
}

/// Makes a tree of 300 nodes with 233 children each.
async fn plant(client: &Client) -> usize {
    const NODES: usize = 300;
    const CHILDREN: usize = 233;
    client.create("/big", b"").await.unwrap();
    let mut count = 1;
    for node in 0..NODES {
        let parent = format!("/big/{node}");
        let paths: Vec<String> = (0..CHILDREN).map(|child| format!("{parent}/{child}")).collect();
        let mut multi = client.multi().create(&parent, b"");
        for path in &paths {
            multi = multi.op(Op::Create(Create2::new(path, b"data")));
        }
        count += multi.await.unwrap().len();
    }
    count
}

/// CURATOR-690: a counter of 16 bits kept caches of larger trees from ever being complete.
pub async fn more_nodes_than_16_bits_count_are_read_and_followed(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.address().to_string()).await;
    let count = plant(&client).await;
    assert!(count > 1 << 16, "{count}");
    let session = client.session();

    for builder in
        [TreeCache::builder(&client, "/big"), TreeCache::builder(&client, "/big").map(|b| b.watch_each_node())]
    {
        let begun = Instant::now();
        let cache = builder.unwrap().start();
        let view = soon(cache.synced()).await.unwrap();
        assert_eq!(view.len(), count);
        eprintln!("{count} nodes are read in {:?}", begun.elapsed());

        let mut events = cache.events();
        let mut told = 0;
        while !matches!(soon(events.next()).await, Some(CacheEvent::Synced { .. })) {
            told += 1;
        }
        assert_eq!(told, count);
        client.set_data("/big/299/232", b"last").await.unwrap();
        let changed = soon(events.next()).await.unwrap();
        assert_eq!(changed.path(), Some("/big/299/232"));
    }
    assert_eq!(client.session(), session);
}
