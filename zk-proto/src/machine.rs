//! What a loop sees of a machine, whatever the machine is.

use core::{
    fmt,
    task::{Context, Poll},
};

use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};

use crate::{Instant, Server, session::End};

/// Names one transport. A call that carries an old one is ignored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(crate) u32);

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkId({})", self.0)
    }
}

/// What a machine wants of the transport now. Look after every call, and make it true: close a link that is no longer
/// named, dial one that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// No link, until [`Machine::poll_timeout`].
    Offline,
    /// This link, dialled if it is new.
    Link {
        /// Its name.
        id: LinkId,
        /// Where to.
        server: Server,
    },
    /// No link, ever again.
    Nothing(End),
}

/// A machine of bytes and time, as a loop drives it.
///
/// The loop holds the transport, the clock and the input buffer; the machine holds all judgement. One turn of a loop:
///
/// 1. Look at [`wants`](Self::wants) (and [`wants_probe`](Self::wants_probe)): close the transport that is no longer named,
///    dial the one that is. Tell the outcome by [`handle_connected`](Self::handle_connected) or
///    [`handle_disconnected`](Self::handle_disconnected).
/// 2. Write what [`poll_transmit`](Self::poll_transmit) gives, until it gives nothing or the transport is full.
/// 3. Wait until there is something to read (if [`wants_input`](Self::wants_input)), room to write, or
///    [`poll_timeout`](Self::poll_timeout) is reached.
/// 4. Read first, then look at the clock: [`handle_input`](Self::handle_input), then
///    [`handle_timeout`](Self::handle_timeout). A process that was paused must not blame the server for bytes that
///    already lie in the socket.
///
/// Any call may come in any order and at any time; the time passed in may stand still.
pub trait Machine {
    /// The byte stream of that link is open.
    fn handle_connected(&mut self, link: LinkId, now: Instant);
    /// Bytes have arrived. Whole frames are taken off the front of `input`, the rest stays.
    ///
    /// Frames are slices of its memory, so it does not become free by itself; other memory may lie in `input` afterwards, with
    /// more room or less: for a large frame, or because one is over. Reserve what the next read shall find, each time.
    fn handle_input(&mut self, link: LinkId, input: &mut BytesMut, now: Instant);
    /// The link could not be opened, or is gone: end of stream and errors alike.
    fn handle_disconnected(&mut self, link: LinkId, now: Instant);
    /// Time has passed.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns the link that is wanted now.
    fn wants(&self) -> Wants;
    /// Returns a second, short-lived link that is wanted now, on which a question is asked. Driven by the same calls.
    fn wants_probe(&self) -> Option<(LinkId, Server)>;
    /// Returns whether input would be taken. While it is false, do not read: whole frames stay in the buffer, and calling
    /// [`handle_input`](Self::handle_input) again once it is true takes them.
    fn wants_input(&self) -> bool;
    /// Returns when to call [`handle_timeout`](Self::handle_timeout) next.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Returns one helping of bytes for that link: to be written before the next one, and to be forgotten with the link.
    fn poll_transmit(&mut self, link: LinkId, now: Instant) -> Option<Transmit>;

    /// Returns whether the links that there are, ready or being opened, are the ones that are wanted: as [`wants`](Self::wants) and
    /// [`wants_probe`](Self::wants_probe) say, but cheaper, for a loop asks this every turn.
    fn is_content_with(&self, link: Option<LinkId>, probe: Option<LinkId>) -> bool {
        let wanted = match self.wants() {
            Wants::Nothing(_) => return false,
            Wants::Offline => None,
            Wants::Link { id, .. } => Some(id),
        };
        wanted == link && self.wants_probe().map(|(id, _)| id) == probe
    }

    /// As [`handle_disconnected`](Self::handle_disconnected), with what the transport says about it, for people to read.
    fn handle_failure(&mut self, link: LinkId, complaint: &dyn fmt::Display, now: Instant) {
        let _ = complaint;
        self.handle_disconnected(link, now);
    }

    /// Does what the machine has to do besides IO, and returns ready when the loop should take another turn. Otherwise the
    /// loop may wait: it is woken when something comes up that it could not know of, such as a request from another thread.
    ///
    /// To be called last in each turn. By default there is nothing to do and nobody to wake the loop.
    fn poll_work(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let _ = (cx, now);
        Poll::Pending
    }
}

/// Bytes for one link, on their way out. Small requests are one chunk, a large payload is a chunk of its own.
///
/// `Debug` does not show them: passwords are among them.
#[derive(Clone, Default)]
pub struct Transmit {
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// Nothing else waited when it was made, so it is of no use to ask for the next one at once. A machine need not say so.
    #[cfg(feature = "client")]
    pub(crate) is_last: bool,
}

impl Transmit {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        if self.first.is_empty() {
            self.first = chunk;
        } else {
            self.rest.push_back(chunk);
        }
    }
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transmit({} bytes)", self.remaining())
    }
}

impl From<Bytes> for Transmit {
    fn from(bytes: Bytes) -> Self {
        Self { first: bytes, ..Self::default() }
    }
}

impl Buf for Transmit {
    fn remaining(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let chunks = core::iter::once(&self.first).chain(&self.rest).filter(|chunk| !chunk.is_empty());
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = std::io::IoSlice::new(chunk);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        while count >= self.first.len() {
            count -= self.first.len();
            match self.rest.pop_front() {
                Some(next) => self.first = next,
                None => {
                    self.first = Bytes::new();
                    assert!(count == 0, "advanced past the end of a transmit");
                    return;
                }
            }
        }
        self.first.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transmit_reads_as_its_chunks_in_order() {
        let mut transmit = Transmit::default();
        for chunk in ["", "ab", "", "c", "def"] {
            transmit.push(Bytes::from_static(chunk.as_bytes()));
        }
        assert_eq!(transmit.remaining(), 6);
        transmit.advance(1);
        assert_eq!(transmit.chunk(), b"b");
        transmit.advance(2);
        assert_eq!(transmit.chunk(), b"def");
        transmit.advance(3);
        assert!(!transmit.has_remaining() && transmit.chunk().is_empty());
    }
}
