//! A tree that is made, changed and deleted again, for those who follow it.

use std::sync::Arc;

use zk_testing::sim::Dice;

use super::Actor;
use crate::rig::crew::actor::LIMIT;
use crate::rig::history::{Call, Kind, Outcome, Seen};

/// Makes, sets and deletes nodes that have few names.
pub(super) async fn grow_and_cut(actor: Arc<Actor>, mut dice: Dice) {
    while let Some(session) = actor.session().await {
        let path = node(&mut dice);
        match dice.below(5) {
            0 | 1 => {
                let (id, data) = actor.next();
                let call = Call::Create { path: path.clone(), kind: Kind::Plain };
                let create = actor.client.create(&path, data.as_bytes()).pin(session).timeout(LIMIT);
                let seen = |(path, stat): &(String, zk_proto::record::Stat)| {
                    Outcome::Done(Seen::Created { path: path.clone(), czxid: stat.czxid.0 })
                };
                _ = actor.does(id, Some(session), call, create.into_future(), seen).await;
            }
            2 | 3 => drop(actor.set(session, &path, None).await),
            _ => {
                let (id, _) = actor.next();
                let call = Call::Delete { path: path.clone() };
                let delete = actor.client.delete(&path).pin(session).timeout(LIMIT);
                let seen = |(): &()| Outcome::Done(Seen::Nothing);
                _ = actor.does(id, Some(session), call, delete.into_future(), seen).await;
            }
        }
        actor.pause(dice.millis(50, 500)).await;
    }
}

/// Returns the path of a node that may be there.
pub(super) fn node(dice: &mut Dice) -> String {
    let parent = dice.below(3);
    match dice.below(4) {
        0 => format!("/chaos/tree/{parent}"),
        child => format!("/chaos/tree/{parent}/{child}"),
    }
}
