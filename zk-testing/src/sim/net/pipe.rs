//! One direction of a connection: bytes on their way.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use zk_proto::Instant;

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// In order: what was sent before arrives.
    Fin,
    /// At once.
    Reset,
}

/// Bytes on their way, which arrive in their order.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    sent: VecDeque<(Instant, Bytes)>,
    /// How many bytes are on their way, those that vanished included.
    len: usize,
    /// The end, behind the bytes, and when it arrives.
    close: Option<(Instant, Close)>,
    /// Nothing arrives before that.
    held_until: Instant,
    /// When the last of them arrives.
    last: Instant,
    /// Everything vanishes from now on.
    is_lost: bool,
    /// What has arrived.
    pub(crate) arrived: BytesMut,
    /// The end, once it has arrived.
    pub(crate) closed: Option<Close>,
}

impl Pipe {
    /// Returns how many bytes are on their way.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Sends bytes that arrive then, or later where others are before them. Returns when, unless they vanish.
    pub(crate) fn send(&mut self, bytes: Bytes, at: Instant) -> Option<Instant> {
        if self.close.is_some() {
            return None;
        }
        self.len += bytes.len();
        if self.is_lost {
            return None;
        }
        self.last = self.last.max(at).max(self.held_until);
        self.sent.push_back((self.last, bytes));
        Some(self.last)
    }

    /// Ends the direction behind what was sent. Returns when that arrives.
    pub(crate) fn close(&mut self, close: Close, at: Instant) -> Option<Instant> {
        if self.is_lost || self.close.is_some() {
            return None;
        }
        self.last = self.last.max(at).max(self.held_until);
        self.close = Some((self.last, close));
        Some(self.last)
    }

    /// Ends the direction at `at`, after so many of the bytes that are on their way; the others are lost.
    pub(crate) fn cut(&mut self, kept: usize, close: Close, at: Instant) {
        let mut left = kept;
        let sent = std::mem::take(&mut self.sent);
        for (_, bytes) in sent {
            let taken = bytes.len().min(left);
            left -= taken;
            if taken > 0 && !self.is_lost {
                self.sent.push_back((at, bytes.slice(..taken)));
            }
        }
        (self.held_until, self.is_lost) = (Instant::ORIGIN, false);
        self.close = Some((at, close));
        self.last = at;
    }

    /// Holds everything back until then. Returns when what is on its way is to be looked at again.
    pub(crate) fn hold(&mut self, until: Instant) -> Instant {
        self.held_until = self.held_until.max(until);
        self.held_until
    }

    /// Lets everything vanish from now on.
    pub(crate) fn lose(&mut self) {
        self.is_lost = true;
        self.sent.clear();
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Lets arrive what is due. Returns whether anything did.
    pub(crate) fn arrive(&mut self, now: Instant) -> bool {
        if self.held_until > now || self.is_lost {
            return false;
        }
        let mut any = false;
        while let Some((at, _)) = self.sent.front() {
            if *at > now {
                return any;
            }
            if let Some((_, bytes)) = self.sent.pop_front() {
                self.len = self.len.saturating_sub(bytes.len());
                self.arrived.extend_from_slice(&bytes);
                any = true;
            }
        }
        if let Some((_, close)) = self.close.filter(|(at, _)| *at <= now && self.closed.is_none()) {
            if close == Close::Reset {
                self.arrived.clear();
            }
            self.closed = Some(close);
            any = true;
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn bytes_arrive_in_order_and_the_end_behind_them() {
        let mut pipe = Pipe::default();
        assert_eq!(pipe.send("ab".into(), at(5)), Some(at(5)));
        assert_eq!(pipe.send("c".into(), at(3)), Some(at(5)), "never overtakes");
        assert_eq!(pipe.close(Close::Fin, at(7)), Some(at(7)));

        assert!(!pipe.arrive(at(4)));
        assert!(pipe.arrive(at(6)) && pipe.closed.is_none());
        assert!(pipe.arrive(at(7)));

        assert_eq!((&pipe.arrived[..], pipe.closed), (&b"abc"[..], Some(Close::Fin)));
    }

    #[test]
    fn a_cut_leaves_a_part() {
        let mut pipe = Pipe::default();
        pipe.send("abc".into(), at(5));
        pipe.send("def".into(), at(6));

        pipe.cut(4, Close::Fin, at(9));
        pipe.arrive(at(9));

        assert_eq!((&pipe.arrived[..], pipe.closed), (&b"abcd"[..], Some(Close::Fin)));
        assert_eq!(pipe.send("more".into(), at(10)), None);
    }

    #[test]
    fn what_is_held_back_arrives_later_and_what_is_lost_never_does() {
        let mut pipe = Pipe::default();
        pipe.send("a".into(), at(5));
        pipe.hold(at(20));
        assert!(!pipe.arrive(at(10)));
        assert!(pipe.arrive(at(20)));

        pipe.lose();
        assert_eq!(pipe.send("b".into(), at(21)), None);
        assert_eq!((pipe.close(Close::Fin, at(22)), pipe.arrive(at(99))), (None, false));
    }
}
