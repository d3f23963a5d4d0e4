//! Clients that see a node as `/`.

use zk_proto::{
    client::Error,
    code::{AddWatchMode::Persistent, AddWatchMode::PersistentRecursive, CreateMode, ErrorCode},
    path::CONFIG_NODE,
    request::{Create2, OpResult, ReadResult},
    session::{
        WatchedEventKind::NodeChildrenChanged, WatchedEventKind::NodeCreated, WatchedEventKind::NodeDataChanged,
        WatchedEventKind::NodeDeleted,
    },
};

use crate::conformance::{Ground, code, so_far};

pub async fn the_connect_string_names_the_root(ground: Ground) {
    let path = ground.chroot();
    let (below, above) = (ground.client().await, ground.connect(&ground.address().to_string()).await);

    below.create("/node", b"data").await.unwrap();

    assert_eq!(below.root().as_str(), path);
    assert_eq!(above.get_data(&format!("{path}/node")).await.unwrap().0, "data");
    assert_eq!(below.get_children("/").await.unwrap().0.to_sorted(), ["node"]);
    assert_eq!(below.get_data("/").await.unwrap().1, above.get_data(path).await.unwrap().1);
}

pub async fn a_client_of_the_same_session_looks_from_further_below(ground: Ground) {
    let client = ground.client().await;
    client.create("/app", b"").await.unwrap();
    let app = client.chroot("/app").unwrap();
    let deep = app.chroot("/deep").unwrap();

    app.create("/deep", b"").await.unwrap();
    let (path, stat) = deep.create("/node", b"").ephemeral().await.unwrap();

    assert_eq!(path, "/node");
    assert_eq!(client.exists("/app/deep/node").await.unwrap(), Some(stat));
    assert_eq!(app.session(), client.session());
    assert_eq!(deep.get_ephemerals("/").await.unwrap(), ["/node"]);
    assert_eq!(client.get_ephemerals("/").await.unwrap(), ["/app/deep/node"]);
    assert_eq!(client.chroot("/").unwrap().root(), client.root());
    assert!(matches!(client.chroot("app"), Err(Error::Invalid(_))));
}

pub async fn a_root_that_is_missing_can_be_made_from_above_only(ground: Ground) {
    let client = ground.client().await;
    let app = client.chroot("/app").unwrap();

    assert_eq!(code(app.create("/node", b"").await), ErrorCode::NoNode);
    assert_eq!(app.exists("/").await.unwrap(), None);
    app.create("/", b"root").await.unwrap();

    assert_eq!(client.get_data("/app").await.unwrap().0, "root");
    assert_eq!(code(app.delete("/").await), ErrorCode::BadArguments);
}

pub async fn the_root_itself_can_be_watched(ground: Ground) {
    let client = ground.client().await;
    let app = client.chroot("/app").unwrap();
    let (missing, mut absent) = app.exists("/").watch().await.unwrap();
    let mut persistent = app.add_watch("/", Persistent).await.unwrap();
    assert_eq!(missing, None);

    client.create("/app", b"").await.unwrap();
    let (_, _, mut data) = app.get_data("/").watch().await.unwrap();
    let (_, _, mut list) = app.get_children("/").watch().await.unwrap();
    client.set_data("/app", b"").await.unwrap();
    client.create("/app/child", b"").await.unwrap();
    client.delete("/app/child").await.unwrap();
    client.delete("/app").await.unwrap();

    let root = |kinds: &[_]| kinds.iter().map(|kind| (*kind, "/".to_string())).collect::<Vec<_>>();
    assert_eq!(so_far(&mut absent), root(&[NodeCreated]));
    assert_eq!(so_far(&mut data), root(&[NodeDataChanged]));
    assert_eq!(so_far(&mut list), root(&[NodeChildrenChanged]));
    let all = [NodeCreated, NodeDataChanged, NodeChildrenChanged, NodeChildrenChanged, NodeDeleted];
    assert_eq!(so_far(&mut persistent), root(&all));
}

pub async fn a_tree_is_told_what_is_below_and_not_what_is_beside(ground: Ground) {
    let client = ground.client().await;
    client.create("/app", b"").await.unwrap();
    let app = client.chroot("/app").unwrap();
    let mut tree = app.add_watch("/", PersistentRecursive).await.unwrap();
    let mut above = client.add_watch("/", PersistentRecursive).await.unwrap();

    client.create("/apple", b"").await.unwrap();
    client.create("/app/le", b"").await.unwrap();
    client.set_data("/app", b"").await.unwrap();
    client.delete("/apple").await.unwrap();

    assert_eq!(so_far(&mut tree), [(NodeCreated, "/le".to_string()), (NodeDataChanged, "/".to_string())]);
    let expected =
        [(NodeCreated, "/apple"), (NodeCreated, "/app/le"), (NodeDataChanged, "/app"), (NodeDeleted, "/apple")];
    assert_eq!(so_far(&mut above), expected.map(|(kind, path)| (kind, path.to_string())));
}

pub async fn the_server_numbers_nodes_below_the_root(ground: Ground) {
    let client = ground.client().await;
    client.create("/app", b"").await.unwrap();
    let app = client.chroot("/app").unwrap();

    let (path, _) = app.create("/", b"").sequential().await.unwrap();

    assert_eq!(path, "/0000000000");
    assert_eq!(client.get_children("/app").await.unwrap().0.to_sorted(), ["0000000000"]);
}

pub async fn a_multi_and_its_results_are_below_the_root(ground: Ground) {
    let client = ground.client().await;
    client.create("/app", b"").await.unwrap();
    let app = client.chroot("/app").unwrap();

    let numbered = Create2::new("/n-", b"").mode(CreateMode::PersistentSequential);
    let container = Create2::new("/c", b"").mode(CreateMode::Container);
    let multi = app.multi().check("/", None).create("/a", b"1").create_with(numbered).create_with(container);
    let results = multi.await.unwrap();
    let read = app.multi_read().get_data("/a").get_children("/").await.unwrap();

    let paths: Vec<&str> = results
        .iter()
        .filter_map(|result| match result {
            OpResult::Created { path, .. } => Some(path.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(paths, ["/a", "/n-0000000001", "/c"]);
    assert!(matches!(&read[0], ReadResult::Data(node) if node.data.as_deref() == Some(b"1")));
    assert!(matches!(&read[1], ReadResult::Children(children) if children.len() == 3));
}

pub async fn the_configuration_is_the_same_node_under_every_root(ground: Ground) {
    let client = ground.client().await;
    let app = client.chroot("/app").unwrap();

    let (_, stat) = app.get_config().await.unwrap();
    let (_, _, watcher) = app.get_config().watch().await.unwrap();

    assert_eq!(app.exists(CONFIG_NODE).await.unwrap(), Some(stat));
    assert_eq!(ground.watched_paths(client.session().unwrap()), [CONFIG_NODE]);
    drop(watcher);
}
