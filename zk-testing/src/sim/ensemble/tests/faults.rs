use std::time::Duration;

use zk_proto::{
    code::{CreateMode, ErrorCode, OpCode},
    record::{ConnectRequest, GetDataRequest, WhoAmIResponse},
};

use super::bench::{Bench, LAG, set};
use crate::{
    server::{
        ReadOnly,
        testing::{NOTHING, create, greeting, text},
    },
    sim::ensemble::EnsembleOptions,
};

/// Long enough for an election and for all to have joined.
const SETTLED: Duration = Duration::from_secs(1);

#[test]
fn a_write_on_its_way_when_the_leader_goes_is_lost_and_a_committed_one_is_not() {
    let mut bench = Bench::new();
    let (fast, slow) = (bench.followers()[0], bench.followers()[1]);
    let (early, late) = (bench.connect(fast), bench.connect(slow));
    bench.ensemble.set_lag(fast, Duration::from_millis(100));
    bench.ensemble.set_lag(slow, Duration::from_millis(500));
    bench.send(early, OpCode::Create, &create("/committed", CreateMode::Persistent));
    bench.send(late, OpCode::Create, &create("/lost", CreateMode::Persistent));
    bench.advance(Duration::from_millis(100));
    assert!(bench.truth("/committed").is_some());

    bench.ensemble.change_leader(bench.now);

    assert_eq!((bench.frames(early), bench.frames(late)), (vec![], vec![]), "neither is answered");
    assert!(bench.is_dropped(early) && bench.is_dropped(late));
    bench.ensemble.set_lag(slow, LAG);
    bench.advance(SETTLED);
    for server in 0..3 {
        let client = bench.connect(server);
        let found = [bench.data(client, "/committed").is_some(), bench.data(client, "/lost").is_some()];
        assert_eq!(found, [true, false], "server {server}");
    }
}

#[test]
fn while_a_leader_is_elected_nobody_is_served() {
    let mut bench = Bench::new();
    bench.ensemble.change_leader(bench.now);

    for server in 0..3 {
        let (at, answer) = {
            let at = bench.dial(server).unwrap();
            bench.input(at, &crate::server::testing::frame(|out| out.put(&greeting())));
            (at, bench.output(at))
        };
        assert!(answer.is_empty() && bench.is_dropped(at), "server {server}");
    }
    bench.advance(SETTLED);
    for server in 0..3 {
        bench.connect(server);
    }
}

#[test]
fn a_new_leader_begins_an_epoch_and_is_another_one() {
    let mut bench = Bench::new();
    let (old, at) = (bench.leader(), bench.followers()[0]);
    let client = bench.connect(at);
    bench.create(client, "/a", CreateMode::Persistent);

    bench.ensemble.change_leader(bench.now);
    assert_eq!(bench.ensemble.leader(), None);
    bench.advance(SETTLED);

    assert_ne!(bench.ensemble.leader(), Some(old));
    assert_eq!(bench.ensemble.zxid().0, 1 << 32);
    let client = bench.connect(at);
    let reply = bench.call(client, OpCode::SetData, &set("/a", "x"));
    assert_eq!((reply.header.err, reply.header.zxid.0), (ErrorCode::Ok, (1 << 32) + 2));
}

#[test]
fn sessions_have_their_full_time_under_a_new_leader() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let (client, session) = bench.greet(at, &greeting());
    bench.create(client, "/e", CreateMode::Ephemeral);
    bench.advance(Duration::from_secs(9));

    bench.ensemble.change_leader(bench.now);
    bench.advance(Duration::from_secs(9));

    assert!(bench.truth("/e").is_some());
    assert!(bench.greet_again(at, &session.unwrap()).1.is_some_and(|answer| answer.timeout_ms > 0));
}

#[test]
fn a_crashed_server_listens_to_nobody_and_the_others_go_on() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let (lost, kept) = (bench.connect(one), bench.connect(other));

    bench.ensemble.crash(one, bench.now);

    assert!(bench.is_dropped(lost) && bench.ensemble.wants_drop(lost));
    assert_eq!(bench.dial(one), None);
    assert_eq!(bench.create(kept, "/a", CreateMode::Persistent), ErrorCode::Ok);
}

#[test]
fn a_restarted_server_has_caught_up_before_it_serves() {
    let mut bench = Bench::new();
    let (one, other) = (bench.followers()[0], bench.followers()[1]);
    let client = bench.connect(other);
    bench.ensemble.crash(one, bench.now);
    bench.create(client, "/a", CreateMode::Persistent);

    bench.ensemble.restart(one, bench.now);
    let (early, answer) = bench.greet(one, &greeting());
    assert!(answer.is_none() && bench.is_dropped(early));
    bench.advance(LAG * 2);

    let late = bench.connect(one);
    assert!(bench.data(late, "/a").is_some());
}

