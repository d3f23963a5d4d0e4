//! Caches, which are told of what they show when all is calm.

use std::sync::Arc;
use std::time::Duration;

use zk_proto::recipes::{NodeCache, NodeState, TreeCache};

use super::{Actor, Phase, Work};
use crate::rig::history::Told;
use crate::rig::{REGISTERS, TREE};

/// How long a cache may take to show what is there, once nothing changes any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the work of following a tree and a node, until told to compare.
pub(in crate::rig::crew) fn caches(actor: &Arc<Actor>) -> Vec<Work> {
    vec![Box::pin(tree(actor.clone())), Box::pin(node(actor.clone()))]
}

async fn tree(actor: Arc<Actor>) {
    let Ok(cache) = TreeCache::new(&actor.client, TREE) else { return };
    calm(&actor).await;
    let Ok(Ok(view)) = actor.client.timeout(PATIENCE, cache.synced()).await else {
        actor.wrong(format!("the cache of {TREE} does not come to know it"));
        return;
    };
    let nodes = view.iter().map(|(path, node)| (path.to_owned(), (node.stat.czxid.0, node.stat.mzxid.0))).collect();
    actor.told(Told::Cached { who: actor.who, cache: TREE.to_owned(), nodes });
}

async fn node(actor: Arc<Actor>) {
    let path = format!("/chaos/reg/{}", actor.who as usize % REGISTERS);
    let Ok(cache) = NodeCache::new(&actor.client, &path) else { return };
    calm(&actor).await;
    let is_fresh = |view: &zk_proto::recipes::NodeView| (!view.is_stale).then(|| view.node.clone());
    let Ok(Ok(node)) = actor.client.timeout(PATIENCE, cache.when(is_fresh)).await else {
        actor.wrong(format!("the cache of {path} does not come to know it"));
        return;
    };
    let nodes = match node {
        NodeState::Present { stat, .. } => [(path.clone(), (stat.czxid.0, stat.mzxid.0))].into(),
        NodeState::Unknown | NodeState::Absent => std::collections::BTreeMap::new(),
    };
    actor.told(Told::Cached { who: actor.who, cache: path, nodes });
}

/// Waits until nothing changes any more, and for all that is still on its way.
async fn calm(actor: &Actor) {
    while actor.phase() < Phase::Compare {
        if actor.client.sleep(Duration::from_millis(100)).await.is_err() {
            return;
        }
    }
    // What this server has not heard of yet, it has behind a sync; and what it tells comes before the reply.
    for _ in 0..10 {
        if actor.client.sync(TREE).await.is_ok() {
            break;
        }
    }
    // What they were told of, they read again.
    _ = actor.client.sleep(Duration::from_secs(1)).await;
}
