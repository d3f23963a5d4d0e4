//! Whose reply it is, and what it says.

use zk_proto::{
    Zxid,
    code::{ErrorCode, EventType, OpCode},
    record::{ErrorResponse, MultiEntry, MultiHeader, MultiResponse, MultiResult},
    request::{Exists, GetData, Multi, MultiFailure, Op, SetData, Version},
    session::{Event, Reply},
};

use crate::support::{Greeting, Pair, data, event, frame, record, reply, stat};

#[test]
fn replies_go_to_their_requests_in_order() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.submit(&Exists::new("/b"), 'b');
    pair.submit(&GetData::new("/c"), 'c');

    let asked = pair.asked();
    assert_eq!(asked.iter().map(|asked| asked.path()).collect::<Vec<_>>(), ["/a", "/b", "/c"]);
    pair.answer(&asked[0], &data(b"1"));
    pair.refuse(&asked[1], ErrorCode::NoNode);
    pair.answer(&asked[2], &data(b"3"));

    assert_eq!(pair.told(), ["a: Ok", "b: Server(NoNode)", "c: Ok"]);
}

#[test]
fn a_reply_out_of_order_costs_the_link_and_is_delivered_to_nobody() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.submit(&GetData::new("/b"), 'b');
    let asked = pair.asked();

    pair.answer(&asked[1], &data(b"b"));

    let told = pair.told();
    assert_eq!(told, ["a: Lost", "b: Lost", "Suspended(Violation(OutOfOrder { found: 2, expected: 1 }))"]);
}

#[test]
fn a_reply_to_no_request_costs_the_link() {
    for xid in [1, 0, -2, -4, -8, -3, i32::MAX, i32::MIN] {
        let mut pair = Pair::connected();
        pair.send(&reply(xid, 1, ErrorCode::Ok, &[]));
        assert_eq!(pair.told(), [format!("Suspended(Violation(Unasked({xid})))")]);
    }
}

#[test]
fn the_refusal_of_an_unknown_operation_may_overtake() {
    let mut pair = Pair::connected();
    for (path, tag) in [("/a", 'a'), ("/b", 'b'), ("/c", 'c')] {
        pair.submit(&GetData::new(path), tag);
    }
    let asked = pair.asked();

    pair.send(&reply(asked[1].xid, -1, ErrorCode::Unimplemented, &[]));
    pair.answer(&asked[0], &data(b""));
    pair.answer(&asked[2], &data(b""));

    assert_eq!(pair.told(), ["b: Server(Unimplemented)", "a: Ok", "c: Ok"]);
}

#[test]
fn no_other_reply_may_overtake() {
    for (zxid, error) in [(7, ErrorCode::Unimplemented), (-1, ErrorCode::NoNode), (-1, ErrorCode::Ok)] {
        let mut pair = Pair::connected();
        pair.submit(&GetData::new("/a"), 'a');
        pair.submit(&GetData::new("/b"), 'b');
        let asked = pair.asked();

        pair.send(&reply(asked[1].xid, zxid, error, &[]));

        assert_eq!(pair.told()[..2], ["a: Lost", "b: Lost"], "{error}");
    }
}

#[test]
fn what_follows_an_error_is_ignored() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();

    pair.send(&reply(asked.xid, 7, ErrorCode::NoAuth, b"\xFF\xFF half a body"));

    assert_eq!(pair.told(), ["a: Server(NoAuth)"]);
}

#[test]
fn an_error_without_a_name_is_an_error_of_that_request_alone() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();

    pair.refuse(&asked, ErrorCode::Unknown(-4711));

    assert_eq!(pair.told(), ["a: Server(Unknown(-4711))"]);
}

#[test]
fn a_failed_multi_is_a_good_reply_with_the_failure_inside() {
    let mut pair = Pair::connected();
    let check = |path| Op::Check { path, version: Version::Any };
    pair.submit(&Multi { ops: vec![check("/a"), check("/b"), check("/c")] }, 'm');

    let codes = [ErrorCode::Ok, ErrorCode::NoNode, ErrorCode::RuntimeInconsistency];
    let entry = |err| MultiEntry {
        header: MultiHeader { op: OpCode::Error, done: false, err },
        body: MultiResult::Error(ErrorResponse { err }),
    };
    let body = record(&MultiResponse { entries: codes.map(entry).into(), end: MultiHeader::END });
    pair.answer_next(&body);

    let failure = only_reply(&mut pair).decode::<Multi<'_>>().unwrap().unwrap_err();
    assert_eq!(failure, MultiFailure { index: 1, error: ErrorCode::NoNode, codes: codes.into() });
}

