//! Giving up watches: the server's goes with the last one who hears it, and races hurt nobody.

use zk_proto::{
    code::{AddWatchMode, ErrorCode, EventType, OpCode, WatcherType},
    record::RemoveWatchesRequest,
    request::{AddWatch, Exists, GetChildren, GetData, Watched},
    session::WatchId,
};

use crate::support::{Asked, Greeting, Pair, data, event, reply, stat};

#[test]
fn the_last_one_to_leave_takes_the_servers_watch_off() {
    let mut pair = Pair::connected();
    let first = confirmed(&mut pair, &GetData::new("/a"), "first");
    let second = confirmed(&mut pair, &GetData::new("/a"), "second");

    assert_eq!(give_up(&mut pair, first), Some("first"));
    assert_eq!(pair.ops(), []);
    assert_eq!(give_up(&mut pair, second), Some("second"));

    assert_removes(&pair.ask(), "/a", WatcherType::Any);
    assert_eq!(give_up(&mut pair, second), None, "it is gone");
}

#[test]
fn a_watch_that_is_given_up_hears_nothing_more() {
    let mut pair = Pair::connected();
    let watch = confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "w");
    give_up(&mut pair, watch);
    let removal = pair.ask();

    pair.send(&event(EventType::NodeDataChanged, "/a", 7));
    pair.answer(&removal, &[]);

    pair.assert_quiet();
}

#[test]
fn an_event_that_is_in_the_queue_already_is_still_told() {
    let mut pair = Pair::connected();
    let watch = confirmed(&mut pair, &GetData::new("/a"), "w");
    pair.send(&event(EventType::NodeDataChanged, "/a", 7));

    assert_eq!(give_up(&mut pair, watch), None, "fired and over");
    assert_eq!(pair.told(), ["w: NodeDataChanged /a"]);
    assert_eq!(pair.ops(), [], "the server has no watch any more");
}

#[test]
fn a_watch_given_up_while_its_request_waits_is_taken_off_when_it_turns_out_to_be_set() {
    let mut pair = Pair::connected();
    let watch = pair.watch(&GetData::new("/a"), 'a', "w");
    assert_eq!(give_up(&mut pair, watch), Some("w"));

    pair.answer_next(&data(b""));

    assert_eq!(pair.told(), ["a: Ok"], "the request itself goes on");
    assert_removes(&pair.ask(), "/a", WatcherType::Any);
    assert_eq!(pair.session().watch_count(), 0);
}

#[test]
fn a_watch_given_up_while_its_request_fails_leaves_nothing_to_take_off() {
    let mut pair = Pair::connected();
    let watch = pair.watch(&GetData::new("/a"), 'a', "w");
    let asked = pair.ask();
    give_up(&mut pair, watch);

    pair.refuse(&asked, ErrorCode::NoNode);

    assert_eq!(pair.told(), ["a: Server(NoNode)"]);
    assert_eq!(pair.ops(), []);
    assert_eq!(pair.session().watch_count(), 0);
}

#[test]
fn a_watch_given_up_at_a_lost_link_is_not_set_again() {
    let mut pair = Pair::connected();
    let set = confirmed(&mut pair, &GetData::new("/set"), "w");
    let pending = pair.watch(&GetData::new("/pending"), 'p', "p");
    pair.flush();
    pair.cut();
    assert_eq!(give_up(&mut pair, set), Some("w"));
    assert_eq!(give_up(&mut pair, pending), None, "its request failed with the link");

    pair.connect(&Greeting::default());

    assert_eq!(pair.ops(), []);
    assert_eq!(pair.session().watch_count(), 0);
}

#[test]
fn a_watch_that_was_set_again_after_a_reconnect_is_taken_off_like_any_other() {
    let mut pair = Pair::connected();
    let watch = confirmed(&mut pair, &GetData::new("/a"), "w");
    pair.reconnect();
    pair.told();
    pair.answer_next(&[]);

    give_up(&mut pair, watch);

    assert_removes(&pair.ask(), "/a", WatcherType::Any);
}

