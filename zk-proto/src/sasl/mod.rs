//! SASL's place in the greeting: what a mechanism is.
//!
//! A mechanism is a machine of tokens: it opens nothing and waits for nothing. One that has to (Kerberos asks a key server)
//! puts its step off: it gives a future that makes the step ([`Mechanism::deferred`]), which a client's driver awaits. A loop
//! around a bare session hears [`Event::Challenge`](crate::session::Event::Challenge), asks for that future by
//! [`Session::deferred`](crate::session::Session::deferred), has it run wherever it likes (a thread that blocks will do), and
//! brings the step back by [`Session::answer`](crate::session::Session::answer). A mechanism without such a future leaves the
//! answer to the application.
//!
//! An exchange runs on every link, before anything else is sent, so a reconnect proves anew who we are.
//!
//! Factory and mechanism are called by the session, and a client calls its session while it is locked: they must not use the
//! client, which would wait for the lock for ever, and while they compute, everybody waits.

#[cfg(feature = "digest-md5")]
pub mod digest_md5;

use alloc::{boxed::Box, string::String};
use core::{fmt, future::Future, pin::Pin};

use bytes::Bytes;

use crate::Server;
#[cfg(feature = "digest-md5")]
pub use digest_md5::DigestMd5;

/// Makes a mechanism for each link. Under the client's lock: it must not use the client.
pub trait Factory: fmt::Debug + Send + Sync {
    /// Begins an exchange with `server`. `nonce` is fresh, and comes from the session's seed.
    fn start(&self, server: &Server, nonce: [u8; 16]) -> Box<dyn Mechanism>;
}

/// One exchange on one link. Its steps, and its drop, are under the client's lock: they must not use the client.
pub trait Mechanism: Send {
    /// Takes the server's token (none at the beginning) and says what to do.
    fn step(&mut self, token: Option<Bytes>) -> Step;

    /// Returns what gives a step that was [put off](Step::Deferred). `None`, the default, leaves the answer to whoever drives
    /// the session.
    ///
    /// The future is awaited without the lock. It may outlive the mechanism, when the link is lost meanwhile; its step is
    /// ignored then.
    fn deferred(&mut self) -> Option<Work> {
        None
    }
}

/// What gives a step that was put off. It must not block; a thread of its own may.
pub type Work = Pin<Box<dyn Future<Output = Step> + Send>>;

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
    /// The step takes longer: it comes from [`Mechanism::deferred`], or as an answer.
    Deferred,
    /// The exchange has failed, and so would the next one: the session ends.
    Fail(SaslFailure),
    /// The exchange cannot go on now, but perhaps another time: the link is given up, and another one tries again.
    Abort(SaslFailure),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(token) => write!(f, "Send({} bytes)", token.len()),
            Self::SendLast(token) => write!(f, "SendLast({} bytes)", token.len()),
            Self::Done => f.write_str("Done"),
            Self::Deferred => f.write_str("Deferred"),
            Self::Fail(failure) => f.debug_tuple("Fail").field(failure).finish(),
            Self::Abort(failure) => f.debug_tuple("Abort").field(failure).finish(),
        }
    }
}

/// Why a SASL exchange failed, for people to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SASL: {0}")]
pub struct SaslFailure(pub String);
