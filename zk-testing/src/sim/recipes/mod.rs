//! Workloads of the recipes: each does what users do with one, and checks what the recipe promises.

mod children_cache;
mod common;
mod edits;
mod locks;
mod multi_locks;
mod node_cache;
mod replay;
mod rw_locks;
mod semaphores;
mod tree_cache;

pub use children_cache::ChildrenCaching;
pub use locks::Locks;
pub use multi_locks::MultiLocks;
pub use node_cache::NodeCaching;
pub use rw_locks::RwLocks;
pub use semaphores::Semaphores;
pub use tree_cache::TreeCaching;

use super::Workload;

/// All of them.
pub(super) const ALL: &[&dyn Workload] =
    &[&ChildrenCaching, &Locks, &MultiLocks, &NodeCaching, &RwLocks, &Semaphores, &TreeCaching];
