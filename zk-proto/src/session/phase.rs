//! The phases of a session's link, and the steps between them.

use alloc::{boxed::Box, collections::VecDeque};

use bytes::Bytes;

use super::{End, lacks::Lacks, outbox::Entry, probe::Search, watches::ReplayCursor};
use crate::{Instant, LinkId, Server, Zxid, sasl::Mechanism, wire::Spare};

/// What the link is about. A variant owns what only it has, in boxes: most sessions need the room of none but one.
pub(super) enum Phase<T> {
    /// No link, until then; `None` is as soon as the time is known.
    Offline { until: Option<Instant> },
    /// The byte stream is being opened.
    Dialing(Box<Attempt>),
    /// The first message of each direction. `sent` is when ours was handed out.
    Greeting { attempt: Box<Attempt>, sent: Option<Instant> },
    /// A SASL exchange.
    Sasl { attempt: Box<Attempt>, welcome: Greeted, exchange: Box<Exchange> },
    /// Credentials are being presented: so many are handed out, so many accepted.
    Auth { attempt: Box<Attempt>, welcome: Greeted, sent: usize, accepted: usize },
    /// The link serves the session.
    Ready(Box<Ready<T>>),
    /// The session is over.
    Ended(End),
}

/// A link that is not ready yet.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) id: LinkId,
    pub(super) server: Server,
    /// When it must be ready.
    pub(super) deadline: Instant,
}

/// What the server's greeting said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeted {
    /// When our greeting was handed out.
    pub(super) sent: Instant,
    pub(super) read_only: bool,
    pub(super) resumed: bool,
    /// See [`Welcome::Accepted`](super::greeting::Welcome::Accepted).
    pub(super) foreign: bool,
}

/// A SASL exchange under way.
pub(super) struct Exchange {
    pub(super) mechanism: Box<dyn Mechanism>,
    /// A token to hand out.
    pub(super) outgoing: Option<Bytes>,
    /// Whether the exchange is complete with the next answer, whatever it holds.
    pub(super) last: bool,
    /// Whether a step was put off.
    pub(super) deferred: bool,
}

/// A question for a server that is no ZooKeeper as we know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inquiry {
    Due,
    /// Asked, and not answered.
    Open,
    /// Answered, or not necessary.
    Over,
}

/// A link that serves the session.
pub(super) struct Ready<T> {
    pub(super) id: LinkId,
    pub(super) server: Server,
    /// Since when.
    pub(super) since: Instant,
    /// When bytes last came.
    pub(super) heard: Instant,
    /// When something that touches the session was last handed out.
    pub(super) sent: Instant,
    pub(super) ping_due: bool,
    /// When the unanswered pings were handed out.
    pub(super) pings: VecDeque<Instant>,
    /// Requests without reply, oldest first.
    pub(super) in_flight: VecDeque<Entry<T>>,
    /// Credentials without reply: their replies overtake others.
    pub(super) auths: VecDeque<usize>,
    /// Watches that are still to be set again.
    pub(super) replay: Option<Box<ReplayCursor>>,
    /// The last transaction seen when the link was greeted: the same for all watches to set again.
    pub(super) replay_zxid: Zxid,
    /// Whether the link is to be left as soon as nothing is unanswered.
    pub(super) leaving: bool,
    /// Whether input was left alone because the event queue was full: then silence is our own doing.
    pub(super) choked: bool,
    /// How many bytes of input were left over.
    pub(super) left_over: usize,
    /// When the frame that is unfinished began, or a good part of it was complete.
    pub(super) frame_since: Option<Instant>,
    /// How many such parts have counted.
    pub(super) parts: usize,
    /// Memory for large replies.
    pub(super) spare: Spare,
    /// What the server does not know, or seems not to know.
    pub(super) lacks: Lacks,
    /// What it has said on this link that it does not know.
    pub(super) unknown: Lacks,
    /// Whether the server has answered a create2.
    pub(super) knows_create2: bool,
    /// Whether the server is to be asked what it knows, before anything else.
    pub(super) inquiry: Inquiry,
    /// Whether the server has answered anything since the greeting.
    pub(super) proved: bool,
    /// On a read-only server: the search for a writable one.
    pub(super) search: Option<Box<Search>>,
}

impl<T> Ready<T> {
    /// Returns since when the server is silent: since its last byte, or since a frame of it does not get on.
    pub(super) fn silent_since(&self) -> Instant {
        self.frame_since.map_or(self.heard, |since| since.min(self.heard))
    }

    pub(super) fn new(attempt: Attempt, welcome: Greeted, lacks: Lacks, last_zxid: Zxid, now: Instant) -> Self {
        Self {
            id: attempt.id,
            server: attempt.server,
            since: now,
            heard: now,
            sent: welcome.sent,
            ping_due: false,
            pings: VecDeque::new(),
            in_flight: VecDeque::new(),
            auths: VecDeque::new(),
            replay: Some(Box::default()),
            replay_zxid: last_zxid,
            leaving: false,
            choked: false,
            left_over: 0,
            frame_since: None,
            parts: 0,
            spare: Spare::default(),
            lacks,
            unknown: Lacks::NOTHING,
            knows_create2: false,
            inquiry: if welcome.foreign { Inquiry::Due } else { Inquiry::Over },
            proved: false,
            search: welcome.read_only.then(|| Box::new(Search::new(now))),
        }
    }

    pub(super) fn has_unanswered(&self) -> bool {
        !self.in_flight.is_empty() || !self.auths.is_empty()
    }
}

impl<T> Phase<T> {
    /// Returns the present link.
    pub(super) fn link(&self) -> Option<(LinkId, &Server)> {
        match self {
            Self::Dialing(attempt)
            | Self::Greeting { attempt, .. }
            | Self::Sasl { attempt, .. }
            | Self::Auth { attempt, .. } => Some((attempt.id, &attempt.server)),
            Self::Ready(ready) => Some((ready.id, &ready.server)),
            Self::Offline { .. } | Self::Ended(_) => None,
        }
    }

    pub(super) fn is(&self, link: LinkId) -> bool {
        self.link().is_some_and(|(id, _)| id == link)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Offline { .. } => "Offline",
            Self::Dialing(_) => "Dialing",
            Self::Greeting { .. } => "Greeting",
            Self::Sasl { .. } => "Sasl",
            Self::Auth { .. } => "Auth",
            Self::Ready(_) => "Ready",
            Self::Ended(_) => "Ended",
        }
    }
}

/// Every step from a phase to another one. The diagram in the documentation is drawn from this table, a test compares
/// them, and every step that a session takes in a debug build is checked against it.
pub const TRANSITIONS: &[(&str, &str)] = &[
    ("Offline", "Dialing"),
    ("Offline", "Ended"),
    ("Dialing", "Greeting"),
    ("Dialing", "Offline"),
    ("Dialing", "Ended"),
    ("Greeting", "Sasl"),
    ("Greeting", "Auth"),
    ("Greeting", "Ready"),
    ("Greeting", "Offline"),
    ("Greeting", "Ended"),
    ("Sasl", "Auth"),
    ("Sasl", "Ready"),
    ("Sasl", "Offline"),
    ("Sasl", "Ended"),
    ("Auth", "Ready"),
    ("Auth", "Offline"),
    ("Auth", "Ended"),
    ("Ready", "Offline"),
    ("Ready", "Ended"),
    ("Ended", "Offline"),
];
