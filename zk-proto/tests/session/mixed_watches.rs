//! One-shot and persistent watches on one path.
//!
//! Servers before 3.9 keep one mode a path, the last one set; a one-shot watch wipes a persistent one there. Their events
//! have no transaction number, which is how they are told apart.

use zk_proto::{
    code::{AddWatchMode, ErrorCode, EventType, OpCode, WatcherType},
    record::{AddWatchRequest, RemoveWatchesRequest},
    request::{AddWatch, GetChildren, GetData, Watched},
    session::{SubmitOptions, WatchId},
};

use crate::support::{Asked, Pair, data, event, paths_of, stat};

/// The number in an event of a server before 3.9, and in one of a later server.
const OLD: i64 = -1;
const NEW: i64 = 0x42;

#[test]
fn on_an_old_server_a_persistent_watch_is_set_again_right_behind_a_one_shot_watch() {
    for mode in [AddWatchMode::Persistent, AddWatchMode::PersistentRecursive] {
        let mut pair = Pair::connected();
        confirmed(&mut pair, &AddWatch { path: "/a", mode }, "stays");
        pair.watch(&GetData::new("/a"), 'o', "once");
        pair.submit(&GetData::new("/b"), 'b');

        let asked = pair.asked();

        assert_eq!(ops(&asked), [OpCode::GetData, OpCode::AddWatch, OpCode::GetData]);
        assert_eq!(asked[1].record::<AddWatchRequest>(), AddWatchRequest { path: Some("/a".into()), mode });
        for asked in asked {
            pair.answer(&asked, &stat());
        }
        assert_eq!(pair.told(), ["o: Ok", "b: Ok"], "nobody hears of it");
    }
}

#[test]
fn on_an_old_server_a_list_of_children_takes_nothing_from_a_recursive_watch() {
    for (mode, expected) in [
        (AddWatchMode::Persistent, &[OpCode::GetChildren, OpCode::AddWatch][..]),
        (AddWatchMode::PersistentRecursive, &[OpCode::GetChildren]),
    ] {
        let mut pair = Pair::connected();
        confirmed(&mut pair, &AddWatch { path: "/a", mode }, "stays");
        pair.watch(&GetChildren::new("/a"), 'o', "once");
        assert_eq!(pair.ops(), expected, "{mode}");
    }
}

#[test]
fn on_an_old_server_a_watch_on_children_is_set_again_behind_a_recursive_watch() {
    let recursive = AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive };
    let mut pair = Pair::connected();
    confirmed(&mut pair, &GetChildren::new("/a"), "children");
    pair.watch(&recursive, 'r', "stays");
    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::AddWatch, OpCode::SetWatches]);
    assert_eq!(paths_of(&asked[1]).1, [vec![], vec![], vec!["/a".to_string()], vec![], vec![]]);
    asked.iter().for_each(|asked| pair.answer(asked, &[]));

    // A read of data takes the recursive watch away, and the recursive watch takes the children away again.
    pair.watch(&GetData::new("/a"), 'd', "data");
    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::GetData, OpCode::AddWatch, OpCode::SetWatches]);
    asked.iter().for_each(|asked| pair.answer(asked, &data(b"")));
    pair.told();

    // Over a reconnect, the frame of the watch on children comes last.
    pair.reconnect();
    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::SetWatches2, OpCode::SetWatches]);
    let [data, exist, child, persistent, recursive] = paths_of(&asked[0]).1;
    assert_eq!([data, recursive], [["/a"], ["/a"]]);
    assert!(exist.is_empty() && child.is_empty() && persistent.is_empty());
    assert_eq!(paths_of(&asked[1]).1[2], ["/a"]);
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
fn on_a_new_server_they_are_kept_apart_and_nothing_is_set_again() {
    let mut pair = new_server();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "stays");
    pair.watch(&GetData::new("/a"), 'o', "once");

    assert_eq!(pair.ops(), [OpCode::GetData]);
}

