//! Readers-writer locks.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    client::Error,
    code::ErrorCode,
    recipes::{Loss, RwLock, RwLockLayout},
    session::State,
};

use crate::conformance::{Ground, code, is_suspended, losing_replies, names, reach, soon};

const LAYOUTS: [RwLockLayout; 2] = [RwLockLayout::Curator, RwLockLayout::Kazoo];

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits until so many stand in line.
async fn until_there_are(lock: &RwLock, count: usize) {
    while soon(lock.contenders()).await.unwrap().len() != count {}
}

pub async fn many_read_at_once_and_one_writes_alone(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/rw/{layout:?}");
        let lock = RwLock::new(&one, &path).unwrap().layout(layout);
        let other = RwLock::new(&two, &path).unwrap().layout(layout);

        let first = soon(lock.read()).await.unwrap();
        let second = soon(other.read()).await.unwrap();
        assert!(soon(other.try_write()).await.unwrap().is_none());
        assert!(soon(lock.try_read()).await.unwrap().is_some());
        soon(first.release()).await.unwrap();
        soon(second.release()).await.unwrap();

        // The third reader was dropped, and goes in the background.
        let writer = soon(lock.write()).await.unwrap();
        assert!(soon(other.try_read()).await.unwrap().is_none(), "another one's lock is no reason to read");
        assert!(soon(lock.try_read()).await.unwrap().is_none(), "it is not reentrant");
        assert!(soon(other.try_write()).await.unwrap().is_none());
        assert!(soon(other.read_timeout(Duration::from_millis(20))).await.unwrap().is_none());
        assert!(soon(other.write_timeout(Duration::from_millis(20))).await.unwrap().is_none());
        soon(writer.release()).await.unwrap();
        soon(soon(other.write()).await.unwrap().release()).await.unwrap();
    }
}

pub async fn who_comes_behind_a_waiting_writer_waits_for_him(ground: Ground) {
    let client = ground.client().await;
    let lock = RwLock::new(&client, "/rw/order").unwrap();
    let reader = soon(lock.read()).await.unwrap();
    let (writing, reading) = (lock.clone(), [lock.clone(), lock.clone()]);
    let writing = ground.spawn(async move { writing.write().await.unwrap() });
    until_there_are(&lock, 2).await;
    assert!(soon(lock.try_read()).await.unwrap().is_none(), "he would never get his turn");
    let reading = reading.map(|lock| ground.spawn(async move { lock.read().await.unwrap() }));
    until_there_are(&lock, 4).await;

    soon(reader.release()).await.unwrap();
    let writer = soon(writing).await;
    soon(client.sync("/")).await.unwrap();
    assert!(reading.iter().all(|reading| !reading.is_finished()));

    let token = writer.fencing_token();
    soon(writer.release()).await.unwrap();
    let mut both = Vec::new();
    for reading in reading {
        both.push(soon(reading).await);
    }
    assert!(both.iter().all(|reader| reader.fencing_token() > token), "both at once");
}

pub async fn a_writer_goes_on_as_a_reader_and_no_writer_comes_in_between(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    for layout in LAYOUTS {
        let path = format!("/rw/{layout:?}");
        let lock = RwLock::new(&one, &path).unwrap().layout(layout).data(b"me");
        let other = RwLock::new(&two, &path).unwrap().layout(layout);
        let writer = soon(lock.write()).await.unwrap();
        let token = writer.fencing_token();
        let reading = ground.spawn({
            let other = other.clone();
            async move { other.read().await.unwrap() }
        });
        until_there_are(&lock, 2).await;
        let writing = ground.spawn({
            let other = other.clone();
            async move { other.write().await.unwrap() }
        });
        until_there_are(&lock, 3).await;

        let number = writer.path()[writer.path().len() - 10..].to_string();
        let reader = soon(writer.downgrade()).await.unwrap();
        assert!(reader.path().ends_with(&number), "{} has the place {number}", reader.path());
        assert_eq!(reader.fencing_token(), token);
        assert_eq!(one.get_data(reader.path()).await.unwrap().0, "me");
        soon(reading).await.release().await.unwrap();
        soon(two.sync("/")).await.unwrap();
        assert!(!writing.is_finished(), "there is a reader ahead of him");
        assert_eq!(lock.contenders().await.unwrap().len(), 2);
        reader.transaction().set_data(&path, b"still held", None).await.unwrap();

        soon(reader.release()).await.unwrap();
        let next = soon(writing).await;
        assert!(next.fencing_token() > token);
        soon(next.release()).await.unwrap();
    }
}

