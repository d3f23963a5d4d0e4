//! Requests that may take so long and no longer.

use std::time::Duration;

use zk_proto::{
    Instant, Machine,
    code::{ErrorCode, EventType, OpCode},
    request::GetData,
    session::SubmitOptions,
};

use crate::support::{Crowd, Greeting, Pair, data, event, reply, settings};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_nanos(1);

#[test]
fn a_time_limit_begins_at_the_first_time_the_session_learns() {
    let mut pair = Pair::connected();
    pair.pause(SECOND);
    limited(&mut pair, 'a', 5);
    assert!(pair.session().poll_timeout().unwrap() <= pair.now, "due at once, to learn the time");
    pair.pause(SECOND);
    pair.flush();

    // One second into the call, and yet the limit is full.
    pair.pass(5 * SECOND - MOMENT);
    pair.assert_quiet();
    pair.pass(MOMENT);
    assert_eq!(pair.told(), ["a: TimedOut { sent: Perhaps }"]);
}

#[test]
fn a_request_that_was_not_handed_out_in_time_certainly_was_not_sent() {
    let mut pair = Pair::connected();
    limited(&mut pair, 'a', 5);

    pair.pass(5 * SECOND);

    assert_eq!(pair.told(), ["a: TimedOut { sent: No }"]);
    assert_eq!(pair.ops(), []);
}

#[test]
fn the_reply_to_a_request_that_was_given_up_is_ignored() {
    let mut pair = Pair::connected();
    limited(&mut pair, 'a', 5);
    pair.submit(&GetData::new("/b"), 'b');
    let asked = pair.asked();
    pair.pass(5 * SECOND);
    assert_eq!(pair.told(), ["a: TimedOut { sent: Perhaps }"]);

    pair.answer(&asked[0], &data(b"late"));
    pair.answer(&asked[1], &data(b""));

    assert_eq!(pair.told(), ["b: Ok"]);
}

#[test]
fn the_watch_of_a_late_reply_is_taken_off_again() {
    let mut pair = Pair::connected();
    let options = SubmitOptions { timeout: Some(5 * SECOND), ..SubmitOptions::default() };
    let (_, watch) = pair.watch_with(&GetData::new("/a"), 'a', "w", options);
    let asked = pair.ask();
    pair.pass(5 * SECOND);
    assert_eq!(pair.told(), ["a: TimedOut { sent: Perhaps }"]);
    assert_eq!(pair.app(|session| session.unwatch(watch)), None, "it is over with the request");

    pair.answer(&asked, &data(b""));
    pair.send(&event(EventType::NodeDataChanged, "/a", 7));

    pair.assert_quiet();
    assert_eq!(pair.ops(), [OpCode::RemoveWatches]);
    assert_eq!(pair.session().watch_count(), 0);
}

#[test]
fn a_late_refusal_leaves_no_watch_to_take_off() {
    let mut pair = Pair::connected();
    let options = SubmitOptions { timeout: Some(5 * SECOND), ..SubmitOptions::default() };
    pair.watch_with(&GetData::new("/a"), 'a', "w", options);
    let asked = pair.ask();
    pair.pass(5 * SECOND);

    pair.refuse(&asked, ErrorCode::NoNode);

    assert_eq!(pair.ops(), []);
    assert_eq!(pair.session().watch_count(), 0);
}

#[test]
fn a_request_times_out_without_a_link_too() {
    let mut pair = Pair::connected();
    pair.cut();
    limited(&mut pair, 'a', 1);
    pair.pass(SECOND);
    assert_eq!(pair.told(), ["Suspended(Hangup)", "a: TimedOut { sent: No }"]);
}

