//! Who is there: members of a group that see each other.
//!
//! A member is a [kept node](super::KeptNode), and the group is a [cache](super::ChildrenCache) of all of them; what is here is how names
//! and data are read as members, and what has changed from one look to the next.

mod events;
mod layout;
mod membership;
mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    ChildrenCache,
    guid::Guid,
    janitor::child,
    kept::{Kept, KeptNode, Observer},
};
use crate::{
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
    path,
    record::Acl,
};

pub use events::{GroupEvent, GroupEvents};
pub use layout::GroupLayout;
pub use membership::Membership;
pub use view::{GroupView, Member, Members};

/// A group that processes join and leave, and whose members everybody can see.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Group, GroupEvent};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let group = Group::new(&client, "/groups/workers")?;
/// let me = group.join("worker-17", b"10.0.0.7:9000")?;
///
/// let members = group.members()?;
/// for member in members.synced().await?.iter() {
///     println!("{}: {:?}", member.id, member.payload);
/// }
///
/// let mut events = members.events();
/// while let Some(event) = events.next().await {
///     match event {
///         GroupEvent::Joined(member) => println!("welcome, {}", member.id),
///         GroupEvent::Left(member) => println!("farewell, {}", member.id),
///         _ => {}
///     }
/// }
///
/// me.leave().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Who has joined is a member for as long as the process lives and has a session, and again as soon as there is another one. Who is listed
/// has a session that was alive when the server said so, or has not been expired yet.
///
/// | what happens | to a membership | to who looks at the members |
/// |---|---|---|
/// | connection lost | goes on, as long as the session does | the last view stays, marked as [stale](GroupView::is_stale) |
/// | session expired | joined again at once, without a gap where the old node is still there | reads again; nobody is reported who was there all the time |
/// | [`Membership`] dropped | left, in the background | |
/// | somebody deletes the node | joined again | [`Left`](GroupEvent::Left) and [`Joined`](GroupEvent::Joined), or [`Rejoined`](GroupEvent::Rejoined) |
/// | [`Members`] and its events dropped | | nothing is followed any more |
/// | the server does not let a member be read | | not listed, but [named](GroupView::troubles) |
/// | another member has the same id | [`Blocked`](super::KeptState::Blocked), until that one has gone | one member of that id |
///
/// Whether a member has left or its session has expired does not show: members who want that known write it into their payload
/// before they leave.
///
/// Layouts differ in who else sees the members: see [`GroupLayout`]. The group's node is made when it is missing, as a container.
#[derive(Clone, Debug)]
pub struct Group {
    client: Client,
    path: Arc<str>,
    layout: GroupLayout,
    acl: Option<Arc<[Acl]>>,
    own: Arc<Own>,
}

/// The memberships of this process, to be shown before the server shows them.
#[derive(Debug, Default)]
struct Own(Mutex<Vec<OwnMember>>);

#[derive(Clone, Debug)]
struct OwnMember {
    id: String,
    /// The name of its node.
    name: String,
    observer: Observer,
}

impl Own {
    /// Returns those that have not been left.
    fn present(&self) -> MutexGuard<'_, Vec<OwnMember>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !broken!("group: shows its own membership when it was left") {
            all.retain(|own| !own.observer.is_ending());
        }
        all
    }

    /// Adds one, unless there is one by that name: the server cannot tell two of one session apart.
    fn add(&self, id: &str, name: &str, node: KeptNode) -> Option<Kept> {
        // One lock over both, for two threads may join at the same time.
        let mut all = self.present();
        let is_taken = all.iter().any(|own| own.name == name);
        if is_taken && !broken!("group: lets a process join twice by one id") {
            return None;
        }
        let kept = node.keep();
        all.push(OwnMember { id: id.to_string(), name: name.to_string(), observer: kept.observer() });
        Some(kept)
    }
}

impl Group {
    /// Makes a group of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        path::validate(path)?;
        let layout = GroupLayout::default();
        Ok(Self { client: client.clone(), path: path.into(), layout, acl: None, own: Arc::default() })
    }

    /// Sets how members are named. Default: as Curator's `GroupMember` does.
    pub fn layout(mut self, layout: GroupLayout) -> Self {
        // What has joined by other names is read by their rules.
        (self.layout, self.own) = (layout, Arc::default());
        self
    }

    /// Sets the access control list of the members' nodes, of the group's own too if it is made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Joins the group, in the background: it counts as soon as there is a connection. [`Membership::joined`] waits for that.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the id cannot be part of a node's name and has to be; [`NodeExists`](ErrorCode::NodeExists) when a
    /// membership of this group, or of one of its clones, has that id already and it has to be the only one.
    pub fn join(&self, id: &str, payload: impl AsRef<[u8]>) -> Result<Membership, Error> {
        let name = self.layout.name(id, Guid::new(&self.client));
        path::validate_name(&name)?;
        let path = child(&self.path, &name);
        let mut plan = KeptNode::new(&self.client, &path)?.data(self.layout.data(id, payload.as_ref()));
        if let Some(acl) = &self.acl {
            plan = plan.acl(acl);
        }
        let kept = self.own.add(id, &name, plan).ok_or(Error::Server(ErrorCode::NodeExists))?;
        Ok(Membership::new(id, name, self.layout, kept))
    }

    /// Begins to follow the members, in the background.
    ///
    /// # Errors
    ///
    /// None that can happen with a path that was checked.
    pub fn members(&self) -> Result<Members, Error> {
        Ok(Members::new(ChildrenCache::new(&self.client, &self.path)?, self.layout, self.own.clone()))
    }
}
