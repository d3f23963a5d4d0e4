//! Queues of which an item is gone once it is taken.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use zk_proto::{
    code::ErrorCode,
    recipes::{DelayQueue, PriorityLayout, PriorityQueue, Put, Queue, QueueLayout, Taken, WhenFull, delete_recursive},
    record::Acl,
    session::State,
};

use crate::conformance::{Ground, code, eventually, is_suspended, losing_replies, names, reach, soon};

const LAYOUTS: [QueueLayout; 4] = [QueueLayout::Native, QueueLayout::Simple, QueueLayout::Kazoo, QueueLayout::Curator];

fn text(taken: Taken) -> String {
    assert!(taken.is_certain(), "{taken:?}");
    String::from_utf8(taken.into_item().data().to_vec()).unwrap()
}

pub async fn items_are_taken_in_the_order_in_which_they_were_put(ground: Ground) {
    let client = ground.client().await;
    for (number, layout) in LAYOUTS.into_iter().enumerate() {
        let queue = Queue::new(&client, &format!("/queues/order-{number}")).unwrap().layout(layout);
        assert_eq!(soon(queue.try_take()).await.unwrap(), None, "there is not even a node");
        assert_eq!((queue.len().await.unwrap(), queue.peek().await.unwrap()), (0, None));

        for data in ["one", "two", "three"] {
            assert_eq!(soon(queue.put(data.as_bytes())).await.unwrap(), Put::Done);
        }
        client.create(&format!("{}/stranger", queue.path()), b"not an item").await.unwrap();
        assert_eq!(queue.len().await.unwrap(), 4, "the server counts everything");
        assert_eq!(queue.peek().await.unwrap().expect("it is not empty").data(), "one");

        assert_eq!(text(soon(queue.take()).await.unwrap()), "one");
        assert_eq!(text(soon(queue.try_take()).await.unwrap().expect("there are two left")), "two");
        let limit = Duration::from_secs(30);
        assert_eq!(text(soon(queue.take_timeout(limit)).await.unwrap().expect("there is one left")), "three");
        assert_eq!(soon(queue.try_take()).await.unwrap(), None, "{layout:?}");
    }
}

pub async fn entries_are_named_and_filled_as_other_clients_do_it(ground: Ground) {
    let client = ground.client().await;
    let framed = &b"\x00\x01\x00\x01\x01\x00\x00\x00\x05hello\x02"[..];
    let table = [
        (QueueLayout::Simple, "qn-0000000000", &b"hello"[..]),
        (QueueLayout::Kazoo, "entry-100-0000000000", b"hello"),
        (QueueLayout::Curator, "queue-0000000000", framed),
    ];
    for (number, (layout, name, data)) in table.into_iter().enumerate() {
        let path = format!("/queues/names-{number}");
        let queue = Queue::new(&client, &path).unwrap().layout(layout);
        assert_eq!(queue.put(b"hello").await.unwrap(), Put::Done);
        assert_eq!(names(&client, &path).await, [name]);
        assert_eq!(client.get_data(&format!("{path}/{name}")).await.unwrap().0, data);
        assert_eq!(text(queue.take().await.unwrap()), "hello");
    }
    let priorities = PriorityQueue::new(&client, "/queues/names-priority").unwrap();
    for (layout, priority) in [(PriorityLayout::Curator, 5), (PriorityLayout::Curator, -1), (PriorityLayout::Kazoo, 5)]
    {
        assert_eq!(priorities.clone().layout(layout).put(priority, b"").await.unwrap(), Put::Done);
    }
    let expected = ["entry-005-0000000002", "queue-0FFFFFFFF0000000001", "queue-1000000050000000000"];
    assert_eq!(names(&client, "/queues/names-priority").await, expected);
}

pub async fn several_items_in_one_entry_of_curators_are_taken_together(ground: Ground) {
    let client = ground.client().await;
    client.create("/several", b"").await.unwrap();
    let two = &b"\x00\x01\x00\x01\x01\x00\x00\x00\x01a\x01\x00\x00\x00\x01b\x02"[..];
    client.create("/several/queue-", two).sequential().await.unwrap();
    client.create("/several/queue-", b"not in frames").sequential().await.unwrap();
    let queue = Queue::new(&client, "/several").unwrap().layout(QueueLayout::Curator);

    let item = queue.take().await.unwrap().into_item();
    assert_eq!((item.parts(), item.data()), (&["a".into(), "b".into()][..], "a".into()));
    assert_eq!(text(queue.take().await.unwrap()), "not in frames");
}

