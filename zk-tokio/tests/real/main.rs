//! The client against real ZooKeeper servers, which these tests start, break and mend.
//!
//! Where a healthy server will do, it is the one that all tests share, each below a chroot of its own; what breaks is a
//! [`Proxy`](zk_testing::ensemble::Proxy) in front of it. Tests that break a server have servers of their own. Nothing waits
//! by sleeping: events, states and replies are awaited, and [`support::run`] ends what hangs.

#![cfg(unix)]

mod auth;
mod chroot;
mod create;
mod expiry;
mod failover;
mod handover;
mod lifecycle;
mod load;
mod multi;
mod nodes;
mod outage;
mod persistent;
mod read_only;
mod reconnect;
mod servers;
mod support;
mod watch_cleanup;
mod watches;
