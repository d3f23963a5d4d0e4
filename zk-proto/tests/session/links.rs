//! Links by their names, and calls in any order.

use bytes::BytesMut;
use zk_proto::{
    Machine, Wants,
    code::EventType,
    request::{AddWatch, GetData},
};

use crate::support::{Greeting, Pair, data, event, reply, settings};

#[test]
fn nothing_that_bears_an_old_name_reaches_the_session() {
    let mut pair = Pair::connected();
    pair.watch(&AddWatch { path: "/a", mode: Default::default() }, 'a', "w");
    pair.answer_next(&[0; 4]);
    let old = pair.link_id();
    pair.reconnect();
    pair.told();
    pair.flush();
    let (link, deadline) = (pair.link_id(), pair.session().poll_timeout());
    assert_ne!(link, old);

    pair.send_on(old, &event(EventType::NodeDataChanged, "/a", 7));
    pair.send_on(old, b"\xFF\xFF\xFF\xFF garbage");
    pair.open_link(old);
    pair.cut_link(old);
    pair.submit(&GetData::new("/a"), 'b');
    assert_eq!(pair.flush_once(old), None);

    pair.assert_quiet();
    assert_eq!((pair.link_id(), pair.session().poll_timeout()), (link, deadline));
    assert!(pair.flush_once(link).is_some(), "the request waits for the present one");
}

#[test]
fn names_are_not_used_again() {
    let mut pair = Pair::new(settings());
    let mut last = None;
    for _ in 0..50 {
        pair.dial();
        let link = pair.link_id();
        assert!(last < Some(link));
        last = Some(link);
        pair.cut();
    }
}

#[test]
fn a_session_that_was_not_driven_yet_is_due_at_once() {
    let pair = Pair::new(settings());
    assert_eq!(pair.session().wants(), Wants::Offline);
    assert_eq!(pair.session().poll_timeout(), Some(pair.now));
}

#[test]
fn a_link_that_opens_twice_opens_once() {
    let mut pair = Pair::new(settings());
    pair.dial();
    pair.open();
    pair.open();
    assert!(pair.next_frame().is_some());
    assert_eq!(pair.next_frame(), None);
    pair.open();
    pair.send(&Greeting::default().frame());
    pair.open();
    assert_eq!(pair.told(), ["Connected new"]);
    pair.assert_quiet();
}

#[test]
fn a_link_that_is_lost_twice_is_lost_once() {
    let mut pair = Pair::connected();
    let link = pair.link_id();
    pair.cut_link(link);
    pair.cut_link(link);
    assert_eq!(pair.told(), ["Suspended(Hangup)"]);
}

#[test]
fn bytes_before_the_link_is_open_cost_it() {
    let mut pair = Pair::new(settings());
    pair.dial();
    pair.send(&Greeting::default().frame());
    assert_eq!(pair.told(), ["LinkFailed a:2181 Violation(Unasked(0))"]);
}

#[test]
fn an_empty_read_is_no_read() {
    let mut pair = Pair::connected();
    let deadline = pair.session().poll_timeout();
    pair.pause(std::time::Duration::from_secs(1));
    pair.send(&[]);
    assert_eq!(pair.session().poll_timeout(), deadline);
    pair.assert_quiet();
}

#[test]
fn who_does_not_look_loses_nothing() {
    // Neither events nor output are fetched for two links, and then all at once.
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/1"), '1');
    let asked = pair.ask();
    pair.answer(&asked, &data(b""));
    pair.submit(&GetData::new("/2"), '2');
    pair.cut();
    pair.connect(&Greeting::default());
    pair.submit(&GetData::new("/3"), '3');

    assert_eq!(pair.asked().iter().map(|asked| asked.path()).collect::<Vec<_>>(), ["/2", "/3"]);
    assert_eq!(pair.told(), ["1: Ok", "Suspended(Hangup)", "Connected resumed"]);
}

#[test]
fn whole_frames_are_taken_off_the_front_of_the_input_and_the_rest_stays() {
    let mut session: zk_proto::Session<char> = zk_proto::Session::new(settings(), [0; 32]);
    let now = zk_proto::Instant::ORIGIN;
    session.handle_timeout(now);
    let Wants::Link { id, .. } = session.wants() else { panic!("a link is wanted") };
    session.handle_connected(id, now);
    session.poll_transmit(id, now);
    let mut input = BytesMut::from(&Greeting::default().frame()[..]);
    input.extend_from_slice(&reply(-1, 1, Default::default(), &[])[..9]);

    session.handle_input(id, &mut input, now);

    assert_eq!(input.len(), 9);
}

#[test]
fn a_session_is_content_with_the_link_that_it_wants_until_it_is_over() {
    let mut pair = Pair::connected();
    let link = Some(pair.link_id());
    assert!(pair.session().is_content_with(link, None));
    assert!(!pair.session().is_content_with(None, None));
    assert!(!pair.session().is_content_with(link, link));

    pair.cut();
    assert!(!pair.session().is_content_with(link, None));
    assert!(pair.session().is_content_with(None, None));

    pair.app(|session| session.close());
    pair.tick();
    assert!(matches!(pair.session().wants(), Wants::Nothing(_)));
    assert!(!pair.session().is_content_with(None, None), "there is more to do than to wait");
}

#[test]
fn the_steps_of_links_add_up() {
    let mut pair = Pair::new(settings());
    assert_eq!(pair.session().steps(), 0);
    pair.connect(&Greeting::default());
    assert_eq!(pair.session().steps().count_ones(), 3, "dialled, opened, greeted");
    pair.reconnect();
    assert_eq!(pair.session().steps().count_ones(), 4, "and lost; the rest are the same");
}
