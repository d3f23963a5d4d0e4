//! A list of children that is not a vector of strings.

use alloc::{string::String, vec::Vec};
use core::{fmt, iter::FusedIterator, str};

use bytes::Bytes;

use crate::wire::{DecodeError, DecodeErrorKind, Decoder, Text};

/// The names of a node's children, without path, in no particular order.
///
/// Names stay where they were received, without a string of their own each, and keep the read buffer alive as long as the
/// list lives. For names that outlive the list, or to sort them: `children.iter().map(String::from).collect()`.
#[derive(Clone, Default)]
pub struct Children {
    /// Length and bytes of each name, as received; checked to be complete and UTF-8.
    encoded: Bytes,
    count: usize,
}

impl Children {
    pub(super) fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        let count = input.length()?.unwrap_or(0);
        input.check_count(count, 4)?;
        let all = input.rest();
        for index in 0..count {
            let Some(name) = input.borrowed()? else { return Err(input.error(DecodeErrorKind::UnexpectedNull)) };
            if str::from_utf8(name).is_err() {
                return Self::decode_rewritten(Decoder::new(all.clone()), input, index, count);
            }
        }
        let encoded = all.slice(..all.len() - input.remaining());
        Ok(Self { encoded, count })
    }

    /// The rare way, for a peer that sends names which are no text: a copy in which every name is.
    fn decode_rewritten(
        mut from: Decoder,
        input: &mut Decoder,
        already_read: usize,
        count: usize,
    ) -> Result<Self, DecodeError> {
        let mut names = Vec::new();
        for index in 0..count {
            names.push(from.required_text()?);
            if index > already_read {
                input.required_text()?;
            }
        }
        Ok(names.iter().map(Text::as_str).collect())
    }

    /// Returns how many children there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the names.
    pub fn iter(&self) -> ChildNames<'_> {
        ChildNames { rest: &self.encoded, left: self.count }
    }

    /// Returns whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|child| child == name)
    }

    /// Returns the names as strings, sorted.
    pub fn to_sorted(&self) -> Vec<String> {
        let mut names: Vec<String> = self.iter().map(String::from).collect();
        names.sort_unstable();
        names
    }
}

impl<'a> FromIterator<&'a str> for Children {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let (mut encoded, mut count) = (Vec::new(), 0);
        for name in names {
            encoded.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
            encoded.extend_from_slice(name.as_bytes());
            count += 1;
        }
        Self { encoded: encoded.into(), count }
    }
}

impl<'a> IntoIterator for &'a Children {
    type Item = &'a str;
    type IntoIter = ChildNames<'a>;

    fn into_iter(self) -> ChildNames<'a> {
        self.iter()
    }
}

/// Equal when the names are, in the same order.
impl PartialEq for Children {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl Eq for Children {}

impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The names of a [`Children`] list.
#[derive(Clone, Debug)]
pub struct ChildNames<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for ChildNames<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (len, rest) = self.rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
        self.rest = rest;
        self.left -= 1;
        str::from_utf8(name).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ChildNames<'_> {}
impl FusedIterator for ChildNames<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<(Children, usize), DecodeError> {
        let mut input = Decoder::new(Bytes::copy_from_slice(bytes));
        Children::decode(&mut input).map(|children| (children, input.remaining()))
    }

    #[test]
    fn names_are_read_from_the_reply_and_the_rest_is_left() {
        let (children, rest) = decode(b"\0\0\0\x02\0\0\0\x01b\0\0\0\x02aa??").unwrap();
        assert_eq!(children.iter().collect::<Vec<_>>(), ["b", "aa"]);
        assert_eq!(children.to_sorted(), ["aa", "b"]);
        assert!(children.contains("aa") && !children.contains("a"));
        assert_eq!((children.len(), children.iter().len(), rest), (2, 2, 2));
    }

    #[test]
    fn names_that_are_no_text_are_rewritten_and_the_rest_is_left() {
        let (children, rest) = decode(b"\0\0\0\x03\0\0\0\x01b\0\0\0\x01\xFF\0\0\0\x01c?").unwrap();
        assert_eq!(children.iter().collect::<Vec<_>>(), ["b", "\u{FFFD}", "c"]);
        assert_eq!(rest, 1);
    }

    #[test]
    fn null_is_an_empty_list_and_a_lie_is_an_error() {
        assert!(decode(b"\xFF\xFF\xFF\xFF").unwrap().0.is_empty());
        assert!(decode(b"\x7F\xFF\xFF\xFF\0\0\0\x01b").is_err());
        assert!(decode(b"\0\0\0\x01\xFF\xFF\xFF\xFF").is_err());
    }
}
