//! The memory of large frames, used again.
//!
//! A frame of half a megabyte that is given back to the allocator goes back to the system, as a rule, and the next one is paid for in page
//! faults: more than all copying. So the memory of large frames is kept for those that follow, as soon as nobody holds a slice of it
//! any more. That is for times of load: whoever owns this lets go of it when nothing has come for a while.

use alloc::collections::VecDeque;

use bytes::BytesMut;

use super::frame::{FrameError, cut_frame, missing_bytes};

/// Frames below this come and go in the buffer that reads are made to.
const LARGE_BYTES: usize = 128 * 1024;

/// So much is kept at most.
const KEPT_BYTES: usize = 8 << 20;

/// Large buffers that were used, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: VecDeque<Large>,
    /// The size of the buffer that was given out last, and that input is read to.
    current_bytes: usize,
}

#[derive(Debug)]
struct Large {
    buffer: BytesMut,
    bytes: usize,
}

impl Spare {
    /// As [`split_frame`](super::split_frame).
    pub(crate) fn split_frame(
        &mut self,
        input: &mut BytesMut,
        limit_bytes: usize,
    ) -> Result<Option<bytes::Bytes>, FrameError> {
        let frame = cut_frame(input, limit_bytes)?;
        if input.is_empty() && frame.as_ref().is_some_and(|frame| frame.len() >= LARGE_BYTES) {
            self.keep(core::mem::take(input));
        }
        Ok(frame)
    }

    /// As [`reserve_frame`](super::reserve_frame), but for large frames in memory that was used before.
    pub(crate) fn reserve_frame(&mut self, input: &mut BytesMut, limit_bytes: usize) -> Result<(), FrameError> {
        let missing = missing_bytes(input, limit_bytes)?;
        let bytes = input.len() + missing;
        if bytes < LARGE_BYTES || input.capacity() >= bytes {
            input.reserve(missing);
            return Ok(());
        }
        let mut large = match self.take(bytes) {
            Some(large) => large,
            None => Large { buffer: BytesMut::with_capacity(bytes), bytes },
        };
        large.buffer.extend_from_slice(input);
        self.keep(core::mem::replace(input, large.buffer));
        self.current_bytes = large.bytes;
        Ok(())
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Keeps the buffer that was given out last. Any other is not worth it.
    fn keep(&mut self, mut buffer: BytesMut) {
        let bytes = core::mem::take(&mut self.current_bytes);
        if bytes == 0 {
            return;
        }
        buffer.clear();
        self.buffers.push_back(Large { buffer, bytes });
        while self.buffers.iter().map(|large| large.bytes).sum::<usize>() > KEPT_BYTES {
            self.buffers.pop_front();
        }
    }

    /// Returns a buffer of that size of which nobody holds a slice.
    fn take(&mut self, bytes: usize) -> Option<Large> {
        let index = self.buffers.iter_mut().position(|large| large.buffer.try_reclaim(bytes))?;
        self.buffers.remove(index)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use bytes::Bytes;

    use super::*;

    const FRAME_BYTES: usize = 300_000;
    const LIMIT_BYTES: usize = 4 << 20;

    /// Receives a frame in pieces, as from a socket.
    fn receive(spare: &mut Spare, input: &mut BytesMut) -> Bytes {
        let mut stream = Vec::from(u32::try_from(FRAME_BYTES).unwrap().to_be_bytes());
        stream.resize(4 + FRAME_BYTES, 7);
        let mut rest = &stream[..];
        loop {
            spare.reserve_frame(input, LIMIT_BYTES).unwrap();
            let (piece, after) = rest.split_at(rest.len().min(100_000));
            input.extend_from_slice(piece);
            rest = after;
            if let Some(frame) = spare.split_frame(input, LIMIT_BYTES).unwrap() {
                assert!(rest.is_empty());
                return frame;
            }
        }
    }

    #[test]
    fn memory_is_used_again_when_the_frame_in_it_is_dropped() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let first = receive(&mut spare, &mut input).as_ptr();

        assert_eq!(receive(&mut spare, &mut input).as_ptr(), first);
    }

    #[test]
    fn a_frame_that_is_held_keeps_its_memory_to_itself() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let held = receive(&mut spare, &mut input);

        let other = receive(&mut spare, &mut input);

        assert_ne!(held.as_ptr(), other.as_ptr());
        assert!(held.iter().all(|byte| *byte == 7));
    }

    #[test]
    #[cfg_attr(miri, ignore = "thirty megabytes take it a quarter of an hour")]
    fn what_is_kept_is_bounded_and_goes_on_demand() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let frames: Vec<Bytes> = (0..100).map(|_| receive(&mut spare, &mut input)).collect();
        assert_eq!(frames.len(), 100);
        assert!(spare.buffers.len() <= KEPT_BYTES / FRAME_BYTES);

        spare.clear();

        assert!(spare.buffers.is_empty());
    }
}
