//! What may go to another thread.

use zk_proto::{
    Config, ConnectString, Credentials, Server, Session,
    client::{Background, Builder, Client, Driver, Error, Pending, Sleep, States, Watcher},
    metrics::Metrics,
    record::{Acl, Stat},
    session::{Event, State, WatchedEvent},
};

fn both<T: Send + Sync + 'static>() {}

fn sent<T: Send>(_: T) {}

#[test]
fn handles_and_values_may() {
    both::<Client>();
    both::<Background>();
    both::<Watcher>();
    both::<States>();
    both::<Sleep>();
    both::<Pending<Stat>>();
    both::<Builder>();
    both::<Event<u32, u32>>();
    both::<Error>();
    both::<State>();
    both::<WatchedEvent>();
    both::<Metrics>();
    both::<(Config, ConnectString, Credentials, Server, Acl, Stat)>();
}

#[test]
fn machines_may_be_given_to_another_thread() {
    // Not shared: a mechanism of SASL need not be.
    sent::<Option<Driver>>(None);
    sent::<Option<Session<u32>>>(None);
}

#[test]
fn whatever_is_awaited_may() {
    let client = |client: &Client| {
        sent(client.create("/a", b"").into_future());
        sent(client.get_data("/a").watch().into_future());
        sent(client.exists("/a").send());
        sent(client.multi().delete("/a", 0).into_future());
        sent(client.connected());
        sent(client.close());
        sent(client.timeout(std::time::Duration::ZERO, async {}));
    };
    let watcher = |watcher: &mut Watcher| sent(watcher.changed());
    let states = |states: &mut States| sent(states.next());
    _ = (client, watcher, states);
}

#[cfg(feature = "recipes")]
#[test]
fn recipes_and_what_is_held_may() {
    use zk_proto::recipes::{
        AtomicNumber, Barrier, Candidacy, ChildrenCache, Delivery, DoubleBarrier, Group, Held, HeldAll, IdQueue,
        Inside, Kept, KeptNode, LeaderLatch, LeaderObserver, Lease, Lock, Membership, MultiLock, NodeCache, Queue,
        RwLock, Semaphore, SharedCount, Taken, TreeCache, Update, WorkQueue, update,
    };

    both::<(Lock, Held, RwLock, Semaphore, Lease, MultiLock, HeldAll)>();
    both::<(LeaderLatch, LeaderObserver, Candidacy, Group, Membership, KeptNode, Kept)>();
    both::<(NodeCache, ChildrenCache, TreeCache, SharedCount, AtomicNumber, Update)>();
    both::<(Barrier, DoubleBarrier, Inside, Queue, IdQueue, Taken, WorkQueue, Delivery)>();
    let waits = |client: &Client, lock: &Lock, latch: &Candidacy, queue: &WorkQueue| {
        sent(lock.acquire());
        sent(latch.gained());
        sent(queue.take());
        sent(update(client, "/a", |_| zk_proto::recipes::Change::None));
    };
    _ = waits;
}
