//! Locks.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    acl::Perms,
    client::Error,
    code::ErrorCode,
    recipes::{Lock, LockLayout, Loss, MultiLock, RwLock, Semaphore, SemaphoreLayout, Tenure, revoke},
    record::Acl,
    session::State,
};

use crate::conformance::{Ground, code, is_suspended, losing_replies, names, reach, soon};

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

pub async fn a_lock_is_had_by_one_at_a_time_in_order_of_arrival(ground: Ground) {
    let watcher = ground.client().await;
    let lock = Lock::new(&watcher, "/locks/one").unwrap();
    let first = soon(lock.acquire()).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..4 {
        let client = ground.client().await;
        let newcomer = Lock::new(&client, "/locks/one").unwrap().data(format!("{number}").as_bytes());
        waiting.push(ground.spawn(async move { newcomer.acquire().await.unwrap() }));
        // Until it is in line, nobody else gets in.
        while soon(lock.contenders()).await.unwrap().len() < number + 2 {}
    }
    let line = lock.contenders().await.unwrap();
    assert!(first.path().ends_with(&line[0]), "{} is the first of {line:?}", first.path());

    let mut tokens = vec![first.fencing_token()];
    soon(first.release()).await.unwrap();
    for (turn, waiting) in waiting.into_iter().enumerate() {
        let held = soon(waiting).await;
        assert!(held.path().ends_with(&line[turn + 1]), "{} is number {} of {line:?}", held.path(), turn + 1);
        assert_eq!(lock.contenders().await.unwrap(), line[turn + 1..]);
        tokens.push(held.fencing_token());
        soon(held.release()).await.unwrap();
    }
    assert!(tokens.is_sorted() && tokens[0] < tokens[4], "{tokens:?}");
    assert_eq!(lock.contenders().await.unwrap(), [""; 0]);
}

pub async fn a_lock_is_tried_without_getting_in_line(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (lock, other) = (Lock::new(&one, "/locks/try").unwrap(), Lock::new(&two, "/locks/try").unwrap());
    assert_eq!(other.contenders().await.unwrap(), [""; 0], "there is not even a node");

    let held = soon(lock.try_acquire()).await.unwrap().expect("nobody has it");
    assert!(soon(other.try_acquire()).await.unwrap().is_none());
    assert!(soon(other.acquire_timeout(Duration::from_millis(50))).await.unwrap().is_none());
    assert!(soon(lock.try_acquire()).await.unwrap().is_none(), "it is not reentrant");
    // Whoever did not get it in time leaves in the background.
    while soon(lock.contenders()).await.unwrap().len() > 1 {}
    let created = one.get_children("/locks/try").await.unwrap().1.cversion;
    assert!(soon(other.try_acquire()).await.unwrap().is_none());
    assert_eq!(one.get_children("/locks/try").await.unwrap().1.cversion, created, "who only tries writes nothing");

    drop(held);
    // Behind a drop the node goes in the background.
    let again = soon(other.acquire()).await.unwrap();
    assert_eq!(other.contenders().await.unwrap().len(), 1);
    soon(again.release()).await.unwrap();
}

pub async fn who_gives_up_waiting_leaves_no_place_behind(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (lock, other) = (Lock::new(&one, "/locks/give-up").unwrap(), Lock::new(&two, "/locks/give-up").unwrap());
    let held = soon(lock.acquire()).await.unwrap();

    {
        let mut waiting = pin!(other.acquire());
        // It has got in line, or is about to; either way it is dropped here.
        assert!(poll_once(waiting.as_mut()).is_pending());
        soon(two.sync("/")).await.unwrap();
        assert!(poll_once(waiting.as_mut()).is_pending());
    }
    soon(held.release()).await.unwrap();

    let last = soon(Lock::new(&one, "/locks/give-up").unwrap().acquire()).await.unwrap();
    assert_eq!(lock.contenders().await.unwrap().len(), 1);
    soon(last.release()).await.unwrap();
}

