//! Bytes on the wire: jute primitives and frames.
//!
//! ZooKeeper's records are written in *jute*: big-endian integers, one-byte booleans, strings, buffers and vectors with a
//! 32-bit length in front, where a length of −1 is null. Null and empty are different values and are kept apart here.
//!
//! Encoding cannot fail. Decoding is total: any input gives a value or a [`DecodeError`], nothing panics, and nothing is
//! allocated by a length that the peer merely claims.

mod decoder;
mod encoder;
mod frame;
mod jute;
mod secret;
mod spare;
mod text;

pub use decoder::{DecodeError, DecodeErrorKind, Decoder};
pub use encoder::{Encoder, Payload, Splice};
pub use frame::{FrameError, reserve_frame, split_frame};
pub use jute::Jute;
pub use secret::Secret;
#[cfg(feature = "tls")]
pub(crate) use spare::LARGE_BYTES;
pub(crate) use spare::Spare;
pub use text::Text;
