//! Queues of which nothing is taken before its time.

use std::{sync::Arc, time::SystemTime};

use super::{
    Manner, Put,
    form::{Form, Label},
    putting,
    store::Store,
    take::{WallClock, millis},
    taking,
};
use crate::client::{Client, Error};

/// A queue of which an item can be taken from a certain time on, the earliest first.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{DelayQueue, Put};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let queue = DelayQueue::new(&client, "/queues/reminders", SystemTime::now)?;
/// let in_an_hour = SystemTime::now() + Duration::from_secs(3_600);
/// assert_eq!(queue.put(in_an_hour, b"tea").await?, Put::Done);
///
/// println!("{:?}", queue.take().await?.into_item().data()); // in an hour
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// The same as a [`Queue`](super::Queue), and has the same limits. What is due when is a matter of wall clocks: of that of who puts,
/// and of that of who takes. Who waits for a time is woken when something is put that is due earlier, and looks at the clock at least once a
/// minute, because people set clocks.
///
/// Times are in milliseconds since 1970; earlier ones are due at once. The names are those of Curator's `DistributedDelayQueue` without a
/// lock path, `queue-|<hexadecimal milliseconds>|<number>`, with the data in frames.
#[derive(Clone, Debug)]
pub struct DelayQueue {
    store: Store,
    manner: Manner,
}

impl DelayQueue {
    /// Makes a queue of a path, with a clock that says what time it is. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(
        client: &Client,
        path: &str,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let manner = Manner { clock: Some(WallClock(Arc::new(clock))), ..Manner::new() };
        Ok(Self { store: Store::new(client, path, Form::Delay)?, manner })
    }

    /// Puts something into the queue that cannot be taken before that time.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`](super::Queue::put).
    pub async fn put(&self, due: SystemTime, data: &[u8]) -> Result<Put, Error> {
        self.store.put(Label::Rank(millis(due)), &[data]).await
    }
}

putting!(DelayQueue);
taking!(DelayQueue);
