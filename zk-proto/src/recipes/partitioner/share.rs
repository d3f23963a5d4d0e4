//! A member's share.

use std::sync::Arc;

use super::{
    super::{Membership, session::over},
    Partition,
    desk::{Desk, Ending},
};
use crate::client::{Client, Error};

/// A member's share, until it is [left](Self::leave) or dropped. Dropping it leaves in the background.
#[derive(Debug)]
#[must_use = "dropping it leaves"]
pub struct Share {
    desk: Leaving,
    membership: Membership,
    /// Dropped last: it may be what holds the session open.
    client: Client,
}

/// How it stands with a share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareState {
    /// The partitions that the member is to have, by name, sorted. It has them when they were [handed out](Share::next).
    pub due: Arc<[Arc<str>]>,
    /// The ids of the members that the set is divided among, sorted.
    pub members: Arc<[Arc<str>]>,
    /// The ids of other members, sorted, which divide another set. There should be none, but while a new version of a program takes the
    /// place of another.
    pub dissenters: Arc<[Arc<str>]>,
    /// What the server has refused last, if nothing was acquired and nobody has come or gone since.
    pub refusal: Option<Error>,
}

/// Ends it all when it is dropped.
#[derive(Debug)]
struct Leaving(Desk);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.end(Ending::Left);
    }
}

impl Share {
    pub(super) fn new(client: Client, membership: Membership, desk: Desk) -> Self {
        Self { desk: Leaving(desk), membership, client }
    }

    /// Waits for the next partition that was acquired. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn next(&self) -> Result<Partition, Error> {
        let desk = &self.desk.0;
        match desk.take().await {
            Ok((name, acquired)) => Ok(Partition::new(self.client.clone(), name, acquired, desk.clone())),
            Err(Ending::Left | Ending::Over) => Err(over(&self.client)),
        }
    }

    /// Returns how it stands.
    pub fn state(&self) -> ShareState {
        self.desk.0.state()
    }

    /// Waits until it stands otherwise than `known`, and returns how. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn changed(&self, known: &ShareState) -> Result<ShareState, Error> {
        self.desk.0.changed(known).await.map_err(|_| over(&self.client))
    }

    /// Returns the membership in the group of those who divide, and how it stands.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Leaves, and waits until the server has taken note, over lost connections too. Partitions in hand are to be
    /// [given back](super::PartitionEnd::Left), and others have to wait for them until they are.
    ///
    /// # Errors
    ///
    /// As of [`Membership::leave`].
    pub async fn leave(self) -> Result<(), Error> {
        let Self { desk, membership, client } = self;
        drop(desk);
        let left = membership.leave().await;
        drop(client);
        left
    }
}
