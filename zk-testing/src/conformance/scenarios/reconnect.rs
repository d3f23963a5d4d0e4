//! Links that break between a client and a server that goes on as if nothing were.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::ensemble::Direction;
use zk_proto::{
    client::{Client, Error, Watcher},
    code::{AddWatchMode::Persistent, AddWatchMode::PersistentRecursive},
    session::{
        Cause, Sent, State, WatchedEventKind::NodeChildrenChanged, WatchedEventKind::NodeCreated,
        WatchedEventKind::NodeDataChanged, WatchedEventKind::NodeDeleted, WatchedEventKind::Resync,
    },
};

use crate::conformance::{Ground, eventually, is_connected, is_suspended, next, reach, resume, so_far, soon};

/// One watch of each kind on `/node`, and one on its absence on `/missing`.
struct Watches {
    data: Watcher,
    exists: Watcher,
    absent: Watcher,
    list: Watcher,
    persistent: Watcher,
    tree: Watcher,
}

impl Watches {
    async fn set(client: &Client) -> Self {
        Self {
            data: client.get_data("/node").watch().await.unwrap().2,
            exists: client.exists("/node").watch().await.unwrap().1,
            absent: client.exists("/missing").watch().await.unwrap().1,
            list: client.get_children("/node").watch().await.unwrap().2,
            persistent: client.add_watch("/kept", Persistent).await.unwrap(),
            tree: client.add_watch("/tree", PersistentRecursive).await.unwrap(),
        }
    }
}

pub async fn watches_are_set_again_and_stay_silent_when_nothing_was_missed(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let other = ground.connect(&line.direct).await;
    for path in ["/node", "/kept", "/tree"] {
        client.create(path, b"").await.unwrap();
    }
    let mut watches = Watches::set(&client).await;
    let mut states = client.states();

    line.proxy.cut();
    resume(&mut states).await;
    client.sync("/").await.unwrap();

    for watcher in [&mut watches.data, &mut watches.exists, &mut watches.absent, &mut watches.list] {
        assert_eq!(so_far(watcher), []);
    }
    // From these, no server tells what was missed.
    assert_eq!(so_far(&mut watches.persistent), [(Resync, "/kept".to_string())]);
    assert_eq!(so_far(&mut watches.tree), [(Resync, "/tree".to_string())]);

    other.set_data("/node", b"").await.unwrap();
    other.create("/node/child", b"").await.unwrap();
    other.create("/missing", b"").await.unwrap();
    other.set_data("/kept", b"").await.unwrap();
    other.create("/tree/child", b"").await.unwrap();
    assert_eq!(next(&mut watches.data).await, (NodeDataChanged, "/node".to_string()));
    assert_eq!(next(&mut watches.exists).await, (NodeDataChanged, "/node".to_string()));
    assert_eq!(next(&mut watches.absent).await, (NodeCreated, "/missing".to_string()));
    assert_eq!(next(&mut watches.list).await, (NodeChildrenChanged, "/node".to_string()));
    assert_eq!(next(&mut watches.persistent).await, (NodeDataChanged, "/kept".to_string()));
    assert_eq!(next(&mut watches.tree).await, (NodeCreated, "/tree/child".to_string()));
}

pub async fn what_was_missed_is_told_after_the_link_is_back(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let other = ground.connect(&line.direct).await;
    client.create("/node", b"").await.unwrap();
    let mut watches = Watches::set(&client).await;
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    other.set_data("/node", b"missed").await.unwrap();
    other.create("/node/child", b"").await.unwrap();
    other.create("/missing", b"").await.unwrap();
    other.create("/kept", b"").await.unwrap();
    other.create("/tree", b"").await.unwrap();
    line.mend();
    reach(&mut states, is_connected).await;

    // Told before the reply to the first request on the new link.
    assert_eq!(client.get_data("/node").await.unwrap().0, "missed");
    assert_eq!(so_far(&mut watches.data), [(NodeDataChanged, "/node".to_string())]);
    assert_eq!(so_far(&mut watches.exists), [(NodeDataChanged, "/node".to_string())]);
    assert_eq!(so_far(&mut watches.absent), [(NodeCreated, "/missing".to_string())]);
    assert_eq!(so_far(&mut watches.list), [(NodeChildrenChanged, "/node".to_string())]);
    assert_eq!(so_far(&mut watches.persistent), [(Resync, "/kept".to_string())]);
    assert_eq!(so_far(&mut watches.tree), [(Resync, "/tree".to_string())]);
    other.set_data("/kept", b"").await.unwrap();
    other.set_data("/tree", b"").await.unwrap();
    assert_eq!(next(&mut watches.persistent).await, (NodeDataChanged, "/kept".to_string()));
    assert_eq!(next(&mut watches.tree).await, (NodeDataChanged, "/tree".to_string()));
}

