//! Who is told when a watch fires.

use zk_proto::{
    Zxid,
    code::{AddWatchMode, ErrorCode, EventType},
    record::{ReplyHeader, WatcherEvent},
    request::{AddWatch, Exists, GetChildren, GetChildren2, GetData, Watched},
    session::Event,
};

use crate::support::{Act, Pair, data, event, frame, record, reply, stat};

const PERSISTENT: AddWatchMode = AddWatchMode::Persistent;
const RECURSIVE: AddWatchMode = AddWatchMode::PersistentRecursive;

#[test]
fn a_watch_is_set_when_its_request_succeeds_and_an_exists_also_when_there_is_no_node() {
    let table: [(Act, ErrorCode, bool); 8] = [
        (|pair| set(pair, &GetData::new("/a")), ErrorCode::Ok, true),
        (|pair| set(pair, &GetData::new("/a")), ErrorCode::NoNode, false),
        (|pair| set(pair, &GetChildren2::new("/a")), ErrorCode::Ok, true),
        (|pair| set(pair, &GetChildren2::new("/a")), ErrorCode::NoAuth, false),
        (|pair| set(pair, &Exists::new("/a")), ErrorCode::Ok, true),
        (|pair| set(pair, &Exists::new("/a")), ErrorCode::NoNode, true),
        (|pair| set(pair, &Exists::new("/a")), ErrorCode::NoAuth, false),
        (|pair| set(pair, &AddWatch { path: "/a", mode: PERSISTENT }), ErrorCode::Ok, true),
    ];
    for (row, (submit, error, is_set)) in table.into_iter().enumerate() {
        let mut pair = Pair::connected();
        submit(&mut pair);
        let asked = pair.ask();
        pair.refuse(&asked, error);
        pair.told();

        pair.send(&event(EventType::NodeDeleted, "/a", 7));

        assert_eq!(pair.told().len(), usize::from(is_set), "row {row}");
        assert_eq!(pair.session().watch_count(), usize::from(row == 7), "row {row}");
    }
}

#[test]
fn each_kind_of_watch_hears_what_it_is_for() {
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    let watches: [(&str, Act, &[EventType]); 6] = [
        ("data", |pair| confirmed(pair, &GetData::new("/n")), &[NodeCreated, NodeDataChanged, NodeDeleted]),
        ("exists", |pair| confirmed(pair, &Exists::new("/n")), &[NodeCreated, NodeDataChanged, NodeDeleted]),
        ("child", |pair| confirmed(pair, &GetChildren::new("/n")), &[NodeChildrenChanged, NodeDeleted]),
        ("child 2", |pair| confirmed(pair, &GetChildren2::new("/n")), &[NodeChildrenChanged, NodeDeleted]),
        (
            "persistent",
            |pair| confirmed(pair, &AddWatch { path: "/n", mode: PERSISTENT }),
            &[NodeCreated, NodeDataChanged, NodeDeleted, NodeChildrenChanged],
        ),
        (
            "recursive",
            |pair| confirmed(pair, &AddWatch { path: "/n", mode: RECURSIVE }),
            &[NodeCreated, NodeDataChanged, NodeDeleted],
        ),
    ];
    for (name, set, heard) in watches {
        for kind in [NodeCreated, NodeDataChanged, NodeDeleted, NodeChildrenChanged] {
            let mut pair = Pair::connected();
            set(&mut pair);

            pair.send(&event(kind, "/n", 7));

            let expected = if heard.contains(&kind) { vec![format!("w: {kind:?} /n")] } else { Vec::new() };
            assert_eq!(pair.told(), expected, "{name}");
        }
    }
}

#[test]
fn a_one_shot_watch_is_over_with_its_event_and_a_persistent_one_is_not() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &GetData::new("/once"));
    confirmed(&mut pair, &AddWatch { path: "/stays", mode: PERSISTENT });
    assert_eq!(pair.session().watch_count(), 2);

    for _ in 0..2 {
        pair.send(&event(EventType::NodeDataChanged, "/once", 7));
        pair.send(&event(EventType::NodeDataChanged, "/stays", 7));
    }

    let told = ["w: NodeDataChanged /once", "w: NodeDataChanged /stays", "w: NodeDataChanged /stays"];
    assert_eq!(pair.told(), told);
    assert_eq!(pair.session().watch_count(), 1);
}

#[test]
fn a_one_shot_watch_has_left_the_registry_before_its_event_is_told() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &GetData::new("/a"));

    pair.send(&event(EventType::NodeDataChanged, "/a", 7));
    assert_eq!(pair.session().watch_count(), 0, "although the event is still in the queue");

    // Setting it again from the event is an ordinary request, and the event does not take the new one away.
    pair.watch(&GetData::new("/a"), 'b', "again");
    assert_eq!(pair.told(), ["w: NodeDataChanged /a"]);
    pair.answer_next(&data(b""));
    pair.send(&event(EventType::NodeDataChanged, "/a", 8));
    assert_eq!(pair.told(), ["b: Ok", "again: NodeDataChanged /a"]);
}

#[test]
fn everyone_who_watches_a_node_hears_of_one_event() {
    let mut pair = Pair::connected();
    for (tag, watch) in [('1', "first"), ('2', "second"), ('3', "third")] {
        pair.watch(&GetData::new("/a"), tag, watch);
        pair.answer_next(&data(b""));
    }
    pair.told();

    pair.send(&event(EventType::NodeDataChanged, "/a", 7));

    let told = ["first: NodeDataChanged /a", "second: NodeDataChanged /a", "third: NodeDataChanged /a"];
    assert_eq!(pair.told(), told);
}