#[test]
fn without_a_majority_nobody_is_served() {
    let mut bench = Bench::new();
    let followers = bench.followers();
    let leader = bench.leader();
    let client = bench.connect(leader);
    bench.ensemble.crash(followers[0], bench.now);
    assert_eq!(bench.create(client, "/a", CreateMode::Persistent), ErrorCode::Ok);

    bench.ensemble.crash(followers[1], bench.now);
    assert!(bench.is_dropped(client));
    bench.advance(Duration::from_secs(30));
    assert_eq!(bench.ensemble.leader(), None);
    bench.ensemble.restart(followers[1], bench.now);
    bench.advance(SETTLED);

    let client = bench.connect(followers[1]);
    assert!(bench.data(client, "/a").is_some());
}

#[test]
fn sessions_do_not_expire_while_nobody_leads() {
    let mut bench = Bench::new();
    let leader = bench.leader();
    let (client, session) = bench.greet(leader, &greeting());
    bench.create(client, "/e", CreateMode::Ephemeral);
    for server in bench.followers() {
        bench.ensemble.crash(server, bench.now);
    }
    bench.advance(Duration::from_secs(100));
    for server in bench.followers() {
        bench.ensemble.restart(server, bench.now);
    }
    bench.advance(SETTLED);

    assert!(bench.truth("/e").is_some());
    assert!(bench.greet_again(leader, &session.unwrap()).1.is_some_and(|answer| answer.timeout_ms > 0));
}

#[test]
fn a_server_that_is_cut_off_serves_what_it_has_until_it_gives_up() {
    let mut bench = Bench::new();
    let (leader, at) = (bench.leader(), bench.followers()[0]);
    let (writer, client) = (bench.connect(leader), bench.connect(at));
    bench.create(writer, "/a", CreateMode::Persistent);
    bench.sync(client);

    bench.ensemble.isolate(at, bench.now);
    bench.set(writer, "/a", "new");
    bench.advance(Duration::from_millis(2000));
    assert_eq!(bench.data(client, "/a").as_deref(), Some("data"));
    bench.call(client, OpCode::Ping, &NOTHING);
    bench.send(client, OpCode::SetData, &set("/a", "lost"));
    bench.advance(Duration::from_millis(500));

    assert!(bench.is_dropped(client) && bench.frames(client).is_empty());
    assert!(bench.greet(at, &greeting()).1.is_none());
    bench.ensemble.rejoin(at, bench.now);
    bench.advance(SETTLED);
    let client = bench.connect(at);
    assert_eq!(bench.data(client, "/a").as_deref(), Some("new"));
    assert_eq!(bench.truth("/a").as_deref(), Some("new"));
}

#[test]
fn a_server_that_is_cut_off_for_a_moment_was_only_slow() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    bench.ensemble.isolate(at, bench.now);
    bench.send(client, OpCode::Create, &create("/a", CreateMode::Persistent));
    bench.advance(Duration::from_secs(2));
    assert_eq!(bench.truth("/a"), None);

    bench.ensemble.rejoin(at, bench.now);
    bench.advance(LAG * 2);

    assert_eq!(bench.frames(client).pop().map(|frame| frame.header.err), Some(ErrorCode::Ok));
    assert!(bench.truth("/a").is_some());
}

#[test]
fn pings_that_a_cut_off_server_answers_do_not_keep_a_session_alive() {
    let mut bench = Bench::with(|options| options.sync_limit = Duration::from_secs(30));
    let at = bench.followers()[0];
    let client = bench.connect(at);
    bench.ensemble.isolate(at, bench.now);

    for _ in 0..11 {
        bench.advance(Duration::from_secs(1));
        bench.call(client, OpCode::Ping, &NOTHING);
    }

    assert!(bench.ensemble.sessions().is_empty() && !bench.is_dropped(client));
}

#[test]
fn a_leader_that_is_cut_off_decides_nothing_and_another_one_takes_its_place() {
    let mut bench = Bench::new();
    let (old, at) = (bench.leader(), bench.followers()[0]);
    let (client, other) = (bench.connect(old), bench.connect(at));
    bench.ensemble.isolate(old, bench.now);

    bench.send(client, OpCode::Create, &create("/a", CreateMode::Persistent));
    bench.send(other, OpCode::Create, &create("/b", CreateMode::Persistent));
    bench.advance(Duration::from_millis(2499));
    assert!(!bench.is_dropped(client) && !bench.is_dropped(other));
    bench.advance(SETTLED);

    assert!(bench.is_dropped(client) && bench.is_dropped(other));
    assert_eq!((bench.truth("/a"), bench.truth("/b")), (None, None));
    assert!(bench.followers().contains(&old));
    bench.connect(at);
    assert!(bench.greet(old, &greeting()).1.is_none());
    bench.ensemble.rejoin(old, bench.now);
    bench.advance(SETTLED);
    bench.connect(old);
}

