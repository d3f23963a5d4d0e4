//! One-shot and persistent watches on one path.
//!
//! Servers before 3.9 keep one mode a path, the last one set: a one-shot watch would take a persistent one's place. So a
//! one-shot watch beside a persistent one is not set on the server; the persistent one hears for it. The events of such servers
//! have no transaction number, which is how they are told apart.

use std::time::Duration;

use zk_proto::{
    code::{AddWatchMode, ErrorCode, EventType, OpCode, WatcherType},
    record::{AddWatchRequest, ExistsRequest, GetChildrenRequest, GetDataRequest, RemoveWatchesRequest},
    request::{AddWatch, Exists, GetChildren, GetData, Watched},
    session::{RequestId, SubmitOptions, WatchId},
};

use crate::support::{Asked, Pair, data, event, paths_of, reply, stat};

/// The number in an event of a server before 3.9, and in one of a later server.
const OLD: i64 = -1;
const NEW: i64 = 0x42;

#[test]
fn a_one_shot_watch_beside_a_persistent_one_is_not_set_on_the_server() {
    for mode in [AddWatchMode::Persistent, AddWatchMode::PersistentRecursive] {
        for mut pair in [Pair::connected(), new_server()] {
            // Whether the persistent one is there, or still on its way.
            for is_confirmed in [true, false] {
                let path = if is_confirmed { "/a" } else { "/b" };
                let add = AddWatch { path, mode };
                if is_confirmed {
                    confirmed(&mut pair, &add, "stays");
                } else {
                    pair.watch(&add, 'p', "stays");
                }
                pair.watch(&GetData::new(path), '1', "once");
                pair.watch(&Exists::new(path), '2', "once");
                pair.watch(&GetChildren::new(path), '3', "once");

                let asked = pair.asked();
                let reads = &asked[asked.len() - 3..];
                assert!(!reads[0].record::<GetDataRequest>().watch);
                assert!(!reads[1].record::<ExistsRequest>().watch);
                assert!(!reads[2].record::<GetChildrenRequest>().watch);
                asked.iter().for_each(|asked| pair.answer(asked, &stat()));
                pair.told();
            }
        }
    }
}

#[test]
fn one_event_is_told_to_both() {
    for zxid in [OLD, NEW] {
        let mut pair = both(zxid).0;
        pair.send(&event(EventType::NodeDataChanged, "/a", zxid));
        pair.send(&event(EventType::NodeDeleted, "/a", zxid));

        let told = ["stays: NodeDataChanged /a", "once: NodeDataChanged /a", "stays: NodeDeleted /a"];
        assert_eq!(pair.told(), told);
        assert_eq!(pair.ops(), []);
    }
}

#[test]
fn a_recursive_watch_hears_of_children_for_a_one_shot_watch_on_them() {
    for zxid in [OLD, NEW] {
        let mut pair = if zxid == NEW { new_server() } else { Pair::connected() };
        confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive }, "tree");
        confirmed(&mut pair, &GetChildren::new("/a"), "once");

        pair.send(&event(EventType::NodeDataChanged, "/a/child", zxid));
        pair.send(&event(EventType::NodeCreated, "/a/child/below", zxid));
        assert_eq!(pair.told(), ["tree: NodeDataChanged /a/child", "tree: NodeCreated /a/child/below"]);
        pair.send(&event(EventType::NodeCreated, "/a/other", zxid));
        assert_eq!(pair.told(), ["tree: NodeCreated /a/other", "once: NodeChildrenChanged /a"]);
        pair.send(&event(EventType::NodeDeleted, "/a/other", zxid));
        assert_eq!(pair.told(), ["tree: NodeDeleted /a/other"]);
    }
}

#[test]
fn on_an_old_server_a_persistent_watch_beside_a_recursive_one_still_hears_of_its_children() {
    let persistent = AddWatch { path: "/a", mode: AddWatchMode::Persistent };
    let recursive = AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive };
    for recursive_first in [false, true] {
        let mut pair = Pair::connected();
        let (first, second) = if recursive_first { (&recursive, &persistent) } else { (&persistent, &recursive) };
        pair.watch(first, '1', if recursive_first { "tree" } else { "node" });
        let other = pair.watch(second, '2', if recursive_first { "node" } else { "tree" });
        let asked = pair.asked();
        let last = asked.last().unwrap().record::<AddWatchRequest>();
        assert_eq!(last.mode, AddWatchMode::PersistentRecursive, "the recursive mode has to be the last");
        asked.iter().for_each(|asked| pair.answer(asked, &[]));
        pair.told();

        for kind in [EventType::NodeCreated, EventType::NodeDeleted] {
            pair.send(&event(kind, "/a/child", OLD));
            assert_eq!(pair.told(), [format!("tree: {kind:?} /a/child"), "node: NodeChildrenChanged /a".into()]);
        }
        pair.send(&event(EventType::NodeCreated, "/a/child/below", OLD));
        assert_eq!(pair.told(), ["tree: NodeCreated /a/child/below"]);

        // A server that has the recursive mode still, because a removal by type would hit both, still needs this.
        if !recursive_first {
            give_up(&mut pair, other);
            assert_eq!(pair.ops(), []);
            pair.send(&event(EventType::NodeCreated, "/a/child", OLD));
            assert_eq!(pair.told(), ["node: NodeChildrenChanged /a"]);
        }
    }
}