pub async fn a_node_that_was_deleted_meanwhile_is_told_to_all_of_its_watches(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let other = ground.connect(&line.direct).await;
    client.create("/node", b"").await.unwrap();
    let mut watches = Watches::set(&client).await;
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    other.delete("/node").await.unwrap();
    line.mend();
    soon(client.sync("/")).await.unwrap();

    for watcher in [&mut watches.data, &mut watches.exists, &mut watches.list] {
        assert_eq!(so_far(watcher), [(NodeDeleted, "/node".to_string())]);
    }
}

pub async fn requests_made_without_a_link_go_out_on_the_next_one_in_order(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let session = client.session();
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    let created = client.create("/node", b"0").send();
    let set: Vec<_> = (1..=100).map(|number| client.set_data("/node", number.to_string()).send()).collect();
    let (watched, below) = (client.exists("/later").watch().send(), client.create("/later", b"").send());
    let withdrawn = client.delete("/node").send();
    drop(withdrawn);
    line.mend();

    assert_eq!(soon(created).await.unwrap().1.version, 0);
    for (index, set) in set.into_iter().enumerate() {
        assert_eq!(soon(set).await.unwrap().version as usize, index + 1);
    }
    let (_, mut watcher) = soon(watched).await.unwrap();
    soon(below).await.unwrap();
    assert_eq!(so_far(&mut watcher), [(NodeCreated, "/later".to_string())]);
    assert_eq!(client.get_data("/node").await.unwrap().0, "100");
    assert_eq!(client.session(), session);
}

pub async fn a_request_in_flight_when_the_link_breaks_is_lost_and_in_doubt(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let other = ground.connect(&line.direct).await;
    client.create("/read", b"data").await.unwrap();
    let mut states = client.states();

    // The requests arrive, the replies do not.
    line.proxy.black_hole(Direction::ToClient);
    let written = client.create("/written", b"").send();
    let read = client.get_data("/read").send();
    let read_again = client.get_data("/read").resend().send();
    let watched = client.get_data("/read").watch().send();
    while soon(other.exists("/written")).await.unwrap().is_none() {}
    line.sever();
    reach(&mut states, is_suspended).await;
    line.mend();

    for error in [soon(written).await.unwrap_err(), soon(read).await.unwrap_err(), soon(watched).await.unwrap_err()] {
        assert_eq!(error, Error::Lost);
        assert!(!error.is_certainly_not_applied());
    }
    assert_eq!(soon(read_again).await.unwrap().0, "data");
}

pub async fn a_request_that_never_reached_the_server_is_in_doubt_too(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let mut states = client.states();

    line.proxy.black_hole(Direction::ToServer);
    let written = client.create("/node", b"").send();
    // It has been handed to the link when this is over, as both go out in order.
    let limit = Duration::from_millis(50);
    let error = soon(client.exists("/").timeout(limit)).await.unwrap_err();
    assert_eq!(error, Error::TimedOut { sent: Sent::Perhaps });
    line.sever();
    reach(&mut states, is_suspended).await;
    line.mend();

    assert_eq!(soon(written).await.unwrap_err(), Error::Lost);
    assert_eq!(soon(client.exists("/node")).await.unwrap(), None);
}

pub async fn a_time_limit_tells_whether_the_request_was_sent(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let mut states = client.states();
    let limit = Duration::from_millis(50);

    line.sever();
    reach(&mut states, is_suspended).await;
    let error = soon(client.create("/node", b"").timeout(limit)).await.unwrap_err();
    assert_eq!(error, Error::TimedOut { sent: Sent::No });
    assert!(error.is_certainly_not_applied());
    line.mend();

    assert_eq!(soon(client.get_children("/")).await.unwrap().0.len(), 0);
}

