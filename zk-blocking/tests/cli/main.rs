//! `zk` from the outside: what it prints, what it says on standard error, and its exit codes.

mod access;
mod admin;
mod errors;
mod events;
mod holding;
mod nodes;
mod running;
mod shells;
mod support;
mod tls;
mod transactions;
mod trees;
