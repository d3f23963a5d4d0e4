//! What can be written and read as jute.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{DecodeError, Decoder, Encoder, Text};

/// A value with a jute form. Implemented for the primitives, for null-able ones as `Option`, and for every record.
pub trait Jute: Sized {
    /// The fewest bytes that a value can take: what a vector's count is checked against.
    const MIN_BYTES: usize;

    /// Writes the value.
    fn encode(&self, out: &mut Encoder<'_>);

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// When the bytes are not such a value. What follows it is left alone.
    fn decode(input: &mut Decoder) -> Result<Self, DecodeError>;

    /// Whether it is a number, or a record of numbers alone: whatever the bytes are, it is one, and takes
    /// [`MIN_BYTES`](Self::MIN_BYTES).
    #[doc(hidden)]
    const IS_NUMBERS: bool = false;

    /// Takes a value that [`IS_NUMBERS`](Self::IS_NUMBERS) off the front of bytes that are long enough.
    #[doc(hidden)]
    fn take_numbers(bytes: &mut &[u8]) -> Option<Self> {
        let _ = bytes;
        None
    }
}

macro_rules! primitive {
    ($($type:ty, $bytes:literal, $method:ident $(, $number:ty)?;)*) => {$(
        impl Jute for $type {
            const MIN_BYTES: usize = $bytes;

            fn encode(&self, out: &mut Encoder<'_>) {
                out.$method(*self);
            }

            fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
                input.$method()
            }

            $(
                const IS_NUMBERS: bool = true;

                #[inline]
                fn take_numbers(bytes: &mut &[u8]) -> Option<Self> {
                    let (number, rest) = bytes.split_first_chunk()?;
                    *bytes = rest;
                    Some(<$number>::from_be_bytes(*number))
                }
            )?
        }
    )*};
}

primitive! {
    i32, 4, int, i32;
    i64, 8, long, i64;
    bool, 1, boolean;
}

impl Jute for Option<Bytes> {
    const MIN_BYTES: usize = 4;

    fn encode(&self, out: &mut Encoder<'_>) {
        out.buffer(self.as_deref());
    }

    fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        input.buffer()
    }
}

impl Jute for Option<Text> {
    const MIN_BYTES: usize = 4;

    fn encode(&self, out: &mut Encoder<'_>) {
        out.buffer(self.as_ref().map(|text| &text.as_wire()[..]));
    }

    fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        input.text()
    }
}

impl<T: Jute> Jute for Option<Vec<T>> {
    const MIN_BYTES: usize = 4;

    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            None => out.int(-1),
            Some(items) => {
                out.length(items.len());
                items.iter().for_each(|item| item.encode(out));
            }
        }
    }

    fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        input.vector()
    }
}

/// The one trailing field that old peers leave out (`readOnly`): absent when nothing is left to read.
impl Jute for Option<bool> {
    const MIN_BYTES: usize = 0;

    fn encode(&self, out: &mut Encoder<'_>) {
        if let Some(value) = self {
            out.boolean(*value);
        }
    }

    fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        if input.remaining() == 0 { Ok(None) } else { input.boolean().map(Some) }
    }
}
