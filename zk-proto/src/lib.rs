//! The ZooKeeper client protocol as machines without IO.
//!
//! ZooKeeper's client is one long-lived conversation: requests pipelined out, replies and watch events in, a heartbeat, and a
//! session that outlives any one connection. In this crate all judgement about that conversation is one pure state machine,
//! [`Session`]: bytes, time and a seed go in; bytes, deadlines and events come out. It opens nothing, reads no clock and
//! rolls no dice, so it runs under any runtime, in any event loop, under a fuzzer and in a simulator.
//!
//! Most programs want a client for their runtime rather than this crate: `zk-tokio` re-exports everything here that its
//! users need. Come here to embed the protocol in a loop of your own, to write a proxy, a server or a tool, or to fuzz.
//!
//! # What is where
//!
//! | | |
//! |---|---|
//! | [`wire`] | jute primitives and frames; total, bounded decoding |
//! | [`record`] | every record of the protocol, in both directions |
//! | [`request`] | requests as a caller makes them, and their replies |
//! | [`session`], [`Machine`] | the session, and how a loop drives it |
#![cfg_attr(
    feature = "client",
    doc = "| [`client`] | `Client`, watchers and the driver: the half that callers see, for every runtime |"
)]
#![cfg_attr(feature = "recipes", doc = "| [`recipes`] | locks, and what else processes coordinate by |")]
#![cfg_attr(feature = "tls", doc = "| [`tls`] | TLS as a layer around any machine |")]
//! | [`Config`], [`ConnectString`] | what can be chosen |
//! | [`metrics`] | how a session has fared, in numbers |
//! | [`code`], [`acl`], [`path`], [`sasl`] | the protocol's numbers, permissions, paths, and SASL's place |
//!
//! # Features
//!
//! | | |
//! |---|---|
//! | `recipes` (default) | coordination recipes over the client |
//! | `client` (default) | the half that callers see: needs `std`, but no runtime |
//! | `std` | `std::error::Error` sources and vectored writes; without it the crate is `no_std` with `alloc` |
//! | `tls` | TLS by rustls; `tls-ring` adds cryptography, `tls-platform` trusts whom the platform trusts |
//! | `digest-md5` | SASL by user and password, `sasl::DigestMd5` |
//! | `digest-id` | ids of the scheme `digest` for ACLs, `acl::digest_id` |
//! | `serde` | `Serialize` and `Deserialize` for stats, ACLs, ids and servers; `Deserialize` alone for credentials |
//! | `tracing` | tells `tracing` of sessions, links and slow answers |
//! | `arbitrary` | `arbitrary::Arbitrary` for every record, for fuzz targets of your own |
//!
//! Without features the crate depends on `bytes` and `thiserror` alone.
//!
//! # A session by hand
//!
//! This is all that a loop has to do; the server is played by a few lines of [`record`].
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use zk_proto::request::GetData;
//! use zk_proto::session::{Event, State, SubmitOptions};
//! use zk_proto::{Config, ConnectString, Instant, Machine, Session, Wants};
//! # use zk_proto::record::{ConnectResponse, GetDataResponse, ReplyHeader, Stat};
//! # use zk_proto::wire::{Encoder, Jute};
//! # use zk_proto::{SessionId, Zxid, code::ErrorCode};
//! # fn frame(parts: impl FnOnce(&mut Encoder<'_>)) -> BytesMut {
//! #     let mut body = BytesMut::new();
//! #     parts(&mut Encoder::new(&mut body));
//! #     let mut frame = BytesMut::from(&(body.len() as u32).to_be_bytes()[..]);
//! #     frame.unsplit(body);
//! #     frame
//! # }
//! # fn greeting_of_the_server() -> BytesMut {
//! #     frame(|out| out.put(&ConnectResponse {
//! #         timeout_ms: 10_000, session_id: SessionId(7), passwd: vec![1; 16].into(), read_only: Some(false), protocol_version: 0,
//! #     }))
//! # }
//! # fn reply_of_the_server() -> BytesMut {
//! #     frame(|out| {
//! #         out.put(&ReplyHeader { xid: 1, zxid: Zxid(42), err: ErrorCode::Ok });
//! #         out.put(&GetDataResponse { data: Some("hello".into()), stat: Stat::default() });
//! #     })
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let connect: ConnectString = "zk1:2181,zk2:2181/app".parse()?;
//! let mut session: Session<&str> = Session::new(Config::from(connect), [42; 32]);
//!
//! // The application speaks at any time; the tag comes back with the reply.
//! session.submit(&GetData::new("/greeting"), "my first request", SubmitOptions::default()).map_err(|refused| refused.reason)?;
//!
//! // The session asks for a link, and is told when its byte stream is open.
//! let mut now = Instant::ORIGIN;
//! session.handle_timeout(now);
//! let Wants::Link { id, server } = session.wants() else { panic!("a new session wants a link") };
//! println!("dialling {server}");
//! session.handle_connected(id, now);
//!
//! // What it hands out is written to the socket; what comes from the socket is handed in, in pieces of any size.
//! let mut input = BytesMut::new();
//! assert_eq!(session.poll_transmit(id, now).map(|greeting| greeting.remaining()), Some(49));
//! input.extend_from_slice(&greeting_of_the_server());
//! session.handle_input(id, &mut input, now);
//! assert!(matches!(session.poll_event(), Some(Event::State(State::Connected { .. }))));
//!
//! let request = session.poll_transmit(id, now).expect("the request was waiting for this");
//! assert!(request.chunk().ends_with(b"/app/greeting\0"), "under its chroot, without a watch");
//! for byte in reply_of_the_server() {
//!     input.extend_from_slice(&[byte]);
//!     session.handle_input(id, &mut input, now);
//! }
//!
//! let Some(Event::Reply { tag, result: Ok(reply) }) = session.poll_event() else { panic!("the reply is complete") };
//! assert_eq!(tag, "my first request");
//! assert_eq!(reply.decode::<GetData>()?.data.as_deref(), Some(&b"hello"[..]));
//!
//! // Between these, a loop sleeps until the next deadline.
//! now = session.poll_timeout().expect("a connected session has a heartbeat");
//! session.handle_timeout(now);
//! assert_eq!(session.poll_transmit(id, now).map(|ping| ping.remaining()), Some(12));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used)]

extern crate alloc;

/// The page of the crate, whose code must compile too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

pub mod acl;
pub mod admin;
#[cfg(not(zk_broken))]
mod broken;
#[cfg(zk_broken)]
pub mod broken;
#[cfg(feature = "client")]
pub mod client;
pub mod code;
mod config;
mod hosts;
mod ids;
mod machine;
pub mod metrics;
pub mod path;
#[cfg(feature = "recipes")]
pub mod recipes;
pub mod record;
pub mod request;
mod rng;
pub mod sasl;
#[cfg(feature = "serde")]
mod serial;
pub mod session;
mod time;
#[cfg(feature = "tls")]
pub mod tls;
pub mod wire;

pub use config::{AuthInfo, Config, Credentials, Limits};
pub use hosts::{Backoff, ConnectString, ConnectStringError, ConnectStringErrorReason, Security, Server, Servers};
pub use ids::{SessionId, Zxid};
pub use machine::{LinkId, Machine, Transmit, Wants};
pub use path::Root;
pub use session::Session;
pub use time::Instant;
