//! One world: processes, a network, an ensemble, and the time that passes for all of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use zk_proto::{
    Instant, SessionId,
    client::{Builder, Inspection, States, drive},
    session::{State, TRANSITIONS},
};

use super::{
    check::sessions,
    clock::Clock,
    config::Config,
    coverage::Coverage,
    dice::Dice,
    ensemble::{Effect, Endpoint, Ensemble, EnsembleOptions},
    executor::Executor,
    faults::Fault,
    net::{Close, Happening, Net, SimIo, Weather},
    trace::Violation,
    truth::Truth,
    workload::{Application, Common, Phase, Process, Workload},
};
use crate::server::{self, ReadOnly, Version};

/// How long everything may take to come to rest once nothing goes wrong any more.
const SETTLING: Duration = Duration::from_secs(60);
/// How long it may take to close a session where nothing is in the way. No session expires so soon.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long sessions may stay when their clients have gone.
const LEAVING: Duration = Duration::from_secs(40);
/// How often tasks may be polled without time passing.
const POLLS_AT_ONCE: u32 = 200_000;

/// A process that runs.
struct Running {
    clock: Clock,
    states: States,
    is_paused: bool,
}

/// What came of a world that was well to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// How much time has passed in it.
    pub simulated: Duration,
    /// What was seen.
    pub coverage: Coverage,
    /// A number that two runs of one seed have in common.
    pub digest: u64,
    /// The record of everything that happened, if one was kept.
    pub trace: Vec<String>,
}

/// What went wrong in a world, and when.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// What is wrong.
    pub violation: Violation,
    /// When it was noticed, by the world's time.
    pub at: Duration,
    /// How many faults there were until then.
    pub faults: usize,
    /// The record of everything that happened, if one was kept.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, violation, at, faults, trace: _ } = self;
        write!(f, "seed {seed}, after {:.3} s and {faults} faults: {violation}", at.as_secs_f64())
    }
}

impl std::error::Error for Failure {}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) config: Config,
    pub(super) net: Rc<RefCell<Net>>,
    pub(super) ensemble: Ensemble,
    pub(super) executor: Executor,
    pub(super) dice: Dice,
    application: Box<dyn Application>,
    common: Rc<Common>,
    running: BTreeMap<u32, Running>,
    next_process: u32,
    /// How many processes there are to be.
    clients: usize,
    /// Sessions that were expired before their time.
    pub(super) forced: BTreeSet<SessionId>,
    pub(super) is_wild_until: Instant,
    pub(super) is_healed: bool,
    pub(super) down: BTreeSet<usize>,
    pub(super) isolated: BTreeSet<usize>,
}

impl World {
    pub(super) fn new(seed: u64, config: &Config, workload: &dyn Workload) -> Self {
        let mut dice = Dice::new(seed);
        let servers = dice.between(*config.servers.start(), *config.servers.end()).clamp(1, 200);
        let has_dead_address = |dice: &mut Dice| dice.once_in(4) && config.faults.contains(Fault::DeadAddress);
        let weather = Weather::new((0..servers).map(|_| has_dead_address(&mut dice)).collect());
        let options = EnsembleOptions {
            servers,
            server: server::Options {
                version: if dice.once_in(4) { Version::V3_8 } else { Version::V3_9 },
                container_max_never_used: dice.once_in(2).then_some(Duration::from_secs(5)),
                ..server::Options::default()
            },
            lag: dice.millis(1, 20),
            // Followers go on answering pings for so long: it must be well within the margin of what clients count on.
            sync_limit: Duration::from_millis(300),
            election: dice.millis(50, 2_000),
            read_only: dice.choose(&[None, None, Some(ReadOnly::LocalSessions), Some(ReadOnly::NoSessions)]),
        };
        let tells_zxid = options.server.version >= Version::V3_9;
        let ensemble = Ensemble::new(options, dice.number());
        let mut net = Net::new(weather, config.trace, dice.fork());
        net.wire.truth = Truth::new(tells_zxid);
        for path in ensemble.paths() {
            if let Some(node) = ensemble.node(&path) {
                net.wire.truth.found(&path, node.data, &node.stat);
            }
        }
        let clients = dice.between(*config.clients.start(), *config.clients.end());
        for _ in 0..clients {
            let at = Instant::ORIGIN + dice.millis(0, 3_000);
            net.agenda.add(at, Happening::Start);
        }
        net.agenda.add(Instant::ORIGIN + dice.millis(500, 5_000), Happening::Trouble);
        net.agenda.add(Instant::ORIGIN, Happening::Listen);
        net.agenda.add(Instant::ORIGIN + config.trouble, Happening::Heal);
        net.note(|| format!("seed {seed}: {servers} servers, {clients} clients"));
        Self {
            seed,
            config: config.clone(),
            net: Rc::new(RefCell::new(net)),
            ensemble,
            executor: Executor::default(),
            application: workload.begin(dice.fork()),
            dice,
            common: Rc::default(),
            running: BTreeMap::new(),
            next_process: 1,
            clients,
            forced: BTreeSet::new(),
            is_wild_until: Instant::ORIGIN,
            is_healed: false,
            down: BTreeSet::new(),
            isolated: BTreeSet::new(),
        }
    }

