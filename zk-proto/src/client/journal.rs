//! What is told to whoever traces: written down under the lock, told after its release.
//!
//! A subscriber is code of the caller's, and may come back to the client. So it is called where wakers are, from the
//! [`Outbox`](super::shared::Outbox). What is told happens once in a while, and names no secret, no path and no data. Without the
//! feature `tracing`, all of this is nothing.

#[cfg(not(feature = "tracing"))]
pub(super) use off::Journal;
#[cfg(feature = "tracing")]
pub(super) use on::Journal;

#[cfg(not(feature = "tracing"))]
mod off {
    use crate::{Server, client::exchange::Session, session::State};

    /// Nothing.
    #[derive(Debug, Default)]
    pub(in crate::client) struct Journal;

    impl Journal {
        pub(in crate::client) fn state(&mut self, _: &Session, _: &State) {}

        pub(in crate::client) fn link_failed(&mut self, _: &Session, _: &Server, _: &str) {}

        pub(in crate::client) fn slow(&mut self, _: &mut Session) {}

        pub(in crate::client) fn tell(&mut self) {}
    }
}

#[cfg(feature = "tracing")]
mod on {
    use std::time::Duration;

    use tracing::{debug, info, warn};

    use crate::{
        Server, SessionId,
        client::exchange::Session,
        code::OpCode,
        session::{End, State},
    };

    /// The target of all events.
    const TARGET: &str = "zk";

    /// What is to be told.
    #[derive(Debug, Default)]
    pub(in crate::client) struct Journal(Vec<Note>);

    #[derive(Debug)]
    enum Note {
        /// `valid_for` is how long a session without a link is certainly still alive.
        State {
            session: SessionId,
            server: Option<Server>,
            state: State,
            valid_for: Duration,
        },
        LinkFailed {
            session: SessionId,
            server: Server,
            cause: String,
        },
        Slow {
            session: SessionId,
            op: OpCode,
            took: Duration,
        },
    }

    impl Journal {
        /// The state of the session has changed.
        pub(in crate::client) fn state(&mut self, session: &Session, state: &State) {
            let valid_for = match state {
                State::Suspended { valid_until, .. } => valid_until.saturating_since(session.now()),
                State::Connecting | State::Connected { .. } | State::PresumedLost | State::Ended(_) => Duration::ZERO,
            };
            let server = session.server().cloned();
            self.0.push(Note::State { session: name(session), server, state: state.clone(), valid_for });
        }

        /// A link failed before it served the session.
        pub(in crate::client) fn link_failed(&mut self, session: &Session, server: &Server, cause: &str) {
            self.0.push(Note::LinkFailed { session: name(session), server: server.clone(), cause: cause.into() });
        }

        /// Answers may have taken long.
        pub(in crate::client) fn slow(&mut self, session: &mut Session) {
            let name = name(session);
            let slow = session.take_slow_answers().into_iter();
            self.0.extend(slow.map(|slow| Note::Slow { session: name, op: slow.op, took: slow.took }));
        }

        /// Tells what is to be told. Not to be called under the lock.
        pub(in crate::client) fn tell(&mut self) {
            self.0.drain(..).for_each(Note::tell);
        }
    }

    impl Note {
        fn tell(self) {
            match self {
                Self::LinkFailed { session, server, cause } => {
                    warn!(target: TARGET, %session, %server, cause, "could not connect");
                }
                Self::Slow { session, op, took } => {
                    warn!(target: TARGET, %session, %op, took_ms = millis(took), "slow answer");
                }
                Self::State { session, server, state, valid_for } => match state {
                    State::Connecting => debug!(target: TARGET, "connecting"),
                    State::Connected { timeout, resumed, read_only, .. } => {
                        let server = server.map(tracing::field::display);
                        let timeout_ms = millis(timeout);
                        info!(target: TARGET, %session, server, timeout_ms, resumed, read_only, "connected");
                    }
                    State::Suspended { cause, .. } => {
                        warn!(target: TARGET, %session, %cause, valid_for_ms = millis(valid_for), "link lost");
                    }
                    State::PresumedLost => warn!(target: TARGET, %session, "the session may have expired"),
                    State::Ended(End::Closed) => info!(target: TARGET, %session, "session closed"),
                    State::Ended(end @ (End::Expired | End::AuthFailed | End::Rejected)) => {
                        warn!(target: TARGET, %session, %end, "session ended");
                    }
                },
            }
        }
    }

    fn name(session: &Session) -> SessionId {
        session.id().unwrap_or_default()
    }

    fn millis(duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    }
}
