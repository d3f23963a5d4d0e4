//! Writing jute.

use alloc::{string::String, vec::Vec};

use bytes::{BufMut, Bytes, BytesMut};

use super::Jute;
use crate::path::Root;

/// From this size on, a payload travels as a chunk of its own instead of being copied between its neighbours.
const SPLICE_FROM_BYTES: usize = 4 * 1024;

/// A payload that belongs at a position of the encoded bytes without having been copied there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// How many of the encoded bytes come before it.
    pub at: usize,
    /// The bytes that belong there.
    pub payload: Bytes,
}

/// Node data on its way out: null, borrowed from the caller, or shared.
///
/// Shared payloads of a few KiB and more are sent from where they lie; borrowed ones are copied once, when the request is
/// submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Payload<'a> {
    /// No data at all. Reads back as null, which is not the same as empty.
    #[default]
    Null,
    /// Bytes of the caller.
    Borrowed(&'a [u8]),
    /// Bytes that are shared with the caller.
    Shared(Bytes),
}

impl Payload<'_> {
    /// Returns the bytes, or `None` for null.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Null => None,
            Self::Borrowed(bytes) => Some(bytes),
            Self::Shared(bytes) => Some(bytes),
        }
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a String> for Payload<'a> {
    fn from(text: &'a String) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a> From<&'a Bytes> for Payload<'a> {
    fn from(bytes: &'a Bytes) -> Self {
        Self::Shared(bytes.clone())
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Shared(bytes)
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Shared(bytes.into())
    }
}

impl From<String> for Payload<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into_bytes().into())
    }
}

impl<'a, T: Into<Payload<'a>>> From<Option<T>> for Payload<'a> {
    fn from(payload: Option<T>) -> Self {
        payload.map_or(Self::Null, Into::into)
    }
}

/// Writes jute to the end of a buffer.
///
/// It knows two things that belong to the conversation rather than to the request: the chroot that stands before every
/// path, and whether the watch flag is set. Lengths beyond `i32::MAX` cannot be written; they saturate, and whoever frames
/// the bytes must refuse them, as the session does with everything above its send limit.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut BytesMut,
    root: Option<&'a Root>,
    watch: bool,
    start: usize,
    splices: Option<&'a mut Vec<Splice>>,
}

impl<'a> Encoder<'a> {
    /// Writes to the end of `out`, without a chroot.
    pub fn new(out: &'a mut BytesMut) -> Self {
        let start = out.len();
        Self { out, root: None, watch: false, start, splices: None }
    }

    /// Puts `root` before every path.
    pub(crate) fn with_root(mut self, root: &'a Root) -> Self {
        self.root = Some(root);
        self
    }

    /// Sets the watch flag of the request that is going to be written.
    pub(crate) fn with_watch(mut self, watch: bool) -> Self {
        self.watch = watch;
        self
    }

    /// Leaves large shared payloads out of the buffer and notes them in `splices`, at positions that count from `start`.
    pub(crate) fn with_splices(mut self, splices: &'a mut Vec<Splice>, start: usize) -> Self {
        self.splices = Some(splices);
        self.start = start;
        self
    }

    /// Writes any jute value.
    pub fn put<T: Jute>(&mut self, value: &T) {
        value.encode(self);
    }

    /// Writes an `int`.
    pub fn int(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    /// Writes a `long`.
    pub fn long(&mut self, value: i64) {
        self.out.put_i64(value);
    }

    /// Writes a `boolean`.
    pub fn boolean(&mut self, value: bool) {
        self.out.put_u8(u8::from(value));
    }

    /// Writes the watch flag that the caller of the request chose.
    pub fn watch_flag(&mut self) {
        self.boolean(self.watch);
    }

    /// Writes a `buffer`; `None` is null.
    pub fn buffer(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.int(-1),
            Some(bytes) => {
                self.length(bytes.len());
                self.out.extend_from_slice(bytes);
            }
        }
    }

    /// Writes node data as a `buffer`, without copying it where that is worth it.
    pub fn payload(&mut self, value: &Payload<'_>) {
        match (value, &mut self.splices) {
            (Payload::Shared(bytes), Some(splices)) if bytes.len() >= SPLICE_FROM_BYTES => {
                let at = self.out.len() + 4 - self.start;
                splices.push(Splice { at, payload: bytes.clone() });
                self.length(bytes.len());
            }
            _ => self.buffer(value.as_bytes()),
        }
    }

    /// Writes a `ustring`.
    pub fn text(&mut self, value: &str) {
        self.buffer(Some(value.as_bytes()));
    }

    /// Writes a path of the caller as a `ustring`: chroot first, `/` meaning the chroot itself, and the configuration node
    /// as it is under every chroot.
    pub fn path(&mut self, value: &str) {
        let (root, rest) = self.root.map_or(("", value), |root| root.server_parts(value));
        self.parts(root, rest);
    }

    /// Writes the path of a sequential node to create: as [`Encoder::path`], except that `/` is the chroot's nameless
    /// child, since the server is going to append the name.
    pub fn sequential_path(&mut self, value: &str) {
        self.parts(self.root.map_or("", Root::as_str), value);
    }

    fn parts(&mut self, root: &str, rest: &str) {
        self.length(root.len() + rest.len());
        if !root.is_empty() {
            self.out.extend_from_slice(root.as_bytes());
        }
        self.out.extend_from_slice(rest.as_bytes());
    }

    /// Writes the number of items of a `vector`; the items follow.
    pub fn length(&mut self, len: usize) {
        self.int(i32::try_from(len).unwrap_or(i32::MAX));
    }
}
