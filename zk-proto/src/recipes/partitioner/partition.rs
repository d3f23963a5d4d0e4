//! A partition in the hand of who has it.

use std::{pin::pin, sync::Arc};

use super::{
    super::{
        lock::{Held, Loss},
        together::{Either, either},
    },
    desk::{Acquired, Desk, Ending},
};
use crate::{
    broken::broken,
    client::{Client, Error},
};

/// A partition that is had, until it is [released](Self::release) or dropped. Dropping it releases it in the background.
///
/// The session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it releases the partition"]
pub struct Partition {
    name: Arc<str>,
    acquired: Acquired,
    desk: Desk,
    /// Dropped last: it may be what holds the session open.
    client: Client,
}

/// Why a partition is to be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionEnd {
    /// Another member is to have it, and waits. Until it is released, it is still had.
    Reassigned,
    /// The share was left, or the client is over.
    Left,
    /// It is not had any more.
    Lost(Loss),
}

impl Partition {
    pub(super) fn new(client: Client, name: Arc<str>, acquired: Acquired, desk: Desk) -> Self {
        Self { name, acquired, desk, client }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the lock that it is had under.
    pub fn held(&self) -> &Held {
        &self.acquired.held
    }

    /// Waits until it is to be released, and returns why. May be cancelled at any moment.
    ///
    /// Who is asked for it and has not released it yet may find that it is to be kept after all: then it is handed out again
    /// once it was released.
    pub async fn ended(&self) -> PartitionEnd {
        let lost = pin!(self.acquired.held.lost());
        let unwanted = pin!(self.desk.unwanted(&self.name));
        match either(lost, unwanted).await {
            Either::First(loss) => {
                if broken!("partitions: takes what is lost for given back") {
                    self.acquired.back.tell();
                }
                PartitionEnd::Lost(loss)
            }
            Either::Second(None) => PartitionEnd::Reassigned,
            Either::Second(Some(Ending::Left | Ending::Over)) => PartitionEnd::Left,
        }
    }

    /// Says that the work on it has stopped, so that another one may have it, and waits until the server knows, over lost
    /// connections too. Where it is lost by then, there is nothing to wait for.
    ///
    /// # Errors
    ///
    /// As of [`Held::release`].
    pub async fn release(self) -> Result<(), Error> {
        let Self { acquired: Acquired { held, back }, client, .. } = self;
        let released = held.release().await;
        drop((back, client));
        released
    }
}
