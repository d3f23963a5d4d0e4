//! Queues of work.

use std::time::Duration;

use zk_proto::{
    SessionId,
    client::Client,
    code::ErrorCode,
    recipes::{Delivery, IdQueue, Loss, Put, Settled, Tenure, WorkLayout, WorkQueue},
    session::State,
};

use crate::conformance::{Ground, is_suspended, losing_replies, names, reach, soon};

const LAYOUTS: [WorkLayout; 4] =
    [WorkLayout::Native, WorkLayout::Kazoo, WorkLayout::Curator, WorkLayout::CuratorPriority];

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.item().data().to_vec()).unwrap()
}

async fn filled(client: &Client, path: &str, items: &[&str]) -> WorkQueue {
    let queue = WorkQueue::new(client, path).unwrap();
    for item in items {
        assert_eq!(soon(queue.put(item.as_bytes())).await.unwrap(), Put::Done);
    }
    queue
}

pub async fn work_is_delivered_to_one_and_gone_when_it_is_done(ground: Ground) {
    let client = ground.client().await;
    for (number, layout) in LAYOUTS.into_iter().enumerate() {
        let queue = WorkQueue::new(&client, &format!("/work/one-{number}")).unwrap().layout(layout);
        assert!(soon(queue.try_take()).await.unwrap().is_none(), "there is not even a node");
        for data in ["one", "two"] {
            assert_eq!(soon(queue.put(data.as_bytes())).await.unwrap(), Put::Done);
        }

        let (one, two) = (soon(queue.take()).await.unwrap(), soon(queue.take()).await.unwrap());
        assert_eq!((text(&one), text(&two)), ("one".into(), "two".into()), "{layout:?}");
        assert!(soon(queue.try_take()).await.unwrap().is_none(), "both are worked on");
        assert_eq!(queue.len().await.unwrap(), 2, "and are still there");
        assert_eq!((one.tenure(), one.session()), (Tenure::Held, client.session().unwrap()));

        assert_eq!(soon(one.ack()).await.unwrap(), Settled::Done);
        assert_eq!(soon(two.ack()).await.unwrap(), Settled::Done);
        assert_eq!(queue.len().await.unwrap(), 0);
        assert!(soon(queue.take_timeout(Duration::from_millis(50))).await.unwrap().is_none());
    }
}

pub async fn entries_and_claims_are_named_as_other_clients_do_it(ground: Ground) {
    let client = ground.client().await;
    let kazoo = WorkQueue::new(&client, "/kazoo").unwrap().layout(WorkLayout::Kazoo);
    assert_eq!(kazoo.put_with_priority(3, b"hello").await.unwrap(), Put::Done);
    let delivery = soon(kazoo.take()).await.unwrap();
    assert_eq!(names(&client, "/kazoo/entries").await, ["entry-003-0000000000"]);
    assert_eq!(names(&client, "/kazoo/taken").await, ["entry-003-0000000000"]);
    assert_eq!(delivery.item().priority(), Some(3));
    assert_eq!(soon(delivery.ack()).await.unwrap(), Settled::Done);
    for path in ["/kazoo", "/kazoo/entries", "/kazoo/taken"] {
        let owner = client.exists(path).await.unwrap().expect("it is there").ephemeral_owner;
        assert_eq!(
            owner,
            SessionId(0),
            "{path} stays when it is empty: a worker of kazoo's that waits there fails when it goes"
        );
    }

    let curator = WorkQueue::new(&client, "/curator").unwrap().layout(WorkLayout::Curator);
    let curator = curator.claims_below("/curator-locks").unwrap().layout(WorkLayout::Curator);
    assert_eq!(curator.put_all(&[b"a", b"b"]).await.unwrap(), Put::Done);
    let data = client.get_data("/curator/queue-0000000000").await.unwrap().0;
    assert_eq!(&data[..], b"\x00\x01\x00\x01\x01\x00\x00\x00\x01a\x01\x00\x00\x00\x01b\x02");
    let delivery = soon(curator.take()).await.unwrap();
    assert_eq!(names(&client, "/curator-locks").await, ["queue-0000000000"]);
    assert_eq!(delivery.item().parts(), ["a", "b"]);
    assert_eq!(soon(delivery.ack()).await.unwrap(), Settled::Done);

    let ids = IdQueue::new(&client, "/ids").unwrap();
    assert_eq!(ids.put("a/b", b"").await.unwrap(), Put::Done);
    assert_eq!(names(&client, "/ids").await, ["queue-|a_b|0000000000"]);
}

