//! At most so many holders at a time, first come first served.

mod error;
mod layout;
mod lease;
mod maximum;
mod taking;

use core::time::Duration;
use std::sync::Arc;

use super::{
    line::{Line, Patience},
    lock::Held,
    parents::ensure_path,
    session::{Trouble, in_time},
};
use crate::{
    client::{Client, Error},
    code::ErrorCode,
    path,
    record::Acl,
};

pub use error::SemaphoreError;
pub use layout::SemaphoreLayout;
pub use lease::Lease;
pub use maximum::Maximum;

/// A number of leases, which clients on any machine take and give back: how many may do something at a time.
///
/// ```
/// use zk_proto::recipes::{Semaphore, SemaphoreError};
/// use zk_proto::client::Client;
///
/// # async fn example(client: Client) -> Result<(), SemaphoreError> {
/// // At most five downloads at a time, wherever they run.
/// let downloads = Semaphore::new(&client, "/downloads", 5)?;
/// let lease = downloads.acquire().await?;
/// // ...
/// lease.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// At no moment are there more leases of living sessions than the [maximum](Maximum) that the newest of them was given by. They are
/// given in the order of arrival, and who wants several at once gets them together: others wait behind him meanwhile, even
/// where one lease would do for them. An uncontended lease costs three round trips: a turn, the lease, the end of the turn. One that
/// is given back wakes one of those who wait.
///
/// As with any lease, no service can stop a holder that was paused for longer than its session lived. What a holder writes to
/// ZooKeeper goes into a [transaction](Lease::transaction) of his lease.
///
/// | what happens | while waiting | while held |
/// |---|---|---|
/// | connection lost | the place is kept | in doubt, then held again, or [lost](super::Loss) |
/// | session expired | back to the end of the line, unless told [otherwise](Self::stay_in_session) | [`Loss::SessionOver`](super::Loss), all leases of the session |
/// | the future, or a lease, is dropped | all nodes are deleted in the background | the lease's is |
/// | somebody deletes a node | back to the end of the line | [`Loss::Removed`](super::Loss), that lease |
/// | a node's counter is at its end | nothing: leases have no order, and the line goes by the order of creation | nothing |
///
/// All must agree on the layout and on the maximum. The nodes are Curator's by default, or kazoo's: [`SemaphoreLayout`]. Whatever
/// else is below the node of the leases counts as a lease.
#[derive(Clone, Debug)]
pub struct Semaphore {
    /// Where to wait for one's turn.
    line: Line,
    path: Arc<str>,
    /// What the leases are below of.
    leases: Arc<str>,
    layout: SemaphoreLayout,
    max: Maximum,
    data: Arc<[u8]>,
}

impl Semaphore {
    /// Makes a semaphore of a path, with so many leases. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when a path cannot be one.
    pub fn new(client: &Client, path: &str, max: impl Into<Maximum>) -> Result<Self, Error> {
        path::validate(path)?;
        let max = max.into();
        if let Maximum::Node(count) = &max {
            path::validate(count)?;
        }
        let layout = SemaphoreLayout::default();
        let line = Line::new(client, &layout.lock_path(path), layout.lock_layout().names())?;
        Ok(Self { line, path: path.into(), leases: layout.leases_path(path).into(), layout, max, data: Arc::new([]) })
    }

    /// Sets where the nodes are. Default: as Curator has it.
    pub fn layout(mut self, layout: SemaphoreLayout) -> Self {
        self.line.path = layout.lock_path(&self.path).into();
        self.line.names = layout.lock_layout().names();
        self.leases = layout.leases_path(&self.path).into();
        self.layout = layout;
        self
    }

    /// Sets what the leases contain: who holds them, for people to read. Default: nothing.
    pub fn data(mut self, data: &[u8]) -> Self {
        self.data = data.into();
        self
    }

