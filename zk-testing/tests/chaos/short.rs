//! Half a minute of faults.

use std::env::current_exe;
use std::process::Command;
use std::time::Duration;

use crate::rig::{self, Adapter, Plan, Trouble};

#[test]
fn every_promise_is_kept_for_half_a_minute() {
    let crew = || {
        let mut command = Command::new(current_exe()?);
        command.args(["--ignored", "--exact", "--nocapture", "short::a_process_full_of_clients"]);
        Ok(command)
    };
    let plan = Plan {
        duration: Duration::from_secs(25),
        seed: 5,
        servers: 3,
        adapters: Adapter::ALL.to_vec(),
        clients: 2,
        rate: 300,
        trouble: Trouble::All,
        session_timeout: Duration::from_secs(6),
        crew,
        mistake: None,
    };

    let report = rig::run(&plan).expect("the servers can be hurt and mended");

    println!("{report}");
    assert!(report.violations.is_empty(), "{report}");
    assert!(report.operations() > 300, "too little was done to mean anything:\n{report}");
    assert!(report.faults.len() >= 3, "too little went wrong to mean anything:\n{report}");
    // Where one leader follows the other, there may be no time when a sync is certain to mean something.
    let idle = report.checked.iter().find(|(name, looked_at)| *looked_at == 0 && !name.contains("sync"));
    assert_eq!(idle, None, "something was not checked at all");
    assert!(report.svg().ends_with("</svg>\n"));
}

#[test]
#[ignore = "is what the other test runs as a process of its own"]
fn a_process_full_of_clients() {
    // Where nobody has ordered it, there is nothing to do.
    rig::run_if_ordered().expect("the one who ordered it listens");
}
