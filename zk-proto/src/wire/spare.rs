//! The memory of large frames, used again.
//!
//! A frame of half a megabyte that is given back to the allocator goes back to the system, as a rule, and the next one is paid for in page
//! faults: more than all copying. So the memory of large frames is kept for those that follow, as soon as nobody holds a slice of it
//! any more. That is for times of load: whoever owns this lets go of it when nothing has come for a while.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::frame::{FrameError, cut_frame, missing_bytes};

/// Frames below this come and go in the buffer that reads are made to.
pub(crate) const LARGE_BYTES: usize = 128 * 1024;

/// So much is kept at most.
const KEPT_BYTES: usize = 8 << 20;

/// Large buffers that were used, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: VecDeque<Large>,
    /// The buffer that was given out last, and that input is read to as long as its owner likes it.
    current: Option<Place>,
    /// There was no load any more, and nothing has come since.
    is_over: bool,
}

#[derive(Debug)]
struct Large {
    buffer: BytesMut,
    bytes: usize,
}

/// Where a buffer ends, which does not change as frames are cut off its front, and its size, which it does not tell then.
#[derive(Debug)]
struct Place {
    end: usize,
    bytes: usize,
}

impl Spare {
    /// As [`split_frame`](super::split_frame).
    pub(crate) fn split_frame(
        &mut self,
        input: &mut BytesMut,
        limit_bytes: usize,
    ) -> Result<Option<Bytes>, FrameError> {
        let frame = cut_frame(input, limit_bytes)?;
        let large_bytes = frame.as_ref().map(Bytes::len).filter(|bytes| *bytes >= LARGE_BYTES);
        if let Some(bytes) = large_bytes.filter(|_| input.is_empty()) {
            self.keep(core::mem::take(input));
            if bytes <= KEPT_BYTES {
                // Another frame of its size would come right to where it stays.
                let next = self.take(4 + bytes);
                self.give(next, input);
            }
        } else if input.is_empty() && core::mem::take(&mut self.is_over) && input.capacity() >= LARGE_BYTES {
            *input = BytesMut::new();
        }
        Ok(frame)
    }

    /// As [`reserve_frame`](super::reserve_frame), but for large frames in memory that was used before.
    pub(crate) fn reserve_frame(&mut self, input: &mut BytesMut, limit_bytes: usize) -> Result<(), FrameError> {
        let missing = missing_bytes(input, limit_bytes)?;
        let bytes = input.len() + missing;
        if input.capacity() >= bytes || (bytes < LARGE_BYTES && !self.is_current(input)) {
            input.reserve(missing);
            return Ok(());
        }
        let used = core::mem::take(input);
        if bytes < LARGE_BYTES {
            // How large it is, is not believed yet.
            input.reserve(bytes);
            input.extend_from_slice(&used);
            self.keep(used);
        } else {
            let mut large = self.take(bytes);
            large.buffer.extend_from_slice(&used);
            self.keep(used);
            self.give(large, input);
        }
        Ok(())
    }

    /// Lets go of everything, and of what input is read to with the next frame.
    pub(crate) fn clear(&mut self) {
        *self = Self { is_over: true, ..Self::default() };
    }

    /// Has input read to that buffer.
    fn give(&mut self, large: Large, input: &mut BytesMut) {
        *input = large.buffer;
        self.current = Some(Place { end: end(input), bytes: large.bytes });
        self.is_over = false;
    }

    /// Returns whether that is the buffer that was given out last, or what is left of it.
    fn is_current(&self, buffer: &BytesMut) -> bool {
        self.current.as_ref().is_some_and(|current| current.end == end(buffer))
    }

    /// Keeps the buffer that was given out last. Any other is not worth it.
    fn keep(&mut self, mut buffer: BytesMut) {
        let is_current = self.is_current(&buffer);
        let Some(Place { bytes, .. }) = self.current.take().filter(|_| is_current) else { return };
        buffer.clear();
        self.buffers.push_back(Large { buffer, bytes });
        while self.buffers.iter().map(|large| large.bytes).sum::<usize>() > KEPT_BYTES {
            self.buffers.pop_front();
        }
    }

    /// Returns a buffer of that size of which nobody holds a slice: the last that was used, which the processor may still have in its
    /// cache.
    fn take(&mut self, bytes: usize) -> Large {
        let index = self.buffers.iter_mut().rposition(|large| large.buffer.try_reclaim(bytes));
        let used = index.and_then(|index| self.buffers.remove(index));
        used.unwrap_or_else(|| Large { buffer: BytesMut::with_capacity(bytes), bytes })
    }
}

