//! What the numbers were taken on.

use std::{fs, process::Command, thread};

/// Returns a line about the machine.
pub(crate) fn describe() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let system = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rust = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let rust = String::from_utf8_lossy(&rust);
    let count = thread::available_parallelism().map_or(1, usize::from);
    format!("{count} cores of {model}, Linux {}, {}", system.trim(), rust.trim())
}
