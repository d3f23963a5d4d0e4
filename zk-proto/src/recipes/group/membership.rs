//! A member, as he is to himself.

use super::{
    super::kept::{Kept, KeptState, Observer, Presence},
    GroupLayout,
};
use crate::client::Error;

/// A membership, until it is [left](Self::leave) or dropped. Dropping it leaves in the background.
#[derive(Debug)]
#[must_use = "dropping it leaves the group"]
pub struct Membership {
    id: String,
    /// The name of its node.
    name: String,
    layout: GroupLayout,
    kept: Kept,
}

impl Membership {
    pub(super) fn new(id: &str, name: String, layout: GroupLayout, kept: Kept) -> Self {
        Self { id: id.to_string(), name, layout, kept }
    }

    /// Returns the id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name of the member's node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how it stands: [`Blocked`](KeptState::Blocked) where another process is a member by the same id.
    pub fn state(&self) -> KeptState {
        self.kept.state()
    }

    /// Waits until it stands otherwise than `known`, and returns how. May be cancelled at any moment.
    pub async fn changed(&self, known: &KeptState) -> KeptState {
        self.kept.changed(known).await
    }

    /// Waits until the membership counts, with the payload that was set last. Where another one has the same id, that is when
    /// he has gone.
    ///
    /// # Errors
    ///
    /// When the server refuses for good, or the client is over.
    pub async fn joined(&self) -> Result<Presence, Error> {
        self.kept.established().await
    }

    pub(in super::super) fn observer(&self) -> Observer {
        self.kept.observer()
    }

    /// Sets the payload. It is written in the background, at once or when there is a connection; of several the last one counts.
    pub fn set_payload(&self, payload: impl AsRef<[u8]>) {
        self.kept.set_data(self.layout.data(&self.id, payload.as_ref()));
    }

    /// Tries again now, after a [failure](KeptState::Failed).
    pub fn retry(&self) {
        self.kept.retry();
    }

    /// Leaves the group, and waits until the server has taken note, over lost connections too.
    ///
    /// # Errors
    ///
    /// The server's, such as [`NoAuth`](crate::code::ErrorCode::NoAuth); then the membership ends with the session.
    pub async fn leave(self) -> Result<(), Error> {
        self.kept.remove().await
    }
}
