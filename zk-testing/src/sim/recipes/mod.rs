//! Workloads of the recipes: each does what users do with one, and checks what the recipe promises.

mod barriers;
mod children_cache;
mod common;
mod deletions;
mod edits;
mod elections;
mod groups;
mod kept_nodes;
mod locks;
mod maps;
mod multi_locks;
mod node_cache;
mod numbers;
mod partitions;
mod queues;
mod reasons;
mod releases;
mod replay;
mod rw_locks;
mod semaphores;
mod services;
mod time_leases;
mod tree_cache;
mod values;
mod work_queues;

pub use barriers::Barriers;
pub use children_cache::ChildrenCaching;
pub use deletions::Deletions;
pub use elections::Elections;
pub use groups::Groups;
pub use kept_nodes::KeptNodes;
pub use locks::Locks;
pub use maps::Maps;
pub use multi_locks::MultiLocks;
pub use node_cache::NodeCaching;
pub use numbers::Numbers;
pub use partitions::Partitions;
pub use queues::Queues;
pub use releases::Publishing;
pub use rw_locks::RwLocks;
pub use semaphores::Semaphores;
pub use services::Services;
pub use time_leases::TimeLeases;
pub use tree_cache::TreeCaching;
pub use values::Values;
pub use work_queues::WorkQueues;

use super::Workload;

/// All of them.
pub(super) const ALL: &[&dyn Workload] = &[
    &Barriers,
    &ChildrenCaching,
    &Deletions,
    &Elections,
    &Groups,
    &KeptNodes,
    &Locks,
    &Maps,
    &MultiLocks,
    &NodeCaching,
    &Numbers,
    &Partitions,
    &Queues,
    &Publishing,
    &RwLocks,
    &Semaphores,
    &Services,
    &TimeLeases,
    &TreeCaching,
    &Values,
    &WorkQueues,
];
