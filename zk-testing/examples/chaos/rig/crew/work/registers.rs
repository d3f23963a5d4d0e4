//! Registers: nodes that everybody reads and writes.

use std::sync::Arc;

use zk_proto::request::OpResult;
use zk_testing::sim::Dice;

use super::Actor;
use crate::rig::REGISTERS;
use crate::rig::crew::actor::{LIMIT, mark};
use crate::rig::history::{Call, Outcome, Seen, Set};

/// Reads, writes, compares and sets, syncs, and sets two at once.
pub(super) async fn read_and_write(actor: Arc<Actor>, mut dice: Dice) {
    // The register that was read last, and its version.
    let mut last: Option<(String, i32)> = None;
    while let Some(session) = actor.session().await {
        let path = register(&mut dice);
        if dice.once_in(20) {
            actor.get_impatiently(session, &path, dice.millis(0, 10)).await;
        }
        match (dice.below(20), &last) {
            (0..=8, _) => {
                last = actor.get(session, &path, false).await.ok().map(|mark| (path, mark.version));
            }
            (9..=11, _) => {
                last = actor.get(session, &path, true).await.ok().map(|mark| (path, mark.version));
            }
            (12..=14, _) | (_, None) => drop(actor.set(session, &path, None).await),
            (15..=17, Some((path, version))) => drop(actor.set(session, path, Some(*version)).await),
            (_, Some((first, version))) if *first != path => {
                let (id, data) = actor.next();
                let sets = vec![
                    Set { path: first.clone(), expected: Some(*version) },
                    Set { path: path.clone(), expected: None },
                ];
                let multi = actor.client.multi().set_data(first, data.as_bytes(), *version);
                let multi = multi.set_data(&path, data.as_bytes(), None).pin(session).timeout(LIMIT);
                let seen = |results: &Vec<OpResult>| {
                    let mark = |result: &OpResult| match result {
                        OpResult::DataSet(stat) => Some(mark(stat, id)),
                        _ => None,
                    };
                    Outcome::Done(Seen::Nodes(results.iter().map(mark).collect()))
                };
                _ = actor.does(id, Some(session), Call::Set(sets), multi.into_future(), seen).await;
            }
            (_, Some(_)) => last = None,
        }
        let pause = actor.pause;
        actor.pause(dice.duration(pause / 2, pause * 3 / 2)).await;
    }
}

/// Returns the path of some register.
pub(super) fn register(dice: &mut Dice) -> String {
    format!("/chaos/reg/{}", dice.below(REGISTERS))
}
