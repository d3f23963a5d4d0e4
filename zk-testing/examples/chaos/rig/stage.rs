//! The servers, the crews, and what stands between them.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use zk_testing::ensemble::{Builder, Ensemble, Proxy};

use super::crew::{Adapter, ORDERS, Orders};
use super::hub::Hub;
use super::run::Plan;

/// How long a crew may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// All that there is to be broken.
pub(crate) struct Stage {
    pub(crate) ensemble: Ensemble,
    pub(crate) crews: Vec<Crew>,
    pub(crate) hub: Arc<Hub>,
}

/// A process with clients, and its own ways to each server.
pub(crate) struct Crew {
    pub(crate) adapter: Adapter,
    pub(crate) proxies: Vec<Proxy>,
    orders: Orders,
    command: fn() -> io::Result<Command>,
    process: Mutex<Option<Child>>,
    incarnation: AtomicU32,
}

impl Stage {
    /// Starts the servers and proxies; the crews are to be started.
    pub(crate) fn build(plan: &Plan) -> io::Result<Self> {
        let builder = Builder::new().tick_time(Duration::from_millis(500));
        // Elsewhere, there is one loopback address only.
        let builder = if cfg!(target_os = "linux") { builder.proxied_peers() } else { builder };
        let ensemble = builder.start_ensemble(plan.servers)?;
        let hub = Hub::start(plan.adapters.len())?;
        let crew = |(index, adapter): (usize, &Adapter)| {
            let proxies: Vec<_> =
                ensemble.servers().iter().map(|server| Proxy::start(server.address())).collect::<io::Result<_>>()?;
            let servers: Vec<_> = proxies.iter().map(Proxy::connect_string).collect();
            let index = u32::try_from(index).map_err(io::Error::other)?;
            let orders = Orders {
                address: hub.address(),
                crew: index,
                incarnation: 0,
                adapter: *adapter,
                servers: servers.join(","),
                session_timeout: plan.session_timeout,
                seed: plan.seed,
                clients: plan.clients,
                rate: plan.rate / u32::try_from(plan.adapters.len()).map_err(io::Error::other)?,
                mistake: plan.mistake.clone(),
            };
            let (process, incarnation) = (Mutex::new(None), AtomicU32::new(0));
            Ok(Crew { adapter: *adapter, proxies, orders, command: plan.crew, process, incarnation })
        };
        let crews = plan.adapters.iter().enumerate().map(crew).collect::<io::Result<_>>()?;
        Ok(Self { ensemble, crews, hub })
    }

    /// Starts the process of a crew.
    ///
    /// It ends with the thread that calls this, where the system can do so.
    pub(crate) fn start(&self, index: usize) -> io::Result<()> {
        let crew = &self.crews[index];
        let incarnation = crew.incarnation.fetch_add(1, Ordering::Relaxed);
        let seed = crew.orders.seed ^ (u64::from(incarnation) << 32) ^ (index as u64 + 1);
        let orders = Orders { incarnation, seed, ..crew.orders.clone() };
        let mut command = (crew.command)()?;
        let child =
            command.env(ORDERS, serde_json::to_string(&orders)?).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        *crew.process() = Some(child);
        if self.hub.wait_for(index, PATIENCE) {
            Ok(())
        } else {
            Err(io::Error::other(format!("the crew on {} does not begin", crew.adapter.name())))
        }
    }

    /// Kills the process of a crew, and waits for all that it has told.
    pub(crate) fn kill(&self, index: usize) -> io::Result<()> {
        if let Some(mut child) = self.crews[index].process().take() {
            child.kill()?;
            child.wait()?;
        }
        self.hub.forget(index);
        Ok(())
    }

    /// Lets all be as it was, as far as it lies with the network and with halted processes.
    pub(crate) fn heal(&self) -> io::Result<()> {
        for crew in &self.crews {
            crew.resume();
            crew.proxies.iter().try_for_each(Proxy::allow)?;
        }
        if let Some(peers) = self.ensemble.peers() {
            peers.heal()?;
        }
        Ok(())
    }

    /// Starts what servers are down, and waits until all of them have a leader.
    pub(crate) fn mend_servers(&self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            for server in self.ensemble.servers() {
                match server.process_id() {
                    // Where it was not halted, this does nothing; where it has ended by itself, it fails.
                    Some(_) if server.resume().is_ok() => {}
                    Some(_) => {
                        _ = server.kill();
                        server.start_again()?;
                    }
                    None => server.start_again()?,
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ensemble.wait_quorum(left.min(Duration::from_secs(10))) {
                Ok(_) => return Ok(()),
                Err(error) if left.is_zero() => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Waits until all processes have ended, and kills those that have not.
    pub(crate) fn end(&self) -> Vec<&'static str> {
        let deadline = Instant::now() + PATIENCE;
        let mut late = Vec::new();
        for crew in &self.crews {
            let Some(mut child) = crew.process().take() else { continue };
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            if matches!(child.try_wait(), Ok(None)) {
                late.push(crew.adapter.name());
            }
            _ = child.kill();
            _ = child.wait();
        }
        late
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for crew in &self.crews {
            if let Some(mut child) = crew.process().take() {
                _ = child.kill();
                _ = child.wait();
            }
        }
    }
}

impl Crew {
    /// Halts the process: all its clients, their clocks and timers.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Returns whether the process has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.process().as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = self.process().as_ref() {
            // Where it has ended, that is seen elsewhere. It was not waited for, so its number is nobody else's.
            _ = kill_process(Pid::from_child(child), signal);
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
