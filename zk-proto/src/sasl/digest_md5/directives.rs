//! `name=value,name="value"`: what challenges and responses are made of (RFC 2831, 7.1).

use alloc::vec::Vec;

/// RFC 2831 allows challenges of less than 2,048 bytes and responses of less than 4,096.
const LIMIT_BYTES: usize = 4096;

/// Names and values, in their order. Values are without their quotes.
#[derive(Clone, PartialEq, Eq)]
pub struct Directives(Vec<Directive>);

/// A name and its value.
type Directive = (Vec<u8>, Vec<u8>);

/// Text that is no list of directives, or is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of names and values below 4096 bytes")]
pub struct Malformed;

impl Directives {
    /// Takes a list apart.
    ///
    /// # Errors
    ///
    /// When the list is malformed or longer than it may be.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        if text.len() >= LIMIT_BYTES {
            return Err(Malformed);
        }
        let mut directives = Vec::new();
        let mut rest = text.trim_ascii();
        while !rest.is_empty() {
            // Elements may be empty.
            if let Some(tail) = rest.strip_prefix(b",") {
                rest = tail.trim_ascii_start();
                continue;
            }
            let (directive, tail) = directive(rest)?;
            directives.push(directive);
            rest = tail.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(b",") {
                return Err(Malformed);
            }
        }
        Ok(Self(directives))
    }

    /// Returns all values of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |found: &&Directive| found.0.eq_ignore_ascii_case(name.as_bytes());
        self.0.iter().filter(named).map(|(_, value)| value.as_slice())
    }

    /// Returns the value of that name, if there is one.
    ///
    /// # Errors
    ///
    /// When there are several.
    pub fn once(&self, name: &str) -> Result<Option<&[u8]>, Malformed> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Malformed),
        }
    }
}

/// Takes the first directive off.
fn directive(text: &[u8]) -> Result<(Directive, &[u8]), Malformed> {
    let end = text.iter().position(|byte| *byte == b'=').ok_or(Malformed)?;
    let (name, value) = (text[..end].trim_ascii(), text[end + 1..].trim_ascii_start());
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Malformed);
    }
    let (value, rest) = match value.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = value.iter().position(|byte| !is_token(*byte)).unwrap_or(value.len());
            if end == 0 {
                return Err(Malformed);
            }
            (value[..end].to_vec(), &value[end..])
        }
    };
    Ok(((name.to_vec(), value), rest))
}

/// Reads up to the closing quote.
fn unquote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((value, &text[index + 1..])),
            b'\\' => value.push(*bytes.next().ok_or(Malformed)?.1),
            byte => value.push(*byte),
        }
    }
    Err(Malformed)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

/// Appends `name="value",` with what must be escaped escaped.
pub fn quote(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.extend_from_slice(b"\",");
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use super::*;

    fn parsed(text: &str) -> Result<Vec<Directive>, Malformed> {
        Directives::parse(text.as_bytes()).map(|directives| directives.0)
    }

    fn pair(name: &str, value: &str) -> Directive {
        (name.into(), value.into())
    }

    #[test]
    fn lists_are_read_as_generously_as_they_may_be_written() {
        let table = [
            ("", vec![]),
            ("a=b", vec![pair("a", "b")]),
            ("a=b,c=\"d\"", vec![pair("a", "b"), pair("c", "d")]),
            (" a = b , , c=\"d,e=f\" ,", vec![pair("a", "b"), pair("c", "d,e=f")]),
            (r#"a="\"\\,x\y""#, vec![pair("a", "\"\\,xy")]),
            ("a=\"\"", vec![pair("a", "")]),
            ("realm=\"é\"", vec![pair("realm", "é")]),
        ];
        for (text, expected) in table {
            assert_eq!(parsed(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["a", "=b", "a=", "a=b c", "a=\"b", "a=\"b\\", "a=\"b\"c", "a b=c", "é=c", "a=b;c=d", "\0"] {
            assert_eq!(parsed(text), Err(Malformed), "{text}");
        }
        assert_eq!(parsed(&format!("a=\"{}\"", "x".repeat(LIMIT_BYTES))), Err(Malformed));
    }

    #[test]
    fn what_was_quoted_is_read_back() {
        for value in ["", "plain", "\"", "\\", "a\"b\\c,d=e", "ünïcode"] {
            let mut text = Vec::new();
            quote(&mut text, "name", value.as_bytes());
            let directives = Directives::parse(&text).unwrap();
            assert_eq!(directives.once("NAME"), Ok(Some(value.as_bytes())), "{value}");
        }
    }

    #[test]
    fn what_may_come_once_is_refused_twice() {
        let directives = Directives::parse(b"a=1,b=2,A=3").unwrap();
        assert_eq!(directives.once("a"), Err(Malformed));
        assert_eq!(directives.once("b"), Ok(Some(&b"2"[..])));
        assert_eq!(directives.once("c"), Ok(None));
        assert_eq!(directives.all("a").count(), 2);
    }
}
