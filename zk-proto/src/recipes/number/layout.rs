//! How numbers are written, so that clients in other languages read them.

use bytes::Bytes;

/// What an [`AtomicNumber`](super::AtomicNumber)'s node contains. Empty data is zero in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NumberLayout {
    /// Eight bytes, the highest first, as Curator's `DistributedAtomicLong`. What follows them is ignored, as there.
    #[default]
    CuratorLong,
    /// Four bytes, the highest first, as Curator's `DistributedAtomicInteger` and `SharedCount`, and kazoo's `Counter` with
    /// `support_curator`: −2³¹ to 2³¹ − 1. What follows them is ignored.
    CuratorInt,
    /// Decimal digits, as kazoo's `Counter` with a whole number for its default. Its floating-point numbers are not read.
    Decimal,
}

impl NumberLayout {
    /// Reads a number; `None` where it is none.
    pub(super) fn read(self, data: &[u8]) -> Option<i64> {
        if data.is_empty() {
            return Some(0);
        }
        match self {
            Self::CuratorLong => data.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)),
            Self::CuratorInt => data.first_chunk().map(|bytes| i64::from(i32::from_be_bytes(*bytes))),
            Self::Decimal => std::str::from_utf8(data).ok()?.parse().ok(),
        }
    }

    /// Writes a number; `None` where there is no room for it.
    pub(super) fn write(self, number: i64) -> Option<Bytes> {
        match self {
            Self::CuratorLong => Some(Bytes::copy_from_slice(&number.to_be_bytes())),
            Self::CuratorInt => i32::try_from(number).ok().map(|number| Bytes::copy_from_slice(&number.to_be_bytes())),
            Self::Decimal => Some(number.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NumberLayout::*, *};

    const LAYOUTS: [NumberLayout; 3] = [CuratorLong, CuratorInt, Decimal];

    #[test]
    fn each_layout_reads_what_it_writes_and_what_others_write() {
        for layout in LAYOUTS {
            assert_eq!(layout.read(b""), Some(0), "{layout:?}");
            for number in [0, 1, -1, 258, i64::from(i32::MIN), i64::from(i32::MAX)] {
                let written = layout.write(number).expect("there is room");
                assert_eq!(layout.read(&written), Some(number), "{layout:?}");
            }
        }
        let table: [(NumberLayout, &[u8], i64); 8] = [
            (CuratorLong, b"\0\0\0\0\0\0\x01\x02", 258),
            (CuratorLong, b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFEwhat follows", -2),
            (CuratorLong, &i64::MIN.to_be_bytes(), i64::MIN),
            (CuratorInt, b"\0\0\0\x07", 7),
            (CuratorInt, b"\x80\0\0\0\0", -0x8000_0000),
            (Decimal, b"-17", -17),
            (Decimal, b"+17", 17),
            (Decimal, b"9223372036854775807", i64::MAX),
        ];
        for (layout, data, number) in table {
            assert_eq!(layout.read(data), Some(number), "{data:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_taken_for_one() {
        let table: [(NumberLayout, &[u8]); 9] = [
            (CuratorLong, b"1234567"),
            (CuratorLong, b"\0"),
            (CuratorInt, b"\0\0\0"),
            (Decimal, b"3.5"),
            (Decimal, b"1 "),
            (Decimal, b"-"),
            (Decimal, b"9223372036854775808"),
            (Decimal, b"\xFF"),
            (Decimal, b"\0\0\0\0\0\0\0\x01"),
        ];
        for (layout, data) in table {
            assert_eq!(layout.read(data), None, "{layout:?} {data:?}");
        }
        assert_eq!(CuratorInt.write(i64::from(i32::MAX) + 1), None);
        assert_eq!(CuratorInt.write(i64::MIN), None);
    }
}
