//! Checks a folder of test vectors: frames and conversations of ZooKeeper, in hex, with what they mean.
//!
//! ```text
//! cargo run -p zk-proto --example vectors -- zk-proto/tests/data/vectors
//! ```
//!
//! Every `*.json` below the folder is looked at, and what kind of vector it is shows in its keys; the `README.md` of the
//! folder above describes them. Nothing here knows of a particular file: the record's name says how to read the bytes, the
//! fields say what must come out, and both the record that was read and the one that the fields describe must give the same
//! bytes again. One line a file that fails, then the sums; the exit status is 0 when something was checked and nothing
//! failed.

use std::{env, path::Path, process::ExitCode};

mod check;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: vectors FOLDER");
        return ExitCode::from(2);
    };
    let folder = Path::new(&folder);

    let report = check::check_folder(folder);
    for path in &report.others {
        eprintln!("note: {} is not a vector", path.display());
    }
    for (path, failure) in &report.failed {
        println!("{}: {failure}", path.display());
    }
    println!("{} passed, {} failed", report.passed, report.failed.len());

    if report.passed == 0 && report.failed.is_empty() {
        eprintln!("error: there are no vectors in {}", folder.display());
        return ExitCode::FAILURE;
    }
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
