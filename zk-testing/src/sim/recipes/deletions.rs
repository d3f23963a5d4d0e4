//! Trees that are deleted, by several at a time, while others go on making nodes in them.

use std::time::Duration;

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    recipes::delete_recursive,
    session::WatchedEventKind,
};

use super::common::{Wishes, for_some_polls, is_over};
use super::edits::edit;
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// The trees, of which one is below the other.
const TREES: [&str; 2] = ["/tree", "/tree/a"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const DEPTH: usize = 3;

/// What is beside them, and nobody deletes.
const BYSTANDERS: [&str; 2] = ["/tree-beside", "/tre"];

/// Trees that are deleted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deletions;

impl Workload for Deletions {
    fn name(&self) -> &'static str {
        "deletions"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Deleting::default())
    }
}

const COUNTERS: &[&str] =
    &["deleted", "deleted several nodes", "there was none", "made anew since", "dropped", "deleted at rest"];

#[derive(Default)]
struct Deleting {
    wishes: Wishes,
}

impl Application for Deleting {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        process.spawn(delete(process.clone(), client.clone(), self.wishes.clone()));
        process.clone().spawn(edit(process, client, &TREES, &NAMES, DEPTH));
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let is_gone = |path: &&&str| {
            let was_there = truth.states(path, Zxid(0), truth.last()).into_iter().any(|state| state.is_some());
            was_there && truth.node(path).is_none()
        };
        match BYSTANDERS.iter().find(is_gone) {
            Some(gone) => wrong(format!("{gone} was deleted")),
            None => Ok(()),
        }
    }

    fn check_at_rest(&mut self, _: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
    }
}

fn wrong(what: String) -> Result<(), Violation> {
    Err(Violation::new("deletions", what))
}

/// Deletes now and then, and once more when nobody makes nodes any more.
async fn delete(process: Process, client: Client, wishes: Wishes) {
    for bystander in BYSTANDERS {
        _ = client.create(bystander, b"").await;
    }
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let tree = process.dice(|dice| dice.choose(&TREES));
        if process.dice(|dice| dice.once_in(6)) {
            let polls = process.dice(|dice| dice.below(12));
            if for_some_polls(delete_recursive(&client, tree), polls).await.is_none() {
                process.count("dropped");
            }
        } else {
            _ = delete_once(&process, &client, tree, &wishes).await;
        }
        let pause = process.dice(|dice| dice.millis(0, 4_000));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
    // Those who make nodes are slow to stop.
    if client.sleep(Duration::from_secs(10)).await.is_ok() && delete_once(&process, &client, TREES[0], &wishes).await {
        process.count("deleted at rest");
    }
    process.reached(Phase::Leaving).await;
}

/// Deletes a tree, and looks whether that is so. Returns whether it did.
async fn delete_once(process: &Process, client: &Client, tree: &str, wishes: &Wishes) -> bool {
    // From here on, its server knows what there is now.
    let since = process.truth(Truth::last);
    let _wish = wishes.make(process, format!("to delete {tree}"));
    if client.sync(tree).resend().await.is_err() {
        return false;
    }
    match delete_recursive(client, tree).await {
        Ok(count) => {
            process.count(match count {
                0 => "there was none",
                1 => "deleted",
                _ => "deleted several nodes",
            });
            process.expect(process.truth(|truth| judge(truth, tree, since, count)));
            if process.truth(|truth| truth.node(tree).is_some()) {
                process.count("made anew since");
            }
            true
        }
        Err(error) => {
            match error {
                Error::Ended { .. } => {}
                _ if is_over(client) => {}
                _ => process.expect(wrong(format!("it fails: {error}"))),
            }
            false
        }
    }
}

/// It was gone at some time since, and so many nodes were deleted at least.
fn judge(truth: &Truth, tree: &str, since: Zxid, count: usize) -> Result<(), Violation> {
    if truth.states(tree, since, truth.last()).iter().all(Option::is_some) {
        return wrong(format!("{tree} was there all the time"));
    }
    let is_below = |path: &str| path.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let changes = truth.changes_since(since).iter().filter(|change| is_below(&change.path));
    let deleted = changes.filter(|change| change.kind == WatchedEventKind::NodeDeleted).count();
    if deleted < count {
        wrong(format!("{count} nodes of {tree} were deleted, and only {deleted} were"))
    } else {
        Ok(())
    }
}
