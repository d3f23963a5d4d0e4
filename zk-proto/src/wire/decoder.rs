//! Reading jute.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bytes::{Buf, Bytes};

use super::{Jute, Text};
use crate::path::Root;

/// Reads jute off the front of a buffer. Strings and buffers come out as slices of it.
///
/// What is left over at the end is nobody's business: later versions of the protocol may append fields.
#[derive(Clone, Debug)]
pub struct Decoder {
    bytes: Bytes,
    /// How many of them were read: moving a number costs less than cutting a piece off.
    at: usize,
    root: Root,
}

impl Decoder {
    /// Reads from `bytes`, without a chroot.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0, root: Root::default() }
    }

    /// Strips `root` from every path.
    pub(crate) fn with_root(mut self, root: Root) -> Self {
        self.root = root;
        self
    }

    /// Returns how many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Reads any jute value.
    ///
    /// # Errors
    ///
    /// As the value's own [`Jute::decode`] says.
    pub fn get<T: Jute>(&mut self) -> Result<T, DecodeError> {
        T::decode(self)
    }

    /// Reads an `int`.
    ///
    /// # Errors
    ///
    /// When fewer than four bytes are left.
    pub fn int(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Reads a `long`.
    ///
    /// # Errors
    ///
    /// When fewer than eight bytes are left.
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads a `boolean`: every value but 0 is true.
    ///
    /// # Errors
    ///
    /// When no byte is left.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        self.array().map(|[byte]| byte != 0)
    }

    /// Reads a `buffer`; null is `None`.
    ///
    /// # Errors
    ///
    /// When the length is below −1 or beyond what is left.
    pub fn buffer(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(len) = self.length()? else { return Ok(None) };
        let from = self.at;
        self.skip(len)?;
        Ok(Some(self.bytes.slice(from..self.at)))
    }

    /// Reads a `buffer` without keeping what it lies in; null is `None`.
    ///
    /// # Errors
    ///
    /// As [`Decoder::buffer`].
    pub(crate) fn borrowed(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        let Some(len) = self.length()? else { return Ok(None) };
        let from = self.at;
        self.skip(len)?;
        Ok(Some(&self.bytes[from..self.at]))
    }

    /// Reads a `ustring`; null is `None`. Bytes that are not UTF-8 are no error, see [`Text`].
    ///
    /// # Errors
    ///
    /// When the length is below −1 or beyond what is left.
    pub fn text(&mut self) -> Result<Option<Text>, DecodeError> {
        Ok(self.buffer()?.map(Text::from_wire))
    }

    /// Reads a `ustring` that may not be null.
    ///
    /// # Errors
    ///
    /// As [`Decoder::text`], and on null.
    pub fn required_text(&mut self) -> Result<Text, DecodeError> {
        self.text()?.ok_or_else(|| self.error(DecodeErrorKind::UnexpectedNull))
    }

    /// Reads the path of a node and strips the chroot. A path outside of the chroot is returned as it is.
    ///
    /// # Errors
    ///
    /// As [`Decoder::required_text`].
    pub fn path(&mut self) -> Result<String, DecodeError> {
        let path = self.required_text()?;
        Ok(self.root.to_client(&path).unwrap_or(&path).into())
    }

    /// Reads the length in front of a string, a buffer or a vector; null is `None`.
    ///
    /// # Errors
    ///
    /// When it is below −1, or fewer than four bytes are left. Whether as much follows is not checked here.
    pub fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        match self.int()? {
            -1 => Ok(None),
            len => match usize::try_from(len) {
                Ok(len) => Ok(Some(len)),
                Err(_) => Err(self.error(DecodeErrorKind::NegativeLength(len))),
            },
        }
    }

    /// Reads a `vector`; null is `None`.
    ///
    /// # Errors
    ///
    /// When the count is below −1 or larger than the rest of the bytes could hold (found out before anything is
    /// allocated), or when an item is malformed.
    pub fn vector<T: Jute>(&mut self) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length()? else { return Ok(None) };
        self.check_count(count, T::MIN_BYTES)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.get()?);
        }
        Ok(Some(items))
    }

    /// Reads a value of numbers alone at once; `None` where not all of it is there.
    #[inline]
    pub(crate) fn numbers<T: Jute>(&mut self) -> Option<T> {
        let mut bytes = self.bytes.get(self.at..)?.get(..T::MIN_BYTES)?;
        let value = T::take_numbers(&mut bytes)?;
        self.at += T::MIN_BYTES;
        Some(value)
    }

    /// Takes a value of numbers alone off the front of bytes.
    ///
    /// # Errors
    ///
    /// As the value's own [`Jute::decode`] says.
    #[inline]
    pub(crate) fn take_front<T: Jute>(bytes: &mut Bytes) -> Result<T, DecodeError> {
        let value = match T::take_numbers(&mut &bytes[..]) {
            Some(value) => value,
            None => Self::new(bytes.clone()).get()?,
        };
        bytes.advance(T::MIN_BYTES);
        Ok(value)
    }

    /// Reads a `buffer`, and a value behind it that ends the bytes. As [`buffer`](Self::buffer) and [`get`](Self::get), but that
    /// the buffer takes over the hold on the memory, instead of sharing it: afterwards there is nothing left to read.
    #[inline]
    pub(crate) fn last_buffer_and<T: Jute>(&mut self) -> Result<(Option<Bytes>, T), DecodeError> {
        let Some(len) = self.length()? else { return Ok((None, self.get()?)) };
        let from = self.at;
        self.skip(len)?;
        let to = self.at;
        let value = self.get()?;
        let mut buffer = core::mem::take(&mut self.bytes);
        self.at = 0;
        buffer.truncate(to);
        buffer.advance(from);
        Ok((Some(buffer), value))
    }

    /// Checks that `count` items of at least `min_bytes` each could follow.
    pub(crate) fn check_count(&self, count: usize, min_bytes: usize) -> Result<(), DecodeError> {
        let possible = self.remaining() / min_bytes.max(1);
        if count > possible {
            return Err(self.error(DecodeErrorKind::CountBeyondFrame { claimed: count, possible }));
        }
        Ok(())
    }

    /// Returns the bytes that are left, without taking them.
    pub(crate) fn rest(&self) -> Bytes {
        self.bytes.slice(self.at..)
    }

    /// Returns an error at the present position.
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { kind, at: self.at, record: "", field: "" }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(array) => {
                self.at += N;
                Ok(*array)
            }
            None => Err(self.truncated(N)),
        }
    }

    fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        if count > self.remaining() {
            return Err(self.truncated(count));
        }
        self.at += count;
        Ok(())
    }

    #[cold]
    fn truncated(&self, needed: usize) -> DecodeError {
        self.error(DecodeErrorKind::Truncated { needed, remaining: self.remaining() })
    }
}

