//! Workloads of the recipes: each does what users do with one, and checks what the recipe promises.

mod common;
mod edits;
mod locks;
mod node_cache;
mod rw_locks;

pub use locks::Locks;
pub use node_cache::NodeCaching;
pub use rw_locks::RwLocks;

use super::Workload;

/// All of them.
pub(super) const ALL: &[&dyn Workload] = &[&Locks, &NodeCaching, &RwLocks];
