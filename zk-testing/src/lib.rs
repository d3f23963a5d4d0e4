//! Test support for ZooKeeper clients.
//!
//! [`ensemble`] starts real ZooKeeper servers as child processes, alone or as an ensemble, and breaks them on demand:
//! kill, pause, restart, partition. It knows nothing about any client library, so a test can use whichever it likes.
//!
//! [`server`] is a ZooKeeper server in memory, as a pure machine of bytes and time, and [`TestServer`] serves it on a port
//! of the loopback interface: the same answers in a millisecond, without Java, and with faults on demand.
//!
//! [`sim`] runs clients, servers and a network in virtual time, from one seed. How to test a program with all this is a chapter of the guide, in
//! the documentation of `zk-tokio`.
//!
//! # Features
//!
//! | | |
//! |---|---|
//! | `tls` | a [`TestServer`] that speaks TLS, and an `Authority` that certifies whatever a test asks for |
//! | `conformance` | the suite of scenarios that an adapter of yours has to pass; takes in `tls` |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "tls")]
mod authority;
#[cfg(all(unix, feature = "conformance"))]
pub mod conformance;
#[cfg(unix)]
pub mod ensemble;
pub mod server;
pub mod sim;
pub mod test_server;

#[cfg(feature = "tls")]
pub use authority::{Authority, Identity};
pub use server::Server;
pub use test_server::TestServer;

/// The page of the crate, whose code must compile too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
