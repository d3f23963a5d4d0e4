//! What a client counts.

use std::time::Duration;

use zk_proto::{
    client::{Client, Error},
    code::{AddWatchMode::Persistent, ErrorCode, OpCode},
    metrics::{Metrics, OperationMetrics},
    session::State,
};

use crate::conformance::{Ground, eventually, is_connected, is_suspended, reach, resume, soon};

fn of(metrics: &Metrics, op: OpCode) -> OperationMetrics {
    let found = metrics.operations.iter().find(|operation| operation.op == op);
    found.unwrap_or_else(|| panic!("there was a {op}: {metrics:?}")).clone()
}

fn outcomes(client: &Client, op: OpCode) -> [u64; 6] {
    let OperationMetrics { ok, errors, lost, timed_out, ended, withdrawn, .. } = of(&client.metrics(), op);
    [ok, errors, lost, timed_out, ended, withdrawn]
}

pub async fn requests_are_counted_by_operation_and_outcome(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"12345").await.unwrap();
    for _ in 0..9 {
        client.get_data("/node").await.unwrap();
    }
    let missing = client.get_data("/missing").await;
    assert!(matches!(missing, Err(Error::Server(ErrorCode::NoNode))), "{missing:?}");

    let metrics = client.metrics();

    assert_eq!(metrics.operations.len(), 2, "{metrics:?}");
    assert_eq!(outcomes(&client, OpCode::Create2), [1, 0, 0, 0, 0, 0]);
    assert_eq!(outcomes(&client, OpCode::GetData), [9, 1, 0, 0, 0, 0]);
    let latency = of(&metrics, OpCode::GetData).latency;
    assert_eq!(latency.count(), 10);
    assert!(latency.longest() > Duration::ZERO && latency.sum() >= latency.longest(), "{latency:?}");
    assert!(latency.percentile(50) <= latency.percentile(99) && latency.percentile(99) <= Some(latency.longest()));
    // Ten requests of at least 17 bytes, and nine answers with a Stat.
    assert!(metrics.bytes_sent > 170 && metrics.bytes_received > 9 * 68, "{metrics:?}");
    assert_eq!((metrics.queued, metrics.queued_bytes, metrics.in_flight, metrics.waiting), (0, 0, 0, 0));
    assert_eq!((metrics.sessions, metrics.resumed, metrics.links_lost, metrics.expired), (1, 0, 0, 0));
    assert_eq!((metrics.session, metrics.last_zxid), (client.session(), client.last_zxid()));
    assert!(matches!(metrics.state, State::Connected { .. }) && metrics.server.is_some(), "{metrics:?}");
}

pub async fn clients_of_one_session_are_counted_together(ground: Ground) {
    let client = ground.client().await;
    client.create("/below", b"").await.unwrap();
    let below = client.chroot("/below").unwrap();

    below.create("/node", b"").await.unwrap();

    assert_eq!(outcomes(&client, OpCode::Create2), [2, 0, 0, 0, 0, 0]);
    assert_eq!(client.metrics().operations, below.metrics().operations);
}

pub async fn watches_and_what_they_tell_are_counted(ground: Ground) {
    let client = ground.client().await;
    client.create("/node", b"").await.unwrap();
    let (_, _, mut once) = client.get_data("/node").watch().await.unwrap();
    let mut kept = client.add_watch("/node", Persistent).await.unwrap();
    assert_eq!((client.metrics().watches, client.metrics().watch_events), (2, 0));

    client.set_data("/node", b"1").await.unwrap();
    soon(once.changed()).await.unwrap();
    soon(kept.changed()).await.unwrap();

    assert_eq!((client.metrics().watches, client.metrics().watch_events), (1, 2));
    drop(kept);
    eventually(|| client.metrics().watches == 0).await;
}

pub async fn links_that_break_are_counted_and_so_is_the_time_without_one(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let mut states = client.states();
    let begun = client.metrics();

    line.proxy.cut();
    resume(&mut states).await;

    let resumed = client.metrics();
    assert_eq!((resumed.sessions, resumed.resumed, resumed.links_lost), (1, 1, 1), "{resumed:?}");
    assert!(resumed.dials > begun.dials && resumed.disconnected > begun.disconnected, "{resumed:?}");
    assert_eq!(resumed.session, begun.session);

    line.sever();
    reach(&mut states, is_suspended).await;
    let create = client.create("/node", b"").send();
    let waiting = client.metrics();
    assert!(waiting.queued == 1 && waiting.queued_bytes > 0 && waiting.in_flight == 0, "{waiting:?}");
    // The time runs on while there is no link.
    eventually(|| client.metrics().disconnected > waiting.disconnected).await;
    line.mend();
    reach(&mut states, is_connected).await;
    soon(create).await.unwrap();
    let mended = client.metrics();
    assert_eq!((mended.resumed, mended.links_lost, mended.queued), (2, 2, 0), "{mended:?}");
    // And stands still while there is one.
    client.sync("/").await.unwrap();
    assert_eq!(client.metrics().disconnected, mended.disconnected);
}

pub async fn requests_that_are_lost_or_late_are_told_apart(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let mut states = client.states();
    line.proxy.black_hole(crate::ensemble::Direction::ToClient);
    let lost = client.create("/lost", b"").send();
    eventually(|| client.metrics().in_flight == 1).await;
    line.proxy.cut();
    assert_eq!(soon(lost).await.unwrap_err(), Error::Lost);
    assert_eq!(outcomes(&client, OpCode::Create2), [0, 0, 1, 0, 0, 0]);

    line.sever();
    let late = client.get_data("/").timeout(Duration::from_millis(10)).send();
    assert!(matches!(soon(late).await, Err(Error::TimedOut { .. })));
    drop(client.get_children("/").send());
    assert_eq!(outcomes(&client, OpCode::GetData), [0, 0, 0, 1, 0, 0]);
    assert_eq!(outcomes(&client, OpCode::GetChildren2), [0, 0, 0, 0, 0, 1]);

    line.mend();
    reach(&mut states, is_connected).await;
    client.get_data("/").await.unwrap();
    assert_eq!(outcomes(&client, OpCode::GetData), [1, 0, 0, 1, 0, 0]);
}

pub async fn a_session_that_follows_another_goes_on_counting(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    client.create("/node", b"").await.unwrap();
    let mut states = client.states();

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    let pinned = client.create("/queued", b"").send();
    line.mend();
    assert!(matches!(soon(pinned).await, Err(Error::Ended { .. })));
    reach(&mut states, is_connected).await;
    client.create("/other", b"").await.unwrap();

    let metrics = client.metrics();
    assert_eq!((metrics.sessions, metrics.expired, metrics.resumed), (2, 1, 0), "{metrics:?}");
    assert_eq!(outcomes(&client, OpCode::Create2), [2, 0, 0, 0, 1, 0]);
}
