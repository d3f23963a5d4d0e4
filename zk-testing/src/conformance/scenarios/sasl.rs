//! SASL by DIGEST-MD5: who one is, on every link and before anything else; and what comes of a wrong password.

use std::sync::Arc;

use zk_proto::{
    AuthInfo,
    acl::Perms,
    client::{Builder, Error},
    code::ErrorCode,
    record::Acl,
    sasl::DigestMd5,
    session::{AuthFailure, End, Sent, State, WatchedEventKind},
};

use crate::conformance::{
    Ground, Settings, code,
    ground::Lent,
    next,
    own_server::{ODD_PASSWORD, ODD_USER},
    reach, resume, soon,
};

fn bob(ground: &Ground, servers: &str) -> Builder<Lent> {
    ground.builder(servers).sasl(Arc::new(DigestMd5::new("bob", "secret")))
}

pub async fn who_knows_the_password_is_who_he_says_he_is(ground: Ground) {
    let server = ground.server_with(Settings::Sasl);
    let servers = server.connect_string();
    let bob = soon(bob(&ground, &servers).connect()).await.unwrap();
    let nobody = ground.connect(&servers).await;

    bob.create("/mine", b"secret").acl(&Acl::creator_all()).await.unwrap();
    bob.create("/ours", b"").acl(&[Acl::sasl(Perms::READ, "bob"), Acl::digest(Perms::ALL, "ann:hash")]).await.unwrap();

    assert_eq!(bob.get_data("/mine").await.unwrap().0, "secret");
    assert_eq!(bob.get_acl("/mine").await.unwrap().0, [Acl::sasl(Perms::ALL, "bob")]);
    assert_eq!(code(nobody.get_data("/mine").await), ErrorCode::NoAuth);
    assert!(bob.get_data("/ours").await.is_ok());
    assert_eq!(code(bob.set_data("/ours", b"").await), ErrorCode::NoAuth);
    let infos = bob.who_am_i().await;
    // Servers before 3.7 cannot tell.
    assert!(infos.is_err() || infos.unwrap().iter().any(|info| info.user.as_deref() == Some("bob")));
}

pub async fn who_does_not_know_the_password_is_not_let_in_and_told_so(ground: Ground) {
    let server = ground.server_with(Settings::Sasl);
    let servers = server.connect_string();
    // Not with bob's password: real servers take a user whom they do not know for the last one whom they did.
    for login in [DigestMd5::new("bob", "wrong"), DigestMd5::new("nobody", "nothing")] {
        let error = soon(ground.builder(&servers).sasl(Arc::new(login)).connect()).await.unwrap_err();

        assert_eq!(error, AuthFailure::Refused(ErrorCode::AuthFailed).into());
        assert_eq!(
            error.to_string(),
            "session ended: authentication failed: SASL was refused by the server: authentication failed"
        );
    }
    let misled = DigestMd5::new("bob", "secret").realm("another");
    let error = soon(ground.builder(&servers).sasl(Arc::new(misled)).connect()).await.unwrap_err();
    assert!(error.to_string().contains("the server does not offer the realm"), "{error}");
}

pub async fn requests_of_who_is_not_let_in_are_not_sent(ground: Ground) {
    let server = ground.server_with(Settings::Sasl);
    let login = DigestMd5::new("bob", "wrong");
    let client = ground.builder(&server.connect_string()).sasl(Arc::new(login)).connect_lazy();

    let error = soon(client.create("/node", b"")).await.unwrap_err();

    assert_eq!(error, Error::Ended { end: End::AuthFailed, sent: Sent::No });
    assert_eq!(client.auth_failure(), Some(AuthFailure::Refused(ErrorCode::AuthFailed)));
    assert_eq!(client.state(), State::Ended(End::AuthFailed));
}

pub async fn a_server_without_sasl_is_not_taken_for_one_with(ground: Ground) {
    let error = soon(bob(&ground, &ground.servers()).connect()).await.unwrap_err();

    assert_eq!(error, AuthFailure::NoToken.into());
}

