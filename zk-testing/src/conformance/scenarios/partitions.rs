//! Partitions.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    acl::Perms,
    client::Client,
    code::ErrorCode,
    recipes::{KeptState, Lock, Loss, Partition, PartitionEnd, Partitioner, Share, ShareState, Tenure, ensure_path},
    record::Acl,
};

use crate::conformance::{Ground, code, eventually, is_suspended, losing_replies, names, reach, soon};

const PATH: &str = "/shared";
const FIVE: [&str; 5] = ["p0", "p1", "p2", "p3", "p4"];

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn partitioner(client: &Client, partitions: &[&str]) -> Partitioner {
    Partitioner::new(client, PATH, partitions).unwrap().settle(Duration::from_millis(10))
}

fn join(client: &Client, id: &str) -> Share {
    partitioner(client, &FIVE).join(id).unwrap()
}

/// Waits until a share stands so.
async fn stands(share: &Share, is_so: impl Fn(&ShareState) -> bool) -> ShareState {
    soon(async {
        let mut state = share.state();
        while !is_so(&state) {
            state = share.changed(&state).await.unwrap();
        }
        state
    })
    .await
}

async fn is_divided_among(share: &Share, ids: &[&str]) {
    stands(share, |state| state.members.iter().map(|id| &**id).eq(ids.iter().copied())).await;
}

/// Takes what is handed out until it is everything that is to be had.
async fn take_all(share: &Share, mut had: Vec<Partition>) -> Vec<Partition> {
    let due = share.state().due;
    while had.len() < due.len() {
        had.push(soon(share.next()).await.unwrap());
    }
    had.sort_by(|one, other| one.name().cmp(other.name()));
    assert!(had.iter().map(Partition::name).eq(due.iter().map(|name| &**name)));
    had
}

/// Gives back what is not to be had any more, and returns the rest.
async fn give_back(share: &Share, had: Vec<Partition>) -> Vec<Partition> {
    let due = share.state().due;
    let (kept, asked_for): (Vec<_>, Vec<_>) =
        had.into_iter().partition(|partition| due.iter().any(|name| **name == *partition.name()));
    for partition in asked_for {
        assert_eq!(soon(partition.ended()).await, PartitionEnd::Reassigned);
        soon(partition.release()).await.unwrap();
    }
    kept
}

async fn until_there_are(client: &Client, partition: &str, count: usize) {
    let lock = Lock::new(client, &format!("{PATH}/locks/{partition}")).unwrap();
    while soon(lock.contenders()).await.unwrap().len() != count {}
}

pub async fn a_set_is_divided_among_all_and_handed_over_as_they_come_and_go(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let ann = join(&one, "ann");
    is_divided_among(&ann, &["ann"]).await;
    let had = take_all(&ann, Vec::new()).await;
    assert_eq!(had.len(), 5);

    let bob = join(&two, "bob");
    is_divided_among(&ann, &["ann", "bob"]).await;
    is_divided_among(&bob, &["ann", "bob"]).await;
    let had = give_back(&ann, had).await;
    let others = take_all(&bob, Vec::new()).await;
    assert!(had.len().abs_diff(others.len()) == 1 && had.len() + others.len() == 5, "{} of 5", had.len());
    assert!(had.iter().all(|partition| others.iter().all(|other| other.name() != partition.name())));

    soon(bob.leave()).await.unwrap();
    is_divided_among(&ann, &["ann"]).await;
    for partition in &others {
        assert_eq!(soon(partition.ended()).await, PartitionEnd::Left);
        until_there_are(&one, partition.name(), 2).await;
    }
    assert!(poll_once(ann.next()).is_pending(), "nothing was given back yet");
    drop(others);
    assert_eq!(take_all(&ann, had).await.len(), 5);
}

pub async fn a_partition_is_handed_over_when_it_is_given_back_and_not_before(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let ann = join(&one, "ann");
    is_divided_among(&ann, &["ann"]).await;
    let had = take_all(&ann, Vec::new()).await;

    let bob = join(&two, "bob");
    is_divided_among(&bob, &["ann", "bob"]).await;
    let due = bob.state().due;
    for name in due.iter() {
        until_there_are(&one, name, 2).await;
    }
    assert!(poll_once(bob.next()).is_pending());
    let (mut asked_for, kept): (Vec<_>, Vec<_>) =
        had.into_iter().partition(|partition| due.iter().any(|name| **name == *partition.name()));
    for partition in &asked_for {
        assert_eq!(soon(partition.ended()).await, PartitionEnd::Reassigned);
        assert_eq!(partition.held().tenure(), Tenure::Held);
    }
    assert!(kept.iter().all(|partition| poll_once(partition.ended()).is_pending()));

    let first = asked_for.remove(0);
    let (name, token) = (first.name().to_string(), first.held().fencing_token());
    soon(first.release()).await.unwrap();

    let handed = soon(bob.next()).await.unwrap();
    assert_eq!(handed.name(), name);
    assert!(handed.held().fencing_token() > token);
    assert!(poll_once(bob.next()).is_pending(), "the others were not given back");
}

