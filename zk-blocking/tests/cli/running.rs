//! Commands that run as long as something is held: `lock` and `elect`.

use std::{io::Read, net::TcpListener, os::unix::process::ExitStatusExt};

use crate::support::{Running, Zk, in_memory, on_each_server, wait_until};

/// A command that says `ready`, and goes on until its standard input ends.
const PATIENT: &str = "echo $ZK_NODE; read line; exit 7";
/// One that ends when it is asked to, and says so.
const OBEDIENT: &str = "trap 'echo asked; exit 9' TERM INT; echo $ZK_NODE; read line; exit 7";
/// One that does not.
const STUBBORN: &str = "trap '' TERM; echo $ZK_NODE; read line; exit 7";

fn start(zk: &Zk, line: &str, script: &str) -> Running {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    words.extend(["--", "sh", "-c", script]);
    zk.start_words(&words)
}

/// Waits for the end, and returns the exit code, and what else was said on both sides.
fn end(mut running: Running) -> (Option<i32>, String, String) {
    let mut printed = String::new();
    // That ends when nobody is left who could print: the command's own children are gone, too.
    running.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let (status, said) = running.end();
    (status.code(), printed, said)
}

#[test]
fn a_command_runs_under_the_lock_and_its_exit_code_is_passed_on() {
    on_each_server("lock", |zk| {
        let mut running =
            start(zk, "lock /locks/a --id me", "echo $ZK_PATH $ZK_FENCING_TOKEN $ZK_NODE; read line; exit 7");
        let line = running.line();
        let [path, token, node] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!(path, "/locks/a");
        assert!(node.starts_with("/locks/a/_c_") && node.contains("-lock-"), "{node}");
        let created = &zk.json(&format!("stat {node}"))[0]["stat"]["czxid"];
        assert_eq!(created.as_str().unwrap(), format!("{:#x}", token.parse::<u64>().unwrap()));
        assert_eq!(zk.ok(&format!("get {node}")), "me");

        drop(running.stdin.take());

        assert_eq!(end(running), (Some(7), String::new(), String::new()));
        assert_eq!(zk.ok("ls /locks/a"), "");
    });
}

#[test]
fn the_command_can_ask_the_same_servers_and_check_that_it_holds_the_lock() {
    let (server, zk) = in_memory();
    zk.ok("create /guarded old");
    let script = format!("printf 'check %s\\nset /guarded new\\n' $ZK_NODE | '{}' multi -", env!("CARGO_BIN_EXE_zk"));

    let outcome = zk.run_words(&["lock", "/locks/a", "--", "sh", "-c", &script]);

    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome}");
    assert_eq!(zk.ok("get /guarded"), "new");
    assert!(server.sessions().is_empty());
}

#[test]
fn who_does_not_get_the_lock_runs_nothing_and_ends_with_124() {
    let (_server, zk) = in_memory();
    let mut holder = start(&zk, "lock /locks/a", PATIENT);
    holder.line();

    for (how, said) in [("--try", "others have it"), ("--wait 50ms", "not had in time")] {
        let mut words = vec!["lock", "/locks/a"];
        words.extend(how.split(' '));
        words.extend(["--", "echo", "run"]);
        zk.run_words(&words).fails(124, &["/locks/a", said]);
    }
    assert_eq!(zk.ok("ls /locks/a").lines().count(), 1);

    drop(holder.stdin.take());
    assert_eq!(end(holder).0, Some(7));
    assert_eq!(zk.ok("lock /locks/a --try --layout kazoo -- echo run"), "run\n");
}

#[test]
fn a_command_is_ended_when_the_lock_is_lost() {
    on_each_server("lock-lost", |zk| {
        let mut running = start(zk, "lock /locks/a", OBEDIENT);
        let node = running.line();

        zk.ok(&format!("rm {node}"));

        let (code, printed, said) = end(running);
        assert_eq!((code, printed.as_str()), (Some(121), "asked\n"), "{said}");
        assert!(said.contains("somebody has deleted its node; the command is asked to end"), "{said}");
    });
}

#[test]
fn a_command_that_does_not_end_is_killed_with_its_children() {
    let (server, zk) = in_memory();
    let script = format!("sleep 1000 & {STUBBORN}");
    let mut running = start(&zk, "lock /locks/a --grace 100ms", &script);
    running.line();

    server.expire_sessions();

    let (code, printed, said) = end(running);
    assert_eq!((code, printed.as_str()), (Some(121), ""), "{said}");
    assert!(said.contains("the session is over; the command is asked to end"), "{said}");
    assert!(said.contains("has not ended, and is killed"), "{said}");
}

#[test]
fn another_signal_can_ask_the_command_to_end() {
    let (_server, zk) = in_memory();
    let mut running =
        start(&zk, "lock /locks/a --signal int", "trap 'echo asked; exit 9' INT; echo $ZK_NODE; read line");
    let node = running.line();

    zk.ok(&format!("rm {node}"));

    let (code, printed, _) = end(running);
    assert_eq!((code, printed.as_str()), (Some(121), "asked\n"));
}

#[test]
fn a_loss_may_be_told_only() {
    let (_server, zk) = in_memory();
    let mut running = start(&zk, "lock /locks/a --on-loss warn", PATIENT);
    let node = running.line();

    zk.ok(&format!("rm {node}"));

    assert!(running.note().ends_with("somebody has deleted its node; the command runs on"));
    drop(running.stdin.take());
    assert_eq!(end(running).0, Some(7));
}