pub async fn who_does_not_hold_it_any_more_cannot_go_on_as_a_reader(ground: Ground) {
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    let lock = RwLock::new(&client, "/rw/gone").unwrap();

    let writer = soon(lock.write()).await.unwrap();
    other.delete(writer.path()).await.unwrap();
    assert_eq!(code(soon(writer.downgrade()).await), ErrorCode::NoNode);
    assert_eq!(lock.contenders().await.unwrap(), [""; 0]);

    let writer = soon(lock.write()).await.unwrap();
    let mut states = client.states();
    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    line.mend();
    reach(&mut states, |state| matches!(state, State::Connected { resumed: false, .. })).await;
    assert_eq!(soon(writer.downgrade()).await.unwrap_err(), Error::SessionChanged);
    assert_eq!(lock.contenders().await.unwrap(), [""; 0]);
}

pub async fn who_gives_up_going_on_as_a_reader_leaves_nothing(ground: Ground) {
    let client = ground.client().await;
    let lock = RwLock::new(&client, "/rw/give-up").unwrap();
    for rounds in 0..3 {
        let writer = soon(lock.write()).await.unwrap();
        {
            let mut going = pin!(writer.downgrade());
            for _ in 0..rounds {
                assert!(poll_once(going.as_mut()).is_pending());
            }
        }
        until_there_are(&lock, 0).await;
    }
}

pub async fn readers_and_writers_that_are_lost_with_their_session_let_others_in(ground: Ground) {
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    let (lock, others) = (RwLock::new(&client, "/rw/lost").unwrap(), RwLock::new(&other, "/rw/lost").unwrap());
    let writer = soon(lock.write()).await.unwrap();
    let waiting = ground.spawn({
        let others = others.clone();
        async move { others.read().await.unwrap() }
    });
    until_there_are(&others, 2).await;

    line.expire(&client).await;
    let reader = soon(waiting).await;
    line.mend();

    assert_eq!(soon(writer.lost()).await, Loss::SessionOver);
    soon(writer.release()).await.unwrap();
    let second = soon(lock.read()).await.unwrap();
    assert_eq!(others.contenders().await.unwrap().len(), 2);
    soon(reader.release()).await.unwrap();
    soon(second.release()).await.unwrap();
}

pub async fn all_who_read_and_write_are_listed_in_their_order_and_strangers_are_not(ground: Ground) {
    let client = ground.client().await;
    let lock = RwLock::new(&client, "/rw/listed").unwrap();
    let held = soon(lock.write()).await.unwrap();
    for stranger in ["config", "x-lock-0000000000", "y__WRIT__7"] {
        client.create(&format!("/rw/listed/{stranger}"), b"").await.unwrap();
    }
    let mut waiting = Vec::new();
    for number in 0..28 {
        let newcomer = lock.clone().layout(LAYOUTS[number % 2]).data(format!("{number}").as_bytes());
        let waits = async move {
            // Seven of them write.
            if number % 4 == 3 { newcomer.write().await.map(drop) } else { newcomer.read().await.map(drop) }
        };
        waiting.push(ground.spawn(waits));
        until_there_are(&lock, number + 2).await;
    }

    let line = lock.contenders().await.unwrap();
    assert!(held.path().ends_with(&line[0]));
    let is_writer = |name: &&String| name.contains("__WRIT__") || name.contains("__lock__");
    assert_eq!(line.iter().filter(is_writer).count(), 8);
    for (number, name) in line[1..].iter().enumerate() {
        let data = client.get_data(&format!("/rw/listed/{name}")).await.unwrap().0;
        assert_eq!(data, number.to_string(), "{name}");
    }
    soon(held.release()).await.unwrap();
    for waiting in waiting {
        soon(waiting).await.unwrap();
    }
}

pub async fn whichever_reply_is_lost_a_writer_goes_on_as_a_reader_once(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, number| {
        let lock = RwLock::new(&client, &format!("{path}/rw")).unwrap().layout(LAYOUTS[number % 2]);
        let writer = soon(lock.write()).await.unwrap();
        let token = writer.fencing_token();
        let reader = soon(writer.downgrade()).await.unwrap();
        assert_eq!(reader.fencing_token(), token);
        assert_eq!(soon(lock.contenders()).await.unwrap().len(), 1, "no other node of ours is in line");
        let second = soon(lock.try_read()).await.unwrap().expect("readers may");
        soon(reader.release()).await.unwrap();
        soon(second.release()).await.unwrap();

        assert_eq!(names(&witness, &format!("{path}/rw")).await, [""; 0]);
    })
    .await;
}
