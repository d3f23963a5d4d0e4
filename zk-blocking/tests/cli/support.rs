//! The program, and what it is run against.

use std::{
    ffi::OsStr,
    fmt,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use zk_testing::{TestServer, ensemble::shared};

/// The command line, with servers to talk to.
pub(crate) struct Zk {
    servers: String,
}

impl Zk {
    pub(crate) fn on(servers: impl Into<String>) -> Self {
        Self { servers: servers.into() }
    }

    /// Returns the program, without anything of this process's environment that concerns it.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zk"));
        command.env("ZK_SERVERS", &self.servers).env_remove("ZK_AUTH").args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command line, its words separated by blanks.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    /// Runs a command line with standard input.
    pub(crate) fn run_with(&self, line: &str, input: impl Into<Vec<u8>>) -> Outcome {
        let mut command = self.command(&line.split_whitespace().collect::<Vec<_>>());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
        // The program may end without having read everything.
        let writing = thread::spawn(move || _ = stdin.write_all(&input));
        let outcome = Outcome::of(child.wait_with_output().unwrap());
        writing.join().unwrap();
        outcome
    }

    /// Runs a command line that must succeed and say nothing on standard error. Returns what it has printed.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        self.run(line).ok()
    }

    /// Runs a command line with `--json`, and returns the values that it prints.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Vec<Value> {
        values(&self.ok(&format!("--json {line}")))
    }

    /// Starts a command line that goes on for a while.
    pub(crate) fn start(&self, line: &str) -> Running {
        self.start_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn start_words<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Running {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(BufReader::new),
            stderr: child.stderr.take().map(BufReader::new),
            child,
        }
    }
}

pub(crate) fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// What a command has come to.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self}");
        String::from_utf8(self.stdout).unwrap()
    }

    /// Checks that it has failed with that code, printed nothing, and said each of these.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, said: &[&str]) {
        assert_eq!((self.code, self.text()), (Some(code), ""), "{self}");
        for said in said {
            assert!(self.stderr.contains(said), "{said:?} is missing: {self}");
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}\n{}\n{}", self.code, String::from_utf8_lossy(&self.stdout), self.stderr)
    }
}

/// A command that goes on for a while.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    pub(crate) stderr: Option<BufReader<ChildStderr>>,
}

impl Running {
    /// Waits for the next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        next_line(self.stdout.as_mut().unwrap())
    }

    /// Waits for the next line of standard error.
    pub(crate) fn note(&mut self) -> String {
        next_line(self.stderr.as_mut().unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end. Returns the exit status, and what else was said on standard error.
    pub(crate) fn end(mut self) -> (std::process::ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

/// Nothing that a test has started outlives it.
impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn next_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end_matches('\n').to_string()
}

/// Runs a test on a server in memory, and on a real one, below a chroot of its own.
#[track_caller]
pub(crate) fn on_each_server(name: &str, test: impl Fn(&Zk)) {
    let server = TestServer::start().unwrap();
    println!("on a server in memory");
    let root = format!("/{name}");
    Zk::on(server.connect_string()).ok(&format!("create {root}"));
    test(&Zk::on(format!("{}{root}", server.connect_string())));
    println!("on a real server");
    test(&Zk::on(format!("{}{}", shared().connect_string(), shared().chroot(name).unwrap())));
}

/// Runs a test on a server in memory, and gives it the server.
pub(crate) fn in_memory() -> (TestServer, Zk) {
    let server = TestServer::start().unwrap();
    let zk = Zk::on(server.connect_string());
    (server, zk)
}

/// Waits until something shows on the server, of which nothing else tells.
#[track_caller]
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to pass");
        thread::yield_now();
    }
}

/// Writes a file of a name that no other test uses, and returns its path.
pub(crate) fn file(name: &str, contents: &[u8]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, contents).unwrap();
    path.to_str().unwrap().to_string()
}
