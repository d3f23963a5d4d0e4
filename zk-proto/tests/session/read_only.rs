//! Servers that are cut off from the quorum.

use std::time::Duration;

use zk_proto::{Config, LinkId, Machine, Server, SessionId, code::OpCode, request::GetData};

use crate::support::{Greeting, Pair, data, servers, settings_with};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_session_of_a_read_only_server_is_not_asked_for_elsewhere() {
    let mut pair = read_only("a,b");
    assert_eq!(pair.session().credentials(), None, "nothing to hand over");
    pair.cut();

    let greeting = pair.connect(&Greeting { session: 0x77, ..Greeting::default() });

    assert_eq!(greeting.session_id, SessionId(0));
    assert_eq!(greeting.passwd.as_bytes(), [0; 16]);
    assert_eq!(pair.told(), ["Suspended(Hangup)", "Connected new"]);
    pair.cut();
    assert_eq!(pair.knock().session_id, SessionId(0x77), "the one of a writable server is");
}

#[test]
fn a_session_that_a_read_only_server_takes_up_stays_what_it_was() {
    let mut pair = Pair::connected_with(config("a,b"));
    pair.cut();
    pair.connect(&Greeting::read_only());
    assert_eq!(pair.told(), ["Suspended(Hangup)", "Connected resumed read-only"]);
    pair.cut();

    assert_eq!(pair.knock().session_id, SessionId(0x5E55));
}

#[test]
fn the_search_begins_at_100_ms_and_slows_down_to_a_minute() {
    let mut pair = read_only("a,b");
    let mut last = pair.now;
    let mut pause = 100;
    for _ in 0..14 {
        let (probe, _) = next_probe(&mut pair);
        assert_eq!(pair.now.saturating_since(last), pause * MILLISECOND);
        last = pair.now;
        pair.cut_link(probe);
        pause = (pause * 2).min(60_000);
    }
    assert_eq!(pause, 60_000);
}

#[test]
fn a_probe_asks_the_other_servers_in_turn() {
    let mut pair = read_only("a,b,c");
    let here = pair.session().server().unwrap().host.clone();
    let mut asked = Vec::new();
    for _ in 0..4 {
        let (probe, server) = next_probe(&mut pair);
        pair.open_link(probe);
        let word = pair.app(|session| session.poll_transmit(probe, Default::default()).map(bytes_of));
        assert_eq!(word.as_deref(), Some(&b"isro"[..]));
        pair.send_on(probe, b"ro");
        assert_eq!(pair.session().wants_probe(), None);
        asked.push(server.host);
    }
    assert!(!asked.contains(&here), "{asked:?}");
    assert!(asked[0] != asked[1] && asked[..2] == asked[2..], "{asked:?}");
}

#[test]
fn the_session_moves_to_the_writable_server_that_was_found() {
    let mut pair = read_only("a,b,c,d");
    let (probe, found) = next_probe(&mut pair);
    pair.open_link(probe);
    pair.flush_once(probe);

    pair.send_on(probe, b"rw");

    let server = pair.dial();
    assert!(server.same_place(&found), "{server} instead of {found}");
    assert_eq!(server.attempt, found.attempt, "the address that answered");
    assert_eq!(pair.told(), ["Suspended(Left)"]);
    pair.connect(&Greeting { session: 0x77, ..Greeting::default() });
    assert_eq!(pair.told(), ["Connected new"]);
    assert!(pair.idle(100 * Duration::from_secs(1)).is_empty());
    assert_eq!(pair.session().wants_probe(), None, "the search is over");
}

#[test]
fn what_is_in_flight_is_answered_before_the_session_moves() {
    let mut pair = read_only("a,b");
    pair.submit(&GetData::new("/1"), '1');
    let asked = pair.ask();
    let (probe, _) = next_probe(&mut pair);
    pair.open_link(probe);
    pair.flush_once(probe);
    pair.send_on(probe, b"rw");
    pair.submit(&GetData::new("/2"), '2');
    assert_eq!(pair.ops(), [], "nothing more goes out here");

    pair.answer(&asked, &data(b""));

    assert_eq!(pair.told(), ["1: Ok", "Suspended(Left)"]);
    pair.connect(&Greeting { session: 0x77, ..Greeting::default() });
    assert_eq!(pair.ask().path(), "/2");
}

#[test]
fn a_probe_that_brings_nothing_is_given_up_after_a_second() {
    let mut pair = read_only("a,b");
    let (probe, _) = next_probe(&mut pair);
    pair.open_link(probe);
    pair.flush_once(probe);
    pair.send_on(probe, b"r");

    pair.pass(999 * MILLISECOND);
    assert!(pair.session().wants_probe().is_some());
    pair.pass(MILLISECOND);
    assert_ne!(pair.session().wants_probe().map(|(id, _)| id), Some(probe));
    pair.send_on(probe, b"w");
    pair.assert_quiet();
}

#[test]
fn a_probe_ends_with_its_link() {
    let mut pair = read_only("a,b");
    next_probe(&mut pair);
    pair.cut();
    assert_eq!(pair.session().wants_probe(), None);
}

#[test]
fn a_server_that_is_alone_looks_for_no_other_until_the_list_has_one() {
    let stays = |seed| {
        let mut pair = Pair::seeded(config("a"), seed);
        pair.connect(&Greeting::read_only());
        pair.idle(Duration::from_secs(100));
        assert_eq!(pair.session().wants_probe(), None);
        pair.app(|session| session.set_servers(servers("a,b")));
        (pair.told() == ["Connected new read-only"]).then_some(pair)
    };
    let mut pair = (0..20).find_map(stays).expect("half of the clients stay");

    let (_, server) = next_probe(&mut pair);

    assert_eq!(&*server.host, "b");
}

#[test]
fn writable_servers_are_not_searched_for() {
    let mut pair = Pair::connected_with(config("a,b"));
    pair.idle(100 * Duration::from_secs(1));
    assert_eq!(pair.session().wants_probe(), None);
    assert_eq!(pair.ops(), [] as [OpCode; 0]);
}

fn config(list: &str) -> Config {
    settings_with(|config| (config.read_only, config.servers) = (true, servers(list)))
}

/// A session on a read-only server.
fn read_only(list: &str) -> Pair {
    let mut pair = Pair::new(config(list));
    pair.connect(&Greeting::read_only());
    assert_eq!(pair.told(), ["Connected new read-only"]);
    assert_eq!(pair.ops(), []);
    pair
}

/// Lets time pass, on a link that lives, until a probe is wanted.
fn next_probe(pair: &mut Pair) -> (LinkId, Server) {
    for _ in 0..1000 {
        if let Some(probe) = pair.session().wants_probe() {
            return probe;
        }
        let due = pair.session().poll_timeout().expect("a ping at least");
        let wait = due.saturating_since(pair.now);
        pair.idle(wait);
    }
    panic!("no probe is ever wanted");
}

fn bytes_of(mut buffer: impl bytes::Buf) -> bytes::Bytes {
    buffer.copy_to_bytes(buffer.remaining())
}