#[test]
fn which_server_it_is_counts_for_its_link_alone() {
    let mut pair = new_server();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "stays");
    pair.reconnect();
    assert_eq!(pair.told().last().map(String::as_str), Some("stays: Resync /a"));
    answer_all(&mut pair);

    pair.watch(&GetData::new("/a"), 'o', "once");

    assert_eq!(pair.ops(), [OpCode::GetData, OpCode::AddWatch]);
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
fn on_an_old_server_a_removal_by_type_would_hit_the_persistent_watch_and_is_not_made() {
    let (mut pair, stays, once) = both(OLD);

    give_up(&mut pair, once);
    assert_eq!(pair.ops(), []);
    give_up(&mut pair, stays);
    assert_removes(&pair.ask(), WatcherType::Any);
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
fn on_a_new_server_each_is_removed_by_its_type() {
    let (mut pair, stays, once) = both(NEW);

    give_up(&mut pair, once);
    assert_removes(&pair.ask(), WatcherType::Data);
    give_up(&mut pair, stays);
    assert_removes(&pair.ask(), WatcherType::Any);
}

#[test]
fn on_an_old_server_a_persistent_watch_that_is_given_up_goes_when_the_one_shot_watch_has_fired() {
    let (mut pair, stays, _) = both(OLD);
    give_up(&mut pair, stays);
    assert_eq!(pair.ops(), []);

    pair.send(&event(EventType::NodeDataChanged, "/a", OLD));

    assert_eq!(pair.told(), ["once: NodeDataChanged /a"]);
    assert_removes(&pair.ask(), WatcherType::Any);
}

#[test]
fn a_persistent_watch_taken_back_before_it_was_sent_is_not_left_behind_by_the_one_set_again() {
    let mut pair = Pair::connected();
    let add = AddWatch { path: "/a", mode: AddWatchMode::Persistent };
    let (request, _) = pair.watch_with(&add, 'p', "stays", SubmitOptions::default());
    pair.watch(&GetData::new("/a"), 'o', "once");
    pair.app(|session| session.withdraw(request));

    let asked = pair.asked();
    assert_eq!(ops(&asked), [OpCode::GetData, OpCode::AddWatch]);
    pair.refuse(&asked[0], ErrorCode::NoNode);
    pair.answer(&asked[1], &[0; 4]);

    assert_eq!(pair.told(), ["o: Server(NoNode)"]);
    assert_removes(&pair.ask(), WatcherType::Any);
}

#[test]
fn a_persistent_watch_that_is_being_set_again_survives_a_lost_link() {
    // The one-shot request goes out again on the new link, behind the replay, and wipes the persistent watch once more.
    for handed_out in [false, true] {
        let mut pair = Pair::connected();
        confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "stays");
        let again = SubmitOptions { resend: true, ..SubmitOptions::default() };
        pair.watch_with(&GetData::new("/a"), 'o', "once", again);
        if handed_out {
            assert_eq!(pair.ops(), [OpCode::GetData, OpCode::AddWatch]);
        }

        pair.reconnect();

        let asked = pair.asked();
        assert_eq!(ops(&asked), [OpCode::SetWatches2, OpCode::GetData, OpCode::AddWatch], "{handed_out}");
        assert_eq!(asked[2].path(), "/a");
        assert_eq!(pair.told(), ["Suspended(Hangup)", "Connected resumed", "stays: Resync /a"]);
        for asked in asked {
            pair.answer(&asked, &stat());
        }
        assert_eq!(pair.told(), ["o: Ok"]);
    }
}

#[test]
fn a_child_watch_wipes_a_persistent_one_likewise() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "stays");
    pair.watch(&GetChildren::new("/a"), 'c', "once");
    assert_eq!(pair.ops(), [OpCode::GetChildren, OpCode::AddWatch]);
}

#[test]
fn a_child_watch_that_is_set_again_although_its_request_was_lost_is_taken_off() {
    let mut pair = Pair::connected();
    pair.watch(&GetChildren::new("/a"), 'c', "once");
    pair.watch(&AddWatch { path: "/a", mode: AddWatchMode::PersistentRecursive }, 'd', "deep");
    assert_eq!(pair.ops(), [OpCode::GetChildren, OpCode::AddWatch, OpCode::SetWatches]);

    pair.reconnect();

    assert_eq!(pair.told(), ["c: Lost", "d: Lost", "Suspended(Hangup)", "Connected resumed"]);
    pair.answer_next(&[]);
    assert_removes(&pair.ask(), WatcherType::Any);
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