pub async fn several_workers_do_all_the_work_once(ground: Ground) {
    let client = ground.client().await;
    let items: Vec<String> = (0..24).map(|number| format!("{number:02}")).collect();
    let queue = WorkQueue::new(&client, "/work/many").unwrap();
    let all: Vec<&[u8]> = items.iter().map(String::as_bytes).collect();
    assert_eq!(queue.put_all(&all).await.unwrap(), Put::Done);
    let mut workers = Vec::new();
    for number in 0..4 {
        let client = ground.client().await;
        let queue = WorkQueue::new(&client, "/work/many").unwrap().among(1 + number);
        workers.push(ground.spawn(async move {
            let mut done = Vec::new();
            // Who finds nothing has seen all of it in somebody's hands.
            while let Some(delivery) = queue.try_take().await.unwrap() {
                done.push(text(&delivery));
                assert_eq!(delivery.ack().await.unwrap(), Settled::Done);
            }
            done
        }));
    }

    let mut done = Vec::new();
    for worker in workers {
        done.extend(soon(worker).await);
    }
    done.sort();
    assert_eq!(done, items);
}

pub async fn work_is_done_by_another_when_its_worker_dies(ground: Ground) {
    let line = ground.line();
    let (client, witness) = (ground.connect(&line.through).await, ground.client().await);
    let queue = filled(&witness, "/work/crash", &["one"]).await;
    let lost = soon(WorkQueue::new(&client, "/work/crash").unwrap().take()).await.unwrap();
    let waiting = ground.spawn(async move { queue.take().await.unwrap() });
    let mut states = client.states();

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    let again = soon(waiting).await;
    line.mend();

    assert_eq!(again.item(), lost.item(), "with the same id");
    assert_eq!(soon(lost.lost()).await, Loss::SessionOver);
    reach(&mut states, |state| matches!(state, State::Connected { resumed: false, .. })).await;
    assert_eq!(soon(lost.ack()).await.unwrap(), Settled::ClaimLost);
    assert!(witness.exists(again.item().path()).await.unwrap().is_some(), "somebody works on it");
    assert_eq!(soon(again.ack()).await.unwrap(), Settled::Done);
}

pub async fn a_claim_that_somebody_deletes_is_lost(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    let queue = filled(&client, "/work/claim", &["one"]).await.divert_after(9);
    let lost = soon(queue.take()).await.unwrap();
    other.delete(lost.claim()).await.unwrap();
    assert_eq!(soon(lost.lost()).await, Loss::Removed);

    let again = soon(WorkQueue::new(&other, "/work/claim").unwrap().divert_after(9).take()).await.unwrap();
    assert_eq!((again.count(), again.claim()), (Some(2), lost.claim()), "the claims have the same name");
    assert_eq!(soon(lost.ack()).await.unwrap(), Settled::ClaimLost, "whose claim it is tells the count");
    // What is left of the first one is not the second one's claim.
    soon(client.sync("/")).await.unwrap();
    assert_eq!(again.tenure(), Tenure::Held);
    assert_eq!(soon(again.ack()).await.unwrap(), Settled::Done);
}

pub async fn an_item_that_somebody_deletes_is_gone(ground: Ground) {
    let client = ground.client().await;
    let queue = filled(&client, "/work/gone", &["one"]).await;
    let delivery = soon(queue.take()).await.unwrap();
    client.delete(delivery.item().path()).await.unwrap();
    assert_eq!(soon(delivery.ack()).await.unwrap(), Settled::Gone);
    while !names(&client, "/work/gone/taken").await.is_empty() {}
}

pub async fn an_ack_leaves_another_item_of_the_same_name_alone(ground: Ground) {
    let client = ground.client().await;
    for (number, most_claims) in [None, Some(5)].into_iter().enumerate() {
        let path = format!("/work/again-{number}");
        let mut queue = WorkQueue::new(&client, &path).unwrap().layout(WorkLayout::Curator);
        if let Some(most_claims) = most_claims {
            queue = queue.divert_after(most_claims);
        }
        assert_eq!(queue.put(b"one").await.unwrap(), Put::Done);
        let delivery = soon(queue.take()).await.unwrap();
        // With the node above the entries, their numbers begin anew.
        client.delete(delivery.item().path()).await.unwrap();
        client.delete(&path).await.unwrap();
        assert_eq!(queue.put(b"two").await.unwrap(), Put::Done);
        assert!(client.exists(delivery.item().path()).await.unwrap().is_some());

        assert_eq!(soon(delivery.ack()).await.unwrap(), Settled::Gone, "{most_claims:?}");

        let next = soon(queue.take()).await.unwrap();
        assert_eq!(text(&next), "two");
        assert_eq!(soon(next.ack()).await.unwrap(), Settled::Done);
    }
}

pub async fn an_item_that_is_given_back_keeps_its_place_or_goes_to_the_end(ground: Ground) {
    let client = ground.client().await;
    let queue = filled(&client, "/work/back", &["one", "two"]).await;
    let first = soon(queue.take()).await.unwrap();
    let id = first.item().id();
    soon(first.nack()).await.unwrap();

    let again = soon(queue.take()).await.unwrap();
    assert_eq!((text(&again), again.item().id()), ("one".into(), id));
    drop(again);
    // Behind a drop the claim goes in the background.
    while !names(&client, "/work/back/taken").await.is_empty() {}

    let again = soon(queue.take()).await.unwrap();
    assert_eq!(text(&again), "one");
    assert_eq!(soon(again.requeue_at_tail()).await.unwrap(), Settled::Done);
    for expected in ["two", "one"] {
        let delivery = soon(queue.take()).await.unwrap();
        assert_eq!(text(&delivery), expected);
        assert_eq!(soon(delivery.ack()).await.unwrap(), Settled::Done);
    }
}

