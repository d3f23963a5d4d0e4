//! One client, many threads.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use zk_blocking::{AddWatchMode, End, Error, State, Wait, WaitForEvents, WatchedEventKind};
use zk_testing::TestServer;

use crate::{connect, soon};

#[test]
fn many_threads_share_a_client_and_each_gets_its_own_replies() {
    const THREADS: usize = 64;
    const REQUESTS: usize = 1000;
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    for thread in 0..THREADS {
        soon(client.create(&format!("/{thread}"), format!("data of {thread}").as_bytes())).unwrap();
    }
    let barrier = Barrier::new(THREADS);

    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (client, barrier) = (client.clone(), &barrier);
            scope.spawn(move || {
                let (path, expected) = (format!("/{thread}"), format!("data of {thread}"));
                barrier.wait();
                for version in 0..REQUESTS / 2 {
                    let (data, stat) = soon(client.get_data(&path)).unwrap();
                    assert!(data == expected && stat.version == version as i32, "{data:?} {stat:?}");
                    let stat = soon(client.set_data(&path, expected.as_bytes())).unwrap();
                    assert_eq!(stat.version, version as i32 + 1);
                }
            });
        }
    });

    assert_eq!(server.connections(), 1);
}

#[test]
fn a_lone_thread_and_one_that_comes_and_goes_do_not_keep_each_other_waiting() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    soon(client.create("/a", b"")).unwrap();
    let is_over = AtomicBool::new(false);

    // One thread is in a lease nearly all the time. The other one finds it there, and in each moment between.
    let alone = thread::scope(|scope| {
        let alone = scope.spawn(|| {
            let mut count = 0;
            while !is_over.load(SeqCst) {
                soon(client.exists("/")).unwrap();
                count += 1;
            }
            count
        });
        for round in 0..2000 {
            let set = client.set_data("/a", b"").send();
            let read = client.get_data("/a").send();
            if round % 3 == 0 {
                thread::yield_now();
            }
            assert_eq!(soon(set).unwrap().version, round + 1);
            assert_eq!(soon(read).unwrap().1.version, round + 1);
        }
        is_over.store(true, SeqCst);
        alone.join().unwrap()
    });

    assert!(alone > 0);
}

#[test]
fn events_reach_a_thread_that_listens_while_another_one_receives() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let mut tree = soon(client.add_watch("/", AddWatchMode::PersistentRecursive)).unwrap();
    let heard = AtomicUsize::new(0);

    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..500 {
                let event = tree.next_timeout(crate::PATIENCE).unwrap().unwrap().unwrap();
                assert_eq!(event.kind, WatchedEventKind::NodeCreated);
                heard.fetch_add(1, SeqCst);
            }
        });
        for round in 0..500 {
            soon(client.create(&format!("/{round}"), b"")).unwrap();
            // The one who receives leaves, and nobody else asks for anything.
            if round % 100 == 0 {
                crate::eventually(|| heard.load(SeqCst) == round + 1);
            }
        }
    });
}

#[test]
fn an_event_after_the_last_reply_is_not_left_lying() {
    let server = TestServer::start().unwrap();
    let (client, other) = (connect(&server), connect(&server));
    soon(client.create("/a", b"")).unwrap();

    for _ in 0..20 {
        // By now, the poll does not watch any more.
        for _ in 0..50 {
            soon(client.exists("/a")).unwrap();
        }
        let (_, _, mut watcher) = soon(client.get_data("/a").watch()).unwrap();
        soon(other.set_data("/a", b"")).unwrap();
        assert_eq!(soon(watcher.changed()).unwrap().kind, WatchedEventKind::NodeDataChanged);
    }
}

#[test]
fn closing_reaches_a_thread_that_waits() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);

    for _ in 0..50 {
        let client = connect(&server);
        let (sender, receiver) = mpsc::channel();
        let waiting = {
            let client = client.clone();
            thread::spawn(move || {
                loop {
                    match soon(client.exists("/")) {
                        Ok(_) => _ = sender.send(()),
                        Err(error) => return error,
                    }
                }
            })
        };
        receiver.recv().unwrap();
        soon(client.close());
        assert!(matches!(waiting.join().unwrap(), Error::Ended { end: End::Closed, .. }));
    }

    assert_eq!(server.sessions().len(), 1, "but for one");
    drop(client);
}

#[test]
fn a_request_that_is_waited_for_by_hand_and_one_that_is_awaited_elsewhere_go_together() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let is_over = AtomicBool::new(false);

    // Where an executor polls, nobody helps: the background thread does it all, beside the thread that waits.
    thread::scope(|scope| {
        let awaiting = scope.spawn(|| {
            executor::block_on(async {
                for round in 0..500 {
                    client.create(&format!("/awaited-{round}"), b"").await.unwrap();
                }
            });
            is_over.store(true, SeqCst);
        });
        let mut count = 0;
        while !is_over.load(SeqCst) {
            soon(client.create(&format!("/waited-{count}"), b"")).unwrap();
            count += 1;
        }
        awaiting.join().unwrap();
        assert_eq!(server.children("/").unwrap().len(), 1 + 500 + count);
    });
}

#[test]
fn states_are_waited_for_through_a_reconnect() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let mut states = client.states();
    assert!(matches!(states.next().wait(), Some(State::Connected { resumed: false, .. })));

    server.cut_connections();

    assert!(matches!(soon(states.next()), Some(State::Suspended { .. })));
    assert!(matches!(soon(states.next()), Some(State::Connected { resumed: true, .. })));
    assert!(states.next().wait_timeout(Duration::from_millis(1)).is_err());
}

/// An executor as others have them, which knows nothing of this crate.
mod executor {
    use std::{
        future::Future,
        pin::pin,
        sync::Arc,
        task::{Context, Poll, Wake, Waker},
        thread::{self, Thread},
    };

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }
}