pub async fn whatever_data_an_item_has_it_is_taken(ground: Ground) {
    let client = ground.client().await;
    for (number, layout) in LAYOUTS.into_iter().enumerate() {
        let queue = Queue::new(&client, &format!("/queues/data-{number}")).unwrap().layout(layout);
        for data in [&b""[..], b"\xff\x00\x02", &[7; 100_000]] {
            assert_eq!(soon(queue.put(data)).await.unwrap(), Put::Done);
            assert_eq!(soon(queue.take()).await.unwrap().into_item().data(), data, "{layout:?}");
        }
    }

    let curator = Queue::new(&client, "/queues/poison").unwrap().layout(QueueLayout::Curator);
    client.create("/queues/poison", b"").await.unwrap();
    let poison = [
        &b""[..],
        b"\x00\x01\x00\x01",                              // no end
        b"\x00\x01\x00\x01\x01\x7f\xff\xff\xffshort\x02", // longer than there is
        b"\x00\x01\x00\x01\x01\xff\xff\xff\xff\x02",      // of negative length
        b"\x00\x01\x00\x09\x02",                          // another version
    ];
    for data in poison {
        client.create("/queues/poison/queue-", data).sequential().await.unwrap();
        let item = soon(curator.take()).await.unwrap().into_item();
        assert_eq!((item.data(), item.parts().len()), (data.into(), 1));
    }

    let first = client.create("/queues/poison/queue-", b"").sequential().await.unwrap().0;
    client.create(&format!("{first}/child"), b"").await.unwrap();
    assert_eq!(code(soon(curator.take()).await), ErrorCode::NotEmpty, "it is in the way, and that is told");
    client.delete(&format!("{first}/child")).await.unwrap();
    assert_eq!(soon(curator.take()).await.unwrap().into_item().path(), first);
}

pub async fn who_waits_takes_what_is_put_and_all_items_are_taken_once(ground: Ground) {
    let putter = ground.client().await;
    let queue = Queue::new(&putter, "/queues/wait").unwrap();
    let mut takers = Vec::new();
    for number in 0..4 {
        let client = ground.client().await;
        let mut mine = Queue::new(&client, "/queues/wait").unwrap();
        mine = match number {
            0 => mine.exact(),
            1 => mine.among(3),
            _ => mine.in_turn(),
        };
        takers.push(ground.spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..5 {
                taken.push(text(mine.take().await.unwrap()));
            }
            taken
        }));
    }
    for number in 0..20 {
        assert_eq!(soon(queue.put(format!("{number:02}").as_bytes())).await.unwrap(), Put::Done);
    }

    let mut all = Vec::new();
    for taker in takers {
        all.extend(soon(taker).await);
    }
    all.sort();
    assert_eq!(all, (0..20).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    assert_eq!(queue.len().await.unwrap(), 0);
}

