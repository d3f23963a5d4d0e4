//! Real ZooKeeper servers for integration tests, and the means to break them.
//!
//! A [`Server`] is one ZooKeeper process with data, configuration and log in a temporary directory of its own; an
//! [`Ensemble`] is several that elect a leader; [`shared()`] is the one that all tests of a process use together, each
//! below a chroot of its own. A [`Proxy`] in front of a server cuts, stalls or refuses connections. Everything here
//! blocks; asynchronous tests call it directly or on a blocking thread.
//!
//! ```no_run
//! use std::time::Duration;
//! use zk_testing::ensemble::Builder;
//!
//! # fn main() -> std::io::Result<()> {
//! let ensemble = Builder::new().read_only().start_ensemble(3)?;
//! let leader = ensemble.leader().expect("a quorum has a leader");
//! ensemble.server(leader).kill()?;
//! let successor = ensemble.wait_quorum(Duration::from_secs(30))?;
//! assert_ne!(successor, leader);
//! # Ok(())
//! # }
//! ```
//!
//! # What must be installed
//!
//! Java and ZooKeeper's jars, which `.ci/install-zookeeper` of this repository installs on Debian and Ubuntu. Without
//! them a start fails with an error that says so; nothing is skipped. The environment can point elsewhere:
//!
//! * `ZOOKEEPER_CLASSPATH`: the class path to use as it is, such as `/opt/zookeeper/lib/*:/opt/zookeeper/conf`. It
//!   must bring what ZooKeeper logs with, and should tell it to log to the console.
//! * `JAVA_HOME`: whose `bin/java` to run instead of the `java` found in `PATH`.
//!
//! # Nothing is left behind
//!
//! Dropping a server kills it and removes its directory. When the test process ends without dropping, because the
//! server is in a static or the process was killed, a shell that holds the reading end of a pipe sees the pipe close
//! and does the same. Only the directory of a server that was not running at that moment stays.

mod builder;
mod files;
mod java;
mod kerberos;
mod line;
mod mode;
mod nodes;
mod peers;
mod pieces;
mod plan;
mod ports;
mod process;
mod proxy;
mod quorum;
mod server;
mod shared;
mod wire;

pub use builder::Builder;
pub use kerberos::Kdc;
pub use mode::Mode;
pub use peers::Peers;
pub use pieces::Pieces;
pub use proxy::{Direction, Proxy};
pub use quorum::Ensemble;
pub use server::Server;
pub use shared::shared;
