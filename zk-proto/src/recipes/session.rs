//! What a recipe makes of a request that brought no answer.

use core::{future::Future, time::Duration};

use crate::{
    SessionId,
    client::{Client, Error},
    session::{End, Sent, State},
};

/// Waits until there is a session, and returns it.
///
/// # Errors
///
/// When the client is over for good.
pub(crate) async fn session(client: &Client) -> Result<SessionId, Error> {
    loop {
        client.connected().await?;
        if let Some(session) = client.session() {
            return Ok(session);
        }
    }
}

/// Returns why nothing more can come of a client that is over.
pub(crate) fn over(client: &Client) -> Error {
    match (client.state(), client.auth_failure()) {
        (State::Ended(End::AuthFailed), Some(failure)) => failure.into(),
        (State::Ended(end), _) => Error::Ended { end, sent: Sent::No },
        // It is about to be closed.
        (State::Connecting | State::Connected { .. } | State::Suspended { .. } | State::PresumedLost, _) => {
            Error::Ended { end: End::Closed, sent: Sent::No }
        }
    }
}

/// Waits for something for so long; `None` when it did not come.
///
/// # Errors
///
/// Its own, and that the client is over.
pub(crate) async fn in_time<T, E: From<Error>>(
    client: &Client,
    limit: Duration,
    future: impl Future<Output = Result<T, E>>,
) -> Result<Option<T>, E> {
    match client.timeout(limit, future).await {
        Ok(came) => came.map(Some),
        Err(Error::TimedOut { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the client is asked to close: work in the background that has no end of its own ends then, or it would be waited for.
pub(crate) async fn leaving(client: &Client) {
    let mut states = client.states();
    while states.next_while_open().await.is_some() {}
}

/// Why a step did not get its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The link broke: it was carried out, or not. The session goes on, as far as anybody knows.
    InDoubt,
    /// The session of the step is over: what was ephemeral is gone, or about to be.
    SessionOver,
    /// Something else: the server's word, or a mistake. Not a matter of links and sessions.
    Definite,
}

impl Trouble {
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Lost | Error::TimedOut { sent: Sent::Perhaps } => Self::InDoubt,
            Error::SessionChanged => Self::SessionOver,
            Error::Ended { end, .. } => match end {
                // Another one may follow; where none does, the next step says so.
                End::Expired | End::Rejected => Self::SessionOver,
                End::Closed | End::AuthFailed => Self::Definite,
            },
            _ => Self::Definite,
        }
    }
}