#[test]
fn a_body_that_cannot_be_read_is_an_error_of_its_caller_alone() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.submit(&GetData::new("/b"), 'b');
    let asked = pair.asked();

    pair.answer(&asked[0], &data(b"whole")[..10]);
    assert!(only_reply(&mut pair).decode::<GetData<'_>>().is_err());

    pair.answer(&asked[1], &data(b"fine"));
    let decoded = only_reply(&mut pair).decode::<GetData<'_>>().unwrap();
    assert_eq!(decoded.data.as_deref(), Some(&b"fine"[..]));
}

#[test]
fn the_last_transaction_seen_comes_from_replies_alone() {
    let mut pair = Pair::connected();
    assert_eq!(pair.session().last_zxid(), Zxid(0));
    pair.watch(&GetData::new("/a"), 'a', "w");
    pair.answer_next(&data(b""));
    let seen = pair.session().last_zxid();
    assert_eq!(seen, Zxid(pair.zxid));

    // Another event of the same transaction may be on its way.
    pair.send(&event(EventType::NodeDataChanged, "/a", 0x500));
    assert_eq!(pair.session().last_zxid(), seen, "a watch event");
    pair.zxid = 0x600;
    pair.idle(std::time::Duration::from_secs(10));
    assert_eq!(pair.session().last_zxid(), seen, "a ping");

    pair.watch(&GetData::new("/a"), 'a', "w");
    pair.zxid = 0x700;
    pair.answer_next(&data(b""));
    assert_eq!(pair.session().last_zxid(), Zxid(0x701));
    pair.reconnect();
    assert_eq!(pair.session().last_zxid(), Zxid(0x701), "a greeting");
    let set_watches = pair.ask();
    pair.zxid = 0x800;
    pair.answer(&set_watches, &[]);
    assert_eq!(pair.session().last_zxid(), Zxid(0x701), "the answer to one frame of watches");

    pair.submit(&SetData { path: "/a", data: (&[]).into(), version: 7.into() }, 's');
    let asked = pair.ask();
    pair.refuse(&asked, ErrorCode::BadVersion);
    assert_eq!(pair.session().last_zxid(), Zxid(0x802), "a refused write has a transaction too");
    pair.submit(&GetData::new("/a"), 'g');
    let asked = pair.ask();
    pair.send(&reply(asked.xid, 5, ErrorCode::Ok, &data(b"")));
    assert_eq!(pair.session().last_zxid(), Zxid(0x802), "it never goes back");
}

#[test]
fn a_header_that_cannot_be_read_leaves_the_last_transaction_alone() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    let whole = reply(asked.xid, 0x999, ErrorCode::Ok, &[]);

    pair.send(&frame(&whole[4..15]));

    assert_eq!(pair.session().last_zxid(), Zxid(0));
    assert_eq!(pair.told()[0], "a: Lost");
}

#[test]
fn xids_begin_at_one_count_up_and_are_never_one_of_the_protocols_own() {
    // The end of the range, where they begin at one again, is two thousand million requests away.
    let mut pair = Pair::connected();
    for round in 0..20 {
        for _ in 0..50 {
            pair.submit(&GetData::new("/a"), 'a');
        }
        for (index, asked) in pair.asked().into_iter().enumerate() {
            assert_eq!(asked.xid, round * 50 + 1 + index as i32);
            pair.answer(&asked, &[]);
        }
        pair.reconnect();
    }
}

#[test]
fn a_reply_tells_its_transaction_and_its_session() {
    let mut pair = Pair::connected();
    pair.submit(&SetData { path: "/a", data: (&[]).into(), version: Version::Any }, 's');
    pair.zxid = 0x41;
    pair.answer_next(&stat());

    let reply = only_reply(&mut pair);
    assert_eq!((reply.zxid.0, reply.session.0), (0x42, Greeting::default().session));
}

#[test]
fn a_server_that_demands_authentication_ends_the_session() {
    let error = ErrorCode::SessionClosedRequireSaslAuth;
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    pair.refuse(&asked, error);
    assert_eq!(
        pair.told(),
        ["a: Server(SessionClosedRequireSaslAuth)", "LinkFailed a:2181 AuthFailed(Required)", "Ended(AuthFailed)"]
    );

    let mut pair = Pair::connected();
    pair.pass(std::time::Duration::from_secs(10));
    let ping = pair.ask();
    pair.refuse(&ping, error);
    assert_eq!(pair.told(), ["LinkFailed a:2181 AuthFailed(Required)", "Ended(AuthFailed)"]);
}

fn only_reply(pair: &mut Pair) -> Reply {
    let mut events = pair.events();
    assert_eq!(events.len(), 1, "{events:?}");
    match events.remove(0) {
        Event::Reply { result: Ok(reply), .. } => reply,
        other => panic!("not a good reply: {other:?}"),
    }
}
