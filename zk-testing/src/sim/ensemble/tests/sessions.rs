use std::time::Duration;

use zk_proto::{
    SessionId, Zxid,
    code::{CreateMode, ErrorCode, OpCode},
    record::ConnectRequest,
    wire::Secret,
};

use super::bench::{Bench, LAG, set};
use crate::server::testing::{NOTHING, create, greeting};

#[test]
fn a_session_fails_over_and_its_ephemeral_nodes_live_on() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let (old, session) = bench.greet(one, &greeting());
    let session = session.unwrap();
    bench.create(old, "/e", CreateMode::Ephemeral);
    bench.ensemble.handle_disconnected(old);

    let (new, answer) = bench.greet_again(other, &session);

    assert_eq!(answer.unwrap().session_id, session.session_id);
    bench.advance(Duration::from_secs(9));
    bench.call(new, OpCode::Ping, &NOTHING);
    bench.advance(Duration::from_secs(9));
    assert!(bench.truth("/e").is_some() && !bench.is_dropped(new));
}

#[test]
fn a_session_can_be_taken_up_by_a_server_that_has_not_heard_of_its_beginning() {
    let mut bench = Bench::new();
    let (leader, at) = (bench.leader(), bench.followers()[0]);
    let (old, session) = bench.greet(leader, &greeting());
    bench.ensemble.handle_disconnected(old);
    bench.ensemble.set_lag(at, Duration::ZERO);

    let (new, answer) = bench.greet_again(at, session.as_ref().unwrap());

    assert_eq!(answer.unwrap().session_id, session.unwrap().session_id);
    assert_eq!(bench.create(new, "/e", CreateMode::Ephemeral), ErrorCode::Ok);
}

#[test]
fn the_server_that_a_session_has_left_loses_its_writes_and_the_connection() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let (old, session) = bench.greet(one, &greeting());
    let (new, _) = bench.greet_again(other, &session.unwrap());
    assert!(bench.data(old, "/zookeeper").is_some(), "reads go on");
    let before = bench.ensemble.zxid();

    bench.send(old, OpCode::Create, &create("/a", CreateMode::Persistent));
    bench.advance(LAG * 2);

    assert_eq!(bench.frames(old), []);
    assert!(bench.is_dropped(old) && !bench.is_dropped(new));
    assert_eq!((bench.truth("/a"), bench.ensemble.zxid()), (None, Zxid(before.0 + 1)));
    assert_eq!(bench.create(new, "/a", CreateMode::Persistent), ErrorCode::Ok);
}

#[test]
fn writes_still_on_their_way_when_the_session_moves_are_refused() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let (old, session) = bench.greet(one, &greeting());
    bench.ensemble.set_lag(one, Duration::from_millis(900));
    bench.ensemble.set_lag(other, Duration::from_millis(1));
    bench.send(old, OpCode::Create, &create("/a", CreateMode::Persistent));
    bench.ensemble.handle_disconnected(old);

    let (new, _) = bench.greet_again(other, &session.unwrap());
    bench.advance(Duration::from_secs(2));

    assert_eq!((bench.truth("/a"), bench.is_dropped(new)), (None, false));
}

#[test]
fn a_client_with_a_later_zxid_is_hung_up_on() {
    let mut bench = Bench::new();
    let (leader, at) = (bench.leader(), bench.followers()[0]);
    let (client, session) = bench.greet(leader, &greeting());
    let session = session.unwrap();
    bench.create(client, "/a", CreateMode::Persistent);
    let request = ConnectRequest {
        session_id: session.session_id,
        passwd: session.passwd,
        last_zxid_seen: bench.ensemble.zxid(),
        ..greeting()
    };

    let (early, answer) = bench.greet(at, &request);
    assert!(answer.is_none() && bench.is_dropped(early));
    bench.advance(LAG);
    let (late, answer) = bench.greet(at, &request);

    assert!(answer.is_some_and(|answer| answer.timeout_ms > 0) && !bench.is_dropped(late));
}

#[test]
fn an_expired_session_is_gone_on_all_servers() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let (old, session) = bench.greet(one, &greeting());
    let session = session.unwrap();
    bench.create(old, "/e", CreateMode::Ephemeral);
    let (new, _) = bench.greet_again(other, &session);
    let witness = bench.connect(one);

    assert!(bench.ensemble.expire(session.session_id));
    assert_eq!(bench.truth("/e"), None);
    assert!(bench.data(witness, "/e").is_some(), "not everywhere at once");
    bench.advance(LAG);

    assert!(bench.is_dropped(old) && bench.is_dropped(new) && !bench.is_dropped(witness));
    assert_eq!(bench.data(witness, "/e"), None);
    for server in 0..bench.ensemble.len() {
        let (_, answer) = bench.greet_again(server, &session);
        assert_eq!(answer.unwrap().session_id, SessionId(0), "server {server}");
    }
    assert!(!bench.ensemble.expire(session.session_id));
}

