//! One connection of the shell: a socket, what came in, and what has yet to go out.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::Shutdown,
};

use bytes::{Buf, Bytes, BytesMut};
use mio::net::TcpStream;
use zk_proto::{Instant, wire::reserve_frame};

use crate::server::ConnectionId;

/// So much at most is taken from the machine before it is due: the queue of the machine is the one with a limit.
const AHEAD_BYTES: usize = 1 << 20;

pub(super) struct Socket {
    pub(super) id: ConnectionId,
    pub(super) input: BytesMut,
    stream: TcpStream,
    #[cfg(feature = "tls")]
    secure: Option<super::secure::Channel>,
    outgoing: VecDeque<(Instant, Bytes)>,
    outgoing_bytes: usize,
    /// Whether the operating system may have something to read, or room to write. It tells of changes only.
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
}

/// The other side is gone, by its own will or not.
pub(super) struct Gone;

impl Socket {
    pub(super) fn new(id: ConnectionId, stream: TcpStream) -> Self {
        Self {
            id,
            input: BytesMut::new(),
            stream,
            #[cfg(feature = "tls")]
            secure: None,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            is_readable: true,
            is_writable: true,
        }
    }

    /// Speaks TLS from the first byte on.
    #[cfg(feature = "tls")]
    pub(super) fn secure(&mut self, channel: super::secure::Channel) {
        self.secure = Some(channel);
    }

    /// Returns the subject of the client's certificate, once.
    #[cfg(feature = "tls")]
    pub(super) fn take_subject(&mut self) -> Option<String> {
        self.secure.as_mut().and_then(|channel| channel.take_subject())
    }

    fn take_in(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        #[cfg(feature = "tls")]
        if let Some(channel) = &mut self.secure {
            let decrypted = channel.decrypt(bytes, &mut self.input);
            // With the alert that says why, if there is one.
            self.write_secret()?;
            return decrypted;
        }
        self.input.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is encrypted. Returns whether all of it was written.
    #[cfg(feature = "tls")]
    fn write_secret(&mut self) -> Result<bool, Gone> {
        let Some(channel) = &mut self.secure else { return Ok(true) };
        while channel.wants_write() {
            match channel.write(&mut self.stream) {
                Ok(0) => return Err(Gone),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_writable = false;
                    return Ok(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        Ok(true)
    }

    /// Encrypts what is due, as far as what was encrypted before is written. Returns whether anything went out.
    #[cfg(feature = "tls")]
    fn write_secure(&mut self, now: Instant) -> Result<bool, Gone> {
        let mut is_written = false;
        while self.write_secret()? && self.next_due().is_some_and(|due| due <= now) {
            let (Some(channel), Some((_, bytes))) = (&mut self.secure, self.outgoing.pop_front()) else { break };
            channel.encrypt(&bytes)?;
            self.outgoing_bytes -= bytes.len();
            is_written = true;
        }
        Ok(is_written)
    }

    /// Reads what fits into `scratch`. Returns whether anything came.
    pub(super) fn read(&mut self, scratch: &mut [u8], frame_limit: usize) -> Result<bool, Gone> {
        while self.is_readable {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Gone),
                Ok(count) => {
                    self.take_in(&scratch[..count])?;
                    // A length that is out of bounds is for the machine to judge.
                    _ = reserve_frame(&mut self.input, frame_limit);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        Ok(false)
    }

    /// Returns whether more may be taken from the machine.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing_bytes < AHEAD_BYTES
    }

    pub(super) fn is_flushed(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.secure.as_ref().is_some_and(|channel| channel.wants_write()) {
            return false;
        }
        self.outgoing.is_empty()
    }

    pub(super) fn push(&mut self, due: Instant, bytes: Bytes) {
        self.outgoing_bytes += bytes.len();
        self.outgoing.push_back((due, bytes));
    }

    /// Returns when the next bytes may go out.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.outgoing.front().map(|(due, _)| *due)
    }

    /// Writes what is due, as long as there is room. Returns whether anything went out.
    pub(super) fn write(&mut self, now: Instant) -> Result<bool, Gone> {
        #[cfg(feature = "tls")]
        if self.secure.is_some() {
            return self.write_secure(now);
        }
        let mut is_written = false;
        while self.is_writable && self.next_due().is_some_and(|due| due <= now) {
            let Some((_, bytes)) = self.outgoing.front_mut() else { break };
            match self.stream.write(bytes) {
                Ok(0) => return Err(Gone),
                Ok(count) => {
                    bytes.advance(count);
                    if bytes.is_empty() {
                        self.outgoing.pop_front();
                    }
                    self.outgoing_bytes -= count;
                    is_written = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        Ok(is_written)
    }

    /// Closes the connection so that what was written arrives: with bytes left unread, the other side would be told to
    /// forget it.
    pub(super) fn close(mut self, scratch: &mut [u8]) {
        _ = self.stream.shutdown(Shutdown::Write);
        while let Ok(1..) = self.stream.read(scratch) {}
    }
}
