//! Numbered nodes, which stay.

use std::sync::Arc;

use zk_testing::sim::Dice;

use super::Actor;
use crate::rig::crew::actor::LIMIT;
use crate::rig::history::{Call, Kind, Outcome, Seen};

/// Makes one after the other.
pub(super) async fn number(actor: Arc<Actor>, mut dice: Dice) {
    while let Some(session) = actor.session().await {
        let (id, _) = actor.next();
        let path = format!("/chaos/log/{id}-");
        let call = Call::Create { path: path.clone(), kind: Kind::Numbered };
        let create = actor.client.create(&path, b"").sequential().pin(session).timeout(LIMIT);
        let seen = |(path, stat): &(String, zk_proto::record::Stat)| {
            Outcome::Done(Seen::Created { path: path.clone(), czxid: stat.czxid.0 })
        };
        _ = actor.does(id, Some(session), call, create.into_future(), seen).await;
        actor.pause(dice.millis(100, 900)).await;
    }
}
