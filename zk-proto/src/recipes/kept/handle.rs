//! A kept node in the hand of who keeps it.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    super::cell::Cell,
    Plan,
    desk::{Desk, Ending},
    keeper::{self, is_lasting},
};
use crate::{
    SessionId, Zxid,
    client::{Client, Error},
    session::{End, Sent},
};

/// A node that is kept, until it is [removed](Self::remove), [left](Self::leave) or dropped.
///
/// Dropping it has an ephemeral node deleted in the background. The session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it removes the node"]
pub struct Kept {
    desk: Cell<Desk>,
    plan: Arc<Plan>,
    /// Dropped last: it may be what holds the session open.
    client: Client,
}

/// Sees how it stands with a kept node, without keeping it.
#[derive(Clone, Debug)]
pub(in super::super) struct Observer(Cell<Desk>);

impl Observer {
    pub(in super::super) fn state(&self) -> KeptState {
        self.0.get().state
    }

    /// Waits until it stands otherwise than `known`.
    pub(in super::super) async fn changed(&self, known: &KeptState) {
        self.0.find(|desk| (desk.state != *known).then_some(())).await;
    }

    /// Returns the data that is wanted.
    pub(in super::super) fn data(&self) -> Bytes {
        self.0.get().data
    }

    /// Returns whether it is to be kept no more.
    pub(in super::super) fn is_ending(&self) -> bool {
        let desk = self.0.get();
        desk.ending.is_some() || desk.state == KeptState::Ended
    }
}

/// How it stands with a kept node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptState {
    /// It is not known to be there. It is made as soon as there is a connection.
    Pending,
    /// It was there when it was last looked at, and nothing was heard since.
    Present(Presence),
    /// A node of somebody else's is in its place, and is [waited for](super::OnForeign::Wait).
    Blocked {
        /// The session that it belongs to; zero for none.
        owner: SessionId,
    },
    /// The server refuses it.
    ///
    /// What would be refused again, such as [`NoAuth`](crate::code::ErrorCode::NoAuth), is tried again by [`Kept::retry`], with new data
    /// and over a new connection only. Everything else is tried again after a while.
    Failed(Error),
    /// It is not kept any more: it was removed or left, or the client is over.
    Ended,
}

/// A node that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence {
    /// Its path, with the number of a sequential node.
    pub path: Arc<str>,
    /// The transaction that has created it.
    pub created: Zxid,
    /// Whether it has the data that is wanted now.
    pub is_current: bool,
}

impl Kept {
    pub(super) fn new(client: Client, plan: Plan, data: Bytes) -> Self {
        let (desk, plan) = (Cell::new(Desk::new(data)), Arc::new(plan));
        let over = keeper::Over(desk.clone());
        let keeping = (desk.clone(), plan.clone());
        client.spawn(move |client| keeper::keep(client, keeping.1, keeping.0, over));
        Self { desk, plan, client }
    }

    /// Returns how it stands.
    pub fn state(&self) -> KeptState {
        self.desk.get().state
    }

    pub(in super::super) fn observer(&self) -> Observer {
        Observer(self.desk.clone())
    }

    /// Returns the client that keeps it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns where the node is; `None` where it is not known to be there.
    pub fn presence(&self) -> Option<Presence> {
        match self.state() {
            KeptState::Present(presence) => Some(presence),
            KeptState::Pending | KeptState::Blocked { .. } | KeptState::Failed(_) | KeptState::Ended => None,
        }
    }

    /// Waits until it stands otherwise than `known`, and returns how. May be cancelled at any moment.
    pub async fn changed(&self, known: &KeptState) -> KeptState {
        self.desk.find(|desk| (desk.state != *known).then(|| desk.state.clone())).await
    }

    /// Waits until the node is there, with the data that is wanted. May be cancelled at any moment.
    ///
    /// As far as this client has heard: where the node has just gone on the server, the presence before may be told. Who waits for
    /// the next one compares [`Presence::created`], and waits with [`changed`](Self::changed).
    ///
    /// # Errors
    ///
    /// What is [refused](KeptState::Failed) for good; [`Error::Ended`] when the client is over.
    pub async fn established(&self) -> Result<Presence, Error> {
        let settled = |desk: &Desk| match &desk.state {
            KeptState::Present(presence) if presence.is_current => Some(Ok(presence.clone())),
            KeptState::Failed(error) if is_lasting(error) => Some(Err(error.clone())),
            KeptState::Ended => Some(Err(over())),
            KeptState::Present(_) | KeptState::Pending | KeptState::Blocked { .. } | KeptState::Failed(_) => None,
        };
        self.desk.find(settled).await
    }

    /// Returns the data that is wanted: what was set last, or [accepted](super::OnChange::Accept).
    pub fn data(&self) -> Bytes {
        self.desk.get().data
    }

    /// Sets the data. It is written in the background, at once or when there is a connection; of several the last one counts.
    pub fn set_data(&self, data: impl AsRef<[u8]>) {
        let data = Bytes::copy_from_slice(data.as_ref());
        self.desk.update(|desk| desk.set_data(data));
    }

    /// Tries again now, after a [failure](KeptState::Failed): when the rights that were missing are there, for instance.
    pub fn retry(&self) {
        self.desk.update(|desk| {
            desk.pokes += 1;
            desk.forget_failure();
            true
        });
    }

    /// Deletes the node and keeps it no more. Waits until the server has done so, over lost connections too. Whatever was under way for it
    /// comes to nothing.
    ///
    /// An ephemeral node is deleted only if it is this session's; of others, this is the end of it. A persistent one is deleted whoever
    /// has made it.
    ///
    /// # Errors
    ///
    /// The server's, such as [`NoAuth`](crate::code::ErrorCode::NoAuth); [`Error::Ended`] when the client was over before: then an
    /// ephemeral node goes with its session.
    pub async fn remove(self) -> Result<(), Error> {
        self.end(Ending::Remove);
        let ended = |desk: &Desk| match &desk.removed {
            Some(result) => Some(result.clone()),
            None => (desk.state == KeptState::Ended).then(|| Err(over())),
        };
        self.desk.find(ended).await
    }

    /// Keeps the node no more, and leaves it as it is: an ephemeral one goes with its session.
    pub fn leave(self) {
        self.end(Ending::Leave);
    }

    fn end(&self, ending: Ending) {
        self.desk.update(|desk| desk.ending.is_none() && desk.ending.replace(ending).is_none());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end(if self.plan.mode.is_ephemeral() { Ending::Remove } else { Ending::Leave });
    }
}

fn over() -> Error {
    Error::Ended { end: End::Closed, sent: Sent::No }
}