fn end(buffer: &BytesMut) -> usize {
    buffer.as_ptr().addr() + buffer.capacity()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const FRAME_BYTES: usize = 300_000;
    const LIMIT_BYTES: usize = 4 << 20;

    /// Receives a frame in pieces, as from a socket. Returns also how many of its bytes were moved.
    fn receive(spare: &mut Spare, input: &mut BytesMut) -> (Bytes, usize) {
        let mut stream = Vec::from(u32::try_from(FRAME_BYTES).unwrap().to_be_bytes());
        stream.resize(4 + FRAME_BYTES, 7);
        let (mut rest, mut moved_bytes) = (&stream[..], 0);
        loop {
            let place = input.as_ptr();
            spare.reserve_frame(input, LIMIT_BYTES).unwrap();
            if input.as_ptr() != place {
                moved_bytes += input.len();
            }
            let (piece, after) = rest.split_at(rest.len().min(100_000));
            input.extend_from_slice(piece);
            rest = after;
            if let Some(frame) = spare.split_frame(input, LIMIT_BYTES).unwrap() {
                assert!(rest.is_empty());
                return (frame, moved_bytes);
            }
        }
    }

    #[test]
    fn memory_is_used_again_when_the_frame_in_it_is_dropped() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let [first, second, third, fourth] = [(); 4].map(|()| receive(&mut spare, &mut input).0.as_ptr());

        // One is being handed out while the next one comes.
        assert_eq!([third, fourth], [first, second]);
    }

    #[test]
    fn memory_that_was_used_last_is_used_first() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let held: Vec<Bytes> = (0..5).map(|_| receive(&mut spare, &mut input).0).collect();
        let last = held[4].as_ptr();
        drop(held);

        // The next one's place was chosen before they were dropped.
        let (next, _) = receive(&mut spare, &mut input);

        assert_ne!(next.as_ptr(), last);
        assert_eq!(receive(&mut spare, &mut input).0.as_ptr(), last);
    }

    #[test]
    #[cfg_attr(miri, ignore = "eleven megabytes take it minutes")]
    fn memory_is_used_again_when_frames_are_of_several_sizes() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let sizes = [300_000, 290_000, 250_000, 299_000].into_iter().cycle().take(40);
        let stream: Vec<u8> =
            sizes.flat_map(|size: u32| size.to_be_bytes().into_iter().chain((0..size).map(|_| 7))).collect();
        let (mut rest, mut places, mut held) = (&stream[..], Vec::new(), None);
        while places.len() < 40 {
            let room = input.capacity() - input.len();
            let (piece, after) = rest.split_at(rest.len().min(room.max(64)));
            input.extend_from_slice(piece);
            rest = after;
            while let Some(frame) = spare.split_frame(&mut input, LIMIT_BYTES).unwrap() {
                places.push(frame.as_ptr());
                held = Some(frame);
            }
            spare.reserve_frame(&mut input, LIMIT_BYTES).unwrap();
        }
        drop(held);
        places.sort();
        places.dedup();

        // The allocator alone could give the same memory again.
        assert!((1..4).contains(&spare.buffers.len()), "{} kept", spare.buffers.len());
        assert!(places.len() <= 4, "{} places for 40 frames", places.len());
    }

    #[test]
    fn a_frame_that_is_held_keeps_its_memory_to_itself() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let (held, _) = receive(&mut spare, &mut input);

        let (other, _) = receive(&mut spare, &mut input);

        assert_ne!(held.as_ptr(), other.as_ptr());
        assert!(held.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn frames_of_one_size_come_to_where_they_stay() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let mut held = None;
        let moved: Vec<usize> = (0..10)
            .map(|_| {
                let (frame, moved_bytes) = receive(&mut spare, &mut input);
                held = Some(frame);
                moved_bytes
            })
            .collect();

        assert!(moved[0] > 0);
        assert_eq!(moved[1..], [0; 9]);
    }

    #[test]
    fn nothing_is_kept_in_the_place_of_a_buffer_that_its_owner_let_go() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        for _ in 0..10 {
            drop(receive(&mut spare, &mut input));
            input = BytesMut::with_capacity(100);
        }

        assert!(spare.buffers.len() <= 1, "{} kept", spare.buffers.len());
    }

    #[test]
    fn input_is_not_read_to_large_memory_for_ever() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        receive(&mut spare, &mut input);
        assert!(input.capacity() > FRAME_BYTES);
        let mut receive_small = |spare: &mut Spare| {
            input.extend_from_slice(b"\0\0\0\x01a");
            assert_eq!(spare.split_frame(&mut input, LIMIT_BYTES).unwrap().unwrap(), "a");
            input.capacity()
        };
        assert!(receive_small(&mut spare) >= LARGE_BYTES);

        spare.clear();

        assert_eq!(receive_small(&mut spare), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "thirty megabytes take it a quarter of an hour")]
    fn what_is_kept_is_bounded_and_goes_on_demand() {
        let (mut spare, mut input) = (Spare::default(), BytesMut::new());
        let frames: Vec<Bytes> = (0..100).map(|_| receive(&mut spare, &mut input).0).collect();
        assert_eq!(frames.len(), 100);
        assert!(spare.buffers.len() <= KEPT_BYTES / FRAME_BYTES);

        spare.clear();

        assert!(spare.buffers.is_empty());
    }
}
