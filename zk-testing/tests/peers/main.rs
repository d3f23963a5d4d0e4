//! Our recipes beside those of other libraries, kazoo and Apache Curator, on a real ZooKeeper.
//!
//! Processes of the other libraries are told line by line what to do. That somebody waits is never concluded from the time that
//! passes: a peer is asked where it stands, and a future of ours is polled until nothing it has sent is without a reply.
//! What these tests show is what `docs/interoperability.md` promises.
//!
//! What is needed comes from `.ci/install-foreign`; without it these tests fail and say so.

#![cfg(unix)]

mod barriers;
mod contest;
mod elections;
mod ground;
mod groups;
mod kept_nodes;
mod languages;
mod locks;
mod names;
mod numbers;
mod ours;
mod peer;
mod process;
mod queues;
mod rw_locks;
mod semaphores;
mod services;
mod time_leases;
mod values;