#[test]
fn a_session_that_only_its_follower_hears_of_lives() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    for _ in 0..10 {
        bench.advance(Duration::from_secs(9));
        bench.call(client, OpCode::Ping, &NOTHING);
    }
    assert_eq!(bench.ensemble.sessions().len(), 1);

    bench.advance(Duration::from_secs(12));
    assert!(bench.ensemble.sessions().is_empty() && bench.is_dropped(client));
}

#[test]
fn the_leader_hears_of_a_session_half_a_tick_late() {
    let mut bench = Bench::new();
    let (leader, at) = (bench.leader(), bench.followers()[0]);
    for (server, is_known_at_once) in [(leader, true), (at, false)] {
        let (client, session) = bench.greet(server, &greeting());
        let session = session.unwrap().session_id;
        bench.advance(Duration::from_secs(2));
        let before = bench.ensemble.expiry(session);

        bench.call(client, OpCode::Ping, &NOTHING);
        assert_eq!(bench.ensemble.expiry(session) > before, is_known_at_once, "server {server}");
        bench.advance(Duration::from_millis(250) + LAG);

        assert!(bench.ensemble.expiry(session) > before, "server {server}");
    }
}

#[test]
fn what_a_follower_heard_before_it_crashed_is_lost() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let (client, session) = bench.greet(at, &greeting());
    bench.advance(Duration::from_millis(5010));
    let before = bench.ensemble.expiry(session.clone().unwrap().session_id);
    bench.call(client, OpCode::Ping, &NOTHING);

    bench.ensemble.crash(at, bench.now);
    bench.advance(Duration::from_secs(1));

    assert_eq!(bench.ensemble.expiry(session.unwrap().session_id), before);
}

#[test]
fn closing_a_session_at_a_follower_is_answered_and_ends_it_everywhere() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let (old, session) = bench.greet(one, &greeting());
    let (new, _) = bench.greet_again(other, &session.unwrap());
    bench.create(new, "/e", CreateMode::Ephemeral);

    let reply = bench.call(new, OpCode::CloseSession, &NOTHING);
    bench.advance(LAG);

    assert_eq!(reply.header.err, ErrorCode::Ok);
    assert!(bench.is_dropped(new) && bench.is_dropped(old));
    assert!(bench.truth("/e").is_none() && bench.ensemble.sessions().is_empty());
}

#[test]
fn a_wrong_password_is_refused_without_asking_the_leader() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let (client, session) = bench.greet(one, &greeting());
    let mut session = session.unwrap();
    session.passwd = Secret::from(vec![1; 16]);
    let before = bench.now;

    let (refused, answer) = bench.greet_again(other, &session);

    assert_eq!((answer.unwrap().timeout_ms, bench.now), (0, before));
    assert!(bench.is_dropped(refused) && !bench.is_dropped(client));
}

#[test]
fn a_session_may_be_taken_up_twice_at_one_server_and_the_last_one_has_it() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let (first, session) = bench.greet(at, &greeting());
    let (second, answer) = bench.greet_again(at, &session.unwrap());

    assert!(answer.is_some_and(|answer| answer.timeout_ms > 0));
    assert!(bench.is_dropped(first) && !bench.is_dropped(second));
    assert_eq!(bench.create(second, "/a", CreateMode::Persistent), ErrorCode::Ok);
}

#[test]
fn ids_have_the_number_of_the_server_that_was_asked() {
    let mut bench = Bench::new();
    for server in 0..3 {
        let (_, answer) = bench.greet(server, &greeting());
        assert_eq!(usize::try_from(answer.unwrap().session_id.0 >> 56), Ok(server + 1));
    }
}

#[test]
fn a_request_of_a_session_that_has_just_ended_changes_nothing() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let (client, session) = bench.greet(at, &greeting());
    bench.create(client, "/a", CreateMode::Persistent);
    bench.send(client, OpCode::SetData, &set("/a", "late"));

    bench.ensemble.expire(session.unwrap().session_id);
    bench.advance(LAG * 2);

    assert_eq!((bench.truth("/a").as_deref(), bench.frames(client)), (Some("data"), vec![]));
    assert!(bench.is_dropped(client));
}
