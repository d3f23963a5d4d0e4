//! A lease in its holder's hand.

use super::super::lock::{Held, Loss, Tenure};
use crate::{
    Instant, SessionId, Zxid,
    client::{Call, Error},
    request::{Multi, Op, OpResult},
};

/// One of the leases of a [semaphore](super::Semaphore), until it is [released](Self::release) or dropped; or
/// [lost](Self::lost).
///
/// Dropping it gives it back too, in the background. The session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it gives the lease back"]
pub struct Lease(pub(super) Held);

impl Lease {
    /// Returns a number that no other lease has, anywhere: the transaction that has created its node.
    ///
    /// It is no [fencing token](Held::fencing_token), although newer leases have higher ones: leases end in any order, so a lower
    /// one is as good as a higher one.
    pub fn lease_id(&self) -> Zxid {
        self.0.created()
    }

    /// Returns the lease's node.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Returns the session that holds it. What is done with the lease may be [pinned](Call::pin) to it.
    pub fn session(&self) -> SessionId {
        self.0.session()
    }

    /// Returns until when it is certainly held, unless somebody deletes its node: see
    /// [`Client::valid_until`](crate::client::Client::valid_until). `None` when it is lost.
    pub fn valid_until(&self) -> Option<Instant> {
        self.0.valid_until()
    }

    /// Returns an operation for a [multi](crate::client::Client::multi) that fails it where the lease is gone.
    pub fn check(&self) -> Op<'_> {
        self.0.check()
    }

    /// Begins a list of writes that are carried out only if the lease is held at that moment, as [`Held::transaction`].
    pub fn transaction(&self) -> Call<'_, Multi<'_>, Vec<OpResult>> {
        self.0.transaction()
    }

    /// Returns how it stands.
    pub fn tenure(&self) -> Tenure {
        self.0.tenure()
    }

    /// Waits until it stands otherwise than `known`, and returns how. May be cancelled at any moment.
    pub async fn changed(&self, known: Tenure) -> Tenure {
        self.0.changed(known).await
    }

    /// Waits until it is lost, and returns why.
    pub async fn lost(&self) -> Loss {
        self.0.lost().await
    }

    /// Gives the lease back, and waits until the server has done so, over lost connections too.
    ///
    /// # Errors
    ///
    /// The server's, such as [`NoAuth`](crate::code::ErrorCode::NoAuth); then it is held until the session ends.
    pub async fn release(self) -> Result<(), Error> {
        self.0.release().await
    }
}
