//! A crew: a process with some clients, which work until they are told to rest.
//!
//! Clients run in processes of their own, because that is what really happens to them: a process is stopped, and all of it stands still
//! for a while, clocks included as far as it can see; or it is killed, and nothing is closed. What they do is told through a
//! socket, each line before what it tells of goes out, so nothing is forgotten when they die.

mod actor;
mod adapter;
mod scribe;
mod work;

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zk_proto::client::Builder;
use zk_testing::sim::Dice;

pub(crate) use adapter::Adapter;

use super::history::Record;
use actor::{Actor, Phase, Phases};
use adapter::Host;
use scribe::Scribe;

/// The environment variable with the orders of a crew. A process that finds it is one.
pub(crate) const ORDERS: &str = "ZK_CHAOS_ORDERS";

/// What a crew is told at its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// Where it tells what it does.
    pub(crate) address: SocketAddr,
    pub(crate) crew: u32,
    /// How often there was such a crew before.
    pub(crate) incarnation: u32,
    pub(crate) adapter: Adapter,
    pub(crate) servers: String,
    pub(crate) session_timeout: Duration,
    pub(crate) seed: u64,
    pub(crate) clients: u32,
    /// How many operations on registers a second.
    pub(crate) rate: u32,
    /// A mistake to make in the client, where it was built so that it can make some.
    pub(crate) mistake: Option<String>,
}

/// What a crew is told later, a line each.
pub(crate) const REST: &str = "rest";
pub(crate) const COMPARE: &str = "compare";
pub(crate) const LEAVE: &str = "leave";

/// Runs the crew whose orders are in the environment to its end; returns whether there were any.
pub(crate) fn run_if_ordered() -> io::Result<bool> {
    match std::env::var(ORDERS) {
        Ok(orders) => run(&serde_json::from_str(&orders)?).map(|()| true),
        Err(_) => Ok(false),
    }
}

fn run(orders: &Orders) -> io::Result<()> {
    // However the one who ordered it ends, also while this process is stopped.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    set_mistake(orders.mistake.as_deref());
    let stream = TcpStream::connect(orders.address)?;
    let scribe = Arc::new(Scribe::new(stream.try_clone()?, orders)?);
    let phases = Arc::new(Phases::default());
    listen(stream, phases.clone());

    let host = Host::new(orders.adapter)?;
    let mut dice = Dice::new(orders.seed);
    let (workers, watchers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for client in 0..orders.clients {
        let builder = Builder::new(&orders.servers).map_err(io::Error::other)?;
        let builder = builder.session_timeout(orders.session_timeout).seed(dice.seed());
        let client = (host.client(builder), client);
        clients.push(client.0.clone());
        let actor = Arc::new(Actor::new(client, orders, scribe.clone(), phases.clone()));
        for work in work::all(&actor, &mut dice) {
            host.spawn(counted(workers.clone(), work));
        }
        for work in work::caches(&actor) {
            host.spawn(counted(watchers.clone(), work));
        }
        host.spawn(work::states(actor));
    }
    for (count, until) in [(workers, Phase::Compare), (watchers, Phase::Leave)] {
        while count.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(20));
        }
        scribe.tell(&Record::Rested);
        phases.wait(until);
    }
    host.close(clients);
    Ok(())
}

/// Counts a piece of work as long as it is there.
fn counted<F: Future<Output = ()> + Send>(
    count: Arc<AtomicUsize>,
    work: F,
) -> impl Future<Output = ()> + Send + use<F> {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let counted = Counted(count);
    async move {
        let _counted = counted;
        work.await;
    }
}

/// Hears in the background what is to be done next.
fn listen(stream: TcpStream, phases: Arc<Phases>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            phases.set(match line.as_str() {
                REST => Phase::Rest,
                COMPARE => Phase::Compare,
                _ => Phase::Leave,
            });
        }
        // Nobody is left to work for.
        std::process::exit(0);
    });
}

#[cfg(zk_broken)]
fn set_mistake(mistake: Option<&str>) {
    if let Some(mistake) = mistake {
        zk_proto::broken::set_everywhere(mistake);
    }
}

#[cfg(not(zk_broken))]
fn set_mistake(mistake: Option<&str>) {
    assert_eq!(mistake, None, "the client was not built to make mistakes");
}
