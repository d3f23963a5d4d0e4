//! The clients there are, and those that are missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use bench_harness::Workload;

use crate::{Outcome, options::Options};

/// How many operations to expect of a client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Fast,
    Middling,
    Slow,
}

/// How many threads a client is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    One,
    Many,
}

/// A client that can be run.
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) program: Vec<String>,
    pub(crate) flavour: &'static str,
    pub(crate) pace: Pace,
    pub(crate) threads: Threads,
    /// What it knows how to do.
    workloads: &'static [Workload],
}

impl Client {
    /// Returns whether it has an answer to a workload.
    pub(crate) fn does(&self, workload: Workload) -> bool {
        self.workloads.contains(&workload)
    }
}

pub(crate) const FLOOR: &str = "floor";

pub(crate) struct Clients {
    pub(crate) found: Vec<Client>,
    /// With what is missing.
    pub(crate) missing: Vec<String>,
    /// All names, whether they were asked for or not.
    known: Vec<String>,
}

use Workload::{
    BigReads, BigReadsKept, BigWrites, Crowd, Idle, Lock, LockChain, OneByOne, Reads, Rewatch, TlsBigReads,
    TlsBigWrites, TlsReads, Watches, Writes,
};

const ALL: &[Workload] = Workload::ALL;
/// All but the recipes.
const BY_FLOOR: &[Workload] = ALL.split_at(ALL.len() - 2).0;
const PLAIN: &[Workload] =
    &[OneByOne, Reads, Writes, Crowd, BigReads, BigReadsKept, BigWrites, Watches, Idle, Rewatch, Lock, LockChain];
const TLS: &[Workload] = &[TlsReads, TlsBigReads, TlsBigWrites];
const FUTURES: &[Workload] =
    &[OneByOne, Reads, Writes, Crowd, BigReads, BigReadsKept, BigWrites, Watches, Idle, Rewatch];
const BLOCKING: &[Workload] = &[OneByOne, Reads, Writes, Crowd, BigReads, BigWrites, Watches, Idle];
const FOREIGN: &[Workload] = &[OneByOne, Reads, Writes, Crowd, BigReads, BigWrites, Watches, Idle, Rewatch];

/// Looks what can be run here.
///
/// # Errors
///
/// When a client is asked for that nobody knows.
pub(crate) fn find(options: &Options) -> Outcome<Clients> {
    let mut clients = Clients { found: Vec::new(), missing: Vec::new(), known: Vec::new() };
    let rust = [
        (FLOOR, "floor", &[""][..], Pace::Fast, BY_FLOOR),
        ("bare", "floor", &["threads"], Pace::Fast, &[Crowd]),
        ("zk-blocking", "client-zk-blocking", &[""], Pace::Fast, PLAIN),
        ("zk-tokio", "client-zk-tokio", &["ct", "mt"], Pace::Fast, ALL),
        ("zk-async-std", "client-zk-async-std", &[""], Pace::Fast, PLAIN),
        ("tokio-rustls", "client-tokio-rustls", &[""], Pace::Fast, TLS),
        ("zookeeper-client", "client-zookeeper-client", &["ct", "mt"], Pace::Middling, FUTURES),
        ("tokio-zookeeper", "client-tokio-zookeeper", &["ct", "mt"], Pace::Middling, FUTURES),
        ("zookeeper-async", "client-zookeeper-async", &["ct", "mt"], Pace::Middling, FUTURES),
        ("zookeeper", "client-zookeeper", &[""], Pace::Middling, BLOCKING),
    ];
    for (name, binary, flavours, pace, workloads) in rust {
        let program = binaries().join(binary);
        for &flavour in flavours {
            let name = if flavour.is_empty() { name.to_owned() } else { format!("{name}-{flavour}") };
            let threads = match name.as_str() {
                FLOOR | "zk-blocking" | "tokio-rustls" => Threads::One,
                _ if flavour == "ct" => Threads::One,
                _ => Threads::Many,
            };
            let program = program.exists().then(|| vec![program.display().to_string()]);
            let program = program.ok_or_else(|| format!("the program {binary} was not built"));
            clients.take(options, name, program, |name, program| Client {
                name,
                program,
                flavour,
                pace,
                threads,
                workloads,
            });
        }
    }
    for (name, program, pace) in
        [("c", c(), Pace::Middling), ("java", java(), Pace::Middling), ("kazoo", kazoo(), Pace::Slow)]
    {
        clients.take(options, name.to_owned(), program, |name, program| Client {
            name,
            program,
            flavour: "",
            pace,
            threads: Threads::Many,
            workloads: FOREIGN,
        });
    }
    match options.clients.iter().find(|name| !clients.known.contains(name)) {
        Some(unknown) => Err(format!("no client {unknown:?}; there are {}", clients.known.join(", ")).into()),
        None => Ok(clients),
    }
}

impl Clients {
    fn take(
        &mut self,
        options: &Options,
        name: String,
        program: Result<Vec<String>, String>,
        make: impl FnOnce(String, Vec<String>) -> Client,
    ) {
        self.known.push(name.clone());
        if !options.clients.is_empty() && !options.clients.contains(&name) {
            return;
        }
        match program {
            Ok(program) => self.found.push(make(name, program)),
            Err(why) => self.missing.push(format!("{name} ({why})")),
        }
    }
}

/// Where this program and the others are.
pub(crate) fn binaries() -> PathBuf {
    env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned())).unwrap_or_default()
}

pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients")
}

/// Runs what makes a program, and says what went wrong.
pub(crate) fn make(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", complaint.lines().find(|line| line.contains("error")).unwrap_or("failed")))
}

fn c() -> Result<Vec<String>, String> {
    let program = binaries().join("client-c");
    let source = sources().join("c/client.c");
    make(
        Command::new("gcc")
            .args(["-O2", "-DTHREADED", "-o"])
            .arg(&program)
            .arg(source)
            .args(["-lzookeeper_mt", "-lpthread"]),
    )?;
    Ok(vec![program.display().to_string()])
}

fn java() -> Result<Vec<String>, String> {
    let jars = [
        "zookeeper",
        "zookeeper-jute",
        "slf4j-api",
        "slf4j-nop",
        "netty-handler",
        "netty-common",
        "netty-buffer",
        "netty-transport",
    ];
    let jars: Vec<_> = jars.iter().map(|jar| format!("/usr/share/java/{jar}.jar")).collect();
    let classes = binaries().join("client-java");
    fs::create_dir_all(&classes).map_err(|error| error.to_string())?;
    let path = format!("{}:{}", classes.display(), jars.join(":"));
    make(Command::new("javac").args(["-cp", &path, "-d"]).arg(&classes).arg(sources().join("java/Client.java")))?;
    Ok(["java", "-Xmx2g", "-cp", &path, "Client"].map(str::to_owned).into())
}

fn kazoo() -> Result<Vec<String>, String> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/foreign/bin/python");
    let python = if python.exists() { python } else { PathBuf::from("python3") };
    make(Command::new(&python).args(["-c", "import kazoo"]))
        .map_err(|_| "there is no kazoo; .ci/install-foreign gets it".to_owned())?;
    Ok(vec![python.display().to_string(), sources().join("kazoo/client.py").display().to_string()])
}
