//! What a lease's node contains: a flat JSON object, as kazoo writes it.

use core::fmt::Write;
use std::time::SystemTime;

use super::calendar;

/// Who has the lease, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) holder: String,
    pub(super) end: SystemTime,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Record(Record),
    /// Of a format that is not known here.
    OtherVersion,
    Unreadable,
}

impl Record {
    pub(super) fn write(&self) -> String {
        let mut holder = String::new();
        for char in self.holder.chars() {
            match char {
                '"' | '\\' => holder.extend(['\\', char]),
                ' '..='~' => holder.push(char),
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        // Writing to a string cannot fail.
                        _ = write!(holder, "\\u{unit:04x}");
                    }
                }
            }
        }
        format!(r#"{{"version": 1, "holder": "{holder}", "end": "{}"}}"#, calendar::write(self.end))
    }

    pub(super) fn read(data: &[u8]) -> Read {
        let fields = std::str::from_utf8(data).ok().and_then(|text| object(text.trim()));
        let Some(fields) = fields else { return Read::Unreadable };
        let field = |name: &str| fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
        match (field("version"), field("holder"), field("end")) {
            (Some(Value::Number(version)), ..) if version != "1" => Read::OtherVersion,
            (Some(Value::Number(_)), Some(Value::Text(holder)), Some(Value::Text(end))) => match calendar::read(end) {
                Some(end) => Read::Record(Self { holder: holder.clone(), end }),
                None => Read::Unreadable,
            },
            _ => Read::Unreadable,
        }
    }
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// As it is written.
    Number(String),
}

/// Reads an object of texts and numbers.
fn object(text: &str) -> Option<Vec<(String, Value)>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (key, after) = string(rest)?;
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = if after.starts_with('"') {
            let (text, after) = string(after)?;
            (Value::Text(text), after)
        } else {
            let end = after.find(|char: char| char == ',' || char.is_whitespace()).unwrap_or(after.len());
            let (number, after) = after.split_at(end);
            number.parse::<f64>().ok()?;
            (Value::Number(number.to_string()), after)
        };
        fields.push((key, value));
        rest = match after.trim_start() {
            "" => "",
            after => match after.strip_prefix(',')?.trim_start() {
                "" => return None,
                next => next,
            },
        };
    }
    Some(fields)
}

/// Reads a text in quotes, and returns what follows.
fn string(text: &str) -> Option<(String, &str)> {
    let mut units = Vec::new();
    let mut rest = text.strip_prefix('"')?.chars();
    loop {
        match rest.next()? {
            '"' => return Some((String::from_utf16(&units).ok()?, rest.as_str())),
            '\\' => match rest.next()? {
                'u' => {
                    let digits =
                        rest.as_str().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    rest = rest.as_str()[4..].chars();
                }
                char => {
                    let meant = match char {
                        '"' | '\\' | '/' => char,
                        'b' => '\u{8}',
                        'f' => '\u{C}',
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        _ => return None,
                    };
                    units.extend_from_slice(meant.encode_utf16(&mut [0; 2]));
                }
            },
            char => units.extend_from_slice(char.encode_utf16(&mut [0; 2])),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(holder: &str) -> Record {
        Record { holder: holder.into(), end: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000) }
    }

    #[test]
    fn a_record_is_written_as_kazoo_writes_it_and_read_back() {
        let written = record("host-7").write();
        assert_eq!(written, r#"{"version": 1, "holder": "host-7", "end": "2001-09-09T01:46:40"}"#);
        for holder in ["", "host-7", "quote \" and \\", "é 😀\n\u{7F}"] {
            assert_eq!(Record::read(record(holder).write().as_bytes()), Read::Record(record(holder)));
        }
        assert_eq!(record("é😀").write().matches("\\u").count(), 3, "only ASCII, as Python does");
    }

    #[test]
    fn other_orders_and_spaces_are_read_and_other_versions_are_left_alone() {
        let spaced = br#" {"end":"2001-09-09T01:46:40" , "more": -1.5e3, "holder":"a\/\u00e9","version":1} "#;
        assert_eq!(Record::read(spaced), Read::Record(record("a/é")));
        assert_eq!(Record::read(br#"{"version": 2}"#), Read::OtherVersion);
        assert_eq!(Record::read(br#"{"version": 2, "holder": "a", "end": "x"}"#), Read::OtherVersion);
    }

    #[test]
    fn nothing_else_is_read_and_nothing_panics() {
        let good = record("a\"é😀").write();
        for end in 0..good.len() {
            assert_eq!(Record::read(&good.as_bytes()[..end]), Read::Unreadable, "{end}");
        }
        for text in [
            "null",
            "{}",
            r#"{"version": "1"}"#,
            r#"{"version": 1, "holder": 1, "end": "2001-09-09T01:46:40"}"#,
            r#"{"version": 1, "holder": "a", "end": "soon"}"#,
            r#"{"version": 1, "holder": "\ud83d", "end": "2001-09-09T01:46:40"}"#,
            r#"{"version": 1, "holder": "\u+12", "end": "2001-09-09T01:46:40"}"#,
            r#"{"version": 1,}"#,
            r#"{"version": [1]}"#,
        ] {
            assert_eq!(Record::read(text.as_bytes()), Read::Unreadable, "{text}");
        }
    }
}
