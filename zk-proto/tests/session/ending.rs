//! How a session ends, and what comes after.

use std::time::Duration;

use zk_proto::{
    AuthInfo, Config, Credentials, Machine, SessionId, Wants,
    code::OpCode,
    request::{AddWatch, GetData},
    session::{End, Refusal, State, SubmitOptions},
};

use crate::support::{Act, Greeting, Pair, data, event, reply, servers, settings, settings_with, stat};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn expiry_ends_everything_that_is_open_exactly_once_and_is_told_last() {
    let mut pair = Pair::connected();
    pair.watch(&GetData::new("/a"), 'a', "w");
    pair.answer_next(&data(b""));
    let again = SubmitOptions { resend: true, timeout: Some(100 * SECOND), ..SubmitOptions::default() };
    pair.submit(&GetData::new("/b"), 'b');
    pair.submit_with(&GetData::new("/c"), 'c', again).unwrap();
    pair.flush();
    pair.watch(&GetData::new("/d"), 'd', "w");
    pair.app(|session| session.add_auth(AuthInfo::digest("x", "y"), 'e').unwrap());
    pair.cut();
    pair.submit(&GetData::new("/f"), 'f');
    pair.told();

    pair.connect(&Greeting::refused());

    let told = [
        "c: Ended { end: Expired, sent: Perhaps }",
        "d: Ended { end: Expired, sent: No }",
        "f: Ended { end: Expired, sent: No }",
        "e: Ended { end: Expired, sent: No }",
        "Ended(Expired)",
    ];
    assert_eq!(pair.told(), told);
    assert_eq!((pair.session().watch_count(), pair.session().backlog_len()), (0, 0));
    pair.pass(1000 * SECOND);
    pair.assert_quiet();
}

#[test]
fn nothing_is_taken_by_a_session_that_is_over() {
    let mut pair = Pair::connected();
    pair.cut();
    pair.connect(&Greeting::refused());
    let over = Refusal::Ended(End::Expired);

    let refused = pair.submit_with(&GetData::new("/a"), 'a', SubmitOptions::default()).unwrap_err();
    assert_eq!((refused.tag, refused.reason), ('a', over.clone()));
    let watched = |session: &mut zk_proto::Session<_, _>| {
        session.submit_watched(&GetData::new("/a"), 'a', "w", SubmitOptions::default())
    };
    assert_eq!(pair.app(watched).unwrap_err().reason, over);
    let refused = pair.app(|session| session.add_auth(AuthInfo::digest("x", "y"), 'a'));
    assert_eq!(refused.unwrap_err().reason, over);
    pair.app(|session| session.close());
    pair.app(|session| session.set_servers(servers("b")));
    assert_eq!(pair.session().wants(), Wants::Nothing(End::Expired));
}

#[test]
fn a_successor_keeps_what_belongs_to_the_client_and_forgets_what_belonged_to_the_session() {
    let mut pair = Pair::connected();
    pair.watch(&GetData::new("/a"), 'a', "w");
    pair.answer_next(&data(b""));
    pair.app(|session| session.add_auth(AuthInfo::digest("x", "y"), 'e').unwrap());
    pair.flush();
    pair.send(&reply(-4, 0, Default::default(), &[]));
    pair.app(|session| session.set_servers(servers("a,b,c")));
    pair.cut();
    pair.connect(&Greeting::refused());
    pair.told();

    assert!(pair.app(|session| session.renew()));

    assert_eq!(pair.told(), ["Connecting"]);
    assert_eq!((pair.session().id(), pair.session().last_zxid().0, pair.session().valid_until()), (None, 0, None));
    let greeting = pair.connect(&Greeting { session: 0x77, ..Greeting::default() });
    assert_eq!((greeting.session_id, greeting.last_zxid_seen.0), (SessionId(0), 0));
    assert_eq!(greeting.passwd.as_bytes(), [0; 16]);
    assert_eq!(pair.ops(), [OpCode::Auth], "credentials go on");
    pair.send(&reply(-4, 0, Default::default(), &[]));
    assert_eq!(pair.ops(), [], "watches do not");
    assert_eq!(pair.told(), ["Connected new"]);
    assert_eq!(pair.session().config().servers.len(), 3);
}

#[test]
fn only_a_session_that_has_expired_or_was_rejected_is_renewed() {
    let mut pair = Pair::connected();
    assert!(!pair.app(|session| session.renew()), "while it lives");
    pair.app(|session| session.detach().is_some());
    assert!(!pair.app(|session| session.renew()), "after it was closed");
}

