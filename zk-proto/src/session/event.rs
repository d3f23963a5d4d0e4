//! What a session tells, and the errors it tells it with.

use core::time::Duration;

use bytes::Bytes;

use super::AuthFailure;
use crate::{
    Instant, LinkId, Root, Server, SessionId, Zxid,
    code::{ErrorCode, EventType},
    request::{InvalidRequest, Request},
    sasl::SaslFailure,
    wire::{DecodeError, Decoder, FrameError, Secret, Text},
};

/// What the session has to tell. One queue: the order is ZooKeeper's own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<T, W> {
    /// A request is over. Each accepted tag comes back exactly once.
    Reply {
        /// The caller's name for the request.
        tag: T,
        /// Its outcome.
        result: Result<Reply, RequestError>,
    },
    /// A watch fired; this comes before any reply that shows the change.
    Watch {
        /// The caller's name for the watch.
        watch: W,
        /// What happened.
        event: WatchedEvent,
    },
    /// The session's state has changed.
    State(State),
    /// A link failed before the session was up on it, or authentication did. For logs; left out while the queue is full.
    LinkFailed {
        /// Where the link went.
        server: Server,
        /// How it failed.
        cause: Cause,
    },
    /// A SASL step that the mechanism put off; see [`Session::deferred`](super::Session::deferred).
    Challenge {
        /// The link that waits for the answer.
        link: LinkId,
        /// The server on the other side.
        server: Server,
        /// Its token; null at the beginning.
        token: Secret,
    },
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No server has been reached yet.
    Connecting,
    /// A server serves the session.
    Connected {
        /// The session.
        session: SessionId,
        /// The timeout in force.
        timeout: Duration,
        /// Whether it is the session of before, with its ephemeral nodes. Watches are set again in any case.
        resumed: bool,
        /// Whether the server is cut off from the quorum and serves reads only.
        read_only: bool,
    },
    /// The link is lost. The session may live on: others must not assume that it is over, and its owner must not assume
    /// that it is not after `valid_until`.
    Suspended {
        /// How the link was lost.
        cause: Cause,
        /// Until when the server cannot have expired the session, as far as this side can tell.
        valid_until: Instant,
    },
    /// Still no server, and `valid_until` has passed: the server may have expired the session by now.
    PresumedLost,
    /// The session is over.
    Ended(End),
}

/// How a session ended, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum End {
    /// It was closed, or handed over.
    #[error("closed")]
    Closed,
    /// The server let it expire. Its ephemeral nodes are gone.
    #[error("expired")]
    Expired,
    /// A server refused its credentials, or demands some, or a SASL mechanism gave up. The [`AuthFailure`] says more.
    #[error("ended: authentication failed")]
    AuthFailed,
    /// Every server turned it away without a word, again and again: they are behind what this client has seen, as after a
    /// restore from an old backup. Its last transaction number belongs to a history that is no more.
    #[error("rejected by every server: they are behind what this session has seen")]
    Rejected,
}

/// Why a link was lost. For logs: to a caller, all of these are the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The transport closed, failed, or could not be opened.
    #[error("connection closed or refused")]
    Hangup,
    /// Nothing came for too long.
    #[error("no answer in time")]
    Silence,
    /// The server broke the protocol.
    #[error("protocol violation: {0}")]
    Violation(#[from] Violation),
    /// The server would not have us in the greeting.
    #[error("turned away: {0}")]
    TurnedAway(TurnedAway),
    /// Authentication failed, and with that the session.
    #[error(transparent)]
    AuthFailed(#[from] AuthFailure),
    /// A SASL mechanism could not go on, and wants to be asked again on another link.
    #[error("given up for now: {0}")]
    Sasl(SaslFailure),
    /// The answer to a SASL step that was put off did not come in time.
    #[error("no answer in time to a SASL step that was put off")]
    Deferred,
    /// This side left: for a writable server, or because the list of servers changed.
    #[error("left for another server")]
    Left,
}

/// How a server turns a client away in the greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnedAway {
    /// A read-only server without local sessions cannot take it.
    #[error("the server is read-only and cannot take the session")]
    ReadOnly,
    /// The server answered with an error in place of a greeting.
    #[error("{0}")]
    Error(ErrorCode),
    /// The server refused to begin a new session.
    #[error("no new session")]
    NoSession,
    /// The server speaks another protocol, or will not speak (ClickHouse Keeper without a leader: 42).
    #[error("protocol version {0}")]
    ProtocolVersion(i32),
}

