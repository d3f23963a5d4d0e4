//! Pipes, help and completion.

use std::process::{Command, Stdio};

use crate::support::{Zk, in_memory};

#[test]
fn output_to_a_closed_pipe_ends_quietly() {
    let (_server, zk) = in_memory();
    let nodes: Vec<String> = (0..5_000).map(|n| format!("{{\"path\":\"/node-{n:04}\"}}")).collect();
    zk.run_with("import /t -", format!("[{{\"path\":\"/\"}},{}]", nodes.join(","))).ok();
    for line in ["ls -R /", "ls /t", "ls -l /t", "tree /", "export /", "--json ls -R /"] {
        let mut running = zk.start(line);
        assert!(!running.line().is_empty());
        drop(running.stdout.take());

        let (status, said) = running.end();
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{line}");
    }
    let mut help = Command::new(env!("CARGO_BIN_EXE_zk")).arg("--help").stdout(Stdio::piped()).spawn().unwrap();
    drop(help.stdout.take());
    assert_eq!(help.wait().unwrap().code(), Some(0));
}

#[test]
fn a_disk_that_is_full_is_an_error() {
    let (_server, zk) = in_memory();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();

    let output = zk.command(&["ls", "/"]).stdout(full).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("No space left"));
}

#[test]
fn help_is_the_documentation() {
    let zk = Zk::on("localhost:1");
    let help = zk.ok("--help");
    for topic in ["Examples:", "Exit codes:", "ZK_SERVERS", "ZK_AUTH", "--json", "standard input", "no such node"] {
        assert!(help.contains(topic), "{topic}");
    }
    for command in [
        "ls",
        "tree",
        "get",
        "stat",
        "set",
        "create",
        "rm",
        "cp",
        "watch",
        "lock",
        "elect",
        "multi",
        "export",
        "import",
        "acl",
        "ephemerals",
        "sync",
        "config",
        "whoami",
        "admin",
        "completion",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        let own = zk.ok(&format!("{command} --help"));
        assert!(own.contains("Usage: zk "), "{own}");
    }
    assert!(zk.ok("multi --help").contains("create [-s] [-c] [--ttl MS] PATH [DATA]"));
    assert!(zk.ok("admin --help").contains("mntr"));
    assert!(zk.ok("--version").starts_with("zk "));
}

#[test]
fn the_tour_in_the_docs_consists_of_command_lines() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    let zk = Zk::on("localhost:1");
    let lines: Vec<&str> = docs.lines().filter(|line| line.starts_with("zk ")).collect();
    for line in &lines {
        let words: Vec<&str> =
            line.split_whitespace().skip(1).take_while(|word| !["#", ">", "|"].contains(word)).collect();
        // Nothing is there to talk to, and the files do not exist; but all of it can be understood.
        let outcome = zk.run_words(&[&["--timeout", "1ms"], &words[..]].concat());
        assert!(matches!(outcome.code, Some(0 | 1 | 6 | 125)), "{line}: {outcome}");
    }
    assert!(lines.len() > 15, "the tour is found");
}

#[test]
fn command_lines_are_completed() {
    let zk = Zk::on("localhost:1");
    for shell in ["bash", "zsh", "fish"] {
        let script = zk.ok(&format!("completion {shell}"));
        assert!(script.contains("no-preserve-root") && script.contains("ephemerals"), "{shell}");
    }
    zk.run("completion tcsh").fails(2, &["bash"]);
}

#[test]
fn bash_takes_the_script_and_completes() {
    let script = Zk::on("localhost:1").ok("completion bash");
    let ask = "COMP_WORDS=(zk ex); COMP_CWORD=1; _zk zk ex zk; echo ${COMPREPLY[@]}";

    let output = Command::new("bash").args(["-c", &format!("{script}\n{ask}")]).output().unwrap();

    assert_eq!((String::from_utf8(output.stdout).unwrap().trim(), output.stderr.as_slice()), ("export", &b""[..]));
}

#[test]
fn a_long_walk_shows_its_progress_on_a_terminal_alone() {
    let (server, zk) = in_memory();
    let nodes: Vec<String> = (0..300).map(|n| format!("{{\"path\":\"/{n}\"}}")).collect();
    zk.run_with("import /t -", format!("[{{\"path\":\"/\"}},{}]", nodes.join(","))).ok();
    zk.ok("cp -r /t /u");
    // Longer than the patience of the line, and each answer takes as long.
    server.delay_replies(std::time::Duration::from_millis(500));

    let program = env!("CARGO_BIN_EXE_zk");
    let on_terminal = format!("{program} -s {} rm -r /t", server.connect_string());
    let output =
        Command::new("script").args(["-qec", &on_terminal, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let piped = zk.run("rm -r /u");

    assert!(shown.contains("deleting [") && shown.contains(" of 301"), "{shown:?}");
    assert!(shown.ends_with("\r\u{1b}[K"), "the line is taken away: {shown:?}");
    assert_eq!((piped.code, piped.stderr.as_str()), (Some(0), ""));
    assert!(server.get("/t").is_none() && server.get("/u").is_none());
}