#[test]
fn a_successor_that_expires_before_it_was_up_backs_off() {
    let mut pair = Pair::connected();
    let mut pauses = Vec::new();
    for _ in 0..5 {
        pair.cut();
        pair.connect(&Greeting::refused());
        assert!(pair.app(|session| session.renew()));
        let before = pair.now;
        pair.dial();
        pauses.push(pair.now.saturating_since(before));
        pair.open();
        pair.flush();
        pair.send(&Greeting { session: 0x77, ..Greeting::default() }.frame());
    }
    assert!(pauses.windows(2).all(|two| two[0] < two[1]), "{pauses:?}");
}

#[test]
fn a_pinned_request_is_refused_in_another_session_and_fails_unsent_when_that_begins() {
    let mut config = settings();
    config.read_only = true;
    let mut pair = Pair::new(config);
    pair.connect(&Greeting::read_only());
    let pinned = |session| SubmitOptions { pin: Some(SessionId(session)), ..SubmitOptions::default() };
    let refused = pair.submit_with(&GetData::new("/a"), 'x', pinned(0xBAD)).unwrap_err();
    assert_eq!((refused.tag, refused.reason), ('x', Refusal::SessionChanged));
    pair.cut();
    pair.submit_with(&GetData::new("/a"), 'a', pinned(0x5E55)).unwrap();
    pair.submit(&GetData::new("/b"), 'b');

    pair.connect(&Greeting { session: 0x77, ..Greeting::default() });

    assert_eq!(pair.told(), ["Connected new read-only", "Suspended(Hangup)", "a: SessionChanged", "Connected new"]);
    assert_eq!(pair.ask().path(), "/b");
}

#[test]
fn a_pinned_request_goes_out_when_its_session_is_resumed() {
    let mut pair = Pair::connected();
    pair.cut();
    let pinned = SubmitOptions { pin: Some(SessionId(0x5E55)), ..SubmitOptions::default() };
    pair.submit_with(&GetData::new("/a"), 'a', pinned).unwrap();
    pair.connect(&Greeting::default());
    assert_eq!(pair.ask().path(), "/a");
}

#[test]
fn closing_lets_what_was_submitted_go_first_and_takes_nothing_more() {
    let mut pair = Pair::connected();
    pair.watch(&AddWatch { path: "/e", mode: Default::default() }, 'w', "w");
    pair.answer_next(&stat());
    pair.told();
    pair.submit(&GetData::new("/a"), 'a');
    pair.app(|session| session.close());
    let refused = pair.submit_with(&GetData::new("/b"), 'b', SubmitOptions::default()).unwrap_err();
    assert_eq!(refused.reason, Refusal::Ended(End::Closed));

    let asked = pair.asked();
    assert_eq!(asked.iter().map(|asked| asked.op).collect::<Vec<_>>(), [OpCode::GetData, OpCode::CloseSession]);
    pair.answer(&asked[0], &data(b""));
    // The end of the session deletes its ephemeral nodes, and its own watches hear of it before the answer.
    pair.send(&event(zk_proto::code::EventType::NodeDeleted, "/e", 7));
    pair.answer(&asked[1], &[]);

    assert_eq!(pair.told(), ["a: Ok", "w: NodeDeleted /e", "Ended(Closed)"]);
    assert_eq!(pair.session().wants(), Wants::Nothing(End::Closed));
}

#[test]
fn closing_takes_no_longer_than_it_may() {
    for handed_out in [false, true] {
        let mut pair = Pair::connected();
        pair.submit(&GetData::new("/a"), 'a');
        pair.pause(SECOND);
        pair.app(|session| session.close());
        assert!(pair.session().poll_timeout().unwrap() <= pair.now, "due at once, to learn the time");
        pair.tick();
        if handed_out {
            pair.flush();
        }

        pair.pass(2 * SECOND - Duration::from_nanos(1));
        pair.assert_quiet();
        pair.pass(Duration::from_nanos(1));

        let sent = if handed_out { "Perhaps" } else { "No" };
        assert_eq!(pair.told(), [&format!("a: Ended {{ end: Closed, sent: {sent} }}"), "Ended(Closed)"]);
    }
}

#[test]
fn a_link_that_is_lost_while_closing_ends_the_session() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.app(|session| session.close());
    pair.flush();
    pair.cut();
    assert_eq!(pair.told(), ["a: Lost", "Suspended(Hangup)", "Ended(Closed)"]);
}

#[test]
fn closing_twice_closes_once() {
    let mut pair = Pair::connected();
    pair.app(|session| session.close());
    pair.app(|session| session.close());
    assert_eq!(pair.ops(), [OpCode::CloseSession]);
}

