//! Semaphores.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    client::{Client, Error},
    code::ErrorCode,
    recipes::{Lease, Lock, LockLayout, Loss, Maximum, Semaphore, SemaphoreError, SemaphoreLayout, ensure_path},
    session::State,
};

use crate::conformance::{Ground, code, is_suspended, losing_replies, reach, soon};

const LAYOUTS: [SemaphoreLayout; 2] = [SemaphoreLayout::Curator, SemaphoreLayout::Kazoo];

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Makes a semaphore of three leases.
fn three(client: &Client, path: &str, layout: SemaphoreLayout) -> Semaphore {
    Semaphore::new(client, path, 3).unwrap().layout(layout)
}

/// Returns the line in which those stand who want leases.
fn line_of(client: &Client, path: &str, layout: SemaphoreLayout) -> Lock {
    let (path, names) = match layout {
        SemaphoreLayout::Kazoo => (format!("{path}-__lock__"), LockLayout::Kazoo),
        _ => (format!("{path}/locks"), LockLayout::Curator),
    };
    Lock::new(client, &path).unwrap().layout(names)
}

async fn until_there_wait(line: &Lock, count: usize) {
    while soon(line.contenders()).await.unwrap().len() != count {}
}

async fn until_there_are(semaphore: &Semaphore, count: usize) {
    while soon(semaphore.leases()).await.unwrap().len() != count {}
}

async fn release(leases: Vec<Lease>) {
    for lease in leases {
        soon(lease.release()).await.unwrap();
    }
}

pub async fn as_many_leases_are_held_as_there_are_and_no_more(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/semaphores/{layout:?}");
        let (mine, others) = (three(&one, &path, layout).data(b"me"), three(&two, &path, layout));
        assert_eq!(mine.leases().await.unwrap(), [""; 0], "there is not even a node");

        let first = soon(mine.acquire()).await.unwrap();
        let second = soon(others.acquire()).await.unwrap();
        let third = soon(others.try_acquire()).await.unwrap().expect("one is left");
        assert!(soon(mine.try_acquire()).await.unwrap().is_none());
        assert!(soon(mine.acquire_timeout(Duration::from_millis(20))).await.unwrap().is_none());
        assert_eq!(one.get_data(first.path()).await.unwrap().0, "me");
        assert!(first.lease_id() < second.lease_id() && second.lease_id() < third.lease_id());
        until_there_are(&mine, 3).await;

        soon(second.release()).await.unwrap();
        let again = soon(mine.acquire()).await.unwrap();
        assert!(soon(others.try_acquire()).await.unwrap().is_none());
        release(vec![first, third, again]).await;
        assert_eq!(mine.leases().await.unwrap(), [""; 0]);
        until_there_wait(&line_of(&one, &path, layout), 0).await;
    }
}

pub async fn leases_are_given_in_the_order_of_arrival(ground: Ground) {
    let client = ground.client().await;
    for layout in LAYOUTS {
        let path = format!("/semaphores/{layout:?}");
        let semaphore = three(&client, &path, layout);
        let mut held = soon(semaphore.acquire_many(3)).await.unwrap();
        let line = line_of(&client, &path, layout);
        let mut waiting = Vec::new();
        for number in 0..4 {
            let newcomer = semaphore.clone();
            waiting.push(ground.spawn(async move { newcomer.acquire().await.unwrap() }));
            until_there_wait(&line, number + 1).await;
        }

        for number in 0..4 {
            soon(held.remove(0).release()).await.unwrap();
            held.push(soon(waiting.remove(0)).await);
            until_there_wait(&line, 3 - number).await;
            assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        }
        release(held).await;
    }
}

pub async fn several_leases_are_had_together_or_not_at_all(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/semaphores/{layout:?}");
        let (mine, others) = (three(&one, &path, layout), three(&two, &path, layout));
        assert_eq!(soon(mine.acquire_many(4)).await.unwrap_err(), SemaphoreError::TooMany { wanted: 4, max: 3 });
        assert!(soon(mine.acquire_many(0)).await.unwrap().is_empty());
        let mut held = soon(mine.acquire_many(2)).await.unwrap();

        assert!(soon(others.try_acquire_many(2)).await.unwrap().is_none());
        assert!(soon(others.acquire_many_timeout(2, Duration::from_millis(20))).await.unwrap().is_none());
        until_there_are(&mine, 2).await;
        until_there_wait(&line_of(&one, &path, layout), 0).await;
        let waiting = ground.spawn({
            let others = others.clone();
            async move { others.acquire_many(3).await.unwrap() }
        });
        until_there_wait(&line_of(&one, &path, layout), 1).await;
        soon(held.remove(0).release()).await.unwrap();
        soon(one.sync("/")).await.unwrap();
        assert!(!waiting.is_finished(), "that is not enough");
        // Whoever comes later waits behind him, although there is one.
        assert!(soon(mine.try_acquire()).await.unwrap().is_none());

        soon(held.remove(0).release()).await.unwrap();
        let all = soon(waiting).await;
        assert_eq!(all.len(), 3);
        release(all).await;
    }
}

