//! The scenarios, by what they are about. Each is a public function of a [`Ground`](super::Ground), whose name says what must be
//! so; the lists of [`conformance!`](crate::conformance!) name them all.

pub mod addresses;
pub mod auth;
pub mod ceiling;
pub mod children_caches;
pub mod chroot;
pub mod create;
pub mod dropping;
pub mod errors;
pub mod expiry;
pub mod failover;
pub mod handover;
pub mod hooks;
pub mod kept_nodes;
pub mod lifecycle;
pub mod load;
pub mod locks;
pub mod multi;
pub mod multi_locks;
pub mod names;
pub mod node_caches;
pub mod nodes;
pub mod outage;
pub mod paused;
pub mod persistent;
pub mod read_only;
pub mod reconfig;
pub mod reconnect;
pub mod rw_locks;
pub mod semaphores;
pub mod servers;
pub mod silence;
pub mod stats;
pub mod tls;
pub mod watch_cleanup;
pub mod watches;