    /// Lets time pass until the end of the world.
    pub(super) fn run(mut self) -> Result<Report, Failure> {
        match self.live() {
            Ok(()) => {
                let mut net = self.net.borrow_mut();
                Ok(Report {
                    simulated: net.now.saturating_since(Instant::ORIGIN),
                    coverage: std::mem::take(&mut net.coverage),
                    digest: net.trace.digest(),
                    trace: net.trace.take(),
                })
            }
            Err(violation) => Err(self.failure(violation)),
        }
    }

    pub(super) fn failure(&self, violation: Violation) -> Failure {
        let mut net = self.net.borrow_mut();
        let at = net.now.saturating_since(Instant::ORIGIN);
        Failure { seed: self.seed, violation, at, faults: net.faults, trace: net.trace.take() }
    }

    fn live(&mut self) -> Result<(), Violation> {
        let rest = Instant::ORIGIN + self.config.trouble + SETTLING;
        let end = rest + LEAVING;
        self.live_until(rest)?;
        self.check_at_rest()?;
        self.net.borrow_mut().note(|| "everybody is to leave".to_owned());
        let mut connected: Vec<(u32, SessionId)> = self
            .processes()
            .into_iter()
            .filter_map(|process| {
                let inspection = self.inspect(process)?;
                matches!(inspection.state, State::Connected { .. }).then_some((process, inspection.session?))
            })
            .collect();
        self.common.enter(Phase::Leaving);
        self.live_until(rest + FAREWELL)?;
        // A late greeting of a connection long given up may have moved the session: the farewell comes to a server that breaks the
        // connection, and the session lives for as long as it may be silent.
        connected.retain(|(_, session)| !self.ensemble.has_moved(*session));
        sessions::check_closed(&connected, &self.net.borrow().wire.truth)?;
        self.live_until(end)?;
        self.check_at_end()
    }

    fn live_until(&mut self, end: Instant) -> Result<(), Violation> {
        loop {
            self.run_tasks()?;
            let next = [self.net.borrow().agenda.next_at(), self.ensemble.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.net.borrow_mut().now = end;
                return Ok(());
            };
            let now = {
                let mut net = self.net.borrow_mut();
                net.now = net.now.max(next);
                net.now
            };
            let happening = self.net.borrow_mut().agenda.take_due(now);
            match happening {
                Some(happening) => self.happen(happening),
                None => self.ensemble.handle_timeout(now),
            }
            self.pump()?;
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ArriveUp(id) => self.arrive_up(id),
            Happening::ArriveDown(id) => self.net.borrow_mut().arrive_down(id),
            Happening::Dialled(id) => self.dialled(id),
            Happening::Alarm(timer) => self.net.borrow_mut().alarm(timer),
            Happening::Trouble => self.trouble(),
            Happening::Relief(relief) => self.relieve(relief),
            Happening::Start => self.start(),
            Happening::Listen => self.net.borrow_mut().listen(),
            Happening::Heal => {
                self.heal();
                self.common.enter(Phase::Settling);
            }
        }
    }

