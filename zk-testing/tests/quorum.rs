//! Three real servers that elect a leader, and what is left of them.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use zk_testing::ensemble::{Builder, Ensemble, Mode};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn an_ensemble_elects_another_leader_when_one_is_killed() -> io::Result<()> {
    let ensemble = Ensemble::start(3)?;
    let first = ensemble.leader().expect("a quorum has a leader");
    ensemble.server(first).create_node("/kept")?;

    ensemble.server(first).kill()?;
    let second = ensemble.wait_quorum(PATIENCE)?;
    assert_ne!(second, first);
    assert!(ensemble.server(second).node_exists("/kept")?);

    ensemble.server(first).start_again()?;
    assert_eq!(ensemble.wait_quorum(PATIENCE)?, second, "a leader stays one");
    assert_eq!(ensemble.server(first).mode()?, Some(Mode::Follower));
    assert_eq!(ensemble.servers().len(), 3);
    assert_eq!(ensemble.connect_string().split(',').count(), 3);
    Ok(())
}

#[test]
fn an_ensemble_elects_another_leader_when_one_is_paused() -> io::Result<()> {
    let ensemble = Ensemble::start(3)?;
    let first = ensemble.leader().expect("a quorum has a leader");

    ensemble.server(first).pause()?;
    let second = ensemble.wait_quorum(PATIENCE)?;
    assert_ne!(second, first);

    ensemble.server(first).resume()?;
    assert_eq!(ensemble.wait_quorum(PATIENCE)?, second);
    Ok(())
}

#[test]
fn a_minority_serves_read_only_clients_if_told_so() -> io::Result<()> {
    let ensemble = Builder::new().read_only().start_ensemble(3)?;
    assert_eq!(ensemble.server(0).four_letter("isro")?, "rw");

    ensemble.server(1).kill()?;
    ensemble.server(2).kill()?;
    ensemble.server(0).wait_mode(Mode::ReadOnly, PATIENCE)?;
    assert_eq!(ensemble.server(0).four_letter("isro")?, "ro");
    assert!(ensemble.server(0).create_node("/refused").is_err());
    assert_eq!(ensemble.leader(), None);

    ensemble.server(1).start_again()?;
    ensemble.wait_quorum(PATIENCE)?;
    assert_eq!(ensemble.server(0).four_letter("isro")?, "rw");
    Ok(())
}

#[test]
fn a_whole_ensemble_comes_back_with_its_data() -> io::Result<()> {
    let ensemble = Ensemble::start(3)?;
    ensemble.server(0).create_node("/kept")?;

    for server in ensemble.servers() {
        server.stop()?;
    }
    for server in ensemble.servers() {
        server.start_again()?;
    }
    ensemble.wait_quorum(PATIENCE)?;

    assert!(ensemble.servers().iter().map(|server| server.node_exists("/kept")).all(|kept| matches!(kept, Ok(true))));
    Ok(())
}

#[test]
fn a_missing_quorum_is_reported_with_the_modes() -> io::Result<()> {
    let ensemble = Ensemble::start(3)?;
    ensemble.server(0).kill()?;
    ensemble.server(1).kill()?;

    let error = ensemble.wait_quorum(Duration::from_millis(200)).expect_err("one of three is no quorum");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("no quorum"), "{error}");
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_follower_that_does_not_hear_its_leader_stops_serving_until_it_does() -> io::Result<()> {
    let ensemble = Builder::new().tick_time(Duration::from_millis(200)).proxied_peers().start_ensemble(3)?;
    let peers = ensemble.peers().expect("the ways are proxied");
    let first = ensemble.leader().expect("a quorum has a leader");
    let deaf = (first + 1) % 3;

    peers.silence(first, deaf);
    let deadline = Instant::now() + PATIENCE;
    // While it changes its mind, it may answer nothing.
    while !matches!(ensemble.server(deaf).mode(), Ok(None)) {
        assert!(Instant::now() < deadline, "it still serves");
        thread::sleep(Duration::from_millis(50));
    }
    ensemble.server(first).create_node("/without-it")?;
    peers.heal()?;

    assert_eq!(ensemble.wait_quorum(PATIENCE)?, first);
    assert!(ensemble.server(deaf).node_exists("/without-it")?);
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_member_without_connections_to_the_others_does_not_serve() -> io::Result<()> {
    let ensemble = Builder::new().tick_time(Duration::from_millis(200)).proxied_peers().start_ensemble(3)?;
    let peers = ensemble.peers().expect("the ways are proxied");
    let first = ensemble.leader().expect("a quorum has a leader");
    let lonely = (first + 1) % 3;

    peers.sever(lonely, first);
    peers.sever(lonely, (first + 2) % 3);
    let deadline = Instant::now() + PATIENCE;
    while !matches!(ensemble.server(lonely).mode(), Ok(None)) {
        assert!(Instant::now() < deadline, "it still serves");
        thread::sleep(Duration::from_millis(50));
    }
    ensemble.server(first).create_node("/without-it")?;
    peers.heal()?;

    assert_eq!(ensemble.wait_quorum(PATIENCE)?, first);
    assert!(ensemble.server(lonely).node_exists("/without-it")?);
    Ok(())
}
