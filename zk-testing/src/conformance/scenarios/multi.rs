//! Several operations as one.

use std::time::Duration;

use zk_proto::{
    client::Error,
    code::{CreateMode, ErrorCode},
    request::{Create2, GetData, Multi, MultiRead, Op, OpResult, ReadOp, ReadResult},
    session::WatchedEventKind,
};

use crate::conformance::{Ground, code, so_far};

pub async fn a_multi_does_all_of_it(ground: Ground) {
    let client = ground.client().await;
    client.create("/old", b"").await.unwrap();
    client.create("/changed", b"").await.unwrap();

    let results = client
        .multi()
        .check("/old", 0)
        .check("/changed", None)
        .delete("/old", 0)
        .set_data("/changed", b"new", 0)
        .create("/plain", b"1")
        .create("/plain/child", b"2")
        .create_with(Create2::new("/own-", b"").mode(CreateMode::EphemeralSequential))
        .await
        .unwrap();

    let changed = client.exists("/changed").await.unwrap().unwrap();
    assert_eq!(results[..4], [OpResult::Checked, OpResult::Checked, OpResult::Deleted, OpResult::DataSet(changed)]);
    let created: Vec<&str> = results[4..]
        .iter()
        .map(|result| match result {
            OpResult::Created { path, .. } => path.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(created, ["/plain", "/plain/child", "/own-0000000003"]);
    assert_eq!(client.get_data("/plain/child").await.unwrap().0, "2");
    assert_eq!(client.exists("/old").await.unwrap(), None);
}

pub async fn containers_and_nodes_with_ttl_can_be_made_in_a_multi(ground: Ground) {
    let client = ground.client().await;
    let ttl = Duration::from_secs(3600);

    let results = client
        .multi()
        .create_with(Create2::new("/container", b"").mode(CreateMode::Container))
        .create_with(Create2::new("/ttl", b"").mode(CreateMode::PersistentWithTtl).ttl(ttl))
        .await
        .unwrap();

    for (result, path) in results.iter().zip(["/container", "/ttl"]) {
        let stat = client.exists(path).await.unwrap();
        assert!(stat.is_some());
        assert_eq!(*result, OpResult::Created { path: path.into(), stat });
    }
}

pub async fn a_failed_multi_names_the_culprit_and_does_nothing(ground: Ground) {
    let client = ground.client().await;
    let zxid = client.create("/node", b"").await.unwrap().1.czxid;

    let call = client.multi().set_data("/node", b"1", 0).create("/new", b"").delete("/missing", None);
    let Err(Error::Multi(failure)) = call.check("/node", 0).await else { panic!("it must fail") };

    assert_eq!((failure.index, failure.error), (2, ErrorCode::NoNode));
    let codes = [ErrorCode::Ok, ErrorCode::Ok, ErrorCode::NoNode, ErrorCode::RuntimeInconsistency];
    assert_eq!(failure.codes, codes);
    assert_eq!(client.exists("/new").await.unwrap(), None);
    assert_eq!(client.exists("/node").await.unwrap().unwrap().mzxid, zxid);
    let failed = Error::Multi(failure);
    assert!(failed.is_certainly_not_applied());
    assert_eq!(code::<()>(Err(failed)), ErrorCode::NoNode);
    let as_request = Multi { ops: vec![Op::Check { path: "/node", version: 7.into() }] };
    assert_eq!(client.request(as_request).await.unwrap().unwrap_err().error, ErrorCode::BadVersion);
}

pub async fn an_empty_multi_does_nothing_well(ground: Ground) {
    let client = ground.client().await;

    assert_eq!(client.multi().await.unwrap(), []);
    assert_eq!(client.multi_read().await.unwrap(), []);
}

pub async fn reads_of_one_moment_fail_one_by_one(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"data").await.unwrap();
    client.create("/node/child", b"").await.unwrap();

    let call = client.multi_read().get_data("/node").get_data("/missing").get_children("/node");
    let results = call.get_children("/missing").await.unwrap();

    let [ReadResult::Data(node), missing, ReadResult::Children(children), no_list] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!(node.data.as_deref(), Some(&b"data"[..]));
    assert_eq!(children.to_sorted(), ["child"]);
    assert_eq!([missing, no_list], [&ReadResult::Error(ErrorCode::NoNode); 2]);
    let as_request = MultiRead { ops: vec![ReadOp::GetData(GetData::new("/node"))] };
    assert_eq!(client.request(as_request).await.unwrap().len(), 1);
}

pub async fn the_events_of_a_multi_come_in_its_order_and_before_its_reply(ground: Ground) {
    use WatchedEventKind::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    let client = ground.client().await;
    let mut tree = client.add_watch("/", zk_proto::code::AddWatchMode::PersistentRecursive).await.unwrap();
    let (_, _, mut root) = client.get_children("/").watch().await.unwrap();

    client.multi().create("/a", b"").set_data("/a", b"1", 0).create("/b", b"").delete("/a", 1).await.unwrap();

    let expected = [(NodeCreated, "/a"), (NodeDataChanged, "/a"), (NodeCreated, "/b"), (NodeDeleted, "/a")];
    assert_eq!(so_far(&mut tree), expected.map(|(kind, path)| (kind, path.to_string())));
    assert_eq!(so_far(&mut root), [(NodeChildrenChanged, "/".to_string())]);
}
