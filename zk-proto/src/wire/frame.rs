//! Frames: a 32-bit length, then that many bytes.

use bytes::{Buf, Bytes, BytesMut};

/// So much of a large frame must have arrived before room for the rest of it is reserved.
const BELIEVE_FROM_BYTES: usize = 64 * 1024;

/// A buffer that held a frame of this size is let go as soon as it is empty.
const SHRINK_FROM_BYTES: usize = 512 * 1024;

/// A length field that no honest peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length is negative.
    #[error("frame of negative length {0}")]
    Negative(i32),
    /// The length is above the limit.
    #[error("frame of {len} bytes, the limit is {limit}")]
    TooLong {
        /// The length on the wire.
        len: usize,
        /// The limit in force.
        limit: usize,
    },
}

/// Takes the next frame, without its length field, off the front of `input`.
///
/// Returns `None` while it is incomplete. A frame of length zero is a frame. The frame is a slice of `input`'s memory.
///
/// # Errors
///
/// When the length is negative or above `limit_bytes`. Nothing is taken then, and the stream has lost its frame
/// boundaries for good.
pub fn split_frame(input: &mut BytesMut, limit_bytes: usize) -> Result<Option<Bytes>, FrameError> {
    let frame = cut_frame(input, limit_bytes)?;
    // The memory of a giant frame would otherwise be reused for small reads for ever.
    if input.is_empty() && frame.as_ref().is_some_and(|frame| frame.len() >= SHRINK_FROM_BYTES) {
        *input = BytesMut::new();
    }
    Ok(frame)
}

/// As [`split_frame`], without regard for memory.
pub(super) fn cut_frame(input: &mut BytesMut, limit_bytes: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(len) = peek_len(input, limit_bytes)? else { return Ok(None) };
    if input.len() - 4 < len {
        return Ok(None);
    }
    input.advance(4);
    Ok(Some(input.split_to(len).freeze()))
}

/// Makes room in `input` for the rest of the frame that it begins with, so that a large frame is not moved as it grows.
///
/// A length that is merely claimed costs at most 64 KiB: the rest is reserved once that much has arrived.
///
/// # Errors
///
/// As [`split_frame`].
pub fn reserve_frame(input: &mut BytesMut, limit_bytes: usize) -> Result<(), FrameError> {
    let missing = missing_bytes(input, limit_bytes)?;
    input.reserve(missing);
    Ok(())
}

/// Returns for how many more bytes of the frame that `input` begins with to make room.
pub(super) fn missing_bytes(input: &BytesMut, limit_bytes: usize) -> Result<usize, FrameError> {
    let Some(len) = peek_len(input, limit_bytes)? else { return Ok(0) };
    let missing = (len + 4).saturating_sub(input.len());
    Ok(if input.len() >= BELIEVE_FROM_BYTES { missing } else { missing.min(BELIEVE_FROM_BYTES) })
}

fn peek_len(input: &BytesMut, limit_bytes: usize) -> Result<Option<usize>, FrameError> {
    let Some(field) = input.first_chunk::<4>() else { return Ok(None) };
    let claimed = i32::from_be_bytes(*field);
    let len = usize::try_from(claimed).map_err(|_| FrameError::Negative(claimed))?;
    if len > limit_bytes {
        return Err(FrameError::TooLong { len, limit: limit_bytes });
    }
    Ok(Some(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn frames_come_out_whole_whatever_the_pieces() {
        let stream = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d";
        for piece in 1..stream.len() {
            let (mut input, mut frames) = (BytesMut::new(), Vec::new());
            for bytes in stream.chunks(piece) {
                input.extend_from_slice(bytes);
                while let Some(frame) = split_frame(&mut input, 3).unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [&b"abc"[..], b"", b"d"]);
            assert!(input.is_empty());
        }
    }

    #[test]
    fn a_dishonest_length_is_refused_before_the_body_arrives() {
        let mut input = BytesMut::from(&b"\xFF\xFF\xFF\xFF"[..]);
        assert_eq!(split_frame(&mut input, 10), Err(FrameError::Negative(-1)));
        let mut input = BytesMut::from(&b"\0\0\0\x0B"[..]);
        assert_eq!(split_frame(&mut input, 10), Err(FrameError::TooLong { len: 11, limit: 10 }));
        assert_eq!(split_frame(&mut input, 11), Ok(None));
    }

    #[test]
    fn a_claimed_length_reserves_little_and_an_earned_one_all() {
        let limit = 4 << 20;
        let mut input = BytesMut::from(&(3i32 << 20).to_be_bytes()[..]);
        reserve_frame(&mut input, limit).unwrap();
        assert!(input.capacity() < 256 * 1024, "{} reserved for a mere claim", input.capacity());

        input.resize(64 * 1024, 0);
        reserve_frame(&mut input, limit).unwrap();
        assert!(input.capacity() >= (3 << 20) + 4);
    }

    #[test]
    fn the_memory_of_a_giant_frame_is_not_kept() {
        let mut input = BytesMut::from(&(1i32 << 20).to_be_bytes()[..]);
        input.resize(4 + (1 << 20), 7);
        let frame = split_frame(&mut input, 4 << 20).unwrap().unwrap();
        drop(frame);
        input.reserve(64);
        assert!(input.capacity() < 4096, "{} kept", input.capacity());
    }
}
