//! A client on a mio loop of one's own.

#![cfg(unix)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Wake, Waker},
    time::Duration,
};

use mio::{Events, Poll, Token};
use zk_blocking::{Blocking, Client, End, Error, Link, Runtime, Sent, Wait, mio_waker};
use zk_testing::TestServer;

#[path = "../examples/own_loop.rs"]
#[expect(dead_code, reason = "the tests call what `main` calls")]
mod own_loop;

/// A loop that serves nothing but a client.
struct Loop {
    poll: Poll,
    waker: Waker,
    link: Link,
    client: Client,
}

impl Loop {
    fn new(server: &TestServer) -> Self {
        let poll = Poll::new().unwrap();
        let waker = mio_waker(Arc::new(mio::Waker::new(poll.registry(), Token(0)).unwrap()));
        let builder = zk_blocking::builder(&server.connect_string()).unwrap();
        let (client, driver) = builder.session_timeout(Duration::from_secs(60)).build(Blocking.seed());
        let link = Link::new(driver, poll.registry(), 10..20, waker.clone()).unwrap();
        Self { poll, waker, link, client }
    }

    /// Lets the client turn, then waits for events and hands them over.
    fn step(&mut self) -> Option<End> {
        let end = self.link.turn();
        if end.is_none() {
            let mut events = Events::with_capacity(8);
            self.poll.poll(&mut events, self.link.timeout()).unwrap();
            for event in &events {
                assert_eq!(self.link.handle(event), event.token() != Token(0));
            }
        }
        end
    }

    /// Goes on until a future is ready.
    fn run_until<F: IntoFuture>(&mut self, future: F) -> F::Output {
        let (mut future, waker) = (pin!(future.into_future()), self.waker.clone());
        loop {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            self.step();
        }
    }
}

#[test]
fn the_example_runs_and_leaves_no_session_and_no_node() {
    let server = TestServer::start().unwrap();

    own_loop::run(&server.connect_string()).unwrap();

    assert!(server.sessions().is_empty());
    assert_eq!(server.children("/").unwrap(), ["zookeeper"]);
}

#[test]
fn a_loop_makes_requests_and_hears_of_changes_without_a_thread() {
    let server = TestServer::start().unwrap();
    let mut service = Loop::new(&server);
    let client = service.client.clone();

    let kind = service.run_until(async {
        client.create("/a", b"1").await.unwrap();
        let (_, _, mut watcher) = client.get_data("/a").watch().await.unwrap();
        client.set_data("/a", b"2").await.unwrap();
        watcher.changed().await.unwrap().kind
    });

    assert_eq!(kind, zk_blocking::WatchedEventKind::NodeDataChanged);
}

#[test]
fn other_threads_wait_for_a_client_whose_loop_is_elsewhere() {
    let server = TestServer::start().unwrap();
    let mut service = Loop::new(&server);
    let client = service.client.clone();
    let waiting = std::thread::spawn(move || {
        for round in 0..100 {
            client.create(&format!("/{round}"), b"").wait().unwrap();
        }
        client.close().wait();
    });

    while service.step().is_none() {}

    waiting.join().unwrap();
    assert_eq!(server.children("/").unwrap().len(), 101);
}

#[test]
fn a_link_that_has_ended_says_so_again_and_asks_for_nothing() {
    let server = TestServer::start().unwrap();
    let mut service = Loop::new(&server);
    let client = service.client.clone();
    service.run_until(client.connected()).unwrap();

    drop(client.close());
    let end = loop {
        if let Some(end) = service.step() {
            break end;
        }
    };

    assert_eq!((end, service.link.turn(), service.link.timeout()), (End::Closed, Some(End::Closed), None));
}

#[test]
fn turning_without_a_reason_does_no_harm() {
    let server = TestServer::start().unwrap();
    let mut service = Loop::new(&server);
    let client = service.client.clone();

    for round in 0..20 {
        let path = format!("/{round}");
        let creating = client.create(&path, b"").send();
        (0..50).for_each(|_| assert_eq!(service.link.turn(), None));
        assert_eq!(service.run_until(creating).unwrap().0, path);
    }
}

#[test]
fn a_link_that_is_dropped_ends_its_clients_and_leaves_the_session() {
    let server = TestServer::start().unwrap();
    let mut service = Loop::new(&server);
    let client = service.client.clone();
    service.run_until(client.connected()).unwrap();
    let mut states = client.states();

    drop(service);

    let error = client.exists("/").wait().unwrap_err();
    assert_eq!(error, Error::Ended { end: End::Closed, sent: Sent::No });
    while states.next().wait().is_some() {}
    assert_eq!(server.sessions().len(), 1);
}

#[test]
fn work_in_the_background_cannot_wait_for_the_loop_that_it_runs_in() {
    let server = TestServer::start().unwrap();
    let mut service = Loop::new(&server);
    let client = service.client.clone();
    let (sender, receiver) = std::sync::mpsc::channel();

    client.spawn(|client| async move {
        let waiting = catch_unwind(AssertUnwindSafe(|| client.exists("/").wait()));
        sender.send(*waiting.unwrap_err().downcast::<&str>().unwrap()).unwrap();
    });
    service.run_until(client.exists("/")).unwrap();

    let message = receiver.try_recv().unwrap();
    assert!(message.starts_with("a thread cannot wait for a client while it drives one"), "{message}");
}

#[test]
fn a_waker_that_panics_in_a_turn_ends_the_client_and_the_link_says_so() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("this is a test");
        }
    }
    let server = TestServer::start().unwrap();
    let mut service = Loop::new(&server);
    let client = service.client.clone();
    service.run_until(client.connected()).unwrap();
    let mut spoilt = client.exists("/").send();
    let waker = Waker::from(Arc::new(Panics));
    assert!(Pin::new(&mut spoilt).poll(&mut Context::from_waker(&waker)).is_pending());

    catch_unwind(AssertUnwindSafe(|| while service.step().is_none() {})).unwrap_err();

    assert_eq!((service.link.turn(), service.link.timeout()), (Some(End::Closed), None));
    assert!(matches!(client.exists("/").wait(), Err(Error::Ended { .. })));
}
