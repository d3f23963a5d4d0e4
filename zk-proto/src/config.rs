//! Everything about a session that can be chosen, with the defaults and limits.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{Backoff, ConnectString, Root, Servers, SessionId, Zxid, sasl, wire::Secret};

/// What a session is to be like.
///
/// Made from a connect string or a list of servers; every field may be changed before the session is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The servers, dialled in an order that the seed decides.
    pub servers: Servers,
    /// The chroot of requests that bring none of their own.
    pub root: Root,
    /// The session timeout to ask for. Default 10 s. The server clamps it, by default to 2 to 20 of its ticks (of mostly
    /// 2 s); [`State::Connected`](crate::session::State) tells what is in force.
    pub session_timeout: Duration,
    /// Whether a server that is cut off from the quorum will do for reading. Default no.
    ///
    /// While connected to one, the session keeps looking for a writable one and moves there; its session id may change
    /// then.
    pub read_only: bool,
    /// How long a link may take from dialling to the server's answer, TLS and SASL included. Default: the session timeout
    /// divided by the number of servers or by 4, whichever is more, but at least 1 s where that is not more than a quarter of
    /// the session timeout.
    pub link_timeout: Option<Duration>,
    /// How long to wait between dials.
    pub backoff: Backoff,
    /// Credentials for every link, sent before anything else, in this order.
    pub auth: Vec<AuthInfo>,
    /// SASL for every link, before the credentials.
    pub sasl: Option<Arc<dyn sasl::Factory>>,
    /// A session to take up instead of a new one.
    pub credentials: Option<Credentials>,
    /// How long [`close`](crate::session::Session::close) may take. Default 2 s. After that the session ends without the
    /// server's word, and the server lets it expire.
    pub close_timeout: Duration,
    /// Whether to end the session as expired when no server was reached for so long. Default never: only a server knows
    /// that a session is over, and a restarted ensemble takes up old ones.
    pub give_up_after: Option<Duration>,
    /// How much earlier than the server could expire the session
    /// [`valid_until`](crate::session::Session::valid_until) lies. Default a quarter of the timeout in force.
    ///
    /// It covers what lies between a server that answers and the leader, which alone decides when a session expires. In peace that is
    /// half a tick: so often do followers pass on whom they have heard. But a follower that is cut off from its leader goes on answering
    /// heartbeats until it notices, for up to `syncLimit` ticks (10 s with `tickTime=2000` and `syncLimit=5`). Who must be safe
    /// against that too sets a margin of `syncLimit` ticks and a half, and a session timeout well above it; or rests on
    /// what the leader has decided: on a transaction with a check, or on fencing.
    pub validity_margin: Option<Duration>,
    /// From when on an answer counts as [slow](crate::metrics::Metrics::slow), from hand-out to answer; with the feature `tracing`, it
    /// is reported too. Default 1 s; `None` for never.
    pub slow_request: Option<Duration>,
    /// What is bounded by how much.
    pub limits: Limits,
}

impl Config {
    /// The session timeout where none is asked for.
    pub const DEFAULT_SESSION_TIMEOUT: Duration = Duration::from_secs(10);

    /// Makes a configuration with defaults for these servers.
    pub fn new(servers: Servers) -> Self {
        Self {
            servers,
            root: Root::default(),
            session_timeout: Self::DEFAULT_SESSION_TIMEOUT,
            read_only: false,
            link_timeout: None,
            backoff: Backoff::default(),
            auth: Vec::new(),
            sasl: None,
            credentials: None,
            close_timeout: Duration::from_secs(2),
            give_up_after: None,
            validity_margin: None,
            slow_request: Some(Duration::from_secs(1)),
            limits: Limits::default(),
        }
    }
}

impl From<ConnectString> for Config {
    fn from(connect: ConnectString) -> Self {
        Self { root: connect.root, ..Self::new(connect.servers) }
    }
}

/// Bounds. Whatever a peer or a caller does, a session holds no more than this. Events, requests in flight and helpings are at
/// least one, whatever is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest frame to send, without its length field: larger requests are refused. Default 1,048,575, the server's
    /// `jute.maxbuffer`, above which it closes the connection and everything in flight is in doubt.
    pub send_frame_bytes: usize,
    /// The largest frame to receive; a larger one costs the link. Default 4 MiB: servers do not limit what they send, and a
    /// node written at their limit is read back in a larger frame.
    pub receive_frame_bytes: usize,
    /// How many requests may wait to be sent. Default 65,536. More are refused.
    pub backlog_requests: usize,
    /// How many encoded bytes may wait to be sent, or be kept to be sent again. Default 64 MiB. More are refused.
    pub backlog_bytes: usize,
    /// How many requests may be unanswered; others wait. Default 16,384.
    pub in_flight_requests: usize,
    /// About how many bytes are handed to the transport at once. Default 128 KiB. What was handed out is in doubt when the
    /// link breaks.
    pub helping_bytes: usize,
    /// How many events may wait to be fetched before input is no longer read. Default 4,096. One frame, or the end of a
    /// link, may exceed it by what it brings.
    pub events: usize,
    /// The largest frame of watches to set again after a reconnect. Default 128 KiB.
    pub watch_chunk_bytes: usize,
    /// How many watches there may be. Default 4,000,000.
    pub watches: usize,
}

impl Limits {
    /// Returns the same, but none of those that must not be zero is.
    pub(crate) fn at_least_one(&self) -> Self {
        let mut limits = self.clone();
        for limit in [&mut limits.events, &mut limits.in_flight_requests, &mut limits.helping_bytes] {
            *limit = (*limit).max(1);
        }
        limits
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            send_frame_bytes: 1_048_575,
            receive_frame_bytes: 4 << 20,
            backlog_requests: 65_536,
            backlog_bytes: 64 << 20,
            in_flight_requests: 16_384,
            helping_bytes: 128 << 10,
            events: 4_096,
            watch_chunk_bytes: 128 << 10,
            watches: 4_000_000,
        }
    }
}

/// Credentials of a connection, for an authentication scheme. `Debug` does not show the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthInfo {
    /// `digest`, for instance.
    pub scheme: String,
    /// For `digest`: `user:password`.
    pub secret: Secret,
}

impl AuthInfo {
    /// Makes credentials of any scheme.
    pub fn new(scheme: &str, secret: &[u8]) -> Self {
        Self { scheme: scheme.into(), secret: Secret(Some(bytes::Bytes::copy_from_slice(secret))) }
    }

    /// Makes credentials of the scheme `digest`.
    pub fn digest(user: &str, password: &str) -> Self {
        let mut secret = Vec::with_capacity(user.len() + 1 + password.len());
        secret.extend_from_slice(user.as_bytes());
        secret.push(b':');
        secret.extend_from_slice(password.as_bytes());
        Self { scheme: "digest".into(), secret: secret.into() }
    }
}

/// What it takes to take up a session again, in this process or another one. `Debug` does not show the password.
///
/// Never use one session on two links at a time: each takes it from the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The session.
    pub session: SessionId,
    /// Its password.
    pub password: Secret,
    /// The timeout that was in force.
    pub timeout: Duration,
    /// The last transaction that the client has seen: a server that is behind is not let in, so that nothing seems to go
    /// back in time.
    pub last_zxid: Zxid,
}