pub async fn what_nobody_has_taken_is_handed_on_without_asking(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let ann = join(&one, "ann");
    is_divided_among(&ann, &["ann"]).await;
    for name in FIVE {
        until_there_are(&one, name, 1).await;
    }

    let bob = join(&two, "bob");
    is_divided_among(&bob, &["ann", "bob"]).await;
    take_all(&bob, Vec::new()).await;
    is_divided_among(&ann, &["ann", "bob"]).await;
    take_all(&ann, Vec::new()).await;
}

pub async fn of_more_members_than_partitions_some_wait_for_others_to_leave(ground: Ground) {
    let client = ground.client().await;
    let partitioner = partitioner(&client, &["p0", "p1"]);
    assert_eq!(partitioner.partitions().collect::<Vec<_>>(), ["p0", "p1"]);
    let mut shares = Vec::new();
    for id in ["ann", "bob", "cleo"] {
        shares.push(partitioner.join(id).unwrap());
    }
    for share in &shares {
        is_divided_among(share, &["ann", "bob", "cleo"]).await;
    }
    let sizes: Vec<usize> = shares.iter().map(|share| share.state().due.len()).collect();
    assert_eq!((sizes.iter().sum::<usize>(), sizes.iter().max()), (2, Some(&1)), "{sizes:?}");

    let owner = shares.remove(sizes.iter().position(|size| *size == 1).unwrap());
    let partition = soon(owner.next()).await.unwrap();
    drop(owner);
    assert_eq!(soon(partition.ended()).await, PartitionEnd::Left);
    drop(partition);

    for share in &shares {
        stands(share, |state| state.members.len() == 2).await;
        assert_eq!(take_all(share, Vec::new()).await.len(), 1);
    }
}

pub async fn partitions_are_in_doubt_without_a_link_and_kept_after_all(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let ann = join(&client, "ann");
    is_divided_among(&ann, &["ann"]).await;
    let had = take_all(&ann, Vec::new()).await;
    let mut states = client.states();

    line.sever();
    reach(&mut states, is_suspended).await;
    for partition in &had {
        assert!(matches!(soon(partition.held().changed(Tenure::Held)).await, Tenure::InDoubt { .. }));
        assert!(poll_once(partition.ended()).is_pending());
    }
    line.mend();

    for partition in &had {
        soon(async {
            let mut tenure = partition.held().tenure();
            while tenure != Tenure::Held {
                tenure = partition.held().changed(tenure).await;
            }
        })
        .await;
        assert!(poll_once(partition.ended()).is_pending());
    }
    assert!(poll_once(ann.next()).is_pending(), "all was handed out before");
}

pub async fn who_has_lost_his_session_gets_his_share_again_when_he_has_stopped(ground: Ground) {
    let (line, witness) = (ground.line(), ground.client().await);
    let client = ground.connect(&line.through).await;
    let ann = join(&client, "ann");
    is_divided_among(&ann, &["ann"]).await;
    let had = take_all(&ann, Vec::new()).await;
    let tokens: Vec<_> = had.iter().map(|partition| partition.held().fencing_token()).collect();
    let membership = ann.membership().state();

    line.expire(&client).await;
    line.mend();

    for partition in &had {
        assert!(matches!(soon(partition.ended()).await, PartitionEnd::Lost(Loss::SessionOver | Loss::Presumed)));
    }
    eventually(|| ann.membership().state() != membership).await;
    soon(ann.membership().joined()).await.unwrap();
    for name in FIVE {
        assert_eq!(soon(names(&witness, &format!("{PATH}/locks/{name}"))).await, [""; 0], "he is still at work on it");
    }
    drop(had);
    let again = take_all(&ann, Vec::new()).await;
    assert!(again.iter().zip(tokens).all(|(partition, before)| partition.held().fencing_token() > before));
}

pub async fn a_partition_whose_lock_is_deleted_is_lost_and_handed_out_again(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    client.create("/guarded", b"").await.unwrap();
    let ann = join(&client, "ann");
    is_divided_among(&ann, &["ann"]).await;
    let mut had = take_all(&ann, Vec::new()).await;
    let partition = had.remove(2);
    partition.held().transaction().set_data("/guarded", b"mine", None).await.unwrap();

    other.delete(partition.held().path()).await.unwrap();

    assert_eq!(code(partition.held().transaction().set_data("/guarded", b"not mine", None).await), ErrorCode::NoNode);
    assert_eq!(soon(partition.ended()).await, PartitionEnd::Lost(Loss::Removed));
    assert!(poll_once(ann.next()).is_pending());
    let token = partition.held().fencing_token();
    soon(partition.release()).await.unwrap();
    let again = soon(ann.next()).await.unwrap();
    assert_eq!(again.name(), "p2");
    assert!(again.held().fencing_token() > token);
}