#[test]
fn on_a_new_server_that_keeps_both_modes_a_persistent_watch_hears_of_its_children_once() {
    let mut pair = new_server();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "node");
    confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive }, "tree");

    pair.send(&event(EventType::NodeCreated, "/a/child", NEW));
    pair.send(&event(EventType::NodeChildrenChanged, "/a", NEW));

    assert_eq!(pair.told(), ["tree: NodeCreated /a/child", "node: NodeChildrenChanged /a"]);
}

#[test]
fn a_one_shot_watch_that_came_first_is_carried_from_then_on() {
    for zxid in [OLD, NEW] {
        let mut pair = if zxid == NEW { new_server() } else { Pair::connected() };
        confirmed(&mut pair, &GetChildren::new("/a"), "once");
        let tree = confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive }, "tree");
        give_up(&mut pair, tree);
        assert_eq!(pair.ops(), [], "it still hears for the other");

        pair.send(&event(EventType::NodeCreated, "/a/child", zxid));

        assert_eq!(pair.told(), ["once: NodeChildrenChanged /a"]);
        assert_removes(&pair.ask(), WatcherType::Any);
    }
}

#[test]
fn the_persistent_watch_stays_on_the_server_as_long_as_it_hears_for_another() {
    for zxid in [OLD, NEW] {
        let (mut pair, stays, once) = both(zxid);
        give_up(&mut pair, once);
        assert_eq!(pair.ops(), []);
        give_up(&mut pair, stays);
        assert_removes(&pair.ask(), WatcherType::Any);

        let (mut pair, stays, _) = both(zxid);
        give_up(&mut pair, stays);
        assert_eq!(pair.ops(), []);
        pair.send(&event(EventType::NodeDataChanged, "/a", zxid));
        assert_eq!(pair.told(), ["once: NodeDataChanged /a"]);
        assert_removes(&pair.ask(), WatcherType::Any);
    }
}

#[test]
fn on_an_old_server_a_removal_by_type_would_hit_a_persistent_watch_that_is_on_its_way_too() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &GetData::new("/a"), "data");
    let child = confirmed(&mut pair, &GetChildren::new("/a"), "child");
    pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::Persistent }, 'p', "stays");
    give_up(&mut pair, child);

    assert_eq!(pair.ops(), [OpCode::AddWatch]);
}

#[test]
fn a_persistent_watch_that_was_given_up_on_its_way_carries_those_whose_place_it_takes() {
    let mut pair = Pair::connected();
    assert_eq!(pair.ops(), []);
    pair.watch(&GetChildren::new("/a"), 'c', "child");
    let given_up = pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive }, 'r', "deep");
    give_up(&mut pair, given_up);
    pair.watch(&GetData::new("/a"), 'd', "data");

    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::GetChildren, OpCode::AddWatch, OpCode::GetData]);
    assert!(!asked[2].record::<GetDataRequest>().watch, "or it would take its place again");
    asked.iter().for_each(|asked| pair.answer(asked, &stat()));
    assert_eq!(pair.told(), ["c: Ok", "r: Ok", "d: Ok"]);

    pair.send(&event(EventType::NodeCreated, "/a/b", OLD));
    pair.send(&event(EventType::NodeDataChanged, "/a", OLD));
    assert_eq!(pair.told(), ["child: NodeChildrenChanged /a", "data: NodeDataChanged /a"]);
    assert_removes(&pair.ask(), WatcherType::Any);
}

