//! Queues: Curator's `SimpleDistributedQueue`, `DistributedQueue` and its like; kazoo's `Queue`.

mod work;

use std::time::{Duration, SystemTime};

use zk_blocking::recipes::{DelayQueue, PriorityLayout, PriorityQueue, Put, Queue, QueueLayout, Taken};

use crate::{
    ground::Ground,
    ours::{Doing, soon},
};

/// Returns the text of what was taken.
#[track_caller]
fn text(taken: Taken) -> String {
    assert!(taken.is_certain(), "{taken:?}");
    String::from_utf8(taken.into_item().data().to_vec()).unwrap()
}

#[test]
fn a_simple_queue_is_filled_and_emptied_by_either_side() {
    let ground = Ground::new();
    let client = ground.ours();
    let curator = ground.curator();
    let queue = Queue::new(&client, "/queue").unwrap().layout(QueueLayout::Simple);
    assert_eq!(soon(queue.put(b"one")).unwrap(), Put::Done);
    curator.ask("simple offer /queue two");
    assert_eq!(soon(queue.put(b"three")).unwrap(), Put::Done);
    curator.ask("simple offer /queue four");
    assert_eq!(curator.ask("simple peek /queue"), "one");
    assert_eq!(soon(queue.peek()).unwrap().unwrap().data(), "one");

    assert_eq!(curator.ask("simple take /queue"), "one");
    assert_eq!(text(soon(queue.take()).unwrap()), "two");
    assert_eq!(text(soon(queue.take()).unwrap()), "three");
    assert_eq!(curator.ask("simple poll /queue"), "four");
    assert_eq!(curator.ask("simple poll /queue"), "");
    assert!(soon(queue.try_take()).unwrap().is_none());

    let waiting = curator.begin("simple take /queue");
    waiting.waits();
    assert_eq!(soon(queue.put(b"five")).unwrap(), Put::Done);
    assert_eq!(waiting.answer(), "five");
    let own = queue.clone();
    let mut waiting = Doing::new(&client, async move { own.take().await.unwrap() });
    waiting.waits();
    curator.ask("simple offer /queue six");
    assert_eq!(text(waiting.done()), "six");
}

#[test]
fn each_item_is_taken_by_one_of_many() {
    const ITEMS: usize = 60;
    let ground = Ground::new();
    let client = ground.ours();
    let (one, two) = (ground.curator(), ground.curator());
    let queue = Queue::new(&client, "/queue").unwrap().layout(QueueLayout::Simple);
    for item in 0..ITEMS {
        assert_eq!(soon(queue.put(item.to_string().as_bytes())).unwrap(), Put::Done);
    }
    let theirs: Vec<_> =
        (0..ITEMS).flat_map(|_| [one.begin("simple poll /queue"), two.begin("simple poll /queue")]).collect();
    let mut taken = Vec::new();
    while let Some(item) = soon(queue.try_take()).unwrap() {
        taken.push(text(item));
    }
    taken.extend(theirs.into_iter().map(|theirs| theirs.answer()).filter(|item| !item.is_empty()));
    let mut taken: Vec<usize> = taken.iter().map(|item| item.parse().unwrap()).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..ITEMS).collect::<Vec<_>>());
}

#[test]
fn a_queue_of_kazoos_is_filled_and_emptied_by_either_side() {
    let ground = Ground::new();
    let client = ground.ours();
    let kazoo = ground.kazoo();
    let queue = Queue::new(&client, "/queue").unwrap().layout(QueueLayout::Kazoo);
    let urgent = PriorityQueue::new(&client, "/queue").unwrap().layout(PriorityLayout::Kazoo);
    assert_eq!(soon(queue.put(b"one")).unwrap(), Put::Done);
    kazoo.ask("queue put /queue two");
    kazoo.ask("queue put /queue urgent 5");
    assert_eq!(soon(urgent.put(6, b"less urgent")).unwrap(), Put::Done);
    assert_eq!(soon(urgent.put(0, b"fire")).unwrap(), Put::Done);
    assert_eq!(kazoo.ask("queue length /queue"), "5");

    assert_eq!(kazoo.ask("queue get /queue"), "fire");
    let first = soon(urgent.take()).unwrap().into_item();
    assert_eq!((first.data().as_ref(), first.priority()), (&b"urgent"[..], Some(5)));
    assert_eq!(text(soon(queue.take()).unwrap()), "less urgent");
    assert_eq!(text(soon(queue.take()).unwrap()), "one");
    assert_eq!(kazoo.ask("queue get /queue"), "two");
    assert_eq!(kazoo.ask("queue get /queue"), "");

    let mut waiting = Doing::new(&client, async move { queue.take().await.unwrap() });
    waiting.waits();
    kazoo.ask("queue put /queue three");
    assert_eq!(text(waiting.done()), "three");
}

