//! A single frame: its bytes, and what they mean field by field.

use serde_json::Map;
use zk_proto::record::{RecordType, Value, record_type};

use super::{
    bytes::{check_encoding, decode, only_frame},
    json::{Json, buffer, compare, excerpt, to_json, to_value},
    need,
};

/// Returns all that is wrong with a vector.
pub(super) fn check(vector: &Map<String, Json>) -> Vec<String> {
    match try_check(vector) {
        Ok(()) => Vec::new(),
        Err(failures) => failures,
    }
}

fn try_check(vector: &Map<String, Json>) -> Result<(), Vec<String>> {
    let alone = |failure: String| vec![failure];
    let bytes = need(vector, "hex", "hex digits", buffer).map_err(alone)?;
    let names = need(vector, "record", "a string", Json::as_str).map_err(alone)?;
    let fields = need(vector, "fields", "an object", Json::as_object).map_err(alone)?;
    let records = records(names).map_err(alone)?;

    let frame = only_frame(&bytes).map_err(alone)?;
    let (values, rest) = decode(&frame, &records).map_err(alone)?;
    let places = places(&records, fields);

    let mut failures = Vec::new();
    compare_length(fields, frame.len(), &mut failures);
    for (place, value) in places.iter().zip(&values) {
        match find(fields, place) {
            Some(expected) => compare(place, expected, value, &mut failures),
            None => failures.push(format!("{place}: expected nothing, found {}", excerpt(&to_json(value)))),
        }
    }
    compare_rest(fields, &places, &rest, &mut failures);
    failures.extend(records.iter().zip(&values).filter_map(|(record, value)| wrong_form(record, value)));
    if !failures.is_empty() {
        return Err(failures);
    }

    let taken = &frame[..frame.len() - rest.len()];
    check_encoding(records.iter().copied().zip(&values), taken).map_err(|error| vec![format!("decoded, {error}")])?;
    let described = places.iter().zip(&values).map(|(place, like)| to_value(find(fields, place)?, like));
    let described: Vec<Value> = described.collect::<Option<_>>().ok_or_else(|| vec!["fields: no record".to_owned()])?;
    check_encoding(records.iter().copied().zip(&described), taken).map_err(|error| vec![format!("fields: {error}")])
}

/// Finds the records that are named, joined by `+`.
fn records(names: &str) -> Result<Vec<&'static RecordType>, String> {
    names
        .split('+')
        .map(|name| record_type(name.trim()).ok_or_else(|| format!("record: there is no record named {name:?}")))
        .collect()
}

/// A greeting decodes with and without its last field, but only one of them goes by each name.
fn wrong_form(record: &RecordType, value: &Value) -> Option<String> {
    let has_no_flag = match record.name {
        "ConnectRequest" | "ConnectResponse" => false,
        "ConnectRequestPre34" | "ConnectResponsePre34" => true,
        _ => return None,
    };
    let is_wrong = has_no_flag == value.get("readOnly").is_some();
    is_wrong.then(|| {
        format!("record: a greeting {} readOnly is no {}", if has_no_flag { "with" } else { "without" }, record.name)
    })
}

/// Says where the fields of each record are told: a message's header in `header`, the record behind it in `body`. Of several
/// records behind the header, each has its place in the list `body`.
fn places(records: &[&RecordType], fields: &Map<String, Json>) -> Vec<String> {
    let is_header = |record: &RecordType| matches!(record.name, "RequestHeader" | "ReplyHeader");
    let bodies = |count| match count {
        1 => vec!["body".to_owned()],
        _ => (0..count).map(|index| format!("body[{index}]")).collect(),
    };
    match records {
        // A record alone is where the vector has it.
        [record] => {
            let (usual, other) = if is_header(record) { ("header", "body") } else { ("body", "header") };
            let moved = !fields.contains_key(usual) && fields.contains_key(other);
            vec![if moved { other } else { usual }.to_owned()]
        }
        [first, rest @ ..] if is_header(first) || fields.contains_key("header") => {
            [vec!["header".to_owned()], bodies(rest.len())].concat()
        }
        all => bodies(all.len()),
    }
}

/// Returns what the vector tells at a place.
fn find<'a>(fields: &'a Map<String, Json>, place: &str) -> Option<&'a Json> {
    match place.strip_suffix(']').and_then(|place| place.split_once('[')) {
        Some((key, index)) => fields.get(key)?.get(index.parse::<usize>().ok()?),
        None => fields.get(place),
    }
}

fn compare_length(fields: &Map<String, Json>, len: usize, failures: &mut Vec<String>) {
    match fields.get("len") {
        Some(expected) if expected.as_u64() == u64::try_from(len).ok() => {}
        Some(expected) => failures.push(format!("len: expected {}, found {len}", excerpt(expected))),
        None => failures.push(format!("len: expected nothing, found {len}")),
    }
}

/// Checks that the records account for all bytes and all keys. The one other thing that a vector can describe is what
/// follows the last record: as hex, under a key of its own.
fn compare_rest(fields: &Map<String, Json>, places: &[String], rest: &[u8], failures: &mut Vec<String>) {
    let is_known = |key: &str| {
        let place_of_key = |place: &String| place.split('[').next() == Some(key);
        key == "len" || places.iter().any(place_of_key)
    };
    let mut described = false;
    for (key, value) in fields.iter().filter(|(key, _)| !is_known(key)) {
        // Null where there is no record says the same as no key.
        if value.is_null() && (key == "header" || key == "body") {
            continue;
        }
        if !rest.is_empty() && buffer(value).is_some_and(|bytes| bytes == rest) {
            described = true;
        } else {
            failures.push(format!("{key}: expected {}, found nothing", excerpt(value)));
        }
    }
    if !rest.is_empty() && !described {
        failures.push(format!("{} bytes are left over: {}", rest.len(), super::bytes::hex(rest)));
    }
}