#[test]
fn without_a_link_that_is_up_closing_ends_the_session_at_once() {
    let phases: [(&str, Act); 3] = [
        ("offline", |_| ()),
        ("dialing", |pair| _ = pair.dial()),
        ("open", |pair| {
            pair.dial();
            pair.open();
        }),
    ];
    for (phase, enter) in phases {
        let mut config = settings();
        config.auth.push(AuthInfo::digest("x", "y"));
        let mut pair = Pair::new(config);
        enter(&mut pair);
        pair.submit(&GetData::new("/a"), 'a');

        pair.app(|session| session.close());

        assert_eq!(pair.told(), ["a: Ended { end: Closed, sent: No }", "Ended(Closed)"], "{phase}");
        assert_eq!(pair.session().wants(), Wants::Nothing(End::Closed));
    }
}

#[test]
fn a_session_that_is_being_greeted_is_closed_as_soon_as_the_server_can_be_told() {
    for greeted in [false, true] {
        let mut config = settings();
        config.auth.push(AuthInfo::digest("x", "y"));
        let mut pair = Pair::new(config);
        pair.submit(&GetData::new("/a"), 'a');
        pair.knock();
        if greeted {
            pair.send(&Greeting::default().frame());
        }

        pair.app(|session| session.close());
        pair.assert_quiet();
        if !greeted {
            pair.send(&Greeting::default().frame());
        }
        let auth = pair.ask();
        pair.answer(&auth, &[]);

        assert_eq!(pair.told(), ["Connected new"]);
        let asked = pair.asked();
        assert_eq!(asked.iter().map(|asked| asked.op).collect::<Vec<_>>(), [OpCode::GetData, OpCode::CloseSession]);
        pair.answer(&asked[0], &data(b""));
        pair.answer(&asked[1], &[]);
        assert_eq!(pair.told(), ["a: Ok", "Ended(Closed)"]);
    }
}

#[test]
fn closing_while_being_greeted_takes_no_longer_than_it_may() {
    let mut pair = Pair::new(settings());
    pair.knock();
    pair.app(|session| session.close());
    pair.tick();
    pair.pass(2 * SECOND);
    assert_eq!(pair.told(), ["Ended(Closed)"]);
}

#[test]
fn a_new_list_of_servers_does_not_keep_a_session_from_closing_in_order() {
    let mut pair = Pair::connected();
    pair.app(|session| session.close());
    pair.app(|session| session.set_servers(servers("b,c")));
    let asked = pair.ask();
    assert_eq!(asked.op, OpCode::CloseSession);
    pair.answer(&asked, &[]);
    assert_eq!(pair.told(), ["Ended(Closed)"]);
}

#[test]
fn a_session_that_is_handed_over_is_taken_up_by_another_machine() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.zxid = 0x41;
    pair.answer_next(&data(b""));
    pair.submit(&GetData::new("/b"), 'b');

    let credentials = pair.app(|session| session.detach()).expect("there is a session");

    assert_eq!(pair.told(), ["a: Ok", "b: Ended { end: Closed, sent: No }", "Ended(Closed)"]);
    let mut other = Pair::new(resuming(Some(credentials)));
    assert_eq!(other.session().valid_until(), None, "nothing is known until a server says so");
    let greeting = other.connect(&Greeting::default());
    assert_eq!((greeting.session_id, greeting.last_zxid_seen.0), (SessionId(0x5E55), 0x42));
    assert_eq!(greeting.passwd.as_bytes(), b"session-password");
    assert_eq!(other.told(), ["Connected resumed"]);
}

#[test]
fn a_session_that_another_machine_cannot_take_up_has_expired() {
    let credentials = Pair::connected().session().credentials();
    let mut other = Pair::new(resuming(credentials));
    other.connect(&Greeting::refused());
    assert_eq!(other.told(), ["Ended(Expired)"]);
    assert!(other.app(|session| session.renew()));
    assert_eq!(other.connect(&Greeting::default()).session_id, SessionId(0));
}

#[test]
fn without_a_session_there_are_no_credentials() {
    let mut pair = Pair::new(settings());
    assert_eq!(pair.session().credentials(), None);
    assert_eq!(pair.app(|session| session.detach()), None);
    assert_eq!(pair.session().state(), &State::Ended(End::Closed));
}

fn resuming(credentials: Option<Credentials>) -> Config {
    settings_with(|config| (config.servers, config.credentials) = (servers("b"), credentials))
}
