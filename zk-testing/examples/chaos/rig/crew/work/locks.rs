//! Locks, and what they guard.

use std::sync::Arc;
use std::time::Duration;

use zk_proto::{
    client::Error,
    recipes::{Held, Lock, Loss, Tenure},
    request::OpResult,
};
use zk_testing::sim::Dice;

use super::Actor;
use crate::rig::LOCKS;
use crate::rig::clock;
use crate::rig::crew::actor::{LIMIT, mark, nodes};
use crate::rig::history::{Call, Outcome, Seen, Told};

/// How often to look for what is left, four times a second, until it is too much.
const LOOKS: usize = 40;

/// Acquires locks, writes what they guard, and gives them back in one way or another.
pub(super) async fn contend(actor: Arc<Actor>, mut dice: Dice) {
    while actor.session().await.is_some() {
        let (path, guarded) = dice.choose(&LOCKS);
        let Ok(lock) = Lock::new(&actor.client, path) else { return };
        let (id, _) = actor.next();
        let seen = |held: &Option<Held>| match held {
            Some(held) => Outcome::Done(Seen::Token(held.fencing_token().0)),
            None => Outcome::Refused("not had in time".to_owned()),
        };
        let limit = dice.millis(1_000, 10_000);
        let call = Call::Acquire { lock: path.to_owned() };
        let acquired = actor.does(id, None, call, lock.acquire_timeout(limit), seen).await;
        match acquired {
            Ok(Some(held)) => hold(&actor, path, guarded, held, &mut dice).await,
            Ok(None) => {}
            Err(Error::Ended { .. }) => return,
            Err(error) => actor.wrong(format!("{path} cannot be locked: {error}")),
        }
        if dice.once_in(2) {
            look_for_leavings(&actor).await;
        }
        actor.pause(dice.millis(5, 400)).await;
    }
}

/// Looks whether this client, which neither holds a lock now nor waits for one, still has a node in line: others would wait for it as
/// long as its session lives. What is deleted in the background gets some time, all of which the server answers.
async fn look_for_leavings(actor: &Actor) {
    let Some(session) = actor.session().await else { return };
    let mut left = Vec::new();
    for _ in 0..LOOKS {
        match actor.client.get_ephemerals("/chaos/locks").pin(session).timeout(LIMIT).await {
            Ok(found) if found.is_empty() => return,
            Ok(found) => left = found,
            Err(_) => return,
        }
        if actor.client.sleep(Duration::from_millis(250)).await.is_err() {
            return;
        }
    }
    actor.wrong(format!("{left:?} are left of locks that session {session} does not hold"));
}

async fn hold(actor: &Actor, path: &'static str, guarded: &'static str, held: Held, dice: &mut Dice) {
    let token = held.fencing_token().0;
    let mut loss = None;
    for _ in 0..dice.between(1, 6) {
        if let Some(until) = held.valid_until().and_then(|until| actor.time(until)) {
            actor.told(Told::Holds { lock: path.to_owned(), token, who: actor.who, until });
        }
        write(actor, guarded, &held, false).await;
        let pause = dice.millis(5, 250);
        if let Ok(lost) = actor.client.timeout(pause, held.lost()).await {
            actor.told(Told::Lost { token, at: clock::now() });
            loss = Some(lost);
            break;
        }
        if !actor.is_working() {
            break;
        }
    }
    if let Tenure::Lost(lost) = held.tenure() {
        loss = Some(lost);
    }
    if let Some(loss) = loss {
        // One who has not looked, and writes on as soon as he can. Where the session lives, he may hold the lock all the same.
        if let Some(session) = actor.session().await {
            let is_over = session != held.session() || matches!(loss, Loss::SessionOver | Loss::Removed);
            write(actor, guarded, &held, is_over).await;
        }
    }
    let (id, _) = actor.next();
    let call = Call::Release { lock: path.to_owned(), token };
    let release = async {
        if dice.once_in(4) {
            drop(held);
            return Ok(());
        }
        actor.client.timeout(Duration::from_secs(60), held.release()).await?
    };
    _ = actor.does(id, None, call, release, |()| Outcome::Done(Seen::Nothing)).await;
}

/// Writes what a lock guards, as its holder.
async fn write(actor: &Actor, guarded: &str, held: &Held, lost: bool) {
    let (id, data) = actor.next();
    let call = Call::Guarded { path: guarded.to_owned(), token: held.fencing_token().0, lost };
    let transaction = held.transaction().set_data(guarded, data.as_bytes(), None).timeout(LIMIT);
    let seen = |results: &Vec<OpResult>| match results.last() {
        Some(OpResult::DataSet(stat)) => nodes([mark(stat, id)]),
        other => Outcome::Unknown(format!("{other:?}")),
    };
    _ = actor.does(id, Some(held.session()), call, transaction.into_future(), seen).await;
}
