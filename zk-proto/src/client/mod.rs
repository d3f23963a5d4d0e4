//! The client half: what callers see, without runtime and without IO.
//!
//! A [`Client`] is a handle of a session for any number of callers; a [`Driver`] is the other half, which some loop feeds with
//! bytes and time. Between them lies one lock. Callers queue requests and find their outcomes there; the driver hands out what
//! arrives, and wakes whom it concerns after it has let go of the lock. Nothing here opens a socket, reads a clock or knows a
//! runtime: what is needed of one is [`Io`], and [`drive`] is the loop that uses it.
//!
//! ```
//! use zk_proto::client::{Client, Error};
//! use zk_proto::code::AddWatchMode;
//!
//! async fn example(client: Client) -> Result<(), Error> {
//!     let (path, _) = client.create("/app/job-", b"x").ephemeral().sequential().await?;
//!     let (data, stat) = client.get_data(&path).await?;
//!     assert_eq!(data, "x");
//!     client.set_data(&path, b"y").version(stat.version).await?;
//!
//!     let (_, _, mut watcher) = client.get_data("/app").watch().await?;
//!     println!("{:?}", watcher.changed().await?);
//!
//!     let mut tree = client.add_watch("/app", AddWatchMode::PersistentRecursive).await?;
//!     while let Some(event) = tree.next().await {
//!         println!("{:?}", event?);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! What a user can rely on:
//!
//! * The order of calls is the order on the wire, for [`Call::send`] and for calls that are awaited alike.
//! * Every future may be dropped at any moment. A request that was not sent is taken back; a watch that nobody hears is taken
//!   off; nothing leaks.
//! * A watch event is there before the reply to any later request that sees the change.
//! * Memory is bounded by the [`Limits`](crate::Limits): a full session makes callers wait their turn, a slow watcher is told to
//!   read again, a slow reader of states misses old ones.
//! * Any waker may call back into the client: none is called under the lock.
//!
//! [`Client::metrics`] tells how a client has fared, in numbers. With the feature `tracing`, events under the target `zk` tell what
//! happens once in a while: connected and closed (info), a new session begun after expiry (debug), a link that failed or was lost, a session
//! that may have or has expired, a slow answer (warn). They name session, server, operation and cause, and never a path, data or a
//! secret; nothing is told for each request. A subscriber may call back into the client too.

mod background;
mod call;
mod connect;
mod desk;
mod dial;
mod drive;
mod driver;
mod ending;
mod error;
mod exchange;
mod handle;
mod inspect;
#[cfg(all(test, zk_shuttle))]
mod interleavings;
mod io;
mod journal;
mod multi;
mod operations;
mod pending;
mod places;
mod requests;
mod shared;
mod slots;
mod states;
mod timer;
mod watcher;

pub use background::Background;
pub use call::{Call, Calling, Repeatable};
pub use connect::{Builder, Runtime};
pub use dial::{DialError, dial};
pub use drive::drive;
pub use driver::Driver;
pub use ending::OnExpiry;
pub use error::{ConnectFailure, Error};
pub use exchange::Challenge;
pub use handle::Client;
#[doc(hidden)]
pub use inspect::Inspection;
pub use io::Io;
pub use pending::Pending;
pub use states::States;
pub use timer::Sleep;
pub use watcher::{WatchEnd, Watcher};
