//! Lost links, under the hands of threads that wait.

use std::{io::Write, net::TcpListener, sync::mpsc, thread, time::Instant};

use zk_blocking::{Error, State, Wait};
use zk_testing::TestServer;

use crate::{PATIENCE, connect, soon};

#[test]
fn a_link_that_is_cut_is_noticed_by_the_thread_that_waits_for_its_bytes() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);

    for round in 0..50 {
        // Some of the time the poll watches, and some of the time it does not.
        for _ in 0..round {
            soon(client.exists("/")).unwrap();
        }
        server.pause();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| soon(client.exists("/")));
            server.cut_connections();
            // It was sent before the cut, or goes out on the next link, but it does not wait for a heartbeat.
            server.resume();
            match waiting.join().unwrap() {
                Ok(_) | Err(Error::Lost) => {}
                Err(error) => panic!("{error}"),
            }
        });
        assert!(matches!(soon(client.exists("/").resend()), Ok(Some(_))));
    }
}

#[test]
fn a_request_that_was_sent_is_lost_and_one_that_may_be_sent_again_is_not() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let mut states = client.states();
    assert!(matches!(soon(states.next()), Some(State::Connected { .. })));
    server.swallow_reply(zk_blocking::code::OpCode::Exists);
    server.swallow_reply(zk_blocking::code::OpCode::Exists);
    let (lost, again) = (client.exists("/").send(), client.exists("/").resend().send());
    // Behind both, so that they were taken in.
    let behind = client.create("/a", b"").send();
    crate::eventually(|| server.get("/a").is_some());

    let waiting = thread::spawn(move || soon(lost));

    // A reply without those before it costs the link.
    assert_eq!(soon(behind), Err(Error::Lost));
    assert_eq!(waiting.join().unwrap(), Err(Error::Lost));
    assert!(matches!(soon(again), Ok(Some(_))));
    assert!(matches!(soon(states.next()), Some(State::Suspended { .. })));
    assert!(matches!(soon(states.next()), Some(State::Connected { resumed: true, .. })));
}

#[test]
fn a_server_that_answers_and_hangs_up_at_once_is_noticed_at_once() {
    // A greeting, and nothing more: bytes and the end of the stream are there together.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let servers = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut greeting = vec![0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0xea, 0x60, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 16];
            greeting.resize(4 + 37, 0);
            stream.unwrap().write_all(&greeting).unwrap();
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    let client = zk_blocking::builder(&servers).unwrap().session_timeout(crate::SESSION_TIMEOUT).connect_lazy();
    let mut states = client.states();

    let begin = Instant::now();
    for _ in 0..5 {
        receiver.recv_timeout(PATIENCE).unwrap();
        while !matches!(soon(states.next()), Some(State::Suspended { .. })) {}
    }

    assert!(begin.elapsed() < PATIENCE);
    drop((receiver, client));
}

#[test]
fn a_restarted_server_is_found_again_by_threads_that_wait() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);

    thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..200 {
                        soon(client.exists("/").resend()).unwrap();
                    }
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            server.restart();
            // Until somebody has got through again.
            soon(client.exists("/").resend()).unwrap();
        }
    });

    assert_eq!(server.sessions().len(), 1);
    client.close().wait();
}
