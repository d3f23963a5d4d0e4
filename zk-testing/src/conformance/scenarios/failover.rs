//! Ensembles whose members die, halt and come back.

use std::time::Duration;

use crate::ensemble::{Builder, Ensemble};
use zk_proto::{
    client::{Client, Error},
    code::AddWatchMode::PersistentRecursive,
    session::{State, WatchedEventKind::NodeCreated, WatchedEventKind::NodeDataChanged, WatchedEventKind::NodeDeleted},
};

use crate::conformance::{Ground, PATIENCE, Spawned, is_connected, is_suspended, next, reach, resume, soon};

/// Returns which member serves a client.
fn member(client: &Client, ensemble: &Ensemble) -> usize {
    let port = client.server().unwrap().port;
    ensemble.servers().iter().position(|server| server.port() == port).unwrap()
}

/// Connects with all members, to one that does not lead.
async fn connect_to_a_follower(ground: &Ground, ensemble: &Ensemble, timeout: Duration) -> Client {
    let leader = ensemble.leader().unwrap();
    loop {
        let client = soon(ground.builder(&ensemble.connect_string()).session_timeout(timeout).connect()).await.unwrap();
        if member(&client, ensemble) != leader {
            return client;
        }
        soon(client.close()).await;
    }
}

/// Writes without pause until `/end` is there, and returns what was answered, and how often a link was lost.
fn keep_writing(ground: &Ground, client: &Client) -> Spawned<(Vec<String>, usize)> {
    let client = client.clone();
    ground.spawn(async move {
        let (mut answered, mut lost) = (Vec::new(), 0);
        while client.exists("/end").resend().await.unwrap().is_none() {
            match client.create("/list/n-", b"").sequential().await {
                Ok((path, _)) => answered.push(path),
                Err(Error::Lost) => lost += 1,
                Err(error) => panic!("{error}"),
            }
        }
        (answered, lost)
    })
}

pub async fn a_session_moves_on_when_its_server_dies_and_again_when_the_leader_dies(ground: Ground) {
    let ensemble = Ensemble::start(3).unwrap();
    let client = connect_to_a_follower(&ground, &ensemble, Duration::from_secs(10)).await;
    let session = client.session();
    client.create("/list", b"").await.unwrap();
    client.create("/own", b"").ephemeral().await.unwrap();
    client.create("/node", b"").await.unwrap();
    let (_, _, mut data) = client.get_data("/node").watch().await.unwrap();
    let (_, mut absent) = client.exists("/absent").watch().await.unwrap();
    let mut tree = client.add_watch("/node", PersistentRecursive).await.unwrap();
    let writer = keep_writing(&ground, &client);
    let mut states = client.states();

    let first = member(&client, &ensemble);
    ensemble.server(first).kill().unwrap();
    resume(&mut states).await;
    assert_ne!(member(&client, &ensemble), first);
    ensemble.server(first).start_again().unwrap();
    ensemble.wait_quorum(PATIENCE).unwrap();

    // Nobody is served until there is another leader.
    let leader = ensemble.leader().unwrap();
    ensemble.server(leader).kill().unwrap();
    resume(&mut states).await;
    ensemble.wait_quorum(PATIENCE).unwrap();
    soon(client.sync("/")).await.unwrap();

    assert_eq!(client.session(), session);
    let other = ground.connect(&ensemble.server((leader + 1) % 3).connect_string()).await;
    other.sync("/").await.unwrap();
    assert!(other.exists("/own").await.unwrap().is_some());
    other.set_data("/node", b"").await.unwrap();
    other.create("/absent", b"").await.unwrap();
    assert_eq!(next(&mut data).await, (NodeDataChanged, "/node".to_string()));
    assert_eq!(next(&mut absent).await, (NodeCreated, "/absent".to_string()));
    let mut last = next(&mut tree).await;
    while last != (NodeDataChanged, "/node".to_string()) {
        last = next(&mut tree).await;
    }
    other.create("/end", b"").await.unwrap();
    let (answered, lost) = soon(writer).await;
    let names = client.get_children("/list").await.unwrap().0;
    assert!(answered.iter().all(|path| names.contains(path.strip_prefix("/list/").unwrap())));
    assert!((answered.len()..=answered.len() + lost).contains(&names.len()));
    soon(client.close()).await;
    other.sync("/").await.unwrap();
    assert_eq!(other.exists("/own").await.unwrap(), None);
}

pub async fn a_paused_follower_is_left_for_another(ground: Ground) {
    let ensemble = Ensemble::start(3).unwrap();
    let client = connect_to_a_follower(&ground, &ensemble, Duration::from_secs(6)).await;
    let follower = member(&client, &ensemble);
    let session = client.session();
    client.create("/own", b"").ephemeral().await.unwrap();
    let (_, mut absent) = client.exists("/absent").watch().await.unwrap();
    let mut states = client.states();

    ensemble.server(follower).pause().unwrap();
    let stuck = client.sync("/").send();
    resume(&mut states).await;

    assert_eq!(soon(stuck).await.unwrap_err(), Error::Lost);
    assert_ne!(member(&client, &ensemble), follower);
    assert_eq!(client.session(), session);
    client.create("/absent", b"").await.unwrap();
    assert_eq!(next(&mut absent).await, (NodeCreated, "/absent".to_string()));
    ensemble.server(follower).resume().unwrap();
}

pub async fn a_whole_ensemble_may_be_down_for_longer_than_the_timeout(ground: Ground) {
    let ensemble = Ensemble::start(3).unwrap();
    let timeout = Duration::from_secs(4);
    let settings = ground.builder(&ensemble.connect_string()).session_timeout(timeout).link_timeout(timeout / 10);
    let client = soon(settings.connect()).await.unwrap();
    let session = client.session();
    client.create("/own", b"").ephemeral().await.unwrap();
    let (_, mut watcher) = client.exists("/own").watch().await.unwrap();
    let mut states = client.states();

    for server in ensemble.servers() {
        server.kill().unwrap();
    }
    let State::Suspended { valid_until, .. } = reach(&mut states, is_suspended).await else { unreachable!() };
    soon(client.sleep_until(valid_until + timeout / 2)).await.unwrap();
    let queued = client.delete("/own").send();
    for server in ensemble.servers() {
        server.start_again().unwrap();
    }

    let state = reach(&mut states, is_connected).await;
    assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    soon(queued).await.unwrap();
    assert_eq!(client.session(), session);
    assert_eq!(next(&mut watcher).await, (NodeDeleted, "/own".to_string()));
}

pub async fn members_without_a_quorum_take_nobody_and_nothing_is_lost(ground: Ground) {
    let ensemble = Builder::new().start_ensemble(3).unwrap();
    let client = ground.connect(&ensemble.connect_string()).await;
    let session = client.session();
    let mut states = client.states();
    let stays = member(&client, &ensemble);
    let others = [(stays + 1) % 3, (stays + 2) % 3];

    others.iter().for_each(|index| ensemble.server(*index).kill().unwrap());
    // The one that is left closes its connections when it has noticed.
    reach(&mut states, is_suspended).await;
    let queued = client.create("/queued", b"").send();
    ensemble.server(others[0]).start_again().unwrap();

    assert!(soon(queued).await.is_ok());
    assert_eq!(client.session(), session);
}
