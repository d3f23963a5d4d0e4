//! Every operation and every error code that one node can give it, in tables.
//!
//! Some codes are elsewhere: refused credentials end the session (`auth`), a server may know no TTL nodes (`create`) or be
//! read-only (`hooks`, `read_only`). Of a session that has moved no server tells: it closes the connection.

use std::time::Duration;

use zk_proto::{
    AuthInfo,
    acl::Perms,
    client::{Client, Error},
    code::{
        CreateMode,
        ErrorCode::{self, *},
        WatcherType,
    },
    record::Acl,
    request::{CheckWatches, Create, Create2, GetChildren, ReadResult, RemoveWatches},
};

use crate::conformance::{Ground, Settings, code, soon};

/// Compares what came of a call with what must.
macro_rules! table {
    ($($call:expr => $code:expr,)*) => {$(
        assert_eq!(refusal($call.await), $code, stringify!($call));
    )*};
}

/// Returns the server's error; `Ok` where there is none.
fn refusal<T>(outcome: Result<T, Error>) -> ErrorCode {
    match outcome {
        Result::Ok(_) => Ok,
        Err(error) => error.code().unwrap_or_else(|| panic!("not an error of the server's: {error:?}")),
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Makes a tree in which every error can be had.
async fn plant(client: &Client) {
    client.create("/node", b"").await.unwrap();
    client.create("/node/child", b"").await.unwrap();
    client.create("/own", b"").ephemeral().await.unwrap();
    client.create("/leaf", b"").await.unwrap();
}

pub async fn creating(ground: Ground) {
    let client = ground.client().await;
    plant(&client).await;
    let creator = Acl::creator_all();
    let unknown = [Acl::new(Perms::ALL, "no-such-scheme", "somebody")];
    let odd_ip = [Acl::new(Perms::ALL, "ip", "somewhere")];
    let odd_digest = [Acl::new(Perms::ALL, "digest", "without a colon")];
    let old = |path| client.request(Create(Create2::new(path, b"")));
    let of = |path, mode| client.create(path, b"").mode(mode);

    table! {
        client.create("/node", b"") => NodeExists,
        client.create("/", b"") => NodeExists,
        client.create("/no/parent", b"") => NoNode,
        client.create("/own/child", b"") => NoChildrenForEphemerals,
        // What is wrong with the list comes before all but the mode.
        client.create("/x", b"").acl(&unknown) => InvalidAcl,
        client.create("/x", b"").acl(&odd_ip) => InvalidAcl,
        client.create("/x", b"").acl(&odd_digest) => InvalidAcl,
        client.create("/x", b"").acl(&creator) => InvalidAcl,
        client.create("/no/parent", b"").acl(&unknown) => InvalidAcl,
        old("/node") => NodeExists,
        old("/no/parent") => NoNode,
        old("/own/child") => NoChildrenForEphemerals,
        of("/own", CreateMode::Ephemeral) => NodeExists,
        of("/no/parent", CreateMode::Ephemeral) => NoNode,
        of("/own/child", CreateMode::Ephemeral) => NoChildrenForEphemerals,
        of("/no/parent-", CreateMode::PersistentSequential) => NoNode,
        of("/own/child-", CreateMode::EphemeralSequential) => NoChildrenForEphemerals,
        of("/node", CreateMode::Container) => NodeExists,
        of("/no/parent", CreateMode::Container) => NoNode,
        of("/own/child", CreateMode::Container) => NoChildrenForEphemerals,
        client.create("/node", b"").ttl(HOUR) => NodeExists,
        client.create("/no/parent", b"").ttl(HOUR) => NoNode,
        client.create("/own/child", b"").ttl(HOUR) => NoChildrenForEphemerals,
        client.create("/x", b"") => Ok,
    }
}

pub async fn changing_and_deleting(ground: Ground) {
    let client = ground.client().await;
    plant(&client).await;
    let unknown = [Acl::new(Perms::ALL, "no-such-scheme", "somebody")];
    let open = Acl::open();
    let above = ground.connect(&ground.address().to_string()).await;

    table! {
        client.delete("/none") => NoNode,
        client.delete("/no/parent") => NoNode,
        client.delete("/node") => NotEmpty,
        client.delete("/node").version(0) => NotEmpty,
        // The version comes first.
        client.delete("/node").version(1) => BadVersion,
        client.delete("/leaf").version(1) => BadVersion,
        client.delete("/leaf").version(-2) => BadVersion,
        above.delete("/") => BadArguments,
        above.delete("/zookeeper") => BadArguments,
        above.delete("/zookeeper/quota") => BadArguments,
        above.delete("/zookeeper/config") => BadArguments,
        client.set_data("/none", b"") => NoNode,
        client.set_data("/leaf", b"").version(1) => BadVersion,
        client.set_data("/leaf", b"").version(-2) => BadVersion,
        client.set_acl("/none", &open) => NoNode,
        client.set_acl("/leaf", &open).version(1) => BadVersion,
        client.set_acl("/leaf", &unknown) => InvalidAcl,
        client.set_acl("/none", &unknown) => InvalidAcl,
        client.set_acl("/leaf", &Acl::creator_all()) => InvalidAcl,
        client.set_data("/leaf", b"").version(0) => Ok,
        client.set_data("/leaf", b"").version(0) => BadVersion,
        client.set_acl("/leaf", &open).version(0) => Ok,
        client.delete("/leaf").version(1) => Ok,
        client.delete("/leaf") => NoNode,
        client.delete("/own") => Ok,
    }
}

pub async fn reading(ground: Ground) {
    let client = ground.client().await;
    plant(&client).await;

    assert_eq!(client.exists("/none").await.unwrap(), None);
    table! {
        client.exists("/no/parent") => Ok,
        client.get_data("/none") => NoNode,
        client.get_data("/none").watch() => NoNode,
        client.get_children("/none") => NoNode,
        client.get_children("/none").watch() => NoNode,
        client.request(GetChildren::new("/none")) => NoNode,
        client.get_acl("/none") => NoNode,
        client.get_all_children_number("/none") => NoNode,
        client.sync("/none") => Ok,
        client.get_ephemerals("/none") => Ok,
        client.who_am_i() => Ok,
        client.reconfig().joining("server.9=localhost:1:2:participant;3") => ReconfigDisabled,
        client.reconfig().members("server.9=localhost:1:2:participant;3") => ReconfigDisabled,
    }
}

pub async fn without_permission(ground: Ground) {
    let client = ground.client().await;
    let nothing = [Acl::new(Perms::CREATE, "digest", "nobody:x")];
    client.create("/closed", b"").await.unwrap();
    client.create("/closed/child", b"").await.unwrap();
    client.set_acl("/closed", &nothing).await.unwrap();
    let open = Acl::open();

    table! {
        client.get_data("/closed") => NoAuth,
        client.get_data("/closed").watch() => NoAuth,
        client.get_children("/closed") => NoAuth,
        client.get_children("/closed").watch() => NoAuth,
        client.request(GetChildren::new("/closed")) => NoAuth,
        client.get_acl("/closed") => NoAuth,
        client.get_all_children_number("/closed") => NoAuth,
        client.set_data("/closed", b"") => NoAuth,
        client.set_data("/closed", b"").version(7) => NoAuth,
        client.set_acl("/closed", &open) => NoAuth,
        client.set_acl("/closed", &open).version(7) => NoAuth,
        client.create("/closed/new", b"") => NoAuth,
        client.create("/closed/child", b"") => NoAuth,
        client.create("/closed/new", b"").container() => NoAuth,
        client.create("/closed/new", b"").ttl(HOUR) => NoAuth,
        client.create("/closed/new", b"").ephemeral().sequential() => NoAuth,
        client.delete("/closed/child") => NoAuth,
        client.delete("/closed/none") => NoAuth,
        client.delete("/closed") => NotEmpty,
        client.sync("/closed") => Ok,
        client.multi().check("/closed", None) => NoAuth,
        client.multi().set_data("/closed", b"", None) => NoAuth,
        client.multi().delete("/closed/child", None) => NoAuth,
        client.multi().create("/closed/new", b"") => NoAuth,
        client.get_data("/closed/child") => Ok,
        client.set_data("/closed/child", b"") => Ok,
    }
    let read = client.multi_read().get_data("/closed").get_children("/closed").await.unwrap();
    assert_eq!(read, [ReadResult::Error(NoAuth), ReadResult::Error(NoAuth)]);
}

pub async fn one_permission_at_a_time(ground: Ground) {
    let client = ground.client().await;
    let acl = |perms| [Acl::new(perms, "world", "anyone")];
    let open = Acl::open();
    for (path, perms) in [
        ("/read", Perms::READ),
        ("/write", Perms::WRITE),
        ("/create", Perms::CREATE),
        ("/delete", Perms::DELETE),
        ("/admin", Perms::ADMIN),
    ] {
        client.create(path, b"").await.unwrap();
        client.create(&format!("{path}/child"), b"").await.unwrap();
        client.set_acl(path, &acl(perms)).await.unwrap();
    }

    for path in ["/read", "/write", "/create", "/delete", "/admin"] {
        let only = |wanted| if path == wanted { Ok } else { NoAuth };
        let (child, new) = (format!("{path}/child"), format!("{path}/new"));
        table! {
            client.get_data(path) => only("/read"),
            client.get_children(path) => only("/read"),
            client.get_all_children_number(path) => only("/read"),
            client.multi().check(path, None) => only("/read"),
            client.set_data(path, b"") => only("/write"),
            client.create(&new, b"") => only("/create"),
            client.delete(&child) => only("/delete"),
            client.get_acl(path) => if path == "/read" { Ok } else { only("/admin") },
            client.set_acl(path, &open) => only("/admin"),
        }
    }
}

pub async fn operations_of_a_multi(ground: Ground) {
    let client = ground.client().await;
    plant(&client).await;
    let ttl = |path| Create2::new(path, b"").mode(CreateMode::PersistentWithTtl).ttl(HOUR);
    let of = |path, mode| Create2::new(path, b"").mode(mode);
    let unknown = [Acl::new(Perms::ALL, "no-such-scheme", "somebody")];
    let odd_acl = Create2 { acl: Some(&unknown), ..Create2::new("/x", b"") };
    let multi = || client.multi();

    table! {
        multi().create("/node", b"") => NodeExists,
        multi().create("/no/parent", b"") => NoNode,
        multi().create("/own/child", b"") => NoChildrenForEphemerals,
        multi().create_with(odd_acl) => InvalidAcl,
        multi().create_with(of("/node", CreateMode::Container)) => NodeExists,
        multi().create_with(of("/own/c", CreateMode::Ephemeral)) => NoChildrenForEphemerals,
        multi().create_with(ttl("/no/parent")) => NoNode,
        multi().delete("/none", None) => NoNode,
        multi().delete("/node", None) => NotEmpty,
        multi().delete("/leaf", 1) => BadVersion,
        multi().set_data("/none", b"", None) => NoNode,
        multi().set_data("/leaf", b"", 1) => BadVersion,
        multi().check("/none", None) => NoNode,
        multi().check("/leaf", 1) => BadVersion,
        // Each sees what those before it did.
        multi().create("/x", b"").create("/x", b"") => NodeExists,
        multi().delete("/leaf", None).set_data("/leaf", b"", None) => NoNode,
        multi().set_data("/leaf", b"", 0).check("/leaf", 0) => BadVersion,
        multi().create("/x", b"").create("/x/y", b"").delete("/x", None) => NotEmpty,
        multi().delete("/node/child", None).delete("/node", None) => Ok,
    }
    assert_eq!(client.get_children("/").await.unwrap().0.to_sorted(), ["leaf", "own"]);
}

pub async fn watches_that_are_not_there(ground: Ground) {
    let client = ground.client().await;
    plant(&client).await;
    let (_, _, data) = client.get_data("/node").watch().await.unwrap();
    let check = |path, watcher_type| client.request(CheckWatches { path, watcher_type });
    let remove = |path, watcher_type| client.request(RemoveWatches { path, watcher_type });

    table! {
        check("/node", WatcherType::Data) => Ok,
        check("/node", WatcherType::Any) => Ok,
        check("/node", WatcherType::Children) => NoWatcher,
        check("/leaf", WatcherType::Any) => NoWatcher,
        check("/none", WatcherType::Any) => NoWatcher,
        remove("/node", WatcherType::Children) => NoWatcher,
        remove("/leaf", WatcherType::Data) => NoWatcher,
        remove("/none", WatcherType::Any) => NoWatcher,
        check("/node", WatcherType::Data) => Ok,
    }
    drop(data);
    assert_eq!(refusal(check("/node", WatcherType::Data).await), NoWatcher);
}

pub async fn beyond_a_quota(ground: Ground) {
    let server = ground.server_with(Settings::QuotasEnforced);
    let client = ground.connect(&server.connect_string()).await;
    client.create("/limited", b"").await.unwrap();
    client.create("/zookeeper/quota/limited", b"").await.unwrap();
    let limits = "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=3";
    client.create("/zookeeper/quota/limited/zookeeper_limits", limits).await.unwrap();
    client.create("/zookeeper/quota/limited/zookeeper_stats", b"").await.unwrap();
    let large = [b'x'; 21];

    table! {
        client.create("/limited/large", &large) => QuotaExceeded,
        client.set_data("/limited", &large) => QuotaExceeded,
        client.create("/limited/1", b"") => Ok,
        client.create("/limited/2", b"0123456789") => Ok,
        client.create("/limited/3", b"") => QuotaExceeded,
        client.create("/limited/3", b"").ephemeral() => QuotaExceeded,
        client.create("/limited/n-", b"").sequential() => QuotaExceeded,
        client.set_data("/limited/1", b"01234567890") => QuotaExceeded,
        client.set_data("/limited/1", b"0123456789") => Ok,
        client.multi().create("/limited/3", b"") => QuotaExceeded,
        client.multi().set_data("/limited", b"1", None) => QuotaExceeded,
        client.delete("/limited/2") => Ok,
        client.create("/limited/3", b"") => Ok,
        client.create("/unlimited", &large) => Ok,
    }
}

pub async fn without_credentials_and_with_them(ground: Ground) {
    let client = ground.client().await;
    assert_eq!(code(client.create("/mine", b"").acl(&Acl::creator_all()).await), InvalidAcl);

    soon(client.add_auth(AuthInfo::digest("alice", "open sesame"))).await.unwrap();

    table! {
        client.create("/mine", b"").acl(&Acl::creator_all()) => Ok,
        client.get_data("/mine") => Ok,
        client.set_acl("/mine", &Acl::creator_all()) => Ok,
    }
    let stranger = ground.client().await;
    assert_eq!(refusal(stranger.get_data("/mine").await), NoAuth);
}
