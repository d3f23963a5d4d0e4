//! Workloads of the recipes: each does what users do with one, and checks what the recipe promises.

mod common;
mod edits;
mod locks;
mod multi_locks;
mod node_cache;
mod rw_locks;
mod semaphores;

pub use locks::Locks;
pub use multi_locks::MultiLocks;
pub use node_cache::NodeCaching;
pub use rw_locks::RwLocks;
pub use semaphores::Semaphores;

use super::Workload;

/// All of them.
pub(super) const ALL: &[&dyn Workload] = &[&Locks, &MultiLocks, &NodeCaching, &RwLocks, &Semaphores];
