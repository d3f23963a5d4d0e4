//! Reading, changing and deleting nodes, and what the server tells about itself.

use zk_proto::{
    acl::Perms,
    client::Error,
    code::ErrorCode,
    path::CONFIG_NODE,
    record::Acl,
    request::{Create2, GetChildren, GetData, InvalidRequest, SetData, Version},
};

use crate::conformance::{Ground, code};

pub async fn data_is_replaced_under_the_version_asked_for(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"0").await.unwrap();

    let stat = client.set_data("/node", b"1").version(0).await.unwrap();
    assert_eq!((stat.version, stat.data_length), (1, 1));
    assert_eq!(code(client.set_data("/node", b"2").version(0).await), ErrorCode::BadVersion);
    assert_eq!(code(client.set_data("/node", b"2").version(-2).await), ErrorCode::BadVersion);
    assert_eq!(client.set_data("/node", b"").await.unwrap().version, 2);
    assert_eq!(code(client.set_data("/missing", b"").await), ErrorCode::NoNode);

    let (data, stat) = client.get_data("/node").await.unwrap();
    assert!(data.is_empty());
    assert_eq!(client.exists("/node").await.unwrap(), Some(stat));
}

pub async fn null_and_empty_data_are_told_apart(ground: Ground) {
    let client = ground.client().await;
    let null = || None::<&[u8]>.into();
    client.request(Create2 { data: null(), ..Create2::new("/null", b"") }).await.unwrap();
    client.create("/empty", b"").await.unwrap();

    assert_eq!(client.request(GetData::new("/null")).await.unwrap().data, None);
    assert_eq!(client.request(GetData::new("/empty")).await.unwrap().data.as_deref(), Some(&b""[..]));
    assert!(client.get_data("/null").await.unwrap().0.is_empty());

    client.request(SetData { path: "/empty", data: null(), version: Version::Any }).await.unwrap();
    assert_eq!(client.request(GetData::new("/empty")).await.unwrap().data, None);
}

pub async fn a_node_is_deleted_when_it_is_empty_and_of_the_version_asked_for(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    client.create("/node/child", b"").await.unwrap();

    assert_eq!(code(client.delete("/node").await), ErrorCode::NotEmpty);
    assert_eq!(code(client.delete("/node/child").version(3).await), ErrorCode::BadVersion);
    assert_eq!(code(client.delete("/missing").await), ErrorCode::NoNode);
    assert_eq!(code(client.delete("/").await), ErrorCode::BadArguments);
    client.delete("/node/child").version(0).await.unwrap();
    client.delete("/node").await.unwrap();

    assert_eq!(client.exists("/node").await.unwrap(), None);
    assert_eq!(code(client.get_data("/node").await), ErrorCode::NoNode);
}

pub async fn version_minus_one_is_no_condition(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"0").await.unwrap();
    let refused = Error::Invalid(Box::new(InvalidRequest::Version));

    assert_eq!(client.set_data("/node", b"1").version(-1).await.unwrap_err(), refused);
    assert_eq!(client.delete("/node").version(-1).await.unwrap_err(), refused);
    assert_eq!(client.set_acl("/node", &Acl::open()).version(-1).await.unwrap_err(), refused);
    let error = client.multi().check("/node", 0).check("/node", -1).await.unwrap_err();
    let expected = InvalidRequest::Multi { index: 1, error: Box::new(InvalidRequest::Version) };
    assert_eq!(error, Error::Invalid(Box::new(expected)));

    assert_eq!(client.get_data("/node").await.unwrap().0, "0");
}

pub async fn paths_are_checked_for_every_operation(ground: Ground) {
    let client = ground.client().await;
    let path = "/a//b";

    let errors = [
        client.delete(path).await.unwrap_err(),
        client.exists(path).await.unwrap_err(),
        client.get_data(path).await.unwrap_err(),
        client.get_data(path).watch().await.unwrap_err(),
        client.set_data(path, b"").await.unwrap_err(),
        client.get_children(path).await.unwrap_err(),
        client.get_acl(path).await.unwrap_err(),
        client.sync(path).await.unwrap_err(),
        client.get_all_children_number(path).await.unwrap_err(),
        client.multi_read().get_data(path).await.unwrap_err(),
    ];

    for error in errors {
        assert!(matches!(&error, Error::Invalid(_)), "{error:?}");
        assert!(error.to_string().contains("/a//b") && error.to_string().contains("at byte 3"), "{error}");
    }
    let error = client.get_ephemerals("a").await.unwrap_err();
    assert_eq!(error, Error::Invalid(Box::new(InvalidRequest::Prefix("a".into()))));
}

