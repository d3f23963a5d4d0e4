//! A ZooKeeper client for async-std.
//!
//! ```no_run
//! # async fn example() -> Result<(), zk_async_std::Error> {
//! let client = zk_async_std::connect("zk1:2181,zk2:2181,zk3:2181/app").await?;
//! let (path, _) = client.create("/job-", b"x").ephemeral().sequential().await?;
//! let (data, stat, mut watcher) = client.get_data(&path).watch().await?;
//! client.set_data(&path, b"y").version(stat.version).await?;
//! println!("{data:?} was replaced: {:?}", watcher.changed().await?);
//! # Ok(())
//! # }
//! ```
//!
//! [`connect`] takes everything by default, [`builder`] lets one choose. What can be done with a [`Client`] is the same under
//! every runtime and comes from [`zk_proto`], which is re-exported here as far as its users need it; this crate adds a socket, a
//! timer and a task.
//!
//! # Why async-std still
//!
//! async-std is no longer developed; its authors refer to smol. There are programs that run on it all the same, and their users
//! asked for this crate. Of async-std it needs a socket, a timer, name resolution and `spawn`, which are thin layers over the
//! parts that smol itself is made of (`async-io`, `blocking`, `async-executor`) and that are looked after.
//!
//! # Under another executor
//!
//! async-std's sockets and timers are driven by a thread of their own and wake whatever polls them, so [`drive`] can run under any
//! executor, and a program on smol can use this crate. Only where the driver is to run must be said:
//!
//! ```no_run
//! use zk_async_std::{AsyncStd, Client, Driver, Error, Runtime, drive};
//!
//! struct OnSmol;
//!
//! impl Runtime for OnSmol {
//!     fn seed(&self) -> [u8; 32] {
//!         AsyncStd.seed()
//!     }
//!
//!     fn start(&self, driver: Driver) {
//!         smol::spawn(drive(driver)).detach();
//!     }
//! }
//!
//! async fn connect(servers: &str) -> Result<Client, Error> {
//!     zk_async_std::builder(servers)?.with_runtime(OnSmol).connect().await
//! }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(unix)]
mod in_place;
mod io;

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
};

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

pub use crate::io::{AsyncStdIo, AsyncStdTimer};

/// How a client is to be, before it is made; see [`builder`].
pub type Builder = zk_proto::client::Builder<AsyncStd>;

/// Connects to an ensemble, `host:port,host:port/chroot`, with defaults for all the rest, and waits until a server serves the
/// session.
///
/// # Errors
///
/// When the text is not a [`ConnectString`], or no session could be had within 30 s: then the error names the cause for
/// each server.
pub async fn connect(servers: &str) -> Result<Client, Error> {
    builder(servers)?.connect().await
}

/// Begins with servers and chroot, and defaults for all that can be chosen. The end is
/// [`connect`](zk_proto::client::Builder::connect), or [`connect_lazy`](zk_proto::client::Builder::connect_lazy) for not waiting.
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn example() -> Result<(), zk_async_std::Error> {
/// let client = zk_async_std::builder("localhost/app")?.session_timeout(Duration::from_secs(6)).connect().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the text is not a [`ConnectString`].
pub fn builder(servers: &str) -> Result<Builder, ConnectStringError> {
    Ok(zk_proto::client::Builder::new(servers)?.with_runtime(AsyncStd))
}

/// Begins with a configuration; see [`builder`].
pub fn builder_from_config(config: Config) -> Builder {
    zk_proto::client::Builder::from_config(config).with_runtime(AsyncStd)
}

/// Drives a driver on async-std's sockets and timers, for those who want to choose where: in a task of one's own, under another
/// executor, beside something else. Returns how the session ended.
pub fn drive(driver: Driver) -> impl Future<Output = End> + Send {
    zk_proto::client::drive(driver, AsyncStdIo::new())
}

/// The runtime that a [`Builder`] of this crate starts its driver on: async-std's own, which starts with the first task and can
/// be called from anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    /// From the standard library's random hash keys, which come from the system.
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        for (index, word) in seed.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&RandomState::new().hash_one(index).to_ne_bytes());
        }
        seed
    }

    fn start(&self, driver: Driver) {
        async_std::task::spawn(drive(driver));
    }
}

/// The page of the crate, whose code must compile too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_awaited_can_move_between_threads() {
        fn assert_send<T: Send>(_: &T) {}
        fn assert_both<T: Send + Sync>() {}
        assert_send(&connect("localhost"));
        assert_both::<Client>();
        assert_both::<Watcher>();
        assert_both::<Pending<()>>();
    }

    #[test]
    fn what_the_api_shows_has_a_name_here() {
        struct Ask<'a>(&'a str);

        impl request::Request for Ask<'_> {
            type Reply = Text;

            fn op(&self) -> code::OpCode {
                code::OpCode::Sync
            }

            fn validate(&self) -> Result<(), request::InvalidRequest> {
                Ok(path::validate(self.0)?)
            }

            fn encode(&self, out: &mut wire::Encoder<'_>) {
                out.path(self.0);
            }

            fn decode(body: &mut wire::Decoder) -> Result<Self::Reply, DecodeError> {
                body.required_text()
            }
        }

        impl Repeatable for Ask<'_> {}

        fn ask<'a>(client: &'a Client, path: &'a str) -> Calling<'a, Ask<'a>, Text> {
            client.request(Ask(path)).resend().into_future()
        }

        fn set<'a>(client: &'a Client, data: Payload<'a>) -> Call<'a, request::SetData<'a>, Stat> {
            client.set_data("/a", data)
        }

        async fn defer(client: &Client) {
            let link: Option<LinkId> = client.next_challenge().await.map(|challenge| challenge.link);
            link.into_iter().for_each(|link| client.answer(link, sasl::Step::Fail(sasl::SaslFailure("no".into()))));
        }

        _ = (ask, set, defer, |password: Secret| password);
    }

    #[test]
    fn seeds_are_all_different() {
        assert_ne!(AsyncStd.seed(), AsyncStd.seed());
    }
}
