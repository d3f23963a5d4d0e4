//! The fuzz targets' committed corpora, replayed without a fuzzer.
//!
//! Most seeds are made from the vectors, by the code below. When that changes, or a record is added,
//! `WRITE_SEEDS=1 cargo test -p zk-proto --test fuzz_seeds` writes them anew. What a crash has taught is a file
//! `regression-….seed` among them.

use std::{
    collections::BTreeMap,
    env, fs, panic,
    path::{Path, PathBuf},
};

use zk_proto::record::RECORDS;

#[path = "../../fuzz/checks/mod.rs"]
#[expect(unreachable_pub, reason = "a library in its own crate")]
mod checks;
mod samples;

use checks::decode::{CLIENT, SERVER};
use samples::{Sample, frames, samples};

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");

/// A target's name and what it checks.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("connect_string", checks::connect_string::check),
    ("decode_reply", |data| checks::decode::check(SERVER, data)),
    ("decode_request", |data| checks::decode::check(CLIENT, data)),
    ("frame", checks::frame::check),
    ("roundtrip", checks::roundtrip::check),
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

fn seeds() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut seeds = BTreeMap::new();
    let mut add = |target: &str, name: &str, data: Vec<u8>| {
        seeds.insert(Path::new(FUZZ).join("corpus").join(target).join(name).with_extension("seed"), data);
    };
    for (target, records) in [("decode_request", CLIENT), ("decode_reply", SERVER)] {
        for (name, data) in decode_seeds(records) {
            add(target, &name, data);
        }
    }
    for (name, data) in frame_seeds() {
        add("frame", name, data);
    }
    for (index, (name, _)) in checks::roundtrip::RECORDS.iter().enumerate() {
        add("roundtrip", name, [vec![index_byte(index)], noise(index, 160)].concat());
    }
    for (index, text) in CONNECT_STRINGS.iter().enumerate() {
        add("connect_string", &format!("{index:02}"), text.as_bytes().to_vec());
    }
    seeds
}

const CONNECT_STRINGS: &[&str] = &[
    "localhost",
    "zk1:2181,zk2:2182,zk3:65535/app/prod",
    " zk1 , zk2:1 /",
    "10.0.0.1,[::1],[2001:db8::7]:2181/a",
    "::1",
    "ZK1,zk1:2181,zk1:02181",
    "tls://zk1:2181",
    "zk1,,zk2:0,zk3:65536/a//b/",
    "хост:2181/путь/中",
    "[fe80::1%eth0]:2181,[::ffff:1.2.3.4]",
];

/// Makes up to two seeds of every record, the longest captured, and one with another length somewhere; a record that is a
/// string, with strings that are not UTF-8.
fn decode_seeds(records: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let samples = samples();
    for (index, name) in records.iter().enumerate() {
        let mut found: Vec<&Sample> = samples.iter().filter(|sample| sample.record.name == *name).collect();
        found.sort_by_key(|sample| std::cmp::Reverse(sample.bytes.len()));
        let choice = [index_byte(index)];
        for (number, sample) in found.iter().take(2).enumerate() {
            seeds.push((format!("{name}-{number}"), [&choice, &sample.bytes[..]].concat()));
        }
        let longest = &found.first().expect("every record was captured").bytes;
        let (kind, length) = [("null", -1), ("negative", -2), ("claim", i32::MAX)][index % 3];
        let place = longest.windows(4).position(|field| field[..3] == [0; 3] && field[3] > 0).unwrap_or(0);
        let data = [&choice, &longest[..place], &i32::to_be_bytes(length), &longest[place + 4..]].concat();
        seeds.push((format!("{name}-{kind}"), data));
        if name.starts_with("Sync") {
            seeds.push((format!("{name}-cesu-8"), [&choice, &b"\0\0\0\x08/\xED\xA0\xBD\xED\xB8\x80!"[..]].concat()));
            seeds.push((format!("{name}-no-text"), [&choice, &b"\0\0\0\x04\xFF/\xED\xA0"[..]].concat()));
        }
    }
    seeds
}

fn frame_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let limit = |bytes: u32| bytes.to_be_bytes().to_vec();
    let read = |bytes: &[u8]| [&[index_byte(bytes.len())], bytes].concat();
    let captured = frames().into_iter().take(12).flat_map(|(_, frame, _)| {
        let len = u32::try_from(frame.len()).expect("a short frame").to_be_bytes();
        [&len[..], &frame].concat()
    });
    let captured: Vec<u8> = captured.collect();
    let in_reads_of = |len| captured.chunks(len).flat_map(read).collect::<Vec<_>>();
    vec![
        ("captured-7", [limit(4096), in_reads_of(7)].concat()),
        ("captured-100", [limit(4096), in_reads_of(100)].concat()),
        ("empty-frames", [limit(0), read(&[0; 13])].concat()),
        ("negative", [limit(100), read(&[0, 0, 0, 1, 9, 0xFF, 0xFF, 0xFF, 0xFF, 0])].concat()),
        ("above-limit", [limit(100), read(&[0, 0, 0, 101, 9])].concat()),
        ("claim", [limit(1 << 19), read(&[0, 7, 0xFF, 0xFF]), vec![0x80, 0x80]].concat()),
        ("giant", [limit(10 << 16), read(&[0, 10, 0, 0]), vec![0xFF; 5]].concat()),
        ("giant-then-small", [limit(1 << 19), read(&[0, 8, 0, 0]), vec![0xFF; 4], read(&[0, 0, 0, 1, 7])].concat()),
        ("earned", [limit(1 << 19), read(&[0, 8, 0, 0]), vec![0x9F; 3], read(b"x")].concat()),
    ]
}

fn index_byte(index: usize) -> u8 {
    u8::try_from(index).expect("fewer than 256")
}

/// Bytes that look random and are always the same: what arbitrary records are made of.
fn noise(seed: usize, len: usize) -> Vec<u8> {
    let mut state = u32::try_from(seed).expect("a small number") + 1;
    let byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Many small numbers among them: they become lengths.
        state.to_be_bytes()[0] & state.to_be_bytes()[1]
    };
    std::iter::repeat_with(byte).take(len).collect()
}
