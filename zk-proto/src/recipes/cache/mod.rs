//! What is on the server, kept here: a node, a node's children, a tree.
//!
//! A cache reads and watches in the background, and whoever wants to know looks at what it has, without asking the server. What it
//! has was true at some time, and each look shows something as new as the one before or newer; intermediate values may be left out.
//! While there is no link, the last view stays, marked as stale.
//!
//! Whether a node has changed is told by the transactions that created it and last set its data, never by versions, which begin
//! at 0 again when a node is deleted and made anew (CURATOR-391).

mod children;
mod engine;
mod mirror;
mod node;
mod scope;
mod tree;
mod view;
mod watches;

use core::time::Duration;

pub use children::{ChildrenCache, ChildrenView};
pub use mirror::CachedNode;
pub use node::{NodeCache, NodeState, NodeView};
pub use tree::{TreeCache, TreeCacheBuilder};
pub use view::{CacheEvent, CacheEvents, CacheView};

/// How long to wait before something that the server refuses to show is asked for again: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(64)];

/// How many requests of one cache are on their way at most.
const WINDOW: usize = 64;
