//! The session in one thread, with blocking sockets.

use std::time::Duration;

use zk_proto::{code::OpCode, session::End};
use zk_testing::TestServer;

use super::{assert_nothing_is_left, one_thread, refusing_address};

#[test]
fn the_example_runs_to_its_end_and_leaves_nothing() {
    let server = TestServer::start().unwrap();

    let end = one_thread::run(&server.connect_string()).unwrap();

    assert_eq!(end, End::Closed);
    assert_nothing_is_left(&server);
}

#[test]
fn servers_that_refuse_are_passed_over() {
    let server = TestServer::start().unwrap();
    let servers = format!("{},{},{}", refusing_address(), server.address(), refusing_address());

    for _ in 0..5 {
        assert_eq!(one_thread::run(&servers).unwrap(), End::Closed);
    }

    assert_nothing_is_left(&server);
}

#[test]
fn heartbeats_go_out_while_replies_are_late() {
    let tick = Duration::from_millis(50);
    let server = TestServer::builder().tick_time(tick).max_session_timeout(tick * 20).start().unwrap();
    // Later than a third of the timeout, when a heartbeat is due, and earlier than two thirds, when the link counts as lost.
    server.delay_replies(tick * 8);

    assert_eq!(one_thread::run(&server.connect_string()).unwrap(), End::Closed);

    assert!(server.requests().contains_key(&OpCode::Ping), "{:?}", server.requests());
    assert_nothing_is_left(&server);
}
