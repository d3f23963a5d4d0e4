//! Strings as they stand on the wire.

use alloc::{boxed::Box, string::String};
use core::{borrow::Borrow, cmp::Ordering, fmt, hash, ops::Deref, str};

use bytes::Bytes;

/// A string that was received or will be sent: a slice of the read buffer, not a copy.
///
/// Java servers write characters beyond U+FFFF as two three-byte sequences (CESU-8), and nothing stops a peer from
/// sending bytes that are no text at all. Both are tolerated: surrogate pairs are read as the character they mean, what is
/// still invalid reads as U+FFFD, and the original bytes are kept, so that encoding gives back what was decoded.
///
/// Equality, order and hash are those of the text. A `Text` keeps the whole read buffer alive; see [`Text::detach`].
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    /// Checked to be UTF-8 when it was made.
    Utf8(Bytes),
    Other {
        raw: Bytes,
        text: Box<str>,
    },
}

impl Text {
    /// Wraps bytes received as a string.
    pub fn from_wire(raw: Bytes) -> Self {
        match str::from_utf8(&raw) {
            Ok(_) => Self(Repr::Utf8(raw)),
            Err(_) => {
                let text = decode_cesu8_lossy(&raw).into_boxed_str();
                Self(Repr::Other { raw, text })
            }
        }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Utf8(raw) => str::from_utf8(raw).expect("checked when this value was made"),
            Repr::Other { text, .. } => text,
        }
    }

    /// Returns the bytes as they stand on the wire, which are not UTF-8 where the peer sent something else.
    pub fn as_wire(&self) -> &Bytes {
        match &self.0 {
            Repr::Utf8(raw) | Repr::Other { raw, .. } => raw,
        }
    }

    /// Returns a copy in memory of its own, which no longer keeps the read buffer alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::from_wire(Bytes::copy_from_slice(self.as_wire()))
    }
}

/// Decodes UTF-8 in which surrogate pairs may stand for one character; what is still invalid becomes U+FFFD.
fn decode_cesu8_lossy(mut raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    loop {
        match str::from_utf8(raw) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => {
                let (valid, rest) = raw.split_at(error.valid_up_to());
                text.push_str(str::from_utf8(valid).unwrap_or_default());
                raw = match surrogate_pair(rest) {
                    Some(character) => {
                        text.push(character);
                        &rest[6..]
                    }
                    None => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        &rest[error.error_len().unwrap_or(rest.len())..]
                    }
                };
            }
        }
    }
}

/// Reads a high and a low surrogate, three bytes each, as the one character that they encode.
fn surrogate_pair(bytes: &[u8]) -> Option<char> {
    let [0xED, high, high_low, 0xED, low, low_low, ..] = *bytes else { return None };
    let continues = |byte: u8| byte & 0xC0 == 0x80;
    if high & 0xF0 != 0xA0 || low & 0xF0 != 0xB0 || !continues(high_low) || !continues(low_low) {
        return None;
    }
    let ten_bits = |first: u8, second: u8| (u32::from(first & 0x0F) << 6) | u32::from(second & 0x3F);
    char::from_u32(0x1_0000 + (ten_bits(high, high_low) << 10) + ten_bits(low, low_low))
}

impl Default for Text {
    fn default() -> Self {
        Self(Repr::Utf8(Bytes::new()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Repr::Utf8(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Repr::Utf8(Bytes::from(text.into_bytes())))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().into()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl hash::Hash for Text {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(feature = "arbitrary")]
use alloc::vec::Vec;

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Text {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        // Raw bytes rather than a string, so that CESU-8 and worse are tried too.
        Ok(Self::from_wire(Bytes::from(Vec::<u8>::arbitrary(u)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_pair_reads_as_its_character_and_keeps_its_bytes() {
        let raw = Bytes::from_static(b"/\xED\xA0\xBD\xED\xB8\x80!");
        let text = Text::from_wire(raw.clone());
        assert_eq!(text, "/😀!");
        assert_eq!(text.as_wire(), &raw);
    }

    #[test]
    fn what_is_no_text_reads_as_replacement_characters() {
        for raw in [&b"a\xFFb"[..], b"a\xED\xA0\xBD", b"\xED\xB8\x80\xED\xA0\xBD", b"\xF0\x9F", b"\xC0\x80"] {
            let text = Text::from_wire(Bytes::copy_from_slice(raw));
            assert!(text.contains(char::REPLACEMENT_CHARACTER), "{raw:x?} reads as {text:?}");
            assert_eq!(&text.as_wire()[..], raw);
        }
    }

    #[test]
    fn a_detached_text_is_equal_and_elsewhere() {
        let buffer = Bytes::from_static(b"xx/a/b");
        let text = Text::from_wire(buffer.slice(2..));
        let detached = text.detach();
        assert_eq!(text, detached);
        assert_ne!(text.as_wire().as_ptr(), detached.as_wire().as_ptr());
    }
}
