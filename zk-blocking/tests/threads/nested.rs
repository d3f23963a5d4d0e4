//! Waiting where one would not expect it.

use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use zk_blocking::{Client, End, Error, Wait};
use zk_testing::TestServer;

use crate::{connect, eventually, soon};

#[test]
fn a_future_that_is_waited_for_may_wait_itself() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);

    // Also when it has sent something before, which nobody has let out yet.
    for round in 0..100 {
        let path = format!("/{round}");
        let (created, found) = soon(async {
            let created = client.create(&path, b"").send();
            let found = soon(client.exists(&path)).unwrap();
            (created.await, found)
        });
        assert_eq!(created.unwrap().0, path);
        assert!(found.is_some(), "it was asked for behind");
    }
}

#[test]
fn what_a_future_has_sent_goes_out_while_it_does_something_else() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);

    // The first time, this thread has not done anything by itself for long, and later it has.
    for round in 0..100 {
        let path = format!("/{round}");
        soon(async {
            let created = client.create(&path, b"").send();
            // Nothing is awaited here: this thread is busy, and cannot let the request out.
            eventually(|| server.get(&path).is_some());
            created.await
        })
        .unwrap();
        soon(client.exists("/")).unwrap();
    }
}

#[test]
fn others_are_not_kept_waiting_by_a_future_that_does_something_else() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let (is_busy, busy) = mpsc::channel();
    let (is_done, done) = mpsc::channel();

    thread::scope(|scope| {
        let client = &client;
        scope.spawn(move || {
            for _ in 0..20 {
                soon(client.exists("/")).unwrap();
            }
            soon(async {
                // Takes the driver's call.
                let sent = client.exists("/").send();
                is_busy.send(()).unwrap();
                done.recv().unwrap();
                sent.await
            })
            .unwrap();
        });
        busy.recv().unwrap();
        assert!(soon(client.exists("/")).is_ok());
        is_done.send(()).unwrap();
    });
}

#[test]
fn two_clients_are_waited_for_by_one_thread_at_once() {
    let servers = [TestServer::start().unwrap(), TestServer::start().unwrap()];
    let clients = servers.each_ref().map(connect);

    for round in 0..500 {
        let path = format!("/{round}");
        let (a, b) = soon(join(clients[0].create(&path, b"a"), clients[1].create(&path, b"b")));
        assert_eq!((a.unwrap().0, b.unwrap().0), (path.clone(), path));
    }
}

#[test]
fn a_future_goes_on_when_another_thread_calls_it_during_a_wait_for_bytes() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    server.pause();
    let (sender, receiver) = mpsc::channel();
    let waker = Mutex::new(None::<Waker>);

    thread::scope(|scope| {
        scope.spawn(|| {
            eventually(|| waker.lock().unwrap().is_some());
            sender.send(()).unwrap();
            waker.lock().unwrap().take().unwrap().wake();
        });
        let mut request = pin!(client.exists("/").send());
        soon(poll_fn(|cx| {
            assert!(request.as_mut().poll(cx).is_pending());
            *waker.lock().unwrap() = Some(cx.waker().clone());
            receiver.try_recv().map_or(Poll::Pending, Poll::Ready)
        }));
    });
    server.resume();
}

#[test]
fn work_in_the_background_cannot_wait_and_is_told_so() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let (sender, receiver) = mpsc::channel();

    client.spawn(|client| async move {
        let waiting = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.exists("/").wait()));
        let message = waiting.unwrap_err().downcast::<&str>().unwrap();
        sender.send(message).unwrap();
        client.create("/went-on", b"").await.unwrap();
    });

    let message = receiver.recv().unwrap();
    assert!(message.starts_with("a thread cannot wait for a client while it drives one"), "{message}");
    eventually(|| server.get("/went-on").is_some());
    assert!(soon(client.exists("/")).is_ok());
}

#[test]
fn work_in_the_background_goes_on_while_a_thread_does_the_drivers_work() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let (sender, receiver) = mpsc::channel();

    client.spawn(|client| async move {
        for round in 0..200 {
            client.create(&format!("/{round}"), b"").await.unwrap();
        }
        sender.send(()).unwrap();
    });
    while receiver.try_recv().is_err() {
        soon(client.exists("/")).unwrap();
    }

    assert_eq!(server.children("/").unwrap().len(), 201);
}

#[test]
fn a_waker_that_panics_ends_its_client_and_no_thread() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("this is a test");
        }
    }
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let mut states = client.states();
    server.pause();
    let mut spoilt = client.exists("/").send();
    let waker = Waker::from(Arc::new(Panics));
    assert!(Pin::new(&mut spoilt).poll(&mut Context::from_waker(&waker)).is_pending());

    server.resume();
    while soon(states.next()).is_some() {}

    assert!(matches!(soon(client.exists("/")), Err(Error::Ended { end: End::Closed, .. })));
    eventually(|| server.connections() == 0);
}

thread_local! {
    static KEPT: std::cell::RefCell<Option<LastWords>> = const { std::cell::RefCell::new(None) };
}

struct LastWords(Client);

impl Drop for LastWords {
    fn drop(&mut self) {
        soon(self.0.create("/last-words", b"")).unwrap();
    }
}

#[test]
fn a_thread_that_ends_may_still_wait_and_drop_clients() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);

    let kept = client.clone();
    let ending = thread::spawn(move || {
        // Destroyed after what waiting leaves in the thread, because it was there before.
        KEPT.set(Some(LastWords(kept.clone())));
        soon(kept.exists("/")).unwrap();
    });
    ending.join().unwrap();
    let mut states = client.states();
    assert!(server.get("/last-words").is_some());
    drop(client);
    while soon(states.next()).is_some() {}

    assert!(server.sessions().is_empty());
}

/// Waits for both.
async fn join<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a.into_future()), pin!(b.into_future()));
    let (mut a_output, mut b_output) = (None, None);
    poll_fn(|cx| {
        if a_output.is_none() {
            if let Poll::Ready(output) = a.as_mut().poll(cx) {
                a_output = Some(output);
            }
        }
        if b_output.is_none() {
            if let Poll::Ready(output) = b.as_mut().poll(cx) {
                b_output = Some(output);
            }
        }
        if a_output.is_some() && b_output.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (a_output.expect("it is there"), b_output.expect("it is there"))
}
