//! How long the session is certain to live, and what a lost link means for it.

use std::time::Duration;

use zk_proto::{
    AuthInfo, Instant, Machine,
    code::{ErrorCode, EventType},
    request::{AddWatch, GetData},
    session::State,
};

use crate::support::{Greeting, Pair, data, event, reply, settings, settings_with};

const SECOND: Duration = Duration::from_secs(1);
/// A timeout of 30 s less a quarter.
const VALID: Duration = Duration::from_millis(22_500);

#[test]
fn validity_counts_from_the_moment_the_latest_answered_message_was_handed_out() {
    let mut pair = Pair::new(settings());
    assert_eq!(pair.session().valid_until(), None, "before the first link");
    pair.knock();
    let greeted = pair.now;
    pair.pass(3 * SECOND);
    pair.send(&Greeting::default().frame());
    assert_eq!(valid(&pair), greeted + VALID, "the greeting");

    pair.pass(2 * SECOND);
    pair.submit(&GetData::new("/a"), 'a');
    pair.pass(SECOND);
    let (asked, handed_out) = (pair.ask(), pair.now);
    pair.pass(SECOND);
    assert_eq!(valid(&pair), greeted + VALID, "it is not answered");
    pair.answer(&asked, &data(b""));
    assert_eq!(valid(&pair), handed_out + VALID, "a request");

    pair.pass(9 * SECOND);
    pair.flush();
    let pinged = pair.now;
    pair.pass(4 * SECOND);
    pair.pong();
    assert_eq!(valid(&pair), pinged + VALID, "a ping");
}

#[test]
fn validity_is_not_extended_by_anything_that_does_not_prove_that_the_server_heard_us() {
    let mut pair = Pair::connected();
    pair.watch(&AddWatch { path: "/a", mode: Default::default() }, 'a', "w");
    pair.answer_next(&[0; 4]);
    let before = valid(&pair);
    pair.pass(5 * SECOND);

    pair.send(&event(EventType::NodeDataChanged, "/a", 7));
    assert_eq!(valid(&pair), before, "an event");
    pair.app(|session| session.add_auth(AuthInfo::digest("b", "2"), 'x').unwrap());
    pair.flush();
    pair.send(&reply(-4, 0, ErrorCode::Ok, &[]));
    assert_eq!(valid(&pair), before, "credentials do not touch the session");
    pair.submit(&GetData::new("/a"), 'b');
    let asked = pair.asked().pop().unwrap();
    let whole = reply(asked.xid, 9, ErrorCode::Ok, &data(&[0; 100]));
    pair.send(&whole[..50]);
    assert_eq!(valid(&pair), before, "bytes");
    pair.cut();
    assert_eq!(valid(&pair), before, "a lost link");
    pair.knock();
    assert_eq!(valid(&pair), before, "a link that is open");
}

#[test]
fn an_answer_that_the_session_is_over_proves_nothing() {
    for error in [ErrorCode::SessionExpired, ErrorCode::SessionMoved] {
        let mut pair = Pair::connected();
        let before = valid(&pair);
        pair.pass(5 * SECOND);
        pair.submit(&GetData::new("/a"), 'a');
        let asked = pair.ask();
        pair.refuse(&asked, error);
        assert_eq!(valid(&pair), before, "{error}");
    }
}

#[test]
fn a_read_only_server_proves_nothing_of_a_session_of_the_whole_ensemble() {
    let mut pair = Pair::connected_with(settings_with(|config| config.read_only = true));
    let before = valid(&pair);
    pair.pass(5 * SECOND);
    pair.cut();
    pair.connect(&Greeting::read_only());
    pair.submit(&GetData::new("/a"), 'a');
    pair.answer_next(&data(b""));
    assert_eq!(valid(&pair), before);
}

#[test]
fn an_old_answer_does_not_take_back_what_a_newer_one_has_proved() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    pair.pass(10 * SECOND);
    pair.flush();
    let pinged = pair.now;
    pair.pong();
    assert_eq!(valid(&pair), pinged + VALID);

    pair.answer(&asked, &data(b""));

    assert_eq!(valid(&pair), pinged + VALID);
}