#[test]
fn a_removal_that_a_lost_link_overtakes_is_not_made_up_for() {
    let mut pair = Pair::connected();
    let in_flight = confirmed(&mut pair, &GetData::new("/a"), "w");
    let waiting = confirmed(&mut pair, &GetData::new("/b"), "w");
    give_up(&mut pair, in_flight);
    pair.flush();
    give_up(&mut pair, waiting);

    pair.reconnect();

    assert_eq!(pair.ops(), [], "the new link's server has no watch");
    assert_eq!(pair.told(), ["Suspended(Hangup)", "Connected resumed"]);
}

#[test]
fn a_watch_that_is_being_set_keeps_the_servers_watch_from_being_taken_off() {
    let mut pair = Pair::connected();
    let old = confirmed(&mut pair, &GetData::new("/a"), "old");
    pair.watch(&GetData::new("/a"), 'n', "new");
    let asked = pair.ask();

    give_up(&mut pair, old);
    assert_eq!(pair.ops(), []);

    pair.refuse(&asked, ErrorCode::NoAuth);
    assert_removes(&pair.ask(), "/a", WatcherType::Any);
}

#[test]
fn a_watch_set_behind_a_removal_is_set_behind_it_on_the_wire_too() {
    let mut pair = Pair::connected();
    let old = confirmed(&mut pair, &GetData::new("/a"), "old");
    give_up(&mut pair, old);
    pair.watch(&GetData::new("/a"), 'n', "new");

    let asked = pair.asked();
    assert_eq!(asked.iter().map(|asked| asked.op).collect::<Vec<_>>(), [OpCode::RemoveWatches, OpCode::GetData]);
    pair.answer(&asked[0], &[]);
    pair.answer(&asked[1], &data(b""));
    pair.send(&event(EventType::NodeDeleted, "/a", 7));

    assert_eq!(pair.told(), ["n: Ok", "new: NodeDeleted /a"]);
}

#[test]
fn two_events_with_a_removal_under_way_are_told_to_those_who_are_left() {
    let mut pair = Pair::connected();
    let leaves = confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "leaves");
    confirmed(&mut pair, &AddWatch { path: "/a", mode: AddWatchMode::Persistent }, "stays");
    pair.send(&event(EventType::NodeDataChanged, "/a", 7));
    give_up(&mut pair, leaves);
    pair.send(&event(EventType::NodeDataChanged, "/a", 8));

    let told = pair.told();
    assert_eq!(told, ["leaves: NodeDataChanged /a", "stays: NodeDataChanged /a", "stays: NodeDataChanged /a"]);
    assert_eq!(pair.ops(), []);
}

#[test]
fn a_removal_names_the_list_where_others_are_to_stay() {
    // On 3.9, which its numbered events give away, removals are by list.
    type Set = fn(&mut Pair) -> WatchId;
    let watches: [(Set, WatcherType); 4] = [
        (|pair| confirmed(pair, &GetChildren::new("/a"), "w"), WatcherType::Children),
        (|pair| confirmed(pair, &Exists::new("/a"), "w"), WatcherType::Data),
        (|pair| confirmed(pair, &add(AddWatchMode::Persistent), "w"), WatcherType::Persistent),
        (|pair| confirmed(pair, &add(AddWatchMode::PersistentRecursive), "w"), WatcherType::PersistentRecursive),
    ];
    // One-shot watches keep persistent ones in place, which hear for them.
    for (watches, left) in [(&watches[..], 0), (&watches[..], 1), (&watches[2..], 0), (&watches[2..], 1)] {
        let mut pair = Pair::connected();
        pair.send(&event(EventType::NodeCreated, "/elsewhere", 7));
        let ids: Vec<_> = watches.iter().map(|(set, _)| set(&mut pair)).collect();

        give_up(&mut pair, ids[left]);

        assert_removes(&pair.ask(), "/a", watches[left].1);
    }
}

#[test]
fn one_shot_watches_of_two_kinds_are_taken_off_one_by_one() {
    // On 3.9, which its numbered events give away, and before, where there is no persistent watch that a removal by type would hit.
    for is_new in [true, false] {
        let mut pair = Pair::connected();
        if is_new {
            pair.send(&event(EventType::NodeCreated, "/elsewhere", 7));
        }
        confirmed(&mut pair, &GetChildren::new("/a"), "list");
        let node = confirmed(&mut pair, &Exists::new("/a"), "node");

        give_up(&mut pair, node);
        let removal = pair.ask();
        assert_removes(&removal, "/a", WatcherType::Data);
        pair.answer(&removal, &[]);

        pair.send(&event(EventType::NodeChildrenChanged, "/a", if is_new { 8 } else { -1 }));
        assert_eq!(pair.told(), ["list: NodeChildrenChanged /a"]);
        assert_eq!(pair.ops(), [], "nothing is left to take off");
    }
}

