//! What the system tells about this process. Linux only.

use std::{fs, time::Duration};

use cpu_time::ProcessTime;
use rustix::{
    param::page_size,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// Returns how much processor time this process has used, in all of its threads, in the kernel too.
pub fn cpu_time() -> Duration {
    ProcessTime::now().as_duration()
}

/// Returns how much memory of this process is resident.
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux tells of memory");
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second field is resident pages") * page_size() as u64
}

/// Returns how many threads this process has.
pub fn thread_count() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Allows for as many open files as the system lets us have.
pub fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
