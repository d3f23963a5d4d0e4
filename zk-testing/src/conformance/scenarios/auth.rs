//! Credentials: from the beginning, added later, after a reconnect and after an expiry, and refused.

use zk_proto::{
    AuthInfo,
    acl::Perms,
    client::Error,
    code::ErrorCode,
    record::Acl,
    session::{AuthFailure, End, Sent, State},
};

use crate::conformance::{Ground, Settings, code, is_suspended, reach, resume, soon};

fn alice() -> AuthInfo {
    AuthInfo::digest("alice", "open sesame")
}

pub async fn what_the_creator_alone_may_do_nobody_else_may(ground: Ground) {
    let servers = ground.servers();
    let owner = soon(ground.builder(&servers).auth(alice()).connect()).await.unwrap();
    let other = soon(ground.builder(&servers).auth(AuthInfo::digest("alice", "wrong")).connect()).await.unwrap();
    let nobody = ground.connect(&servers).await;

    owner.create("/mine", b"secret").acl(&Acl::creator_all()).await.unwrap();

    assert_eq!(owner.get_data("/mine").await.unwrap().0, "secret");
    for client in [other, nobody] {
        assert_eq!(code(client.get_data("/mine").await), ErrorCode::NoAuth);
        assert_eq!(code(client.get_data("/mine").watch().await), ErrorCode::NoAuth);
        assert_eq!(code(client.get_children("/mine").await), ErrorCode::NoAuth);
        assert_eq!(code(client.set_data("/mine", b"").await), ErrorCode::NoAuth);
        assert_eq!(code(client.create("/mine/child", b"").await), ErrorCode::NoAuth);
        assert_eq!(code(client.set_acl("/mine", &Acl::open()).await), ErrorCode::NoAuth);
        let call = client.multi().create("/new", b"").set_data("/mine", b"", None);
        assert_eq!(code(call.await), ErrorCode::NoAuth);
    }
    assert_eq!(owner.exists("/new").await.unwrap(), None);
}

pub async fn the_connection_says_who_it_is_and_the_node_whom_it_belongs_to(ground: Ground) {
    let servers = ground.servers();
    let client = soon(ground.builder(&servers).auth(alice()).connect()).await.unwrap();
    client.create("/mine", b"").acl(&Acl::creator_all()).await.unwrap();

    let infos = client.who_am_i().await.unwrap();
    let (acl, _) = client.get_acl("/mine").await.unwrap();

    assert!(infos.iter().any(|info| info.user.as_deref() == Some("alice")), "{infos:?}");
    assert_eq!(acl.len(), 1);
    assert_eq!(acl[0].perms, Perms::ALL);
    assert_eq!(acl[0].id.scheme.as_deref(), Some("digest"));
    assert!(acl[0].id.id.as_deref().is_some_and(|id| id.starts_with("alice:")), "{acl:?}");
}

pub async fn credentials_added_later_count_for_what_is_asked_behind_them(ground: Ground) {
    let client = ground.client().await;
    let acl = Acl::creator_all();

    let before = client.create("/before", b"").acl(&acl).send();
    let added = client.add_auth(alice());
    let behind = client.create("/behind", b"").acl(&acl).send();

    assert_eq!(code(soon(before).await), ErrorCode::InvalidAcl);
    soon(behind).await.unwrap();
    soon(added).await.unwrap();
    let bob = AuthInfo::digest("bob", "");
    soon(client.add_auth(bob)).await.unwrap();
    let infos = client.who_am_i().await.unwrap();
    let users: Vec<_> = infos.iter().filter_map(|info| info.user.as_deref()).collect();
    assert!(users.contains(&"alice") && users.contains(&"bob"), "{users:?}");
}