#[test]
fn the_margin_can_be_chosen() {
    for (margin, valid_for) in [(0, 30), (10, 20), (60, 0)] {
        let mut config = settings();
        config.validity_margin = Some(margin * SECOND);
        let pair = Pair::connected_with(config);
        assert_eq!(valid(&pair), pair.now + valid_for * SECOND);
    }
}

#[test]
fn a_session_is_suspended_then_presumed_lost_and_yet_may_be_resumed() {
    let mut pair = Pair::connected();
    let until = valid(&pair);
    pair.pass(3 * SECOND);
    pair.cut();
    let State::Suspended { valid_until, .. } = pair.session().state().clone() else { panic!("suspended") };
    assert_eq!(valid_until, until);

    while pair.now < until {
        assert_eq!(pair.session().state(), &State::Suspended { cause: zk_proto::session::Cause::Hangup, valid_until });
        pair.pass(SECOND);
        if pair.link().is_some() {
            pair.cut();
        }
    }
    assert_eq!(pair.session().state(), &State::PresumedLost);
    pair.told();

    pair.connect(&Greeting::default());
    assert_eq!(pair.told(), ["Connected resumed"]);
}

#[test]
fn an_outage_of_ten_timeouts_ends_no_session() {
    let mut pair = Pair::connected();
    let end = pair.now + 300 * SECOND;
    while pair.now < end {
        pair.cut();
        pair.dial();
    }

    pair.connect(&Greeting::default());

    let told = pair.told();
    assert_eq!(told.iter().filter(|line| *line == "PresumedLost").count(), 1);
    assert_eq!(told.last().map(String::as_str), Some("Connected resumed"));
}

#[test]
fn an_outage_ends_the_session_where_that_is_asked_for() {
    let mut config = settings();
    config.give_up_after = Some(40 * SECOND);
    let mut pair = Pair::connected_with(config);
    pair.pass(5 * SECOND);
    pair.cut();
    let lost = pair.now;
    while pair.session().state() != &State::Ended(zk_proto::session::End::Expired) {
        assert!(pair.now < lost + 40 * SECOND);
        if pair.link().is_some() {
            pair.cut();
        }
        let due = pair.session().poll_timeout().unwrap();
        pair.now = due;
        pair.tick();
    }
    assert_eq!(pair.now, lost + 40 * SECOND);
}

#[test]
fn an_outage_that_is_over_in_time_does_not_count_for_the_next() {
    let mut config = settings();
    config.give_up_after = Some(40 * SECOND);
    let mut pair = Pair::connected_with(config);
    for _ in 0..5 {
        pair.cut();
        pair.pass(25 * SECOND);
        if pair.link().is_some() {
            pair.cut();
        }
        pair.connect(&Greeting::default());
    }
    assert!(matches!(pair.session().state(), State::Connected { .. }));
}

#[test]
fn time_that_goes_back_stands_still() {
    let mut pair = Pair::connected();
    pair.pass(9 * SECOND);
    let before = pair.session().poll_timeout();

    let earlier = Instant::ORIGIN;
    pair.app(|session| session.handle_timeout(earlier));
    assert_eq!(pair.session().poll_timeout(), before);
    pair.submit(&GetData::new("/a"), 'a');
    let link = pair.link_id();
    pair.app(|session| session.poll_transmit(link, earlier).is_some());
    assert_eq!(pair.session().poll_timeout(), before.map(|at| at + 9 * SECOND), "sent now, not then");
    pair.app(|session| session.handle_disconnected(link, earlier));
    assert!(pair.session().poll_timeout().is_none_or(|at| at > pair.now - SECOND));
}

#[test]
fn an_ended_session_has_no_validity_and_no_deadline() {
    let mut pair = Pair::connected();
    pair.cut();
    pair.connect(&Greeting::refused());
    assert_eq!((pair.session().valid_until(), pair.session().poll_timeout()), (None, None));
}

#[test]
fn the_timeout_in_force_is_what_counts_and_not_the_one_asked_for() {
    let mut pair = Pair::new(settings_with(|config| config.session_timeout = 300 * SECOND));
    pair.connect(&Greeting { timeout_ms: 4_000, ..Greeting::default() });
    assert_eq!(valid(&pair), pair.now + 3 * SECOND);
}

fn valid(pair: &Pair) -> Instant {
    pair.session().valid_until().expect("a session that was up has a validity")
}
