//! ZooKeeper's client protocol.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod acl;
pub mod code;
mod config;
mod hosts;
mod ids;
mod machine;
pub mod path;
pub mod record;
pub mod request;
mod rng;
pub mod sasl;
pub mod session;
mod time;
pub mod wire;

pub use config::{AuthInfo, Config, Credentials, Limits};
pub use hosts::{Backoff, ConnectString, ConnectStringError, ConnectStringErrorReason, Server, Servers};
pub use ids::{SessionId, Zxid};
pub use machine::{LinkId, Machine, Transmit, Wants};
pub use path::Root;
pub use session::Session;
pub use time::Instant;
