use std::time::Duration;

use zk_proto::{
    Zxid,
    code::{AddWatchMode, CreateMode, ErrorCode, EventType, OpCode},
    record::{AddWatchRequest, GetDataRequest, GetDataResponse, SetWatches2},
};

use super::bench::{Bench, LAG, set};
use crate::{
    server::testing::{NOTHING, create, text},
    sim::ensemble::Effect,
};

#[test]
fn a_server_that_lags_shows_what_was_until_it_syncs() {
    let mut bench = Bench::new();
    let (leader, follower) = (bench.leader(), bench.followers()[0]);
    let (writer, reader) = (bench.connect(leader), bench.connect(follower));
    bench.create(writer, "/a", CreateMode::Persistent);
    bench.set(writer, "/a", "old");
    bench.sync(reader);
    bench.ensemble.set_lag(follower, Duration::from_millis(900));

    bench.set(writer, "/a", "new");

    assert_eq!(bench.truth("/a").as_deref(), Some("new"));
    assert_eq!(bench.data(writer, "/a").as_deref(), Some("new"));
    assert_eq!(bench.data(reader, "/a").as_deref(), Some("old"));
    bench.ensemble.set_lag(follower, LAG);
    assert_eq!(bench.sync(reader), ErrorCode::Ok);
    assert_eq!(bench.data(reader, "/a").as_deref(), Some("new"));
}

#[test]
fn a_write_at_a_follower_is_answered_when_the_follower_has_carried_it_out() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    let before = bench.now;

    let reply = bench.call(client, OpCode::Create, &create("/a", CreateMode::Persistent));

    assert_eq!((reply.header.err, reply.header.zxid), (ErrorCode::Ok, bench.ensemble.zxid_at(at)));
    let taken = bench.now.saturating_since(before);
    assert!(taken >= LAG && taken <= LAG * 2, "there and back it took {taken:?}");
    assert!(bench.data(client, "/a").is_some());
}

#[test]
fn replies_come_in_the_order_of_requests() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    let read = |path| GetDataRequest { path: text(path), watch: false };

    let mut xids = vec![
        bench.send(client, OpCode::Create, &create("/a", CreateMode::Persistent)),
        bench.send(client, OpCode::GetData, &read("/a")),
        bench.send(client, OpCode::SetData, &set("/a", "two")),
        bench.send(client, OpCode::GetData, &read("/a")),
    ];
    bench.send(client, OpCode::Ping, &NOTHING);
    xids.push(-2);
    assert_eq!(bench.frames(client), [], "all wait for the first");
    bench.advance(LAG * 2);

    let frames = bench.frames(client);
    assert_eq!(frames.iter().map(|frame| frame.header.xid).collect::<Vec<_>>(), xids);
    let data = |at: usize| frames[at].decode::<GetDataResponse>().data.unwrap();
    assert_eq!((&data(1)[..], &data(3)[..]), (&b"data"[..], &b"two"[..]));
}

#[test]
fn writes_of_two_servers_are_decided_one_after_the_other() {
    let mut bench = Bench::new();
    let clients: Vec<_> = bench.followers().into_iter().map(|server| bench.connect(server)).collect();
    for client in &clients {
        bench.send(*client, OpCode::Create, &create("/a", CreateMode::Persistent));
    }
    bench.advance(LAG * 2);

    let mut errors: Vec<_> = clients.iter().map(|client| bench.frames(*client).pop().unwrap().header.err).collect();
    errors.sort_unstable();
    let mut expected = [ErrorCode::Ok, ErrorCode::NodeExists];
    expected.sort_unstable();
    assert_eq!(errors, expected);
}

#[test]
fn a_write_that_is_refused_has_its_number_on_all_servers() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    let before = bench.ensemble.zxid();

    let reply = bench.call(client, OpCode::Create, &create("/none/x", CreateMode::Persistent));
    bench.advance(LAG);

    let expected = Zxid(before.0 + 1);
    assert_eq!((reply.header.err, reply.header.zxid), (ErrorCode::NoNode, expected));
    for server in 0..bench.ensemble.len() {
        assert_eq!(bench.ensemble.zxid_at(server), expected, "server {server}");
    }
    let last = bench.ensemble.history().last().unwrap();
    assert_eq!((last.zxid, last.effects.len()), (expected, 0));
}

#[test]
fn a_watch_fires_when_its_own_server_carries_the_change_out() {
    let mut bench = Bench::new();
    let (leader, at) = (bench.leader(), bench.followers()[0]);
    let (writer, watcher) = (bench.connect(leader), bench.connect(at));
    bench.create(writer, "/a", CreateMode::Persistent);
    bench.sync(watcher);
    bench.call(watcher, OpCode::GetData, &GetDataRequest { path: text("/a"), watch: true });

    bench.set(writer, "/a", "new");
    assert_eq!(bench.frames(watcher), [], "it is on its way");
    assert_ne!(bench.data(watcher, "/a").as_deref(), Some("new"));
    bench.advance(LAG);

    let events: Vec<_> = bench.frames(watcher).iter().map(|frame| frame.event()).collect();
    assert_eq!(events, [(EventType::NodeDataChanged, "/a".to_owned())]);
    assert_eq!(bench.data(watcher, "/a").as_deref(), Some("new"));
}

