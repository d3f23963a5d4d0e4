//! What the system tells about this process. Linux only.

use std::{fs, time::Duration};

use cpu_time::ProcessTime;
use rlimit::Resource;

/// Returns how much processor time this process has used, in all of its threads, in the kernel too.
pub fn cpu_time() -> Duration {
    ProcessTime::now().as_duration()
}

/// Returns how much memory of this process is resident.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells of memory");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let kilobytes: u64 = resident.and_then(|text| text.parse().ok()).expect("there is a line of resident memory");
    kilobytes * 1024
}

/// Returns how many threads this process has.
pub fn thread_count() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Allows for as many open files as the system lets us have.
pub fn raise_file_limit() {
    if let Ok((_, most)) = Resource::NOFILE.get() {
        _ = Resource::NOFILE.set(most, most);
    }
}
