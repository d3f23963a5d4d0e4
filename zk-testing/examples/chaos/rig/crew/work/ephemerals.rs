//! Ephemeral nodes, and lists of them.

use std::collections::VecDeque;
use std::sync::Arc;

use zk_proto::SessionId;
use zk_testing::sim::Dice;

use super::Actor;
use crate::rig::EPHEMERALS;
use crate::rig::crew::actor::LIMIT;
use crate::rig::history::{Call, Kind, Outcome, Seen};

/// How many a client keeps.
const KEPT: usize = 4;

/// Makes nodes, and deletes the oldest of its session when there are some.
pub(super) async fn come_and_go(actor: Arc<Actor>, mut dice: Dice) {
    let mut own: VecDeque<(SessionId, String)> = VecDeque::new();
    while let Some(session) = actor.session().await {
        own.retain(|(of, _)| *of == session);
        let (id, data) = actor.next();
        let path = format!("{EPHEMERALS}/{id}");
        let call = Call::Create { path: path.clone(), kind: Kind::Ephemeral };
        let create = actor.client.create(&path, data.as_bytes()).ephemeral().pin(session).timeout(LIMIT);
        let seen = |(path, stat): &(String, zk_proto::record::Stat)| {
            Outcome::Done(Seen::Created { path: path.clone(), czxid: stat.czxid.0 })
        };
        if actor.does(id, Some(session), call, create.into_future(), seen).await.is_ok() {
            own.push_back((session, path));
        }
        if own.len() > KEPT {
            let Some((session, path)) = own.pop_front() else { continue };
            let (id, _) = actor.next();
            let delete = actor.client.delete(&path).pin(session).timeout(LIMIT).into_future();
            let call = Call::Delete { path: path.clone() };
            _ = actor.does(id, Some(session), call, delete, |()| Outcome::Done(Seen::Nothing)).await;
        }
        actor.pause(dice.millis(300, 2_000)).await;
    }
}

/// Lists them, behind a write of its own: behind everything that was acknowledged before, that is.
pub(super) async fn list(actor: Arc<Actor>, mut dice: Dice) {
    while let Some(session) = actor.session().await {
        let (id, _) = actor.next();
        let call = Call::List { path: EPHEMERALS.to_owned() };
        let work = async {
            actor.set(session, &actor.own, None).await?;
            let (names, _) = actor.client.get_children(EPHEMERALS).pin(session).timeout(LIMIT).await?;
            Ok(names.iter().map(|name| name.to_string()).collect())
        };
        let seen = |names: &std::collections::BTreeSet<String>| Outcome::Done(Seen::Names(names.clone()));
        _ = actor.does(id, Some(session), call, work, seen).await;
        actor.pause(dice.millis(1_000, 4_000)).await;
    }
}
