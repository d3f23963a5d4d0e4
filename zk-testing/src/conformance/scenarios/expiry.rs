//! Sessions that end on the server, and what follows.

use std::time::Duration;

use zk_proto::{
    client::{Client, Error, OnExpiry, WatchEnd},
    code::AddWatchMode::Persistent,
    session::{End, Sent, State, WatchedEventKind::NodeDeleted, WatchedEventKind::Resync},
};

use crate::conformance::{Ground, is_connected, is_suspended, next, reach, so_far, soon};

/// Waits until a client has another session than this one.
async fn renewed(client: &Client, states: &mut zk_proto::client::States) {
    let state = reach(states, is_connected).await;
    assert!(matches!(state, State::Connected { resumed: false, .. }), "{state:?}");
    assert!(client.session().is_some());
}

pub async fn a_session_that_is_cut_off_for_too_long_expires_and_another_begins(ground: Ground) {
    let line = ground.line();
    let timeout = Duration::from_secs(2);
    let client = soon(ground.builder(&line.through).session_timeout(timeout).connect()).await.unwrap();
    let other = ground.connect(&line.direct).await;
    let session = client.session().unwrap();
    client.create("/own", b"").ephemeral().await.unwrap();
    let (_, mut gone) = other.exists("/own").watch().await.unwrap();
    let mut states = client.states();
    assert!(is_connected(&soon(states.next()).await.unwrap()));

    line.sever();
    let mut seen = vec![soon(states.next()).await.unwrap(), soon(states.next()).await.unwrap()];
    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
    assert_eq!(client.session(), Some(session), "only the server can say so");
    line.mend();
    while !is_connected(seen.last().unwrap()) {
        seen.push(soon(states.next()).await.unwrap());
    }

    assert!(is_suspended(&seen[0]));
    assert_eq!(seen[1..4], [State::PresumedLost, State::Ended(End::Expired), State::Connecting]);
    let State::Connected { session: renewed, resumed, .. } = seen[4] else { panic!("{seen:?}") };
    assert_ne!(renewed, session);
    assert!(!resumed);
    assert_eq!(client.session(), Some(renewed));
    assert_eq!(client.exists("/own").await.unwrap(), None);
}

pub async fn everything_that_was_left_to_the_old_session_is_told_its_end(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    client.create("/node", b"").await.unwrap();
    let (_, _, mut one_shot) = client.get_data("/node").watch().await.unwrap();
    let mut persistent = client.add_watch("/node", Persistent).await.unwrap();
    let mut states = client.states();

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    let queued = client.create("/queued", b"").send();
    let watched = client.exists("/queued").watch().send();
    let auth = client.add_auth(zk_proto::AuthInfo::digest("user", "password"));
    line.mend();

    let ended = Error::Ended { end: End::Expired, sent: Sent::No };
    let error = soon(queued).await.unwrap_err();
    assert_eq!(error, ended);
    assert!(error.is_certainly_not_applied());
    assert_eq!(soon(watched).await.unwrap_err(), ended);
    assert_eq!(soon(auth).await.unwrap_err(), ended);
    let end = WatchEnd::Session(End::Expired);
    for watcher in [&mut one_shot, &mut persistent] {
        assert_eq!(soon(watcher.next()).await, Some(Err(end)));
        assert_eq!(soon(watcher.next()).await, None);
        assert_eq!(soon(watcher.changed()).await, Err(end));
    }
    renewed(&client, &mut states).await;
    assert_eq!(client.exists("/queued").await.unwrap(), None);
}

pub async fn events_told_before_the_end_are_heard_before_the_end(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    client.create("/node", b"").await.unwrap();
    let (_, _, mut one_shot) = client.get_data("/node").watch().await.unwrap();
    let mut persistent = client.add_watch("/other", Persistent).await.unwrap();
    client.set_data("/node", b"").await.unwrap();
    client.create("/other", b"").await.unwrap();
    let mut states = client.states();

    line.expire(&client).await;
    line.mend();
    reach(&mut states, |state| *state == State::Ended(End::Expired)).await;

    assert!(soon(one_shot.next()).await.unwrap().is_ok());
    assert_eq!(soon(one_shot.next()).await, None);
    assert!(soon(persistent.next()).await.unwrap().is_ok());
    assert_eq!(soon(persistent.next()).await, Some(Err(WatchEnd::Session(End::Expired))));
}

