//! Several locks at once.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    acl::Perms,
    client::{Client, Error},
    code::ErrorCode,
    recipes::{Lock, Loss, MultiLock, ensure_path},
    record::Acl,
    session::State,
};

use crate::conformance::{Ground, code, is_suspended, losing_replies, reach, soon};

const BOTH: [&str; 2] = ["/locks/a", "/locks/b"];

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn lock(client: &Client, path: &str) -> Lock {
    Lock::new(client, path).unwrap()
}

async fn until_there_are(lock: &Lock, count: usize) {
    while soon(lock.contenders()).await.unwrap().len() != count {}
}

pub async fn several_locks_are_held_all_or_none(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let locks = MultiLock::new(&one, ["/locks/b", "/locks/a", "/locks/b"]).unwrap();
    assert_eq!(locks.paths().collect::<Vec<_>>(), BOTH, "in order, and none twice");
    let others = MultiLock::new(&two, BOTH).unwrap();

    let all = soon(locks.acquire()).await.unwrap();
    assert_eq!(all.iter().map(|(path, _)| path).collect::<Vec<_>>(), BOTH);
    let token = |path| all.get(path).unwrap().fencing_token();
    assert!(token("/locks/a") < token("/locks/b") && all.get("/locks/c").is_none());
    assert!(all.valid_until().is_some());
    assert!(soon(others.try_acquire()).await.unwrap().is_none());
    assert!(soon(lock(&two, "/locks/b").try_acquire()).await.unwrap().is_none());
    soon(all.release()).await.unwrap();

    let held = soon(lock(&one, "/locks/b").acquire()).await.unwrap();
    assert!(soon(others.try_acquire()).await.unwrap().is_none());
    assert_eq!(lock(&one, "/locks/a").contenders().await.unwrap(), [""; 0], "the first was given back");
    assert!(soon(others.acquire_timeout(Duration::from_millis(20))).await.unwrap().is_none());
    until_there_are(&lock(&one, "/locks/a"), 0).await;
    until_there_are(&lock(&one, "/locks/b"), 1).await;
    soon(held.release()).await.unwrap();
    drop(soon(others.try_acquire()).await.unwrap().expect("nobody has any"));
    until_there_are(&lock(&one, "/locks/a"), 0).await;
    until_there_are(&lock(&one, "/locks/b"), 0).await;
}

pub async fn whoever_names_the_same_locks_in_whatever_order_gets_them(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let mut running = Vec::new();
    for (client, paths) in [(&one, ["/locks/a", "/locks/b"]), (&two, ["/locks/b", "/locks/a"])] {
        let locks = MultiLock::new(client, paths).unwrap();
        running.push(ground.spawn(async move {
            for _ in 0..5 {
                locks.acquire().await.unwrap().release().await.unwrap();
            }
        }));
    }
    for running in running {
        soon(running).await;
    }
}

pub async fn when_one_lock_cannot_be_had_the_others_are_given_back(ground: Ground) {
    let client = ground.client().await;
    ensure_path(&client, "/locks/b", None).await.unwrap();
    client.set_acl("/locks/b", &[Acl::new(Perms::READ | Perms::ADMIN, "world", "anyone")]).await.unwrap();

    let refused = soon(MultiLock::new(&client, BOTH).unwrap().acquire()).await;

    assert_eq!(code(refused), ErrorCode::NoAuth);
    until_there_are(&lock(&client, "/locks/a"), 0).await;
}

pub async fn when_one_lock_cannot_be_given_back_the_others_are_all_the_same(ground: Ground) {
    let client = ground.client().await;
    let all = soon(MultiLock::new(&client, ["/locks/a", "/locks/b", "/locks/c"]).unwrap().acquire()).await.unwrap();
    let no_delete = Acl::new(Perms::READ | Perms::CREATE | Perms::ADMIN, "world", "anyone");
    client.set_acl("/locks/b", &[no_delete]).await.unwrap();

    assert_eq!(code(soon(all.release()).await), ErrorCode::NoAuth);

    for (path, left) in [("/locks/a", 0), ("/locks/b", 1), ("/locks/c", 0)] {
        assert_eq!(lock(&client, path).contenders().await.unwrap().len(), left, "{path}");
    }
}

