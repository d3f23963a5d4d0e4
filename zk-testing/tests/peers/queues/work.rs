//! Queues whose items are claimed before they are deleted: kazoo's `LockingQueue`, and Curator's queues with a lock path.

use zk_blocking::{
    Client,
    recipes::{Delivery, IdQueue, Put, Settled, WorkLayout, WorkQueue},
};

use crate::{
    ground::Ground,
    languages::Library,
    ours::{Doing, soon},
};

fn kazoos(client: &Client) -> WorkQueue {
    WorkQueue::new(client, "/queue").unwrap().layout(WorkLayout::Kazoo)
}

fn curators(client: &Client) -> WorkQueue {
    WorkQueue::new(client, "/queue").unwrap().layout(WorkLayout::Curator).claims_below("/claims").unwrap()
}

/// Returns what is to be worked on.
fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.item().data().to_vec()).unwrap()
}

fn take(client: &Client, queue: WorkQueue) -> Doing<Delivery> {
    Doing::new(client, async move { queue.take().await.unwrap() })
}

#[test]
fn claims_are_respected_by_ours_and_kazoo() {
    let ground = Ground::new();
    let client = ground.ours();
    let (kazoo, other) = (ground.kazoo(), ground.kazoo());
    let queue = kazoos(&client);
    assert_eq!(soon(queue.put(b"one")).unwrap(), Put::Done);
    kazoo.ask("locking put /queue two");
    assert_eq!(soon(queue.put_with_priority(7, b"urgent")).unwrap(), Put::Done);

    assert_eq!(kazoo.ask("locking get /queue"), "urgent");
    let one = soon(queue.take()).unwrap();
    assert_eq!(text(&one), "one");
    assert_eq!(other.ask("locking get /queue"), "two");
    assert!(soon(queue.try_take()).unwrap().is_none());

    // What is given back is taken by who waits, whichever side that is.
    let mut waiting = take(&client, queue.clone());
    waiting.waits();
    assert_eq!(other.ask("locking release /queue"), "yes");
    let two = waiting.done();
    assert_eq!(text(&two), "two");
    let waiting = other.begin("locking get /queue");
    waiting.waits();
    soon(one.nack()).unwrap();
    assert_eq!(waiting.answer(), "one");

    assert_eq!(soon(two.ack()).unwrap(), Settled::Done);
    assert_eq!(kazoo.ask("locking holds /queue"), "yes");
    assert_eq!(kazoo.ask("locking consume /queue"), "yes");
    assert_eq!(other.ask("locking consume /queue"), "yes");
    assert!(soon(queue.is_empty()).unwrap());
}

#[test]
fn what_a_killed_worker_of_kazoos_had_comes_again() {
    let ground = Ground::new();
    let client = ground.ours();
    let victim = ground.victim(Library::Kazoo);
    let queue = kazoos(&client);
    assert_eq!(soon(queue.put(b"item")).unwrap(), Put::Done);
    assert_eq!(victim.ask("locking get /queue"), "item");
    let mut waiting = take(&client, queue);
    waiting.waits();
    victim.kill();
    assert_eq!(text(&waiting.done()), "item");
}

#[test]
fn what_a_worker_of_ours_had_who_vanished_is_taken_by_kazoo() {
    let ground = Ground::new();
    let mortal = ground.mortal();
    let kazoo = ground.kazoo();
    // Its nodes stay when they are empty. It would not get over it if the one with the claims went with the last of them.
    kazoo.ask("locking put /queue item");
    let delivery = soon(kazoos(&mortal.client).take()).unwrap();
    let waiting = kazoo.begin("locking get /queue");
    waiting.waits();
    mortal.vanish();
    assert_eq!(waiting.answer(), "item");
    soon(delivery.lost());
}

#[test]
fn claims_are_respected_by_ours_and_curator() {
    let ground = Ground::new();
    let client = ground.ours();
    let (putter, taker) = (ground.curator(), ground.curator());
    let queue = curators(&client);
    putter.ask("queue open /queue /claims");
    putter.ask("queue put /queue one");
    assert_eq!(soon(queue.put(b"two")).unwrap(), Put::Done);
    let one = soon(queue.take()).unwrap();
    assert_eq!(text(&one), "one");
    taker.ask("queue consume /queue /claims");
    assert_eq!(taker.ask("queue next /queue"), "two");
    assert!(soon(queue.try_take()).unwrap().is_none());

    // What Curator fails at, it puts to the end.
    let mut waiting = take(&client, queue.clone());
    waiting.waits();
    // Something that keeps it busy, so that it is ours who get that.
    assert_eq!(soon(queue.put(b"three")).unwrap(), Put::Done);
    let three = waiting.done();
    assert_eq!(text(&three), "three");
    taker.ask("queue fail /queue");
    assert_eq!(taker.ask("queue next /queue"), "two");
    taker.ask("queue done /queue");

    assert_eq!(soon(three.ack()).unwrap(), Settled::Done);
    assert_eq!(soon(one.ack()).unwrap(), Settled::Done);
    while !soon(queue.is_empty()).unwrap() {}
}

/// Curator does not look at claims before something else happens to the queue.
#[test]
fn what_ours_give_back_is_taken_by_curator_with_the_next_item() {
    let ground = Ground::new();
    let client = ground.ours();
    let taker = ground.curator();
    let queue = curators(&client);
    assert_eq!(soon(queue.put_all(&[b"one", b"two"])).unwrap(), Put::Done);
    let both = soon(queue.take()).unwrap();
    assert_eq!(both.item().parts(), ["one", "two"]);
    taker.ask("queue consume /queue /claims");
    assert_eq!(soon(queue.put(b"three")).unwrap(), Put::Done);
    assert_eq!(taker.ask("queue next /queue"), "three", "it has seen that the first is claimed");

    soon(both.nack()).unwrap();
    taker.ask("queue done /queue");
    for item in ["one", "two"] {
        assert_eq!(taker.ask("queue next /queue"), item);
        taker.ask("queue done /queue");
    }
}

#[test]
fn what_a_killed_worker_of_curators_had_comes_again() {
    let ground = Ground::new();
    let client = ground.ours();
    let victim = ground.victim(Library::Curator);
    let queue = curators(&client);
    assert_eq!(soon(queue.put(b"item")).unwrap(), Put::Done);
    victim.ask("queue consume /queue /claims");
    assert_eq!(victim.ask("queue next /queue"), "item");
    let mut waiting = take(&client, queue);
    waiting.waits();
    victim.kill();
    assert_eq!(text(&waiting.done()), "item");
}

#[test]
fn items_with_ids_are_removed_by_either_side_unless_they_are_worked_on() {
    let ground = Ground::new();
    let client = ground.ours();
    let curator = ground.curator();
    let queue = IdQueue::new(&client, "/queue").unwrap().claims_below("/claims").unwrap();
    curator.ask("id open /queue /claims");
    curator.ask("id put /queue one first/id");
    assert_eq!(soon(queue.put("second/id", b"two")).unwrap(), Put::Done);
    curator.ask("id put /queue three third");
    assert_eq!(soon(queue.remove("third")).unwrap(), 1);

    let one = soon(queue.take()).unwrap();
    assert_eq!((text(&one).as_str(), one.item().key()), ("one", Some("first_id")));
    // Curator writes slashes as underscores when it puts, but not when it looks.
    assert_eq!(curator.ask("id remove /queue first_id"), "0", "it is worked on");
    assert_eq!(curator.ask("id remove /queue second_id"), "1");
    assert_eq!(soon(one.ack()).unwrap(), Settled::Done);
    assert!(soon(queue.is_empty()).unwrap());
}
