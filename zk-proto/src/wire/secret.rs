//! Buffers that must not show up in a log.

use core::fmt;

use bytes::Bytes;

use super::{DecodeError, Decoder, Encoder, Jute};

/// A password or an authentication token: a buffer, or null, that does not show in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub Option<Bytes>);

impl Secret {
    /// Returns the bytes; none where they are null.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns the same in memory of its own.
    pub(crate) fn detach(&self) -> Self {
        Self(self.0.as_deref().map(Bytes::copy_from_slice))
    }
}

impl<T: Into<Bytes>> From<T> for Secret {
    fn from(bytes: T) -> Self {
        Self(Some(bytes.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Secret(null)"),
            Some(bytes) => write!(f, "Secret({} bytes)", bytes.len()),
        }
    }
}

impl Jute for Secret {
    const MIN_BYTES: usize = 4;

    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }

    fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        input.buffer().map(Self)
    }
}
