//! How requests, replies and wakers change hands between threads, in thousands of orders.
//!
//! Built for tests with `--cfg zk_shuttle`, the client's lock is one of shuttle's, which decides at each turn who goes on. Here
//! time stands still, so what is not woken sleeps for ever, and that is found to be a deadlock. `.ci/interleavings` runs it.

mod net;
mod server;

use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use shuttle::{
    Runner, future,
    scheduler::{PctScheduler, RandomScheduler},
    sync::Mutex,
    thread,
};

use self::{
    net::{Net, Still},
    server::{Manner, serve},
};
use super::{Builder, Client, Error, drive};
use crate::{
    Config,
    session::{End, WatchedEventKind},
};

/// In how many orders a scenario is run, unless `ZK_INTERLEAVINGS` says otherwise: half of them by chance, and half by the rule that
/// finds mistakes that take a few switches of threads in the right places.
const ORDERS: usize = 2_000;

/// How many such switches.
const SWITCHES: usize = 4;

fn orders() -> usize {
    let wanted = std::env::var("ZK_INTERLEAVINGS").ok();
    wanted.map_or(ORDERS, |wanted| wanted.parse().expect("ZK_INTERLEAVINGS is a number"))
}

/// Runs a scenario in many orders. A failure tells how to repeat it.
fn in_many_orders(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    Runner::new(RandomScheduler::new(orders().div_ceil(2)), shuttle::Config::new()).run(scenario.clone());
    Runner::new(PctScheduler::new(SWITCHES, orders().div_ceil(2)), shuttle::Config::new()).run(scenario);
}

/// Runs callers against a server, until their client and all that they have made of it is gone. Returns how many requests the server
/// has carried out.
fn run(builder: Builder, manner: Manner, callers: impl FnOnce(Client)) -> usize {
    let net = Arc::new(Net::default());
    let (client, driver) = builder.build([7; 32]);
    let serving = thread::spawn({
        let net = net.clone();
        move || serve(&net, manner)
    });
    let driving = thread::spawn({
        let net = net.clone();
        move || future::block_on(drive(driver, Still(net)))
    });
    callers(client);
    assert_eq!(driving.join().unwrap(), End::Closed);
    net.end();
    serving.join().unwrap()
}

/// Has a mistake made, and asserts that one of the orders brings it out.
#[cfg(zk_broken)]
fn is_found(mistake: &'static str, scenario: fn()) {
    assert!(crate::broken::HANDOVER_VARIANTS.contains(&mistake));
    crate::broken::set(Some(mistake));
    let found = std::panic::catch_unwind(scenario);
    let was_reached = crate::broken::was_reached();
    crate::broken::set(None);
    assert!(was_reached && found.is_err(), "{mistake}: not found, reached: {was_reached}");
}

fn builder() -> Builder {
    Builder::new("zk:2181").unwrap()
}

fn wait<F: IntoFuture>(future: F) -> F::Output {
    future::block_on(future.into_future())
}

/// Polls once.
fn poll<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx)));
    match wait(polled) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Lets callers run beside each other, each with a client and a path of its own.
