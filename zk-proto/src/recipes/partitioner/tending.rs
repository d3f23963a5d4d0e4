//! The background's side: one that follows the members, and one for each partition that goes for its lock.

use core::time::Duration;
use std::{pin::pin, sync::Arc};

use super::{
    super::{
        ChildrenCache, Lock,
        cache::ChildrenView,
        cell::Cell,
        kept::{KeptState, Observer},
        session::leaving,
        together::{Either, either},
    },
    ShareState,
    desk::{Acquired, Back, Desk, Ending},
    division::divide,
};
use crate::{
    broken::broken,
    client::{Background, Client, Error},
};

/// The pauses after refusals: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// What it takes to follow who is there, and to compute what is to be had.
pub(super) struct Following {
    /// Where the members are.
    pub(super) group: String,
    pub(super) id: String,
    /// What members have as their data who divide the same set.
    pub(super) fingerprint: String,
    pub(super) partitions: Arc<[Arc<str>]>,
    pub(super) settle: Duration,
    pub(super) membership: Observer,
    pub(super) desk: Desk,
}

/// Says that the client is over, whatever the way.
struct Over(Desk);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end(Ending::Over);
    }
}

/// Follows who is there, and computes what is to be had, until the share is left or the client is over.
pub(super) async fn follow(client: Background, following: Following) {
    let over = Over(following.desk.clone());
    let Ok(cache) = ChildrenCache::new(&client, &following.group) else { return };
    let (left, closing) = (pin!(over.0.ended()), pin!(leaving(&client)));
    either(pin!(either(left, closing)), pin!(following.run(&cache))).await;
}

impl Following {
    async fn run(&self, cache: &ChildrenCache) {
        while let Ok(view) = cache.settled(self.settle).await {
            let membership = self.membership.state();
            self.desk.set(|state| {
                self.judge(&view, &membership, state);
                state.refusal = view.troubles().next().map(|(_, error)| error.clone());
            });
            // The cache's errors come again when it is asked to settle.
            either(pin!(cache.changed(&view)), pin!(self.membership.changed(&membership))).await;
        }
    }

    /// Says what is to be had, when these are there.
    fn judge(&self, view: &ChildrenView, membership: &KeptState, state: &mut ShareState) {
        let (same, others): (Vec<_>, Vec<_>) = view.iter().partition(|(_, node)| {
            node.data == self.fingerprint || broken!("partitions: divides among those too who divide something else")
        });
        let ids = |nodes: Vec<(&str, _)>| nodes.into_iter().map(|(id, _)| Arc::from(id)).collect::<Arc<[Arc<str>]>>();
        (state.members, state.dissenters) = (ids(same), ids(others));
        let place = state.members.iter().position(|id| **id == *self.id);
        match (membership, place) {
            (KeptState::Present(_), Some(place)) => state.due = self.due(&state.members, place),
            (KeptState::Blocked { .. }, Some(place)) if broken!("partitions: takes another's id for its own") => {
                state.due = self.due(&state.members, place);
            }
            // It is about to join again, and goes on until it has or cannot.
            (KeptState::Present(_) | KeptState::Pending, _) => {}
            (KeptState::Blocked { .. } | KeptState::Failed(_) | KeptState::Ended, _) => state.due = Arc::new([]),
        }
    }

    fn due(&self, members: &[Arc<str>], place: usize) -> Arc<[Arc<str>]> {
        let owners = divide(&self.partitions, members);
        let own = self.partitions.iter().zip(owners).filter(|(_, owner)| *owner == place);
        own.map(|(name, _)| name.clone()).collect()
    }
}

/// Acquires a partition whenever it is to be had, and waits until it was released.
pub(super) async fn tend(client: Background, lock: Lock, partition: Arc<str>, desk: Desk) {
    let tending = pin!(acquire_again_and_again(&client, &lock, &partition, &desk));
    either(pin!(leaving(&client)), tending).await;
}

async fn acquire_again_and_again(client: &Client, lock: &Lock, partition: &Arc<str>, desk: &Desk) {
    let mut pause = PAUSES[0];
    while desk.wanted(partition).await.is_ok() {
        let unwanted = async {
            let end = desk.unwanted(partition).await;
            if end.is_none() && broken!("partitions: stays in line for what is to be another's") {
                desk.ended().await;
            }
        };
        let held = match either(pin!(unwanted), pin!(lock.acquire())).await {
            Either::First(()) => continue,
            Either::Second(Ok(held)) => held,
            Either::Second(Err(Error::Ended { .. })) => return,
            Either::Second(Err(error)) => {
                desk.refuse(error);
                if client.sleep(pause).await.is_err() {
                    return;
                }
                pause = (pause * 2).min(PAUSES[1]);
                continue;
            }
        };
        pause = PAUSES[0];
        let back = Cell::new(false);
        desk.offer(partition.clone(), Acquired { held, back: Back(back.clone()) });
        // Not until it is lost: who has lost it may still be at work on it.
        let unwanted = either(pin!(back.find(|is_back| is_back.then_some(()))), pin!(desk.unwanted(partition))).await;
        if let Either::Second(_) = unwanted {
            // Who has not heard of it yet need not be asked.
            desk.withdraw(partition);
            back.find(|is_back| is_back.then_some(())).await;
        }
    }
}
