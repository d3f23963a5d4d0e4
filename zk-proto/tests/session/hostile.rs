//! Peers that break the protocol, and secrets that must not show.

use allocation_counter::measure;
use bytes::{Buf, BytesMut};
use zk_proto::{
    AuthInfo, Machine,
    code::{AddWatchMode, ErrorCode, EventType},
    record::AuthPacket,
    request::{AddWatch, GetData},
};

use crate::support::{Greeting, Pair, data, event, frame, reply, settings, settings_with, stat};

#[test]
fn a_length_that_cannot_be_costs_the_link_before_the_body_arrives() {
    let cases = [
        (-1, "Suspended(Violation(Frame(Negative(-1))))"),
        (i32::MIN, "Suspended(Violation(Frame(Negative(-2147483648))))"),
        (i32::MAX, "Suspended(Violation(Frame(TooLong { len: 2147483647, limit: 4194304 })))"),
        ((4 << 20) + 1, "Suspended(Violation(Frame(TooLong { len: 4194305, limit: 4194304 })))"),
    ];
    for (len, told) in cases {
        let mut pair = Pair::connected();
        pair.send(&len.to_be_bytes());
        assert_eq!(pair.told(), [told]);
    }
}

#[test]
fn what_is_received_is_limited_as_configured() {
    let mut pair = Pair::connected_with(settings_with(|config| config.limits.receive_frame_bytes = 100));
    pair.submit(&GetData::new("/a"), 'a');
    pair.answer_next(&data(&[0; 12]));
    assert_eq!(pair.told(), ["a: Ok"], "16 bytes of header, 4 of a length, 12 of data, and 68 of a stat");

    pair.send(&101_i32.to_be_bytes());

    assert_eq!(pair.told(), ["Suspended(Violation(Frame(TooLong { len: 101, limit: 100 })))"]);
}

#[test]
fn a_frame_shorter_than_a_header_costs_the_link() {
    for len in 0..16 {
        let mut pair = Pair::connected();
        pair.send(&frame(&[0; 16][..len]));
        let told = pair.told();
        assert!(told.len() == 1 && told[0].starts_with("Suspended(Violation(Decode"), "{len}: {told:?}");
    }
}

#[test]
fn an_event_that_ends_early_costs_the_link() {
    let whole = event(EventType::NodeCreated, "/a", 7);
    for len in 16..whole.len() - 4 {
        let mut pair = Pair::connected();
        pair.send(&frame(&whole[4..4 + len]));
        assert!(pair.told()[0].starts_with("Suspended(Violation(Decode"), "{len}");
    }
}

#[test]
fn bytes_behind_a_record_are_left_alone() {
    let mut pair = Pair::connected();
    pair.watch(&AddWatch { path: "/a", mode: Default::default() }, 'a', "w");
    pair.answer_next(&[0; 40]);
    let longer = [&event(EventType::NodeCreated, "/a", 7)[4..], b"from the future"].concat();
    pair.send(&frame(&longer));
    assert_eq!(pair.told(), ["a: Ok", "w: NodeCreated /a"]);
}

#[test]
fn a_greeting_claims_no_more_than_a_greeting_needs() {
    let mut pair = Pair::new(settings());
    pair.knock();
    pair.send(&1025_i32.to_be_bytes());
    assert_eq!(pair.told(), ["LinkFailed a:2181 Violation(Frame(TooLong { len: 1025, limit: 1024 }))"]);
}

#[test]
fn a_server_that_answers_in_tls_is_told_from_one_that_babbles() {
    for (answer, told) in [
        (b"\x15\x03\x03\x00\x02\x02\x46", "Tls"),
        (b"\x16\x03\x01\x00\x02\x02\x46", "Tls"),
        (b"\x15\x04\x03\x00\x02\x02\x46", "Frame(TooLong { len: 352584448, limit: 1024 })"),
    ] {
        let mut pair = Pair::new(settings());
        pair.knock();
        pair.send(answer);
        assert_eq!(pair.told(), [format!("LinkFailed a:2181 Violation({told})")]);
    }
    let mut pair = Pair::connected();
    pair.send(b"\x15\x03\x03\x00\x02\x02\x46");
    assert!(pair.told()[0].contains("TooLong"), "after the greeting it is babble");
}