fn beside(client: Client, callers: usize, caller: fn(&Client, &str)) {
    let threads: Vec<_> = (0..callers)
        .map(|number| {
            let client = client.clone();
            thread::spawn(move || caller(&client, &format!("/{number}")))
        })
        .collect();
    drop(client);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Something that one thread waits for and another one gives.
#[derive(Default)]
struct Signal(Mutex<(bool, Option<Waker>)>);

impl Signal {
    fn give(&self) {
        let waker = {
            let mut signal = self.0.lock().unwrap();
            signal.0 = true;
            signal.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut signal = self.0.lock().unwrap();
            if signal.0 {
                return Poll::Ready(());
            }
            signal.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn everyone_gets_the_reply_to_what_he_has_asked() {
    in_many_orders(|| {
        let carried_out = run(builder(), Manner::default(), |client| {
            beside(client, 3, |client, path| {
                for _ in 0..2 {
                    assert_eq!(wait(client.get_data(path)).unwrap().0, path);
                }
            });
        });
        assert_eq!(carried_out, 3 * 2 + 1, "requests, and the end");
    });
}

#[test]
fn who_gives_up_keeps_nobody_from_anything() {
    in_many_orders(|| {
        run(builder(), Manner::default(), |client| {
            beside(client, 3, |client, path| {
                let mut given_up = pin!(client.get_data("/nobody").watch().into_future());
                _ = poll(given_up.as_mut());
                drop(client.get_data("/nobody").send());
                client.get_data("/nobody").send().detach();
                assert_eq!(wait(client.get_data(path)).unwrap().0, path);
            });
        });
    });
}

#[test]
fn a_place_in_a_full_session_is_had_by_everyone_in_turn() {
    in_many_orders(|| {
        let mut config = Config::new("zk:2181".parse().unwrap());
        config.limits.backlog_requests = 1;
        config.limits.in_flight_requests = 1;
        run(Builder::from_config(config), Manner::default(), |client| {
            beside(client, 4, |client, path| {
                if path == "/0" {
                    // Who leaves the line does not hold it up.
                    let mut given_up = pin!(client.get_data(path).into_future());
                    _ = poll(given_up.as_mut());
                } else {
                    assert_eq!(wait(client.get_data(path)).unwrap().0, path);
                }
            });
        });
    });
}

#[test]
fn an_event_is_there_before_the_reply_to_what_has_caused_it() {
    in_many_orders(|| {
        run(builder(), Manner::default(), |client| {
            beside(client, 2, |client, path| {
                let (_, _, mut watcher) = wait(client.get_data(path).watch()).unwrap();
                wait(client.set_data(path, b"")).unwrap();
                let event = poll(pin!(watcher.changed())).expect("the event is there");
                assert_eq!(event.unwrap().kind, WatchedEventKind::NodeDataChanged);
            });
        });
    });
}

#[test]
fn who_waits_for_an_event_is_woken_by_what_another_does() {
    in_many_orders(|| {
        run(builder(), Manner::default(), |client| {
            let (_, _, mut watcher) = wait(client.get_data("/shared").watch()).unwrap();
            let other = client.clone();
            let writer = thread::spawn(move || wait(other.set_data("/shared", b"")).map(|_| ()));
            drop(client);
            assert_eq!(wait(watcher.changed()).unwrap().kind, WatchedEventKind::NodeDataChanged);
            writer.join().unwrap().unwrap();
        });
    });
}

#[test]
fn a_lost_link_leaves_nobody_waiting() {
    in_many_orders(|| {
        let mut config = Config::new("zk:2181".parse().unwrap());
        // Nobody would wait it out.
        config.backoff.initial = Duration::ZERO;
        run(Builder::from_config(config), Manner { hangs_up_after: Some(3) }, |client| {
            beside(client, 3, |client, path| {
                assert_eq!(wait(client.get_data(path).resend()).unwrap().0, path);
                match wait(client.set_data(path, b"")) {
                    Ok(_) | Err(Error::Lost) => {}
                    Err(error) => panic!("{error}"),
                }
            });
        });
    });
}

#[test]
fn work_in_the_background_is_done_before_the_end() {
    in_many_orders(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let doing = done.clone();
        run(builder(), Manner::default(), move |client| {
            let start = Arc::new(Signal::default());
            for path in ["/a", "/b"] {
                let (doing, start) = (doing.clone(), start.clone());
                client.spawn(move |client| async move {
                    if path == "/b" {
                        start.wait().await;
                    }
                    // A panic in here would be this work's own affair.
                    let is_right = client.get_data(path).await.is_ok_and(|(data, _)| data == path);
                    doing.fetch_add(usize::from(is_right), Ordering::Relaxed);
                });
            }
            let giving = thread::spawn(move || start.give());
            assert_eq!(wait(client.get_data("/c")).unwrap().0, "/c");
            giving.join().unwrap();
        });
        assert_eq!(done.load(Ordering::Relaxed), 2);
    });
}

#[cfg(zk_broken)]
#[test]
fn a_driver_that_sleeps_over_a_request_is_found() {
    is_found(
        "lets the driver sleep over what was asked while it was awake",
        everyone_gets_the_reply_to_what_he_has_asked,
    );
}

#[cfg(zk_broken)]
#[test]
fn a_place_that_nobody_is_told_of_is_found() {
    is_found("tells nobody that a place was left", a_place_in_a_full_session_is_had_by_everyone_in_turn);
}

#[cfg(zk_broken)]
#[test]
fn work_that_is_not_polled_again_is_found() {
    is_found("loses what rings while its work is polled", work_in_the_background_is_done_before_the_end);
}
