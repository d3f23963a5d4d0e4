//! Node caches: clients follow a few nodes while others change, delete and make them anew.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use zk_proto::{
    client::{Builder, Client, OnExpiry},
    recipes::{NodeCache, NodeState, NodeView},
};

use super::common::{before, for_some_polls, is_over};
use super::edits::edit;
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// The nodes that are followed.
const NODES: [&str; 3] = ["/followed", "/above/a", "/above/b"];

/// Nodes that clients follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeCaching;

impl Workload for NodeCaching {
    fn name(&self) -> &'static str {
        "node-cache"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Following::default())
    }
}

const COUNTERS: &[&str] = &[
    "created",
    "changed",
    "deleted",
    "made anew",
    "made anew with the same version",
    "stale",
    "not stale any more",
    "changed while stale",
    "given up waiting",
    "dropped",
    "kept until the end",
    "over with its client",
];

/// The caches that are there at the end, and the last view that each of them has told.
type Kept = Rc<RefCell<BTreeMap<(u32, usize), (Client, NodeCache, NodeView)>>>;

#[derive(Default)]
struct Following {
    kept: Kept,
}

impl Application for Following {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(8)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for number in 0..process.dice(|dice| dice.between(1, 3)) {
            process.spawn(follow(process.clone(), client.clone(), number, self.kept.clone()));
        }
        let process = process.clone();
        process.clone().spawn(async move {
            _ = client.create("/above", b"").await;
            edit(process.clone(), client, &NODES, &["x", "y"], 0).await;
        });
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        for ((process, _), (client, cache, told)) in self.kept.borrow().iter() {
            if is_over(client) {
                continue;
            }
            let view = cache.current();
            let path = cache.path();
            let wrong = |what: &str| {
                Err(Violation::new("node cache", format!("P{process} {what} of {path}: {view:?}, told {told:?}")))
            };
            if view.is_stale || view.trouble.is_some() {
                return wrong("does not trust its view");
            }
            if !is_shown(truth.node(path), &view.node) {
                return wrong("has a wrong view");
            }
            if view.node.revision() != told.node.revision() || told.is_stale {
                return wrong("has not told its last view");
            }
        }
        Ok(())
    }

    fn killed(&mut self, process: u32) {
        self.kept.borrow_mut().retain(|(other, _), _| *other != process);
    }
}

/// Returns whether a view is of this node.
fn is_shown(node: Option<&crate::sim::NodeState>, view: &NodeState) -> bool {
    match (node, view) {
        (None, NodeState::Absent) => true,
        (Some(node), NodeState::Present { data, stat }) => {
            node.data.as_deref().unwrap_or_default() == &**data
                && (node.czxid, node.mzxid, node.version) == (stat.czxid, stat.mzxid, stat.version)
        }
        (None | Some(_), NodeState::Unknown | NodeState::Absent | NodeState::Present { .. }) => false,
    }
}

/// Follows one node after the other.
async fn follow(process: Process, client: Client, number: usize, kept: Kept) {
    while !is_over(&client) {
        let path = process.dice(|dice| dice.choose(&NODES));
        let cache = NodeCache::new(&client, path).expect("the path is fine");
        let mut view = cache.current();
        let patience = process.dice(|dice| dice.between(1, 12));
        for _ in 0..patience {
            if process.phase() > Phase::Trouble {
                break;
            }
            let polls = process.dice(|dice| if dice.once_in(4) { dice.below(4) } else { usize::MAX });
            match before(&process, Phase::Settling, for_some_polls(cache.changed(&view), polls)).await {
                Some(Some(Ok(next))) => look(&process, path, &mut view, next),
                Some(Some(Err(_))) => {
                    let is_expected =
                        if is_over(&client) { Ok(()) } else { Err(Violation::new("node cache", "ended")) };
                    process.expect(is_expected);
                    process.count("over with its client");
                    break;
                }
                Some(None) => process.count("given up waiting"),
                None => break,
            }
        }
        if process.phase() == Phase::Trouble {
            process.count("dropped");
            continue;
        }
        process.count("kept until the end");
        let key = (process.number(), number);
        kept.borrow_mut().insert(key, (client.clone(), cache.clone(), view.clone()));
        while let Some(Ok(next)) = before(&process, Phase::Leaving, cache.changed(&view)).await {
            look(&process, path, &mut view, next);
            if let Some((_, _, told)) = kept.borrow_mut().get_mut(&key) {
                *told = view.clone();
            }
        }
        kept.borrow_mut().remove(&key);
        break;
    }
    process.reached(Phase::Leaving).await;
}

/// Looks at a view and counts what is new.
fn look(process: &Process, path: &str, view: &mut NodeView, next: NodeView) {
    let found = process.truth(|truth| match &next.node {
        NodeState::Present { stat, .. } if !is_shown(truth.node_at(path, stat.mzxid), &next.node) => {
            Err(Violation::new("node cache", format!("{path} was never so: {next:?}")))
        }
        NodeState::Unknown if view.is_initialized() => Err(Violation::new("node cache", "it forgets what it knew")),
        NodeState::Unknown | NodeState::Absent | NodeState::Present { .. } => Ok(()),
    });
    process.expect(found);
    match (&view.node, &next.node) {
        (NodeState::Present { stat: old, .. }, NodeState::Present { stat: new, .. }) => {
            if (new.czxid, new.mzxid) < (old.czxid, old.mzxid) {
                process
                    .expect(Err(Violation::new("node cache", format!("{path} goes back from {view:?} to {next:?}"))));
            } else if new.czxid != old.czxid {
                process.count(if new.version == old.version { "made anew with the same version" } else { "made anew" });
            } else if new.mzxid != old.mzxid {
                process.count(if view.is_stale { "changed while stale" } else { "changed" });
            }
        }
        (NodeState::Present { .. }, NodeState::Absent) => process.count("deleted"),
        (NodeState::Unknown | NodeState::Absent, NodeState::Present { .. }) => process.count("created"),
        (NodeState::Unknown | NodeState::Absent | NodeState::Present { .. }, _) => {}
    }
    match (view.is_stale, next.is_stale) {
        (false, true) => process.count("stale"),
        (true, false) => process.count("not stale any more"),
        (false, false) | (true, true) => {}
    }
    *view = next;
}
