//! What sequential nodes are for where the counter of sequential nodes is at its end.

use zk_proto::{
    client::Client,
    code::ErrorCode,
    recipes::{Lock, LockLayout, Put, Queue, QueueLayout, RwLock, ensure_path},
};

use crate::{
    TestServer,
    conformance::{Ground, code, soon},
};

/// Makes a path below which there are so many numbers left.
async fn nearly_at_the_end(server: &TestServer, client: &Client, path: &str, left: i32) {
    ensure_path(client, path, None).await.unwrap();
    assert!(server.set_sequence(path, i32::MAX - left));
}

pub async fn a_holder_is_told_how_many_numbers_are_left(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    let lock = Lock::new(&client, "/lock").unwrap();
    let held = soon(lock.acquire()).await.unwrap();
    assert_eq!(held.remaining_sequence(), i32::MAX.unsigned_abs());
    soon(held.release()).await.unwrap();

    assert!(server.set_sequence("/lock", i32::MAX - 1));
    for left in [1, 0, 0] {
        let held = soon(lock.acquire()).await.unwrap();
        assert_eq!(held.remaining_sequence(), left);
        soon(held.release()).await.unwrap();
    }

    // What a server does by itself with an empty container: the numbers begin anew, and the tokens go on.
    let last = soon(lock.acquire()).await.unwrap();
    let token = last.fencing_token();
    soon(last.release()).await.unwrap();
    client.delete("/lock").await.unwrap();
    let held = soon(lock.acquire()).await.unwrap();
    assert_eq!(held.remaining_sequence(), i32::MAX.unsigned_abs());
    assert!(held.fencing_token() > token);
    soon(held.release()).await.unwrap();
}

pub async fn a_lock_without_numbers_goes_by_the_order_of_creation(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    nearly_at_the_end(&server, &client, "/lock", 1).await;
    let lock = Lock::new(&client, "/lock").unwrap();
    let mut held = soon(lock.acquire()).await.unwrap();
    // As it is called by a server that has several creates in hand.
    let beyond = "/lock/_c_3be498f4-e420-4aaa-bb40-031367eba665-lock--2147483648";
    let mut waiting = Vec::new();
    for number in 0..5 {
        if number == 2 {
            client.create(beyond, b"").ephemeral().await.unwrap();
        }
        let newcomer = lock.clone().layout([LockLayout::Curator, LockLayout::Kazoo][number % 2]);
        waiting.push(ground.spawn(async move { newcomer.acquire().await.unwrap() }));
        let all = number + 2 + usize::from(number >= 2);
        while soon(lock.contenders()).await.unwrap().len() < all {}
    }

    for (number, next) in waiting.into_iter().enumerate() {
        let token = held.fencing_token();
        soon(held.release()).await.unwrap();
        if number == 2 {
            soon(client.sync("/")).await.unwrap();
            assert!(!next.is_finished(), "somebody is ahead of him");
            client.delete(beyond).await.unwrap();
        }
        held = soon(next).await;
        assert_eq!(held.remaining_sequence(), 0);
        assert!(held.fencing_token() > token, "number {number} in order");
    }
    soon(held.release()).await.unwrap();
}

pub async fn a_writer_without_a_number_goes_on_as_a_reader_before_those_who_wait(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    nearly_at_the_end(&server, &client, "/lock", 0).await;
    let lock = RwLock::new(&client, "/lock").unwrap();
    let writer = soon(lock.write()).await.unwrap();
    let (reading, writing) = (lock.clone(), lock.clone());
    let reading = ground.spawn(async move { reading.read().await.unwrap() });
    while soon(lock.contenders()).await.unwrap().len() < 2 {}
    let writing = ground.spawn(async move { writing.write().await.unwrap() });
    while soon(lock.contenders()).await.unwrap().len() < 3 {}

    let first = soon(writer.downgrade()).await.unwrap();
    let second = soon(reading).await;
    soon(second.release()).await.unwrap();
    soon(client.sync("/")).await.unwrap();
    assert!(!writing.is_finished(), "a reader is ahead of him");

    soon(first.release()).await.unwrap();
    soon(soon(writing).await.release()).await.unwrap();
}

pub async fn only_a_queue_with_names_of_our_own_goes_on(ground: Ground) {
    let server = ground.test_server();
    let client = ground.connect(&server.connect_string()).await;
    nearly_at_the_end(&server, &client, "/ceiling", 0).await;
    let queue = Queue::new(&client, "/ceiling").unwrap();
    let simple = queue.clone().layout(QueueLayout::Simple);

    assert_eq!(simple.put(b"first").await.unwrap(), Put::Done);
    assert_eq!(code(simple.put(b"second").await), ErrorCode::NodeExists);
    for _ in 0..2 {
        assert_eq!(queue.put(b"ours").await.unwrap(), Put::Done);
    }

    assert_eq!(simple.take().await.unwrap().into_item().data(), "first");
    for _ in 0..2 {
        assert_eq!(queue.take().await.unwrap().into_item().data(), "ours");
    }
}
