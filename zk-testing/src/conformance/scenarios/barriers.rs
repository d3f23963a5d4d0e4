//! Barriers, single and double.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    client::Client,
    code::CreateMode,
    recipes::{Barrier, DoubleBarrier, DoubleBarrierLayout},
    session::State,
};

use crate::conformance::{Ground, is_suspended, losing_replies, names, reach, soon};

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits until a node has so many children.
async fn children(client: &Client, path: &str, count: usize) {
    soon(async { while client.get_children(path).await.map_or(0, |(names, _)| names.len()) != count {} }).await;
}

pub async fn who_comes_to_a_barrier_that_is_not_set_passes_at_once(ground: Ground) {
    let client = ground.client().await;
    let barrier = Barrier::new(&client, "/barriers/none").unwrap();
    soon(barrier.wait()).await.unwrap();
    assert!(!soon(barrier.is_set()).await.unwrap());
    assert!(!soon(barrier.remove()).await.unwrap());
    assert!(client.exists("/barriers").await.unwrap().is_none(), "nothing is made");
}

pub async fn all_who_wait_pass_when_the_barrier_is_removed_and_not_before(ground: Ground) {
    let client = ground.client().await;
    let barrier = Barrier::new(&client, "/barriers/gate").unwrap();
    soon(barrier.set()).await.unwrap();
    soon(barrier.set()).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let barrier = Barrier::new(&ground.client().await, "/barriers/gate").unwrap();
        waiting.push(ground.spawn(async move { barrier.wait().await.unwrap() }));
    }

    // Whatever else happens to the node is not what they wait for.
    for text in ["one", "two"] {
        client.set_data("/barriers/gate", text).await.unwrap();
        assert!(poll_once(barrier.wait()).is_pending());
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));

    assert!(soon(barrier.remove()).await.unwrap());
    for waiting in waiting {
        soon(waiting).await;
    }
}

pub async fn who_waits_goes_on_waiting_when_the_session_ends(ground: Ground) {
    let line = ground.line();
    let (setter, client) = (ground.client().await, ground.connect(&line.through).await);
    let barrier = Barrier::new(&setter, "/barriers/long").unwrap();
    soon(barrier.set()).await.unwrap();
    let mut states = client.states();
    let waiting = ground.spawn({
        let barrier = Barrier::new(&client, "/barriers/long").unwrap();
        async move { barrier.wait().await.unwrap() }
    });

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    line.mend();
    reach(&mut states, |state| matches!(state, State::Connected { resumed: false, .. })).await;
    assert!(!waiting.is_finished());

    assert!(soon(barrier.remove()).await.unwrap());
    soon(waiting).await;
}

pub async fn an_ephemeral_barrier_goes_with_its_owner(ground: Ground) {
    let (owner, client) = (ground.client().await, ground.client().await);
    soon(Barrier::new(&owner, "/barriers/owned").unwrap().ephemeral().set()).await.unwrap();
    let barrier = Barrier::new(&client, "/barriers/owned").unwrap();
    assert!(soon(barrier.is_set()).await.unwrap());

    let waiting = ground.spawn(async move { barrier.wait().await.unwrap() });
    soon(owner.close()).await;
    soon(waiting).await;
}

pub async fn whichever_reply_is_lost_a_barrier_is_set_and_removed(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let barrier = Barrier::new(&client, &format!("{path}/below/barrier")).unwrap();
        soon(barrier.set()).await.unwrap();
        assert!(soon(barrier.is_set()).await.unwrap());
        assert!(soon(barrier.remove()).await.unwrap());
        soon(barrier.wait()).await.unwrap();
    })
    .await;
}

pub async fn nobody_enters_before_enough_have_come_nor_has_left_before_all_leave(ground: Ground) {
    let client = ground.client().await;
    let mut entering = Vec::new();
    for layout in [DoubleBarrierLayout::Curator, DoubleBarrierLayout::Kazoo] {
        let client = ground.client().await;
        let barrier = DoubleBarrier::new(&client, "/rooms/three", 3).unwrap().layout(layout).data(b"who");
        entering.push(ground.spawn(async move { barrier.enter().await.unwrap() }));
    }
    children(&client, "/rooms/three", 2).await;
    assert!(entering.iter().all(|entering| !entering.is_finished()));

    let last = soon(DoubleBarrier::new(&client, "/rooms/three", 3).unwrap().enter()).await.unwrap();
    let mut leaving = Vec::new();
    for entering in entering {
        let inside = soon(entering).await;
        leaving.push(ground.spawn(async move { inside.leave().await.unwrap() }));
    }
    soon(async {
        // One of the two is the lowest, unless the last one is, and keeps its node.
        while client.get_children("/rooms/three").await.unwrap().0.len() > 3 {}
    })
    .await;
    assert!(leaving.iter().all(|leaving| !leaving.is_finished()), "one is still inside");

    soon(last.leave()).await.unwrap();
    for leaving in leaving {
        soon(leaving).await;
    }
    assert_eq!(names(&client, "/rooms/three").await.len(), 0, "not even ready is left");
}

pub async fn more_than_enough_may_come_and_the_room_is_used_again(ground: Ground) {
    let client = ground.client().await;
    for _ in 0..3 {
        let mut entering = Vec::new();
        for _ in 0..4 {
            let barrier = DoubleBarrier::new(&ground.client().await, "/rooms/again", 2).unwrap();
            entering.push(ground.spawn(async move { barrier.enter().await.unwrap() }));
        }
        let mut leaving = Vec::new();
        for entering in entering {
            let inside = soon(entering).await;
            leaving.push(inside);
        }
        // Nobody has left before all have come: with three gone, the fourth would wait for another one.
        let leaving = leaving.into_iter().map(|inside| ground.spawn(async move { inside.leave().await.unwrap() }));
        for leaving in leaving.collect::<Vec<_>>() {
            soon(leaving).await;
        }
        assert_eq!(names(&client, "/rooms/again").await.len(), 0);
    }
}