pub async fn all_credentials_are_there_again_after_a_reconnect(ground: Ground) {
    let line = ground.line();
    let client = soon(ground.builder(&line.through).auth(alice()).connect()).await.unwrap();
    soon(client.add_auth(AuthInfo::digest("bob", "secret"))).await.unwrap();
    client.create("/mine", b"").acl(&Acl::creator_all()).await.unwrap();
    let mut states = client.states();

    for _ in 0..3 {
        line.proxy.cut();
        // This may be asked on the old link or the new one.
        let read = soon(client.get_data("/mine").resend()).await;
        assert!(read.is_ok(), "{read:?}");
        resume(&mut states).await;
        soon(client.set_data("/mine", b"")).await.unwrap();
    }

    let infos = client.who_am_i().await.unwrap();
    let users: Vec<_> = infos.iter().filter_map(|info| info.user.as_deref()).collect();
    assert!(users.contains(&"alice") && users.contains(&"bob"), "{users:?}");
}

pub async fn credentials_added_without_a_link_go_out_on_the_next_one(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    let added = client.add_auth(alice());
    let acl = Acl::creator_all();
    let created = client.create("/mine", b"").acl(&acl).send();
    line.mend();

    soon(added).await.unwrap();
    soon(created).await.unwrap();
}

pub async fn the_super_user_may_do_everything(ground: Ground) {
    let server = ground.server_with(Settings::SuperUser);
    let owner = soon(ground.builder(&server.connect_string()).auth(alice()).connect()).await.unwrap();
    owner.create("/mine", b"secret").acl(&Acl::creator_all()).await.unwrap();
    let root = ground.connect(&server.connect_string()).await;
    assert_eq!(code(root.get_data("/mine").await), ErrorCode::NoAuth);

    soon(root.add_auth(AuthInfo::digest("super", "test"))).await.unwrap();

    assert_eq!(root.get_data("/mine").await.unwrap().0, "secret");
    root.set_acl("/mine", &Acl::open()).await.unwrap();
}

/// Returns whether an error says which credentials were refused.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::AuthFailed(failure)
        if matches!(&**failure, AuthFailure::Credentials { scheme, .. } if scheme == "no-such-scheme"))
}

pub async fn refused_credentials_end_the_session(ground: Ground) {
    let servers = ground.servers();
    let unknown = AuthInfo::new("no-such-scheme", b"secret");

    let error = soon(ground.builder(&servers).auth(unknown.clone()).connect()).await.unwrap_err();
    assert!(is_refusal(&error), "{error:?}");

    let client = ground.connect(&servers).await;
    let mut states = client.states();
    let mut watcher = client.exists("/node").watch().await.unwrap().1;
    let error = soon(client.add_auth(unknown)).await.unwrap_err();
    assert!(matches!(error, Error::Ended { end: End::AuthFailed, .. }), "{error:?}");
    reach(&mut states, |state| *state == State::Ended(End::AuthFailed)).await;
    assert_eq!(soon(states.next()).await, None);
    assert!(soon(watcher.next()).await.unwrap().is_err());
    let error = soon(client.exists("/")).await.unwrap_err();
    assert_eq!(error, Error::Ended { end: End::AuthFailed, sent: Sent::No });
}

pub async fn a_server_that_demands_credentials_ends_the_session_of_whoever_has_none(ground: Ground) {
    let server = ground.server_with(Settings::DigestRequired);
    let servers = server.connect_string();
    let welcome = soon(ground.builder(&servers).auth(alice()).connect()).await.unwrap();
    welcome.create("/node", b"").await.unwrap();

    let unwelcome = soon(ground.builder(&servers).connect()).await.unwrap();
    let error = soon(unwelcome.exists("/node")).await.unwrap_err();

    assert!(
        matches!(error, Error::Ended { end: End::AuthFailed, .. })
            || error == Error::Server(ErrorCode::SessionClosedRequireSaslAuth),
        "{error:?}"
    );
    let mut states = unwelcome.states();
    reach(&mut states, |state| *state == State::Ended(End::AuthFailed)).await;
}