    fn run_tasks(&mut self) -> Result<(), Violation> {
        let mut polls = 0;
        while let Some(process) = self.executor.step(&mut self.dice) {
            polls += 1;
            if polls > POLLS_AT_ONCE {
                return Err(Violation::new("rest", format!("client P{process} is busy without end")));
            }
            self.look_at(process)?;
            let found = self.application.check(&self.net.borrow().wire.truth);
            let mut net = self.net.borrow_mut();
            net.accuse(found);
            if let Some(violation) = net.violation.take() {
                return Err(violation);
            }
        }
        Ok(())
    }

    /// Looks at a process that has done something.
    fn look_at(&mut self, process: u32) -> Result<(), Violation> {
        let open = self.net.borrow().open_connections(process);
        // One for the session, and one to ask a question on.
        if open > 2 {
            return Err(Violation::new("bounds", format!("client P{process} has {open} connections open")));
        }
        if self.executor.count(process) == 0 {
            self.finish(process);
            if !self.is_healed {
                let at = self.net.borrow().now + self.dice.millis(1, 3_000);
                self.net.borrow_mut().agenda.add(at, Happening::Start);
            }
        }
        Ok(())
    }

    /// A process is over.
    fn finish(&mut self, process: u32) {
        let Some(running) = self.running.remove(&process) else { return };
        let mut net = self.net.borrow_mut();
        net.note(|| format!("P{process} is over"));
        count_steps(running.states.inspect().steps, &mut net.coverage);
    }

    fn start(&mut self) {
        if self.is_healed || self.running.len() >= self.clients {
            return;
        }
        let number = self.next_process;
        self.next_process += 1;
        let is_skewed = self.config.faults.contains(Fault::Skew);
        let origin = self.dice.number() % 1_000_000_000_000;
        let rate = self.dice.between(930_000, 1_070_000) as u64;
        let clock = if is_skewed { Clock::new(origin, rate) } else { Clock::new(0, Clock::EXACT) };
        let io = SimIo { net: self.net.clone(), process: number, clock };
        let process = Process {
            number,
            net: self.net.clone(),
            jobs: self.executor.new_jobs(),
            dice: Rc::new(RefCell::new(self.dice.fork())),
            common: self.common.clone(),
        };
        let servers: Vec<String> = (1..=self.ensemble.len()).map(|server| format!("zk{server}")).collect();
        let timeout = Duration::from_secs(self.dice.choose(&[5, 8, 12]));
        let builder = Builder::new(&servers.join(",")).expect("the names are fine").session_timeout(timeout);
        let (client, driver) = self.application.configure(&process, builder).build(self.dice.seed());
        {
            let mut net = self.net.borrow_mut();
            net.note(|| format!("P{number} starts"));
            if is_skewed {
                net.suffer(Fault::Skew);
            }
        }
        self.running.insert(number, Running { clock, states: client.states(), is_paused: false });
        process.spawn(async move { _ = drive(driver, io).await });
        self.application.start(process, client);
    }

    /// Ends a process in the middle of whatever it does.
    pub(super) fn kill(&mut self, process: u32) {
        self.finish(process);
        self.executor.kill(process);
        self.application.killed(process);
        let at = self.net.borrow().now + self.dice.millis(1, 3_000);
        self.net.borrow_mut().agenda.add(at, Happening::Start);
    }

    pub(super) fn pause(&mut self, process: u32) {
        if let Some(running) = self.running.get_mut(&process) {
            running.is_paused = true;
            self.net.borrow_mut().resumed.insert(process, None);
            self.executor.pause(process);
        }
    }

    pub(super) fn resume(&mut self, process: u32) {
        if let Some(running) = self.running.get_mut(&process) {
            running.is_paused = false;
            let mut net = self.net.borrow_mut();
            let now = net.now;
            net.resumed.insert(process, Some(now));
            self.executor.resume(process);
        }
    }