pub async fn two_who_want_several_leases_do_not_wait_for_each_other(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/semaphores/{layout:?}");
        let mut running = Vec::new();
        for client in [&one, &two] {
            let semaphore = three(client, &path, layout);
            running.push(ground.spawn(async move {
                for _ in 0..5 {
                    release(semaphore.acquire_many(2).await.unwrap()).await;
                }
            }));
        }
        for running in running {
            soon(running).await;
        }
    }
}

pub async fn who_gives_up_waiting_for_a_lease_leaves_neither_lease_nor_place(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/semaphores/{layout:?}");
        let (mine, others) = (three(&one, &path, layout), three(&two, &path, layout));
        let held = soon(mine.acquire_many(3)).await.unwrap();
        for rounds in 0..8 {
            let mut waiting = pin!(others.acquire_many(2));
            for _ in 0..rounds {
                assert!(poll_once(waiting.as_mut()).is_pending());
                soon(two.sync("/")).await.unwrap();
            }
        }

        until_there_are(&mine, 3).await;
        until_there_wait(&line_of(&one, &path, layout), 0).await;
        release(held).await;
        release(soon(mine.acquire_many(3)).await.unwrap()).await;
    }
}

pub async fn leases_are_lost_with_their_session_and_others_get_them(ground: Ground) {
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/semaphores/{layout:?}");
        let (mine, others) = (three(&client, &path, layout), three(&other, &path, layout));
        let held = soon(mine.acquire_many(3)).await.unwrap();
        let waiting = ground.spawn({
            let others = others.clone();
            async move { others.acquire_many(2).await.unwrap() }
        });
        until_there_wait(&line_of(&other, &path, layout), 1).await;
        let requeued = ground.spawn({
            let mine = mine.clone();
            async move { mine.acquire_many(2).await.unwrap() }
        });
        let proud = ground.spawn({
            let mine = mine.clone().stay_in_session();
            async move { mine.acquire().await }
        });
        until_there_wait(&line_of(&other, &path, layout), 3).await;
        let mut states = client.states();

        line.expire(&client).await;
        let got = soon(waiting).await;
        reach(&mut states, is_suspended).await;
        line.mend();
        reach(&mut states, |state| matches!(state, State::Connected { resumed: false, .. })).await;

        for lease in &held {
            assert_eq!(soon(lease.lost()).await, Loss::SessionOver);
        }
        assert_eq!(soon(proud).await.unwrap_err(), SemaphoreError::Client(Error::SessionChanged));
        assert_eq!(held[0].valid_until(), None);
        release(held).await;
        release(got).await;
        release(soon(requeued).await).await;
    }
}

pub async fn closing_a_client_gives_its_leases_back(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let semaphore = three(&one, "/semaphores/close", SemaphoreLayout::Curator);
    let held = soon(semaphore.acquire_many(3)).await.unwrap();
    let others = three(&two, "/semaphores/close", SemaphoreLayout::Curator);
    let waiting = ground.spawn(async move { others.acquire().await.unwrap() });

    soon(one.close()).await;

    soon(soon(waiting).await.release()).await.unwrap();
    assert!(matches!(soon(semaphore.acquire()).await, Err(SemaphoreError::Client(Error::Ended { .. }))));
    drop(held);
}

pub async fn what_a_holder_writes_is_refused_when_his_lease_was_deleted(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    one.create("/guarded", b"").await.unwrap();
    let semaphore = three(&one, "/semaphores/deleted", SemaphoreLayout::Curator);
    let (lease, other) = (soon(semaphore.acquire()).await.unwrap(), soon(semaphore.acquire()).await.unwrap());
    lease.transaction().set_data("/guarded", b"mine", None).await.unwrap();

    two.delete(lease.path()).await.unwrap();

    assert_eq!(code(lease.transaction().set_data("/guarded", b"not mine", None).await), ErrorCode::NoNode);
    assert_eq!(soon(lease.lost()).await, Loss::Removed);
    other.transaction().set_data("/guarded", b"still mine", None).await.unwrap();
    release(vec![lease, other]).await;
}

pub async fn who_waits_for_leases_and_loses_his_turn_gets_in_line_again(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/semaphores/{layout:?}");
        let (mine, others) = (three(&one, &path, layout), three(&two, &path, layout));
        let held = soon(mine.acquire_many(2)).await.unwrap();
        let line = line_of(&one, &path, layout);
        until_there_wait(&line, 0).await;
        let waiting = ground.spawn(async move { others.acquire_many(2).await.unwrap() });
        until_there_wait(&line, 1).await;
        let turn = line.contenders().await.unwrap();

        one.delete(&format!("{}/{}", line.path(), turn[0])).await.unwrap();

        while soon(line.contenders()).await.unwrap().first().is_none_or(|first| *first == turn[0]) {}
        release(held).await;
        release(soon(waiting).await).await;
    }
}