    /// Sets the access control list of the nodes, of the semaphore's own too if they are made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.line.acl = Some(acl.into());
        self
    }

    /// Fails with [`Error::SessionChanged`] when the session expires while waiting, instead of going to the end of the line in
    /// the next one.
    pub fn stay_in_session(mut self) -> Self {
        self.line.stays_in_session = true;
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Waits for a lease.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses; when it turns out that others count with another maximum, or that
    /// there is none to read.
    pub async fn acquire(&self) -> Result<Lease, SemaphoreError> {
        match self.acquire_many(1).await?.pop() {
            Some(lease) => Ok(lease),
            None => unreachable!("one was asked for"),
        }
    }

    /// Waits for so many leases at once.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and where there will never be so many.
    pub async fn acquire_many(&self, count: u32) -> Result<Vec<Lease>, SemaphoreError> {
        match self.take_some(count, Patience::Endless).await? {
            Some(leases) => Ok(leases),
            None => unreachable!("they are waited for"),
        }
    }

    /// Takes a lease if there is one and nobody waits for one; `None` otherwise.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). It does wait for a connection.
    pub async fn try_acquire(&self) -> Result<Option<Lease>, SemaphoreError> {
        Ok(self.try_acquire_many(1).await?.and_then(|mut leases| leases.pop()))
    }

    /// Takes so many leases if they are there and nobody waits for one; `None` otherwise.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many). It does wait for a connection.
    pub async fn try_acquire_many(&self, count: u32) -> Result<Option<Vec<Lease>>, SemaphoreError> {
        self.take_some(count, Patience::None).await
    }

    /// Waits for a lease for so long; `None` when it could not be had.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, limit: Duration) -> Result<Option<Lease>, SemaphoreError> {
        in_time(&self.line.client, limit, self.acquire()).await
    }

    /// Waits for so many leases for so long; `None` when they could not be had, and then none is.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub async fn acquire_many_timeout(
        &self,
        count: u32,
        limit: Duration,
    ) -> Result<Option<Vec<Lease>>, SemaphoreError> {
        in_time(&self.line.client, limit, self.acquire_many(count)).await
    }

    /// Lists the leases, by the names of their nodes, in no particular order. With Curator's layout those of who is next are among
    /// them.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no semaphore yet.
    pub async fn leases(&self) -> Result<Vec<String>, Error> {
        match self.line.client.get_children(&self.leases).await {
            Ok((names, _)) => Ok(names.iter().map(String::from).collect()),
            Err(Error::Server(ErrorCode::NoNode)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn take_some(&self, count: u32, patience: Patience) -> Result<Option<Vec<Lease>>, SemaphoreError> {
        match self.max {
            Maximum::Fixed(max) if count > max => return Err(SemaphoreError::TooMany { wanted: count, max }),
            Maximum::Fixed(_) | Maximum::Node(_) => {}
        }
        let taken = self.take(count as usize, patience).await?;
        Ok(taken.map(|leases| leases.into_iter().map(|own| Lease(Held::out_of_line(own))).collect()))
    }

    /// Makes sure that all count with the same maximum, where the layout says which one that is.
    async fn agree(&self) -> Result<(), SemaphoreError> {
        let (SemaphoreLayout::Kazoo, Maximum::Fixed(max)) = (self.layout, &self.max) else { return Ok(()) };
        let client = &self.line.client;
        loop {
            match client.get_data(&self.path).resend().await {
                Ok((data, _)) => match layout::stored_maximum(&data) {
                    Some(stored) if stored != i64::from(*max) => {
                        return Err(SemaphoreError::OtherMaximum { stored, max: *max });
                    }
                    Some(_) | None => return Ok(()),
                },
                Err(Error::Server(ErrorCode::NoNode)) => {}
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(parent) = path::parent(&self.path) {
                ensure_path(client, parent, self.line.acl.as_deref()).await?;
            }
            let data = max.to_string();
            let mut create = client.create(&self.path, data.as_bytes());
            if let Some(acl) = self.line.acl.as_deref() {
                create = create.acl(acl);
            }
            match create.await {
                Ok(_) => return Ok(()),
                Err(Error::Server(ErrorCode::NodeExists | ErrorCode::NoNode)) => {}
                // Whether it was made, and by whom, the next look tells.
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
