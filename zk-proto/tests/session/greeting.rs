//! The first message of each direction.

use std::time::Duration;

use zk_proto::{
    Machine, SessionId, Wants, Zxid,
    code::{ErrorCode, OpCode},
    request::GetData,
    session::End,
};

use crate::support::{Greeting, Pair, frame, reply, settings};

#[test]
fn the_first_greeting_asks_for_a_new_session_with_a_password_of_sixteen_zero_bytes() {
    let mut pair = Pair::new(settings());

    let greeting = pair.knock();

    assert_eq!((greeting.protocol_version, greeting.timeout_ms), (0, 30_000));
    assert_eq!((greeting.session_id, greeting.last_zxid_seen), (SessionId(0), Zxid(0)));
    assert_eq!(greeting.passwd.as_bytes(), [0; 16]);
    assert_eq!(greeting.read_only, Some(false));
}

#[test]
fn a_later_greeting_names_the_session_its_password_and_the_last_transaction_seen() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.zxid = 0x777;
    pair.answer_next(&[]);

    let greeting = pair.reconnect();

    assert_eq!((greeting.session_id, greeting.last_zxid_seen), (SessionId(0x5E55), Zxid(0x778)));
    assert_eq!(greeting.passwd.as_bytes(), b"session-password");
    assert_eq!(pair.told(), ["a: Ok", "Suspended(Hangup)", "Connected resumed"]);
}

#[test]
fn every_link_asks_for_the_wanted_timeout_and_gets_one_of_its_own() {
    let mut pair = Pair::new(settings());
    for timeout_ms in [6_000_u64, 39_000, 30_000] {
        let asked = pair.connect(&Greeting { timeout_ms: timeout_ms as i32, ..Greeting::default() });
        assert_eq!(asked.timeout_ms, 30_000);
        let told = pair.told();
        assert!(told.last().is_some_and(|line| line.starts_with("Connected")), "{told:?}");
        assert_eq!(pair.ops(), []);
        pair.pass(Duration::from_millis(timeout_ms / 3));
        assert_eq!(pair.ops(), [OpCode::Ping], "a third of the timeout in force");
        pair.cut();
    }
}

#[test]
fn a_server_may_greet_with_or_without_the_read_only_byte() {
    for read_only in [Some(false), None] {
        let greeting = Greeting { read_only, ..Greeting::default() };
        let mut pair = Pair::new(settings());

        pair.connect(&greeting);

        assert_eq!(greeting.frame().len(), if read_only.is_some() { 41 } else { 40 });
        assert_eq!(pair.told(), ["Connected new"]);
    }
}

#[test]
fn nothing_follows_the_greeting_until_it_is_answered() {
    let mut pair = Pair::new(settings());
    pair.submit(&GetData::new("/a"), 'a');

    pair.knock();
    assert_eq!(pair.next_frame(), None);

    pair.send(&Greeting::default().frame());
    assert_eq!(pair.ask().path(), "/a");
}

#[test]
fn a_bare_error_header_is_a_read_only_server_and_not_an_expired_session() {
    let mut pair = Pair::connected();
    pair.cut();
    pair.knock();

    pair.send(&reply(0, 5, ErrorCode::NotReadOnly, &[]));

    assert_eq!(pair.told(), ["Suspended(Hangup)", "LinkFailed a:2181 TurnedAway(ReadOnly)"]);
    let greeting = pair.connect(&Greeting::default());
    assert_eq!(greeting.session_id, SessionId(0x5E55));
    assert_eq!(pair.told(), ["Connected resumed"]);
}

#[test]
fn another_bare_error_header_turns_away_too() {
    let mut pair = Pair::new(settings());
    pair.knock();

    pair.send(&reply(0, 5, ErrorCode::ThrottledOp, &[]));

    assert_eq!(pair.told(), ["LinkFailed a:2181 TurnedAway(Error(ThrottledOp))"]);
}

#[test]
fn a_session_that_a_server_refuses_has_expired() {
    let mut pair = Pair::connected();
    pair.cut();

    pair.connect(&Greeting::refused());

    assert_eq!(pair.told(), ["Suspended(Hangup)", "Ended(Expired)"]);
    assert_eq!(pair.session().wants(), Wants::Nothing(End::Expired));
}

#[test]
fn a_new_session_that_a_server_refuses_is_asked_for_elsewhere() {
    let mut pair = Pair::new(settings());

    pair.connect(&Greeting::refused());
    assert_eq!(pair.told(), ["LinkFailed a:2181 TurnedAway(NoSession)"]);

    pair.connect(&Greeting::default());
    assert_eq!(pair.told(), ["Connected new"]);
}

#[test]
fn another_session_than_asked_for_is_an_expiry() {
    let mut pair = Pair::connected();
    pair.cut();

    pair.connect(&Greeting { session: 0xBAD, ..Greeting::default() });

    assert_eq!(pair.told(), ["Suspended(Hangup)", "Ended(Expired)"]);
}

#[test]
fn a_server_of_another_protocol_is_left_and_the_session_is_not_over() {
    let busy = Greeting { protocol_version: 42, ..Greeting::refused() };
    let mut pair = Pair::connected();
    pair.cut();

    pair.connect(&busy);

    assert_eq!(pair.told(), ["Suspended(Hangup)", "LinkFailed a:2181 TurnedAway(ProtocolVersion(42))"]);
    pair.connect(&Greeting::default());
    assert_eq!(pair.told(), ["Connected resumed"]);
}

#[test]
fn a_read_only_server_is_left_unless_it_will_do() {
    let mut pair = Pair::new(settings());
    pair.connect(&Greeting::read_only());
    assert_eq!(pair.told(), ["LinkFailed a:2181 TurnedAway(ReadOnly)"]);

    let mut config = settings();
    config.read_only = true;
    let mut pair = Pair::new(config);
    let asked = pair.connect(&Greeting::read_only());
    assert_eq!(asked.read_only, Some(true));
    assert_eq!(pair.told(), ["Connected new read-only"]);
}

#[test]
fn a_greeting_that_ends_early_costs_the_link_wherever_it_ends() {
    let whole = Greeting::default().frame();
    for len in (0..36).filter(|len| *len != 16) {
        let mut pair = Pair::new(settings());
        pair.knock();

        pair.send(&frame(&whole[4..4 + len]));

        let told = pair.told();
        assert!(told.len() == 1 && told[0].starts_with("LinkFailed a:2181 Violation(Decode"), "{len}: {told:?}");
    }
}

#[test]
fn a_server_that_speaks_before_it_is_spoken_to_loses_the_link() {
    let mut pair = Pair::new(settings());
    pair.dial();
    pair.open();

    pair.send(&Greeting::default().frame());

    assert_eq!(pair.told(), ["LinkFailed a:2181 Violation(Unasked(0))"]);
}

#[test]
fn what_follows_the_greeting_in_the_same_read_is_taken_too() {
    let mut pair = Pair::new(settings());
    pair.knock();

    pair.send(&[&Greeting::default().frame()[..], &reply(77, 1, ErrorCode::Ok, &[])].concat());

    assert_eq!(pair.told(), ["Connected new", "Suspended(Violation(Unasked(77)))"]);
}
