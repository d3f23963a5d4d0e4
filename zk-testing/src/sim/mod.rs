//! A deterministic world of clients, servers and a network between them, in virtual time.
//!
//! Everything in a world follows from one number, its seed: how many servers there are, what the clients do, how long each byte
//! takes, which connection breaks in the middle of which frame, whose clock runs fast, when the leader changes. There are no
//! threads, there is no clock, and nothing depends on where something lies in memory; so a world that goes wrong goes wrong in
//! the same way each time, and its seed is all that it takes to see it again.
//!
//! The clients are those that users run: [`drive`](zk_proto::client::drive) with a [`Driver`](zk_proto::client::Driver), on a
//! simulated [`Io`](zk_proto::client::Io), and futures over [`Client`](zk_proto::client::Client). The servers are
//! [`Server`](crate::Server)s that replicate, with lag, elections, crashes and isolation. What goes wrong is listed in
//! [`Fault`]; after a time everything heals, and must come to rest.
//!
//! Checks run all the time. Some are the same for every world: what each client writes to the wire and is told there, held
//! against what the ensemble has committed ([`Truth`]); how long a client counts on its session; how many connections it holds;
//! what is left when everybody has gone. Others belong to the [`Workload`]: [`Mixed`] makes every call that there is and
//! holds every outcome, read and watch event against the truth; the others, such as [`Locks`], do
//! what a recipe is for.
//!
//! # The promises of the client, and who looks after them
//!
//! | promise | check |
//! |---|---|
//! | each call ends, and ends once | `pending`, `rest` |
//! | replies in the order of requests | `wire`, `order` |
//! | transactions never go back for a session, and greetings say which one was last | `wire` |
//! | what was certainly not applied was not, and what was answered was, once | `writes` |
//! | reads show what was there, not before what the session has seen | `reads`, `wire` |
//! | a watch tells before any reply that shows the change | `watch order`, `watches` |
//! | no watch is lost: it tells, or is to be read again, or its session is over | `watches`, `events` |
//! | ephemeral nodes live as long as their session | `history` |
//! | nobody counts on a session that has expired | `validity` |
//! | a silent server is left after two thirds of the session timeout | `silence` |
//! | whoever leaves in good order tells the servers | `close` |
//! | time limits hold | `time limits` |
//! | bytes of one connection never reach another; credentials come before requests | `wire` |
//! | bounded: connections, queues; nothing is left behind | `bounds`, `rest` |
//! | the same seed, the same world | the digest of a [`Report`] |
//!
//! # A workload of one's own
//!
//! ```
//! use zk_proto::client::Client;
//! use zk_testing::sim::{self, Application, Config, Dice, Phase, Process, Truth, Violation, Workload};
//!
//! /// Everybody counts up, by versions, and nobody's count is lost.
//! struct Counting;
//!
//! impl Workload for Counting {
//!     fn name(&self) -> &'static str {
//!         "counting"
//!     }
//!
//!     fn counters(&self) -> &'static [&'static str] {
//!         &["counted"]
//!     }
//!
//!     fn begin(&self, _dice: Dice) -> Box<dyn Application> {
//!         Box::new(Counts)
//!     }
//! }
//!
//! struct Counts;
//!
//! impl Application for Counts {
//!     fn start(&mut self, process: Process, client: Client) {
//!         process.clone().spawn(async move {
//!             while process.phase() == Phase::Trouble {
//!                 match client.get_data("/count").await {
//!                     Ok((count, stat)) => {
//!                         let next = count.len() + 1;
//!                         if client.set_data("/count", vec![b'|'; next]).version(stat.version).await.is_ok() {
//!                             process.count("counted");
//!                         }
//!                     }
//!                     Err(_) => drop(client.create("/count", "").await),
//!                 }
//!                 if client.sleep(std::time::Duration::from_millis(100)).await.is_err() {
//!                     return;
//!                 }
//!             }
//!             process.reached(Phase::Leaving).await;
//!         });
//!     }
//!
//!     fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
//!         match truth.node("/count") {
//!             Some(node) if node.data.as_ref().is_some_and(|data| data.len() as i32 != node.version) => {
//!                 Err(Violation::new("counting", format!("{node:?}")))
//!             }
//!             _ => Ok(()),
//!         }
//!     }
//! }
//!
//! let report = sim::run(7, &Config::default(), &Counting).expect("nothing is wrong");
//! assert!(report.coverage.get("workload", "counted") > 0);
//! ```
//!
//! A failing seed of it is a test of one line; [`shrink`] finds the smallest world that fails in the same way.

mod agenda;
mod check;
mod clock;
mod config;
mod coverage;
mod dice;
pub(crate) mod ensemble;
mod executor;
mod faults;
mod mixed;
mod names;
mod net;
mod recipes;
mod shrink;
mod trace;
mod trouble;
mod truth;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use config::Config;
pub use coverage::Coverage;
pub use dice::Dice;
pub use faults::{Fault, Faults};
pub use mixed::Mixed;
pub use names::expected;
pub use recipes::{
    Barriers, ChildrenCaching, Deletions, Elections, Groups, KeptNodes, Locks, Maps, MultiLocks, NodeCaching, Numbers,
    Partitions, Publishing, Queues, RwLocks, Semaphores, Services, TimeLeases, TreeCaching, Values, WorkQueues,
};
pub use shrink::shrink;
pub use trace::Violation;
pub use truth::{Change, Deed, Life, NodeState, Truth};
pub use workload::{Application, Phase, Process, Workload};
pub use world::{Failure, Report};

use world::World;

/// Returns all workloads.
pub fn workloads() -> impl Iterator<Item = &'static dyn Workload> {
    let mixed: &'static dyn Workload = &Mixed;
    std::iter::once(mixed).chain(recipes::ALL.iter().copied())
}

/// Returns the workload of that name.
pub fn workload(name: &str) -> Option<&'static dyn Workload> {
    workloads().find(|workload| workload.name() == name)
}

/// Lets one world run from its beginning to its end.
///
/// # Errors
///
/// When something was not as it must be.
pub fn run(seed: u64, config: &Config, workload: &dyn Workload) -> Result<Report, Failure> {
    let world = World::new(seed, config, workload);
    let net = world.net.clone();
    catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let violation = Violation::new("panic", text.unwrap_or("without a message"));
        let mut net = net.borrow_mut();
        let at = net.now.saturating_since(zk_proto::Instant::ORIGIN);
        Err(Failure { seed, violation, at, faults: net.faults, trace: net.trace.take() })
    })
}