pub async fn who_leaves_waits_for_all_though_one_deletes_ready_before_it_has_left(ground: Ground) {
    let (client, kazoo) = (ground.client().await, ground.client().await);
    let enter = |client: &Client| {
        let barrier = DoubleBarrier::new(client, "/rooms/mixed", 3).unwrap();
        async move { barrier.enter().await.unwrap() }
    };
    kazoo.create("/rooms", b"").await.unwrap();
    kazoo.create("/rooms/mixed", b"").await.unwrap();
    let theirs = "/rooms/mixed/00000000000000000000000000000000";
    kazoo.create(theirs, b"").mode(CreateMode::Ephemeral).await.unwrap();
    let other = ground.spawn(enter(&ground.client().await));
    let (inside, other) = (soon(enter(&client)).await, soon(other).await);

    // kazoo's way to leave: `ready` goes first; the lowest node, which this is, goes last.
    kazoo.delete("/rooms/mixed/ready").await.unwrap();
    let leaving = [inside, other].map(|inside| ground.spawn(async move { inside.leave().await.unwrap() }));
    children(&kazoo, "/rooms/mixed", 1).await;
    assert!(leaving.iter().all(|leaving| !leaving.is_finished()), "theirs is still inside");

    kazoo.delete(theirs).await.unwrap();
    for leaving in leaving {
        soon(leaving).await;
    }
    assert_eq!(names(&client, "/rooms/mixed").await.len(), 0);
}

pub async fn who_gives_up_in_time_is_not_counted(ground: Ground) {
    let client = ground.client().await;
    let barrier = DoubleBarrier::new(&client, "/rooms/timeout", 2).unwrap();
    assert!(soon(barrier.enter_timeout(Duration::from_millis(20))).await.unwrap().is_none());
    assert_eq!(names(&client, "/rooms/timeout").await.len(), 0);

    let waiting = {
        let client = ground.client().await;
        let barrier = DoubleBarrier::new(&client, "/rooms/timeout", 2).unwrap();
        ground.spawn(async move { barrier.enter().await.unwrap() })
    };
    children(&client, "/rooms/timeout", 1).await;
    let inside = soon(barrier.enter_timeout(Duration::from_secs(60))).await.unwrap().expect("there are two");
    let other = soon(waiting).await;
    let leaving = ground.spawn(async move { other.leave().await.unwrap() });
    soon(inside.leave()).await.unwrap();
    soon(leaving).await;
}

pub async fn what_a_crashed_round_has_left_open_lets_nobody_in(ground: Ground) {
    let client = ground.client().await;
    client.create("/stale", b"").await.unwrap();
    client.create("/stale/ready", b"").await.unwrap();
    let barrier = DoubleBarrier::new(&client, "/stale", 2).unwrap();

    assert!(soon(barrier.enter_timeout(Duration::from_millis(20))).await.unwrap().is_none());
    assert!(client.exists("/stale/ready").await.unwrap().is_none(), "it is closed");
}

pub async fn who_wakes_up_for_nothing_does_not_enter(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let barrier = DoubleBarrier::new(&one, "/rooms/startled", 2).unwrap();
    let waiting = ground.spawn(async move { barrier.enter().await.unwrap() });
    children(&two, "/rooms/startled", 1).await;

    // Opened and closed again by somebody who has no business there, at one stroke: it is told, and it is not so.
    let startle = || two.multi().create("/rooms/startled/ready", b"").delete("/rooms/startled/ready", None);
    for _ in 0..3 {
        startle().await.unwrap();
    }
    soon(two.sync("/")).await.unwrap();
    assert!(!waiting.is_finished());

    let second = soon(DoubleBarrier::new(&two, "/rooms/startled", 2).unwrap().enter()).await.unwrap();
    drop(second);
    drop(soon(waiting).await);
}

pub async fn who_loses_his_session_inside_counts_as_gone(ground: Ground) {
    let line = ground.line();
    let (stays, goes) = (ground.client().await, ground.connect(&line.through).await);
    let entering = ground.spawn({
        let barrier = DoubleBarrier::new(&goes, "/rooms/lost", 2).unwrap();
        async move { barrier.enter().await.unwrap() }
    });
    let inside = soon(DoubleBarrier::new(&stays, "/rooms/lost", 2).unwrap().enter()).await.unwrap();
    let gone = soon(entering).await;
    assert_eq!(Some(gone.session()), goes.session());

    line.expire(&goes).await;
    soon(inside.leave()).await.unwrap();
    line.mend();
    soon(gone.leave()).await.unwrap();
    children(&stays, "/rooms/lost", 0).await;
}

pub async fn whichever_reply_is_lost_a_room_is_entered_and_left(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let path = format!("{path}/room");
        let inside = soon(DoubleBarrier::new(&client, &path, 1).unwrap().enter()).await.unwrap();
        assert_eq!(names(&client, &path).await.len(), 2);
        soon(inside.leave()).await.unwrap();
        assert_eq!(names(&client, &path).await.len(), 0);

        let late = soon(DoubleBarrier::new(&client, &path, 2).unwrap().enter_timeout(Duration::ZERO)).await;
        assert!(late.unwrap().is_none());
        assert_eq!(names(&client, &path).await.len(), 0);
    })
    .await;
}
