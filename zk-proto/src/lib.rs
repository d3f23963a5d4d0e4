//! ZooKeeper's client protocol.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod acl;
pub mod code;
mod hosts;
mod ids;
pub mod path;
pub mod record;
pub mod request;
mod rng;
mod time;
pub mod wire;

pub use hosts::{Backoff, ConnectString, ConnectStringError, ConnectStringErrorReason, Server, Servers};
pub use ids::{SessionId, Zxid};
pub use path::Root;
pub use time::Instant;