pub async fn what_is_written_under_several_locks_is_refused_when_one_is_gone(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    one.create("/guarded", b"").await.unwrap();
    let all = soon(MultiLock::new(&one, BOTH).unwrap().acquire()).await.unwrap();
    all.transaction().set_data("/guarded", b"mine", None).await.unwrap();
    assert!(poll_once(all.lost()).is_pending());

    two.delete(all.get("/locks/b").unwrap().path()).await.unwrap();

    assert_eq!(code(all.transaction().set_data("/guarded", b"not mine", None).await), ErrorCode::NoNode);
    assert_eq!(soon(all.lost()).await, ("/locks/b", Loss::Removed));
    assert_eq!(all.valid_until(), None);
    soon(all.release()).await.unwrap();
    until_there_are(&lock(&one, "/locks/a"), 0).await;
}

pub async fn a_lock_that_is_lost_while_others_are_waited_for_is_taken_again(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let held = soon(lock(&one, "/locks/b").acquire()).await.unwrap();
    let locks = MultiLock::new(&two, BOTH).unwrap();
    let waiting = ground.spawn(async move { locks.acquire().await.unwrap() });
    until_there_are(&lock(&one, "/locks/b"), 2).await;
    let first = lock(&one, "/locks/a").contenders().await.unwrap();

    one.delete(&format!("/locks/a/{}", first[0])).await.unwrap();
    while soon(lock(&one, "/locks/a").contenders()).await.unwrap().first().is_none_or(|now| *now == first[0]) {}
    until_there_are(&lock(&one, "/locks/b"), 2).await;
    soon(held.release()).await.unwrap();

    let all = soon(waiting).await;
    all.transaction().create("/guarded", b"").await.unwrap();
    soon(all.release()).await.unwrap();
}

pub async fn several_locks_are_held_in_one_session(ground: Ground) {
    let line = ground.line();
    let (holder, client) = (ground.client().await, ground.connect(&line.through).await);
    let held = soon(lock(&holder, "/locks/b").acquire()).await.unwrap();
    let locks = MultiLock::new(&client, BOTH).unwrap();
    let (patient, proud) =
        (locks.clone(), MultiLock::new(&client, ["/locks/b", "/locks/c"]).unwrap().stay_in_session());
    let patient = ground.spawn(async move { patient.acquire().await });
    let proud = ground.spawn(async move { proud.acquire().await });
    until_there_are(&lock(&holder, "/locks/b"), 3).await;
    let mut states = client.states();

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    line.mend();
    reach(&mut states, |state| matches!(state, State::Connected { resumed: false, .. })).await;

    assert_eq!(soon(proud).await.unwrap_err(), Error::SessionChanged);
    soon(held.release()).await.unwrap();
    let all = soon(patient).await.unwrap();
    assert_eq!(Some(all.session()), client.session());
    assert!(all.iter().all(|(_, held)| held.session() == all.session()));
    soon(all.release()).await.unwrap();
}

pub async fn whichever_reply_is_lost_several_locks_are_had_once_and_given_back(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, _| {
        let paths = [format!("{path}/a"), format!("{path}/b")];
        let all = soon(MultiLock::new(&client, &paths).unwrap().acquire()).await.unwrap();
        for path in &paths {
            assert_eq!(soon(lock(&client, path).contenders()).await.unwrap().len(), 1);
        }
        soon(all.release()).await.unwrap();
        soon(witness.sync("/")).await.unwrap();
        for path in &paths {
            assert_eq!(lock(&witness, path).contenders().await.unwrap(), [""; 0]);
        }
    })
    .await;
}
