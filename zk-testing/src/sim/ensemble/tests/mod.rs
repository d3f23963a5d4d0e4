//! The ensemble through its contract: raw frames and virtual time in, frames out.

mod alone;
mod bench;
mod chaos;
mod faults;
mod replication;
mod sessions;
mod traffic;
