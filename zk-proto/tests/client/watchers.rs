//! Watches in their owner's hand.

use std::{pin::Pin, task::Poll};

use futures_core::Stream;
use zk_proto::{
    SessionId,
    client::{Builder, Client, Error, WatchEnd, Watcher},
    code::{AddWatchMode, ErrorCode, EventType, OpCode},
    record::{ErrorResponse, ExistsResponse, Stat},
    session::{
        End,
        WatchedEventKind::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted, Resync},
    },
};

use crate::support::{Nothing, SESSION, Task, World, config, data, now};

fn one_shot(world: &mut World, client: &Client, path: &'static str) -> Watcher {
    let mut task = Task::new(client.get_data(path).watch());
    assert!(task.is_pending());
    world.turn();
    world.answer(&data("x"));
    task.result().unwrap().2
}

fn persistent(world: &mut World, client: &Client, path: &'static str) -> Watcher {
    let mut task = Task::new(client.add_watch(path, AddWatchMode::PersistentRecursive));
    assert!(task.is_pending());
    world.turn();
    world.answer(&ErrorResponse { err: ErrorCode::Ok });
    task.result().unwrap()
}

fn kinds(watcher: &mut Watcher) -> Vec<String> {
    let mut kinds = Vec::new();
    loop {
        match Task::new(watcher.next()).poll() {
            Poll::Ready(Some(Ok(event))) => kinds.push(format!("{:?} {}", event.kind, event.path)),
            Poll::Ready(Some(Err(end))) => kinds.push(end.to_string()),
            Poll::Ready(None) => {
                kinds.push("none".into());
                return kinds;
            }
            Poll::Pending => return kinds,
        }
    }
}

#[test]
fn a_one_shot_watch_tells_one_change() {
    let (mut world, client) = World::connected();
    let mut watcher = one_shot(&mut world, &client, "/a");
    let mut changed = Task::new(watcher.changed());
    assert!(changed.is_pending());

    world.fire(EventType::NodeDataChanged, "/a");

    let event = changed.result().unwrap();
    assert_eq!((event.kind, event.path.as_str()), (NodeDataChanged, "/a"));
    drop(changed);
    assert_eq!(now(watcher.changed()), Err(WatchEnd::Fired));
    assert_eq!(now(watcher.next()), None);
    drop(watcher);
    world.turn();
    assert!(world.asked.is_empty(), "a watch that has fired is not removed: {:?}", world.asked);
}

#[test]
fn an_event_that_comes_before_anybody_listens_is_not_lost() {
    let (mut world, client) = World::connected();
    let mut task = Task::new(client.get_data("/a").watch());
    assert!(task.is_pending());
    world.turn();

    let xid = world.asked.pop_front().unwrap().xid;
    world.write_reply(xid, ErrorCode::Ok, &data("x"));
    world.write_event(EventType::NodeDeleted, "/a");
    world.deliver();

    let (_, _, mut watcher) = task.result().unwrap();
    assert_eq!(now(watcher.changed()).unwrap().kind, NodeDeleted);
}

#[test]
fn a_cancelled_wait_loses_nothing() {
    let (mut world, client) = World::connected();
    let mut watcher = one_shot(&mut world, &client, "/a");
    let mut changed = Task::new(watcher.changed());
    assert!(changed.is_pending());

    world.fire(EventType::NodeDataChanged, "/a");
    assert_eq!(changed.wakes.take(), 1);
    drop(changed);

    assert_eq!(now(watcher.next()).unwrap().unwrap().kind, NodeDataChanged);
}

#[test]
fn a_watch_on_absence_is_left_by_the_error_that_says_so() {
    let (mut world, client) = World::connected();
    let mut task = Task::new(client.exists("/a").watch());
    assert!(task.is_pending());
    world.turn();
    world.refuse(ErrorCode::NoNode);
    let (stat, mut watcher) = task.result().unwrap();

    world.fire(EventType::NodeCreated, "/a");

    assert_eq!(stat, None);
    assert_eq!(now(watcher.changed()).unwrap().kind, NodeCreated);

    let mut task = Task::new(client.exists("/b").watch());
    assert!(task.is_pending());
    world.turn();
    world.answer(&ExistsResponse { stat: Stat::default() });
    assert!(task.result().unwrap().0.is_some());
}

