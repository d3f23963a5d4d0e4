//! Clients in a process of their own, which can be halted, and counted without those of other tests.
//!
//! The process is the test binary itself, run again for the one test that is ignored otherwise, with an environment variable
//! that says what to do. It tells what happens line by line, and ends when its input does, and so with its parent.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use zk_proto::{
    code::AddWatchMode::PersistentRecursive,
    session::{End, State},
};

use super::{Adapter, Ground, ground, is_suspended, pause, reach, soon, within};

const TASK: &str = "ZK_TESTING_PROCESS";

/// The name of the ignored test, where [`conformance!`](crate::conformance!) stands at the root of a test binary.
const TEST: &str = "a_process_of_its_own";

/// The timeout of a session that is left to expire.
const SHORT: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(60);

/// A process that runs a client, and is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts a process whose client holds a session and an ephemeral node `/own`, watches `/watched`, and tells its session
    /// when `/ask` appears.
    pub(super) fn hold_a_session(servers: &str, timeout: Duration) -> Self {
        Self::start(&format!("hold {servers} {}", timeout.as_millis()))
    }

    /// Starts a process in which clients come, are dropped in every state, and are counted.
    pub(super) fn come_and_go(servers: &str) -> Self {
        Self::start(&format!("come-and-go {servers} 0"))
    }

    fn start(task: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", TEST])
            .env(TASK, task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        // Ends with the process, or when nobody listens any more.
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Waits for a line that begins so, and returns the rest of it.
    #[track_caller]
    pub(super) fn hear(&mut self, beginning: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix(beginning) {
                    Some(rest) => return rest.to_owned(),
                    None => heard.push(line),
                },
                Err(RecvTimeoutError::Timeout) => panic!("{beginning:?} did not come, but {heard:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the process has ended without {beginning:?}: {heard:?}"),
            }
        }
    }

    /// Halts the process as a whole.
    pub(super) fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on where it was.
    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Does what the environment says; nothing, where nobody has started this as a process of its own.
#[doc(hidden)]
pub fn main(adapter: impl Adapter) {
    let Ok(task) = env::var(TASK) else { return };
    let [what, servers, timeout_ms] = task.split(' ').collect::<Vec<_>>()[..] else { panic!("no such task: {task}") };
    let timeout = Duration::from_millis(timeout_ms.parse().unwrap());
    thread::spawn(|| {
        _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    ground::run_elsewhere(adapter, async |ground| match what {
        "hold" => hold(&ground, servers, timeout).await,
        "come-and-go" => come_and_go(&ground, servers).await,
        _ => panic!("no such task: {task}"),
    });
}

async fn hold(ground: &Ground, servers: &str, timeout: Duration) {
    let client = soon(ground.builder(servers).session_timeout(timeout).connect()).await.unwrap();
    client.create("/own", b"").ephemeral().await.unwrap();
    let (_, mut watched) = client.exists("/watched").watch().await.unwrap();
    let (_, mut asked) = client.exists("/ask").watch().await.unwrap();
    let asking = client.clone();
    let states = async {
        let mut states = client.states();
        // The test runner has begun a line.
        println!();
        while let Some(state) = states.next().await {
            match state {
                State::Connecting => println!("connecting"),
                State::Connected { session, .. } => println!("connected {session}"),
                State::Suspended { .. } => println!("suspended"),
                State::PresumedLost => println!("presumed lost"),
                State::Ended(End::Expired) => println!("ended expired"),
                State::Ended(end) => println!("ended {end:?}"),
            }
        }
    };
    ground.spawn(async move {
        if let Ok(event) = watched.changed().await {
            println!("told {:?}", event.kind);
        }
    });
    ground.spawn(async move {
        if asked.changed().await.is_ok() {
            println!("session {}", asking.session().unwrap_or_default());
        }
    });
    states.await;
}

/// What a client costs its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    sockets: usize,
    threads: usize,
    tasks: usize,
}

impl Cost {
    /// Counts. This is what Linux tells in `/proc`.
    fn now(ground: &Ground) -> Self {
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("this counts what Linux tells in /proc");
        let is_socket = |entry: io::Result<std::fs::DirEntry>| {
            let target = entry.and_then(|entry| std::fs::read_link(entry.path()));
            target.is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
        };
        Self {
            sockets: descriptors.map(is_socket).filter(|is_socket| *is_socket).count(),
            threads: std::fs::read_dir("/proc/self/task").expect("as above").count(),
            tasks: ground.tasks(),
        }
    }
}

async fn come_and_go(ground: &Ground, servers: &str) {
    println!();
    // What is made once and stays: threads of the runtime, and that of alarms.
    let first = ground.connect(servers).await;
    pause(Duration::from_millis(1)).await;
    soon(first.close()).await;
    drop(first);
    settle(ground, |cost| cost.sockets == 0 && cost.tasks == 0).await;
    let before = Cost::now(ground);
    println!("before: {before:?}");

    for round in 0..20 {
        // Idle, suspended by a server that was left, connecting, with requests, with watchers, with work, closing.
        let idle = ground.connect(servers).await;
        assert!(Cost::now(ground).sockets > before.sockets, "a connected client has a socket");
        let lost = soon(ground.builder(servers).session_timeout(SHORT).connect()).await.unwrap();
        let mut states = lost.states();
        lost.set_servers("127.0.0.1:1".parse().unwrap());
        reach(&mut states, is_suspended).await;
        let connecting = ground.builder(servers).connect_lazy();
        let pending: Vec<_> = (0..10).map(|_| idle.exists("/").watch().send()).collect();
        let watcher = idle.add_watch("/", PersistentRecursive).await.unwrap();
        idle.spawn(|client| async move { while client.exists("/").await.is_ok() {} });
        let closing = ground.connect(servers).await;
        let close = closing.close();
        _ = within(Duration::from_micros(100 * round), ground.builder(servers).connect()).await;
        drop((idle, lost, connecting, pending, watcher, closing, close));
    }

    // The first client's thread, where it has one, may have been about to end when it was counted.
    settle(ground, |cost| Cost { threads: cost.threads.max(before.threads), ..cost } == before).await;
    println!("nothing is left");
}

/// Waits until the costs are these.
async fn settle(ground: &Ground, is_so: impl Fn(Cost) -> bool) {
    let settled = async {
        while !is_so(Cost::now(ground)) {
            pause(Duration::from_millis(20)).await;
        }
    };
    // In time for the reason to be heard.
    if within(PATIENCE / 2, settled).await.is_none() {
        panic!("this is left: {:?}", Cost::now(ground));
    }
}
