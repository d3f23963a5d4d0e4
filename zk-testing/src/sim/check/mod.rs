//! What must be true of every world, whatever its workload.

mod replies;
pub(crate) mod sessions;
mod signs;
pub(crate) mod wire;
