//! Work in the background, and time.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use zk_proto::{
    Machine, Wants,
    client::{Background, Client, Error},
    code::OpCode,
    session::{End, Sent},
};

use crate::support::{Count, Nothing, SESSION, Task, World, data, now};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn work_in_the_background_is_polled_by_the_driver() {
    let (mut world, client) = World::connected();
    let read = Arc::new(Mutex::new(None));
    let result = read.clone();
    world.task.take();

    client.chroot("/app").unwrap().spawn(|background| async move {
        let outcome = background.get_data("/a").await;
        *result.lock().unwrap() = Some(outcome.unwrap().0);
    });

    assert_eq!(world.task.take(), 1);
    world.turn();
    assert_eq!(world.paths(), ["/app/a"]);
    world.answer(&data("x"));
    assert_eq!(read.lock().unwrap().as_deref(), Some(&b"x"[..]));
}

#[test]
fn work_in_the_background_does_not_keep_the_session_open() {
    let (mut world, client) = World::connected();
    client.spawn(|background| async move {
        let _keeps_nothing_open = (background.clone(), Client::clone(&background));
        _ = background.delete("/mine").await;
        _ = background.delete("/mine-too").await;
        poll_fn(|_| Poll::<()>::Pending).await;
    });
    world.turn();
    assert_eq!(world.paths(), ["/mine"]);

    drop(client);
    world.turn();
    assert_eq!(world.ops(), [OpCode::Delete], "it gets some time");
    world.answer(&Nothing);
    assert_eq!(world.paths(), ["/mine-too"]);
    world.answer(&Nothing);
    world.advance(2 * SECOND);

    assert_eq!(world.ops(), [OpCode::CloseSession]);
    world.answer(&Nothing);
    assert_eq!(world.driver.wants(), Wants::Nothing(End::Closed));
}

#[test]
fn a_link_that_breaks_while_the_background_gets_its_time_ends_everything_at_once() {
    let (mut world, client) = World::connected();
    client.spawn(|_| poll_fn(|_| Poll::<()>::Pending));
    world.turn();
    let mut read = Task::new(client.get_data("/a"));
    assert!(read.is_pending());
    let mut closed = Task::new(client.close());
    assert!(closed.is_pending());

    world.cut();

    assert_eq!(read.result(), Err(Error::Ended { end: End::Closed, sent: Sent::No }));
    closed.result();
    assert_eq!(world.driver.wants(), Wants::Nothing(End::Closed));
}

#[test]
fn the_session_is_closed_as_soon_as_the_background_is_done() {
    let (mut world, client) = World::connected();
    client.spawn(|background| async move { _ = background.delete("/mine").await });
    world.turn();
    let mut closed = Task::new(client.close());
    assert!(closed.is_pending());
    assert_eq!(now(client.get_data("/a")), Err(Error::Ended { end: End::Closed, sent: Sent::No }));

    world.answer(&Nothing);

    assert_eq!(world.ops(), [OpCode::CloseSession]);
    world.answer(&Nothing);
    closed.result();
}

#[test]
fn without_a_link_the_background_gets_no_time() {
    let (mut world, client) = World::connected();
    client.spawn(|background| async move { _ = background.delete("/mine").await });
    world.turn();
    world.cut();

    drop(client);
    world.turn();

    assert_eq!(world.driver.wants(), Wants::Nothing(End::Closed));
}

#[test]
fn a_link_lost_while_the_background_finishes_ends_the_session() {
    let (mut world, client) = World::connected();
    client.spawn(|background| async move { _ = background.delete("/mine").await });
    world.turn();
    drop(client);
    world.turn();

    world.cut();
    world.turn();

    assert_eq!(world.driver.wants(), Wants::Nothing(End::Closed));
}

