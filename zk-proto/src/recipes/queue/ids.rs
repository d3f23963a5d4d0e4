//! Queues of work that can be called off.

use core::time::Duration;

use super::{
    Put, WhenFull,
    form::as_written,
    work::{Delivery, WorkQueue},
};
use crate::{
    client::{Client, Error},
    record::Acl,
};

/// A [`WorkQueue`] whose items have ids, by which they can be removed as long as nobody works on them.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{IdQueue, Put};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let queue = IdQueue::new(&client, "/queues/orders")?;
/// assert_eq!(queue.put("order-42", b"two of these").await?, Put::Done);
/// assert_eq!(queue.remove("order-42").await?, 1);
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// The same as a [`WorkQueue`]. Several items may have one id, and an item that is [requeued](Delivery::requeue_at_tail) keeps its own
/// (CURATOR-224).
///
/// The names are those of Curator's `DistributedIdQueue` with a lock path: `queue-|<id>|<number>`, with the data in frames. A slash or
/// a bar in an id is written as an underscore, so ids that differ only in these are one.
#[derive(Clone, Debug)]
pub struct IdQueue(WorkQueue);

impl IdQueue {
    /// Makes a queue of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        WorkQueue::of_ids(client, path).map(Self)
    }

    /// As [`WorkQueue::claims_below`].
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn claims_below(self, path: &str) -> Result<Self, Error> {
        self.0.claims_below(path).map(Self)
    }

    /// As [`WorkQueue::acl`].
    pub fn acl(self, acl: &[Acl]) -> Self {
        Self(self.0.acl(acl))
    }

    /// As [`WorkQueue::exact`].
    pub fn exact(self) -> Self {
        Self(self.0.exact())
    }

    /// As [`WorkQueue::put_again`].
    pub fn put_again(self) -> Self {
        Self(self.0.put_again())
    }

    /// As [`WorkQueue::limit`].
    pub fn limit(self, entries: usize, when_full: WhenFull) -> Self {
        Self(self.0.limit(entries, when_full))
    }

    /// As [`WorkQueue::among`].
    pub fn among(self, first: usize) -> Self {
        Self(self.0.among(first))
    }

    /// As [`WorkQueue::divert_after`].
    pub fn divert_after(self, claims: u32) -> Self {
        Self(self.0.divert_after(claims))
    }

    /// As [`WorkQueue::dead_letters`].
    pub fn dead_letters(&self) -> Self {
        Self(self.0.dead_letters())
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Puts an item at the end of the queue.
    ///
    /// # Errors
    ///
    /// As [`WorkQueue::put`].
    pub async fn put(&self, id: &str, data: &[u8]) -> Result<Put, Error> {
        self.0.put_with_id(id, data).await
    }

    /// Deletes the items with this id that nobody works on, and returns how many those were.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses. Some may be removed then.
    pub async fn remove(&self, id: &str) -> Result<usize, Error> {
        self.0.remove(&as_written(id)).await
    }

    /// As [`WorkQueue::take`]. The id is the item's [`key`](super::Item::key).
    ///
    /// # Errors
    ///
    /// As [`WorkQueue::take`].
    pub async fn take(&self) -> Result<Delivery, Error> {
        self.0.take().await
    }

    /// As [`WorkQueue::take_timeout`].
    ///
    /// # Errors
    ///
    /// As [`WorkQueue::take`].
    pub async fn take_timeout(&self, limit: Duration) -> Result<Option<Delivery>, Error> {
        self.0.take_timeout(limit).await
    }

    /// As [`WorkQueue::try_take`].
    ///
    /// # Errors
    ///
    /// As [`WorkQueue::take`].
    pub async fn try_take(&self) -> Result<Option<Delivery>, Error> {
        self.0.try_take().await
    }

    /// As [`WorkQueue::len`].
    ///
    /// # Errors
    ///
    /// As [`WorkQueue::len`].
    pub async fn len(&self) -> Result<usize, Error> {
        self.0.len().await
    }

    /// As [`WorkQueue::is_empty`].
    ///
    /// # Errors
    ///
    /// As [`WorkQueue::len`].
    pub async fn is_empty(&self) -> Result<bool, Error> {
        self.0.is_empty().await
    }
}