#[test]
fn a_claimed_length_costs_little_memory_and_a_large_frame_is_not_copied_over_and_over() {
    let mut session: zk_proto::Session<char> = zk_proto::Session::new(settings(), [0; 32]);
    let now = zk_proto::Instant::ORIGIN;
    session.handle_timeout(now);
    let zk_proto::Wants::Link { id, .. } = session.wants() else { panic!("a link is wanted") };
    session.handle_connected(id, now);
    session.poll_transmit(id, now);
    session.handle_input(id, &mut BytesMut::from(&Greeting::default().frame()[..]), now);
    session.submit(&GetData::new("/a"), 'a', Default::default()).unwrap();
    session.poll_transmit(id, now);
    let large = reply(1, 7, ErrorCode::Ok, &data(&vec![0; 1 << 20]));

    let mut input = BytesMut::new();
    let claimed = measure(|| {
        input.extend_from_slice(&large[..10]);
        session.handle_input(id, &mut input, now);
    });
    assert!(claimed.bytes_max < 200 << 10, "{} bytes for a claim", claimed.bytes_max);
    let received = measure(|| {
        for piece in large[10..].chunks(64 << 10) {
            input.extend_from_slice(piece);
            session.handle_input(id, &mut input, now);
        }
    });
    assert!(received.bytes_total < 3 << 20, "{} bytes for one of a MiB", received.bytes_total);
    assert!(input.is_empty());
}

#[test]
fn an_event_of_a_million_levels_does_not_take_a_million_long_looks() {
    let mut pair = Pair::connected();
    pair.watch(&AddWatch { path: "/app", mode: AddWatchMode::PersistentRecursive }, 'a', "w");
    pair.answer_next(&stat());
    pair.told();
    let deep = "/app".to_owned() + &"/a".repeat(1_000_000);

    pair.send(&event(EventType::NodeDataChanged, &deep, 7));
    pair.send(&event(EventType::NodeDataChanged, &deep.replace("/app/", "/other/"), 8));

    assert_eq!(pair.told(), [format!("w: NodeDataChanged {deep}")]);
}

#[test]
fn garbage_in_any_phase_never_panics() {
    // Every first byte, long enough to be a frame of any sort.
    for byte in 0..=255 {
        for phase in 0..4 {
            let mut config = settings();
            if phase == 2 {
                config.auth.push(AuthInfo::digest("b", "2"));
            }
            let mut pair = Pair::new(config);
            pair.dial();
            if phase > 0 {
                pair.open();
                pair.flush();
            }
            if phase > 1 {
                pair.send(&Greeting::default().frame());
                pair.flush();
            }
            pair.send(&frame(&[byte; 40]));
            pair.dial();
            pair.send(&[byte; 64]);
            pair.told();
        }
    }
}

#[test]
fn nothing_secret_shows() {
    let secrets = ["session-password", "bob:hidden", "hidden"];
    let mut config = settings();
    config.auth.push(AuthInfo::digest("bob", "hidden"));
    let mut pair = Pair::new(config.clone());
    let mut shown = vec![format!("{config:?}"), format!("{:?}", pair.session())];
    pair.dial();
    pair.open();
    let (link, now) = (pair.link_id(), pair.now);
    for step in ["greeting", "auth", "again"] {
        shown.push(pair.app(|session| format!("{:?}", session.poll_transmit(link, now).map(seen))));
        let next = if step == "greeting" { Greeting::default().frame() } else { reply(-4, 0, ErrorCode::Ok, &[]) };
        if step != "again" {
            pair.send(&next);
        }
        shown.push(format!("{:?} {:?}", pair.session(), pair.session().state()));
    }
    shown.push(format!("{:?}", pair.session().credentials().expect("there is a session")));
    shown.push(format!("{:?}", settings_with(|config| config.credentials = pair.session().credentials())));
    pair.cut();
    pair.dial();
    pair.open();
    let link = pair.link_id();
    shown.push(pair.app(|session| format!("{:?}", session.poll_transmit(link, now).map(seen))));
    pair.cut();
    shown.push(format!("{:?}", pair.knock()));
    pair.send(&Greeting::default().frame());
    shown.push(format!("{:?}", pair.ask().record::<AuthPacket>()));
    shown.push(format!("{:?}", zk_proto::sasl::Step::Send("hidden".into())));
    shown.push(format!("{:?}", zk_proto::sasl::Step::SendLast("hidden".into())));

    for shown in shown {
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }
}

/// Formats a helping as a log would.
fn seen(helping: zk_proto::Transmit) -> String {
    format!("{helping:?} of {} bytes", helping.remaining())
}