#[test]
pub(crate) fn an_event_comes_before_the_reply_that_shows_the_change() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &GetData::new("/a"));
    pair.submit(&GetData::new("/a"), 'b');
    let asked = pair.ask();

    let frames = [event(EventType::NodeDataChanged, "/a", 7), reply(asked.xid, 7, ErrorCode::Ok, &data(b"new"))];
    pair.send(&frames.concat());

    assert_eq!(pair.told(), ["w: NodeDataChanged /a", "b: Ok"]);
}

#[test]
fn a_watch_whose_reply_is_not_there_hears_nothing_yet() {
    let mut pair = Pair::connected();
    pair.watch(&GetData::new("/a"), 'a', "w");
    let asked = pair.ask();

    pair.send(&event(EventType::NodeDataChanged, "/a", 7));
    pair.answer(&asked, &data(b""));
    assert_eq!(pair.told(), ["a: Ok"]);

    pair.send(&event(EventType::NodeDataChanged, "/a", 8));
    assert_eq!(pair.told(), ["w: NodeDataChanged /a"]);
}

#[test]
fn a_recursive_watch_hears_of_all_below_and_of_nothing_beside() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &AddWatch { path: "/app", mode: RECURSIVE });

    for path in ["/app", "/app/x", "/app/x/y/z", "/apple", "/", "/other/app"] {
        pair.send(&event(EventType::NodeCreated, path, 7));
    }

    assert_eq!(pair.told(), ["w: NodeCreated /app", "w: NodeCreated /app/x", "w: NodeCreated /app/x/y/z"]);
}

#[test]
fn a_recursive_watch_on_the_root_hears_of_everything() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &AddWatch { path: "/", mode: RECURSIVE });

    pair.send(&event(EventType::NodeDeleted, "/a/b", 7));
    pair.send(&event(EventType::NodeDataChanged, "/", 7));

    assert_eq!(pair.told(), ["w: NodeDeleted /a/b", "w: NodeDataChanged /"]);
}

#[test]
fn a_change_of_children_is_for_the_child_watch_below_and_not_for_the_recursive_one_above() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: RECURSIVE });
    pair.watch(&GetChildren::new("/a/b"), 'c', "child");
    pair.answer_next(&[0; 4]);
    pair.told();

    pair.send(&event(EventType::NodeChildrenChanged, "/a/b", 7));

    assert_eq!(pair.told(), ["child: NodeChildrenChanged /a/b"]);
}

#[test]
fn an_event_tells_its_transaction_where_the_server_does() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: PERSISTENT });

    for (on_wire, told) in [(0x42, Some(Zxid(0x42))), (-1, None)] {
        pair.send(&event(EventType::NodeDataChanged, "/a", on_wire));
        let Some(Event::Watch { event, .. }) = pair.event() else { panic!("a watch fired") };
        assert_eq!(event.zxid, told);
    }
}

#[test]
fn events_that_mean_nothing_here_are_passed_over() {
    let mut pair = Pair::connected();
    confirmed(&mut pair, &AddWatch { path: "/a", mode: PERSISTENT });
    let header = ReplyHeader { xid: -1, ..ReplyHeader::default() };
    let odd = |event: WatcherEvent| frame(&[record(&header), record(&event)].concat());

    for kind in [EventType::None, EventType::DataWatchRemoved, EventType::Unknown(99)] {
        pair.send(&event(kind, "/a", 7));
    }
    pair.send(&event(EventType::NodeCreated, "/nobody/watches", 7));
    pair.send(&odd(WatcherEvent { event_type: EventType::NodeCreated, path: None, ..WatcherEvent::default() }));
    for path in ["", "a", "//", "/a/", "/a//b"] {
        pair.send(&event(EventType::NodeDeleted, path, 7));
    }
    let state = zk_proto::code::KeeperState::Unknown(-77);
    pair.send(&odd(WatcherEvent { event_type: EventType::NodeDeleted, state, path: Some("/a".into()) }));

    assert_eq!(pair.told(), ["w: NodeDeleted /a"]);
}

#[test]
fn as_many_watches_as_the_limit_allows_are_taken() {
    let mut config = crate::support::settings();
    config.limits.watches = 2;
    let mut pair = Pair::connected_with(config);
    confirmed(&mut pair, &GetData::new("/a"));
    let (request, _) = pair.watch_with(&GetData::new("/b"), 'b', "w", Default::default());

    let full = |pair: &mut Pair| {
        let refused = pair.app(|session| session.submit_watched(&GetData::new("/c"), 'c', "w", Default::default()));
        refused.is_err_and(|refused| {
            refused.tag == 'c' && refused.reason == zk_proto::session::Refusal::TooManyWatches { limit: 2 }
        })
    };
    assert!(full(&mut pair));
    pair.app(|session| session.withdraw(request));
    assert!(!full(&mut pair));
}

fn set(pair: &mut Pair, request: &impl Watched) {
    pair.watch(request, 'a', "w");
}

/// Sets a watch and tells nobody.
fn confirmed(pair: &mut Pair, request: &impl Watched) {
    set(pair, request);
    pair.answer_next(&stat());
    assert_eq!(pair.told(), ["a: Ok"]);
}