#[test]
fn a_read_that_fails_leaves_no_watch() {
    let (mut world, client) = World::connected();
    let mut task = Task::new(client.get_data("/a").watch());
    assert!(task.is_pending());
    world.turn();
    world.refuse(ErrorCode::NoNode);

    assert_eq!(task.result().unwrap_err(), Error::Server(ErrorCode::NoNode));
    world.turn();
    assert!(world.asked.is_empty());
}

#[test]
fn dropping_a_watcher_takes_the_watch_off_the_server() {
    let (mut world, client) = World::connected();
    let first = one_shot(&mut world, &client, "/a");
    let second = one_shot(&mut world, &client, "/a");

    drop(first);
    world.turn();
    assert!(world.asked.is_empty(), "the other one still listens");
    drop(second);
    world.turn();

    assert_eq!((world.ops(), world.paths()), (vec![OpCode::RemoveWatches], vec!["/a"]));
}

#[test]
fn a_watched_request_that_is_dropped_leaves_no_watch() {
    let (mut world, client) = World::connected();

    // Before it was sent.
    let unsent = client.get_data("/unsent").watch().send();
    drop(unsent);
    world.turn();
    assert!(world.asked.is_empty());

    // In flight: the watch is taken off when the server has set it.
    let in_flight = client.get_data("/in-flight").watch().send();
    world.turn();
    drop(in_flight);
    world.answer(&data("x"));
    assert_eq!((world.ops(), world.paths()), (vec![OpCode::RemoveWatches], vec!["/in-flight"]));
    world.answer(&Nothing);

    // With the reply there but not taken.
    let mut answered = Task::new(client.get_data("/answered").watch());
    assert!(answered.is_pending());
    world.turn();
    world.answer(&data("x"));
    drop(answered);
    world.turn();
    assert_eq!((world.ops(), world.paths()), (vec![OpCode::RemoveWatches], vec!["/answered"]));
    world.answer(&Nothing);

    // Detached: it is made, but nobody can hear the watch.
    client.get_data("/detached").watch().send().detach();
    world.turn();
    world.answer(&data("x"));
    assert_eq!((world.ops(), world.paths()), (vec![OpCode::RemoveWatches], vec!["/detached"]));
}

#[test]
fn a_persistent_watch_tells_everything_in_order() {
    let (mut world, client) = World::connected();
    let mut watcher = persistent(&mut world, &client, "/a");

    world.write_event(EventType::NodeCreated, "/a/b");
    world.write_event(EventType::NodeDataChanged, "/a/b");
    world.write_event(EventType::NodeDeleted, "/a/b");
    world.deliver();

    assert_eq!(kinds(&mut watcher), ["NodeCreated /a/b", "NodeDataChanged /a/b", "NodeDeleted /a/b"]);
    drop(watcher);
    world.turn();
    assert_eq!(world.ops(), [OpCode::RemoveWatches]);
}

#[test]
fn events_name_paths_as_the_watchs_owner_does() {
    let (mut world, client) = World::connected();
    let app = client.chroot("/app").unwrap();
    let mut task = Task::new(app.add_watch("/", AddWatchMode::PersistentRecursive));
    assert!(task.is_pending());
    world.turn();
    assert_eq!(world.paths(), ["/app"]);
    world.answer(&ErrorResponse { err: ErrorCode::Ok });
    let mut watcher = task.result().unwrap();

    world.fire(EventType::NodeDataChanged, "/app");
    world.fire(EventType::NodeCreated, "/app/x");
    world.fire(EventType::NodeCreated, "/apple");

    assert_eq!(kinds(&mut watcher), ["NodeDataChanged /", "NodeCreated /x"]);
}

