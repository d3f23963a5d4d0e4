//! Requests that wait: their order, their limits, and taking them back.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use allocation_counter::measure;
use zk_proto::{
    Config,
    code::OpCode,
    request::{GetData, InvalidRequest, Request, SetData, Version},
    session::{Refusal, RequestId},
    wire::{DecodeError, Decoder, Encoder},
};

use crate::support::{Act, Greeting, Pair, data, reply, settings};

#[test]
fn requests_that_were_not_handed_out_survive_lost_links_and_keep_their_order() {
    let mut pair = Pair::new(settings());
    pair.submit(&GetData::new("/1"), '1');
    pair.dial();
    pair.submit(&GetData::new("/2"), '2');
    pair.cut();
    pair.submit(&GetData::new("/3"), '3');
    pair.knock();
    pair.cut();
    pair.connect(&Greeting::default());
    pair.submit(&GetData::new("/4"), '4');
    pair.reconnect();

    assert_eq!(pair.asked().iter().map(|asked| asked.path()).collect::<Vec<_>>(), ["/1", "/2", "/3", "/4"]);
    assert!(pair.told().iter().all(|line| !line.contains(": ") || line.starts_with("Connected")), "none has failed");
}

#[test]
fn what_is_in_flight_fails_alike_however_the_link_is_lost() {
    let ways: [(&str, Act); 3] = [
        ("Hangup", Pair::cut),
        ("Silence", |pair| pair.pass(Duration::from_secs(20))),
        ("Violation(Unasked(-4))", |pair| pair.send(&reply(-4, 0, Default::default(), &[]))),
    ];
    for (cause, lose) in ways {
        let mut pair = Pair::connected();
        pair.submit(&GetData::new("/1"), '1');
        pair.submit(&SetData { path: "/2", data: Default::default(), version: Version::Any }, '2');
        pair.flush();
        pair.submit(&GetData::new("/3"), '3');

        lose(&mut pair);

        assert_eq!(pair.told(), ["1: Lost", "2: Lost", &format!("Suspended({cause})")]);
        pair.connect(&Greeting::default());
        assert_eq!(pair.ask().path(), "/3");
    }
}

#[test]
fn a_request_can_be_taken_back_until_it_is_handed_out() {
    let mut pair = Pair::connected();
    let ids: Vec<_> = ['1', '2', '3'].into_iter().map(|tag| pair.submit(&GetData::new("/a"), tag)).collect();
    assert_eq!(withdraw(&mut pair, ids[1]), Some('2'));
    assert_eq!(withdraw(&mut pair, ids[1]), None, "once");

    let asked = pair.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(withdraw(&mut pair, ids[0]), None, "too late");

    asked.iter().for_each(|asked| pair.answer(asked, &data(b"")));
    assert_eq!(pair.told(), ["1: Ok", "3: Ok"]);
}

#[test]
fn as_many_requests_wait_as_the_limit_allows() {
    let mut config = settings();
    config.limits.backlog_requests = 3;
    let mut pair = Pair::connected_with(config);
    let ids: Vec<_> = ['1', '2', '3'].into_iter().map(|tag| pair.submit(&GetData::new("/a"), tag)).collect();

    assert_full(&mut pair);
    withdraw(&mut pair, ids[0]);
    pair.submit(&GetData::new("/a"), '4');
    assert_full(&mut pair);
    assert_eq!(pair.asked().len(), 3);
    pair.submit(&GetData::new("/a"), '5');
    assert_eq!(pair.session().backlog_len(), 1);
}

#[test]
fn as_many_bytes_wait_as_the_limit_allows_and_one_request_always_does() {
    let mut config = settings();
    config.limits.backlog_bytes = 1000;
    let mut pair = Pair::connected_with(config);
    let large = vec![0; 5000];
    let first = pair.submit(&SetData { path: "/a", data: (&large).into(), version: Version::Any }, '1');
    assert_full(&mut pair);
    withdraw(&mut pair, first);

    let each = 4 + 8 + 4 + 2 + 1;
    for _ in 0..1000 / each {
        pair.submit(&GetData::new("/a"), 'x');
    }
    assert_full(&mut pair);
    pair.flush();
    pair.submit(&GetData::new("/a"), 'y');
}

#[test]
fn a_request_of_just_the_limit_is_sent_and_one_byte_more_is_refused() {
    let limit = 1_048_575;
    let mut pair = Pair::connected();
    // Header, path, length of the data, version.
    let room = limit - 8 - (4 + 2) - 4 - 4;
    for shared in [false, true] {
        let payload = |len: usize| if shared { vec![7; len].into() } else { (&[7; 1 << 20][..len]).into() };
        pair.submit(&SetData { path: "/a", data: payload(room), version: Version::Any }, 'a');
        assert_eq!(pair.next_frame().map(|frame| frame.len()), Some(limit));

        let over = SetData { path: "/a", data: payload(room + 1), version: Version::Any };
        let refused = pair.submit_with(&over, 'b', Default::default()).unwrap_err();
        assert_eq!((refused.tag, refused.reason), ('b', Refusal::TooLarge { bytes: limit + 1, limit }));
    }
    assert_eq!(pair.session().backlog_len(), 0);
    pair.submit(&GetData::new("/b"), 'c');
    assert_eq!(pair.ask().path(), "/b", "and nothing is left of it");
}

