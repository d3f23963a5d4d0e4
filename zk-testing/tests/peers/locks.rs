//! Locks: Curator's `InterProcessMutex`, kazoo's `Lock`, and what is built on them.

mod deaths;
mod table;

use zk_blocking::{
    Client, Wait,
    recipes::{Held, Lock, LockLayout, revoke},
};

use crate::{
    ground::Ground,
    ours::{Doing, soon},
};

fn lock(client: &Client, layout: LockLayout) -> Lock {
    Lock::new(client, "/lock").unwrap().layout(layout)
}

/// Begins to acquire a lock.
fn acquire(client: &Client, layout: LockLayout) -> Doing<Held> {
    let lock = lock(client, layout);
    Doing::new(client, async move { lock.acquire().await.unwrap() })
}

fn contenders(client: &Client) -> Vec<String> {
    soon(lock(client, LockLayout::default()).contenders()).unwrap()
}

#[test]
fn a_mixed_line_is_served_in_its_order() {
    let ground = Ground::new();
    let (one, two) = (ground.ours(), ground.ours());
    let (curator, kazoo) = (ground.curator(), ground.kazoo());
    assert_eq!(curator.ask("lock acquire /lock"), "held");
    let mut first = acquire(&one, LockLayout::Curator);
    first.waits();
    let second = kazoo.begin("lock acquire /lock kazoo lock-");
    second.waits();
    let mut third = acquire(&two, LockLayout::GoZookeeper);
    third.waits();
    let line = contenders(&one);
    assert_eq!(line.len(), 4, "{line:?}");

    curator.ask("lock release /lock");
    let held = first.done();
    assert!(held.path().ends_with(&line[1]), "{} in {line:?}", held.path());
    second.waits();
    third.waits();
    held.release().wait().unwrap();
    assert_eq!(second.answer(), "held");
    third.waits();
    kazoo.ask("lock release /lock");
    let held = third.done();
    assert!(held.path().ends_with(&line[3]), "{} in {line:?}", held.path());
    assert_eq!(contenders(&one), line[3..]);
}

#[test]
fn who_contends_is_told_by_all_alike() {
    let ground = Ground::new();
    let client = ground.ours();
    let (curator, kazoo) = (ground.curator(), ground.kazoo());
    let held = soon(lock(&client, LockLayout::Curator).data(b"ours").acquire()).unwrap();
    let waiting = curator.begin("lock acquire /lock");
    waiting.waits();

    let line = contenders(&client);
    assert_eq!(line.len(), 2);
    assert_eq!(ground.curator().ask("lock contenders /lock"), line.join(" "));
    assert_eq!(kazoo.ask("lock contenders /lock"), "", "kazoo counts its own only");
    assert_eq!(kazoo.ask("lock try /lock kazoo lock-"), "no");
    assert_eq!(contenders(&client), line, "kazoo has cleaned up");

    let own = soon(lock(&client, LockLayout::Kazoo).data(b"me").try_acquire()).unwrap();
    assert!(own.is_none(), "there are two already");
    held.release().wait().unwrap();
    assert_eq!(waiting.answer(), "held");
    curator.ask("lock release /lock");
    let _own = soon(lock(&client, LockLayout::Kazoo).data(b"me").try_acquire()).unwrap().expect("nobody else is left");
    assert_eq!(kazoo.ask("lock contenders /lock"), "me");
}

#[test]
fn a_holder_is_asked_to_give_up_by_either_side() {
    let ground = Ground::new();
    let client = ground.ours();
    let (curator, other) = (ground.curator(), ground.curator());

    curator.ask("lock revocable /lock");
    curator.ask("lock acquire /lock");
    let revoked = curator.begin("lock revoked /lock");
    soon(revoke(&client, &format!("/lock/{}", contenders(&client)[0]))).unwrap();
    assert_eq!(revoked.answer(), "revoked");
    curator.ask("lock release /lock");

    let held = soon(lock(&client, LockLayout::Curator).acquire()).unwrap();
    other.ask(&format!("node revoke {}", held.path()));
    soon(held.revoked());
}

#[test]
fn an_election_of_theirs_is_a_lock() {
    let ground = Ground::new();
    let client = ground.ours();
    let kazoo = ground.kazoo();
    let held = soon(lock(&client, LockLayout::Kazoo).acquire()).unwrap();
    kazoo.ask("election stand /lock kazoo");
    let line = |length| {
        while contenders(&client).len() < length {}
        contenders(&client)
    };
    line(2);
    assert_eq!(kazoo.ask("election leads /lock"), "no");
    held.release().wait().unwrap();
    assert_eq!(kazoo.ask("election lead /lock"), "leads");
    let mut waiting = acquire(&client, LockLayout::Kazoo);
    waiting.waits();
    kazoo.ask("election resign /lock");
    let held = waiting.done();

    let curator = ground.curator();
    curator.ask("selector stand /lock curator");
    line(2);
    let mut waiting = acquire(&client, LockLayout::Curator);
    waiting.waits();
    held.release().wait().unwrap();
    assert_eq!(curator.ask("selector lead /lock"), "leads");
    waiting.waits();
    curator.ask("selector resign /lock");
    waiting.done().release().wait().unwrap();
}

#[test]
fn what_else_lies_below_a_lock_may_stop_curator_but_none_of_the_others() {
    let ground = Ground::new();
    let client = ground.ours();
    let (curator, kazoo) = (ground.curator(), ground.kazoo());
    client.create("/lock", b"").wait().unwrap();
    client.create("/lock/config", b"").wait().unwrap();
    assert_eq!(curator.ask("lock acquire /lock"), "held", "letters come behind numbers");
    curator.ask("lock release /lock");

    client.create("/lock/#config", b"").wait().unwrap();
    let waiting = curator.begin("lock acquire /lock");
    waiting.waits();
    client.delete("/lock/#config").wait().unwrap();
    assert_eq!(waiting.answer(), "held");
    curator.ask("lock release /lock");

    client.create("/lock/#config", b"").wait().unwrap();
    let held = soon(lock(&client, LockLayout::Kazoo).acquire()).unwrap();
    held.release().wait().unwrap();
    assert_eq!(kazoo.ask("lock acquire /lock"), "held");
}
