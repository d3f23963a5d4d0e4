//! Test support for ZooKeeper clients.
//!
//! [`ensemble`] starts real ZooKeeper servers as child processes, alone or as an ensemble, and breaks them on demand:
//! kill, pause, restart, partition. It knows nothing about any client library, so a test can use whichever it likes.

#[cfg(unix)]
pub mod ensemble;
