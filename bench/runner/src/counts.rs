//! What can be counted from outside, of any program: system calls, allocations, instructions.
//!
//! A client runs twice, the second time with twice as many operations. The difference is what the operations cost, without the start of
//! the program and whatever it warms up. Counting slows a program down, so nothing else is measured at the same time.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use bench_harness::Workload;

use crate::{
    Outcome,
    clients::{Client, Pace, binaries, make},
    options::Options,
    plan::Plan,
    round::{Told, arguments, run},
    servers::Server,
};

/// Where instructions are counted, a program runs fifty times slower.
const INSTRUCTIONS_SCALE: f64 = 0.1;

/// Counts for each client that does this workload.
pub(crate) fn measure(plan: &Plan, clients: &[Client], options: &Options) -> Outcome<Vec<(String, Told)>> {
    if !matches!(plan.workload, Workload::OneByOne | Workload::Reads | Workload::Writes | Workload::Crowd) {
        return Ok(Vec::new());
    }
    let shim = shim()?;
    let mut results = Vec::new();
    for client in clients.iter().filter(|client| client.does(plan.workload)) {
        eprintln!("{} {} counts", plan.name, client.name);
        let mut told = Told::new();
        let mut note = |name: &str, count: Option<f64>| {
            if let Some(count) = count {
                told.entry(name.to_owned()).or_default().push(count);
            }
        };
        let at = |scale| Options { scale: options.scale * scale, ..options_of(options) };
        note("syscalls_per_op", difference(plan, client, &at(1.0), &system_calls)?);
        note("allocations_per_op", difference(plan, client, &at(1.0), &|words| allocations(words, &shim))?);
        // A virtual machine that compiles while it runs is not to be counted so.
        if client.pace != Pace::Slow && client.name != "java" {
            note("instructions_per_op", difference(plan, client, &at(INSTRUCTIONS_SCALE), &instructions)?);
        }
        results.push((client.name.clone(), told));
    }
    Ok(results)
}

fn options_of(options: &Options) -> Options {
    Options {
        rounds: 1,
        workloads: Vec::new(),
        clients: Vec::new(),
        out: options.out.clone(),
        scale: options.scale,
        counts: true,
        is_real: false,
        only_draws: false,
    }
}

/// Returns by how much the count grows with each operation.
fn difference(
    plan: &Plan,
    client: &Client,
    options: &Options,
    count: &dyn Fn(&[String]) -> Outcome<Option<f64>>,
) -> Outcome<Option<f64>> {
    let counted = |times| {
        let server = Server::start(plan)?;
        count(&arguments(plan, client, &server, options, times))
    };
    // The warm-up grows with small numbers of operations; from twice the number on, it does not any more.
    let (Some(some), Some(more)) = (counted(2)?, counted(4)?) else { return Ok(None) };
    Ok(Some((more - some) / (2.0 * plan.operations(client.pace, options) as f64)))
}

fn system_calls(words: &[String]) -> Outcome<Option<f64>> {
    let report = report("strace");
    let told = run(Command::new("strace").args(["-f", "-c", "-o"]).arg(&report).args(words))?;
    let report = take(&report)?;
    let total = report.lines().rev().find(|line| line.ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    Ok(calls.filter(|_| !told.is_empty()))
}

fn allocations(words: &[String], shim: &Path) -> Outcome<Option<f64>> {
    let report = report("allocations");
    let mut command = Command::new(&words[0]);
    let told = run(command.args(&words[1..]).env("LD_PRELOAD", shim).env("BENCH_ALLOCATIONS", &report))?;
    let report = take(&report)?;
    Ok(report.trim().parse().ok().filter(|_| !told.is_empty()))
}

fn instructions(words: &[String]) -> Outcome<Option<f64>> {
    let report = report("callgrind");
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", report.display())).args(words);
    let told = run(&mut command)?;
    let report = take(&report)?;
    let total = report.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.and_then(|count| count.trim().parse().ok()).filter(|_| !told.is_empty()))
}

fn report(name: &str) -> PathBuf {
    env::temp_dir().join(format!("zk-bench-{}-{name}", std::process::id()))
}

/// Reads a report, and removes it. One that was not written is empty.
fn take(path: &Path) -> Outcome<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    _ = fs::remove_file(path);
    Ok(text)
}

/// Makes what counts calls of malloc and its like, in a program of any language.
fn shim() -> Outcome<PathBuf> {
    let shim = binaries().join("count-allocations.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("count_allocations.c");
    make(Command::new("gcc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&shim).arg(source).arg("-ldl"))?;
    Ok(shim)
}
