//! Several locks at once.

use core::time::Duration;
use std::pin::pin;

use super::{
    line::Patience,
    lock::{Held, Lock, LockLayout, Loss, Tenure},
    session::{Trouble, in_time, session},
    together::{Either, either, first_of},
};
use crate::{
    Instant, SessionId,
    broken::broken,
    client::{Call, Client, Error},
    code::ErrorCode,
    record::Acl,
    request::{Multi, OpResult},
};

/// How often a lock may be taken away, in the same session, while others are waited for.
const PATIENCE: usize = 16;

/// Several [locks](Lock), which are held all or not at all.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::MultiLock;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let accounts = MultiLock::new(&client, ["/locks/account-7", "/locks/account-3"])?;
/// let held = accounts.acquire().await?;
/// held.transaction().set_data("/moved", b"100 from 7 to 3", None).await?;
/// held.release().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// The locks are taken one after the other in the order of their paths, whatever the order in which they are named, and a path
/// that is named twice is one lock. So two who want some of the same locks never wait for each other, as long as both take them by
/// a `MultiLock`, or in that order. All are held in one session, at one moment: one that is lost while others are waited for is taken
/// again, and so are the others.
///
/// Each is a [`Lock`] with what that promises; others may contend for it alone.
///
/// | what happens | while waiting | while held |
/// |---|---|---|
/// | connection lost | the place is kept | in doubt, each for itself, then held again, or [lost](Loss) |
/// | session expired | begins again from the first, unless told [otherwise](Self::stay_in_session) | [`Loss::SessionOver`], all of them |
/// | the future, or [`HeldAll`], is dropped | all nodes are deleted in the background, the last first | the same |
/// | the time is up | the same | |
/// | somebody deletes a node | begins again from the first | [`Loss::Removed`] for that lock; the others are held |
/// | the counter of a path is at its end | the order of creation counts | nothing |
#[derive(Clone, Debug)]
pub struct MultiLock {
    client: Client,
    /// In the order of their paths, none twice.
    locks: Vec<Lock>,
    stays_in_session: bool,
}

impl MultiLock {
    /// Makes locks of some paths. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when one of the paths cannot be one.
    pub fn new<P: AsRef<str>>(client: &Client, paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let locks = paths.into_iter().map(|path| Lock::new(client, path.as_ref()));
        let mut locks: Vec<Lock> = locks.collect::<Result<_, _>>()?;
        if !broken!("multi-lock: takes its locks in the order in which they are named") {
            locks.sort_by(|one, other| one.path().cmp(other.path()));
        }
        locks.dedup_by(|one, other| one.path() == other.path());
        Ok(Self { client: client.clone(), locks, stays_in_session: false })
    }

    /// Sets how the nodes are named. Default: as Curator does.
    pub fn layout(self, layout: LockLayout) -> Self {
        self.with(|lock| lock.layout(layout))
    }

    /// Sets what the nodes contain: who contends, for people to read. Default: nothing.
    pub fn data(self, data: &[u8]) -> Self {
        self.with(|lock| lock.data(data))
    }

    /// Sets the access control list of the nodes, of the locks' own too if they are made. Default: open to everybody.
    pub fn acl(self, acl: &[Acl]) -> Self {
        self.with(|lock| lock.acl(acl))
    }

    /// Fails with [`Error::SessionChanged`] when the session expires while waiting, instead of beginning again in the next one.
    pub fn stay_in_session(mut self) -> Self {
        self.stays_in_session = true;
        self
    }

