//! The server of one run: always a fresh one, and never the client's process.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bench_harness::{BIG, BIG_BYTES, SMALL, SMALL_DATA, Workload};
use zk_blocking::Wait;
use zk_testing::{TestServer, ensemble};

use crate::{
    Outcome,
    clients::binaries,
    plan::{Placement, Plan},
};

/// What is added to each reply where round trips are counted.
pub(crate) const DELAY: Duration = Duration::from_millis(5);

/// A server, for as long as it is needed.
pub(crate) enum Server {
    Ours { process: Child, plain: String, secure: String },
    InMemory(TestServer),
    Real(Box<ensemble::Server>),
}

impl Server {
    /// Starts what a workload needs.
    pub(crate) fn start(plan: &Plan) -> Outcome<Self> {
        if matches!(plan.workload, Workload::Lock | Workload::LockChain) {
            let server = TestServer::start()?;
            server.delay_replies(DELAY);
            return Ok(Self::InMemory(server));
        }
        let (certificate, key) = certificate()?;
        let core = if plan.placement == Placement::Together { "0" } else { "1" };
        let mut command = on_cores(core);
        command.arg(binaries().join("bench-server")).arg(certificate).arg(key).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("it was piped")?).read_line(&mut line)?;
        let (plain, secure) = line.trim().split_once(' ').ok_or("bench-server told no addresses")?;
        Ok(Self::Ours { process, plain: plain.to_owned(), secure: secure.to_owned() })
    }

    /// Starts a real ZooKeeper with the nodes that are read.
    pub(crate) fn start_real() -> Outcome<Self> {
        let server = ensemble::Server::start()?;
        let client = zk_blocking::connect(&server.connect_string())?;
        client.create("/bench", b"").wait()?;
        client.create(SMALL, &SMALL_DATA).wait()?;
        client.create(BIG, &vec![b'y'; BIG_BYTES][..]).wait()?;
        client.close().wait();
        Ok(Self::Real(Box::new(server)))
    }

    pub(crate) fn address(&self, workload: Workload) -> String {
        match self {
            Self::Ours { secure, .. }
                if matches!(workload, Workload::TlsReads | Workload::TlsBigReads | Workload::TlsBigWrites) =>
            {
                secure.clone()
            }
            Self::Ours { plain, .. } => plain.clone(),
            Self::InMemory(server) => server.connect_string(),
            Self::Real(server) => server.connect_string(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Ours { process, .. } = self {
            _ = process.kill();
            _ = process.wait();
        }
    }
}

/// Begins a command that may run on these cores alone.
pub(crate) fn on_cores(cores: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]);
    command
}

/// Returns where there is a certificate for localhost, and its key. Makes them when they are missing.
pub(crate) fn certificate() -> Outcome<(PathBuf, PathBuf)> {
    let folder = folder();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if !key.exists() {
        fs::create_dir_all(&folder)?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.key_pair.serialize_pem())?;
    }
    Ok((certificate, key))
}

/// Removes what was made for the servers.
pub(crate) fn clean() {
    _ = fs::remove_dir_all(folder());
}

fn folder() -> PathBuf {
    env::temp_dir().join(format!("zk-bench-{}", std::process::id()))
}