#[test]
fn a_watch_whose_carrier_was_refused_is_set_by_itself() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/elsewhere"), 'x');
    pair.zxid = 0x20;
    pair.answer_next(&data(b""));
    let known = pair.session().last_zxid();
    pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::Persistent }, 'p', "stays");
    pair.watch(&GetChildren::new("/a"), 'o', "once");
    let asked = pair.asked();
    pair.refuse(&asked[0], ErrorCode::ThrottledOp);
    pair.answer(&asked[1], &[0; 4]);
    assert_eq!(pair.told(), ["x: Ok", "p: Server(ThrottledOp)", "o: Ok"]);

    let asked = pair.ask();
    assert_eq!(asked.op, OpCode::SetWatches);
    let (relative, paths) = paths_of(&asked);
    assert_eq!(paths[2], ["/a"]);
    assert!(relative >= known && relative < pair.session().last_zxid(), "what came in between fires at once");
    pair.answer(&asked, &[]);

    pair.send(&event(EventType::NodeChildrenChanged, "/a", OLD));
    assert_eq!(pair.told(), ["once: NodeChildrenChanged /a"]);
    assert_eq!(pair.ops(), []);
}

#[test]
fn all_watches_whose_carrier_was_refused_are_set_by_themselves() {
    let mut pair = Pair::connected();
    assert_eq!(pair.ops(), []);
    pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::Persistent }, 'p', "stays");
    pair.watch(&GetChildren::new("/a"), 'l', "list");
    pair.watch(&GetData::new("/a"), 'd', "data");
    let asked = pair.asked();
    pair.refuse(&asked[0], ErrorCode::ThrottledOp);
    pair.answer(&asked[1], &[0; 4]);
    pair.answer(&asked[2], &data(b""));
    assert_eq!(pair.told(), ["p: Server(ThrottledOp)", "l: Ok", "d: Ok"]);

    let asked = pair.asked();
    let set: Vec<_> = asked.iter().map(|asked| (asked.op, paths_of(asked).1)).collect();
    assert!(set.iter().all(|(op, _)| *op == OpCode::SetWatches), "{set:?}");
    assert!(set.iter().any(|(_, paths)| paths[0] == ["/a"]), "{set:?}");
    assert!(set.iter().any(|(_, paths)| paths[2] == ["/a"]), "{set:?}");
}

#[test]
fn a_persistent_watch_that_is_taken_back_goes_out_for_those_who_count_on_it() {
    type TakeBack = fn(&mut Pair, RequestId);
    let take_back: [(&str, TakeBack); 2] = [
        ("withdrawn", |pair, request| assert_eq!(pair.app(|session| session.withdraw(request)), Some('p'))),
        ("timed out", |pair, _| {
            pair.pass(Duration::from_secs(1));
            assert_eq!(pair.told(), ["p: TimedOut { sent: No }"]);
        }),
    ];
    for (how, take_back) in take_back {
        let mut pair = Pair::connected();
        assert_eq!(pair.ops(), []);
        let add = AddWatch { path: "/a", mode: AddWatchMode::Persistent };
        let options = SubmitOptions { timeout: Some(Duration::from_secs(1)), ..SubmitOptions::default() };
        let (request, _) = pair.watch_with(&add, 'p', "stays", options);
        pair.watch(&GetData::new("/a"), 'o', "once");
        take_back(&mut pair, request);

        let asked = pair.asked();
        assert_eq!(ops(&asked), [OpCode::AddWatch, OpCode::GetData], "{how}");
        pair.answer(&asked[0], &[0; 4]);
        pair.answer(&asked[1], &data(b""));
        assert_eq!(pair.told(), ["o: Ok"]);
        assert_eq!(pair.ops(), [], "nothing is to be set or removed");

        pair.send(&event(EventType::NodeDataChanged, "/a", OLD));
        assert_eq!(pair.told(), ["once: NodeDataChanged /a"]);
        assert_removes(&pair.ask(), WatcherType::Any);
    }
}

#[test]
fn a_persistent_watch_that_is_lost_with_its_link_is_set_again_for_those_who_count_on_it() {
    // Otherwise a change could be read before it was told, or never be told.
    let mut pair = Pair::connected();
    pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::Persistent }, 'p', "stays");
    let again = SubmitOptions { resend: true, ..SubmitOptions::default() };
    pair.watch_with(&GetData::new("/a"), 'o', "once", again);
    pair.flush();

    pair.reconnect();

    assert_eq!(pair.told(), ["p: Lost", "Suspended(Hangup)", "Connected resumed"]);
    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::SetWatches2, OpCode::GetData]);
    assert_eq!(paths_of(&asked[0]).1[3], ["/a"]);
    pair.answer(&asked[0], &[]);
    pair.answer(&asked[1], &data(b""));
    pair.send(&event(EventType::NodeDataChanged, "/a", OLD));
    assert_eq!(pair.told(), ["o: Ok", "once: NodeDataChanged /a"]);
    assert_removes(&pair.ask(), WatcherType::Any);
}

