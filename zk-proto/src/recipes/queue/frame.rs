//! Curator's frames around items.
//!
//! The data of an entry of its `DistributedQueue` is a version of four bytes, then for each item a one, its length in four bytes and
//! the item, then a two.

use bytes::{Buf, Bytes};

const VERSION: u32 = 0x0001_0001;
const ITEM: u8 = 1;
const END: u8 = 2;

/// Puts items into one entry.
pub(super) fn encode(items: &[&[u8]]) -> Vec<u8> {
    let mut data = VERSION.to_be_bytes().to_vec();
    for item in items {
        data.push(ITEM);
        // What does not fit into a request is refused by its length, so this is never cut short.
        data.extend(i32::try_from(item.len()).unwrap_or(i32::MAX).to_be_bytes());
        data.extend_from_slice(item);
    }
    data.push(END);
    data
}

/// Takes the items out; nothing where it is not in frames.
pub(super) fn decode(mut data: Bytes) -> Option<Vec<Bytes>> {
    if data.try_get_u32().ok()? != VERSION {
        return None;
    }
    let mut items = Vec::new();
    loop {
        match data.try_get_u8().ok()? {
            ITEM => {
                let length = usize::try_from(data.try_get_i32().ok()?).ok()?;
                if length > data.len() {
                    return None;
                }
                items.push(data.split_to(length));
            }
            END => return Some(items),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Curator 5.4 writes `hello`.
    const HELLO: &[u8] = b"\x00\x01\x00\x01\x01\x00\x00\x00\x05hello\x02";

    #[test]
    fn frames_are_those_of_curator() {
        assert_eq!(encode(&[b"hello"]), HELLO);
        assert_eq!(decode(Bytes::from_static(HELLO)), Some(vec![Bytes::from_static(b"hello")]));
    }

    #[test]
    fn any_number_of_items_comes_out_as_it_went_in() {
        for items in [vec![], vec![&b""[..]], vec![&b"one"[..], b"", b"\x02\x01"]] {
            let decoded = decode(encode(&items).into());
            assert_eq!(decoded, Some(items.iter().map(|item| Bytes::copy_from_slice(item)).collect()));
        }
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_not_in_frames() {
        for end in 0..HELLO.len() {
            assert_eq!(decode(Bytes::from_static(&HELLO[..end])), None, "{end}");
        }
        for other in [
            &b"hello"[..],
            b"\x00\x01\x00\x02\x02",
            b"\x00\x01\x00\x01\x03",
            b"\x00\x01\x00\x01\x01\xFF\xFF\xFF\xFF\x02",
        ] {
            assert_eq!(decode(Bytes::from_static(other)), None, "{other:?}");
        }
    }
}
