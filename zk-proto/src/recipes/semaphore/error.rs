//! What can go wrong with a semaphore.

use crate::client::Error;

/// Why there is no lease.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SemaphoreError {
    /// As for any call.
    #[error(transparent)]
    Client(#[from] Error),
    /// More leases are wanted at once than there will ever be.
    #[error("{wanted} leases are wanted at once, and there are {max} in all")]
    TooMany {
        /// What was asked for.
        wanted: u32,
        /// How many there are.
        max: u32,
    },
    /// Others count with another number of leases: it says so in the semaphore's node, as kazoo's clients have it.
    #[error("others count with {stored} leases in all, and this client with {max}")]
    OtherMaximum {
        /// What the node says.
        stored: i64,
        /// What this client was told.
        max: u32,
    },
    /// The node that is to say how many leases there are does not contain a count, which is of 4 bytes.
    #[error("{length} bytes at {path} are no count of leases")]
    NotACount {
        /// The node.
        path: String,
        /// How much data it has.
        length: usize,
    },
}