    pub(super) fn paused(&self) -> Vec<u32> {
        self.running.iter().filter(|(_, running)| running.is_paused).map(|(process, _)| *process).collect()
    }

    /// Returns the processes that run.
    pub(super) fn processes(&self) -> Vec<u32> {
        self.running.keys().copied().collect()
    }

    /// Returns what a process's client has to say of itself.
    pub(super) fn inspect(&self, process: u32) -> Option<Inspection> {
        self.running.get(&process).map(|running| running.states.inspect())
    }

    fn dialled(&mut self, id: u32) {
        let Some((process, server)) = self.net.borrow_mut().dialled(id) else { return };
        let now = self.net.borrow().now;
        let [high, low] = u16::try_from(process).unwrap_or_default().to_be_bytes();
        let peer = ([192, 168, high, low], 40_000).into();
        let endpoint = self.ensemble.connect(server, peer, now);
        self.net.borrow_mut().answer_dial(id, endpoint);
    }

    fn arrive_up(&mut self, id: u32) {
        if !self.net.borrow_mut().arrive_up(id) {
            return;
        }
        let mut net = self.net.borrow_mut();
        let now = net.now;
        let Some(connection) = net.connections.get_mut(&id) else { return };
        let Some(endpoint) = connection.endpoint else {
            connection.up.arrived.clear();
            return;
        };
        let any = !connection.up.arrived.is_empty();
        let mut input = std::mem::take(&mut connection.input);
        input.unsplit(std::mem::take(&mut connection.up.arrived));
        let closed = connection.up.closed;
        let is_doomed = connection.is_doomed && any;
        drop(net);
        self.ensemble.handle_input(endpoint, &mut input, now);
        let mut net = self.net.borrow_mut();
        if let Some(connection) = net.connections.get_mut(&id) {
            connection.input = input;
        }
        if closed.is_some() {
            self.ensemble.handle_disconnected(endpoint);
            net.close_by_server(id, Close::Fin);
        } else if is_doomed {
            net.suffer(Fault::CutBehindRequest);
            net.note(|| format!("C{id} is cut behind what has arrived"));
            net.cut(id, Close::Reset);
        }
    }

    /// Carries what the ensemble has to say, and takes note of what it has committed.
    pub(super) fn pump(&mut self) -> Result<(), Violation> {
        while let Some(endpoint) = self.ensemble.poll_ready() {
            self.serve(endpoint);
        }
        for transaction in self.ensemble.take_history() {
            {
                let mut net = self.net.borrow_mut();
                net.trace.mix([
                    3,
                    u64::try_from(transaction.zxid.0).unwrap_or_default(),
                    transaction.effects.len() as u64,
                    0,
                ]);
                net.note(|| format!("{} by {}: {:?}", transaction.zxid, transaction.session, transaction.effects));
                net.wire.truth.commit(&transaction)?;
            }
            if transaction.effects.iter().any(|effect| matches!(effect, Effect::Ended)) {
                self.check_end_of(transaction.session)?;
            }
        }
        match self.net.borrow_mut().violation.take() {
            Some(violation) => Err(violation),
            None => Ok(()),
        }
    }

    fn serve(&mut self, endpoint: Endpoint) {
        let Some(id) = self.net.borrow().by_endpoint.get(&endpoint).copied() else {
            return self.ensemble.handle_disconnected(endpoint);
        };
        loop {
            while let Some(bytes) = self.ensemble.poll_transmit(endpoint) {
                self.net.borrow_mut().send_down(id, bytes);
            }
            let mut net = self.net.borrow_mut();
            let now = net.now;
            let Some(connection) = net.connections.get_mut(&id) else { return };
            if connection.input.is_empty() || !self.ensemble.wants_input(endpoint) {
                break;
            }
            let before = connection.input.len();
            self.ensemble.handle_input(endpoint, &mut connection.input, now);
            if connection.input.len() == before {
                break;
            }
        }
        if self.ensemble.wants_drop(endpoint) || self.ensemble.wants_close(endpoint) {
            self.ensemble.handle_disconnected(endpoint);
            let close = if self.dice.once_in(4) { Close::Reset } else { Close::Fin };
            self.net.borrow_mut().close_by_server(id, close);
        }
    }

