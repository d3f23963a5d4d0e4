//! Callers on threads of their own, all at once.

use std::{
    future::IntoFuture,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use zk_proto::{
    client::{Builder, Client},
    code::{AddWatchMode, ErrorCode, EventType, OpCode},
    record::ErrorResponse,
    session::WatchedEventKind,
};

use crate::support::{Nothing, World, config, data};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<F: IntoFuture>(future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

const THREADS: usize = 4;
const ROUNDS: usize = 500;

/// Reads, gives up reading, watches and stops watching.
fn caller(client: &Client) {
    for round in 0..ROUNDS {
        let many: Vec<_> = (0..round % 5).map(|_| client.get_data("/many").send()).collect();
        drop(client.get_data("/dropped").watch().send());
        assert_eq!(wait(client.get_data("/a")).unwrap().0, "x");
        let (_, _, mut watcher) = wait(client.get_data("/watched").watch()).unwrap();
        if round % 2 == 0 {
            assert_eq!(wait(watcher.changed()).unwrap().kind, WatchedEventKind::NodeDataChanged);
        }
        if round % 7 == 0 {
            drop(wait(client.add_watch("/tree", AddWatchMode::Persistent)).unwrap());
        }
        for request in many {
            // A session that is full refuses some.
            _ = wait(request);
        }
    }
}

#[test]
fn many_threads_share_a_client() {
    let mut config = config();
    config.limits.backlog_requests = 8;
    config.limits.in_flight_requests = 4;
    let (mut world, client) = World::connected_with(Builder::from_config(config));
    let finished = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (client, finished) = (client.clone(), finished.clone());
            thread::spawn(move || {
                caller(&client);
                finished.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    drop(client);

    let mut is_closed = false;
    while !is_closed {
        world.turn();
        let mut has_watch = false;
        while let Some(asked) = world.asked.pop_front() {
            match asked.op {
                OpCode::GetData => {
                    has_watch |= asked.path == "/watched";
                    world.write_reply(asked.xid, ErrorCode::Ok, &data("x"));
                }
                OpCode::AddWatch => world.write_reply(asked.xid, ErrorCode::Ok, &ErrorResponse { err: ErrorCode::Ok }),
                OpCode::CloseSession => {
                    is_closed = true;
                    world.write_reply(asked.xid, ErrorCode::Ok, &Nothing);
                }
                _ => world.write_reply(asked.xid, ErrorCode::Ok, &Nothing),
            }
        }
        if has_watch {
            world.write_event(EventType::NodeDataChanged, "/watched");
        }
        world.deliver();
        thread::yield_now();
    }

    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(finished.load(Ordering::SeqCst), THREADS);
}
