//! The members, as everybody sees them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    super::{
        cache::{ChildrenCache, ChildrenView},
        kept::KeptState,
    },
    GroupEvents, GroupLayout, Own,
};
use crate::{Zxid, broken::broken, client::Error};

/// Follows the members of a group, in the background, until it is dropped. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Members {
    cache: ChildrenCache,
    layout: GroupLayout,
    own: Arc<Own>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The id.
    pub id: String,
    /// What the member has to say.
    pub payload: Bytes,
    /// The name of the node, which tells members of the same id apart.
    pub name: Arc<str>,
    /// The transaction by which the member has joined; `None` for one's own membership that the server does not show yet.
    pub joined: Option<Zxid>,
    /// The transaction that has set the payload; `None` likewise.
    pub updated: Option<Zxid>,
}

/// The members of a group at one moment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GroupView {
    members: Arc<BTreeMap<Arc<str>, Member>>,
    children: ChildrenView,
}

impl Members {
    pub(super) fn new(cache: ChildrenCache, layout: GroupLayout, own: Arc<Own>) -> Self {
        Self { cache, layout, own }
    }

    /// Returns who is a member, as far as is known now: one's own memberships of the same [`Group`](super::Group) at once, the others
    /// as the server shows them.
    pub fn snapshot(&self) -> GroupView {
        self.view(self.cache.snapshot())
    }

    /// Waits until everything was read, at the beginning or after a lost connection, and returns who is a member. May be cancelled at
    /// any moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn synced(&self) -> Result<GroupView, Error> {
        Ok(self.view(self.cache.synced().await?))
    }

    /// Waits until the server shows something else than in this view, and returns that. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &GroupView) -> Result<GroupView, Error> {
        Ok(self.view(self.cache.changed(&known.children).await?))
    }

    /// Returns what happens from now on, beginning with everybody who is there.
    pub fn events(&self) -> GroupEvents {
        GroupEvents::new(self.clone())
    }

    /// Returns what the server shows, without what it does not show yet.
    pub(super) fn listed(&self) -> GroupView {
        let children = self.cache.snapshot();
        GroupView { members: Arc::new(self.read(&children)), children }
    }

    pub(super) async fn next_listed(&self, known: &GroupView) -> Result<GroupView, Error> {
        let children = self.cache.changed(&known.children).await?;
        Ok(GroupView { members: Arc::new(self.read(&children)), children })
    }

    fn read(&self, children: &ChildrenView) -> BTreeMap<Arc<str>, Member> {
        let member = |(name, node): (&str, &Arc<super::super::cache::CachedNode>)| {
            let (id, payload) = self.layout.read(name, &node.data)?;
            let name: Arc<str> = name.into();
            let member = Member {
                id,
                payload,
                name: name.clone(),
                joined: Some(node.stat.czxid),
                updated: Some(node.stat.mzxid),
            };
            Some((name, member))
        };
        children.iter().filter_map(member).collect()
    }

    fn view(&self, children: ChildrenView) -> GroupView {
        let mut members = self.read(&children);
        for own in self.own.present().iter() {
            let counts = match own.observer.state() {
                KeptState::Pending | KeptState::Present(_) => true,
                KeptState::Ended => broken!("group: shows its own membership when it was left"),
                KeptState::Blocked { .. } | KeptState::Failed(_) => false,
            };
            if counts {
                let name: Arc<str> = own.name.as_str().into();
                let payload = self.layout.read(&name, &own.observer.data()).map(|(_, payload)| payload);
                members.entry(name.clone()).or_insert_with(|| Member {
                    id: own.id.clone(),
                    payload: payload.unwrap_or_default(),
                    name,
                    joined: None,
                    updated: None,
                });
            }
        }
        GroupView { members: Arc::new(members), children }
    }
}

impl GroupView {
    /// Returns all members, sorted by the names of their nodes.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Returns the members of an id: with Curator's layout there is one at most.
    pub fn by_id<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Member> {
        self.iter().filter(move |member| member.id == id)
    }

    /// Returns how many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns whether everything was read once.
    pub fn is_initialized(&self) -> bool {
        self.children.is_initialized()
    }

    /// Returns whether it may be older than what the client could know: there is no connection, or not everything was read again
    /// since.
    pub fn is_stale(&self) -> bool {
        self.children.is_stale()
    }

    /// Returns up to which transaction everything was certainly seen; `None` when stale.
    pub fn synced(&self) -> Option<Zxid> {
        self.children.synced()
    }

    /// Returns the nodes that the server does not let the client read, by path, and why; the group's own where it does not let its
    /// members be listed.
    pub fn troubles(&self) -> impl Iterator<Item = (&str, &Error)> {
        self.children.troubles()
    }

    pub(super) fn members(&self) -> &BTreeMap<Arc<str>, Member> {
        &self.members
    }
}
