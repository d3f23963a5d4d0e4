//! Workloads of the recipes: each does what users do with one, and checks what the recipe promises.

mod common;
mod locks;

pub use locks::Locks;

use super::Workload;

/// All of them.
pub(super) const ALL: &[&dyn Workload] = &[&Locks];
