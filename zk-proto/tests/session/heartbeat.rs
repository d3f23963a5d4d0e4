//! Who is alive, and who proves it when.

use std::time::Duration;

use zk_proto::{
    AuthInfo, Config, Machine,
    code::{ErrorCode, EventType, OpCode},
    request::{AddWatch, GetData, SetData, Version},
};

use crate::support::{Act, Greeting, Pair, data, event, reply, settings, settings_with};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_nanos(1);

#[test]
fn a_ping_goes_out_when_nothing_was_sent_for_a_third_of_the_timeout() {
    let mut pair = Pair::connected();

    pair.pass(10 * SECOND - MOMENT);
    assert_eq!(pair.ops(), []);
    pair.pass(MOMENT);

    let ping = pair.ask();
    assert_eq!((ping.xid, ping.op, ping.body.len()), (-2, OpCode::Ping, 0));
    assert_eq!(pair.ops(), [], "one is enough");
}

#[test]
fn a_request_postpones_the_ping() {
    let mut pair = Pair::connected();
    pair.pass(9 * SECOND);
    pair.submit(&GetData::new("/a"), 'a');
    pair.answer_next(&data(b""));

    pair.pass(10 * SECOND - MOMENT);
    assert_eq!(pair.ops(), []);
    pair.pass(MOMENT);
    assert_eq!(pair.ops(), [OpCode::Ping]);
}

#[test]
fn a_steady_stream_of_replies_does_not_replace_the_ping() {
    let mut pair = Pair::connected();
    (0..30).for_each(|_| _ = pair.submit(&GetData::new("/a"), 'a'));
    let mut pings = 0;

    for asked in pair.asked() {
        pair.pass(SECOND);
        pair.answer(&asked, &data(b""));
        let pinged = pair.ops();
        pings += pinged.len();
        (0..pinged.len()).for_each(|_| pair.pong());
    }

    assert_eq!(pings, 3);
}

#[test]
fn a_ping_goes_ahead_of_requests_that_wait_for_room() {
    let mut config = settings();
    config.limits.helping_bytes = 4096;
    let mut pair = Pair::connected_with(config);
    for _ in 0..10 {
        pair.submit(&SetData { path: "/a", data: vec![0; 4000].into(), version: Version::Any }, 'a');
    }
    let link = pair.link_id();
    pair.flush_once(link);

    pair.pass(10 * SECOND);
    pair.flush_once(link);
    assert_eq!(pair.session().backlog_len(), 6, "two helpings of two requests");

    let pings: Vec<_> = pair.ops().iter().map(|op| *op == OpCode::Ping).collect();
    assert_eq!(pings[..4], [false, false, true, false]);
}

#[test]
fn credentials_are_no_sign_of_life() {
    // The server does not count them: a client that sent nothing else would let its session expire.
    let mut pair = Pair::connected();
    for password in ["1", "2", "3"] {
        pair.pass(4 * SECOND);
        pair.app(|session| session.add_auth(AuthInfo::digest("bob", password), 'x').unwrap());
        let asked = pair.asked();
        pair.send(&reply(-4, 0, ErrorCode::Ok, &[]));
        if asked.iter().any(|asked| asked.op == OpCode::Ping) {
            return;
        }
    }
    panic!("no ping in 12 s, with a timeout of 30 s");
}

#[test]
fn the_first_ping_counts_from_the_greeting_however_late_its_answer() {
    let mut pair = Pair::new(settings_with(|config| config.link_timeout = Some(15 * SECOND)));
    pair.knock();
    pair.pass(9 * SECOND);
    pair.send(&Greeting::default().frame());
    assert_eq!(pair.ops(), []);

    pair.pass(SECOND);

    assert_eq!(pair.ops(), [OpCode::Ping]);
}

#[test]
fn a_server_that_is_silent_for_two_thirds_of_the_timeout_is_gone() {
    let mut pair = Pair::connected();

    pair.pass(20 * SECOND - MOMENT);
    pair.assert_quiet();
    pair.pass(MOMENT);

    assert_eq!(pair.told(), ["Suspended(Silence)"]);
}

#[test]
fn a_silent_server_is_noticed_in_every_phase_before_the_session_is_up() {
    let phases: [(&str, Act); 3] = [
        ("dialing", |pair| _ = pair.dial()),
        ("greeting", |pair| _ = pair.knock()),
        ("auth", |pair| {
            pair.connect(&Greeting::default());
            assert_eq!(pair.ops(), [OpCode::Auth]);
        }),
    ];
    for (phase, enter) in phases {
        let mut pair = Pair::new(with_auth());
        enter(&mut pair);

        // One server: a quarter of the timeout.
        pair.pass(30 * SECOND / 4 - MOMENT);
        assert_eq!(pair.told(), [""; 0], "{phase}");
        pair.pass(MOMENT);

        assert_eq!(pair.told(), ["LinkFailed a:2181 Silence"], "{phase}");
    }
}

