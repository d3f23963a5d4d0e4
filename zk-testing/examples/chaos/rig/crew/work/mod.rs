//! What the clients do.

mod caches;
mod ephemerals;
mod locks;
mod numbered;
mod queues;
mod registers;
mod tree;
mod watches;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use zk_proto::session::State;
use zk_testing::sim::Dice;

use super::actor::{Actor, Phase};
use crate::rig::clock;
use crate::rig::history::Told;

pub(super) use caches::caches;

/// How many pieces of work a client has that read and write registers all the time.
pub(super) const REGISTER_TASKS: u32 = 3;

pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Returns all that a client does, but for following by caches.
pub(super) fn all(actor: &Arc<Actor>, dice: &mut Dice) -> Vec<Work> {
    let mut works: Vec<Work> = Vec::new();
    let mut dice = || Dice::new(dice.number());
    for _ in 0..REGISTER_TASKS {
        works.push(Box::pin(registers::read_and_write(actor.clone(), dice())));
    }
    works.push(Box::pin(watches::follow(actor.clone(), dice())));
    works.push(Box::pin(watches::once(actor.clone(), dice())));
    works.push(Box::pin(tree::grow_and_cut(actor.clone(), dice())));
    works.push(Box::pin(numbered::number(actor.clone(), dice())));
    works.push(Box::pin(ephemerals::come_and_go(actor.clone(), dice())));
    works.push(Box::pin(ephemerals::list(actor.clone(), dice())));
    works.push(Box::pin(locks::contend(actor.clone(), dice())));
    works.push(Box::pin(queues::put(actor.clone(), dice())));
    works.push(Box::pin(queues::take(actor.clone(), dice())));
    works.push(Box::pin(queues::work(actor.clone(), dice())));
    works
}

/// Tells what a client goes through, until it is over.
pub(super) async fn states(actor: Arc<Actor>) {
    let (mut states, mut last) = (actor.client.states(), None);
    while let Some(state) = states.next().await {
        let (at, who) = (clock::now(), actor.who);
        if let State::Connected { session, .. } = &state {
            if let Some(before) = last.replace(*session).filter(|before| before != session) {
                actor.told(Told::Over { who, at, session: before.0 });
            }
        }
        let name = match state {
            State::Connecting => "connecting",
            State::Connected { resumed: true, .. } => "resumed",
            State::Connected { resumed: false, .. } => "connected",
            State::Suspended { .. } => "suspended",
            State::PresumedLost => "presumed lost",
            State::Ended(_) => "ended",
        };
        actor.told(Told::State { who, at, state: name.to_owned() });
        if actor.phase() >= Phase::Leave {
            return;
        }
    }
}