pub async fn a_watch_that_timed_out_on_its_way_is_taken_off_when_it_arrives(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;

    line.proxy.black_hole(Direction::ToClient);
    let limit = Duration::from_millis(50);
    let error = soon(client.exists("/node").watch().timeout(limit)).await.unwrap_err();
    assert_eq!(error, Error::TimedOut { sent: Sent::Perhaps });
    line.mend();
    soon(client.sync("/")).await.unwrap();
    soon(client.sync("/")).await.unwrap();

    assert_eq!(ground.watched_paths(client.session().unwrap()), Vec::<String>::new());
}

pub async fn a_silent_server_is_given_up_after_two_thirds_of_the_timeout(ground: Ground) {
    let line = ground.line();
    let timeout = Duration::from_secs(3);
    let client = soon(ground.builder(&line.through).session_timeout(timeout).connect()).await.unwrap();
    let session = client.session();
    let mut states = client.states();

    line.proxy.black_hole(Direction::ToClient);
    let state = reach(&mut states, is_suspended).await;
    assert!(matches!(state, State::Suspended { cause: Cause::Silence, .. }), "{state:?}");
    line.mend();

    let state = reach(&mut states, is_connected).await;
    assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    assert_eq!(client.session(), session);
}

pub async fn an_idle_session_outlives_its_timeout_many_times(ground: Ground) {
    let line = ground.line();
    let timeout = Duration::from_millis(1500);
    let client = soon(ground.builder(&line.through).session_timeout(timeout).connect()).await.unwrap();
    let (_, stat) = client.create("/node", b"").ephemeral().await.unwrap();
    let before = client.valid_until().unwrap();

    // Heartbeats alone move this on.
    let moved = client.sleep_until(before + 2 * timeout);
    soon(moved).await.unwrap();

    assert!(client.valid_until().unwrap() > before + timeout);
    assert_eq!(client.exists("/node").resend().await.unwrap(), Some(stat));
}

pub async fn a_link_that_is_cut_again_and_again_costs_nothing_but_time(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let session = client.session();
    client.create("/node", b"").ephemeral().await.unwrap();
    client.create("/list", b"").await.unwrap();
    let (_, mut absent) = client.exists("/list/last").watch().await.unwrap();
    let mut states = client.states();
    let lost = Arc::new(AtomicUsize::new(0));
    let writer = {
        let (client, lost) = (client.clone(), lost.clone());
        ground.spawn(async move {
            let mut done = 0;
            while done < 100 || lost.load(Relaxed) < 20 {
                match client.create("/list/n-", b"").sequential().await {
                    Ok(_) => done += 1,
                    Err(Error::Lost) => _ = lost.fetch_add(1, Relaxed),
                    Err(error) => panic!("{error}"),
                }
            }
            done
        })
    };

    while lost.load(Relaxed) < 20 {
        line.proxy.cut();
        resume(&mut states).await;
    }

    let (done, lost) = (soon(writer).await, lost.load(Relaxed));
    let created = soon(client.get_children("/list")).await.unwrap().0.len();
    assert!((done..=done + lost).contains(&created), "{done} done, {lost} in doubt, {created} created");
    assert_eq!(client.session(), session);
    assert!(client.exists("/node").await.unwrap().is_some());
    assert_eq!(so_far(&mut absent), []);
    client.create("/list/last", b"").await.unwrap();
    assert_eq!(so_far(&mut absent), [(NodeCreated, "/list/last".to_string())]);
}

pub async fn a_watcher_dropped_without_a_link_does_not_come_back(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let (_, dropped) = client.exists("/dropped").watch().await.unwrap();
    let (_, kept) = client.exists("/kept").watch().await.unwrap();
    let session = client.session().unwrap();
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    drop(dropped);
    line.mend();
    soon(client.sync("/")).await.unwrap();

    let expected = client.root().to_server("/kept").into_owned();
    assert_eq!(ground.watched_paths(session), [expected]);
    drop(kept);
    eventually(|| ground.watched_paths(session).is_empty()).await;
}
