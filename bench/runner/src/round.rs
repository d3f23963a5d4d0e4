//! Clients in turns.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use crate::{
    Outcome,
    clients::{Client, Threads},
    options::Options,
    plan::{Placement, Plan},
    servers::{DELAY, Server, certificate, on_cores},
};

/// What one client told, by name, once a round.
pub(crate) type Told = BTreeMap<String, Vec<f64>>;

/// A client that takes longer than this in one run is stopped, in seconds.
const LIMIT_S: &str = "120";

/// Runs every client once a round; who goes first changes from round to round.
pub(crate) fn measure(plan: &Plan, clients: &[Client], options: &Options) -> Outcome<Vec<(String, Told)>> {
    let clients: Vec<&Client> = clients.iter().filter(|client| client.does(plan.workload)).collect();
    let mut results: Vec<(String, Told)> = clients.iter().map(|client| (client.name.clone(), Told::new())).collect();
    let real = if options.is_real { Some(Server::start_real()?) } else { None };
    for round in 0..options.rounds {
        for turn in 0..clients.len() {
            let index = (turn + round) % clients.len();
            let client = clients[index];
            let fresh = if real.is_some() { None } else { Some(Server::start(plan)?) };
            let server = fresh.as_ref().or(real.as_ref()).ok_or("there is a server")?;
            let mut command = Command::new("timeout");
            command.arg(LIMIT_S).args(words(plan, client)).args(arguments(plan, client, server, options, 1));
            eprintln!("{} {} {}/{}", plan.name, client.name, round + 1, options.rounds);
            for (name, value) in run(&mut command)? {
                results[index].1.entry(name).or_default().push(value);
            }
        }
    }
    Ok(results)
}

/// Returns the words of the command that come before the client's own.
fn words(plan: &Plan, client: &Client) -> Vec<String> {
    let cores = match (plan.placement, client.threads) {
        (Placement::Together, _) | (Placement::Apart, Threads::One) => "0",
        (Placement::Apart, Threads::Many) | (Placement::Free, _) => "0,1",
    };
    let pinned = on_cores(cores);
    let mut words = vec![pinned.get_program().display().to_string()];
    words.extend(pinned.get_args().map(|arg| arg.display().to_string()));
    words
}

/// Returns the command line of a client, for so many times the usual number of operations.
pub(crate) fn arguments(plan: &Plan, client: &Client, server: &Server, options: &Options, times: usize) -> Vec<String> {
    let operations = plan.operations(client.pace, options) * times;
    let mut words = client.program.clone();
    words.extend([plan.workload.name().to_owned(), server.address(plan.workload), operations.to_string()]);
    words.extend((!client.flavour.is_empty()).then(|| client.flavour.to_owned()));
    words
}

/// Runs a client, and reads what it tells. One that fails has told nothing.
pub(crate) fn run(command: &mut Command) -> Outcome<Vec<(String, f64)>> {
    let (certificate, _) = certificate()?;
    command.env("BENCH_CERTIFICATE", certificate).env("BENCH_DELAY_MS", DELAY.as_millis().to_string());
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        eprintln!("  {}: {}", output.status, complaint.lines().next().unwrap_or_default());
        return Ok(Vec::new());
    }
    let told = String::from_utf8(output.stdout)?;
    Ok(told
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect())
}
