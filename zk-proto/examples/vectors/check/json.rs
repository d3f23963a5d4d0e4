//! Records as JSON tells them: null is null, buffers are hex strings, records are objects.

use std::str;

use bytes::Bytes;
pub(super) use serde_json::Value as Json;
use zk_proto::{record::Value, wire::Text};

use super::bytes::{hex, unhex};

/// Parses JSON. Halves of surrogate pairs, which are no characters but can be escaped as `\ud83d`, read as U+FFFD.
pub(super) fn parse(text: &[u8]) -> Result<Json, String> {
    let text = str::from_utf8(text).map_err(|error| format!("not UTF-8: {error}"))?;
    serde_json::from_str(&replace_lone_surrogates(text)).map_err(|error| format!("not JSON: {error}"))
}

/// Writes `\ufffd` for each escape of half a surrogate pair. Backslashes stand in JSON strings only.
fn replace_lone_surrogates(text: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        replaced.push_str(before);
        let taken = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xD800..0xDC00), Some(0xDC00..)) => 12,
            (Some(_), _) => {
                replaced.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            // The escaped character may be a backslash itself, and of any width in a malformed text.
            (None, _) => escape.chars().take(2).map(char::len_utf8).sum(),
        };
        replaced.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    replaced + rest
}

/// Reads the escape that a text begins with, if it is one of half a surrogate pair.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    (0xD800..0xE000).contains(&unit).then_some(unit)
}

/// Compares what a vector says with what was decoded and notes every difference.
pub(super) fn compare(path: &str, expected: &Json, found: &Value, failures: &mut Vec<String>) {
    let equal = match (expected, found) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(expected), Value::Boolean(found)) => expected == found,
        (Json::Number(expected), Value::Number(found)) => expected.as_i64() == Some(*found),
        (Json::String(expected), Value::Text(found)) => reads_as(found, expected),
        (Json::String(expected), Value::Buffer(found)) => unhex(expected).as_ref() == Some(found),
        (Json::Array(expected), Value::Vector(found)) => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}[{index}]"), expected, found, failures);
            }
            if expected.len() != found.len() {
                failures.push(format!("{path}: expected {} items, found {}", expected.len(), found.len()));
            }
            return;
        }
        (Json::Object(expected), Value::Record(fields)) => {
            for (name, expected) in expected {
                match found.get(name) {
                    Some(found) => compare(&format!("{path}.{name}"), expected, found, failures),
                    None => failures.push(format!("{path}.{name}: expected {}, found nothing", excerpt(expected))),
                }
            }
            for (name, found) in fields.iter().filter(|(name, _)| !expected.contains_key(*name)) {
                failures.push(format!("{path}.{name}: expected nothing, found {}", excerpt(&to_json(found))));
            }
            return;
        }
        _ => false,
    };
    if !equal {
        failures.push(format!("{path}: expected {}, found {}", excerpt(expected), excerpt(&to_json(found))));
    }
}

/// Returns whether a string of a vector's is a reading of a string on the wire.
///
/// Where the bytes are UTF-8 there is one reading. Elsewhere pairs of surrogates are characters to some readers and malformed
/// to others, and a malformed run is one U+FFFD to some and several to others.
fn reads_as(wire: &Text, text: &str) -> bool {
    if wire == text {
        return true;
    }
    let lossy = String::from_utf8_lossy(wire.as_wire());
    is_malformed(wire) && [wire.as_str(), &lossy].into_iter().any(|reading| merge_runs(reading) == merge_runs(text))
}

fn is_malformed(wire: &Text) -> bool {
    str::from_utf8(wire.as_wire()).is_err()
}

/// Makes one U+FFFD of several in a row.
fn merge_runs(text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    characters.dedup_by(|next, previous| next == previous && *next == char::REPLACEMENT_CHARACTER);
    characters.into_iter().collect()
}

/// Makes the record that a vector describes. JSON does not say which strings are buffers, nor in which of several ways a
/// string is encoded; that much comes from `like`, the decoded record. `None` where the two do not match.
pub(super) fn to_value(json: &Json, like: &Value) -> Option<Value> {
    Some(match (json, like) {
        (Json::Null, _) => Value::Null,
        (Json::Bool(boolean), _) => Value::Boolean(*boolean),
        (Json::Number(number), _) => Value::Number(number.as_i64()?),
        (Json::String(_), Value::Text(wire)) if is_malformed(wire) => like.clone(),
        (Json::String(text), Value::Text(_)) => Value::Text(Text::from(text.as_str())),
        (Json::String(digits), Value::Buffer(_)) => Value::Buffer(unhex(digits)?),
        (Json::Array(items), Value::Vector(likes)) => {
            Value::Vector(items.iter().zip(likes).map(|(item, like)| to_value(item, like)).collect::<Option<_>>()?)
        }
        (Json::Object(object), Value::Record(fields)) => {
            let field = |&(name, ref like): &(&'static str, Value)| Some((name, to_value(object.get(name)?, like)?));
            Value::Record(fields.iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Tells a record as a vector would.
pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(boolean) => Json::Bool(*boolean),
        Value::Number(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Buffer(bytes) => Json::from(hex(bytes)),
        Value::Vector(items) => items.iter().map(to_json).collect(),
        Value::Record(fields) => fields.iter().map(|(name, value)| ((*name).to_owned(), to_json(value))).collect(),
    }
}

/// Prints JSON, the beginning of it where it is long.
pub(super) fn excerpt(json: &Json) -> String {
    const SHOWN: usize = 80;
    let text = json.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Reads a string of hex digits.
pub(super) fn buffer(json: &Json) -> Option<Bytes> {
    json.as_str().and_then(unhex)
}
