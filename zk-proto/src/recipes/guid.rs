//! Names that nobody else gives.

use std::fmt::Write;

use crate::client::Client;

/// A random name, by which a client finds a node of its own again when the reply to its creation was lost.
///
/// Its 122 random bits come from the client's [seed](crate::client::Builder::seed), in the form of a UUID of version 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guid([u8; 16]);

impl Guid {
    pub(crate) fn new(client: &Client) -> Self {
        let mut bytes = [0; 16];
        client.fill_random(&mut bytes);
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Self(bytes)
    }

    /// Returns it as 32 hexadecimal digits.
    pub(crate) fn plain(self) -> String {
        self.written(|_| false)
    }

    /// Returns it with the dashes of a UUID.
    pub(crate) fn dashed(self) -> String {
        self.written(|index| matches!(index, 4 | 6 | 8 | 10))
    }

    fn written(self, has_dash: impl Fn(usize) -> bool) -> String {
        let mut text = String::with_capacity(36);
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if has_dash(index) { "-" } else { "" };
            // Writing to a string cannot fail.
            _ = write!(text, "{dash}{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_a_uuid_with_dashes_and_without() {
        let guid = Guid(*b"\x01\x23\x45\x67\x89\xAB\x4D\xEF\x80\x12\x34\x56\x78\x9A\xBC\xDE");
        assert_eq!(guid.dashed(), "01234567-89ab-4def-8012-3456789abcde");
        assert_eq!(guid.plain(), "0123456789ab4def80123456789abcde");
    }
}