pub async fn what_a_holder_writes_is_refused_when_he_holds_no_more(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    one.create("/guarded", b"").await.unwrap();
    let lock = Lock::new(&one, "/locks/guard").unwrap();
    let held = soon(lock.acquire()).await.unwrap();

    held.transaction().set_data("/guarded", b"mine", None).await.unwrap();
    assert_eq!(held.tenure(), Tenure::Held);
    let path = held.path().to_string();
    two.delete(&path).await.unwrap();

    let refused = held.transaction().set_data("/guarded", b"not mine", None).await;
    assert_eq!(code(refused), ErrorCode::NoNode);
    assert_eq!(one.get_data("/guarded").await.unwrap().0, "mine");
    assert_eq!(soon(held.lost()).await, Loss::Removed);
    assert_eq!((held.tenure(), held.valid_until()), (Tenure::Lost(Loss::Removed), None));
    soon(held.release()).await.unwrap();
}

pub async fn a_holder_is_asked_to_give_up_and_may_do_so(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (lock, other) = (Lock::new(&one, "/locks/ask").unwrap(), Lock::new(&two, "/locks/ask").unwrap());
    let held = soon(lock.acquire()).await.unwrap();
    let wanting = ground.spawn(async move { other.acquire().await.unwrap() });
    assert!(poll_once(held.revoked()).is_pending());

    revoke(&two, held.path()).await.unwrap();
    soon(held.revoked()).await;
    assert_eq!(held.tenure(), Tenure::Held, "it is up to him");
    soon(held.release()).await.unwrap();

    soon(soon(wanting).await.release()).await.unwrap();
}

pub async fn a_lock_is_in_doubt_without_a_link_and_held_after_all(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let held = soon(Lock::new(&client, "/locks/doubt").unwrap().acquire()).await.unwrap();
    let certain = held.valid_until().expect("it is held");

    line.sever();
    let doubt = soon(held.changed(Tenure::Held)).await;
    let Tenure::InDoubt { valid_until } = doubt else { panic!("{doubt:?}") };
    assert!(valid_until >= certain);
    line.mend();

    assert_eq!(soon(held.changed(doubt)).await, Tenure::Held);
    soon(held.release()).await.unwrap();
}

pub async fn a_lock_is_lost_with_its_session(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let held = soon(Lock::new(&client, "/locks/lost").unwrap().acquire()).await.unwrap();
    let mut states = client.states();

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    line.mend();

    assert_eq!(soon(held.lost()).await, Loss::SessionOver);
    reach(&mut states, |state| matches!(state, State::Connected { resumed: false, .. })).await;
    let refused = held.transaction().delete("/locks", None).await;
    assert_eq!(refused.unwrap_err(), Error::SessionChanged);
    soon(held.release()).await.unwrap();
    assert!(soon(Lock::new(&client, "/locks/lost").unwrap().try_acquire()).await.unwrap().is_some());
}

pub async fn who_waits_when_the_session_ends_goes_to_the_end_of_the_line_or_stays(ground: Ground) {
    let line = ground.line();
    let holder = ground.client().await;
    let client = ground.connect(&line.through).await;
    let held = soon(Lock::new(&holder, "/locks/requeue").unwrap().acquire()).await.unwrap();
    let lock = Lock::new(&client, "/locks/requeue").unwrap();
    let (patient, proud) = (lock.clone(), lock.clone().stay_in_session());
    let patient = ground.spawn(async move { patient.acquire().await });
    let proud = ground.spawn(async move { proud.acquire().await });
    while soon(lock.contenders()).await.unwrap().len() < 3 {}

    line.expire(&client).await;
    let outsider = soon(Lock::new(&holder, "/locks/requeue").unwrap().contenders()).await.unwrap();
    assert_eq!(outsider.len(), 1, "both places went with the session: {outsider:?}");
    line.mend();

    assert_eq!(soon(proud).await.unwrap_err(), Error::SessionChanged);
    soon(held.release()).await.unwrap();
    soon(soon(patient).await.unwrap().release()).await.unwrap();
}

pub async fn names_of_every_layout_wait_for_each_other(ground: Ground) {
    let client = ground.client().await;
    let mut held = Some(soon(Lock::new(&client, "/locks/names").unwrap().acquire()).await.unwrap());
    for layout in [LockLayout::Kazoo, LockLayout::GoZookeeper, LockLayout::Curator] {
        let lock = Lock::new(&client, "/locks/names").unwrap().layout(layout);
        let waiting = ground.spawn({
            let lock = lock.clone();
            async move { lock.acquire().await.unwrap() }
        });
        while soon(lock.contenders()).await.unwrap().len() < 2 {}
        assert!(!waiting.is_finished(), "{layout:?}");
        soon(held.take().expect("one is held").release()).await.unwrap();
        held = Some(soon(waiting).await);
    }
    soon(held.expect("the last one").release()).await.unwrap();
}

