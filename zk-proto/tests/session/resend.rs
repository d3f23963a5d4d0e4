//! Reads that go out again when a link is lost before the reply.

use zk_proto::{
    request::{GetData, SetData, Version},
    session::{Refusal, SubmitOptions},
};

use crate::support::{Greeting, Pair, data, settings};

fn again() -> SubmitOptions {
    SubmitOptions { resend: true, ..SubmitOptions::default() }
}

#[test]
fn reads_to_send_again_go_first_in_their_old_order_with_their_old_frames() {
    let mut pair = Pair::connected();
    pair.submit_with(&GetData::new("/1"), '1', again()).unwrap();
    pair.submit(&SetData { path: "/2", data: Default::default(), version: Version::Any }, '2');
    pair.submit_with(&GetData::new("/3"), '3', again()).unwrap();
    let first = pair.asked();
    pair.submit(&GetData::new("/4"), '4');
    pair.submit_with(&GetData::new("/5"), '5', again()).unwrap();

    pair.reconnect();

    assert_eq!(pair.told(), ["2: Lost", "Suspended(Hangup)", "Connected resumed"]);
    let second = pair.asked();
    assert_eq!(second.iter().map(|asked| asked.path()).collect::<Vec<_>>(), ["/1", "/3", "/4", "/5"]);
    assert_eq!((second[0].xid, &second[0].body), (first[0].xid, &first[0].body));
    second.iter().for_each(|asked| pair.answer(asked, &data(b"")));
    assert_eq!(pair.told(), ["1: Ok", "3: Ok", "4: Ok", "5: Ok"]);
}

#[test]
fn a_read_is_sent_again_as_often_as_it_takes() {
    let mut pair = Pair::connected();
    pair.submit_with(&GetData::new("/1"), '1', again()).unwrap();
    for _ in 0..5 {
        assert_eq!(pair.asked().len(), 1);
        pair.reconnect();
    }
    pair.answer_next(&data(b""));
    assert_eq!(pair.told().last().map(String::as_str), Some("1: Ok"));
}

#[test]
fn a_read_whose_answer_breaks_the_link_is_not_sent_again() {
    let mut pair = Pair::connected();
    pair.submit_with(&GetData::new("/huge"), 'h', again()).unwrap();
    pair.submit_with(&GetData::new("/a"), 'a', again()).unwrap();
    pair.flush();

    pair.send(&(64_i32 << 20).to_be_bytes());

    assert_eq!(pair.told()[0], "h: Lost");
    pair.connect(&Greeting::default());
    assert_eq!(pair.ask().path(), "/a");
}

#[test]
fn frames_that_are_kept_count_against_the_backlog_until_they_are_answered() {
    let mut config = settings();
    config.limits.backlog_bytes = 100;
    let mut pair = Pair::connected_with(config);
    let path = format!("/{}", "x".repeat(80));
    pair.submit_with(&GetData::new(&path), '1', again()).unwrap();
    let asked = pair.ask();
    let full = |pair: &mut Pair| {
        let refused = pair.submit_with(&GetData::new(&path), '2', again());
        refused.is_err_and(|refused| refused.reason == Refusal::Full)
    };
    assert!(full(&mut pair));
    pair.reconnect();
    assert!(full(&mut pair), "nor on the next link");
    assert_eq!(pair.ask().xid, asked.xid);
    assert!(full(&mut pair));

    pair.answer(&asked, &data(b""));

    assert!(!full(&mut pair));
}

#[test]
fn a_read_that_is_to_be_sent_again_cannot_be_taken_back() {
    let mut pair = Pair::connected();
    let id = pair.submit_with(&GetData::new("/1"), '1', again()).unwrap();
    pair.flush();
    pair.cut();
    assert_eq!(pair.app(|session| session.withdraw(id)), None);
}

#[test]
fn a_read_that_waits_to_be_sent_again_ends_once_with_the_session_and_its_bytes_are_given_back() {
    let mut config = settings();
    config.limits.backlog_bytes = 100;
    let mut pair = Pair::connected_with(config);
    let path = format!("/{}", "x".repeat(70));
    pair.submit_with(&GetData::new(&path), '1', again()).unwrap();
    pair.flush();
    pair.cut();

    pair.connect(&Greeting::refused());

    let told = ["Suspended(Hangup)", "1: Ended { end: Expired, sent: Perhaps }", "Ended(Expired)"];
    assert_eq!(pair.told(), told);
    assert!(pair.app(|session| session.renew()));
    pair.submit(&GetData::new(&path), '2');
    let refused = pair.submit_with(&GetData::new(&path), '3', again());
    assert!(refused.is_err_and(|refused| refused.reason == Refusal::Full), "the limit counts as before");
}

#[test]
fn a_read_is_not_sent_again_in_another_session() {
    let mut config = settings();
    config.read_only = true;
    let mut pair = Pair::new(config);
    pair.connect(&Greeting::read_only());
    pair.submit_with(&GetData::new("/1"), '1', again()).unwrap();
    pair.flush();
    pair.submit_with(&GetData::new("/2"), '2', again()).unwrap();
    pair.cut();

    pair.connect(&Greeting { session: 0x77, ..Greeting::default() });

    assert_eq!(pair.told(), ["Connected new read-only", "Suspended(Hangup)", "1: Lost", "Connected new"]);
    assert_eq!(pair.ask().path(), "/2", "what was never sent is");
}
