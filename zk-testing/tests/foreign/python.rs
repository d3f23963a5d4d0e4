//! kazoo.

use std::{path::Path, process::Command};

use crate::{STEPS, script};

#[test]
fn kazoo_runs_its_script() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/foreign/bin/python");
    script::require(&python);
    let mut command = Command::new(python);
    command.arg(script::file("session.py"));
    script::run(command, &STEPS);
}