#[test]
fn a_lost_link_is_told_and_the_command_runs_on() {
    let (server, zk) = in_memory();
    let mut running = start(&zk, "lock /locks/a", PATIENT);
    running.line();

    server.cut_connections();

    assert_eq!(running.note(), "zk: /locks/a: cut off from the server, held as long as the session lives");
    assert_eq!(running.note(), "zk: /locks/a: connected again, still held");
    drop(running.stdin.take());
    assert_eq!(end(running), (Some(7), String::new(), String::new()));
}

#[test]
fn signals_are_forwarded_to_the_command_and_its_children() {
    for line in ["lock /one", "elect /one"] {
        for (name, number) in [("TERM", 15), ("INT", 2)] {
            let (server, zk) = in_memory();
            let mut running = start(&zk, line, OBEDIENT);
            running.line();
            running.signal(name);
            let (code, printed, said) = end(running);
            assert_eq!((code, printed.as_str()), (Some(9), "asked\n"), "{line}: {said}");

            let mut running = start(&zk, line, "sleep 1000 & echo $ZK_NODE; exec sleep 1000");
            running.line();
            running.signal("TERM");
            assert_eq!(end(running).0, Some(128 + 15), "{line} and {number}");
            assert!(server.sessions().is_empty());
        }
    }
}

#[test]
fn a_signal_while_waiting_ends_it_and_nothing_is_run() {
    let (server, zk) = in_memory();
    let mut holder = start(&zk, "lock /locks/a", PATIENT);
    holder.line();
    for line in ["lock /locks/a", "elect /locks/a --layout curator-selector"] {
        let waiting = start(&zk, line, "echo run");
        wait_until(|| server.children("/locks/a").is_some_and(|children| children.len() == 2));

        waiting.signal("TERM");

        let mut waiting = waiting;
        let mut printed = String::new();
        waiting.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let (status, said) = waiting.end();
        assert_eq!((status.signal(), printed.as_str(), said.as_str()), (Some(15), "", ""), "{line}");
        assert_eq!(server.children("/locks/a").unwrap().len(), 1, "{line}");
    }
}

#[test]
fn what_cannot_be_run_and_what_zk_itself_fails_at_have_codes_of_their_own() {
    let (server, zk) = in_memory();
    let silent = TcpListener::bind("localhost:0").unwrap();
    let nowhere = Zk::on(silent.local_addr().unwrap().to_string());
    for command in ["lock", "elect"] {
        let outcome = zk.run(&format!("{command} /a -- /none/such"));
        assert_eq!(outcome.code, Some(127), "{outcome}");
        assert_eq!(zk.run(&format!("{command} /a -- /")).code, Some(126));
        nowhere.run(&format!("--timeout 200ms {command} /a -- echo run")).fails(125, &["no session within 200ms"]);
        zk.run(&format!("{command} a -- echo run")).fails(2, &["invalid path"]);
        zk.run(&format!("{command} /a")).fails(2, &["COMMAND"]);
        zk.ok("create --acl world:anyone:r /closed");
        zk.run(&format!("{command} /closed -- echo run")).fails(125, &["/closed", "permission missing"]);
        zk.ok("rm /closed");
    }
    assert!(server.sessions().is_empty());
}

#[test]
fn the_elected_run_their_commands_one_after_the_other() {
    on_each_server("elect", |zk| {
        let mut first = start(zk, "elect /elections/a --id one", PATIENT);
        let node = first.line();
        assert!(node.starts_with("/elections/a/_c_") && node.contains("-latch-"), "{node}");
        assert_eq!(zk.ok(&format!("get {node}")), "one");
        let mut second = start(zk, "elect /elections/a --id two", PATIENT);
        wait_until(|| zk.ok("ls /elections/a").lines().count() == 2);
        zk.run("elect /elections/a --wait 50ms -- echo run").fails(124, &["/elections/a", "not elected in time"]);

        drop(first.stdin.take());

        assert_eq!(end(first).0, Some(7));
        assert_eq!(zk.ok(&format!("get {}", second.line())), "two");
        drop(second.stdin.take());
        assert_eq!(end(second).0, Some(7));
    });
}

#[test]
fn the_command_of_who_leads_no_more_is_ended() {
    let (_server, zk) = in_memory();
    let mut running = start(&zk, "elect /elections/a", OBEDIENT);
    let node = running.line();

    zk.ok(&format!("rm {node}"));

    let (code, printed, said) = end(running);
    assert_eq!((code, printed.as_str()), (Some(121), "asked\n"), "{said}");
}

#[test]
fn who_stands_again_runs_its_command_in_each_term_until_it_fails() {
    let (server, zk) = in_memory();
    let mut running = start(&zk, "elect /elections/a --again", OBEDIENT);
    let first = running.line();
    zk.ok(&format!("rm {first}"));
    assert_eq!(running.line(), "asked");
    let second = running.line();
    server.expire_sessions();
    assert_eq!(running.line(), "asked");
    let third = running.line();
    let numbers = [first, second, third].map(|node| node.rsplit('-').next().unwrap().to_owned());
    assert_eq!(numbers, ["0000000000", "0000000001", "0000000002"]);

    drop(running.stdin.take());

    assert_eq!(end(running).0, Some(7), "a command that fails is not run again");
    assert!(server.sessions().is_empty());
}
