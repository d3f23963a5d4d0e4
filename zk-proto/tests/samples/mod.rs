//! The records of the vectors, one by one.

use std::{collections::BTreeSet, fs, path::Path};

use bytes::{Bytes, BytesMut};
use serde_json::Value as Json;
use zk_proto::{
    record::{RecordType, Value, record_type},
    wire::{Decoder, Encoder, split_frame},
};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors");

/// A record as it was captured.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The vector that it is from.
    pub(crate) vector: String,
    /// Its type.
    pub(crate) record: &'static RecordType,
    /// Its bytes, and nothing else.
    pub(crate) bytes: Bytes,
    /// What they decode to.
    pub(crate) value: Value,
}

/// Returns every record of every vector in the order of the vectors' names, equal ones once, then some that stand inside of
/// others.
pub(crate) fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for (vector, frame, records) in frames() {
        let mut input = Decoder::new(frame.clone());
        for record in records {
            let start = frame.len() - input.remaining();
            let value = record.decode(&mut input).unwrap_or_else(|error| panic!("{vector}: {error}"));
            let bytes = frame.slice(start..frame.len() - input.remaining());
            samples.push(Sample { vector: vector.clone(), record, bytes, value });
        }
    }
    for (inner, outer, path) in [
        ("Id", "GetACLResponse", &["acl", "0", "id"][..]),
        ("ACL", "GetACLResponse", &["acl", "0"]),
        ("Stat", "ExistsResponse", &["stat"]),
        ("ClientInfo", "WhoAmIResponse", &["clientInfo", "0"]),
        ("MultiHeader", "MultiRequest", &["entries", "0", "header"]),
    ] {
        let outer = samples.iter().find(|sample| sample.record.name == outer).expect("such a record was captured");
        let value = path.iter().fold(&outer.value, |value, step| child(value, step));
        let (vector, value) = (outer.vector.clone(), value.clone());
        let record = record_type(inner).expect("every record is in the table");
        samples.push(Sample { vector, record, bytes: encode(record, &value), value });
    }
    let mut seen = BTreeSet::new();
    samples.retain(|sample| seen.insert((sample.record.name, sample.bytes.clone())));
    samples
}

/// Returns the name, the frame without its length, and the types of the records of every vector.
pub(crate) fn frames() -> Vec<(String, Bytes, Vec<&'static RecordType>)> {
    let entries = fs::read_dir(Path::new(VECTORS)).expect("the folder of vectors is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let frame = |path: &std::path::PathBuf| {
        let json: Json = serde_json::from_slice(&fs::read(path).expect("a readable file")).expect("a vector is JSON");
        let text = |key: &str| json[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", path.display()));
        let mut bytes = BytesMut::from(&unhex(text("hex"))[..]);
        let frame = split_frame(&mut bytes, usize::MAX).expect("a good length").expect("a whole frame");
        let records = text("record").split('+').map(|name| record_type(name).expect("a known record")).collect();
        (text("name").to_owned(), frame, records)
    };
    paths.iter().map(frame).collect()
}

/// Encodes a value that fits its record.
pub(crate) fn encode(record: &RecordType, value: &Value) -> Bytes {
    let mut out = BytesMut::new();
    let outcome = record.encode(value, &mut Encoder::new(&mut out));
    outcome.unwrap_or_else(|error| panic!("{} does not encode: {error}", record.name));
    out.freeze()
}

fn child<'a>(value: &'a Value, step: &str) -> &'a Value {
    match (value, step.parse::<usize>()) {
        (Value::Vector(items), Ok(index)) => &items[index],
        _ => value.get(step).unwrap_or_else(|| panic!("no {step} in {value:?}")),
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
