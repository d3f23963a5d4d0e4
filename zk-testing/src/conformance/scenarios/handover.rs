//! The end of a session by will: closed, dropped, or handed over to another client.

use std::time::Duration;

use zk_proto::{
    client::{Client, Error, OnExpiry, WatchEnd, Watcher},
    code::AddWatchMode::Persistent,
    session::{End, Sent, State, WatchedEventKind::NodeDeleted},
};

use crate::conformance::{Ground, next, soon};

/// Makes a node that ends with its owner's session, and watches it from elsewhere.
async fn own_node(owner: &Client, observer: &Client) -> Watcher {
    owner.create("/own", b"").ephemeral().await.unwrap();
    observer.exists("/own").watch().await.unwrap().1
}

/// Connects with a session timeout that no test can wait for.
async fn connect_for_long(ground: &Ground, servers: &str) -> Client {
    soon(ground.builder(servers).session_timeout(Duration::from_secs(60)).connect()).await.unwrap()
}

pub async fn a_closed_session_takes_its_nodes_along_at_once(ground: Ground) {
    let servers = ground.servers();
    let (owner, observer) = (connect_for_long(&ground, &servers).await, ground.connect(&servers).await);
    let clone = owner.clone();
    let mut gone = own_node(&owner, &observer).await;
    let mut watcher = owner.add_watch("/own", Persistent).await.unwrap();

    let before = owner.create("/before", b"").send();
    soon(owner.close()).await;

    assert_eq!(observer.exists("/own").await.unwrap(), None);
    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
    soon(before).await.unwrap();
    let ended = Error::Ended { end: End::Closed, sent: Sent::No };
    assert_eq!(soon(clone.exists("/")).await.unwrap_err(), ended);
    assert_eq!(owner.state(), State::Ended(End::Closed));
    let mut told = Vec::new();
    while let Some(item) = soon(watcher.next()).await {
        told.push(item);
    }
    assert_eq!(told.pop(), Some(Err(WatchEnd::Session(End::Closed))));
    soon(clone.close()).await;
}

pub async fn closing_begins_with_the_call(ground: Ground) {
    let servers = ground.servers();
    let (owner, observer) = (connect_for_long(&ground, &servers).await, ground.connect(&servers).await);
    let mut gone = own_node(&owner, &observer).await;

    drop(owner.close());

    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
    assert!(matches!(soon(owner.exists("/")).await, Err(Error::Ended { end: End::Closed, .. })));
}

pub async fn dropping_the_last_of_everything_closes_the_session(ground: Ground) {
    let servers = ground.servers();
    let (owner, observer) = (connect_for_long(&ground, &servers).await, ground.connect(&servers).await);
    let mut gone = own_node(&owner, &observer).await;
    let clone = owner.clone();
    let below = owner.chroot("/below").unwrap();
    let watcher = owner.add_watch("/node", Persistent).await.unwrap();

    drop((owner, clone));
    below.exists("/").await.unwrap();
    drop(below);
    assert!(observer.exists("/own").await.unwrap().is_some(), "a watcher keeps it open");
    drop(watcher);

    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
}

pub async fn what_was_asked_for_is_done_before_the_session_is_closed(ground: Ground) {
    let servers = ground.servers();
    let (owner, observer) = (connect_for_long(&ground, &servers).await, ground.connect(&servers).await);
    let mut gone = own_node(&owner, &observer).await;

    let pending: Vec<_> = (0..100).map(|_| owner.create("/n-", b"").sequential().send()).collect();
    owner.create("/last", b"").send().detach();
    drop(owner);
    for pending in pending {
        soon(pending).await.unwrap();
    }

    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
    assert_eq!(observer.get_children("/").await.unwrap().0.len(), 101);
}

pub async fn work_in_the_background_may_clean_up_but_keeps_nothing_open(ground: Ground) {
    let servers = ground.servers();
    let settings = ground.builder(&servers).session_timeout(Duration::from_secs(60));
    let owner = soon(settings.close_timeout(Duration::from_millis(500)).connect()).await.unwrap();
    let observer = ground.connect(&servers).await;
    let mut gone = own_node(&owner, &observer).await;
    let (_, mut cleaned) = observer.exists("/cleaned").watch().await.unwrap();

    owner.spawn(|client| async move {
        // Its outcome is of no interest here; the node is.
        let _ = client.create("/cleaned", b"").await;
    });
    owner.spawn(|_| std::future::pending());
    drop(owner);

    assert_eq!(next(&mut cleaned).await.1, "/cleaned");
    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
}

pub async fn a_session_is_handed_over_with_its_nodes(ground: Ground) {
    let servers = ground.servers();
    let (first, observer) = (ground.connect(&servers).await, ground.connect(&servers).await);
    let mut gone = own_node(&first, &observer).await;
    let mut watcher = first.add_watch("/own", Persistent).await.unwrap();
    let session = first.session();

    let credentials = first.hand_over().unwrap();
    assert_eq!(Some(credentials.session), session);
    assert_eq!(soon(watcher.next()).await, Some(Err(WatchEnd::Session(End::Closed))));
    assert!(matches!(soon(first.exists("/")).await, Err(Error::Ended { end: End::Closed, sent: Sent::No })));
    assert!(first.hand_over().is_none());
    drop((first, watcher));
    let second = soon(ground.builder(&servers).credentials(credentials).connect()).await.unwrap();

    assert!(matches!(second.state(), State::Connected { resumed: true, .. }));
    assert_eq!(second.session(), session);
    assert_eq!(second.get_ephemerals("/").await.unwrap(), ["/own"]);
    assert_eq!(crate::conformance::so_far(&mut gone), []);
    soon(second.close()).await;
    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
}

pub async fn a_session_that_is_over_cannot_be_taken_up(ground: Ground) {
    let servers = ground.servers();
    let first = ground.connect(&servers).await;
    let credentials = first.credentials().unwrap();
    soon(first.close()).await;

    let strict = ground.builder(&servers).credentials(credentials.clone()).on_expiry(OnExpiry::End);
    let error = soon(strict.connect()).await.unwrap_err();
    let lenient = soon(ground.builder(&servers).credentials(credentials.clone()).connect()).await.unwrap();

    assert!(matches!(error, Error::Ended { end: End::Expired, .. }), "{error:?}");
    assert_ne!(lenient.session(), Some(credentials.session));
}

pub async fn nothing_secret_is_printed(ground: Ground) {
    let servers = ground.servers();
    let user = zk_proto::AuthInfo::digest("user", "open sesame");
    let settings = ground.builder(&servers).auth(user.clone());
    let client = soon(settings.clone().connect()).await.unwrap();

    let credentials = client.credentials().unwrap();
    let printed = format!("{settings:?} {client:?} {credentials:?} {user:?}");

    assert!(!printed.contains("open sesame"), "{printed}");
    let password = format!("{:?}", credentials.password.as_bytes());
    assert!(!printed.contains(&password), "{printed}");
}
