//! Which server is dialled when.

use std::{collections::BTreeSet, time::Duration};

use zk_proto::{Backoff, Config, Machine, code::ErrorCode, request::GetData};

use crate::support::{Greeting, Pair, data, servers, settings_with};

#[test]
fn every_server_of_a_round_is_dialled_once_and_knows_how_often_it_was() {
    let mut pair = Pair::new(config("a,b,c,d"));
    for round in 0..3 {
        let mut hosts = BTreeSet::new();
        for _ in 0..4 {
            let server = pair.dial();
            assert_eq!(server.attempt, round);
            hosts.insert(server.host);
            pair.cut();
        }
        assert_eq!(hosts.len(), 4);
    }
}

#[test]
fn the_seed_decides_the_order() {
    let first = |seed| Pair::seeded(config("a,b,c,d,e,f,g,h"), seed).dial().host;
    let hosts: BTreeSet<_> = (0..60).map(first).collect();
    assert!(hosts.len() >= 7, "{hosts:?}");
    assert_eq!(first(3), first(3));
}

#[test]
fn the_first_dial_is_made_at_once_and_later_ones_are_spread() {
    let mut waits = Vec::new();
    for seed in 0..20 {
        let mut pair = Pair::seeded(config("a,b,c"), seed);
        pair.dial();
        assert_eq!(pair.now, Default::default());
        pair.cut();
        pair.dial();
        waits.push(pair.now);
    }
    assert!(waits.iter().all(|at| at.as_nanos() < 100_000_000), "{waits:?}");
    assert_eq!(waits.iter().collect::<BTreeSet<_>>().len(), 20, "no herd");
}

#[test]
fn after_a_full_round_the_pauses_grow_to_the_longest() {
    let mut pair = Pair::new(config("a,b"));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        pair.dial();
        pair.cut();
        pair.dial();
        pair.cut();
        let before = pair.now;
        pair.dial();
        pauses.push(pair.now.saturating_since(before).as_millis());
    }
    for (round, pause) in pauses.into_iter().enumerate() {
        let longest = (100 << round).min(5_000);
        assert!((longest / 2..=longest).contains(&pause), "{pause} ms before round {}", round + 2);
    }
}

#[test]
fn a_link_that_worked_is_replaced_at_once_by_one_to_the_next_server() {
    let mut pair = Pair::new(config("a,b,c"));
    pair.connect(&Greeting::default());
    pair.submit(&GetData::new("/a"), 'a');
    pair.answer_next(&data(b""));
    pair.pass(Duration::from_secs(1));
    let (before, server) = (pair.now, pair.session().server().unwrap().clone());

    pair.cut();

    let next = pair.dial();
    assert_eq!(pair.now, before);
    assert_ne!(next.host, server.host);
}

#[test]
fn a_link_that_was_lost_before_anything_was_answered_did_not_work() {
    let mut config = config("a");
    config.backoff = Backoff { initial: Duration::from_secs(4), max: Duration::from_secs(4) };
    let mut pair = Pair::new(config);
    pair.connect(&Greeting::default());
    let before = pair.now;
    pair.cut();
    pair.dial();
    assert!(pair.now.saturating_since(before) >= Duration::from_secs(2));
}

#[test]
fn a_link_may_take_its_share_of_the_timeout() {
    for (list, timeout, limit, expected) in
        [("a,b,c,d,e", 30, None, 6), ("a", 28, None, 7), ("a,b,c,d,e,f,g,h,i,j", 6, None, 1), ("a", 30, Some(2), 2)]
    {
        let mut config = config(list);
        config.session_timeout = Duration::from_secs(timeout);
        config.link_timeout = limit.map(Duration::from_secs);
        let mut pair = Pair::new(config);
        let server = pair.dial();
        pair.pass(Duration::from_secs(expected) - Duration::from_nanos(1));
        pair.assert_quiet();
        pair.pass(Duration::from_nanos(1));
        assert_eq!(pair.told(), [format!("LinkFailed {server} Silence")]);
    }
}

