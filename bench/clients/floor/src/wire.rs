//! A connection on which replies are counted.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use crate::requests;

const ROOM: usize = 4 << 20;
const LITTLE_ROOM: usize = 64;

pub(crate) struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    frames: Frames,
}

/// Where replies end.
#[derive(Default)]
pub(crate) struct Frames {
    /// How many bytes of the reply that has begun are missing, its length included as far as it is known.
    missing: usize,
    /// The bytes of a length that is not complete.
    head: Vec<u8>,
}

impl Wire<TcpStream> {
    pub(crate) fn connect(server: &str) -> io::Result<Self> {
        Self::greet(open(server)?)
    }

    /// Connects with as little memory as does.
    pub(crate) fn connect_small(server: &str) -> io::Result<Self> {
        Self::greet_with(open(server)?, LITTLE_ROOM)
    }
}

pub(crate) fn open(server: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn greet(stream: S) -> io::Result<Self> {
        Self::greet_with(stream, ROOM)
    }

    fn greet_with(stream: S, room: usize) -> io::Result<Self> {
        let mut wire = Self { stream, buffer: vec![0; room], frames: Frames::default() };
        wire.send(&requests::greeting())?;
        wire.receive(1)?;
        Ok(wire)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Receives so many frames, or more.
    pub(crate) fn receive(&mut self, mut frames: usize) -> io::Result<()> {
        while frames > 0 {
            frames = frames.saturating_sub(self.receive_some()?);
        }
        Ok(())
    }

    /// Makes so many requests, with so many in flight.
    pub(crate) fn window(&mut self, request: &[u8], count: usize, window: usize) -> io::Result<()> {
        let first = window.min(count);
        let repeated;
        let batch = if first > 1 && request.len() * first < 1 << 20 {
            repeated = request.repeat(first);
            &repeated[..]
        } else {
            request
        };
        let (mut to_send, mut to_receive, mut room) = (count, count, window);
        while to_receive > 0 {
            let mut now = to_send.min(room);
            (to_send, room) = (to_send - now, room - now);
            while now > 0 {
                let some = now.min(batch.len() / request.len());
                self.send(&batch[..some * request.len()])?;
                now -= some;
            }
            let received = self.receive_some()?;
            to_receive = to_receive.saturating_sub(received);
            room += received;
        }
        Ok(())
    }

    /// Makes so many requests, with so many in flight, and keeps each reply in memory of its own, to which it is read at once.
    pub(crate) fn keep_all(&mut self, request: &[u8], count: usize, window: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut replies = Vec::with_capacity(count);
        for _ in 0..window.min(count) {
            self.send(request)?;
        }
        while replies.len() < count {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes(head);
            let mut reply = Vec::with_capacity(length as usize);
            (&mut self.stream).take(u64::from(length)).read_to_end(&mut reply)?;
            replies.push(reply);
            if replies.len() + window <= count {
                self.send(request)?;
            }
        }
        Ok(replies)
    }

    /// Sends requests of one length, with so many in flight.
    pub(crate) fn stream_all(&mut self, requests: &[u8], count: usize, window: usize) -> io::Result<()> {
        let batch = requests.len().div_ceil(count.max(1)) * window;
        for chunk in requests.chunks(batch) {
            self.send(chunk)?;
            let each = requests.len().div_ceil(count.max(1));
            self.receive(chunk.len().div_ceil(each))?;
        }
        Ok(())
    }

    /// Reads a node whose data is a number, if it is one yet.
    pub(crate) fn number(&mut self, path: &str) -> io::Result<Option<f64>> {
        self.send(&requests::get_data(path, false))?;
        let mut reply = vec![0; 4096];
        let mut end = 0;
        loop {
            end += self.stream.read(&mut reply[end..])?;
            let length = |at: usize| {
                reply[..end]
                    .get(at..at + 4)
                    .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
            };
            if length(0).is_some_and(|frame| end >= 4 + frame) {
                // Behind its length, a reply has a header of 16 bytes.
                let data = length(20).and_then(|bytes| reply.get(24..24 + bytes));
                return Ok(data.and_then(|data| str::from_utf8(data).ok()?.parse().ok()));
            }
        }
    }

    fn receive_some(&mut self) -> io::Result<usize> {
        let count = self.stream.read(&mut self.buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.frames.count(&self.buffer[..count]))
    }
}

impl Frames {
    /// Returns how many replies end in these bytes, which follow on those of before.
    pub(crate) fn count(&mut self, bytes: &[u8]) -> usize {
        let (mut frames, mut at) = (0, 0);
        while at < bytes.len() {
            if self.missing > 0 {
                let step = self.missing.min(bytes.len() - at);
                (self.missing, at) = (self.missing - step, at + step);
                frames += usize::from(self.missing == 0);
                continue;
            }
            if let (true, Some(head)) = (self.head.is_empty(), bytes[at..].first_chunk()) {
                (self.missing, at) = (u32::from_be_bytes(*head) as usize, at + 4);
                continue;
            }
            self.head.push(bytes[at]);
            at += 1;
            if let Some(head) = self.head.first_chunk() {
                self.missing = u32::from_be_bytes(*head) as usize;
                self.head.clear();
            }
        }
        frames
    }
}