pub async fn who_gives_up_waiting_takes_nothing(ground: Ground) {
    let client = ground.client().await;
    let queue = Queue::new(&client, "/queues/give-up").unwrap();
    assert_eq!(soon(queue.take_timeout(Duration::from_millis(50))).await.unwrap(), None);
    {
        let mut waiting = pin!(queue.take());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        soon(client.sync("/")).await.unwrap();
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(queue.put(b"late").await.unwrap(), Put::Done);
    assert_eq!(text(soon(queue.take()).await.unwrap()), "late");
}

pub async fn who_waits_goes_on_when_the_queue_itself_is_deleted(ground: Ground) {
    let client = ground.client().await;
    let queue = Queue::new(&client, "/queues/vanishing").unwrap().layout(QueueLayout::Simple);
    let waiting = ground.spawn({
        let queue = queue.clone();
        async move { queue.take().await.unwrap() }
    });
    // As the server does with an empty container.
    while client.delete("/queues/vanishing").await.is_err() {}
    assert_eq!(soon(queue.put(b"after all")).await.unwrap(), Put::Done);
    assert_eq!(text(soon(waiting).await), "after all");
}

pub async fn who_waits_goes_on_after_an_outage_longer_than_the_session(ground: Ground) {
    let line = ground.line();
    let putter = ground.client().await;
    let client = ground.connect(&line.through).await;
    let queue = Queue::new(&client, "/queues/outage").unwrap();
    let waiting = ground.spawn(async move { queue.take().await.unwrap() });
    while putter.exists("/queues/outage").await.unwrap().is_none() {}
    let mut states = client.states();

    line.expire(&client).await;
    reach(&mut states, is_suspended).await;
    assert_eq!(Queue::new(&putter, "/queues/outage").unwrap().put(b"meanwhile").await.unwrap(), Put::Done);
    line.mend();

    assert_eq!(text(soon(waiting).await), "meanwhile");
    reach(&mut states, |state| matches!(state, State::Connected { resumed: false, .. })).await;
}

pub async fn what_was_read_in_one_session_is_not_taken_in_the_next(ground: Ground) {
    let line = ground.line();
    let (client, other) = (ground.connect(&line.through).await, ground.client().await);
    for (number, layout) in LAYOUTS.into_iter().enumerate() {
        // It is listed in the session that ends, or read as well.
        for replies in [1, 2] {
            let path = format!("/queues/next-{number}-{replies}");
            let [ours, theirs] = [&client, &other].map(|client| Queue::new(client, &path).unwrap().layout(layout));
            assert_eq!(soon(theirs.put(b"one")).await.unwrap(), Put::Done);
            let mut taking = pin!(ours.try_take());
            for _ in 0..replies {
                assert!(taking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                // Answered behind what was asked before.
                soon(client.exists(&path)).await.unwrap();
            }

            let session = client.session();
            line.expire(&client).await;
            assert_eq!(text(soon(theirs.take()).await.unwrap()), "one");
            // So that names come again.
            soon(delete_recursive(&other, &path)).await.unwrap();
            assert_eq!(soon(theirs.put(b"two")).await.unwrap(), Put::Done);
            line.mend();
            eventually(|| client.session().is_some_and(|now| Some(now) != session)).await;

            assert_eq!(text(soon(taking).await.unwrap().expect("there is one")), "two", "{layout:?}");
            assert_eq!(soon(theirs.try_take()).await.unwrap(), None, "{layout:?}");
        }
    }
}

pub async fn a_full_queue_refuses_or_lets_wait(ground: Ground) {
    let client = ground.client().await;
    let queue = Queue::new(&client, "/queues/full").unwrap();
    let refusing = queue.clone().limit(2, WhenFull::Refuse);
    for _ in 0..2 {
        assert_eq!(refusing.put(b"in").await.unwrap(), Put::Done);
    }
    assert_eq!(refusing.put(b"out").await.unwrap(), Put::Full);
    let waiting = ground.spawn({
        let queue = queue.clone().limit(2, WhenFull::Wait);
        async move { queue.put(b"in the end").await.unwrap() }
    });

    assert_eq!(text(queue.take().await.unwrap()), "in");

    assert_eq!(soon(waiting).await, Put::Done);
    assert_eq!(queue.len().await.unwrap(), 2);
}

pub async fn something_urgent_overtakes_and_equals_keep_their_order(ground: Ground) {
    let client = ground.client().await;
    for (number, layout) in
        [PriorityLayout::Native, PriorityLayout::Curator, PriorityLayout::Kazoo].into_iter().enumerate()
    {
        let queue = PriorityQueue::new(&client, &format!("/queues/urgent-{number}")).unwrap().layout(layout);
        for (priority, data) in [(7, "c"), (5, "a"), (5, "b")] {
            assert_eq!(queue.put(priority, data.as_bytes()).await.unwrap(), Put::Done);
        }
        let first = queue.take().await.unwrap().into_item();
        assert_eq!((first.data(), first.priority()), ("a".into(), Some(5)));
        assert_eq!(queue.put(0, b"fire").await.unwrap(), Put::Done);
        for expected in ["fire", "b", "c"] {
            assert_eq!(text(queue.take().await.unwrap()), expected, "{layout:?}");
        }
    }
}

pub async fn nothing_is_taken_before_its_time_and_something_earlier_shortens_the_wait(ground: Ground) {
    let client = ground.client().await;
    let now = Arc::new(AtomicU64::new(1_000));
    let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    let clock = now.clone();
    let queue = DelayQueue::new(&client, "/queues/delay", move || at(clock.load(Ordering::Relaxed))).unwrap();
    assert_eq!(queue.put(at(3_600_000), b"in an hour").await.unwrap(), Put::Done);
    assert_eq!(names(&client, "/queues/delay").await, ["queue-|0036EE80|0000000000"]);
    assert_eq!(queue.try_take().await.unwrap(), None);
    assert_eq!(queue.peek().await.unwrap().expect("it is there").data(), "in an hour");

    let waiting = ground.spawn({
        let queue = queue.clone();
        async move { queue.take().await.unwrap() }
    });
    assert_eq!(queue.put(at(1_020), b"at once").await.unwrap(), Put::Done);
    now.store(1_020, Ordering::Relaxed);
    assert_eq!(text(soon(waiting).await), "at once");

    now.store(3_600_000, Ordering::Relaxed);
    assert_eq!(text(soon(queue.take()).await.unwrap()), "in an hour");
}

pub async fn a_number_that_an_entry_has_already_is_passed_over(ground: Ground) {
    let client = ground.client().await;
    client.create("/numbered", b"").await.unwrap();
    // As if they had been put back into a queue that was cleared away meanwhile: the server counts what is made, and comes to them.
    for path in ["/numbered/queue-0000000002", "/numbered/queue-0000000003"] {
        client.create(path, b"\0\x01\0\x01\x01\0\0\0\x03old\x02").await.unwrap();
    }
    let queue = Queue::new(&client, "/numbered").unwrap().layout(QueueLayout::Curator);

    assert_eq!(soon(queue.put(b"new")).await.unwrap(), Put::Done);
    assert_eq!(soon(queue.put(b"newer")).await.unwrap(), Put::Done);

    let left = names(&client, "/numbered").await;
    assert_eq!(left.len(), 4, "{left:?}");
    for expected in ["old", "old", "new", "newer"] {
        assert_eq!(text(soon(queue.take()).await.unwrap()), expected);
    }
}

pub async fn an_item_whose_taker_is_gone_is_put_back_to_its_place(ground: Ground) {
    let (client, witness) = (ground.client().await, ground.client().await);
    let queue = Queue::new(&client, "/queues/back").unwrap().exact();
    let names_of = || async { names(&witness, "/queues/back").await };
    for data in ["one", "two"] {
        assert_eq!(queue.put(data.as_bytes()).await.unwrap(), Put::Done);
    }
    let before = names_of().await;
    // Dropped at each of its awaits, it leaves everything as it was.
    for polls in 0.. {
        let taken = {
            let mut taking = pin!(queue.take());
            let mut taken = None;
            for _ in 0..polls {
                if let Poll::Ready(item) = taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    taken = Some(item.unwrap());
                    break;
                }
                soon(client.sync("/")).await.unwrap();
            }
            taken
        };
        if let Some(taken) = taken {
            assert!(polls > 2, "it takes some steps");
            assert_eq!(text(taken), "one");
            break;
        }
        while names_of().await != before {}
    }
    assert_eq!(text(soon(queue.take()).await.unwrap()), "two");
}

pub async fn whichever_reply_is_lost_an_item_is_put_once_and_taken_once(ground: Ground) {
    let witness = ground.client().await;
    losing_replies(&ground, async |client, path, number| {
        let path = format!("{path}/queue");
        let layout = LAYOUTS[number % LAYOUTS.len()];
        let queue = Queue::new(&client, &path).unwrap().layout(layout).exact();
        for data in ["one", "two"] {
            assert_eq!(soon(queue.put(data.as_bytes())).await.unwrap(), Put::Done);
        }
        assert_eq!(Queue::new(&witness, &path).unwrap().len().await.unwrap(), 2);
        for data in ["one", "two"] {
            assert_eq!(text(soon(queue.take()).await.unwrap()), data);
        }
        assert_eq!(soon(queue.try_take()).await.unwrap(), None);
        let receipts = format!("{path}-receipts");
        while !names(&witness, &receipts).await.is_empty() {}
    })
    .await;
}

pub async fn whichever_reply_is_lost_what_is_not_known_is_said_to_be_unknown(ground: Ground) {
    losing_replies(&ground, async |client, path, number| {
        // The queue is there, so the first write is the put and the second one the take.
        let layout = if number % 2 == 0 { QueueLayout::Simple } else { QueueLayout::Native };
        let queue = Queue::new(&client, &path).unwrap().layout(layout);
        let put = soon(queue.put(b"data")).await.unwrap();
        // The first one's reply is lost in a layout that cannot tell, and found out in the one that can.
        assert_eq!(put, if number == 0 { Put::Unknown } else { Put::Done });
        let taken = soon(queue.take()).await.unwrap();
        assert_eq!((taken.is_certain(), taken.into_item().data()), (number != 1, "data".into()));
        assert_eq!(queue.len().await.unwrap(), 0);
    })
    .await;
}

pub async fn a_put_is_found_again_by_its_name_or_put_again_on_demand(ground: Ground) {
    losing_replies(&ground, async |client, path, number| {
        let native = Queue::new(&client, &path).unwrap();
        assert_eq!(soon(native.put(b"native")).await.unwrap(), Put::Done);
        assert_eq!(native.len().await.unwrap(), 1, "found, not put again");
        let simple = native.layout(QueueLayout::Simple).put_again();
        assert_eq!(soon(simple.put(b"simple")).await.unwrap(), Put::Done);
        assert_eq!(simple.len().await.unwrap(), if number == 1 { 3 } else { 2 });
    })
    .await;
}

pub async fn an_access_control_list_is_that_of_entries_and_of_what_is_above_them(ground: Ground) {
    let client = ground.client().await;
    let acl = Acl::read_only();
    let queue = Queue::new(&client, "/queue-with-acl").unwrap().acl(&acl);
    assert_eq!(code(queue.put(b"refused").await), ErrorCode::NoAuth, "what is above it is made with it");
    assert_eq!(client.get_acl("/queue-with-acl").await.unwrap().0, acl);
}
