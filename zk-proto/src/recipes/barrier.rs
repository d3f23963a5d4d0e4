//! A gate that one closes and others wait at.

use std::sync::Arc;

use super::{parents::ensure_path, session::Trouble, together::both};
use crate::{
    Zxid,
    broken::broken,
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    path,
    record::Acl,
};

/// How often the node above may vanish again before the barrier is set below it.
const PATIENCE: usize = 16;

/// A node that others wait to see gone: they pass when it is.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::Barrier;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let migration = Barrier::new(&client, "/barriers/migration")?;
/// migration.set().await?;
/// // Meanwhile, others wait, in other processes: migration.wait().await?;
/// migration.remove().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Who passes has seen that there is no barrier, at some moment after he came to it: the question is asked behind a sync, and asked
/// again on every wake-up. All who wait wake up together.
///
/// | what happens | while waiting | while setting or removing |
/// |---|---|---|
/// | connection lost | asked again when there is another | done again, unless it was done: a barrier that somebody sets anew is not removed |
/// | session expired | asked again in the next session | the same; an [ephemeral](Self::ephemeral) barrier is gone |
/// | the future is dropped | nothing is left | it is set, or removed, or not |
/// | somebody deletes the node | passed | nothing |
///
/// Curator's `DistributedBarrier` and kazoo's `Barrier` are the same node, whatever it contains. (kazoo's `wait` may hang after
/// a lost connection.)
#[derive(Clone, Debug)]
pub struct Barrier {
    client: Client,
    path: Arc<str>,
    mode: CreateMode,
    acl: Option<Arc<[Acl]>>,
}

impl Barrier {
    /// Makes a barrier of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        path::validate(path)?;
        Ok(Self { client: client.clone(), path: path.into(), mode: CreateMode::Persistent, acl: None })
    }

    /// Lets the barrier vanish with the session of who sets it.
    pub fn ephemeral(mut self) -> Self {
        self.mode = CreateMode::Ephemeral;
        self
    }

    /// Sets the access control list of the node, and of those above it if they are made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sets the barrier, with the nodes above it. That it is set already is fine, whoever has done it.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn set(&self) -> Result<(), Error> {
        let mut tries = PATIENCE;
        loop {
            let mut create = self.client.create(&self.path, b"").mode(self.mode);
            if let Some(acl) = self.acl.as_deref() {
                create = create.acl(acl);
            }
            match create.await {
                Ok(_) | Err(Error::Server(ErrorCode::NodeExists)) => return Ok(()),
                Err(Error::Server(ErrorCode::NoNode)) if tries > 0 => {
                    tries -= 1;
                    if let Some(parent) = path::parent(&self.path) {
                        ensure_path(&self.client, parent, self.acl.as_deref()).await?;
                    }
                }
                Err(error) => self.go_on(error).await?,
            }
        }
    }

    /// Removes the barrier, and returns whether there was one.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn remove(&self) -> Result<bool, Error> {
        let Some(found) = self.find().await? else { return Ok(false) };
        loop {
            match self.client.delete(&self.path).await {
                Ok(()) => return Ok(true),
                Err(Error::Server(ErrorCode::NoNode)) => return Ok(true),
                Err(error) => self.go_on(error).await?,
            }
            // It may be gone, and another one there that nobody has asked to remove.
            if self.find().await? != Some(found) && !broken!("barriers: removes the next barrier too") {
                return Ok(true);
            }
        }
    }

    /// Returns whether the barrier is set.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub async fn is_set(&self) -> Result<bool, Error> {
        Ok(self.find().await?.is_some())
    }

    /// Waits until there is no barrier: returns at once where there is none.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn wait(&self) -> Result<(), Error> {
        // Asked without a watch first and last, because one on a node that is gone would be left behind.
        while self.find().await?.is_some() {
            match self.client.exists(&self.path).watch().resend().await {
                Ok((None, _)) => return Ok(()),
                Ok((Some(_), mut watcher)) => {
                    // Why it wakes up does not matter: that the session is over, for instance.
                    _ = watcher.changed().await;
                    if broken!("barriers: passes on any event") {
                        return Ok(());
                    }
                }
                Err(error) => self.go_on(error).await?,
            }
        }
        Ok(())
    }

    /// Looks for the barrier behind a sync, and returns what created it.
    async fn find(&self) -> Result<Option<Zxid>, Error> {
        loop {
            let sync = self.client.sync(&self.path).resend();
            let exists = self.client.exists(&self.path).resend();
            match both(sync.into_future(), exists.into_future()).await {
                (Ok(()), Ok(stat)) => return Ok(stat.map(|stat| stat.czxid)),
                (Err(error), _) | (Ok(()), Err(error)) => self.go_on(error).await?,
            }
        }
    }

    /// Waits for the next session after a failure that is about links and sessions.
    async fn go_on(&self, error: Error) -> Result<(), Error> {
        match Trouble::of(&error) {
            Trouble::InDoubt | Trouble::SessionOver => self.client.connected().await,
            Trouble::Definite => Err(error),
        }
    }
}
