//! SASL's place in the greeting: what a mechanism is.
//!
//! A mechanism is a machine of tokens: it opens nothing and waits for nothing. One that has to (Kerberos asks a key server)
//! puts its step off, and whoever drives the session answers it later: see
//! [`Event::Challenge`](crate::session::Event::Challenge) and [`Session::answer`](crate::session::Session::answer).
//!
//! Factory and mechanism are called by the session, and a client calls its session while it is locked: they must not use the
//! client, which would wait for the lock for ever, and while they compute, everybody waits.

use alloc::{boxed::Box, string::String};
use core::fmt;

use bytes::Bytes;

use crate::Server;

/// Makes a mechanism for each link. Under the client's lock: it must not use the client.
pub trait Factory: fmt::Debug + Send + Sync {
    /// Begins an exchange with `server`. `nonce` is fresh, and comes from the session's seed.
    fn start(&self, server: &Server, nonce: [u8; 16]) -> Box<dyn Mechanism>;
}

/// One exchange on one link. Its steps, and its drop, are under the client's lock: they must not use the client.
pub trait Mechanism: Send {
    /// Takes the server's token (none at the beginning) and says what to do.
    fn step(&mut self, token: Option<Bytes>) -> Step;
}

/// What a mechanism wants after a token. `Debug` does not show tokens.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Send this token.
    Send(Bytes),
    /// Send this token; the exchange is complete with the server's answer, whatever it holds.
    SendLast(Bytes),
    /// The exchange is complete.
    Done,
    /// The step takes longer: it is told as an event, and continued by an answer.
    Deferred,
    /// The exchange has failed.
    Fail(SaslFailure),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(token) => write!(f, "Send({} bytes)", token.len()),
            Self::SendLast(token) => write!(f, "SendLast({} bytes)", token.len()),
            Self::Done => f.write_str("Done"),
            Self::Deferred => f.write_str("Deferred"),
            Self::Fail(failure) => f.debug_tuple("Fail").field(failure).finish(),
        }
    }
}

/// Why a SASL exchange failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SASL: {0}")]
pub struct SaslFailure(pub String);
