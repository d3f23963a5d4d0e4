//! The pieces in which a stream of bytes arrives, which no receiver may take to mean anything.

use std::io::{self, Write};
use std::thread;

use super::proxy::Direction;

/// The largest piece at random, of three in four and of the fourth: less than most frames, and more.
const SMALL: u64 = 48;
const LARGE: u64 = 4096;

/// In which pieces a [`Proxy`](super::Proxy) passes on what it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pieces {
    /// As it reads them.
    #[default]
    AsTheyCome,
    /// Each byte by itself.
    SingleBytes,
    /// Of lengths that this seed decides, for each connection and direction anew: mostly up to 48 bytes, some up to 4096.
    Random(u64),
}

impl Pieces {
    pub(super) fn cutter(self, connection: u64, direction: Direction) -> Cutter {
        let way = match direction {
            Direction::ToServer => 1,
            Direction::ToClient => 2,
            Direction::Both => 3,
        };
        Cutter { pieces: self, state: connection << 2 | way }
    }
}

/// Cuts one way of one connection.
pub(super) struct Cutter {
    pieces: Pieces,
    state: u64,
}

impl Cutter {
    pub(super) fn write_all(&mut self, to: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.next_len(bytes.len()));
            to.write_all(piece)?;
            if !rest.is_empty() {
                // The receiver's chance to read this piece before the next is there.
                thread::yield_now();
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Returns the length of the next piece, at least one byte and at most `available`.
    fn next_len(&mut self, available: usize) -> usize {
        match self.pieces {
            Pieces::AsTheyCome => available,
            Pieces::SingleBytes => 1,
            Pieces::Random(seed) => {
                // A step of splitmix64.
                self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = ((self.state ^ seed) ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                let mixed = mixed ^ (mixed >> 31);
                let largest = if mixed >> 62 == 0 { LARGE } else { SMALL };
                let len = 1 + mixed % largest;
                usize::try_from(len).map_or(available, |len| len.min(available))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts writes.
    #[derive(Default)]
    struct Writes {
        lengths: Vec<usize>,
        bytes: Vec<u8>,
    }

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.lengths.push(bytes.len());
            self.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn cut(pieces: Pieces, connection: u64, direction: Direction) -> Vec<usize> {
        let bytes: Vec<u8> = (0..=255).cycle().take(50_000).collect();
        let mut writes = Writes::default();
        pieces.cutter(connection, direction).write_all(&mut writes, &bytes).unwrap();
        assert_eq!(writes.bytes, bytes, "nothing is lost and the order stays");
        writes.lengths
    }

    #[test]
    fn streams_are_cut_as_told_and_repeatably() {
        assert_eq!(cut(Pieces::AsTheyCome, 1, Direction::ToServer), [50_000]);
        assert_eq!(cut(Pieces::SingleBytes, 1, Direction::ToServer), [1; 50_000]);

        let random = cut(Pieces::Random(7), 1, Direction::ToServer);
        assert_eq!(random, cut(Pieces::Random(7), 1, Direction::ToServer));
        for other in [
            cut(Pieces::Random(8), 1, Direction::ToServer),
            cut(Pieces::Random(7), 2, Direction::ToServer),
            cut(Pieces::Random(7), 1, Direction::ToClient),
        ] {
            assert_ne!(random, other);
        }
        let (small, large): (Vec<u64>, Vec<u64>) =
            cut(Pieces::Random(7), 1, Direction::ToClient).iter().map(|len| *len as u64).partition(|len| *len <= SMALL);
        assert!(small.contains(&1) && small.len() > large.len(), "{small:?} {large:?}");
        assert!(!large.is_empty() && large.iter().all(|len| *len <= LARGE), "{large:?}");
    }
}
