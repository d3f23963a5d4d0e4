//! Creating nodes: every mode, and everything that can be wrong with it.

use std::time::Duration;

use zk_proto::{
    SessionId,
    acl::Perms,
    client::Error,
    code::{CreateMode, ErrorCode},
    record::Acl,
    request::{Create, Create2, InvalidRequest, MAX_TTL},
    session::WatchedEventKind::NodeDeleted,
};

use crate::conformance::{Ground, Settings, code, next, soon};

pub async fn a_persistent_node_is_there_as_it_was_told(ground: Ground) {
    let client = ground.client().await;

    let (path, stat) = client.create("/node", b"data").await.unwrap();

    assert_eq!(path, "/node");
    assert_eq!((stat.version, stat.data_length, stat.num_children), (0, 4, 0));
    assert_eq!(stat.ephemeral_owner, SessionId(0));
    assert_eq!(client.get_data("/node").await.unwrap(), ("data".into(), stat));
    assert!(client.last_zxid() >= stat.czxid);
}

pub async fn an_ephemeral_node_belongs_to_the_session(ground: Ground) {
    let client = ground.client().await;

    let (_, stat) = client.create("/node", b"").ephemeral().await.unwrap();
    let (path, numbered) = client.create("/node-", b"").ephemeral().sequential().await.unwrap();

    assert_eq!(Some(stat.ephemeral_owner), client.session());
    assert_eq!(Some(numbered.ephemeral_owner), client.session());
    assert_eq!(path, "/node-0000000001");
}

pub async fn sequential_nodes_are_numbered_by_their_parent(ground: Ground) {
    let client = ground.client().await;

    let mut paths = Vec::new();
    for prefix in ["/a-", "/b-", "/"] {
        paths.push(client.create(prefix, b"").sequential().await.unwrap().0);
    }

    assert_eq!(paths, ["/a-0000000000", "/b-0000000001", "/0000000002"]);
}

pub async fn a_container_goes_after_its_last_child(ground: Ground) {
    let client = ground.client().await;
    let (_, stat) = client.create("/container", b"").container().await.unwrap();
    client.create("/container/child", b"").await.unwrap();
    let (found, mut watcher) = client.exists("/container").watch().await.unwrap();
    assert_eq!((stat.ephemeral_owner, found.unwrap().num_children), (SessionId(0), 1));

    client.delete("/container/child").await.unwrap();

    assert_eq!(next(&mut watcher).await, (NodeDeleted, "/container".into()));
}

pub async fn a_node_with_ttl_goes_when_it_is_left_alone(ground: Ground) {
    let client = ground.client().await;
    let ttl = Duration::from_millis(1);
    client.create("/node", b"").ttl(ttl).await.unwrap();
    let (path, stat) = client.create("/node-", b"").ttl(ttl).sequential().await.unwrap();
    client.create("/stays", b"").ttl(MAX_TTL).await.unwrap();
    assert_eq!((path.as_str(), stat.ephemeral_owner), ("/node-0000000001", SessionId(0)));

    for path in ["/node", &path] {
        // It may be gone already.
        if let (Some(_), mut watcher) = client.exists(path).watch().await.unwrap() {
            assert_eq!(next(&mut watcher).await, (NodeDeleted, path.into()));
        }
    }

    assert!(client.exists("/stays").await.unwrap().is_some());
}

pub async fn the_plain_create_of_old_servers_works_too(ground: Ground) {
    let client = ground.client().await;

    let plain = client.request(Create(Create2::new("/plain", b"1"))).await.unwrap();
    let numbered = Create2::new("/n-", b"2").mode(CreateMode::EphemeralSequential);
    let numbered = client.request(Create(numbered)).await.unwrap();
    let container = client.request(Create(Create2::new("/c", b"").mode(CreateMode::Container))).await;

    assert_eq!((plain.as_str(), numbered.as_str()), ("/plain", "/n-0000000001"));
    let expected = InvalidRequest::ModeNeedsCreate2(CreateMode::Container);
    assert_eq!(container.unwrap_err(), Error::Invalid(Box::new(expected)));
}

