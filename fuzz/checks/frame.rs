//! A stream gives the same frames whatever the pieces that it arrives in, and a claimed length costs nothing.
//!
//! The input is the limit, four bytes, and then a run of reads: a byte below 0x80 says how many of the following bytes
//! arrive, any other one how many KiB of ones, which are the inside of a frame and no good length.

use bytes::{Bytes, BytesMut};
use zk_proto::wire::{FrameError, reserve_frame, split_frame};

const LIMIT_BYTES: usize = 1 << 20;
const STREAM_LIMIT_BYTES: usize = 768 * 1024;

/// So much has to be there before more than that is reserved for the rest of a frame.
const EARNED_FROM_BYTES: usize = 64 * 1024;

/// The frames of a stream, and why they end where they do.
type Frames = (Vec<Bytes>, Option<FrameError>);

/// Checks one input.
pub fn check(data: &[u8]) {
    let Some((limit, data)) = data.split_first_chunk::<4>() else { return };
    let limit = usize::try_from(u32::from_be_bytes(*limit)).unwrap_or(usize::MAX) % LIMIT_BYTES;
    let reads = reads(data);
    let stream = reads.concat();

    let expected = by_hand(&stream, limit);
    assert_eq!(split(reads.iter().map(Vec::as_slice), limit), expected);
    assert_eq!(split([&stream[..]], limit), expected);
    if stream.len() <= 4096 {
        assert_eq!(split(stream.chunks(1), limit), expected);
    }
}

fn reads(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut reads = Vec::new();
    let mut total = 0;
    while let Some((&op, rest)) = data.split_first() {
        let len = usize::from(op & 0x7F);
        let read = if op < 0x80 {
            let (read, rest) = rest.split_at(len.min(rest.len()));
            data = rest;
            read.to_vec()
        } else {
            data = rest;
            vec![1; (len + 1) * 1024]
        };
        total += read.len();
        if total > STREAM_LIMIT_BYTES {
            break;
        }
        reads.push(read);
    }
    reads
}

/// Reads a stream as a connection does, with an eye on the memory that this takes.
fn split<'a>(reads: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Frames {
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    let mut earned = 0;
    for read in reads {
        input.extend_from_slice(read);
        earned = earned.max(input.len());
        loop {
            match split_frame(&mut input, limit) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        reserve_frame(&mut input, limit).expect("the length was good a moment ago");
        earned = earned.max(if input.len() < EARNED_FROM_BYTES { input.len() + EARNED_FROM_BYTES } else { limit + 4 });
        // Buffers grow by doubling.
        assert!(input.capacity() <= 2 * earned + 1024, "{} bytes of room for {earned}", input.capacity());
    }
    (frames, None)
}

/// The same without buffers.
fn by_hand(mut stream: &[u8], limit: usize) -> Frames {
    let mut frames = Vec::new();
    while let Some((field, rest)) = stream.split_first_chunk::<4>() {
        let claimed = i32::from_be_bytes(*field);
        let Ok(len) = usize::try_from(claimed) else { return (frames, Some(FrameError::Negative(claimed))) };
        if len > limit {
            return (frames, Some(FrameError::TooLong { len, limit }));
        }
        let Some((frame, rest)) = rest.split_at_checked(len) else { break };
        frames.push(Bytes::copy_from_slice(frame));
        stream = rest;
    }
    (frames, None)
}