    /// Returns the paths, in the order in which the locks are taken.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.locks.iter().map(Lock::path)
    }

    /// Waits for all the locks.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses. None is held then.
    pub async fn acquire(&self) -> Result<HeldAll, Error> {
        match self.take(Patience::Endless).await? {
            Some(all) => Ok(all),
            None => unreachable!("they are waited for"),
        }
    }

    /// Takes all the locks if nobody has any of them or waits for it; `None` otherwise, and none is held.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire). It does wait for a connection.
    pub async fn try_acquire(&self) -> Result<Option<HeldAll>, Error> {
        self.take(Patience::None).await
    }

    /// Waits for so long, in all, until all the locks are held; `None` when they could not be had, and none is held.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, limit: Duration) -> Result<Option<HeldAll>, Error> {
        in_time(&self.client, limit, self.acquire()).await
    }

    fn with(mut self, change: impl Fn(Lock) -> Lock) -> Self {
        self.locks = self.locks.into_iter().map(change).collect();
        self
    }

    /// Takes all the locks, as often as that is needed.
    async fn take(&self, patience: Patience) -> Result<Option<HeldAll>, Error> {
        let (mut tries, mut before) = (PATIENCE, None);
        loop {
            let session = session(&self.client).await?;
            if before.replace(session) != Some(session) {
                tries = PATIENCE;
            }
            match self.take_in(session, patience).await {
                Ok(Taken::All(all)) => return Ok(Some(all)),
                Ok(Taken::Engaged) => return Ok(None),
                Ok(Taken::Disturbed(Loss::Removed)) if tries == 0 => return Err(Error::Server(ErrorCode::NoNode)),
                Ok(Taken::Disturbed(Loss::Removed)) => tries -= 1,
                Ok(Taken::Disturbed(Loss::Presumed)) => {}
                Ok(Taken::Disturbed(Loss::SessionOver)) if !self.stays_in_session => {}
                Ok(Taken::Disturbed(Loss::SessionOver)) => return Err(Error::SessionChanged),
                Err(error) if Trouble::of(&error) == Trouble::SessionOver => {
                    if self.stays_in_session {
                        return Err(Error::SessionChanged);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes all the locks in this session, one after the other.
    async fn take_in(&self, session: SessionId, patience: Patience) -> Result<Taken, Error> {
        let mut all = HeldAll { client: self.client.clone(), session, held: Vec::with_capacity(self.locks.len()) };
        for lock in &self.locks {
            let next = match either(pin!(lock.take_in(session, patience)), pin!(all.lost())).await {
                Either::First(next) => Ok(next?),
                Either::Second((_, loss)) => Err(loss),
            };
            match next {
                Ok(Some(held)) => all.held.push((lock.path().to_string(), held)),
                Ok(None) => {
                    all.release().await?;
                    return Ok(Taken::Engaged);
                }
                Err(loss) => {
                    all.release().await?;
                    return Ok(Taken::Disturbed(loss));
                }
            }
        }
        match all.loss() {
            Some(loss) if !broken!("multi-lock: has all when it has the last") => {
                all.release().await?;
                Ok(Taken::Disturbed(loss))
            }
            Some(_) | None => Ok(Taken::All(all)),
        }
    }
}

/// How it ended.
enum Taken {
    All(HeldAll),
    /// Somebody has one of them, and is not waited for.
    Engaged,
    /// One of them was lost while others were waited for.
    Disturbed(Loss),
}

/// Several locks that are held, until they are [released](Self::release) or dropped; or [lost](Self::lost), each for itself.
///
/// Dropping it releases them too, in the background. The session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it releases the locks"]
pub struct HeldAll {
    client: Client,
    session: SessionId,
    /// By the paths of the locks, in their order.
    held: Vec<(String, Held)>,
}

impl HeldAll {
    /// Returns the locks by their paths, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Held)> {
        self.held.iter().map(|(path, held)| (path.as_str(), held))
    }

    /// Returns the lock of a path, with its [fencing token](Held::fencing_token).
    pub fn get(&self, path: &str) -> Option<&Held> {
        self.held.iter().find(|(other, _)| other == path).map(|(_, held)| held)
    }

    /// Returns the session that holds them all.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Returns until when all are certainly held, as [`Held::valid_until`]. `None` when one is lost.
    pub fn valid_until(&self) -> Option<Instant> {
        self.held.iter().map(|(_, held)| held.valid_until()).min().flatten()
    }

    /// Begins a list of writes that are carried out only if all the locks are held at that moment, as
    /// [`Held::transaction`]. When they are not, it fails for the first operation whose lock is gone.
    pub fn transaction(&self) -> Call<'_, Multi<'_>, Vec<OpResult>> {
        let multi = self.client.multi().pin(self.session);
        self.held.iter().fold(multi, |multi, (_, held)| multi.op(held.check()))
    }

    /// Waits until one of them is lost, and returns the path of that lock, and why.
    pub async fn lost(&self) -> (&str, Loss) {
        let mut losses = Vec::with_capacity(self.held.len());
        for (path, held) in &self.held {
            losses.push(loss_of(path, held));
        }
        first_of(losses).await
    }

    /// Returns why one of them is lost, if one is.
    fn loss(&self) -> Option<Loss> {
        self.held.iter().find_map(|(_, held)| match held.tenure() {
            Tenure::Lost(loss) => Some(loss),
            Tenure::Held | Tenure::InDoubt { .. } => None,
        })
    }

    /// Gives all the locks back, the last one first, and waits until the server has done so, over lost connections too.
    ///
    /// # Errors
    ///
    /// The first that comes up, such as [`NoAuth`](ErrorCode::NoAuth); the others are given back all the same.
    pub async fn release(mut self) -> Result<(), Error> {
        let mut first = Ok(());
        while let Some((_, held)) = self.held.pop() {
            let released = held.release().await;
            first = first.and(released);
        }
        first
    }
}

impl Drop for HeldAll {
    fn drop(&mut self) {
        while self.held.pop().is_some() {}
    }
}

async fn loss_of<'a>(path: &'a str, held: &Held) -> (&'a str, Loss) {
    (path, held.lost().await)
}
