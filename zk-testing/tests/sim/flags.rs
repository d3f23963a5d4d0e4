//! The flags of the command that runs worlds.

use std::time::Duration;

use zk_testing::sim::Fault;

use crate::args::{Args, HELP, flags};

fn parse(line: &str) -> Result<Option<Args>, String> {
    Args::parse(line.split_whitespace().map(str::to_owned))
}

#[test]
fn without_flags_ten_thousand_worlds_run() {
    let args = parse("").unwrap().unwrap();

    assert_eq!((args.seeds, args.workload.as_str(), args.is_default), (0..10_000, "mixed", true));
}

#[test]
fn each_flag_does_what_it_says() {
    let line = "--seed 7 --trace --clients 2 --servers 1..=3 --trouble 2.5 --faults 4 --without cut,lag";
    let args = parse(line).unwrap().unwrap();

    assert_eq!((args.seeds, args.is_default, args.config.trace), (7..8, false, true));
    assert_eq!((args.config.clients, args.config.servers), (2..=2, 1..=3));
    assert_eq!((args.config.trouble, args.config.fault_limit), (Duration::from_millis(2_500), Some(4)));
    assert!(!args.config.faults.contains(Fault::Cut) && args.config.faults.contains(Fault::Reset));
}

#[test]
fn what_is_printed_for_a_configuration_gives_that_configuration() {
    let line = "--clients 2..=2 --servers 1..=3 --trouble 2.5 --faults 4 --without cut,lag";
    let args = parse(line).unwrap().unwrap();

    assert_eq!(flags(&args.config).trim(), line);
}

#[test]
fn what_is_wrong_with_flags_is_said() {
    for (line, expected) in [
        ("--sed 7", "no flag --sed"),
        ("--seed", "wants a value"),
        ("--seed x", "not such a number"),
        ("--seeds 7", "FIRST..END"),
        ("--seeds 7..7", "no seed in this range"),
        ("--clients 0", "one at least"),
        ("--workload juggling", "no such workload"),
        ("--without gravity", "no fault gravity"),
        ("--trouble -1", "negative"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn help_names_every_flag() {
    assert!(parse("--help").unwrap().is_none());
    for flag in
        ["--seeds", "--seed", "--workload", "--trace", "--clients", "--servers", "--trouble", "--faults", "--without"]
    {
        assert!(HELP.contains(flag), "{flag}");
    }
}