#[test]
fn after_a_reconnect_a_persistent_watch_says_read_again() {
    let (mut world, client) = World::connected();
    let mut watcher = persistent(&mut world, &client, "/a");
    let mut one_shot = one_shot(&mut world, &client, "/b");

    world.cut();
    world.connect(SESSION);
    assert_eq!(world.ops(), [OpCode::SetWatches2]);
    world.answer(&Nothing);
    world.fire(EventType::NodeDataChanged, "/b");
    world.fire(EventType::NodeCreated, "/a/c");

    assert_eq!(kinds(&mut watcher), ["Resync /a", "NodeCreated /a/c"]);
    assert_eq!(now(one_shot.changed()).unwrap().kind, NodeDataChanged);
}

#[test]
fn a_slow_listener_is_told_to_read_again() {
    let (mut world, client) = World::connected_with(Builder::from_config(config()).watcher_queue(3));
    let mut watcher = persistent(&mut world, &client, "/a");

    for path in ["/a/1", "/a/2", "/a/3", "/a/4", "/a/5"] {
        world.fire(EventType::NodeCreated, path);
    }
    assert_eq!(kinds(&mut watcher), ["Resync /a", "NodeCreated /a/5"]);

    for path in ["/a/1", "/a/2", "/a/3"] {
        world.fire(EventType::NodeDeleted, path);
    }
    assert_eq!(kinds(&mut watcher).len(), 3);
}

#[test]
fn marks_to_read_again_do_not_pile_up() {
    let (mut world, client) = World::connected();
    let mut watcher = persistent(&mut world, &client, "/a");

    for _ in 0..5 {
        world.cut();
        world.connect(SESSION);
    }

    assert_eq!(kinds(&mut watcher), ["Resync /a"]);
    assert_eq!(Resync, Resync);
}

#[test]
fn every_watch_ends_with_its_session() {
    let (mut world, client) = World::connected();
    let mut fired = one_shot(&mut world, &client, "/fired");
    world.fire(EventType::NodeDeleted, "/fired");
    let mut waiting = one_shot(&mut world, &client, "/waiting");
    let mut tree = persistent(&mut world, &client, "/tree");
    world.fire(EventType::NodeCreated, "/tree/a");
    let mut changed = Task::new(waiting.changed());
    assert!(changed.is_pending());

    world.expire();

    let end = WatchEnd::Session(End::Expired);
    assert_eq!(changed.result(), Err(end));
    drop(changed);
    assert_eq!(now(waiting.changed()), Err(end));
    assert_eq!(kinds(&mut tree), ["NodeCreated /tree/a", "the watch has ended with its session: expired", "none"]);
    assert_eq!(kinds(&mut fired), ["NodeDeleted /fired", "none"]);

    // Nothing of the old session's is taken off the new one.
    world.connect(SessionId(0x99));
    drop((fired, waiting, tree));
    world.turn();
    assert!(world.asked.is_empty(), "{:?}", world.asked);
}

#[test]
fn a_watcher_is_a_stream() {
    let (mut world, client) = World::connected();
    let mut watcher = persistent(&mut world, &client, "/a");
    world.fire(EventType::NodeChildrenChanged, "/a");
    world.fire(EventType::NodeDeleted, "/a");

    let mut stream = Task::new(std::future::poll_fn(|cx| Pin::new(&mut watcher).poll_next(cx)));

    let Poll::Ready(Some(Ok(event))) = stream.poll() else { panic!("there is an event") };
    assert!(matches!(event.kind, NodeDeleted | NodeChildrenChanged));
}

#[test]
fn an_old_server_ends_a_persistent_watch() {
    let (mut world, client) = World::connected();
    let mut watcher = persistent(&mut world, &client, "/a");

    world.cut();
    world.connect(SESSION);
    assert_eq!(world.ops(), [OpCode::SetWatches2]);
    world.refuse(ErrorCode::Unimplemented);

    let told = kinds(&mut watcher);
    assert_eq!(told.last().map(String::as_str), Some("none"), "{told:?}");
    assert!(told.iter().any(|end| end.contains("does not know persistent watches")), "{told:?}");
}
