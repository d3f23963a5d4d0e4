//! A ZooKeeper client for plain threads.
//!
//! ```no_run
//! use zk_blocking::{Wait, WaitForEvents};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = zk_blocking::connect("zk1:2181,zk2:2181,zk3:2181/app")?;
//! let (path, _) = client.create("/job-", b"x").ephemeral().sequential().wait()?;
//! let (data, stat, mut watcher) = client.get_data(&path).watch().wait()?;
//! client.set_data(&path, b"y").version(stat.version).wait()?;
//! println!("{data:?} was replaced: {:?}", watcher.changed().wait()?);
//! # Ok(())
//! # }
//! ```
//!
//! [`connect`] takes everything by default, [`builder`] lets one choose. What can be done with a [`Client`] is the same under
//! every runtime and comes from [`zk_proto`], which is re-exported here as far as its users need it; what elsewhere is
//! awaited ends here in [`wait`](Wait::wait). Clones of a client go to as many threads as there are.
//!
//! # Threads
//!
//! There is no async runtime. One background thread a client does all IO through mio, keeps the session alive, and ends with
//! the client. A thread that waits for a reply helps out: it sends the request and receives the reply by itself, as long as nobody else
//! waits for one, so that a request of a single thread costs two system calls and no switch of threads. Names are looked up in
//! short-lived threads, because the system's resolver can do nothing but wait.
//!
//! So [work in the background](Client::spawn) and wakers of other futures may run in any thread that waits. And where a future waits for
//! a reply and for another thread at once, that other thread may be heard 5 ms late.
//!
//! A program that has a mio loop of its own needs no thread: see [`Link`].
//!
//! The guide is in the documentation of `zk-tokio`, as its module `guide`, and holds here too: what is awaited there ends in `.wait()` here.
//!
//! Unix only, for now: the lease rests on `recv` and `sendmsg` that can be told with each call not to wait.
//!
//! # Features
//!
//! None is on by default.
//!
//! | | |
//! |---|---|
//! | `tls-ring` | TLS by rustls, with cryptography by ring: the module `tls`, and `Builder::tls` |
//! | `tls` | the same with a provider of your own choice |
//! | `tls-platform` | trusts whom the platform trusts |
//! | `digest-md5` | SASL by user and password: `sasl::DigestMd5` |
//! | `digest-id` | ids of the scheme `digest` for ACLs: `acl::digest_id` |
//! | `discovery` | service discovery with Curator's JSON: `recipes::discovery` |
//! | `serde` | `Serialize` and `Deserialize` for stats, ACLs and ids |
//! | `tracing` | tells `tracing` of sessions, links and slow answers |
//! | `cli` | for the command `zk` alone |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("zk-blocking is for Unix; elsewhere, use zk-tokio or zk-async-std");

#[cfg(test)]
mod by_name;
mod calls;
mod engine;
mod link;
mod reactor;
mod socket;
mod wait;

use std::hash::{BuildHasher, RandomState};

#[cfg(feature = "tls")]
pub use zk_proto::tls;
pub use zk_proto::{
    AuthInfo, Backoff, Config, ConnectString, ConnectStringError, ConnectStringErrorReason, Credentials, Instant,
    Limits, LinkId, Machine, Root, Security, Server, Servers, SessionId, Transmit, Wants, Zxid, acl,
    client::{
        Background, Call, Calling, Challenge, Client, ConnectFailure, Driver, Error, Io, OnExpiry, Pending, Repeatable,
        Runtime, Sleep, States, WatchEnd, Watcher,
    },
    code::{self, AddWatchMode, CreateMode, ErrorCode},
    metrics, path, recipes, record,
    record::{Acl, Stat},
    request, sasl,
    session::{self, End, Sent, State, WatchedEvent, WatchedEventKind},
    wire::{self, DecodeError, Payload, Secret, Text},
};

pub use crate::{
    link::{Link, mio_waker},
    wait::{Elapsed, Events, Wait, WaitForEvents},
};

/// How a client is to be, before it is made; see [`builder`].
pub type Builder = zk_proto::client::Builder<Blocking>;

/// Connects to an ensemble, `host:port,host:port/chroot`, with defaults for all the rest, and waits until a server serves the
/// session.
///
/// # Errors
///
/// When the text is not a [`ConnectString`], or no session could be had within 30 s: then the error names the cause for
/// each server.
///
/// # Panics
///
/// When the system has no thread, or no file descriptor for a poll, to give.
pub fn connect(servers: &str) -> Result<Client, Error> {
    builder(servers)?.connect().wait()
}

/// Begins with servers and chroot, and defaults for all that can be chosen. The end is
/// [`connect`](zk_proto::client::Builder::connect), to be waited for, or
/// [`connect_lazy`](zk_proto::client::Builder::connect_lazy) for not waiting; both panic when the system has no thread, or no file
/// descriptor for a poll, to give.
///
/// ```no_run
/// # use std::time::Duration;
/// use zk_blocking::Wait;
/// # fn main() -> Result<(), zk_blocking::Error> {
/// let client = zk_blocking::builder("localhost/app")?.session_timeout(Duration::from_secs(6)).connect().wait()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the text is not a [`ConnectString`].
pub fn builder(servers: &str) -> Result<Builder, ConnectStringError> {
    Ok(zk_proto::client::Builder::new(servers)?.with_runtime(Blocking))
}

/// Begins with a configuration; see [`builder`].
pub fn builder_from_config(config: Config) -> Builder {
    zk_proto::client::Builder::from_config(config).with_runtime(Blocking)
}

/// Starts a background thread for each driver of a [`Builder`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocking;

impl Runtime for Blocking {
    /// From the standard library's random hash keys, which come from the system.
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        for (index, word) in seed.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&RandomState::new().hash_one(index).to_ne_bytes());
        }
        seed
    }

    fn start(&self, driver: Driver) {
        engine::Engine::start(driver).expect("the system has a thread and a poll for a client");
    }
}

/// The page of the crate, whose code must compile too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