#[test]
fn on_a_server_before_3_6_nothing_counts_on_persistent_watches_for_ever() {
    let mut pair = Pair::connected();
    pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::Persistent }, 'p', "stays");
    let again = SubmitOptions { resend: true, ..SubmitOptions::default() };
    pair.watch_with(&GetData::new("/a"), 'o', "once", again);
    pair.flush();
    pair.reconnect();
    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::SetWatches2, OpCode::GetData]);
    pair.send(&reply(-8, -1, ErrorCode::Unimplemented, &[]));

    pair.reconnect();

    assert_eq!(pair.ops(), [OpCode::GetData]);
    pair.told();
    pair.answer(&asked[1], &data(b""));
    assert_eq!(pair.told(), ["o: Ok"]);
    assert_eq!(paths_of(&pair.ask()).1[0], ["/a"], "it is set by itself");
}

#[test]
fn over_a_reconnect_all_are_set_in_their_own_lists_and_the_persistent_one_carries_on() {
    let mut pair = Pair::connected();
    let tree = confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive }, "tree");
    confirmed(&mut pair, &GetChildren::new("/a"), "children");
    confirmed(&mut pair, &GetData::new("/a"), "data");

    pair.reconnect();
    let asked = pair.ask();
    assert_eq!(asked.op, OpCode::SetWatches2);
    let a = || vec!["/a".to_string()];
    assert_eq!(paths_of(&asked).1, [a(), vec![], a(), vec![], a()], "so that what was missed is told");
    pair.answer(&asked, &[]);
    pair.told();

    give_up(&mut pair, tree);
    assert_eq!(pair.ops(), []);
    pair.send(&event(EventType::NodeDeleted, "/a/child", OLD));
    pair.send(&event(EventType::NodeDataChanged, "/a", OLD));
    assert_eq!(pair.told(), ["children: NodeChildrenChanged /a", "data: NodeDataChanged /a"]);
    assert_removes(&pair.ask(), WatcherType::Any);
}

#[test]
fn a_one_shot_request_that_is_sent_again_stays_carried() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "stays");
    let again = SubmitOptions { resend: true, ..SubmitOptions::default() };
    pair.watch_with(&GetData::new("/a"), 'o', "once", again);
    assert_eq!(pair.ops(), [OpCode::GetData]);

    pair.reconnect();

    assert_eq!(pair.told(), ["Suspended(Hangup)", "Connected resumed", "stays: Resync /a"]);
    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::SetWatches2, OpCode::GetData]);
    assert!(!asked[1].record::<GetDataRequest>().watch);
    asked.iter().for_each(|asked| pair.answer(asked, &stat()));
    assert_eq!(pair.told(), ["o: Ok"]);
    pair.send(&event(EventType::NodeDataChanged, "/a", OLD));
    assert_eq!(pair.told(), ["stays: NodeDataChanged /a", "once: NodeDataChanged /a"]);
}

fn new_server() -> Pair {
    let mut pair = Pair::connected();
    pair.send(&event(EventType::NodeCreated, "/elsewhere", NEW));
    pair
}

/// A persistent and a one-shot watch on `/a`, on an old or a new server.
fn both(zxid: i64) -> (Pair, WatchId, WatchId) {
    let mut pair = if zxid == NEW { new_server() } else { Pair::connected() };
    let stays = confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "stays");
    let once = confirmed(&mut pair, &GetData::new("/a"), "once");
    (pair, stays, once)
}

fn confirmed(pair: &mut Pair, request: &impl Watched, watch: &'static str) -> WatchId {
    let id = pair.watch(request, 'a', watch);
    answer_all(pair);
    assert_eq!(pair.told().last().map(String::as_str), Some("a: Ok"));
    id
}

fn answer_all(pair: &mut Pair) {
    for asked in pair.asked() {
        let body = if asked.op == OpCode::GetData { data(b"") } else { stat() };
        pair.answer(&asked, &body);
    }
}

fn ops(asked: &[Asked]) -> Vec<OpCode> {
    asked.iter().map(|asked| asked.op).collect()
}

fn give_up(pair: &mut Pair, watch: WatchId) {
    assert!(pair.app(|session| session.unwatch(watch)).is_some());
}

fn assert_removes(asked: &Asked, watcher_type: WatcherType) {
    assert_eq!(asked.op, OpCode::RemoveWatches);
    let request: RemoveWatchesRequest = asked.record();
    assert_eq!((request.path.as_deref(), request.watcher_type), (Some("/a"), watcher_type));
}
