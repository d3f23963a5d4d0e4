//! Mutual exclusion, first come first served.

mod held;
mod layout;

use core::time::Duration;

use super::{
    line::{Line, Patience},
    session::in_time,
};
use crate::{
    SessionId,
    client::{Client, Error},
    record::Acl,
};

pub use held::{FencingToken, Held, Loss, Tenure, revoke};
pub use layout::LockLayout;

/// A lock that clients on any machine contend for: one of them holds it at a time, in the order in which they came.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::Lock;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let lock = Lock::new(&client, "/locks/report")?;
/// let held = lock.acquire().await?;
///
/// // Writes that are carried out only if the lock is still held when the server gets to them.
/// held.transaction().set_data("/report", b"done", None).await?;
///
/// held.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Whoever acquires it has the node with the lowest number below the lock's path, in a session that was alive when the server said
/// so. An uncontended lock costs one round trip, and a release wakes exactly one of those who wait.
///
/// No lock service can stop a holder that was paused for longer than its session lived, and wakes up believing. So:
///
/// * What is written to ZooKeeper itself goes into a [`transaction`](Held::transaction), which fails as a whole when the lock is gone.
/// * What is written elsewhere carries the [fencing token](Held::fencing_token), and the other side refuses lower ones than it has
///   seen.
/// * What can be neither stops by [`valid_until`](Held::valid_until), and listens to [`lost`](Held::lost).
///
/// | what happens | while waiting | while held |
/// |---|---|---|
/// | connection lost | the place is kept | [`Tenure::InDoubt`], then held again, or [lost](Loss) |
/// | session expired | back to the end of the line, unless told [otherwise](Self::stay_in_session) | [`Loss::SessionOver`]; nothing is deleted or acquired behind one's back |
/// | the future, or [`Held`], is dropped | the node is deleted in the background | the same |
/// | somebody deletes the node | back to the end of the line | [`Loss::Removed`] |
/// | the counter of the path is at its end (2³¹ nodes were made below it, see [`remaining_sequence`](Held::remaining_sequence)) | the order of creation counts | nothing |
///
/// It is not reentrant: who asks again waits for himself. Two locks of one client on the same path are two contenders.
///
/// The lock's node is made when it is missing, as a container, which the server deletes some time after the last contender. Nothing
/// else should be put below it: Curator's clients wait for names that come before the digits, and go-zookeeper's fail where one
/// does not end with a number.
#[derive(Clone, Debug)]
pub struct Lock(Line);

impl Lock {
    /// Makes a lock of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        Line::new(client, path, LockLayout::default().names()).map(Self)
    }

    /// Sets how the nodes are named. Default: as Curator does.
    pub fn layout(mut self, layout: LockLayout) -> Self {
        self.0.names = layout.names();
        self
    }

    /// Sets what the nodes contain: who contends, for people to read. Default: nothing.
    pub fn data(mut self, data: &[u8]) -> Self {
        self.0.data = data.into();
        self
    }

    /// Sets the access control list of the nodes, of the lock's own too if it is made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.0.acl = Some(acl.into());
        self
    }

    /// Fails with [`Error::SessionChanged`] when the session expires while waiting, instead of going to the end of the line in
    /// the next one: for those who hold something else on the strength of the session.
    pub fn stay_in_session(mut self) -> Self {
        self.0.stays_in_session = true;
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses: [`NoAuth`](crate::code::ErrorCode::NoAuth), for instance.
    pub async fn acquire(&self) -> Result<Held, Error> {
        Ok(Held::new(self.0.wait().await?, self.0.names))
    }

    /// Takes the lock if nobody has it or waits for it; `None` otherwise.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). It does wait for a connection.
    pub async fn try_acquire(&self) -> Result<Option<Held>, Error> {
        Ok(self.0.try_now().await?.map(|own| Held::new(own, self.0.names)))
    }

    /// Waits for the lock for so long; `None` when it could not be had.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, limit: Duration) -> Result<Option<Held>, Error> {
        in_time(&self.0.client, limit, self.acquire()).await
    }

    /// Takes the lock in this session only, or not at all.
    pub(crate) async fn take_in(&self, session: SessionId, patience: Patience) -> Result<Option<Held>, Error> {
        Ok(self.0.take_in(session, patience).await?.map(|own| Held::new(own, self.0.names)))
    }

    /// Lists those who hold the lock or wait for it, in their order: the names of their nodes.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no lock yet.
    pub async fn contenders(&self) -> Result<Vec<String>, Error> {
        self.0.contenders().await
    }
}
