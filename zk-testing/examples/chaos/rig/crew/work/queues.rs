//! Queues: of what is gone when it is taken, and of work.

use std::sync::Arc;
use std::time::Duration;

use zk_proto::{
    client::Error,
    recipes::{Delivery, Put, Queue, Settled, Taken, WhenFull, WorkQueue},
};
use zk_testing::sim::Dice;

use super::Actor;
use crate::rig::crew::actor::{Phase, value};
use crate::rig::history::{Call, Outcome, Seen};
use crate::rig::{FIFO, WORK};

/// How many entries a queue may have, more or less.
const FULL: usize = 1_000;
/// How long to wait for an entry; at the end, everything is taken out when nothing comes for so long.
const PATIENCE: Duration = Duration::from_secs(3);

/// Puts into both queues.
pub(super) async fn put(actor: Arc<Actor>, mut dice: Dice) {
    let (Ok(fifo), Ok(work)) = (Queue::new(&actor.client, FIFO), WorkQueue::new(&actor.client, WORK)) else { return };
    let (fifo, work) = (exact(&actor, fifo).limit(FULL, WhenFull::Refuse), work.limit(FULL, WhenFull::Refuse));
    while actor.session().await.is_some() {
        let (id, data) = actor.next();
        let seen = |put: &Put| match put {
            Put::Done => Outcome::Done(Seen::Nothing),
            Put::Full => Outcome::Refused("full".to_owned()),
            _ => Outcome::Unknown("the link broke".to_owned()),
        };
        if dice.once_in(2) {
            let call = Call::Put { queue: FIFO.to_owned() };
            _ = actor.does(id, None, call, fifo.put(data.as_bytes()), seen).await;
        } else {
            let call = Call::Put { queue: WORK.to_owned() };
            _ = actor.does(id, None, call, work.put(data.as_bytes()), seen).await;
        }
        actor.pause(dice.millis(100, 900)).await;
    }
}

/// Takes out of the queue whose items are gone then.
pub(super) async fn take(actor: Arc<Actor>, mut dice: Dice) {
    let Ok(queue) = Queue::new(&actor.client, FIFO) else { return };
    let queue = exact(&actor, queue).among(4);
    loop {
        let (id, _) = actor.next();
        let seen = |taken: &Option<Taken>| match taken {
            Some(taken) => {
                let (item, is_certain) = (value(&taken.clone().into_item().data()), taken.is_certain());
                Outcome::Done(Seen::Item { item, is_certain })
            }
            None => Outcome::Refused("nothing there".to_owned()),
        };
        let call = Call::Take { queue: FIFO.to_owned() };
        let taken = actor.does(id, None, call, queue.take_timeout(PATIENCE), seen).await;
        if is_enough(&actor, taken.map(|taken| taken.is_some())) {
            return;
        }
        actor.pause(dice.millis(1, 200)).await;
    }
}

/// Works on items, and says so when they are done; or not.
pub(super) async fn work(actor: Arc<Actor>, mut dice: Dice) {
    let Ok(queue) = WorkQueue::new(&actor.client, WORK) else { return };
    let queue = queue.among(4);
    loop {
        let (id, _) = actor.next();
        let item_of = |delivery: &Delivery| value(&delivery.item().data());
        let seen = |delivery: &Option<Delivery>| match delivery {
            Some(delivery) => Outcome::Done(Seen::Item { item: item_of(delivery), is_certain: true }),
            None => Outcome::Refused("nothing there".to_owned()),
        };
        let call = Call::Take { queue: WORK.to_owned() };
        let taken = actor.does(id, None, call, queue.take_timeout(PATIENCE), seen).await;
        let found = taken.as_ref().map(Option::is_some).map_err(Clone::clone);
        if let Ok(Some(delivery)) = taken {
            actor.pause(dice.millis(1, 60)).await;
            if dice.once_in(8) {
                if dice.once_in(2) {
                    _ = delivery.nack().await;
                }
            } else {
                settle(&actor, delivery).await;
            }
        }
        if is_enough(&actor, found) {
            return;
        }
        actor.pause(dice.millis(1, 200)).await;
    }
}

async fn settle(actor: &Actor, delivery: Delivery) {
    let (id, _) = actor.next();
    let item = value(&delivery.item().data());
    let call = Call::Ack { queue: WORK.to_owned(), item };
    let seen = |settled: &Settled| match settled {
        Settled::Done => Outcome::Done(Seen::Nothing),
        Settled::ClaimLost => Outcome::Refused("the claim is lost".to_owned()),
        Settled::Gone => Outcome::Refused("gone".to_owned()),
        _ => Outcome::Unknown("the session ended".to_owned()),
    };
    if let Ok(Settled::Gone) = actor.does(id, None, call, delivery.ack(), seen).await {
        actor.wrong(format!("item {item} is gone, and was claimed"));
    }
}

/// Lets every other client leave receipts, which the others need not know of.
fn exact(actor: &Actor, queue: Queue) -> Queue {
    if actor.who % 2 == 0 { queue.exact() } else { queue }
}

/// Returns whether there is nothing left to take, or nobody to take it.
fn is_enough(actor: &Actor, found: Result<bool, Error>) -> bool {
    match found {
        Ok(found) => actor.phase() >= Phase::Rest && !found,
        Err(Error::Ended { .. }) => actor.is_over(),
        Err(error) => {
            actor.wrong(format!("nothing can be taken: {error}"));
            actor.phase() >= Phase::Rest
        }
    }
}