pub async fn what_was_claimed_too_often_becomes_a_dead_letter(ground: Ground) {
    let client = ground.client().await;
    for (number, layout) in LAYOUTS.into_iter().enumerate() {
        let queue = WorkQueue::new(&client, &format!("/work/poison-{number}")).unwrap().layout(layout).divert_after(2);
        for data in ["poison", "fine"] {
            assert_eq!(queue.put(data.as_bytes()).await.unwrap(), Put::Done);
        }
        for count in 1..=2 {
            let delivery = soon(queue.take()).await.unwrap();
            assert_eq!((text(&delivery), delivery.count()), ("poison".into(), Some(count)));
            soon(delivery.nack()).await.unwrap();
        }

        let next = soon(queue.take()).await.unwrap();
        assert_eq!((text(&next), next.count()), ("fine".into(), Some(1)), "{layout:?}");
        assert_eq!(queue.len().await.unwrap(), 1);
        let dead = soon(queue.dead_letters().take()).await.unwrap();
        assert_eq!((text(&dead), dead.count()), ("poison".into(), None));
        assert_eq!(soon(dead.ack()).await.unwrap(), Settled::Done);
        assert_eq!(soon(next.ack()).await.unwrap(), Settled::Done);
    }
}

pub async fn work_is_called_off_by_its_id_unless_somebody_does_it(ground: Ground) {
    let client = ground.client().await;
    let queue = IdQueue::new(&client, "/work/ids").unwrap();
    for (id, data) in [("a", "one"), ("b", "two"), ("a", "three")] {
        assert_eq!(queue.put(id, data.as_bytes()).await.unwrap(), Put::Done);
    }
    let first = soon(queue.take()).await.unwrap();
    assert_eq!((text(&first), first.item().key()), ("one".into(), Some("a")));

    assert_eq!(soon(queue.remove("a")).await.unwrap(), 1, "the other one is in work");
    assert_eq!(soon(queue.remove("none")).await.unwrap(), 0);
    assert_eq!(soon(first.requeue_at_tail()).await.unwrap(), Settled::Done);

    for (id, expected) in [("b", "two"), ("a", "one")] {
        let delivery = soon(queue.take()).await.unwrap();
        assert_eq!((text(&delivery), delivery.item().key()), (expected.into(), Some(id)), "it keeps its id");
        assert_eq!(soon(delivery.ack()).await.unwrap(), Settled::Done);
    }
    assert!(queue.is_empty().await.unwrap());
}

pub async fn what_a_worker_writes_is_refused_when_his_claim_is_lost(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    client.create("/result", b"").await.unwrap();
    let queue = filled(&client, "/work/result", &["one"]).await;
    let delivery = soon(queue.take()).await.unwrap();
    delivery.transaction().set_data("/result", b"half", None).await.unwrap();
    other.delete(delivery.claim()).await.unwrap();

    let refused = delivery.transaction().set_data("/result", b"all", None).await;
    assert_eq!(refused.unwrap_err().code(), Some(ErrorCode::NoNode));
    assert_eq!(client.get_data("/result").await.unwrap().0, "half");
}

pub async fn whichever_reply_is_lost_work_is_delivered_and_settled_once(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, number| {
        let path = format!("{path}/work");
        let mut queue = WorkQueue::new(&client, &path).unwrap().layout(LAYOUTS[number % LAYOUTS.len()]).exact();
        if number % 3 == 0 {
            queue = queue.divert_after(5);
        }
        for data in ["one", "two"] {
            assert_eq!(soon(queue.put(data.as_bytes())).await.unwrap(), Put::Done);
        }
        let one = soon(queue.take()).await.unwrap();
        let two = soon(queue.take()).await.unwrap();
        assert_eq!((text(&one), text(&two)), ("one".into(), "two".into()));
        assert_eq!(soon(one.requeue_at_tail()).await.unwrap(), Settled::Done);
        assert_eq!(soon(two.ack()).await.unwrap(), Settled::Done);
        let one = soon(queue.take()).await.unwrap();
        soon(one.nack()).await.unwrap();
        let one = soon(queue.take()).await.unwrap();
        assert_eq!(text(&one), "one");
        assert_eq!(soon(one.ack()).await.unwrap(), Settled::Done);
        assert_eq!(queue.len().await.unwrap(), 0);
        assert!(soon(queue.try_take()).await.unwrap().is_none());
        for claims in [format!("{path}/taken"), format!("{path}-claims"), format!("{path}-receipts")] {
            while witness.exists(&claims).await.unwrap().is_some_and(|stat| stat.num_children > 0) {}
        }
    })
    .await;
}