pub async fn whichever_reply_is_lost_a_lock_is_had_once_and_given_back(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, number| {
        let layout = if number % 2 == 0 { LockLayout::Curator } else { LockLayout::Kazoo };
        let lock = Lock::new(&client, &format!("{path}/lock")).unwrap().layout(layout);
        for data in ["one", "two"] {
            let held = soon(lock.acquire()).await.unwrap();
            assert_eq!(soon(lock.contenders()).await.unwrap().len(), 1, "no other node of ours is in line");
            match soon(held.transaction().create(&format!("{path}/{data}"), b"")).await {
                Ok(_) => {}
                // What the holder writes is his own affair.
                Err(error) => assert!(!error.is_certainly_not_applied(), "{error}"),
            }
            soon(held.release()).await.unwrap();
        }
        assert_eq!(names(&witness, &format!("{path}/lock")).await, [""; 0]);
    })
    .await;
}

pub async fn a_line_that_may_not_be_read_keeps_no_place_of_who_tried(ground: Ground) {
    let client = ground.client().await;
    // No container: an empty one would go.
    client.create("/locks", b"").await.unwrap();
    client.create("/locks/closed", b"").await.unwrap();
    let no_read = Acl::new(Perms::CREATE | Perms::DELETE | Perms::ADMIN, "world", "anyone");
    client.set_acl("/locks/closed", &[no_read]).await.unwrap();

    let refused = soon(Lock::new(&client, "/locks/closed").unwrap().acquire()).await;

    assert_eq!(code(refused), ErrorCode::NoAuth);
    client.set_acl("/locks/closed", &Acl::open()).await.unwrap();
    while !names(&client, "/locks/closed").await.is_empty() {}
}

pub async fn what_is_made_for_a_lock_has_the_access_control_list_that_was_given(ground: Ground) {
    let client = ground.client().await;
    let acl = [Acl::new(Perms::ALL, "ip", "127.0.0.1"), Acl::new(Perms::READ, "world", "anyone")];
    let lock = Lock::new(&client, "/lists/lock").unwrap().acl(&acl);
    let several = MultiLock::new(&client, ["/lists/several"]).unwrap().acl(&acl);
    let rw = RwLock::new(&client, "/lists/rw").unwrap().acl(&acl);
    let semaphore = Semaphore::new(&client, "/lists/semaphore", 1).unwrap().acl(&acl);
    let agreed = Semaphore::new(&client, "/lists/agreed", 1).unwrap().layout(SemaphoreLayout::Kazoo).acl(&acl);

    let held = soon(lock.acquire()).await.unwrap();
    let all = soon(several.acquire()).await.unwrap();
    let reading = soon(soon(rw.write()).await.unwrap().downgrade()).await.unwrap();
    let leases = [soon(semaphore.acquire()).await.unwrap(), soon(agreed.acquire()).await.unwrap()];
    // Somebody stands in line for each: empty containers may be cleared away by the server.
    let waiting = [&semaphore, &agreed].map(|semaphore| {
        let semaphore = semaphore.clone();
        ground.spawn(async move { semaphore.acquire().await.unwrap() })
    });
    for line in ["/lists/semaphore/locks", "/lists/agreed-__lock__"] {
        soon(async { while names(&client, line).await.is_empty() {} }).await;
    }

    let made = ["/lists", "/lists/lock", "/lists/several", "/lists/rw", "/lists/semaphore", "/lists/semaphore/locks"];
    let agreed = ["/lists/semaphore/leases", "/lists/agreed", "/lists/agreed-__lock__"];
    let nodes =
        [held.path(), all.get("/lists/several").unwrap().path(), reading.path(), leases[0].path(), leases[1].path()];
    for path in made.iter().chain(&agreed).chain(&nodes) {
        assert_eq!(client.get_acl(path).await.unwrap().0, acl, "{path}");
    }
    for (lease, waiting) in leases.into_iter().zip(waiting) {
        soon(lease.release()).await.unwrap();
        soon(soon(waiting).await.release()).await.unwrap();
    }
}
