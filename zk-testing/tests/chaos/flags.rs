//! The flags of the command.

use std::path::Path;
use std::time::Duration;

use crate::args::{Args, HELP};
use crate::rig::{Adapter, Trouble};

fn parse(line: &str) -> Result<Option<Args>, String> {
    Args::parse(line.split_whitespace().map(str::to_owned))
}

#[test]
fn without_flags_every_adapter_runs_for_ten_minutes() {
    let args = parse("").unwrap().unwrap();

    assert_eq!((args.duration, args.servers, args.adapters.len()), (Duration::from_secs(600), 3, 3));
}

#[test]
fn each_flag_does_what_it_says() {
    let line = "--minutes 1.5 --seed 7 --servers 5 --adapter tokio,blocking --clients 4 --rate 50 --trouble clients --timeout 8 --out there";
    let args = parse(line).unwrap().unwrap();

    assert_eq!((args.duration, args.seed, args.servers), (Duration::from_secs(90), 7, 5));
    assert_eq!(args.adapters, [Adapter::Tokio, Adapter::Blocking]);
    assert_eq!((args.clients, args.rate, args.timeout), (4, 50, Duration::from_secs(8)));
    assert_eq!(args.trouble, Trouble::Clients);
    assert_eq!(args.out, Path::new("there"));
    assert_eq!(parse("--seconds 30").unwrap().unwrap().duration, Duration::from_secs(30));
}

#[test]
fn what_is_wrong_with_flags_is_said() {
    for (line, expected) in [
        ("--minute 7", "no flag --minute"),
        ("--minutes", "wants a value"),
        ("--minutes x", "not such a number"),
        ("--seconds 1", "from 5 to"),
        ("--servers 1", "from 3 to 7"),
        ("--clients 0", "from 1 to 90"),
        ("--rate 0", "from 3"),
        ("--trouble me", "of servers, clients, or all"),
        ("--timeout 1", "from 2 to 60"),
        ("--adapter mio", "no adapter \"mio\""),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[cfg(not(zk_broken))]
#[test]
fn a_sound_client_makes_no_mistakes() {
    assert!(parse("--mistake any").unwrap_err().contains("zk_broken"));
}

#[test]
fn help_names_every_flag() {
    assert_eq!(parse("--help"), Ok(None));
    let flags =
        ["minutes", "seconds", "seed", "servers", "adapter", "clients", "rate", "trouble", "timeout", "out", "mistake"];
    assert!(flags.iter().all(|flag| HELP.contains(&format!("--{flag} "))), "{HELP}");
}