#[test]
fn a_server_that_cannot_remove_watches_is_asked_once() {
    let mut pair = Pair::connected();
    let first = confirmed(&mut pair, &GetData::new("/a"), "w");
    let second = confirmed(&mut pair, &GetData::new("/b"), "w");
    give_up(&mut pair, first);
    let asked = pair.ask();
    pair.send(&reply(asked.xid, -1, ErrorCode::Unimplemented, &[]));

    give_up(&mut pair, second);

    assert_eq!(pair.ops(), []);
    pair.assert_quiet();
}

#[test]
fn a_removal_that_the_server_refuses_is_nobodys_business() {
    for error in [ErrorCode::NoWatcher, ErrorCode::MarshallingError, ErrorCode::NoAuth] {
        let mut pair = Pair::connected();
        let watch = confirmed(&mut pair, &GetData::new("/a"), "w");
        give_up(&mut pair, watch);
        let asked = pair.ask();
        pair.refuse(&asked, error);
        pair.assert_quiet();
    }
}

#[test]
fn a_request_with_a_watch_can_be_taken_back_while_it_waits() {
    let mut pair = Pair::connected();
    let (request, watch) = pair.watch_with(&GetData::new("/a"), 'a', "w", Default::default());

    assert_eq!(pair.app(|session| session.withdraw(request)), Some('a'));

    assert_eq!(give_up(&mut pair, watch), None);
    assert_eq!((pair.ops(), pair.session().watch_count()), (vec![], 0));
    pair.assert_quiet();
}

#[test]
fn an_old_name_names_no_later_watch() {
    let mut pair = Pair::connected();
    let old = confirmed(&mut pair, &GetData::new("/a"), "old");
    pair.send(&event(EventType::NodeDeleted, "/a", 7));
    let new = confirmed_after(&mut pair, &GetData::new("/b"), "new", &["old: NodeDeleted /a", "a: Ok"]);

    assert_eq!(give_up(&mut pair, old), None);
    assert_eq!(give_up(&mut pair, new), Some("new"));
}

#[test]
fn the_name_of_a_watch_of_an_expired_session_names_none_of_its_successor() {
    let mut pair = Pair::connected();
    let old = confirmed(&mut pair, &GetData::new("/a"), "old");
    pair.cut();
    pair.connect(&Greeting::refused());
    assert!(pair.app(|session| session.renew()));
    pair.connect(&Greeting { session: 0x5E56, ..Greeting::default() });
    pair.told();
    confirmed(&mut pair, &GetData::new("/b"), "new");

    assert_eq!(give_up(&mut pair, old), None);
    assert_eq!(pair.session().watch_count(), 1);
}

fn add(mode: AddWatchMode) -> AddWatch<'static> {
    AddWatch { path: "/a", mode }
}

fn confirmed(pair: &mut Pair, request: &impl Watched, watch: &'static str) -> WatchId {
    confirmed_after(pair, request, watch, &["a: Ok"])
}

fn confirmed_after(pair: &mut Pair, request: &impl Watched, watch: &'static str, told: &[&str]) -> WatchId {
    let id = pair.watch(request, 'a', watch);
    for asked in pair.asked() {
        pair.answer(&asked, &stat());
    }
    assert_eq!(pair.told(), told);
    id
}

fn give_up(pair: &mut Pair, watch: WatchId) -> Option<&'static str> {
    pair.app(|session| session.unwatch(watch))
}

fn assert_removes(asked: &Asked, path: &str, watcher_type: WatcherType) {
    assert_eq!(asked.op, OpCode::RemoveWatches);
    let request: RemoveWatchesRequest = asked.record();
    assert_eq!((request.path.as_deref(), request.watcher_type), (Some(path), watcher_type));
}
