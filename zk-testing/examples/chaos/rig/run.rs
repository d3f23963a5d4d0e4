//! A run from its beginning to its end.

use std::io;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::admin::Admin;
use super::check::{Violation, check};
use super::clock;
use super::crew::{Adapter, COMPARE, LEAVE, REST};
use super::history::Op;
use super::report::Report;
use super::stage::Stage;
use super::status::Status;
use super::troubles::{Trouble, Troubles};

/// How long the servers may take to be well again when nobody hurts them any more.
const MENDING: Duration = Duration::from_secs(120);
/// How long clients work on when all is well again.
const CALM: Duration = Duration::from_secs(3);
/// How long clients may take to finish what they have begun, when all is well.
const FINISHING: Duration = Duration::from_secs(90);
/// How often the history is checked while it goes on, but not more than a twentieth of the time.
const CHECKS: Duration = Duration::from_secs(10);

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How long there are faults.
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    pub(crate) servers: usize,
    /// A crew for each.
    pub(crate) adapters: Vec<Adapter>,
    /// How many clients a crew has.
    pub(crate) clients: u32,
    /// How many operations on registers a second, by all crews together.
    pub(crate) rate: u32,
    pub(crate) trouble: Trouble,
    pub(crate) session_timeout: Duration,
    /// The command of a process that does nothing but [`run_if_ordered`](super::run_if_ordered).
    pub(crate) crew: fn() -> io::Result<Command>,
    pub(crate) mistake: Option<String>,
}

/// Runs a plan and checks what comes of it.
///
/// # Errors
///
/// When the servers or crews cannot be started or mended: nothing is known of the client then.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    let stage = Stage::build(plan)?;
    let admin = Admin::connect(&stage.ensemble.connect_string())?;
    admin.lay_ground(stage.crews.len(), plan.clients)?;
    let (troubles, begun) = (Troubles::default(), clock::now());
    let mut violations = Vec::new();
    thread::scope(|scope| {
        // The processes end with the threads that have started them, so this one stays until the end.
        let (over, is_over) = mpsc::channel::<()>();
        let (started, is_started) = mpsc::channel();
        let (stage, troubles) = (&stage, &troubles);
        let to_clients = scope.spawn(move || {
            let outcome = (0..stage.crews.len()).try_for_each(|crew| stage.start(crew));
            _ = started.send(());
            let trouble = || troubles.of_clients(stage, plan.session_timeout, plan.seed ^ 1);
            let outcome = outcome.and_then(|()| if plan.trouble == Trouble::Servers { Ok(()) } else { trouble() });
            let outcome = troubles.note(outcome);
            _ = started.send(());
            _ = is_over.recv();
            outcome
        });
        let to_servers = scope.spawn(move || {
            _ = is_started.recv();
            let trouble = || troubles.of_servers(stage, plan.seed);
            let outcome = troubles.note(if plan.trouble == Trouble::Clients { Ok(()) } else { trouble() });
            // What the other does is over too.
            _ = is_started.recv();
            outcome
        });
        violations = watch(plan, stage, troubles);
        troubles.end();
        let outcome = to_servers.join().expect("it does not panic");
        let ended = outcome.and_then(|()| end(plan, stage, &admin, &mut violations));
        drop(over);
        to_clients.join().expect("it does not panic").and(ended)
    })?;

    let mut history = stage.hub.history();
    history.in_doubt = troubles.in_doubt();
    let (found, checked) = check(&history);
    violations.extend(found);
    violations.sort();
    violations.dedup();
    Ok(Report::new(plan, &history, troubles.bands().clone(), violations, checked, begun))
}

/// Looks on until the time is up, and tells how it goes.
fn watch(plan: &Plan, stage: &Stage, troubles: &Troubles) -> Vec<Violation> {
    let (begun, mut status) = (Instant::now(), Status::new(plan.duration));
    let (mut next_check, mut known) = (begun + CHECKS, 0);
    let mut violations = Vec::new();
    while begun.elapsed() < plan.duration && !troubles.has_failed() {
        thread::sleep(Duration::from_millis(100));
        if let Some(crew) = stage.crews.iter().find(|crew| crew.has_ended()) {
            let what = format!("the process on {} has ended by itself", crew.adapter.name());
            violations.push(Violation::new("alive", what, []));
            return violations;
        }
        if Instant::now() >= next_check {
            let from = Instant::now();
            let mut history = stage.hub.history();
            history.in_doubt = troubles.in_doubt();
            let (found, _) = check(&history);
            drop(history);
            for violation in found.iter().filter(|violation| !violations.contains(*violation)) {
                status.interrupt(&format!("VIOLATION {violation}"));
            }
            violations = found;
            known = violations.len();
            next_check = Instant::now() + CHECKS.max(from.elapsed() * 20);
        }
        status.show(&stage.hub, &troubles.bands(), known);
    }
    status.end();
    violations
}

/// Lets all come to rest, and looks at what is left.
fn end(plan: &Plan, stage: &Stage, admin: &Admin, violations: &mut Vec<Violation>) -> io::Result<()> {
    stage.heal()?;
    stage.mend_servers(MENDING)?;
    thread::sleep(CALM);
    for (word, times) in [(REST, 1), (COMPARE, 2)] {
        stage.hub.say(word);
        for crew in stage.hub.wait_rested(times, FINISHING) {
            let what = format!(
                "the clients on {} have not finished within {FINISHING:?} although all is well ({word})",
                stage.crews[crew].adapter.name()
            );
            let history = stage.hub.history();
            let number = u32::try_from(crew + 1).unwrap_or(0);
            let latest = |op: &&Op| op.who / 10_000 == latest_incarnation(&history.ops, number);
            let unfinished = history.ops.values().filter(|op| op.end.is_none() && op.who % 10_000 / 100 == number);
            violations.push(Violation::new("liveness", what, unfinished.filter(latest).take(20)));
        }
    }
    // What the sessions of killed processes had is there until they expire.
    let patience = plan.session_timeout * 2 + Duration::from_secs(20);
    let mut rest = admin.look(patience)?;
    stage.hub.say(LEAVE);
    for late in stage.end() {
        violations.push(Violation::new("liveness", format!("the process on {late} does not end"), []));
    }
    rest.ephemerals = admin.ephemerals(patience)?;
    stage.hub.history().rest = Some(rest);
    Ok(())
}

/// Returns how often a crew's process was started again.
fn latest_incarnation(ops: &std::collections::BTreeMap<u64, Op>, crew: u32) -> u32 {
    let own = ops.values().filter(|op| op.who % 10_000 / 100 == crew);
    own.map(|op| op.who / 10_000).max().unwrap_or(0)
}
