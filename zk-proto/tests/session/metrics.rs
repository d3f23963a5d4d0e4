//! What the session counts.

use std::time::Duration;

use zk_proto::{
    Credentials, Instant, SessionId,
    code::{ErrorCode, EventType, OpCode},
    metrics::{Metrics, OperationMetrics},
    request::{Exists, GetData, SetData, Version},
    session::{End, State, SubmitOptions},
};

use crate::support::{Greeting, Pair, data, event, settings, settings_with, stat};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn metrics(pair: &mut Pair) -> Metrics {
    pair.app(|session| session.metrics())
}

fn of(metrics: &Metrics, op: OpCode) -> &OperationMetrics {
    metrics.operations.iter().find(|operation| operation.op == op).expect("the operation was used")
}

/// The outcomes of an operation, as ok, errors, lost, timed out, ended, withdrawn.
fn outcomes(pair: &mut Pair, op: OpCode) -> [u64; 6] {
    let metrics = metrics(pair);
    let OperationMetrics { ok, errors, lost, timed_out, ended, withdrawn, .. } = *of(&metrics, op);
    [ok, errors, lost, timed_out, ended, withdrawn]
}

#[test]
fn answers_are_counted_by_operation_and_outcome_with_the_time_they_took() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.submit(&GetData::new("/b"), 'b');
    pair.submit(&SetData { path: "/a", data: Default::default(), version: Version::Any }, 'c');
    let asked = pair.asked();

    pair.pause(3 * MS);
    pair.answer(&asked[0], &data(b""));
    pair.pause(4 * MS);
    pair.refuse(&asked[1], ErrorCode::NoNode);
    pair.answer(&asked[2], &stat());

    let metrics = metrics(&mut pair);
    assert_eq!(metrics.operations.len(), 2, "heartbeats and greetings are none");
    let reads = of(&metrics, OpCode::GetData);
    assert_eq!((reads.ok, reads.errors), (1, 1));
    assert_eq!((reads.latency.count(), reads.latency.sum(), reads.latency.longest()), (2, 10 * MS, 7 * MS));
    let writes = of(&metrics, OpCode::SetData);
    assert_eq!((writes.ok, writes.errors, writes.latency.longest()), (1, 0, 7 * MS));
    assert_eq!((metrics.slow, metrics.in_flight, metrics.queued), (0, 0, 0));
    assert_eq!((metrics.last_zxid, metrics.at), (pair.session().last_zxid(), pair.now));
}

#[test]
fn every_accepted_request_counts_once_however_it_ends() {
    let mut pair = Pair::connected();
    // Lost with its link.
    pair.submit(&GetData::new("/a"), 'a');
    pair.flush();
    pair.cut();
    assert_eq!(outcomes(&mut pair, OpCode::GetData), [0, 0, 1, 0, 0, 0]);
    // Taken back before it was sent.
    let request = pair.submit(&GetData::new("/b"), 'b');
    assert_eq!(pair.app(|session| session.withdraw(request)), Some('b'));
    assert_eq!(outcomes(&mut pair, OpCode::GetData), [0, 0, 1, 0, 0, 1]);
    // Given up unsent, and given up although the reply comes later.
    let limited = SubmitOptions { timeout: Some(SECOND), ..SubmitOptions::default() };
    _ = pair.submit_with(&GetData::new("/c"), 'c', limited.clone());
    pair.pass(SECOND);
    pair.reconnect();
    _ = pair.submit_with(&GetData::new("/d"), 'd', limited);
    let asked = pair.ask();
    pair.pass(SECOND);
    pair.answer(&asked, &data(b""));
    assert_eq!(outcomes(&mut pair, OpCode::GetData), [0, 0, 1, 2, 0, 1]);
    // For another session than this one.
    let pinned = SubmitOptions { pin: pair.session().id(), ..SubmitOptions::default() };
    _ = pair.submit_with(&GetData::new("/e"), 'e', pinned);
    pair.cut();
    pair.connect(&Greeting::refused());

    assert_eq!(outcomes(&mut pair, OpCode::GetData), [0, 0, 1, 2, 1, 1]);
    let metrics = metrics(&mut pair);
    assert_eq!(of(&metrics, OpCode::GetData).latency.count(), 1, "the late reply shows how the server is");
    assert_eq!((metrics.state, metrics.expired), (State::Ended(End::Expired), 1));
}

#[test]
fn links_and_the_time_without_one_are_counted_while_it_passes() {
    let mut pair = Pair::new(settings());
    assert_eq!(metrics(&mut pair).disconnected, Duration::ZERO);
    pair.dial();
    pair.pause(SECOND);
    pair.cut();
    let failing = metrics(&mut pair);
    assert_eq!((failing.dials, failing.links_failed, failing.links_lost), (1, 1, 0));
    assert_eq!((failing.disconnected, failing.sessions, failing.session), (SECOND, 0, None));

    pair.connect(&Greeting::default());
    let before = metrics(&mut pair);
    pair.pause(2 * SECOND);
    let later = metrics(&mut pair);
    assert_eq!(later.disconnected, before.disconnected, "while there is a link, the time stands still");
    pair.cut();
    pair.pause(SECOND / 2);
    pair.tick();
    let cut = metrics(&mut pair);
    assert_eq!(cut.disconnected, before.disconnected + SECOND / 2, "without one, it runs");
    pair.reconnect();

    let metrics = metrics(&mut pair);
    assert_eq!((metrics.sessions, metrics.resumed, metrics.links_lost, metrics.expired), (1, 1, 1, 0));
    assert_eq!(metrics.dials, metrics.links_failed + metrics.sessions + metrics.resumed);
    assert!(metrics.server.is_some() && metrics.session == pair.session().id());
}