pub async fn children_are_listed_with_the_node_and_counted_all_the_way_down(ground: Ground) {
    let client = ground.client().await;
    for path in ["/a", "/a/1", "/a/2", "/a/2/x", "/b"] {
        client.create(path, b"").await.unwrap();
    }

    let (children, stat) = client.get_children("/a").await.unwrap();
    assert_eq!(children.to_sorted(), ["1", "2"]);
    assert_eq!((stat.num_children, stat.cversion), (2, 2));
    assert_eq!(client.request(GetChildren::new("/")).await.unwrap().to_sorted(), ["a", "b"]);
    assert!(client.get_children("/b").await.unwrap().0.is_empty());
    assert_eq!(client.get_all_children_number("/").await.unwrap(), 5);
    assert_eq!(client.get_all_children_number("/a").await.unwrap(), 3);
    assert_eq!(code(client.get_children("/c").await), ErrorCode::NoNode);
    assert_eq!(code(client.get_all_children_number("/c").await), ErrorCode::NoNode);
}

pub async fn ephemerals_are_listed_by_the_beginning_of_their_paths(ground: Ground) {
    let client = ground.client().await;
    for path in ["/a", "/b"] {
        client.create(path, b"").await.unwrap();
    }
    for path in ["/a/1", "/a/2", "/ab", "/b/1"] {
        client.create(path, b"").ephemeral().await.unwrap();
    }
    let list = async |prefix| {
        let mut paths = client.get_ephemerals(prefix).await.unwrap();
        paths.sort_unstable();
        paths
    };

    assert_eq!(list("/a").await, ["/a/1", "/a/2", "/ab"]);
    assert_eq!(list("/a/").await, ["/a/1", "/a/2"]);
    assert_eq!(list("/").await, ["/a/1", "/a/2", "/ab", "/b/1"]);
    assert!(list("/c").await.is_empty());
}

pub async fn lists_of_who_may_do_what_are_read_and_replaced_under_their_own_version(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (acl, stat) = client.get_acl("/node").await.unwrap();
    assert_eq!((acl, stat.aversion), (Acl::open(), 0));

    let guarded = [Acl::new(Perms::READ | Perms::ADMIN, "world", "anyone")];
    assert_eq!(client.set_acl("/node", &guarded).version(0).await.unwrap().aversion, 1);
    assert_eq!(code(client.set_acl("/node", &guarded).version(0).await), ErrorCode::BadVersion);

    assert_eq!(client.get_acl("/node").await.unwrap().0, guarded);
    assert_eq!(code(client.set_data("/node", b"").await), ErrorCode::NoAuth);
    assert_eq!(code(client.create("/node/child", b"").await), ErrorCode::NoAuth);
    assert_eq!(code(client.set_acl("/missing", &guarded).await), ErrorCode::NoNode);
    assert_eq!(code(client.get_acl("/missing").await), ErrorCode::NoNode);
    let unknown = [Acl::new(Perms::ALL, "no-such-scheme", "somebody")];
    assert_eq!(code(client.set_acl("/node", &unknown).await), ErrorCode::InvalidAcl);
    assert_eq!(client.set_acl("/node", &[]).await.unwrap_err(), Error::Invalid(Box::new(InvalidRequest::EmptyAcl)));
}

pub async fn behind_a_sync_everything_is_seen(ground: Ground) {
    let servers = ground.servers();
    let (writer, reader) = (ground.connect(&servers).await, ground.connect(&servers).await);
    let (_, stat) = writer.create("/node", b"").await.unwrap();

    let synced = reader.sync("/").send();
    let found = reader.exists("/node").send();

    synced.await.unwrap();
    assert_eq!(found.await.unwrap(), Some(stat));
    reader.sync("/no/such/node").await.unwrap();
}

pub async fn the_connection_says_who_it_is(ground: Ground) {
    let client = ground.client().await;

    let infos = client.who_am_i().await.unwrap();

    let of_ip = infos.iter().find(|info| info.auth_scheme.as_deref() == Some("ip"));
    assert_eq!(of_ip.and_then(|info| info.user.as_deref()), Some("127.0.0.1"));
}

pub async fn the_configuration_is_read_whatever_the_chroot_and_changed_only_where_that_is_allowed(ground: Ground) {
    let client = ground.client().await;

    // A single server keeps the node and leaves it empty.
    let (config, stat) = client.get_config().await.unwrap();
    assert!(config.is_empty());
    assert_eq!(client.get_data(CONFIG_NODE).await.unwrap(), (config, stat));
    assert_eq!(code(client.reconfig().leaving("3").await), ErrorCode::ReconfigDisabled);
}