#[test]
fn a_queue_of_curators_is_filled_and_emptied_by_either_side() {
    let ground = Ground::new();
    let client = ground.ours();
    let (putter, taker) = (ground.curator(), ground.curator());
    let queue = Queue::new(&client, "/queue").unwrap().layout(QueueLayout::Curator);
    putter.ask("queue open /queue");
    putter.ask("queue put /queue one");
    assert_eq!(soon(queue.put(b"two")).unwrap(), Put::Done);
    assert_eq!(text(soon(queue.take()).unwrap()), "one");
    taker.ask("queue consume /queue");
    assert_eq!(taker.ask("queue next /queue"), "two");
    taker.ask("queue done /queue");

    assert_eq!(soon(queue.put(b"three")).unwrap(), Put::Done);
    assert_eq!(taker.ask("queue next /queue"), "three");
    // It works on that, and takes nothing else meanwhile.
    putter.ask("queue put /queue four");
    assert_eq!(text(soon(queue.take()).unwrap()), "four");
    taker.ask("queue done /queue");
}

#[test]
fn priorities_of_curators_are_understood_by_either_side() {
    let ground = Ground::new();
    let client = ground.ours();
    let (putter, taker) = (ground.curator(), ground.curator());
    let queue = PriorityQueue::new(&client, "/queue").unwrap().layout(PriorityLayout::Curator);
    putter.ask("priority open /queue");
    for (priority, by_ours) in [(5, true), (-1, false), (i32::MIN, true), (1000, false), (0, true), (-300, true)] {
        match by_ours {
            true => assert_eq!(soon(queue.put(priority, priority.to_string().as_bytes())).unwrap(), Put::Done),
            false => _ = putter.ask(&format!("priority put /queue {priority} {priority}")),
        }
    }
    for priority in [i32::MIN, -300, -1] {
        let item = soon(queue.take()).unwrap().into_item();
        assert_eq!((item.data(), item.priority()), (priority.to_string().into(), Some(priority)));
    }
    taker.ask("priority consume /queue");
    for priority in ["0", "5", "1000"] {
        assert_eq!(taker.ask("priority next /queue"), priority);
        taker.ask("priority done /queue");
    }
}

#[test]
fn items_are_delayed_for_either_side() {
    let ground = Ground::new();
    let client = ground.ours();
    let (putter, taker) = (ground.curator(), ground.curator());
    let now = SystemTime::now();
    let millis = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let (past, soon_due, late) =
        (now - Duration::from_secs(9), now + Duration::from_millis(300), now + Duration::from_secs(3_600));
    let queue = DelayQueue::new(&client, "/queue", SystemTime::now).unwrap();
    putter.ask("delay open /queue");
    putter.ask(&format!("delay put /queue late {}", millis(late)));
    assert!(soon(queue.try_take()).unwrap().is_none());
    putter.ask(&format!("delay put /queue soon {}", millis(soon_due)));
    assert_eq!(text(soon(queue.take()).unwrap()), "soon");
    assert!(SystemTime::now() >= soon_due - Duration::from_millis(1));
    putter.ask(&format!("delay put /queue past {}", millis(past)));
    assert_eq!(text(soon(queue.take()).unwrap()), "past");

    let due = SystemTime::now() + Duration::from_millis(300);
    assert_eq!(soon(queue.put(due, b"ours")).unwrap(), Put::Done);
    taker.ask("delay consume /queue");
    assert_eq!(taker.ask("delay next /queue"), "ours");
    assert!(SystemTime::now() >= due - Duration::from_millis(1));
    taker.ask("delay done /queue");
}
