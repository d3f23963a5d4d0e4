//! The protocol's 64-bit identifiers.

use core::fmt;

use crate::wire::{DecodeError, Decoder, Encoder, Jute};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{:x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "(0x{:x})"), self.0)
            }
        }

        impl Jute for $name {
            const MIN_BYTES: usize = 8;

            fn encode(&self, out: &mut Encoder<'_>) {
                out.long(self.0);
            }

            fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
                input.long().map(Self)
            }

            const IS_NUMBERS: bool = true;

            #[inline]
            fn take_numbers(bytes: &mut &[u8]) -> Option<Self> {
                i64::take_numbers(bytes).map(Self)
            }
        }
    };
}

id! {
    /// The number of a transaction: one counter for the whole ensemble, the leader's epoch in the upper 32 bits.
    Zxid
}

id! {
    /// The number of a session. Zero means none. Displayed in hexadecimal, as servers do; an opaque value otherwise.
    SessionId
}
