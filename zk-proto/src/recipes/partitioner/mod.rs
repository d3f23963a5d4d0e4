//! A set that is divided among all who are there.
//!
//! Who is to have what is a plain function of who is a member, so nobody has to be asked; that nobody has what another one still has
//! is seen to by a lock for each partition. So members may disagree about who is there for a while, and only wait for each other.

mod desk;
mod division;
mod partition;
mod share;
mod tending;

use core::time::Duration;
use std::sync::Arc;

use super::{Group, Lock, janitor::child};
use crate::{
    client::{Client, Error},
    path,
    record::Acl,
};

use desk::Desk;
use division::fingerprint;
pub use partition::{Partition, PartitionEnd};
pub use share::{Share, ShareState};
use tending::Following;

/// For how long nobody may have come or gone before shares are computed anew, unless told otherwise.
const QUIET: Duration = Duration::from_secs(1);

/// Divides a set among all members: each has a share of its own, and partitions are handed over when members come and go.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::Partitioner;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let partitioner = Partitioner::new(&client, "/consumers", ["p0", "p1", "p2", "p3"])?;
/// let share = partitioner.join("consumer-17")?;
/// loop {
///     let partition = share.next().await?;
///     println!("mine: {}", partition.name());
///     // Usually in a task of its own: work on it until somebody else is to have it, or it is lost.
///     partition.ended().await;
///     // The work has stopped: now the other one may begin.
///     partition.release().await?;
/// }
/// # }
/// ```
///
/// # What it guarantees
///
/// A partition is had under a [lock](super::Lock), so by one at a time as far as locks can promise, and with all that they offer:
/// [transactions](super::Held::transaction), [fencing tokens](super::Held::fencing_token) and [word](super::Held::changed) of doubt
/// and loss. A partition goes this way: [`Share::next`] hands it out, [`Partition::ended`] says that it is to be given back and why, and
/// [`Partition::release`] says that the work on it has stopped. Nobody else gets it before, unless it is lost; and this member does not
/// get it again before, even if it is.
///
/// When all is calm, and all divide the same set, every partition is had by one member, and the shares of members differ by one at most.
/// Shares depend on the ids of the members only: who comes back by the same id gets what it had. When one comes or goes, the others
/// keep most of what they have: on the average 1.2 partitions are moved for each that has to be.
///
/// | what happens | what comes of it |
/// |---|---|
/// | a member joins or leaves | shares are computed anew when nobody has come or gone for [a while](Self::settle) |
/// | connection lost | partitions are [in doubt](super::Tenure::InDoubt), and kept if the session is |
/// | session expired | partitions are [lost](PartitionEnd::Lost); it joins again, and gets its share once it has released what it has lost |
/// | a [`Partition`] is dropped | as released, in the background |
/// | a partition is released though it need not be | it is handed out again |
/// | the [`Share`] is dropped, or [left](Share::leave) | the group is left at once; partitions in hand are to be [given back](PartitionEnd::Left), and others get them then |
/// | a holder does not release what it is asked for | who is to have it waits |
/// | somebody deletes a lock's node | the partition is [lost](PartitionEnd::Lost), and handed out again once it is released |
/// | another member has the same id | no share, until that one has gone: [`Share::membership`] is [blocked](super::KeptState::Blocked) |
/// | members divide different sets | [`ShareState::dissenters`]; each set is divided among those who name it, and what is in several is had by one member |
/// | the server refuses | [`ShareState::refusal`], and another try after a while |
/// | the counter of a lock's path is at its end | as with [locks](super::Lock): the order of creation counts |
///
/// # Layout
///
/// `<path>/members/<id>` for members, whose data tells which set they divide, and a lock at `<path>/locks/<partition>` for each partition,
/// with Curator's names. Other clients can take a lock to keep a partition away from everybody. kazoo's `SetPartitioner` takes
/// all or nothing of another share at other paths; the two do not see each other.
///
/// All members need the same rights. Each partition costs every member a task, and its holder a node and two watches; shares are computed
/// from each pair of member and partition. So it is meant for hundreds of partitions, not for millions.
#[derive(Clone, Debug)]
pub struct Partitioner {
    client: Client,
    path: Arc<str>,
    /// In the same order for everybody, each once.
    partitions: Arc<[Arc<str>]>,
    group: Group,
    settle: Duration,
    acl: Option<Arc<[Acl]>>,
}

impl Partitioner {
    /// Makes a partitioner of a path and the names of what is divided, in any order. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one, or a name cannot be part of one.
    pub fn new<P: AsRef<str>>(
        client: &Client,
        path: &str,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<Self, Error> {
        path::validate(path)?;
        let mut partitions: Vec<Arc<str>> = partitions.into_iter().map(|name| name.as_ref().into()).collect();
        partitions.iter().try_for_each(|name| path::validate_name(name))?;
        partitions.sort();
        partitions.dedup();
        Ok(Self {
            client: client.clone(),
            path: path.into(),
            partitions: partitions.into(),
            group: Group::new(client, &child(path, "members"))?,
            settle: QUIET,
            acl: None,
        })
    }

    /// Sets for how long nobody may have come or gone before shares are computed anew. Default: one second. More of it saves
    /// handing over when many start or stop at a time.
    pub fn settle(mut self, quiet: Duration) -> Self {
        self.settle = quiet;
        self
    }

    /// Sets the access control list of all nodes that are made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self.group = self.group.acl(acl);
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the names of what is divided, sorted, each once.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.partitions.iter().map(|name| &**name)
    }

    /// Becomes a member, in the background. No other member may have the same id; one that stays the same from one run of a
    /// process to the next, such as a host's name, brings back the same share.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the id cannot be a node's name; [`NodeExists`](crate::code::ErrorCode::NodeExists) when a member by this
    /// partitioner, or one of its clones, has that id already.
    pub fn join(&self, id: &str) -> Result<Share, Error> {
        let fingerprint = fingerprint(&self.partitions);
        let membership = self.group.join(id, &fingerprint)?;
        let desk = Desk::new();
        let following = Following {
            group: self.group.path().to_string(),
            id: id.to_string(),
            fingerprint,
            partitions: self.partitions.clone(),
            settle: self.settle,
            membership: membership.observer(),
            desk: desk.clone(),
        };
        self.client.spawn(|client| tending::follow(client, following));
        for name in self.partitions.iter() {
            let path = child(&child(&self.path, "locks"), name);
            let (data, acl, name, desk) = (id.to_string(), self.acl.clone(), name.clone(), desk.clone());
            self.client.spawn(move |client| async move {
                // In the background's hand: what tends to a partition does not keep the session open.
                let Ok(lock) = Lock::new(&client, &path) else { return };
                let lock = lock.data(data.as_bytes());
                let lock = match &acl {
                    Some(acl) => lock.acl(acl),
                    None => lock,
                };
                tending::tend(client, lock, name, desk).await;
            });
        }
        Ok(Share::new(self.client.clone(), membership, desk))
    }
}
