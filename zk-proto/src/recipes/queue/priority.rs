//! Queues of which the most urgent is taken first.

use super::{
    Manner, Put,
    form::{Form, Label},
    putting,
    store::Store,
    taking,
};
use crate::client::{Client, Error};

/// A queue of which the item with the lowest priority is taken first, and among equals what was put first.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{PriorityQueue, Put};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let queue = PriorityQueue::new(&client, "/queues/repairs")?;
/// assert_eq!(queue.put(10, b"paint").await?, Put::Done);
/// assert_eq!(queue.put(-1, b"fire").await?, Put::Done);
/// assert_eq!(queue.take().await?.into_item().data(), "fire");
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// The same as a [`Queue`](super::Queue), and has the same limits. An item is chosen from a list that is read anew each time, and again
/// whenever somebody else was faster, so something urgent is overtaken only by what was chosen before it came. Items of low urgency may
/// wait for ever while others come.
#[derive(Clone, Debug)]
pub struct PriorityQueue {
    store: Store,
    manner: Manner,
}

/// The names of the entries of a [`PriorityQueue`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PriorityLayout {
    /// `e-<priority>-<uuid>-<number>`, with priorities as Curator writes them. No other client knows it.
    #[default]
    Native,
    /// `queue-<priority><number>`, with the data in frames, as Curator's `DistributedPriorityQueue` without a lock path.
    Curator,
    /// `entry-<priority>-<number>`, as kazoo's `Queue`. Priorities are 0 to 999: others are put with the nearest of these.
    Kazoo,
}

impl PriorityQueue {
    /// Makes a queue of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        Ok(Self { store: Store::new(client, path, Form::NativePriority)?, manner: Manner::new() })
    }

    /// Sets how the entries are named. Entries of other names are not seen.
    pub fn layout(mut self, layout: PriorityLayout) -> Self {
        self.store.form = match layout {
            PriorityLayout::Native => Form::NativePriority,
            PriorityLayout::Curator => Form::CuratorPriority,
            PriorityLayout::Kazoo => Form::Kazoo,
        };
        self
    }

    /// Puts something into the queue: the lower the priority, the earlier it is taken.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`](super::Queue::put).
    pub async fn put(&self, priority: i32, data: &[u8]) -> Result<Put, Error> {
        self.store.put(Label::Rank(priority.into()), &[data]).await
    }
}

putting!(PriorityQueue);
taking!(PriorityQueue);
