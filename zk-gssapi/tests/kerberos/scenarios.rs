//! What the tests are about. Each is one process, with tickets of its own.

use std::{sync::Arc, time::Duration};

use zk_gssapi::Gssapi;
use zk_proto::{
    acl::Perms,
    client::{Builder, Client, Error, States},
    code::ErrorCode,
    record::Acl,
    session::{AuthFailure, End, State},
};
use zk_testing::ensemble::Proxy;

use crate::{
    Adapter,
    realm::{Realm, SHORTLY},
};

/// Waits until the client is connected again.
async fn resumed(states: &mut States) {
    while let Some(state) = states.next().await {
        if let State::Connected { resumed: true, .. } = state {
            return;
        }
    }
    panic!("the client has ended");
}

/// Returns why the session has ended.
async fn failure(client: &Client) -> String {
    let mut states = client.states();
    while let Some(state) = states.next().await {
        assert!(!matches!(state, State::Ended(end) if end != End::AuthFailed), "{state:?}");
    }
    client.auth_failure().expect("the session has ended by that").to_string()
}

/// Returns what the mechanism says about a connection that does not come about.
fn refused(outcome: Result<Client, Error>) -> String {
    match outcome {
        Err(Error::AuthFailed(failure)) => failure.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Puts a proxy before the server. Its name is the server's, so the ticket is.
fn proxy(realm: &Realm) -> (Proxy, String) {
    let port: u16 = realm.servers.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
    let proxy = Proxy::start(([127, 0, 0, 1], port).into()).unwrap();
    let servers = format!("localhost:{}", proxy.address().port());
    (proxy, servers)
}

pub(crate) async fn a_ticket_of_the_cache_is_who_we_are_on_every_link(adapter: impl Adapter, realm: &Realm) {
    realm.kinit("bob");
    let (proxy, servers) = proxy(realm);
    let client = adapter.connect(&servers, Gssapi::new()).await.unwrap();
    let path = format!("/{}", realm.adapter);
    client.create(&path, b"").acl(&Acl::creator_all()).await.unwrap();
    assert_eq!(client.get_acl(&path).await.unwrap().0, [Acl::sasl(Perms::ALL, "bob@EXAMPLE.COM")]);
    let mut states = client.states();

    for round in 0..3 {
        let (_, _, mut watcher) = client.get_data(&path).watch().await.unwrap();
        proxy.cut();
        resumed(&mut states).await;
        client.set_data(&path, &[round]).await.unwrap();
        watcher.changed().await.unwrap();
    }

    let other = adapter.connect(&realm.servers, Gssapi::new().principal("bob@EXAMPLE.COM")).await.unwrap();
    assert!(other.get_data(&path).await.is_ok());
}

pub(crate) async fn a_keytab_is_as_good_as_a_ticket_and_the_principal_picks_the_key(
    adapter: impl Adapter,
    realm: &Realm,
) {
    let path = format!("/keytab-{}", realm.adapter);
    let client = adapter.connect(&realm.servers, Gssapi::new().principal("ann@EXAMPLE.COM")).await.unwrap();

    client.create(&path, b"").acl(&Acl::creator_all()).await.unwrap();

    assert_eq!(client.get_acl(&path).await.unwrap().0, [Acl::sasl(Perms::ALL, "ann@EXAMPLE.COM")]);
}

pub(crate) async fn a_keytab_outlives_its_tickets(adapter: impl Adapter, realm: &Realm) {
    let (proxy, servers) = proxy(realm);
    let client = adapter.connect(&servers, Gssapi::new().principal("short@EXAMPLE.COM")).await.unwrap();
    let mut states = client.states();

    // Other work of the client's goes on meanwhile, on whatever thread it has.
    client.sleep(SHORTLY + Duration::from_secs(1)).await.unwrap();
    proxy.cut();

    resumed(&mut states).await;
    assert_eq!(client.auth_failure(), None);
}

pub(crate) async fn without_a_ticket_the_session_ends_and_says_so(adapter: impl Adapter, realm: &Realm) {
    let text = refused(adapter.connect(&realm.servers, Gssapi::new()).await);

    assert!(text.starts_with("SASL: GSSAPI: no tickets: "), "{text}");
    assert!(text.ends_with("(as the default principal, with zookeeper@localhost)"), "{text}");
}

pub(crate) async fn an_expired_ticket_ends_the_session_and_a_new_one_does_not(adapter: impl Adapter, realm: &Realm) {
    realm.kinit("short");
    let (proxy, servers) = proxy(realm);
    let client = adapter.connect(&servers, Gssapi::new()).await.unwrap();
    let mut states = client.states();

    client.sleep(SHORTLY + Duration::from_secs(1)).await.unwrap();
    realm.kinit("short");
    proxy.cut();
    resumed(&mut states).await;

    client.sleep(SHORTLY + Duration::from_secs(1)).await.unwrap();
    client.exists("/").await.expect("a link that is up does not mind");
    proxy.cut();
    let text = failure(&client).await;
    assert!(text.contains("expired"), "{text}");
}

pub(crate) async fn a_principal_that_is_none_is_named(adapter: impl Adapter, realm: &Realm) {
    realm.kinit("bob");
    let no_server = refused(adapter.connect(&realm.servers, Gssapi::new().service("nonsuch")).await);
    assert!(no_server.contains("not found in Kerberos database"), "{no_server}");
    assert!(no_server.contains("with nonsuch@localhost"), "{no_server}");

    let no_client = refused(adapter.connect(&realm.servers, Gssapi::new().principal("nobody@EXAMPLE.COM")).await);
    assert!(no_client.contains("(as nobody@EXAMPLE.COM, with "), "{no_client}");

    let no_host = refused(adapter.connect(&realm.servers, Gssapi::new().host("nowhere")).await);
    assert!(no_host.contains("with zookeeper@nowhere"), "{no_host}");
}

pub(crate) async fn a_server_with_another_key_is_not_taken_for_the_one_asked_for(adapter: impl Adapter, realm: &Realm) {
    realm.kinit("bob");
    let elsewhere = Gssapi::new().service_principal("zookeeper/elsewhere@EXAMPLE.COM");

    let error = adapter.connect(&realm.servers, elsewhere).await.unwrap_err();

    // It cannot read the ticket.
    assert_eq!(error, AuthFailure::Refused(ErrorCode::SessionClosedRequireSaslAuth).into());
    let right = Gssapi::new().service_principal("zookeeper/localhost@EXAMPLE.COM");
    adapter.connect(&realm.servers, right).await.unwrap();
}

pub(crate) async fn without_a_key_server_the_client_goes_on_trying(adapter: impl Adapter, realm: &Realm) {
    let builder = Builder::new(&realm.servers).unwrap().with_runtime(adapter);
    let builder = builder.sasl(Arc::new(Gssapi::new())).connect_timeout(Duration::from_secs(3));

    let error = builder.connect().await.unwrap_err();

    assert!(matches!(error, Error::Connect(_)), "{error:?}");
    assert!(error.to_string().contains("given up for now: SASL: GSSAPI: "), "{error}");
}

pub(crate) async fn a_server_without_sasl_is_not_taken_for_one_with(adapter: impl Adapter, realm: &Realm) {
    realm.kinit("bob");

    let error = adapter.connect(&realm.without_sasl, Gssapi::new()).await.unwrap_err();

    assert_eq!(error, AuthFailure::NoToken.into());
}
