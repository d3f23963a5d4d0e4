//! An item in the hands of who works on it.

use super::{
    super::{
        super::lock::{Held, Loss, Tenure},
        item::Item,
        store::Store,
    },
    settle::{Aim, Case, Settled},
};
use crate::{
    Instant, SessionId,
    client::{Call, Error},
    request::{Multi, OpResult},
};

/// An item that is worked on by nobody else, as long as the claim to it is [held](Self::tenure).
///
/// When the work is done, [`ack`](Self::ack) it. Dropping it gives it back, in the background: it comes again, to whoever takes
/// it then.
#[derive(Debug)]
#[must_use = "dropping it gives the item back"]
pub struct Delivery {
    store: Store,
    item: Item,
    held: Held,
    is_counted: bool,
}

impl Delivery {
    pub(super) fn new(store: Store, item: Item, held: Held, is_counted: bool) -> Self {
        Self { store, item, held, is_counted }
    }

    /// Returns the item.
    ///
    /// It may come twice: when its worker loses his claim although the work was done. Its [`path`](Item::path) and [`id`](Item::id) are
    /// the same each time, unless it was [requeued](Self::requeue_at_tail) in between.
    pub fn item(&self) -> &Item {
        &self.item
    }

    /// Returns how many times the item was claimed, this one included, where that is [counted](super::WorkQueue::divert_after).
    pub fn count(&self) -> Option<u32> {
        if self.is_counted { u32::try_from(self.item.changes()).ok() } else { None }
    }

    /// Returns the path of the claim.
    pub fn claim(&self) -> &str {
        self.held.path()
    }

    /// Returns the session that holds the claim.
    pub fn session(&self) -> SessionId {
        self.held.session()
    }

    /// Returns how it stands with the claim.
    pub fn tenure(&self) -> Tenure {
        self.held.tenure()
    }

    /// Waits until it stands otherwise with the claim than `known`, and returns how.
    pub async fn changed(&self, known: Tenure) -> Tenure {
        self.held.changed(known).await
    }

    /// Waits until the claim is lost, and returns why: somebody else may work on the item from then on.
    pub async fn lost(&self) -> Loss {
        self.held.lost().await
    }

    /// Returns until when the claim is certainly held: see [`Held::valid_until`].
    pub fn valid_until(&self) -> Option<Instant> {
        self.held.valid_until()
    }

    /// Begins a list of writes that are carried out only if the claim is held at that moment: see [`Held::transaction`].
    pub fn transaction(&self) -> Call<'_, Multi<'_>, Vec<OpResult>> {
        self.held.transaction()
    }

    /// Says that the work is done: the item is deleted, if the claim is held.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses. The item is given back then.
    pub async fn ack(self) -> Result<Settled, Error> {
        self.settle(Aim::Delete).await
    }

    /// Gives the item back: it keeps its place, and is taken again.
    ///
    /// # Errors
    ///
    /// The server's; then it is given back when the session ends.
    pub async fn nack(self) -> Result<(), Error> {
        self.held.release().await
    }

    /// Gives the item back, but to the end of the queue, behind those of the same priority, with the same data: it becomes another one, with
    /// another [`id`](Item::id), and claims are counted anew.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub async fn requeue_at_tail(self) -> Result<Settled, Error> {
        let to = self.store.path.clone();
        self.settle(Aim::Move { to: &to }).await
    }

    pub(super) async fn settle(self, aim: Aim<'_>) -> Result<Settled, Error> {
        let Self { store, item, held, is_counted } = &self;
        let settled = Case { store, held, item, is_counted: *is_counted }.settle(aim).await?;
        if settled == Settled::Done {
            self.held.into_own().forget();
        }
        Ok(settled)
    }
}
