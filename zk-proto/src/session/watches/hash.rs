//! A hash that nobody foresees who does not know the key: SipHash-1-3, as the standard library's tables have it.
//!
//! Whoever may create nodes chooses the paths that are watched. With a hash that all know, he could choose paths that share one, and each
//! look into the table would go through all of them.

/// The key of a table.
#[derive(Clone, Copy)]
pub(super) struct HashKey(u64, u64);

impl HashKey {
    pub(super) const fn new(words: [u64; 2]) -> Self {
        Self(words[0], words[1])
    }

    pub(super) fn hash(self, bytes: &[u8]) -> u64 {
        let mut state = Sip([
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ]);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            state.take(u64::from_le_bytes(word.try_into().expect("chunks of 8 bytes are 8 bytes long")));
        }
        // What is left over, and the length modulo 256 in the last byte.
        let rest = words.remainder().iter().rev().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
        state.take((bytes.len() as u64) << 56 | rest);
        state.finish()
    }
}

/// The four words that are stirred.
struct Sip([u64; 4]);

impl Sip {
    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xFF;
        (0..3).for_each(|_| self.round());
        self.0.into_iter().fold(0, |hash, word| hash ^ word)
    }

    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::hash::Hasher;
    use std::{collections::BTreeSet, hash::DefaultHasher};

    use super::*;

    #[test]
    fn it_is_the_hash_of_the_standard_library() {
        let bytes: [u8; 100] = core::array::from_fn(|place| (place * 37) as u8);
        for length in 0..=bytes.len() {
            let mut theirs = DefaultHasher::new();
            theirs.write(&bytes[..length]);
            assert_eq!(HashKey::new([0, 0]).hash(&bytes[..length]), theirs.finish(), "of {length} bytes");
        }
    }

    #[test]
    fn every_bit_of_the_key_counts() {
        let keys = (0..64).flat_map(|bit| [[1 << bit, 0], [0, 1 << bit]]).chain([[0, 0]]);
        let hashes: BTreeSet<u64> = keys.map(|words| HashKey::new(words).hash(b"/a")).collect();
        assert_eq!(hashes.len(), 129);
    }
}