#[test]
fn a_frame_that_gets_on_is_waited_for_and_its_end_is_noticed() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    let large = reply(asked.xid, 7, ErrorCode::Ok, &data(&[0; 60_000]));

    for piece in large.chunks(16 << 10).take(3) {
        pair.pass(15 * SECOND);
        pair.send(piece);
        pair.assert_quiet();
    }

    pair.pass(20 * SECOND);
    assert_eq!(pair.told()[..2], ["a: Lost", "Suspended(Silence)"]);
}

#[test]
fn a_frame_that_begins_behind_another_one_is_waited_for_as_well() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.submit(&GetData::new("/b"), 'b');
    let asked = pair.asked();
    let small = reply(asked[0].xid, 7, ErrorCode::Ok, &data(&[]));
    let large = reply(asked[1].xid, 7, ErrorCode::Ok, &data(&[0; 60_000]));

    pair.send(&[&small[..], &large[..20_000]].concat());
    for piece in large[20_000..].chunks(16 << 10) {
        pair.pass(15 * SECOND);
        pair.send(piece);
    }

    assert_eq!(pair.told(), ["a: Ok", "b: Ok"]);
}

#[test]
fn a_frame_that_comes_a_byte_at_a_time_is_not_waited_for() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    let reply = reply(asked.xid, 7, ErrorCode::Ok, &data(&[0; 60]));

    // The first comes after a second; twenty more are what a server may be silent for.
    for byte in reply.chunks(1).take(20) {
        pair.pass(SECOND);
        pair.send(byte);
        pair.assert_quiet();
    }
    pair.pass(SECOND);

    assert_eq!(pair.told()[..2], ["a: Lost", "Suspended(Silence)"]);
}

#[test]
fn a_paused_process_does_not_blame_the_server_for_bytes_that_lie_in_the_socket() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();

    pair.pause(1000 * SECOND);
    pair.answer(&asked, &data(b""));

    assert_eq!(pair.told(), ["a: Ok"]);
    assert_eq!(pair.ops(), [OpCode::Ping]);
}

#[test]
fn a_paused_process_does_not_blame_the_server_for_what_it_has_not_read_of_a_frame() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    let reply = reply(asked.xid, 7, ErrorCode::Ok, &data(b""));

    // The beginning of the frame is there, then more of it, then the rest.
    for piece in [&reply[..10], &reply[10..20], &reply[20..]] {
        pair.assert_quiet();
        pair.pause(1000 * SECOND);
        pair.send(piece);
        pair.tick();
    }

    assert_eq!(pair.told(), ["a: Ok"]);
}

#[test]
fn a_paused_process_that_finds_nothing_to_read_lets_the_link_go() {
    let mut pair = Pair::connected();
    pair.pause(1000 * SECOND);
    pair.tick();
    assert_eq!(pair.told(), ["Suspended(Silence)", "PresumedLost"]);
}

#[test]
fn while_the_event_queue_is_full_frames_wait_silence_does_not_count_and_pings_go_out() {
    let mut pair = full_queue();
    assert!(!pair.session().wants_input() && pair.left_over() > 0);

    for _ in 0..10 {
        pair.pass(10 * SECOND);
        assert_eq!(pair.ops(), [OpCode::Ping]);
    }

    assert_eq!(pair.told(), ["w: NodeDataChanged /a"; 4], "room for four");
    assert!(pair.session().wants_input());
    pair.send(&[]);
    assert_eq!(pair.told(), ["w: NodeDataChanged /a"; 4]);
    pair.send(&[]);
    assert_eq!(pair.told(), ["w: NodeDataChanged /a"; 2], "nothing is lost");
    assert_eq!(pair.left_over(), 0);
}

#[test]
fn silence_counts_again_once_the_queue_has_room() {
    let mut pair = full_queue();
    pair.pass(100 * SECOND);
    (0..3).for_each(|_| {
        pair.told();
        pair.send(&[]);
    });
    pair.assert_quiet();

    pair.pass(20 * SECOND - MOMENT);
    pair.assert_quiet();
    pair.pass(MOMENT);
    assert_eq!(pair.told()[0], "Suspended(Silence)");
}

#[test]
fn a_queue_that_was_full_once_does_not_hide_a_later_silence() {
    let mut pair = full_queue();
    (0..3).for_each(|_| {
        pair.told();
        pair.send(&[]);
    });
    pair.pass(5 * SECOND);
    pair.send(&event(EventType::NodeDataChanged, "/a", 9));
    pair.told();

    pair.pass(20 * SECOND);

    assert_eq!(pair.told()[0], "Suspended(Silence)");
}

/// A session whose queue holds four events, of which ten came at once.
fn full_queue() -> Pair {
    let mut config = settings();
    config.limits.events = 4;
    let mut pair = Pair::connected_with(config);
    pair.watch(&AddWatch { path: "/a", mode: Default::default() }, 'a', "w");
    pair.answer_next(&[0; 4]);
    assert_eq!(pair.told(), ["a: Ok"]);
    pair.send(&event(EventType::NodeDataChanged, "/a", 9).repeat(10));
    pair
}

fn with_auth() -> Config {
    let mut config = settings();
    config.auth.push(AuthInfo::digest("bob", "secret"));
    config
}
