//! The C client.

use std::{path::Path, process::Command};

use crate::{STEPS, script};

#[test]
fn the_c_client_runs_its_script() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-session-c");
    let mut compiler = Command::new("gcc");
    compiler.args(["-std=gnu11", "-Wall", "-Werror", "-O1", "-DTHREADED", "-o"]).arg(&program);
    compiler.arg(script::file("session.c")).args(["-lzookeeper_mt", "-lpthread"]);
    let compiled = compiler.output().expect("gcc is there: run .ci/install-foreign");
    let told = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "the script does not compile: run .ci/install-foreign?\n{told}");
    script::run(Command::new(program), &STEPS);
}