pub async fn with_kazoos_layout_all_have_to_agree_how_many_leases_there_are(ground: Ground) {
    let client = ground.client().await;
    let kazoo = |max| Semaphore::new(&client, "/semaphores/agreed", max).unwrap().layout(SemaphoreLayout::Kazoo);
    let lease = soon(kazoo(3).acquire()).await.unwrap();
    assert_eq!(client.get_data("/semaphores/agreed").await.unwrap().0, "3");

    let other = soon(kazoo(4).acquire()).await.unwrap_err();
    assert_eq!(other, SemaphoreError::OtherMaximum { stored: 3, max: 4 });
    assert_eq!(soon(kazoo(2).try_acquire()).await.unwrap_err(), SemaphoreError::OtherMaximum { stored: 3, max: 2 });
    assert_eq!(kazoo(3).leases().await.unwrap().len(), 1);

    // Perhaps the data is there for something else.
    client.set_data("/semaphores/agreed", b"about trains").await.unwrap();
    let second = soon(kazoo(2).acquire()).await.unwrap();
    assert!(soon(kazoo(2).try_acquire()).await.unwrap().is_none());
    assert_eq!(client.get_data("/semaphores/agreed").await.unwrap().0, "about trains");
    release(vec![lease, second]).await;
}

pub async fn a_shared_maximum_is_raised_for_those_who_wait_and_lowered_for_those_who_come(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let count = |max: i32| max.to_be_bytes().to_vec();
    for layout in LAYOUTS {
        let (path, counted) = (format!("/semaphores/{layout:?}"), format!("/count-{layout:?}"));
        let max = Maximum::Node(Arc::from(counted.as_str()));
        let mine = Semaphore::new(&one, &path, max.clone()).unwrap().layout(layout);
        let others = Semaphore::new(&two, &path, max).unwrap().layout(layout);
        assert!(soon(mine.try_acquire()).await.unwrap().is_none(), "nobody has said how many there are");
        let (line, waiting) = (line_of(&one, &path, layout), mine.clone());
        let waiting = ground.spawn(async move { waiting.acquire().await.unwrap() });
        until_there_wait(&line, 1).await;
        two.create(&counted, count(1)).await.unwrap();
        let first = soon(waiting).await;

        let waiting = ground.spawn(async move { mine.acquire_many(2).await.unwrap() });
        until_there_wait(&line, 1).await;
        two.set_data(&counted, count(2)).await.unwrap();
        two.set_data(&counted, count(3)).await.unwrap();
        let both = soon(waiting).await;

        two.set_data(&counted, count(1)).await.unwrap();
        soon(first.release()).await.unwrap();
        assert!(soon(others.try_acquire()).await.unwrap().is_none(), "there are two too many");
        both[0].transaction().set_data(&counted, count(1), None).await.unwrap();
        release(both).await;
        release(vec![soon(others.acquire()).await.unwrap()]).await;

        two.set_data(&counted, b"a few more").await.unwrap();
        let error = soon(others.acquire()).await.unwrap_err();
        assert_eq!(error, SemaphoreError::NotACount { path: counted, length: 10 });
    }
}

pub async fn whatever_lies_among_the_leases_counts(ground: Ground) {
    let client = ground.client().await;
    for (layout, directory) in [(SemaphoreLayout::Curator, "/leases"), (SemaphoreLayout::Kazoo, "")] {
        let path = format!("/semaphores/{layout:?}");
        let semaphore = three(&client, &path, layout);
        ensure_path(&client, &format!("{path}{directory}"), None).await.unwrap();
        let stranger = format!("{path}{directory}/_c_3be498f4-e420-4aaa-bb40-031367eba665-lease-0000000000");
        client.create(&stranger, b"").ephemeral().await.unwrap();

        let two = soon(semaphore.acquire_many(2)).await.unwrap();
        assert!(soon(semaphore.try_acquire()).await.unwrap().is_none());

        client.delete(&stranger).await.unwrap();
        release(vec![soon(semaphore.acquire()).await.unwrap()]).await;
        release(two).await;
    }
}

pub async fn whichever_reply_is_lost_leases_are_had_once_and_given_back(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, number| {
        let layout = LAYOUTS[number % 2];
        let semaphore = three(&client, &format!("{path}/semaphore"), layout);
        for _ in 0..2 {
            let leases = soon(semaphore.acquire_many(2)).await.unwrap();
            assert_eq!(soon(semaphore.leases()).await.unwrap().len(), 2, "no other node of ours is there");
            assert!(soon(semaphore.try_acquire_many(2)).await.unwrap().is_none());
            release(leases).await;
        }
        soon(witness.sync("/")).await.unwrap();
        assert_eq!(three(&witness, semaphore.path(), layout).leases().await.unwrap(), [""; 0]);
        until_there_wait(&line_of(&witness, semaphore.path(), layout), 0).await;
    })
    .await;
}
