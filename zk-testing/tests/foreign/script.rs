//! A process that talks to a server of its own, and what it asks for.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use zk_testing::TestServer;

/// Longer than any step of a script takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process whose output is read line by line. It does not outlive the test.
pub(crate) struct Process {
    description: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it has said so far.
    said: Vec<String>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let description = format!("{command:?}");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{description}: {error}; run .ci/install-foreign"));
        let output = BufReader::new(child.stdout.take().expect("the output is piped"));
        let (line, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        Self { description, input: child.stdin.take(), child, lines, said: Vec::new() }
    }

    /// Returns the next line, or `None` at the end of the output.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} says no more than {:#?}", self.description, self.said),
        }
    }

    pub(crate) fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open until the end");
        writeln!(input, "{line}").expect("the process reads");
    }

    /// Waits for the end of the process, whose output has ended.
    pub(crate) fn end(mut self) -> ExitStatus {
        self.input = None;
        self.child.wait().expect("a process can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Returns a script.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/scripts").join(name)
}

/// Runs a command, whose last argument becomes the server's connect string, and compares the steps that it has done.
pub(crate) fn run(mut command: Command, steps: &[&str]) {
    let server = TestServer::start().expect("a port is free");
    command.arg(server.connect_string());
    let mut process = Process::start(command);
    let mut done = Vec::new();
    while let Some(line) = process.line() {
        match line.as_str() {
            "? cut" => server.cut_connections(),
            "? expire" => server.expire_sessions(),
            line => {
                done.extend(line.strip_prefix("ok: ").map(str::to_owned));
                continue;
            }
        }
        process.send("done");
    }
    let status = process.end();
    assert!(status.success(), "the script ended with {status} behind {done:?}");
    assert_eq!(done, steps);
}

/// Panics where a file is missing that the script for clients installs.
pub(crate) fn require(path: &Path) {
    assert!(path.exists(), "there is no {}: run .ci/install-foreign", path.display());
}
