//! Mutual exclusion, first come first served.

mod held;
mod layout;

use core::time::Duration;
use std::sync::Arc;

use super::{
    guid::Guid,
    line::{self, Place},
    protected::{self, OwnNode, Plan},
    session::{Trouble, session},
    together::both,
};
use crate::{
    SessionId,
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
    path,
    record::Acl,
    request::Children,
};

pub use held::{FencingToken, Held, Loss, Tenure, revoke};
pub use layout::LockLayout;

use super::janitor::child;
use layout::contender;

/// How often one's own node may vanish, in the same session, before acquiring gives up: somebody deletes them.
const PATIENCE: usize = 16;

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
/// | the counter of the path is at its end (2³¹ nodes were made below it) | with names of other layouts: order of creation; else `NodeExists` | nothing |
///
/// It is not reentrant: who asks again waits for himself. Two locks of one client on the same path are two contenders.
///
/// The lock's node is made when it is missing, as a container, which the server deletes some time after the last contender. Nothing
/// else may be put below it: Curator's clients would wait for that.
#[derive(Clone, Debug)]
pub struct Lock {
    client: Client,
    path: Arc<str>,
    layout: LockLayout,
    data: Arc<[u8]>,
    acl: Option<Arc<[Acl]>>,
    stays_in_session: bool,
}

