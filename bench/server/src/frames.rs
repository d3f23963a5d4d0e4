//! Frames out of a stream.

use std::io::{self, Read};

/// What a real server takes, jute.maxbuffer: a larger frame costs the connection.
const LIMIT_BYTES: usize = 1_048_575;

const LEAST_ROOM: usize = 4 * 1024;
const MOST_ROOM: usize = 2 << 20;

/// What was read and not looked at yet. Idle connections have little room, busy ones much.
#[derive(Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Frames {
    /// Reads once; false at the end of the stream.
    pub(crate) fn fill(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let room = (self.buffer.len() * 4).clamp(LEAST_ROOM, MOST_ROOM).max(self.end + LEAST_ROOM);
            self.buffer.resize(room, 0);
        }
        let count = stream.read(&mut self.buffer[self.end..])?;
        self.end += count;
        Ok(count > 0)
    }

    /// Returns the next frame without its length, if all of it is there.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let rest = &self.buffer[self.start..self.end];
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > LIMIT_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame beyond jute.maxbuffer"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.start += 4 + length;
        Ok(Some(&rest[..length]))
    }
}