#[test]
fn a_new_list_without_the_present_server_is_moved_to_when_all_is_answered() {
    let mut pair = Pair::new(config("a,b"));
    pair.connect(&Greeting::default());
    pair.submit(&GetData::new("/1"), '1');
    let asked = pair.ask();

    pair.app(|session| session.set_servers(servers("c,d")));
    pair.submit(&GetData::new("/2"), '2');
    assert_eq!(pair.ops(), []);
    assert_eq!(pair.told(), ["Connected new"], "nothing is lost");
    pair.answer(&asked, &data(b""));

    assert_eq!(pair.told(), ["1: Ok", "Suspended(Left)"]);
    assert!(matches!(&*pair.dial().host, "c" | "d"));
    pair.connect(&Greeting::default());
    assert_eq!(pair.ask().path(), "/2");
}

#[test]
fn a_new_list_with_the_present_server_that_has_not_grown_is_no_reason_to_move() {
    let mut pair = Pair::new(config("a,b,c"));
    pair.connect(&Greeting::default());
    let here = pair.session().server().unwrap().host.to_string();
    pair.told();

    pair.app(|session| session.set_servers(servers(&format!("{here},x,y"))));

    pair.assert_quiet();
    assert_eq!(pair.session().server().map(|server| server.host.to_string()), Some(here));
}

#[test]
fn a_list_that_grows_moves_the_share_that_balances() {
    let moved = (0..200_u8).filter(|seed| {
        let mut pair = Pair::seeded(config("a,b"), *seed);
        pair.connect(&Greeting::default());
        pair.told();
        pair.app(|session| session.set_servers(servers("a,b,c,d")));
        pair.tick();
        pair.told() == ["Suspended(Left)"]
    });
    let moved = moved.count();
    assert!((70..130).contains(&moved), "{moved} of 200");
}

#[test]
fn a_link_that_is_not_up_yet_is_left_at_once_for_a_new_list() {
    let mut pair = Pair::new(config("a,b"));
    pair.knock();
    let old = pair.link_id();

    pair.app(|session| session.set_servers(servers("c")));
    let before = pair.now;

    assert_eq!(&*pair.dial().host, "c");
    assert_ne!(pair.link_id(), old);
    assert_eq!(pair.now, before);
}

#[test]
fn a_server_of_a_new_list_gets_its_full_time_although_the_clock_was_last_seen_long_ago() {
    let mut pair = Pair::new(config("a,b"));
    pair.connect(&Greeting::default());
    pair.pause(Duration::from_secs(8));
    pair.app(|session| session.set_servers(servers("c")));
    pair.tick();
    assert_eq!(&*pair.dial().host, "c");
    pair.told();

    pair.pass(Duration::from_secs(7));

    pair.assert_quiet();
}

#[test]
fn a_new_list_ends_a_pause() {
    let mut pair = Pair::new(config("a"));
    for _ in 0..5 {
        pair.dial();
        pair.cut();
    }
    let before = pair.now;

    pair.app(|session| session.set_servers(servers("a,b")));

    pair.dial();
    assert_eq!(pair.now, before);
}

#[test]
fn a_server_that_refuses_the_watches_is_not_asked_again_and_again_without_a_pause() {
    let mut pair = Pair::new(config("a"));
    pair.connect(&Greeting::default());
    pair.watch(&GetData::new("/a"), 'a', "w");
    pair.answer_next(&data(b""));
    pair.pass(Duration::from_secs(2));
    let before = pair.now;

    pair.cut();
    for _ in 0..20 {
        pair.connect(&Greeting::default());
        let asked = pair.asked().swap_remove(0);
        pair.refuse(&asked, ErrorCode::ThrottledOp);
    }

    let took = pair.now.saturating_since(before);
    assert!(took > Duration::from_secs(20), "20 links in {took:?}");
}

#[test]
fn a_server_that_never_answers_what_is_in_flight_does_not_hold_up_a_move_for_ever() {
    let mut pair = Pair::new(config("a"));
    pair.connect(&Greeting::default());
    pair.submit(&GetData::new("/1"), '1');
    pair.flush();
    pair.app(|session| session.set_servers(servers("b")));

    pair.pass(Duration::from_secs(20));

    assert_eq!(pair.told(), ["Connected new", "1: Lost", "Suspended(Silence)"]);
    assert!(pair.session().poll_timeout().is_some());
    assert_eq!(&*pair.dial().host, "b");
}

fn config(list: &str) -> Config {
    settings_with(|config| config.servers = servers(list))
}
