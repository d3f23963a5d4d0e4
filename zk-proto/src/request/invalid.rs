//! Why a request is refused before it is sent.

use alloc::{boxed::Box, string::String};
use core::time::Duration;

use crate::{code::CreateMode, path::PathError};

/// The longest TTL of a node: 2⁴⁰ − 1 milliseconds, a good 34 years.
pub const MAX_TTL: Duration = Duration::from_millis((1 << 40) - 1);

/// A request that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The path is not one.
    #[error(transparent)]
    Path(#[from] PathError),
    /// −1 was given as the version that a node must have. On the wire that means "any", so a condition would silently be
    /// none. (A node's version becomes −1 after 2³² changes, see ZOOKEEPER-4743.)
    #[error("version -1 cannot be a condition: the server takes it for any version")]
    Version,
    /// The create mode needs a TTL and there is none, or has no use for one and there is. Sent all the same, such a request
    /// can make a real server crash for good.
    #[error("create mode {mode} {}", if *.given { "takes no TTL" } else { "needs a TTL" })]
    TtlMode {
        /// The create mode.
        mode: CreateMode,
        /// Whether a TTL was given.
        given: bool,
    },
    /// The TTL is below 1 ms or above [`MAX_TTL`].
    #[error("TTL of {0:?} is not within 1 ms and 2^40 - 1 ms")]
    Ttl(Duration),
    /// The create mode is a number without a name.
    #[error("unknown create mode {0}")]
    Mode(i32),
    /// The create mode needs another operation: containers and TTL nodes, asked for with a plain create.
    #[error("create mode {0} needs create2")]
    ModeNeedsCreate2(CreateMode),
    /// The access control list is empty: nobody could ever read the node, and the server refuses it.
    #[error("the access control list is empty")]
    EmptyAcl,
    /// The access control list has an entry without a scheme or an id.
    #[error("entry {0} of the access control list has no scheme or no id")]
    AclEntry(usize),
    /// A prefix of paths that does not begin with a slash.
    #[error("the prefix {0:?} does not begin with a slash")]
    Prefix(String),
    /// A multi has an operation that is wrong.
    #[error("operation {index} of the multi: {error}")]
    Multi {
        /// Which operation, from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<InvalidRequest>,
    },
}