impl Lock {
    /// Makes a lock of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        path::validate(path)?;
        Ok(Self {
            client: client.clone(),
            path: path.into(),
            layout: LockLayout::default(),
            data: Arc::new([]),
            acl: None,
            stays_in_session: false,
        })
    }

    /// Sets how the nodes are named. Default: as Curator does.
    pub fn layout(mut self, layout: LockLayout) -> Self {
        self.layout = layout;
        self
    }

    /// Sets what the nodes contain: who contends, for people to read. Default: nothing.
    pub fn data(mut self, data: &[u8]) -> Self {
        self.data = data.into();
        self
    }

    /// Sets the access control list of the nodes, of the lock's own too if it is made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Fails with [`Error::SessionChanged`] when the session expires while waiting, instead of going to the end of the line in
    /// the next one: for those who hold something else on the strength of the session.
    pub fn stay_in_session(mut self) -> Self {
        self.stays_in_session = true;
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses: [`NoAuth`](ErrorCode::NoAuth), for instance.
    pub async fn acquire(&self) -> Result<Held, Error> {
        match self.stand(Patience::Endless).await? {
            Some(held) => Ok(held),
            None => unreachable!("it is waited for"),
        }
    }

    /// Takes the lock if nobody has it or waits for it; `None` otherwise.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). It does wait for a connection.
    pub async fn try_acquire(&self) -> Result<Option<Held>, Error> {
        match self.client.get_children(&self.path).resend().await {
            Ok((names, _)) if names.iter().any(|name| contender(name).is_some()) => return Ok(None),
            Ok(_) | Err(Error::Server(ErrorCode::NoNode) | Error::Lost) => {}
            Err(error) => return Err(error),
        }
        self.stand(Patience::None).await
    }

    /// Waits for the lock for so long; `None` when it could not be had.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, limit: Duration) -> Result<Option<Held>, Error> {
        match self.client.timeout(limit, self.acquire()).await {
            Ok(acquired) => acquired.map(Some),
            Err(Error::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists those who hold the lock or wait for it, in their order: the names of their nodes.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no lock yet.
    pub async fn contenders(&self) -> Result<Vec<String>, Error> {
        match self.client.get_children(&self.path).await {
            Ok((names, _)) => {
                let line = line::in_order(names.iter().filter_map(contender));
                Ok(line.into_iter().map(|contender| contender.name.to_string()).collect())
            }
            Err(Error::Server(ErrorCode::NoNode)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Gets in line, as often as that is needed.
    async fn stand(&self, patience: Patience) -> Result<Option<Held>, Error> {
        let mut tries = PATIENCE;
        loop {
            let session = session(&self.client).await?;
            match self.stand_once(session, patience).await {
                Ok(Stood::Acquired(own)) => return Ok(Some(Held::new(own))),
                Ok(Stood::Engaged) => return Ok(None),
                Ok(Stood::Removed) if tries > 0 => tries -= 1,
                Ok(Stood::Removed) => return Err(Error::Server(ErrorCode::NoNode)),
                Err(error) if Trouble::of(&error) == Trouble::SessionOver => {
                    if self.stays_in_session {
                        return Err(Error::SessionChanged);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a node in this session, and waits until it is the first.
    async fn stand_once(&self, session: SessionId, patience: Patience) -> Result<Stood, Error> {
        let prefix = self.layout.prefix(Guid::new(&self.client));
        let plan = Plan { parent: &self.path, prefix: &prefix, data: &self.data, acl: self.acl.as_deref() };
        // Both in one write: where nothing is in the way, that is all there is to it.
        let create = protected::create(&self.client, session, &plan);
        let list = self.client.get_children(&self.path).pin(session);
        let (own, list) = both(create, list.into_future()).await;
        let own = own?;
        let mut names = match list {
            Ok((names, _)) if names.iter().any(|name| name == own.name()) => names,
            // It was made later than the list, if there is one.
            Ok(_) | Err(_) => match self.list(session).await? {
                Some(names) => names,
                None => return Ok(gone(own)),
            },
        };
        loop {
            match self.place(session, &own, &names).await? {
                None => return Ok(gone(own)),
                Some(Place::First) => return Ok(Stood::Acquired(own)),
                Some(_) if patience == Patience::None => {
                    own.delete().await?;
                    return Ok(Stood::Engaged);
                }
                Some(Place::After(ahead)) => {
                    self.wait_for(session, ahead).await?;
                    if broken!("lock: takes it when the one ahead is gone, without looking again") {
                        return Ok(Stood::Acquired(own));
                    }
                }
                Some(Place::Missing | Place::Tied(_)) => unreachable!("these were resolved"),
            }
            // Who was ahead may have given up while somebody before him still holds the lock.
            names = match self.list(session).await? {
                Some(names) => names,
                None => return Ok(gone(own)),
            };
        }
    }

    async fn list(&self, session: SessionId) -> Result<Option<Children>, Error> {
        loop {
            match self.client.get_children(&self.path).pin(session).resend().await {
                Ok((names, _)) => return Ok(Some(names)),
                Err(Error::Server(ErrorCode::NoNode)) => return Ok(None),
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Finds the place of our node, or nothing where it is gone.
    async fn place<'a>(
        &self,
        session: SessionId,
        own: &OwnNode,
        names: &'a Children,
    ) -> Result<Option<Place<'a>>, Error> {
        let line = names.iter().filter_map(contender);
        match line::place(own.name(), line.clone()) {
            Place::Missing => Ok(None),
            Place::Tied(equals) => {
                let mut created = Vec::with_capacity(equals.len());
                for name in equals {
                    let path = child(&self.path, name);
                    if let Some(stat) = self.client.exists(&path).pin(session).resend().await? {
                        created.push((name, stat.czxid.0));
                    }
                }
                let before = contender(own.name()).and_then(|own| line::before_equals(own.number, line));
                Ok(Some(line::place_among_equals(own.created().0, &created, before)))
            }
            place => Ok(Some(place)),
        }
    }

    /// Waits until something happens to a node.
    async fn wait_for(&self, session: SessionId, name: &str) -> Result<(), Error> {
        let path = child(&self.path, name);
        // Not exists: that would leave a watch on a name that never comes back.
        match self.client.get_data(&path).watch().pin(session).resend().await {
            Ok((_, _, mut watcher)) => match watcher.changed().await {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::SessionChanged),
            },
            Err(Error::Server(ErrorCode::NoNode)) => Ok(()),
            Err(error) if Trouble::of(&error) == Trouble::InDoubt => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether to wait for those who came earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Endless,
    None,
}

/// How it ended.
enum Stood {
    Acquired(OwnNode),
    /// Others are ahead, and are not waited for.
    Engaged,
    /// Somebody has deleted the node.
    Removed,
}

fn gone(own: OwnNode) -> Stood {
    own.forget();
    Stood::Removed
}
