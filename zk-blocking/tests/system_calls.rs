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

/// The background thread looks at most so often what others do.
const LOOK_SECONDS: f64 = 0.005;

/// How often each system call was made, and within how many seconds.
#[derive(Debug, Default)]
struct Calls {
    counts: BTreeMap<String, usize>,
    seconds: f64,
}

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
    let count = |name: &str| calls.counts.get(name).copied().unwrap_or_default();
    // The slower the machine is under strace, the more of these there are for each request.
    let looks = count("epoll_wait").min((calls.seconds / LOOK_SECONDS) as usize);
    let others = calls.counts.values().sum::<usize>() - count("sendmsg") - count("recvfrom") - looks;
    // A heartbeat or two may come between, and a reply that was looked for in vain.
    let is_one_each = |count: usize| (REQUESTS..=REQUESTS + REQUESTS / 100).contains(&count);
    is_one_each(count("sendmsg")) && is_one_each(count("recvfrom")) && others * 50 < REQUESTS
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
        .args(["--follow-forks", "--quiet=all", "--signal=none", "--absolute-timestamps=unix,us", "--output"])
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
    let (mut calls, mut began) = (Calls::default(), None);
    for line in marked {
        // A thread's number, the time, and the call; one that was interrupted by another thread's is told again when it goes on.
        let (_, timed) = line.split_once(' ').unwrap();
        let (time, call) = timed.trim_start().split_once(' ').unwrap();
        let time: f64 = time.parse().unwrap_or_else(|_| panic!("{line:?}"));
        calls.seconds = time - *began.get_or_insert(time);
        if let Some((name, _)) = call.trim_start().split_once('(') {
            if !name.starts_with("<...") {
                *calls.counts.entry(name.to_string()).or_default() += 1;
            }
        }
    }
    calls
}