/// What is wrong with bytes that should have been a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What was found.
    pub kind: DecodeErrorKind,
    /// Where: how many bytes of the record's buffer had been read.
    pub at: usize,
    /// The record, by the protocol's name; empty where it was not a record's field.
    pub record: &'static str,
    /// The field, by the protocol's name; empty where it was not a record's field.
    pub field: &'static str,
}

impl DecodeError {
    /// Names the field, unless a record inside of that field has been named already.
    pub(crate) fn in_field(mut self, record: &'static str, field: &'static str) -> Self {
        if self.record.is_empty() {
            self.record = record;
            self.field = field;
        }
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.record.is_empty() {
            write!(f, "{}.{}: ", self.record, self.field)?;
        }
        write!(f, "{} at byte {}", self.kind, self.at)
    }
}

impl core::error::Error for DecodeError {}

/// The ways in which bytes can fail to be a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end before the value does.
    #[error("{needed} bytes needed, {remaining} left")]
    Truncated {
        /// How many bytes the value needs.
        needed: usize,
        /// How many there are.
        remaining: usize,
    },
    /// A length below −1.
    #[error("length {0} is below -1")]
    NegativeLength(i32),
    /// A vector that claims more items than the bytes could hold.
    #[error("{claimed} items claimed where at most {possible} can follow")]
    CountBeyondFrame {
        /// The count on the wire.
        claimed: usize,
        /// How many items of the smallest size fit in what is left.
        possible: usize,
    },
    /// Null where the protocol has no use for it.
    #[error("null where a value is needed")]
    UnexpectedNull,
    /// A sub-operation or result of a multi whose layout is unknown.
    #[error("type {0} cannot stand in a multi")]
    UnknownMultiEntry(i32),
}
