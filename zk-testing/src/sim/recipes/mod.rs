//! Workloads of the recipes: each does what users do with one, and checks what the recipe promises.

mod common;
mod edits;
mod locks;
mod node_cache;

pub use locks::Locks;
pub use node_cache::NodeCaching;

use super::Workload;

/// All of them.
pub(super) const ALL: &[&dyn Workload] = &[&Locks, &NodeCaching];