pub async fn the_server_refuses_what_does_not_fit_the_tree(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    client.create("/ephemeral", b"").ephemeral().await.unwrap();

    assert_eq!(code(client.create("/node", b"").await), ErrorCode::NodeExists);
    assert_eq!(code(client.create("/", b"").await), ErrorCode::NodeExists);
    assert_eq!(code(client.create("/no/parent", b"").await), ErrorCode::NoNode);
    assert_eq!(code(client.create("/ephemeral/child", b"").await), ErrorCode::NoChildrenForEphemerals);
    let unknown = [Acl::new(Perms::ALL, "no-such-scheme", "somebody")];
    assert_eq!(code(client.create("/other", b"").acl(&unknown).await), ErrorCode::InvalidAcl);
    assert_eq!(code(client.create("/other", b"").acl(&Acl::creator_all()).await), ErrorCode::InvalidAcl);
    assert_eq!(client.exists("/other").await.unwrap(), None);
}

pub async fn what_cannot_be_right_is_refused_with_the_offending_value_and_not_sent(ground: Ground) {
    let client = ground.client().await;
    let zxid = client.create("/before", b"").await.unwrap().1.czxid;
    let invalid = |error: Error| match error {
        Error::Invalid(invalid) => *invalid,
        other => panic!("{other:?}"),
    };
    let day = Duration::from_secs(86_400);

    for path in ["", "relative", "/a//b", "/a/", "/a/../b", "/nul\0"] {
        let error = client.create(path, b"").await.unwrap_err();
        assert!(error.is_certainly_not_applied());
        let InvalidRequest::Path(error) = invalid(error) else { panic!("{path:?}") };
        assert_eq!(error.path(), path);
    }
    for ttl in [Duration::ZERO, MAX_TTL + Duration::from_millis(1)] {
        let error = client.create("/ttl", b"").ttl(ttl).await.unwrap_err();
        assert_eq!(invalid(error), InvalidRequest::Ttl(ttl));
    }
    let error = client.create("/ttl", b"").mode(CreateMode::PersistentWithTtl).await.unwrap_err();
    let mode = CreateMode::PersistentWithTtl;
    assert_eq!(invalid(error), InvalidRequest::TtlMode { mode, given: false });
    let error = client.create("/ttl", b"").ttl(day).mode(CreateMode::Persistent).await.unwrap_err();
    let mode = CreateMode::Persistent;
    assert_eq!(invalid(error), InvalidRequest::TtlMode { mode, given: true });
    let error = client.create("/ttl", b"").mode(CreateMode::Unknown(77)).await.unwrap_err();
    assert_eq!(invalid(error), InvalidRequest::Mode(77));
    let error = client.create("/acl", b"").acl(&[]).await.unwrap_err();
    assert_eq!(invalid(error), InvalidRequest::EmptyAcl);
    let error = client.create("/both", b"").container().ephemeral().await.unwrap_err();
    assert_eq!(error, Error::Modes(CreateMode::Container, CreateMode::Ephemeral));

    let after = client.create("/after", b"").await.unwrap().1.czxid;
    assert!(after > zxid);
    assert_eq!(client.get_children("/").await.unwrap().0.to_sorted(), ["after", "before"]);
}

pub async fn a_server_without_extended_types_refuses_ttls_and_nothing_else(ground: Ground) {
    let server = ground.server_with(Settings::WithoutExtendedTypes);
    let client = ground.connect(&server.connect_string()).await;
    let session = client.session();

    let refused = client.create("/node", b"").ttl(Duration::from_secs(60)).send();
    let behind = client.create("/node", b"").container().send();

    assert_eq!(code(soon(refused).await), ErrorCode::Unimplemented);
    soon(behind).await.unwrap();
    assert_eq!(client.session(), session);
}
