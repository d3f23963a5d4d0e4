//! What a caller of [`Client`](super::Client) sees when a call fails.

use core::time::Duration;

use super::WatchEnd;
use crate::{
    ConnectStringError, Server,
    code::{CreateMode, ErrorCode},
    path::PathError,
    request::{InvalidRequest, MultiFailure},
    session::{AuthFailure, End, Refusal, RequestError, Sent},
    wire::DecodeError,
};

/// Why a call failed.
///
/// The first question about a write that failed is whether it was carried out all the same:
/// [`is_certainly_not_applied`](Self::is_certainly_not_applied) answers it. The second is mostly which error the server
/// gave: [`code`](Self::code), or match on [`Error::Server`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error. Nothing was done.
    #[error("{0}")]
    Server(ErrorCode),
    /// An operation of a multi failed. None was applied.
    #[error(transparent)]
    Multi(Box<MultiFailure>),
    /// The link broke after the request was handed to it: it may or may not have been carried out.
    #[error("link lost before the reply, perhaps carried out")]
    Lost,
    /// Its time limit passed.
    #[error("no reply in time, {sent}")]
    TimedOut {
        /// Whether the server may have seen it.
        sent: Sent,
    },
    /// It was pinned to a session that is not the present one. It was not sent.
    #[error("the session is another one by now, not sent")]
    SessionChanged,
    /// The session is over.
    #[error("session {end}, {sent}")]
    Ended {
        /// How it ended.
        end: End,
        /// Whether the server may have seen the request.
        sent: Sent,
    },
    /// There is no session, because authentication failed. It is over for good.
    #[error("session ended: authentication failed: {0}")]
    AuthFailed(Box<AuthFailure>),
    /// As many requests or bytes as the [`Limits`](crate::Limits) allow wait already, or others wait for a place.
    /// It was not sent. Only [`send`](super::Call::send) fails so: awaiting a call waits for a place.
    #[error("the session is full, not sent")]
    Full,
    /// There are as many watches as the limit allows. It was not sent. Awaiting the call does not wait for one of them to go,
    /// which may be never.
    #[error("there are {limit} watches already, not sent")]
    TooManyWatches {
        /// [`Limits::watches`](crate::Limits::watches).
        limit: usize,
    },
    /// The request is larger than the server would take. It was not sent.
    #[error("request of {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// The encoded request.
        bytes: usize,
        /// [`Limits::send_frame_bytes`](crate::Limits::send_frame_bytes).
        limit: usize,
    },
    /// The request cannot be right. It was not sent.
    #[error(transparent)]
    Invalid(Box<InvalidRequest>),
    /// A node cannot be both. It was not sent.
    #[error("no node is both {0} and {1}")]
    Modes(CreateMode, CreateMode),
    /// The server has carried out the request, but its reply cannot be read.
    #[error("carried out, but the reply is malformed: {0}")]
    Malformed(Box<DecodeError>),
    /// The watch is over and will tell nothing more.
    #[error(transparent)]
    Watch(#[from] WatchEnd),
    /// No session could be had in time.
    #[error(transparent)]
    Connect(Box<ConnectFailure>),
    /// The servers were not named properly.
    #[error(transparent)]
    ConnectString(Box<ConnectStringError>),
}

impl Error {
    /// Returns whether the request has certainly had no effect, so that repeating it cannot do it twice.
    ///
    /// False means that nobody on this side can tell, except for [`Error::Malformed`]: such a request was carried out.
    pub fn is_certainly_not_applied(&self) -> bool {
        match self {
            Self::Server(_)
            | Self::Multi(_)
            | Self::SessionChanged
            | Self::AuthFailed(_)
            | Self::Full
            | Self::TooManyWatches { .. }
            | Self::TooLarge { .. }
            | Self::Invalid(_)
            | Self::Modes(..)
            | Self::Watch(_)
            | Self::Connect(_)
            | Self::ConnectString(_) => true,
            Self::TimedOut { sent } | Self::Ended { sent, .. } => *sent == Sent::No,
            Self::Lost | Self::Malformed(_) => false,
        }
    }

    /// Returns the server's error, that of the failed operation for a multi; `None` where the server gave none.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Server(code) => Some(*code),
            Self::Multi(failure) => Some(failure.error),
            _ => None,
        }
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Server(code) => Self::Server(code),
            RequestError::Lost => Self::Lost,
            RequestError::TimedOut { sent } => Self::TimedOut { sent },
            RequestError::SessionChanged => Self::SessionChanged,
            RequestError::Ended { end, sent } => Self::Ended { end, sent },
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::TooManyWatches { limit } => Self::TooManyWatches { limit },
            Refusal::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            Refusal::Invalid(error) => Self::Invalid(Box::new(error)),
            Refusal::SessionChanged => Self::SessionChanged,
            Refusal::Ended(end) => Self::Ended { end, sent: Sent::No },
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(Box::new(error))
    }
}

impl From<MultiFailure> for Error {
    fn from(failure: MultiFailure) -> Self {
        Self::Multi(Box::new(failure))
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Self::Invalid(Box::new(error.into()))
    }
}

impl From<AuthFailure> for Error {
    fn from(failure: AuthFailure) -> Self {
        Self::AuthFailed(Box::new(failure))
    }
}

impl From<ConnectFailure> for Error {
    fn from(failure: ConnectFailure) -> Self {
        Self::Connect(Box::new(failure))
    }
}

impl From<ConnectStringError> for Error {
    fn from(error: ConnectStringError) -> Self {
        Self::ConnectString(Box::new(error))
    }
}

/// No session could be had in time, and what went wrong with each server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no session within {waited:?}: {}", Causes(servers))]
#[non_exhaustive]
pub struct ConnectFailure {
    /// How long was tried.
    pub waited: Duration,
    /// Each server, and how the last attempt to get a session from it failed, in words; `None` where no attempt has come
    /// to an end.
    pub servers: Vec<(Server, Option<String>)>,
}

struct Causes<'a>(&'a [(Server, Option<String>)]);

impl core::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, (server, cause)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{server}: {}", cause.as_deref().unwrap_or("no answer yet"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_enough_to_be_returned_everywhere() {
        assert!(size_of::<Error>() <= 24, "{}", size_of::<Error>());
    }

    #[test]
    fn only_what_may_have_reached_the_server_is_in_doubt() {
        let end = End::Expired;
        let in_doubt =
            [Error::Lost, Error::TimedOut { sent: Sent::Perhaps }, Error::Ended { end, sent: Sent::Perhaps }];
        let not_applied = [
            Error::Server(ErrorCode::NodeExists),
            Error::TimedOut { sent: Sent::No },
            Error::Ended { end, sent: Sent::No },
            Error::Full,
            Error::TooManyWatches { limit: 1 },
            Error::SessionChanged,
        ];

        assert!(in_doubt.iter().all(|error| !error.is_certainly_not_applied()));
        assert!(not_applied.iter().all(Error::is_certainly_not_applied));
    }

    #[test]
    fn a_failure_to_connect_names_each_server_with_its_last_cause() {
        let failure = ConnectFailure {
            waited: Duration::from_secs(30),
            servers: vec![
                (Server::new("zk1", 2181), Some("connection refused".into())),
                (Server::new("::1", 2181), None),
            ],
        };

        let expected = "no session within 30s: zk1:2181: connection refused; [::1]:2181: no answer yet";
        assert_eq!(Error::from(failure).to_string(), expected);
    }
}