#[test]
fn events_come_before_the_reply_to_the_write_that_caused_them_and_in_the_order_of_changes() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    for path in ["/a", "/a/b"] {
        let watch = AddWatchRequest { path: text(path), mode: AddWatchMode::Persistent };
        assert_eq!(bench.call(client, OpCode::AddWatch, &watch).header.err, ErrorCode::Ok);
    }
    bench.send(client, OpCode::Create, &create("/a", CreateMode::Persistent));

    let frames = bench.exchange(client, OpCode::Create, &create("/a/b", CreateMode::Persistent));

    let events = |from: usize, to: usize| frames[from..to].iter().map(|frame| frame.event()).collect::<Vec<_>>();
    let event = |kind, path: &str| (kind, path.to_owned());
    assert_eq!(events(0, 1), [event(EventType::NodeCreated, "/a")]);
    assert_eq!(frames[1].header.err, ErrorCode::Ok, "the reply to the first");
    let expected = [event(EventType::NodeCreated, "/a/b"), event(EventType::NodeChildrenChanged, "/a")];
    assert_eq!(events(2, 4), expected);
    assert_eq!(frames.len(), 5);
}

#[test]
fn catching_up_with_watches_looks_at_the_tree_of_the_server_that_is_asked() {
    let mut bench = Bench::new();
    let (leader, at) = (bench.leader(), bench.followers()[0]);
    let (writer, watcher) = (bench.connect(leader), bench.connect(at));
    bench.create(writer, "/a", CreateMode::Persistent);
    bench.sync(watcher);
    let watches = SetWatches2 {
        relative_zxid: bench.ensemble.zxid(),
        data_watches: Some(vec![text("/a")]),
        exist_watches: Some(vec![]),
        child_watches: Some(vec![]),
        persistent_watches: Some(vec![]),
        persistent_recursive_watches: Some(vec![]),
    };
    bench.set(writer, "/a", "new");

    let late = bench.exchange(watcher, OpCode::SetWatches2, &watches);
    assert_eq!(late.len(), 1, "this server does not know yet");
    bench.advance(LAG);
    assert_eq!(bench.frames(watcher).len(), 1, "and the watch fires when it does");
    let again = bench.exchange(watcher, OpCode::SetWatches2, &watches);

    assert_eq!(again[0].event(), (EventType::NodeDataChanged, "/a".to_owned()));
    assert_eq!(again.len(), 2);
}

#[test]
fn containers_go_on_all_servers() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    bench.call(client, OpCode::CreateContainer, &create("/c", CreateMode::Container));
    bench.create(client, "/c/x", CreateMode::Persistent);
    let delete = zk_proto::record::DeleteRequest { path: text("/c/x"), version: -1 };
    bench.call(client, OpCode::Delete, &delete);

    bench.advance(Duration::from_secs(2));

    assert_eq!((bench.truth("/c"), bench.data(client, "/c")), (None, None));
}

#[test]
fn a_swallowed_reply_does_not_hold_up_what_comes_behind() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    bench.ensemble.swallow(at, OpCode::Create);

    bench.send(client, OpCode::Create, &create("/a", CreateMode::Persistent));
    bench.advance(LAG * 2);

    assert_eq!(bench.frames(client), []);
    assert!(bench.ensemble.wants_input(client) && bench.truth("/a").is_some());
    assert!(bench.data(client, "/a").is_some());
}

#[test]
fn history_tells_what_each_transaction_did() {
    let mut bench = Bench::new();
    let at = bench.followers()[0];
    let client = bench.connect(at);
    let session = bench.ensemble.sessions()[0].id;
    bench.create(client, "/e", CreateMode::Ephemeral);
    bench.set(client, "/e", "x");
    bench.call(client, OpCode::CloseSession, &NOTHING);

    let history = bench.ensemble.take_history();

    let data = |text: &'static str| Some(bytes::Bytes::from_static(text.as_bytes()));
    let expected = [
        vec![Effect::Began { timeout_ms: 10_000 }],
        vec![Effect::Created { path: "/e".into(), data: data("data"), owner: Some(session) }],
        vec![Effect::DataSet { path: "/e".into(), data: data("x"), version: 1 }],
        vec![Effect::Ended, Effect::Deleted { path: "/e".into() }],
    ];
    assert_eq!(history.iter().map(|transaction| transaction.effects.clone()).collect::<Vec<_>>(), expected);
    assert!(history.iter().all(|transaction| transaction.session == session));
    assert_eq!(history.iter().map(|transaction| transaction.zxid.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(bench.ensemble.history(), []);
}