/// How a server broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A length field that cannot be.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An answer to the greeting that is TLS: the server expects to be spoken to by TLS, and was not.
    #[error("the server speaks TLS, and was spoken to in plain text")]
    Tls,
    /// A greeting, header or event that cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A reply that is not that of the oldest unanswered request.
    #[error("reply with xid {found} where {expected} is due")]
    OutOfOrder {
        /// The xid on the wire.
        found: i32,
        /// The xid of the oldest unanswered request.
        expected: i32,
    },
    /// A reply although nothing is unanswered.
    #[error("reply with xid {0} to no request")]
    Unasked(i32),
    /// An internal request (watches, ping) was refused.
    #[error("{operation} refused: {error}")]
    Refused {
        /// The operation.
        operation: &'static str,
        /// The server's error.
        error: ErrorCode,
    },
}

/// A reply without error: still encoded, to be decoded by whoever waits for it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The transaction of a write; the server's last one otherwise.
    pub zxid: Zxid,
    /// The session under which it was carried out.
    pub session: SessionId,
    pub(crate) body: Bytes,
    pub(crate) root: Root,
}

impl Reply {
    /// Decodes the reply to a request of that type. Paths come back without the chroot that the request went out with.
    ///
    /// # Errors
    ///
    /// When the bytes are not such a reply. The request has been carried out all the same.
    #[inline]
    pub fn decode<R: Request>(self) -> Result<R::Reply, DecodeError> {
        R::decode(&mut Decoder::new(self.body).with_root(self.root))
    }
}

/// A watch has fired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchedEvent {
    /// What happened.
    pub kind: WatchedEventKind,
    /// To which node, as the watch's owner names it. For a recursive watch, the node below.
    pub path: Text,
    /// The transaction, where the server tells it: from 3.9.0 on, and never for what happened while there was no link.
    pub zxid: Option<Zxid>,
}

/// What a watch can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WatchedEventKind {
    /// The node was created.
    NodeCreated,
    /// The node was deleted.
    NodeDeleted,
    /// The node's data was set.
    NodeDataChanged,
    /// A child was created or deleted.
    NodeChildrenChanged,
    /// For persistent watches: there was no link for a time, and whatever happened then was not told. Read again what
    /// matters; the watch is set already.
    Resync,
    /// For persistent watches: this server cannot set them (it is older than 3.6). The watch is over.
    Unsupported,
}

impl WatchedEventKind {
    pub(crate) fn from_wire(event_type: EventType) -> Option<Self> {
        match event_type {
            EventType::NodeCreated => Some(Self::NodeCreated),
            EventType::NodeDeleted => Some(Self::NodeDeleted),
            EventType::NodeDataChanged => Some(Self::NodeDataChanged),
            EventType::NodeChildrenChanged => Some(Self::NodeChildrenChanged),
            EventType::None
            | EventType::DataWatchRemoved
            | EventType::ChildWatchRemoved
            | EventType::PersistentWatchRemoved
            | EventType::Unknown(_) => None,
        }
    }
}

/// Why a request that was taken brought no reply, or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server answered with an error. Nothing was done.
    #[error("{0}")]
    Server(ErrorCode),
    /// The link broke after the request was handed to it: it may or may not have been carried out.
    #[error("link lost before the reply")]
    Lost,
    /// Its time limit passed.
    #[error("no reply in time, {sent}")]
    TimedOut {
        /// Whether the server may have seen it.
        sent: Sent,
    },
    /// It was pinned to a session that is not this one any more. It was not sent.
    #[error("the session is another one by now")]
    SessionChanged,
    /// The session is over.
    #[error("session {end}, {sent}")]
    Ended {
        /// How it ended.
        end: End,
        /// Whether the server may have seen the request.
        sent: Sent,
    },
}

/// Whether the server may have seen a request that brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// It never left this side: certainly not carried out.
    No,
    /// It was handed to a link: it may or may not have been carried out.
    Perhaps,
}

impl core::fmt::Display for Sent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::No => "not sent",
            Self::Perhaps => "perhaps carried out",
        })
    }
}

/// A request that was not taken, with what came with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused<T> {
    /// The caller's name for the request.
    pub tag: T,
    /// Why it was not taken.
    pub reason: Refusal,
}

/// Why a request was not taken. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// As many requests or bytes as the limits allow wait already. There will be room when some have been sent.
    #[error("the session is full")]
    Full,
    /// There are as many watches as [`Limits::watches`](crate::Limits::watches) allows.
    #[error("there are {limit} watches already")]
    TooManyWatches {
        /// The limit.
        limit: usize,
    },
    /// The request is larger than the server would take.
    #[error("request of {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// The encoded request.
        bytes: usize,
        /// [`Limits::send_frame_bytes`](crate::Limits::send_frame_bytes).
        limit: usize,
    },
    /// The request cannot be right.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// It is pinned to a session that is not this one.
    #[error("the session is another one by now")]
    SessionChanged,
    /// The session is over, or about to be closed.
    #[error("session {0}")]
    Ended(End),
}
