//! What only a server in memory does on demand.

use std::time::{Duration, Instant};

use zk_proto::{
    client::{Error, OnExpiry},
    code::{AddWatchMode::PersistentRecursive, ErrorCode, OpCode},
    session::{
        Cause, End, State,
        WatchedEventKind::{NodeCreated, NodeDeleted},
    },
};

use crate::{
    conformance::{Ground, code, is_connected, is_suspended, next, reach, resume, so_far, soon},
    server::ReadOnly,
};

pub async fn a_lost_reply_is_found_out_by_the_next_one_and_costs_the_link(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    let session = client.session();
    let mut states = client.states();

    server.swallow_reply(OpCode::Create2);
    let written = client.create("/node", b"").send();
    let behind = client.exists("/node").send();

    let state = reach(&mut states, is_suspended).await;
    assert!(matches!(state, State::Suspended { cause: Cause::Violation(_), .. }), "{state:?}");
    assert_eq!(soon(written).await.unwrap_err(), Error::Lost);
    assert_eq!(soon(behind).await.unwrap_err(), Error::Lost);
    reach(&mut states, is_connected).await;
    assert!(client.exists("/node").await.unwrap().is_some(), "it was carried out");
    assert_eq!(client.session(), session);
}

pub async fn replies_may_be_late_and_are_still_in_order(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    let delay = Duration::from_millis(50);
    server.delay_replies(delay);
    let mut tree = client.add_watch("/", PersistentRecursive).await.unwrap();

    let begin = Instant::now();
    let pending: Vec<_> = (0..100).map(|number| client.create(&format!("/{number}"), b"").send()).collect();
    for (number, created) in pending.into_iter().enumerate() {
        assert_eq!(soon(created).await.unwrap().0, format!("/{number}"));
    }
    let all: Vec<_> = (0..100).map(|number| (NodeCreated, format!("/{number}"))).collect();
    assert_eq!(so_far(&mut tree), all);

    assert!(begin.elapsed() >= delay);
}

pub async fn an_expired_session_is_over_at_once(ground: Ground) {
    let server = ground.test_server();
    let client = soon(ground.builder(&server.connect_string()).on_expiry(OnExpiry::End).connect()).await.unwrap();
    let observer = ground.connect(&server.connect_string()).await;
    client.create("/own", b"").ephemeral().await.unwrap();
    let (_, mut gone) = observer.exists("/own").watch().await.unwrap();
    let mut states = client.states();

    assert!(server.expire_session(client.session().unwrap()));

    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
    reach(&mut states, |state| *state == State::Ended(End::Expired)).await;
    assert!(matches!(soon(client.exists("/")).await, Err(Error::Ended { end: End::Expired, .. })));
}

pub async fn a_new_leader_goes_on_with_the_session(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    let (_, before) = client.create("/before", b"").ephemeral().await.unwrap();
    let mut states = client.states();

    server.begin_epoch();
    server.restart();
    resume(&mut states).await;

    let (_, after) = client.create("/after", b"").await.unwrap();
    assert_eq!(after.czxid.0 >> 32, (before.czxid.0 >> 32) + 1);
    assert_eq!(client.exists("/before").await.unwrap(), Some(before));
}

pub async fn a_sequence_ends_at_its_ceiling(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    client.create("/list", b"").await.unwrap();
    assert!(server.set_sequence("/list", i32::MAX - 1));

    let last_but_one = client.create("/list/n-", b"").sequential().await.unwrap().0;
    let last = client.create("/list/n-", b"").sequential().await.unwrap().0;

    assert_eq!((last_but_one.as_str(), last.as_str()), ("/list/n-2147483646", "/list/n-2147483647"));
    assert_eq!(code(client.create("/list/n-", b"").sequential().await), ErrorCode::NodeExists);
}

pub async fn a_server_cut_off_from_its_quorum_serves_readers_only(ground: Ground) {
    let server = ground.test_server();
    let writer = ground.connect(&server.connect_string()).await;
    writer.create("/node", b"data").await.unwrap();
    let mut states = writer.states();
    server.set_read_only(Some(ReadOnly::LocalSessions));
    // What it asks for before it knows might go out on the link that is being cut.
    reach(&mut states, is_suspended).await;

    let reader = soon(ground.builder(&server.connect_string()).read_only().connect()).await.unwrap();
    assert!(matches!(reader.state(), State::Connected { read_only: true, .. }), "{:?}", reader.state());
    assert_eq!(reader.get_data("/node").await.unwrap().0, "data");
    assert_eq!(code(reader.set_data("/node", b"").await), ErrorCode::NotReadOnly);
    assert_eq!(code(reader.create("/new", b"").await), ErrorCode::NotReadOnly);
    assert_eq!(code(reader.delete("/node").await), ErrorCode::NotReadOnly);
    assert_eq!(code(reader.sync("/").await), ErrorCode::NotReadOnly);
    assert_eq!(code(reader.multi().check("/node", None).await), ErrorCode::NotReadOnly);
    let queued = writer.set_data("/node", b"queued").send();
    let mut states = reader.states();
    server.set_read_only(None);

    soon(queued).await.unwrap();
    reach(&mut states, |state| matches!(state, State::Connected { read_only: false, .. })).await;
    soon(reader.create("/new", b"")).await.unwrap();
}
