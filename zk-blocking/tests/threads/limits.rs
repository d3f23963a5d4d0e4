//! Time limits, in time.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use zk_blocking::{Elapsed, Error, Sent, Wait};
use zk_testing::TestServer;

use crate::{connect, soon};

const LIMIT: Duration = Duration::from_millis(50);

/// How much later a limit may strike, on a machine that does other things too.
const GRACE: Duration = Duration::from_millis(400);

fn assert_in_time(begin: Instant, limit: Duration) {
    let elapsed = begin.elapsed();
    assert!(limit <= elapsed && elapsed < limit + GRACE, "{elapsed:?} for a limit of {limit:?}");
}

#[test]
fn a_limit_strikes_for_a_thread_that_waits_for_bytes() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    // By now this thread does it all by itself.
    for _ in 0..100 {
        soon(client.exists("/")).unwrap();
    }
    server.pause();

    for limit in [LIMIT, Duration::from_millis(3)] {
        let begin = Instant::now();
        let error = client.exists("/").timeout(limit).wait().unwrap_err();
        assert_eq!(error, Error::TimedOut { sent: Sent::Perhaps });
        assert_in_time(begin, limit);
        let begin = Instant::now();
        assert_eq!(client.exists("/").wait_timeout(limit), Err(Elapsed));
        assert_in_time(begin, limit);
    }
    server.resume();
    assert!(soon(client.exists("/")).is_ok());
}

#[test]
fn a_limit_strikes_while_another_thread_waits_for_bytes() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    for _ in 0..100 {
        soon(client.exists("/")).unwrap();
    }
    server.pause();
    let (sender, receiver) = mpsc::channel();

    thread::scope(|scope| {
        scope.spawn(|| {
            sender.send(()).unwrap();
            soon(client.exists("/")).unwrap();
        });
        receiver.recv().unwrap();
        for limit in [Duration::from_millis(1), LIMIT] {
            let begin = Instant::now();
            let error = soon(client.exists("/").timeout(limit)).unwrap_err();
            assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
            assert_in_time(begin, limit);
        }
        server.resume();
    });
}

#[test]
fn a_clients_own_timers_strike_while_a_thread_asks_again_and_again() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let (sender, receiver) = mpsc::channel();
    let begin = Instant::now();

    client.spawn(|client| async move {
        client.sleep(LIMIT).await.unwrap();
        sender.send(Instant::now()).unwrap();
    });
    let struck = loop {
        soon(client.exists("/")).unwrap();
        if let Ok(struck) = receiver.try_recv() {
            break struck;
        }
    };

    assert!(LIMIT <= struck - begin && struck - begin < LIMIT + GRACE, "{:?}", struck - begin);
}

#[test]
fn a_limit_strikes_when_the_server_reads_nothing() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    soon(client.create("/a", b"")).unwrap();
    server.pause();

    // More than the buffers of both sides take.
    let data = vec![0; 1_000_000];
    let mut stuck: Vec<_> = (0..12).map(|_| client.set_data("/a", &data).send()).collect();
    let last = stuck.pop().unwrap();
    let begin = Instant::now();
    assert!(last.wait_timeout(LIMIT).is_err());
    assert_in_time(begin, LIMIT);
    let begin = Instant::now();
    assert!(matches!(client.exists("/").timeout(LIMIT).wait(), Err(Error::TimedOut { .. })));
    assert_in_time(begin, LIMIT);

    server.resume();
    for (written, version) in stuck.into_iter().zip(1..) {
        assert_eq!(soon(written).unwrap().version, version);
    }
}
