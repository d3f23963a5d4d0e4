//! What each change does to a node's `Stat`, field by field.

use zk_proto::{
    SessionId,
    client::Client,
    code::CreateMode,
    record::{Acl, Stat},
    request::{Create2, OpResult},
};

use crate::conformance::{Ground, soon};

async fn stat(client: &Client, path: &str) -> Stat {
    client.exists(path).await.unwrap().unwrap()
}

pub async fn a_new_node_is_of_one_transaction(ground: Ground) {
    let client = ground.client().await;

    let (_, persistent) = client.create("/persistent", b"12345").await.unwrap();
    let zxid = client.last_zxid();
    let (_, ephemeral) = client.create("/ephemeral", b"").ephemeral().await.unwrap();

    let expected = Stat {
        czxid: zxid,
        mzxid: zxid,
        ctime: persistent.ctime,
        mtime: persistent.ctime,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: SessionId(0),
        data_length: 5,
        num_children: 0,
        pzxid: zxid,
    };
    assert_eq!(persistent, expected);
    assert!(persistent.ctime > 1_600_000_000_000, "{} ms since 1970", persistent.ctime);
    let zxid = client.last_zxid();
    let expected = Stat {
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        ctime: ephemeral.ctime,
        mtime: ephemeral.ctime,
        ephemeral_owner: client.session().unwrap(),
        data_length: 0,
        ..persistent
    };
    assert_eq!(ephemeral, expected);
    assert!(ephemeral.czxid > persistent.czxid && ephemeral.ctime >= persistent.ctime);
}

pub async fn new_data_changes_what_tells_of_data(ground: Ground) {
    let client = ground.client().await;
    let (_, before) = client.create("/node", b"1").await.unwrap();
    let parent = stat(&client, "/").await;

    let set = client.set_data("/node", b"123").await.unwrap();

    let expected = Stat { mzxid: client.last_zxid(), mtime: set.mtime, version: 1, data_length: 3, ..before };
    assert_eq!(set, expected);
    assert!(set.mzxid > before.mzxid && set.mtime >= before.mtime);
    assert_eq!(client.get_data("/node").await.unwrap().1, set);
    assert_eq!(stat(&client, "/").await, parent, "its parent does not know");
}

pub async fn a_child_changes_what_tells_of_children(ground: Ground) {
    let client = ground.client().await;
    client.create("/above", b"").await.unwrap();
    let (_, before) = client.create("/above/node", b"").await.unwrap();
    let above = stat(&client, "/above").await;

    let (_, child) = client.create("/above/node/child", b"").await.unwrap();
    let with_child = stat(&client, "/above/node").await;
    client.set_data("/above/node/child", b"1").await.unwrap();
    let with_changed_child = stat(&client, "/above/node").await;
    client.delete("/above/node/child").await.unwrap();
    let deleted = client.last_zxid();
    let without_child = stat(&client, "/above/node").await;

    assert_eq!(with_child, Stat { cversion: 1, num_children: 1, pzxid: child.czxid, ..before });
    assert_eq!(with_changed_child, with_child);
    assert_eq!(without_child, Stat { cversion: 2, num_children: 0, pzxid: deleted, ..before });
    assert!(deleted > child.czxid);
    assert_eq!(stat(&client, "/above").await, above, "its parent does not know");
}

pub async fn a_new_list_of_who_may_do_what_changes_its_version_alone(ground: Ground) {
    let client = ground.client().await;
    let (_, before) = client.create("/node", b"").await.unwrap();

    let set = client.set_acl("/node", &Acl::read_only()).await.unwrap();

    assert_eq!(set, Stat { aversion: 1, ..before });
    assert!(client.last_zxid() > before.czxid, "which is a transaction all the same");
    assert_eq!(stat(&client, "/node").await, set);
}

pub async fn what_fails_changes_nothing(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    client.create("/node/child", b"").await.unwrap();
    let (before, parent) = (stat(&client, "/node").await, stat(&client, "/").await);

    client.set_data("/node", b"").version(7).await.unwrap_err();
    client.set_acl("/node", &Acl::open()).version(7).await.unwrap_err();
    client.delete("/node").await.unwrap_err();
    client.create("/node", b"").await.unwrap_err();
    client.create("/node/child", b"").await.unwrap_err();
    client.multi().create("/node/other", b"").check("/node", 7).await.unwrap_err();

    assert_eq!((stat(&client, "/node").await, stat(&client, "/").await), (before, parent));
}

pub async fn a_multi_is_one_transaction(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let before = stat(&client, "/node").await;

    let numbered = Create2::new("/node/n-", b"12").mode(CreateMode::PersistentSequential);
    let call = client.multi().create("/node/a", b"").create_with(numbered).set_data("/node", b"1", 0);
    let results = call.delete("/node/a", 0).await.unwrap();
    let zxid = client.last_zxid();

    let node = stat(&client, "/node").await;
    let expected = Stat {
        mzxid: zxid,
        mtime: node.mtime,
        version: 1,
        // Two were created and one deleted.
        cversion: 3,
        data_length: 1,
        num_children: 1,
        pzxid: zxid,
        ..before
    };
    assert_eq!(node, expected);
    let child = stat(&client, "/node/n-0000000001").await;
    assert_eq!((child.czxid, child.mzxid, child.pzxid, child.ctime), (zxid, zxid, zxid, node.mtime));
    assert_eq!((child.version, child.data_length), (0, 2));
    let [OpResult::Created { .. }, OpResult::Created { path, .. }, OpResult::DataSet(set), OpResult::Deleted] =
        &results[..]
    else {
        panic!("{results:?}")
    };
    assert_eq!(path, "/node/n-0000000001");
    // As it was at that moment: one of the two was not deleted yet.
    assert_eq!((set.mzxid, set.version, set.num_children), (zxid, 1, 2));
}

pub async fn the_end_of_a_session_is_one_transaction(ground: Ground) {
    let (client, owner) = (ground.client().await, ground.client().await);
    for parent in ["/a", "/b"] {
        client.create(parent, b"").await.unwrap();
        owner.create(&format!("{parent}/own"), b"").ephemeral().await.unwrap();
    }
    let before = stat(&client, "/a").await;

    soon(owner.close()).await;

    let (a, b) = (stat(&client, "/a").await, stat(&client, "/b").await);
    assert_eq!(a, Stat { cversion: 2, num_children: 0, pzxid: a.pzxid, ..before });
    assert!(a.pzxid > before.pzxid);
    assert_eq!(a.pzxid, b.pzxid);
}

pub async fn every_read_tells_the_same_of_a_node(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    client.create("/node/child", b"").await.unwrap();
    client.set_acl("/node", &Acl::open()).await.unwrap();
    let set = client.set_data("/node", b"data").await.unwrap();

    assert_eq!(client.exists("/node").await.unwrap(), Some(set));
    assert_eq!(client.get_data("/node").await.unwrap().1, set);
    assert_eq!(client.get_children("/node").await.unwrap().1, set);
    assert_eq!(client.get_acl("/node").await.unwrap().1, set);
}