#[test]
fn counters_go_on_with_the_session_that_follows() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/a"), 'a');
    pair.answer_next(&data(b""));
    pair.cut();
    pair.connect(&Greeting::refused());
    pair.events();
    pair.pass(SECOND);
    let ended = metrics(&mut pair);

    assert!(pair.app(|session| session.renew()));
    pair.connect(&Greeting::default());

    let metrics = metrics(&mut pair);
    assert_eq!((metrics.sessions, metrics.resumed, metrics.expired), (2, 0, 1));
    assert_eq!(of(&metrics, OpCode::GetData).ok, 1);
    assert!(metrics.disconnected >= ended.disconnected && metrics.bytes_sent > ended.bytes_sent);
}

#[test]
fn a_session_that_was_taken_up_counts_as_resumed() {
    let credentials = Credentials {
        session: SessionId(7),
        password: vec![1; 16].into(),
        timeout: 10 * SECOND,
        last_zxid: zk_proto::Zxid(3),
    };
    let mut pair = Pair::new(settings_with(|config| config.credentials = Some(credentials)));

    pair.connect(&Greeting { session: 7, ..Greeting::default() });

    let metrics = metrics(&mut pair);
    assert_eq!((metrics.sessions, metrics.resumed), (0, 1));
}

#[test]
fn heartbeats_are_timed_by_themselves() {
    let mut pair = Pair::connected();
    pair.pass(10 * SECOND);
    assert_eq!(pair.ops(), [OpCode::Ping]);
    pair.pause(2 * MS);
    pair.pong();

    let metrics = metrics(&mut pair);
    assert_eq!((metrics.heartbeats.count(), metrics.heartbeats.sum()), (1, 2 * MS));
    assert_eq!(metrics.operations, []);
}

#[test]
fn bytes_are_those_on_the_wire_before_encryption() {
    let mut pair = Pair::connected();
    let before = metrics(&mut pair);
    pair.submit(&GetData::new("/node"), 'a');
    let queued = metrics(&mut pair);
    // Length, xid and operation, path, no watch.
    let request = 4 + 8 + 4 + 5 + 1;
    assert_eq!((queued.queued, queued.queued_bytes, queued.in_flight), (1, request, 0));

    let asked = pair.ask();
    let sent = metrics(&mut pair);
    pair.answer(&asked, &data(b"12345678"));

    let after = metrics(&mut pair);
    assert_eq!((sent.queued, sent.queued_bytes, sent.in_flight), (0, 0, 1));
    assert_eq!(after.bytes_sent - before.bytes_sent, request as u64);
    // Length, header, data, stat.
    assert_eq!(after.bytes_received - before.bytes_received, 4 + 16 + 4 + 8 + 68);
}

#[test]
fn watches_and_their_events_are_counted() {
    let mut pair = Pair::connected();
    pair.watch(&Exists::new("/a"), 'a', "a");
    pair.watch(&GetData::new("/b"), 'b', "b");
    let asked = pair.asked();
    pair.answer(&asked[0], &stat());
    pair.answer(&asked[1], &data(b""));
    assert_eq!((metrics(&mut pair).watches, metrics(&mut pair).watch_events), (2, 0));

    pair.send(&event(EventType::NodeDataChanged, "/a", 9));

    let metrics = metrics(&mut pair);
    assert_eq!((metrics.watches, metrics.watch_events), (1, 1));
}

#[test]
fn answers_at_the_limit_and_above_are_slow() {
    let config = settings_with(|config| config.slow_request = Some(5 * MS));
    let mut pair = Pair::connected_with(config);
    for took in [4 * MS, 5 * MS, 6 * MS] {
        pair.submit(&GetData::new("/a"), 'a');
        let asked = pair.ask();
        pair.pause(took);
        pair.answer(&asked, &data(b""));
    }
    assert_eq!(metrics(&mut pair).slow, 2);
}

#[test]
fn nothing_is_slow_without_a_limit() {
    let mut pair = Pair::connected_with(settings_with(|config| config.slow_request = None));
    pair.submit(&GetData::new("/a"), 'a');
    let asked = pair.ask();
    pair.pause(15 * SECOND);
    pair.answer(&asked, &data(b""));

    let metrics = metrics(&mut pair);
    assert_eq!((metrics.slow, of(&metrics, OpCode::GetData).latency.count()), (0, 1));
    assert!(metrics.at > Instant::ORIGIN);
}