pub async fn every_link_is_authenticated_before_credentials_watches_and_requests(ground: Ground) {
    let server = ground.server_with(Settings::SaslRequired);
    let proxy = ground.proxy_to(server.address());
    let client =
        soon(bob(&ground, &proxy.connect_string()).auth(AuthInfo::digest("ann", "1")).connect()).await.unwrap();
    let other = soon(bob(&ground, &server.connect_string()).connect()).await.unwrap();
    client.create("/mine", b"").acl(&[Acl::sasl(Perms::ALL, "bob")]).await.unwrap();
    let mut states = client.states();

    for _ in 0..3 {
        let (_, _, mut watcher) = client.get_data("/mine").watch().await.unwrap();
        proxy.cut();
        let read = soon(client.get_data("/mine").resend()).await;
        assert!(read.is_ok(), "{read:?}");
        resume(&mut states).await;

        other.set_data("/mine", b"new").await.unwrap();

        assert_eq!(next(&mut watcher).await, (WatchedEventKind::NodeDataChanged, "/mine".to_owned()));
    }
    let acl = [Acl::creator(Perms::ALL)];
    client.create("/both", b"").acl(&acl).await.unwrap();
    let (stored, _) = client.get_acl("/both").await.unwrap();
    let schemes: Vec<_> = stored.iter().filter_map(|acl| acl.id.scheme.as_deref()).collect();
    assert!(schemes.contains(&"sasl") && schemes.contains(&"digest"), "{stored:?}");
}

pub async fn a_server_that_demands_sasl_ends_the_session_of_whoever_does_not_do_it(ground: Ground) {
    let server = ground.server_with(Settings::SaslRequired);
    let servers = server.connect_string();
    let by_digest = ground.builder(&servers).auth(AuthInfo::digest("bob", "secret")).connect_lazy();
    let by_nothing = ground.builder(&servers).connect_lazy();
    for client in [by_digest, by_nothing] {
        let mut states = client.states();

        let error = soon(client.create("/node", b"")).await.unwrap_err();

        assert!(
            matches!(error, Error::Ended { end: End::AuthFailed, .. })
                || error == Error::Server(ErrorCode::SessionClosedRequireSaslAuth),
            "{error:?}"
        );
        reach(&mut states, |state| *state == State::Ended(End::AuthFailed)).await;
        assert_eq!(client.auth_failure(), Some(AuthFailure::Required));
    }

    let wrong = DigestMd5::new("bob", "wrong");
    let error = soon(ground.builder(&servers).sasl(Arc::new(wrong)).connect()).await.unwrap_err();
    assert_eq!(error, AuthFailure::Refused(ErrorCode::SessionClosedRequireSaslAuth).into());
    let welcome = soon(bob(&ground, &servers).connect()).await.unwrap();
    welcome.create("/node", b"").await.unwrap();
}

pub async fn names_and_passwords_may_hold_what_must_be_quoted_and_what_is_not_ascii(ground: Ground) {
    let server = ground.server_with(Settings::Sasl);
    let login = DigestMd5::new(ODD_USER, ODD_PASSWORD);

    let client = soon(ground.builder(&server.connect_string()).sasl(Arc::new(login)).connect()).await.unwrap();

    client.create("/mine", b"").acl(&Acl::creator_all()).await.unwrap();
    assert_eq!(client.get_acl("/mine").await.unwrap().0, [Acl::sasl(Perms::ALL, ODD_USER)]);
}

pub async fn a_session_is_taken_up_by_who_knows_the_password(ground: Ground) {
    let server = ground.server_with(Settings::SaslRequired);
    let servers = server.connect_string();
    let first = soon(bob(&ground, &servers).connect()).await.unwrap();
    first.create("/own", b"").ephemeral().await.unwrap();
    let session = first.session();
    let credentials = first.hand_over().unwrap();

    let second = soon(bob(&ground, &servers).credentials(credentials).connect()).await.unwrap();

    assert_eq!(second.session(), session);
    assert!(second.exists("/own").await.unwrap().is_some());
}