pub async fn a_new_session_is_as_good_as_the_first(ground: Ground) {
    let line = ground.line();
    let user = zk_proto::AuthInfo::digest("user", "password");
    let client = soon(ground.builder(&line.through).auth(user).connect()).await.unwrap();
    client.create("/mine", b"").acl(&zk_proto::record::Acl::creator_all()).await.unwrap();
    let mut states = client.states();
    let mut sessions = vec![client.session().unwrap()];

    for _ in 0..3 {
        line.expire(&client).await;
        line.mend();
        reach(&mut states, |state| *state == State::Ended(End::Expired)).await;
        renewed(&client, &mut states).await;
        let session = client.session().unwrap();
        assert!(!sessions.contains(&session));
        sessions.push(session);

        let (_, stat) = client.create("/own", b"").ephemeral().await.unwrap();
        assert_eq!(stat.ephemeral_owner, session);
        let mut watcher = client.add_watch("/own", Persistent).await.unwrap();
        client.set_data("/mine", b"the credentials are there again").await.unwrap();
        line.proxy.cut();
        assert_eq!(next(&mut watcher).await, (Resync, "/own".to_string()));
        client.delete("/own").await.unwrap();
        assert_eq!(so_far(&mut watcher), [(NodeDeleted, "/own".to_string())]);
        while !is_connected(&soon(states.next()).await.unwrap()) {}
    }
}

pub async fn requests_pinned_to_the_old_session_are_not_made_in_the_new_one(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let old = client.session().unwrap();
    client.create("/node", b"").pin(old).await.unwrap();
    let mut states = client.states();

    line.expire(&client).await;
    line.mend();
    reach(&mut states, |state| *state == State::Ended(End::Expired)).await;
    renewed(&client, &mut states).await;

    let error = soon(client.delete("/node").pin(old)).await.unwrap_err();
    assert_eq!(error, Error::SessionChanged);
    assert!(error.is_certainly_not_applied());
    assert_eq!(soon(client.delete("/node").pin(old).send()).await.unwrap_err(), Error::SessionChanged);
    soon(client.delete("/node").pin(client.session().unwrap())).await.unwrap();
}

pub async fn a_client_may_be_told_to_end_with_its_session(ground: Ground) {
    let line = ground.line();
    let client = soon(ground.builder(&line.through).on_expiry(OnExpiry::End).connect()).await.unwrap();
    let mut watcher = client.add_watch("/node", Persistent).await.unwrap();
    let mut states = client.states();

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    let queued = client.create("/node", b"").send();
    line.mend();

    let ended = Error::Ended { end: End::Expired, sent: Sent::No };
    assert_eq!(soon(queued).await.unwrap_err(), ended);
    reach(&mut states, |state| *state == State::Ended(End::Expired)).await;
    assert_eq!(soon(states.next()).await, None);
    assert_eq!(soon(watcher.next()).await, Some(Err(WatchEnd::Session(End::Expired))));
    assert_eq!(soon(client.exists("/")).await.unwrap_err(), ended);
    assert_eq!(soon(client.connected()).await.unwrap_err(), ended);
    assert_eq!(client.state(), State::Ended(End::Expired));
}

pub async fn a_client_may_be_told_to_give_up_by_itself(ground: Ground) {
    let line = ground.line();
    let limit = Duration::from_millis(200);
    let settings = ground.builder(&line.through).on_expiry(OnExpiry::End).give_up_after(limit);
    let client = soon(settings.connect()).await.unwrap();
    let mut states = client.states();

    line.sever();

    reach(&mut states, |state| *state == State::Ended(End::Expired)).await;
    assert!(matches!(soon(client.exists("/")).await, Err(Error::Ended { end: End::Expired, .. })));
    line.mend();
}

pub async fn a_request_in_flight_at_the_end_is_in_doubt(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let other = ground.connect(&line.direct).await;

    line.proxy.black_hole(crate::ensemble::Direction::ToClient);
    let written = client.create("/node", b"").send();
    while soon(other.exists("/node")).await.unwrap().is_none() {}
    line.expire(&client).await;
    line.mend();

    let error = soon(written).await.unwrap_err();
    assert!(!error.is_certainly_not_applied(), "{error}");
}