#[test]
fn a_leader_that_is_back_in_time_goes_on() {
    let mut bench = Bench::new();
    let leader = bench.leader();
    let client = bench.connect(leader);
    bench.ensemble.isolate(leader, bench.now);
    bench.send(client, OpCode::Create, &create("/a", CreateMode::Persistent));
    bench.advance(Duration::from_secs(2));

    bench.ensemble.rejoin(leader, bench.now);
    bench.advance(Duration::from_secs(5));

    assert_eq!((bench.ensemble.leader(), bench.ensemble.zxid().0 >> 32), (Some(leader), 0));
    assert!(bench.truth("/a").is_some() && !bench.is_dropped(client));
}

#[test]
fn a_cut_off_server_may_serve_who_only_wants_to_read() {
    let local = |options: &mut EnsembleOptions| options.read_only = Some(ReadOnly::LocalSessions);
    let mut bench = Bench::with(local);
    let (leader, at) = (bench.leader(), bench.followers()[0]);
    let (writer, global) = bench.greet(leader, &greeting());
    bench.create(writer, "/a", CreateMode::Persistent);
    bench.advance(LAG);
    bench.ensemble.isolate(at, bench.now);
    bench.advance(Duration::from_secs(3));

    assert!(bench.greet(at, &greeting()).1.is_none(), "who wants to write has to go elsewhere");
    let reading = ConnectRequest { read_only: Some(true), ..greeting() };
    let (reader, answer) = bench.greet(at, &reading);
    let session = answer.unwrap();
    assert_eq!(session.read_only, Some(true));
    assert!(bench.data(reader, "/a").is_some());
    assert_eq!(bench.set(reader, "/a", "x"), ErrorCode::NotReadOnly);
    let again = ConnectRequest { session_id: session.session_id, passwd: session.passwd.clone(), ..reading.clone() };
    assert!(bench.greet(at, &again).1.is_some_and(|answer| answer.timeout_ms > 0));
    let global = global.unwrap();
    let moved = ConnectRequest { session_id: global.session_id, passwd: global.passwd, ..reading };
    assert!(bench.greet(at, &moved).1.is_none(), "a session of the ensemble is hung up on");

    bench.ensemble.rejoin(at, bench.now);
    assert!(bench.is_dropped(reader));
    bench.advance(SETTLED);
    assert_eq!(bench.greet(at, &again).1.map(|answer| answer.timeout_ms), Some(0), "nobody knows of it");
}

#[test]
fn a_local_session_expires_at_its_own_server() {
    let mut bench = Bench::with(|options| options.read_only = Some(ReadOnly::LocalSessions));
    let at = bench.followers()[0];
    bench.ensemble.isolate(at, bench.now);
    bench.advance(Duration::from_secs(3));
    let reading = ConnectRequest { read_only: Some(true), ..greeting() };
    let (reader, answer) = bench.greet(at, &reading);
    let session = answer.unwrap();

    bench.advance(Duration::from_secs(12));

    assert!(bench.is_dropped(reader));
    let again = ConnectRequest { session_id: session.session_id, passwd: session.passwd, ..reading };
    assert_eq!(bench.greet(at, &again).1.map(|answer| answer.timeout_ms), Some(0));
}

#[test]
fn a_server_with_nothing_to_say_tells_the_four_letter_words_so() {
    let mut bench = Bench::new();
    for (is_serving, word, expected) in [(true, "isro", "rw"), (false, "isro", "null"), (false, "ruok", "imok")] {
        if !is_serving {
            bench.ensemble.change_leader(bench.now);
        }
        let at = bench.dial(0).unwrap();
        bench.input(at, word.as_bytes());
        let answer = bench.ensemble.poll_transmit(at).unwrap();
        assert_eq!((&answer[..], bench.is_dropped(at)), (expected.as_bytes(), true), "{word}");
        bench.advance(SETTLED);
    }
}

#[test]
fn identities_stay_with_a_write_that_is_forwarded() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    let packet = zk_proto::record::AuthPacket {
        auth_type: 0,
        scheme: text("digest"),
        auth: zk_proto::wire::Secret::from("ann:secret"),
    };
    bench.send(client, OpCode::Auth, &packet);
    let mut request = create("/private", CreateMode::Persistent);
    request.acl = Some(zk_proto::record::Acl::creator_all());

    assert_eq!(bench.call(client, OpCode::Create, &request).header.err, ErrorCode::Ok);

    let read = GetDataRequest { path: text("/private"), watch: false };
    let stranger = bench.connect(at);
    assert_eq!(bench.call(stranger, OpCode::GetData, &read).header.err, ErrorCode::NoAuth);
    assert_eq!(bench.call(stranger, OpCode::SetData, &set("/private", "x")).header.err, ErrorCode::NoAuth);
    assert_eq!(bench.set(client, "/private", "x"), ErrorCode::Ok);
    let known = bench.call(client, OpCode::WhoAmI, &NOTHING).decode::<WhoAmIResponse>();
    assert_eq!(known.client_info.map(|info| info.len()), Some(2));
}
