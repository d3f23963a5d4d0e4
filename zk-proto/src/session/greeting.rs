//! The first message of each direction, and what it means.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{TurnedAway, Violation};
use crate::{
    Config, SessionId, Zxid,
    code::ErrorCode,
    record::{ConnectRequest, ConnectResponse, ReplyHeader},
    wire::{Decoder, Encoder, Jute, Secret},
};

/// No honest greeting is longer.
pub(super) const LIMIT_BYTES: usize = 1024;

/// Returns whether what a server has sent before anything else is a record of TLS, an alert or of a handshake: no greeting is as long as
/// it would be.
pub(super) fn is_tls(input: &[u8]) -> bool {
    matches!(input, [0x15 | 0x16, 3, ..])
}

/// A session as a server has confirmed it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) id: SessionId,
    pub(super) password: Secret,
    /// The timeout in force.
    pub(super) timeout: Duration,
    /// Whether a writable server knows it. What only a read-only server knows is refused everywhere else.
    pub(super) global: bool,
}

impl Identity {
    /// Returns the session to ask for: none where no writable server can know it.
    pub(super) fn to_ask_for(identity: Option<&Self>) -> Option<&Self> {
        identity.filter(|identity| identity.global)
    }
}

/// What a server's greeting amounts to.
#[derive(Debug)]
pub(super) enum Welcome {
    Accepted {
        identity: Identity,
        read_only: bool,
        /// Whether the answer lacks a part that every ZooKeeper since 3.4 has: this is something else, or very old.
        foreign: bool,
    },
    Expired,
    TurnedAway(TurnedAway),
}

/// Returns the first frame of a link.
pub(super) fn request(config: &Config, identity: Option<&Identity>, last_zxid: Zxid) -> Bytes {
    let asked = Identity::to_ask_for(identity);
    let record = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: last_zxid,
        // Always the wanted timeout, never the negotiated one: each server negotiates afresh.
        timeout_ms: i32::try_from(config.session_timeout.as_millis()).unwrap_or(i32::MAX),
        session_id: asked.map_or(SessionId(0), |identity| identity.id),
        // Sixteen zero bytes and not an empty buffer: ClickHouse Keeper insists.
        passwd: asked.map_or_else(|| Bytes::from_static(&[0; 16]).into(), |identity| identity.password.clone()),
        read_only: Some(config.read_only),
    };
    let mut frame = BytesMut::from(&[0; 4][..]);
    record.encode(&mut Encoder::new(&mut frame));
    let len = u32::try_from(frame.len() - 4).expect("a greeting is short");
    frame[..4].copy_from_slice(&len.to_be_bytes());
    frame.freeze()
}

/// Reads the server's first frame.
pub(super) fn response(frame: Bytes, config: &Config, identity: Option<&Identity>) -> Result<Welcome, Violation> {
    let len = frame.len();
    let mut input = Decoder::new(frame);
    // The length comes first: the bare reply header of a read-only server would read as an expired session.
    if len == ReplyHeader::MIN_BYTES {
        let header: ReplyHeader = input.get()?;
        return Ok(Welcome::TurnedAway(match header.err {
            ErrorCode::NotReadOnly => TurnedAway::ReadOnly,
            error => TurnedAway::Error(error),
        }));
    }
    let response: ConnectResponse = input.get()?;
    if response.protocol_version != 0 {
        return Ok(Welcome::TurnedAway(TurnedAway::ProtocolVersion(response.protocol_version)));
    }
    let asked = Identity::to_ask_for(identity);
    let timeout_ms = u64::try_from(response.timeout_ms).unwrap_or(0);
    if timeout_ms == 0 || response.session_id == SessionId(0) {
        return Ok(if asked.is_some() { Welcome::Expired } else { Welcome::TurnedAway(TurnedAway::NoSession) });
    }
    // A server that does not keep sessions over connections gives another one.
    if asked.is_some_and(|identity| identity.id != response.session_id) {
        return Ok(Welcome::Expired);
    }
    let read_only = response.read_only.unwrap_or(false);
    if read_only && !config.read_only {
        return Ok(Welcome::TurnedAway(TurnedAway::ReadOnly));
    }
    Ok(Welcome::Accepted {
        identity: Identity {
            id: response.session_id,
            password: response.passwd.detach(),
            timeout: Duration::from_millis(timeout_ms),
            // A read-only server may take up a session of the whole ensemble.
            global: !read_only || asked.is_some(),
        },
        read_only,
        foreign: response.read_only.is_none(),
    })
}