pub async fn members_that_divide_other_sets_are_told_and_nothing_is_had_twice(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let ann = partitioner(&one, &["p2", "p0", "p1", "p2"]).join("ann").unwrap();
    is_divided_among(&ann, &["ann"]).await;
    let had = take_all(&ann, Vec::new()).await;
    assert_eq!(had.len(), 3, "in any order, and each once");

    let bob = partitioner(&two, &["p1", "p2", "p3"]).join("bob").unwrap();

    let state = stands(&ann, |state| !state.dissenters.is_empty()).await;
    assert_eq!((&*state.members[0], &*state.dissenters[0], state.due.len()), ("ann", "bob", 3));
    let state = stands(&bob, |state| !state.members.is_empty()).await;
    assert_eq!((&*state.members[0], &*state.dissenters[0], state.due.len()), ("bob", "ann", 3));
    let only = soon(bob.next()).await.unwrap();
    assert_eq!(only.name(), "p3", "the others are had");
    for name in ["p1", "p2"] {
        until_there_are(&one, name, 2).await;
    }
    assert!(poll_once(bob.next()).is_pending());
    assert!(had.iter().all(|partition| poll_once(partition.ended()).is_pending()));

    drop(had);
    soon(ann.leave()).await.unwrap();
    take_all(&bob, vec![only]).await;
    stands(&bob, |state| state.dissenters.is_empty()).await;
}

pub async fn an_id_is_that_of_one_member_and_the_other_one_has_no_share(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let same = partitioner(&one, &FIVE);
    let first = same.join("same").unwrap();
    is_divided_among(&first, &["same"]).await;
    assert_eq!(same.join("same").unwrap_err().code(), Some(ErrorCode::NodeExists), "by the same process");
    assert!(same.join("a/b").is_err(), "what cannot be a node's name");

    let second = join(&two, "same");
    is_divided_among(&second, &["same"]).await;
    let owner = one.session().unwrap();
    eventually(|| second.membership().state() == KeptState::Blocked { owner }).await;
    assert_eq!(second.state().due.len(), 0);
    let had = take_all(&first, Vec::new()).await;

    drop(had);
    soon(first.leave()).await.unwrap();
    stands(&second, |state| state.due.len() == 5).await;
    take_all(&second, Vec::new()).await;
}

pub async fn what_is_refused_is_told_and_tried_again(ground: Ground) {
    let client = ground.client().await;
    let path = format!("{PATH}/locks/p0");
    ensure_path(&client, &path, None).await.unwrap();
    client.set_acl(&path, &[Acl::new(Perms::READ | Perms::ADMIN, "world", "anyone")]).await.unwrap();
    let ann = partitioner(&client, &["p0"]).join("ann").unwrap();

    let state = stands(&ann, |state| state.refusal.is_some()).await;
    assert_eq!(state.refusal.and_then(|error| error.code()), Some(ErrorCode::NoAuth));

    client.set_acl(&path, &[Acl::new(Perms::ALL, "world", "anyone")]).await.unwrap();
    assert_eq!(soon(ann.next()).await.unwrap().name(), "p0");
    assert_eq!(ann.state().refusal, None);
}

pub async fn closing_a_client_lets_go_of_its_share(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let ann = join(&one, "ann");
    is_divided_among(&ann, &["ann"]).await;
    let had = take_all(&ann, Vec::new()).await;
    let bob = join(&two, "bob");

    soon(one.close()).await;

    assert!(soon(ann.next()).await.is_err());
    let known = ann.state();
    assert!(soon(ann.changed(&known)).await.is_err() || ann.state() != known);
    for partition in &had {
        assert!(matches!(soon(partition.ended()).await, PartitionEnd::Left | PartitionEnd::Lost(_)));
    }
    is_divided_among(&bob, &["bob"]).await;
    take_all(&bob, Vec::new()).await;
}

pub async fn whichever_reply_is_lost_a_share_is_had_once_and_given_back(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, _| {
        let both = Partitioner::new(&client, &path, ["p0", "p1"]).unwrap().settle(Duration::from_millis(1));
        let ann = both.join("ann").unwrap();
        let bob = both.join("bob").unwrap();
        let locks = |name: &str| format!("{path}/locks/{name}");
        for share in [&ann, &bob] {
            is_divided_among(share, &["ann", "bob"]).await;
        }
        let had = [soon(ann.next()).await.unwrap(), soon(bob.next()).await.unwrap()];
        for partition in &had {
            let name = partition.held().path().rsplit('/').next().unwrap();
            // Who has heard of the other one late may have been in line for both.
            while soon(names(&witness, &locks(partition.name()))).await != [name] {}
        }
        assert_ne!(had[0].name(), had[1].name());
        soon(bob.leave()).await.unwrap();
        for partition in had {
            soon(partition.release()).await.unwrap();
        }
        is_divided_among(&ann, &["ann"]).await;
        let all = take_all(&ann, Vec::new()).await;
        soon(ann.leave()).await.unwrap();
        for partition in all {
            let name = partition.name().to_string();
            soon(partition.release()).await.unwrap();
            assert_eq!(soon(names(&witness, &locks(&name))).await, [""; 0]);
        }
        assert_eq!(soon(names(&witness, &format!("{path}/members"))).await, [""; 0]);
    })
    .await;
}