    /// A session has ended: if that was for want of a sign of life, its client must not count on it any more.
    fn check_end_of(&self, session: SessionId) -> Result<(), Violation> {
        let net = self.net.borrow();
        if self.forced.contains(&session) || net.wire.is_closing(session) {
            return Ok(());
        }
        for (process, running) in &self.running {
            let inspection = running.states.inspect();
            if inspection.session == Some(session) {
                let valid = inspection.valid_until.map(|valid| running.clock.when(valid));
                if !net.wire.signs.is_hearsay(session, net.now) {
                    sessions::check_validity(*process, session, valid, net.now)?;
                }
            }
        }
        Ok(())
    }

    fn check_at_rest(&mut self) -> Result<(), Violation> {
        {
            let net = self.net.borrow();
            sessions::check_tree(&net.wire.truth, &self.ensemble)?;
            let found = self.application.check_at_rest(&net.wire.truth);
            drop(net);
            self.net.borrow_mut().accuse(found);
        }
        for process in self.processes() {
            let Some(inspection) = self.inspect(process) else { continue };
            sessions::check_idle(process, &inspection)?;
        }
        match self.net.borrow_mut().violation.take() {
            Some(violation) => Err(violation),
            None => Ok(()),
        }
    }

    /// Everybody has gone: nothing may be left of them.
    fn check_at_end(&mut self) -> Result<(), Violation> {
        if let Some(process) = self.processes().first() {
            let count = self.executor.count(*process);
            return Err(Violation::new("rest", format!("client P{process} does not come to its end: {count} tasks")));
        }
        sessions::check_gone(&self.ensemble, &self.net.borrow())
    }
}

/// Counts the steps that a session's link has taken.
fn count_steps(steps: u32, coverage: &mut Coverage) {
    for (index, (from, to)) in TRANSITIONS.iter().enumerate() {
        if steps & 1 << index != 0 {
            coverage.count("link", step_name(from, to));
        }
    }
}

pub(super) fn step_name(from: &str, to: &str) -> &'static str {
    STEPS.iter().find(|(a, b, _)| (*a, *b) == (from, to)).map_or(super::names::UNDECIDED, |(_, _, name)| *name)
}

/// The steps of a link, by name.
pub(super) const STEPS: &[(&str, &str, &str)] = &[
    ("Offline", "Dialing", "Offline to Dialing"),
    ("Offline", "Ended", "Offline to Ended"),
    ("Dialing", "Greeting", "Dialing to Greeting"),
    ("Dialing", "Offline", "Dialing to Offline"),
    ("Dialing", "Ended", "Dialing to Ended"),
    ("Greeting", "Sasl", "Greeting to Sasl"),
    ("Greeting", "Auth", "Greeting to Auth"),
    ("Greeting", "Ready", "Greeting to Ready"),
    ("Greeting", "Offline", "Greeting to Offline"),
    ("Greeting", "Ended", "Greeting to Ended"),
    ("Sasl", "Auth", "Sasl to Auth"),
    ("Sasl", "Ready", "Sasl to Ready"),
    ("Sasl", "Offline", "Sasl to Offline"),
    ("Sasl", "Ended", "Sasl to Ended"),
    ("Auth", "Ready", "Auth to Ready"),
    ("Auth", "Offline", "Auth to Offline"),
    ("Auth", "Ended", "Auth to Ended"),
    ("Ready", "Offline", "Ready to Offline"),
    ("Ready", "Ended", "Ready to Ended"),
    ("Ended", "Offline", "Ended to Offline"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_a_link_has_a_name() {
        assert!(TRANSITIONS.iter().eq(STEPS.iter().map(|(from, to, _)| (*from, *to)).collect::<Vec<_>>().iter()));
    }
}
