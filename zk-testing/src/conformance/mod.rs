//! One suite of scenarios that every adapter must pass, on every server.
//!
//! What the client does is decided in `zk-proto`, once; what can still go wrong in an adapter is everything between that and the
//! wire. So each scenario is written once, as an asynchronous function of a [`Ground`] to stand on, and an adapter says in a
//! few lines how its clients are driven:
//!
//! ```
//! use std::{future::Future, pin::Pin};
//! use zk_proto::client::{Driver, Runtime};
//! use zk_testing::conformance::Adapter;
//!
//! struct OnMine;
//!
//! impl Adapter for OnMine {
//!     fn runtime(&self) -> &dyn Runtime {
//!         # struct Mine;
//!         # impl Runtime for Mine {
//!         #     fn seed(&self) -> [u8; 32] { [0; 32] }
//!         #     fn start(&self, _: Driver) {}
//!         # }
//!         &Mine
//!     }
//!
//!     fn block_on(&self, scenario: Pin<Box<dyn Future<Output = ()> + '_>>) {
//!         // What runs a future on this thread.
//!         # _ = scenario;
//!     }
//!
//!     fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
//!         // What runs a future beside it.
//!         # _ = task;
//!     }
//! }
//! ```
//!
//! [`conformance!`](crate::conformance!) makes a `#[test]` of each scenario and server, so that the test runner names, filters
//! and parallelises them:
//!
//! ```text
//! zk_testing::conformance!(OnMine);          // memory::…, real::…
//! zk_testing::conformance_through_io!(OnMine); // io::…, for adapters that implement `AdapterWithIo`
//! ```
//!
//! The memory server is a [`TestServer`](crate::TestServer), which imitates older servers, and ClickHouse Keeper, too
//! ([`conformance_on_imitations!`](crate::conformance_on_imitations)); the real ones are of the [`ensemble`](crate::ensemble) and need Java.
//! What only some servers can do is listed for those alone; [the lists](crate::conformance!) are the place to look. Nothing
//! waits by sleeping: events, states and replies are awaited, and what hangs is ended.

mod adapter;
mod bent;
mod clock;
mod ground;
mod hostile;
#[cfg(test)]
mod left_out;
mod liar;
mod line;
mod list;
mod lost_replies;
mod own_server;
pub mod process;
mod recipe_list;
#[doc(hidden)]
pub mod scenarios;
mod secure;
mod spawned;
mod tls_list;
mod version_list;
mod waiting;
mod words;

pub use adapter::{Adapter, AdapterWithIo};
pub use bent::{Bend, Bent};
pub use clock::{pause, within};
pub use ground::{Ground, Setting};
pub use line::Line;
pub use lost_replies::losing_replies;
pub use own_server::{OwnServer, Settings};
pub use secure::{Clients, SecureServer};
pub use spawned::Spawned;

#[doc(hidden)]
pub use ground::{run, run_through_io};

use waiting::{PATIENCE, code, eventually, is_connected, is_suspended, names, next, reach, resume, so_far, soon};
