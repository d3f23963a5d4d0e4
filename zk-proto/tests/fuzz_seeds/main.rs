//! The fuzz targets' committed corpora, replayed without a fuzzer.
//!
//! Most seeds are made from the vectors, by `seeds.rs`. When that changes, or a record is added,
//! `WRITE_SEEDS=1 cargo test -p zk-proto --test fuzz_seeds` writes them anew. What a crash has taught is a file
//! `regression-….seed` among them.

use std::{
    env, fs, panic,
    path::{Path, PathBuf},
};

use zk_proto::record::RECORDS;

#[path = "../../../fuzz/checks/mod.rs"]
#[expect(unreachable_pub, reason = "a library in its own crate")]
mod checks;
#[path = "../samples/mod.rs"]
mod samples;
mod seeds;

use checks::decode::{CLIENT, SERVER};
use seeds::seeds;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");

/// A target's name and what it checks.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("admin", checks::admin::check),
    ("client_server", checks::client_server::check),
    ("connect_string", checks::connect_string::check),
    ("decode_reply", |data| checks::decode::check(SERVER, data)),
    ("decode_request", |data| checks::decode::check(CLIENT, data)),
    ("frame", checks::frame::check),
    ("path_and_chroot", checks::path_and_chroot::check),
    ("roundtrip", checks::roundtrip::check),
    ("sasl", checks::sasl::check),
    ("server", checks::server::check),
    ("session", checks::session::check),
    ("tls_link", checks::tls_link::check),
];

#[test]
fn every_seed_holds() {
    for (target, check) in TARGETS {
        let paths = corpus(target);
        assert!(paths.len() >= 5, "{} seeds for {target}", paths.len());
        for path in paths {
            let data = fs::read(&path).unwrap();
            assert!(panic::catch_unwind(|| check(&data)).is_ok(), "{target} fails on {}", path.display());
        }
    }
}

#[test]
fn every_target_is_replayed() {
    let mut names: Vec<_> =
        fs::read_dir(Path::new(FUZZ).join("fuzz_targets")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let names: Vec<_> = names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn the_seeds_are_those_of_the_vectors() {
    let writes = env::var_os("WRITE_SEEDS").is_some();
    for (path, data) in seeds() {
        if writes {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, data).unwrap();
        } else {
            let found = fs::read(&path).unwrap_or_default();
            assert!(found == data, "{} is out of date; see the top of this file", path.display());
        }
    }
}

#[test]
fn every_record_is_fuzzed() {
    for record in RECORDS {
        assert!(CLIENT.contains(&record.name) || SERVER.contains(&record.name), "{} is not decoded", record.name);
        let is_alias = record.name.ends_with("Pre34");
        let is_built = checks::roundtrip::RECORDS.iter().any(|(name, _)| *name == record.name);
        assert!(is_built || is_alias, "{} does not go round", record.name);
    }
}

/// Returns every file that the target starts from.
fn corpus(target: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(Path::new(FUZZ).join("corpus").join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    paths.sort();
    paths
}
