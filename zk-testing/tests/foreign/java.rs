//! The Java client.

use crate::{STEPS, command_line::java, script};

#[test]
fn the_java_client_runs_its_script() {
    let mut command = java();
    command.arg(script::file("Session.java"));
    script::run(command, &STEPS);
}