#[test]
fn a_turn_polls_the_background_a_bounded_number_of_times() {
    let (mut world, client) = World::connected();
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = polls.clone();
    client.spawn(|_| {
        poll_fn(move |cx| {
            counter.fetch_add(1, Ordering::SeqCst);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
    });
    let waker = std::task::Waker::from(Arc::<Count>::default());
    let mut cx = std::task::Context::from_waker(&waker);

    for turn in 1..=3 {
        assert!(world.driver.poll_work(&mut cx, world.now).is_ready(), "it wants another turn");
        assert_eq!(polls.load(Ordering::SeqCst), turn);
    }
}

#[test]
fn a_crowd_in_the_background_is_served_over_several_turns() {
    let (mut world, client) = World::connected();
    for _ in 0..1_000 {
        client.spawn(|background| async move { _ = background.sleep(SECOND).await });
    }
    world.turn();
    world.advance(SECOND);
    drop(client);
    world.turn();

    assert_eq!(world.ops(), [OpCode::CloseSession], "none is left");
}

#[test]
fn a_panic_in_the_background_stays_there() {
    let (mut world, client) = World::connected();
    client.spawn(|_| async { panic!("this panic is part of a test") });
    world.turn();

    let request = client.get_data("/a").send();
    world.turn();

    assert_eq!(world.paths(), ["/a"]);
    drop((request, client));
    world.turn();
    assert_eq!(world.ops(), [OpCode::GetData, OpCode::CloseSession]);
}

/// Uses the client as it goes.
struct Farewell(Background);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.delete("/farewell").send().detach();
    }
}

#[test]
fn work_that_is_dropped_may_use_the_client() {
    let (mut world, client) = World::connected();
    for has_begun in [true, false] {
        client.spawn(|background| async move {
            let _farewell = Farewell(background);
            poll_fn(|_| Poll::<()>::Pending).await;
        });
        if has_begun {
            world.turn();
        }
    }
    let World { driver, .. } = world;

    drop(driver);

    client.spawn(|background| async move { drop(Farewell(background)) });
}

#[test]
fn sleep_is_over_at_the_drivers_deadline() {
    let (mut world, client) = World::connected();
    world.now = world.now + SECOND;
    let mut sleep = Task::new(client.sleep(SECOND));
    assert!(sleep.is_pending());
    // The driver has not told the time since; from when it does, the sleep counts.
    world.turn();

    world.advance(SECOND - Duration::from_nanos(1));
    assert!(sleep.is_pending() && sleep.wakes.take() == 0);
    assert_eq!(world.driver.poll_timeout(), Some(world.now + Duration::from_nanos(1)));
    world.advance(Duration::from_nanos(1));

    assert_eq!(sleep.result(), Ok(()));
}

#[test]
fn sleep_wakes_the_driver_and_is_forgotten_when_dropped() {
    let (mut world, client) = World::connected();
    let before = world.driver.poll_timeout();
    world.task.take();

    let sleep = client.sleep(Duration::from_millis(1));
    assert_eq!(world.task.take(), 1);
    world.turn();
    assert_ne!(world.driver.poll_timeout(), before);
    drop(sleep);

    assert_eq!(world.driver.poll_timeout(), before);
}

#[test]
fn sleep_until_a_time_that_has_passed_is_over_with_the_next_turn() {
    let (mut world, client) = World::connected();
    let mut sleep = Task::new(client.sleep_until(client.last_seen()));
    assert!(sleep.is_pending());

    world.turn();

    assert_eq!(sleep.result(), Ok(()));
}

#[test]
fn a_timeout_lets_pass_what_is_in_time() {
    let (mut world, client) = World::connected();
    let mut in_time = Task::new(client.timeout(SECOND, client.sleep(SECOND / 2)));
    let mut late = Task::new(client.timeout(SECOND / 2, client.sleep(SECOND)));
    assert!(in_time.is_pending() && late.is_pending());
    world.turn();

    world.advance(SECOND / 2);

    assert_eq!(in_time.result(), Ok(Ok(())));
    assert_eq!(late.result(), Err(Error::TimedOut { sent: Sent::Perhaps }));
}

#[test]
fn the_validity_of_the_session_can_be_slept_through() {
    let (mut world, client) = World::connected();
    let until = client.valid_until().unwrap();
    world.cut();
    let mut doubt = Task::new(client.sleep_until(until));
    assert!(doubt.is_pending());
    world.now = until;

    world.driver.handle_timeout(until);

    assert_eq!(doubt.result(), Ok(()));
    assert_eq!(client.session(), Some(SESSION));
}