#[test]
fn a_path_that_could_not_be_watched_again_is_refused() {
    let mut pair = Pair::connected();
    let path = format!("/{}", "x".repeat(1_048_575 - 8 - 4 - 1 - 1));
    pair.submit(&GetData::new(&path), 'a');
    let watched = |pair: &mut Pair| {
        pair.app(|session| session.submit_watched(&GetData::new(&path), 'b', "w", Default::default()))
    };
    assert!(matches!(watched(&mut pair).unwrap_err().reason, Refusal::TooLarge { .. }));
    assert_eq!(pair.session().watch_count(), 0);
}

#[test]
fn no_more_requests_are_unanswered_than_the_limit_allows() {
    let mut config = settings();
    config.limits.in_flight_requests = 3;
    let mut pair = Pair::connected_with(config);
    (0..5).for_each(|_| _ = pair.submit(&GetData::new("/a"), 'a'));

    let asked = pair.asked();
    assert_eq!((asked.len(), pair.session().in_flight_len(), pair.session().backlog_len()), (3, 3, 2));
    assert!(!pair.session().has_output());

    pair.answer(&asked[0], &data(b""));
    assert_eq!(pair.asked().len(), 1);
}

#[test]
fn a_helping_is_bounded_so_that_little_is_in_doubt_at_a_time() {
    let mut config = settings();
    config.limits.helping_bytes = 10_000;
    let mut pair = Pair::connected_with(config);
    // One after the other in turns, and then those with a payload of their own alone.
    for shared in [&[false, true].repeat(20)[..], &[true; 20]].concat() {
        let data = if shared { vec![0; 5000].into() } else { (&[0; 100]).into() };
        pair.submit(&SetData { path: "/a", data, version: Version::Any }, 'a');
    }
    let link = pair.link_id();
    while let Some(helping) = pair.flush_once(link) {
        assert!((1..10_000 + 5100).contains(&helping), "{helping} bytes");
    }
    assert_eq!(pair.asked().len(), 60);
}

#[test]
fn requests_that_were_taken_back_hold_no_memory() {
    let mut session: zk_proto::Session<u32> = zk_proto::Session::new(offline(), [1; 32]);
    let large = vec![0; 100_000];
    let measured = measure(|| {
        for tag in 0..2_000 {
            let request = SetData { path: "/a", data: (&large).into(), version: Version::Any };
            let id = session.submit(&request, tag, Default::default()).unwrap();
            session.submit(&GetData::new("/a"), tag, Default::default()).unwrap();
            session.withdraw(id);
        }
    });
    assert_eq!(session.backlog_len(), 2_000);
    assert!(measured.bytes_current < 2 << 20, "{} bytes kept for 2,000 small requests", measured.bytes_current);
}

#[test]
fn what_a_burst_has_taken_is_given_back_when_it_is_quiet() {
    let mut pair = Pair::connected();
    let measured = measure(|| {
        for _ in 0..1_000 {
            pair.submit(&GetData::new("/a"), 'a');
        }
        for asked in pair.asked() {
            pair.answer(&asked, &[]);
        }
        assert_eq!(pair.events().len(), 1_000);
        pair.pass(Duration::from_secs(10));
        assert_eq!(pair.ops(), [OpCode::Ping]);
    });
    assert!(measured.bytes_current < 40_000, "{} bytes kept of {}", measured.bytes_current, measured.bytes_max);
}

#[test]
fn a_request_that_panics_while_it_is_written_leaves_nothing() {
    struct Halfway;

    impl Request for Halfway {
        type Reply = ();

        fn op(&self) -> OpCode {
            OpCode::GetData
        }

        fn validate(&self) -> Result<(), InvalidRequest> {
            Ok(())
        }

        fn encode(&self, out: &mut Encoder<'_>) {
            out.text("/half");
            panic!("on purpose");
        }

        fn decode(_: &mut Decoder) -> Result<(), DecodeError> {
            Ok(())
        }
    }

    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    catch_unwind(AssertUnwindSafe(|| pair.submit(&Halfway, 'x'))).unwrap_err();
    pair.submit(&GetData::new("/b"), 'b');

    let paths: Vec<String> = pair.asked().iter().map(|asked| asked.path()).collect();
    assert_eq!(paths, ["/a", "/b"]);
}

#[test]
fn a_path_that_is_not_one_is_refused_and_nothing_is_left_of_it() {
    let mut pair = Pair::connected();
    for path in ["", "a", "/a/", "/a//b", "/a/../b", "/\0"] {
        let refused = pair.submit_with(&GetData::new(path), 'a', Default::default()).unwrap_err();
        assert!(matches!(refused.reason, Refusal::Invalid(_)), "{path:?}");
        let refused = pair.app(|session| session.submit_watched(&GetData::new(path), 'a', "w", Default::default()));
        assert!(refused.is_err());
    }
    assert_eq!((pair.session().backlog_len(), pair.session().watch_count()), (0, 0));
    assert_eq!(pair.ops(), [] as [OpCode; 0]);
}

fn offline() -> Config {
    settings()
}

fn withdraw(pair: &mut Pair, request: RequestId) -> Option<char> {
    pair.app(|session| session.withdraw(request))
}

fn assert_full(pair: &mut Pair) {
    let refused = pair.submit_with(&GetData::new("/a"), 'f', Default::default()).unwrap_err();
    assert_eq!((refused.tag, refused.reason), ('f', Refusal::Full));
}
