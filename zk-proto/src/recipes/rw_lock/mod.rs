//! Many readers or one writer, first come first served.

mod layout;
mod write;

use core::time::Duration;

use super::{
    line::{Line, Names},
    lock::Held,
    session::in_time,
};
use crate::{
    client::{Client, Error},
    record::Acl,
};

pub use layout::RwLockLayout;
pub use write::HeldWrite;

/// A lock that many hold for reading, or one for writing.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::RwLock;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let lock = RwLock::new(&client, "/locks/catalogue")?;
///
/// let writing = lock.write().await?;
/// writing.transaction().set_data("/catalogue", b"new", None).await?;
///
/// // No other writer comes in between; readers who have waited, do.
/// let reading = writing.downgrade().await?;
/// let (catalogue, _) = client.get_data("/catalogue").await?;
/// # _ = catalogue;
///
/// reading.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// A writer holds it when everybody who came earlier has gone, a reader when every *writer* who came earlier has. So who comes
/// behind a waiting writer waits for him, readers too, and neither kind starves. A release wakes one waiting writer, or the
/// readers who have waited for that writer and no other.
///
/// What is held can be lost, and is guarded against that in the same ways as a [`Lock`](super::Lock): see there and
/// [`Held`]. A writer's [fencing token](Held::fencing_token) is higher than those of all who held it before him.
///
/// | what happens | while waiting | while held |
/// |---|---|---|
/// | connection lost | the place is kept | in doubt, then held again, or [lost](super::Loss) |
/// | session expired | back to the end of the line, unless told [otherwise](Self::stay_in_session) | [`Loss::SessionOver`](super::Loss) |
/// | the future, or what is held, is dropped | the node is deleted in the background | the same |
/// | somebody deletes the node | back to the end of the line | [`Loss::Removed`](super::Loss) |
/// | the counter of the path is at its end | the order of creation counts | nothing |
///
/// A writer may go on as a reader: [`HeldWrite::downgrade`]. A reader cannot go on as a writer: two who tried would wait for
/// each other for ever, since neither gives up reading before. Who reads and asks to write gets in line like a stranger, and waits
/// for himself; so release first, and read again what was read, because others may have written in between.
///
/// The nodes are Curator's by default, or kazoo's: see [`RwLockLayout`]. The path is made when it is missing, as a container,
/// and is for nothing else.
#[derive(Clone, Debug)]
pub struct RwLock {
    line: Line,
    layout: RwLockLayout,
}

impl RwLock {
    /// Makes a lock of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        let layout = RwLockLayout::default();
        Ok(Self { line: Line::new(client, path, layout.writers())?, layout })
    }

    /// Sets how the nodes are named. Default: as Curator does.
    pub fn layout(mut self, layout: RwLockLayout) -> Self {
        self.layout = layout;
        self
    }

    /// Sets what the nodes contain: who contends, for people to read. Default: nothing.
    pub fn data(mut self, data: &[u8]) -> Self {
        self.line.data = data.into();
        self
    }

    /// Sets the access control list of the nodes, of the lock's own too if it is made. Default: open to everybody.
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
        &self.line.path
    }

    /// Waits until it may be read.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses: [`NoAuth`](crate::code::ErrorCode::NoAuth), for instance.
    pub async fn read(&self) -> Result<Held, Error> {
        let line = self.readers();
        Ok(Held::new(line.wait().await?, line.names))
    }

    /// Takes it for reading if nobody writes or waits to; `None` otherwise.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). It does wait for a connection.
    pub async fn try_read(&self) -> Result<Option<Held>, Error> {
        let line = self.readers();
        Ok(line.try_now().await?.map(|own| Held::new(own, line.names)))
    }

    /// Waits for so long until it may be read; `None` when it may not by then.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_timeout(&self, limit: Duration) -> Result<Option<Held>, Error> {
        in_time(&self.line.client, limit, self.read()).await
    }

    /// Waits until it may be written.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn write(&self) -> Result<HeldWrite, Error> {
        let line = self.writers();
        let held = Held::new(line.wait().await?, line.names);
        Ok(HeldWrite::new(held, self.readers()))
    }

    /// Takes it for writing if nobody has it or waits for it; `None` otherwise.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). It does wait for a connection.
    pub async fn try_write(&self) -> Result<Option<HeldWrite>, Error> {
        let line = self.writers();
        let own = line.try_now().await?;
        Ok(own.map(|own| HeldWrite::new(Held::new(own, line.names), self.readers())))
    }

    /// Waits for so long until it may be written; `None` when it may not by then.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn write_timeout(&self, limit: Duration) -> Result<Option<HeldWrite>, Error> {
        in_time(&self.line.client, limit, self.write()).await
    }

    /// Lists those who hold the lock or wait for it, in their order: the names of their nodes.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no lock yet.
    pub async fn contenders(&self) -> Result<Vec<String>, Error> {
        self.line.contenders().await
    }

    fn readers(&self) -> Line {
        self.with(self.layout.readers())
    }

    fn writers(&self) -> Line {
        self.with(self.layout.writers())
    }

    fn with(&self, names: Names) -> Line {
        Line { names, ..self.line.clone() }
    }
}
