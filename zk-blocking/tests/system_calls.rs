//! What a request costs in system calls, counted by strace.

#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    env, fs,
    process::{self, Command},
};

use zk_testing::TestServer;

#[path = "../examples/ping_pong.rs"]
#[expect(dead_code, reason = "the test calls what `main` calls")]
mod ping_pong;

const REQUESTS: usize = 10_000;

/// How often each system call was made.
type Calls = BTreeMap<String, usize>;

/// Says to this program, when it is run again under strace, which server to talk to.
const SERVERS: &str = "ZK_BLOCKING_TRACED";

/// How often to measure. A machine that does other things too takes threads away from each other in the middle of a request, which
/// then costs more; but it does not do so all the time.
const ATTEMPTS: usize = 10;

#[test]
fn a_request_of_a_lone_thread_is_one_send_and_one_receive() {
    let attempts: Vec<_> = (0..ATTEMPTS).map(|_| trace_ping_pong()).take_while(|calls| !is_plain(calls)).collect();

    assert!(attempts.len() < ATTEMPTS, "{REQUESTS} requests cost {attempts:?}");
}

/// Returns whether next to nothing was done but to send each request and to receive each reply.
fn is_plain(calls: &Calls) -> bool {
    let count = |name: &str| calls.get(name).copied().unwrap_or_default();
    let others = calls.values().sum::<usize>() - count("sendmsg") - count("recvfrom");
    // A heartbeat or two may come between, and a reply that was looked for in vain.
    let is_one_each = |count: usize| (REQUESTS..=REQUESTS + REQUESTS / 100).contains(&count);
    is_one_each(count("sendmsg")) && is_one_each(count("recvfrom")) && others * 20 < REQUESTS
}

#[test]
#[ignore = "is what the other test runs under strace"]
fn the_example() {
    if let Ok(servers) = env::var(SERVERS) {
        ping_pong::ping_pong(&servers, REQUESTS as u32).unwrap();
    }
}

/// Runs the example under strace, and counts the system calls of all its threads between its marks.
fn trace_ping_pong() -> Calls {
    let has_strace = Command::new("strace").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(has_strace, "there is no strace; .ci/install-strace installs it");
    let server = TestServer::start().unwrap();
    let trace = env::temp_dir().join(format!("zk-blocking-system-calls-{}", process::id()));

    let output = Command::new("strace")
        .args(["--follow-forks", "--quiet=all", "--signal=none", "--output"])
        .arg(&trace)
        .arg(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "the_example"])
        .env(SERVERS, server.connect_string())
        .output()
        .unwrap();
    let lines = fs::read_to_string(&trace).unwrap();
    fs::remove_file(&trace).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let marked = lines.lines().skip_while(|line| !line.contains(r#""begin\n""#)).skip(1);
    let marked = marked.take_while(|line| !line.contains(r#""end\n""#));
    let mut calls = Calls::new();
    for line in marked {
        // A thread's number, and the call; one that was interrupted by another thread's is told again when it goes on.
        let (_, call) = line.split_once(' ').unwrap();
        if let Some((name, _)) = call.trim_start().split_once('(') {
            if !name.starts_with("<...") {
                *calls.entry(name.to_string()).or_default() += 1;
            }
        }
    }
    calls
}
