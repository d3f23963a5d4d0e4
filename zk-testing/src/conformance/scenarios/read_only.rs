//! A minority of an ensemble, which serves readers that want to be served by it.

use std::time::Duration;

use crate::ensemble::{Builder, Ensemble, Mode};
use zk_proto::{
    client::Error,
    code::ErrorCode,
    session::{State, WatchedEventKind::NodeDataChanged},
};

use crate::conformance::{Ground, PATIENCE, code, is_connected, next, reach, resume, so_far, soon};

const LEFT: usize = 0;

/// Kills all members but one, and waits until that one serves readers.
fn leave_one(ensemble: &Ensemble) {
    for server in &ensemble.servers()[1..] {
        server.kill().unwrap();
    }
    ensemble.server(LEFT).wait_mode(Mode::ReadOnly, PATIENCE).unwrap();
}

pub async fn readers_are_served_by_a_minority_and_move_when_there_is_a_quorum_again(ground: Ground) {
    let ensemble = Builder::new().read_only().start_ensemble(3).unwrap();
    let writer = ground.connect(&ensemble.server(LEFT).connect_string()).await;
    writer.create("/node", b"data").await.unwrap();
    leave_one(&ensemble);

    let servers = ensemble.connect_string();
    let reader = soon(ground.builder(&servers).read_only().connect()).await.unwrap();
    assert!(matches!(reader.state(), State::Connected { read_only: true, .. }), "{:?}", reader.state());
    let (data, stat, mut watcher) = reader.get_data("/node").watch().await.unwrap();
    assert_eq!(data, "data");
    assert_eq!(reader.get_children("/").await.unwrap().0.to_sorted(), ["node", "zookeeper"]);
    let error = reader.set_data("/node", b"").await.unwrap_err();
    assert!(error.is_certainly_not_applied());
    assert_eq!(code::<()>(Err(error)), ErrorCode::NotReadOnly);
    assert_eq!(code(reader.create("/new", b"").ephemeral().await), ErrorCode::NotReadOnly);
    assert_eq!(code(reader.sync("/").await), ErrorCode::NotReadOnly);
    assert_eq!(code(reader.multi().delete("/node", None).await), ErrorCode::NotReadOnly);
    assert_eq!(reader.exists("/node").await.unwrap(), Some(stat));

    let impatient = ground.builder(&servers).connect_timeout(Duration::from_millis(500));
    let error = soon(impatient.connect()).await.unwrap_err();
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
    let patient = ground.builder(&servers).connect_lazy();
    let queued = patient.create("/new", b"").send();

    let mut states = reader.states();
    ensemble.server(1).start_again().unwrap();
    reach(&mut states, |state| matches!(state, State::Connected { read_only: false, .. })).await;
    soon(queued).await.unwrap();
    soon(reader.set_data("/node", b"writable")).await.unwrap();
    assert_eq!(next(&mut watcher).await, (NodeDataChanged, "/node".to_string()));
}

pub async fn a_session_of_the_quorum_is_kept_while_readers_are_served_elsewhere(ground: Ground) {
    let ensemble = Builder::new().read_only().property("localSessionsEnabled", "false").start_ensemble(3).unwrap();
    let timeout = Duration::from_secs(60);
    let settings = ground.builder(&ensemble.connect_string()).read_only().session_timeout(timeout);
    let client = soon(settings.connect()).await.unwrap();
    let session = client.session();
    client.create("/own", b"").ephemeral().await.unwrap();
    let (_, mut watcher) = client.exists("/own").watch().await.unwrap();
    let mut states = client.states();

    // Such a server answers and refuses, which must not be taken for an expiry.
    leave_one(&ensemble);
    let refused = ground.builder(&ensemble.server(LEFT).connect_string()).read_only();
    let error = soon(refused.connect_timeout(Duration::from_millis(500)).connect()).await.unwrap_err();
    let Error::Connect(failure) = &error else { panic!("{error:?}") };
    let cause = failure.servers[0].1.as_deref().unwrap_or_default();
    assert!(cause.contains("read-only"), "{error}");
    ensemble.server(1).start_again().unwrap();
    resume(&mut states).await;

    assert_eq!(client.session(), session);
    assert!(client.exists("/own").await.unwrap().is_some());
    assert_eq!(so_far(&mut watcher), []);
}

pub async fn the_search_for_a_writable_server_finds_it_beside_the_present_one(ground: Ground) {
    let ensemble = Builder::new().read_only().start_ensemble(3).unwrap();
    leave_one(&ensemble);
    let client = soon(ground.builder(&ensemble.connect_string()).read_only().connect()).await.unwrap();
    assert_eq!(client.server().unwrap().port, ensemble.server(LEFT).port());
    let mut states = client.states();
    assert!(is_connected(&soon(states.next()).await.unwrap()));

    // The two others find each other, while the present one is kept from joining them.
    ensemble.server(LEFT).pause().unwrap();
    ensemble.server(1).start_again().unwrap();
    ensemble.server(2).start_again().unwrap();
    ensemble.wait_quorum(PATIENCE).unwrap();
    reach(&mut states, |state| matches!(state, State::Connected { read_only: false, .. })).await;

    assert_ne!(client.server().unwrap().port, ensemble.server(LEFT).port());
    soon(client.create("/own", b"").ephemeral()).await.unwrap();
    ensemble.server(LEFT).resume().unwrap();
    ensemble.server(LEFT).wait_mode(Mode::Follower, PATIENCE).unwrap();
}