#[test]
fn a_request_that_waits_to_be_sent_again_may_have_been_seen() {
    let mut pair = Pair::connected();
    let options = SubmitOptions { timeout: Some(5 * SECOND), resend: true, ..SubmitOptions::default() };
    pair.submit_with(&GetData::new("/a"), 'a', options).unwrap();
    pair.flush();
    pair.cut();

    pair.pass(5 * SECOND);

    assert_eq!(pair.told()[..2], ["Suspended(Hangup)", "a: TimedOut { sent: Perhaps }"]);
    pair.connect(&Greeting::default());
    assert_eq!(pair.ops(), []);
}

#[test]
fn a_reply_that_is_read_before_the_clock_is_in_time() {
    let mut pair = Pair::connected();
    limited(&mut pair, 'a', 5);
    let asked = pair.ask();
    pair.tick();

    pair.pause(60 * SECOND);
    pair.answer(&asked, &data(b""));

    assert_eq!(pair.told(), ["a: Ok"]);
}

#[test]
fn a_lost_link_ends_the_limit_with_the_request() {
    let mut pair = Pair::connected();
    limited(&mut pair, 'a', 5);
    pair.flush();
    pair.cut();
    assert_eq!(pair.told(), ["a: Lost", "Suspended(Hangup)"]);
    pair.connect(&Greeting::default());

    pair.idle(60 * SECOND);

    assert_eq!(pair.told(), ["Connected resumed"]);
}

#[test]
fn many_limits_run_side_by_side_and_each_ends_its_own_request() {
    let mut pair = Crowd::new(settings());
    pair.connect(&Greeting::default());
    pair.told();
    // In an order that is not that of the ends, some answered, some taken back.
    for tag in 0..200 {
        let options = SubmitOptions { timeout: Some((1 + tag * 7 % 13) * SECOND), ..SubmitOptions::default() };
        let id = pair.submit_with(&GetData::new("/a"), tag, options).unwrap();
        if tag % 3 == 0 {
            pair.app(|session| session.withdraw(id));
        }
    }
    for asked in pair.asked().iter().take(50) {
        pair.send(&reply(asked.xid, 1, ErrorCode::Ok, &[]));
    }
    assert_eq!(pair.told().len(), 50);

    pair.pass(13 * SECOND);

    let told = pair.told();
    assert_eq!(told.len(), 200 - 67 - 50);
    assert!(told.iter().all(|line| line.ends_with("TimedOut { sent: Perhaps }")), "{told:?}");
}

#[test]
fn a_limit_ends_with_its_request() {
    let mut pair = Pair::connected();
    limited(&mut pair, 'a', 1);
    limited(&mut pair, 'b', 3);
    let asked = pair.asked();
    assert_eq!(pair.session().poll_timeout(), Some(pair.now + SECOND));

    pair.answer(&asked[0], &[]);
    assert_eq!(pair.session().poll_timeout(), Some(pair.now + 3 * SECOND));
    pair.answer(&asked[1], &[]);
    assert_eq!(pair.session().poll_timeout(), Some(pair.now + 10 * SECOND), "the ping");
}

#[test]
fn a_limit_of_nothing_ends_the_request_at_once() {
    let mut pair = Pair::connected();
    limited(&mut pair, 'a', 0);
    pair.tick();
    assert_eq!(pair.told(), ["a: TimedOut { sent: No }"]);
}

#[test]
fn the_longest_limit_does_not_overflow() {
    let mut pair = Pair::connected();
    let options = SubmitOptions { timeout: Some(Duration::MAX), ..SubmitOptions::default() };
    pair.submit_with(&GetData::new("/a"), 'a', options).unwrap();
    pair.answer_next(&[]);
    assert_eq!(pair.told(), ["a: Ok"]);
    assert!(pair.session().poll_timeout().unwrap() < Instant::from_nanos(u64::MAX));
}

fn limited(pair: &mut Pair, tag: char, seconds: u64) {
    let options = SubmitOptions { timeout: Some(Duration::from_secs(seconds)), ..SubmitOptions::default() };
    pair.submit_with(&GetData::new("/a"), tag, options).unwrap();
}
