//! What has changed from one look at a group to the next.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::view::{GroupView, Member, Members};
use crate::broken::broken;

/// What has happened in a group.
///
/// For each name it goes [`Joined`](Self::Joined), any number of [`Updated`](Self::Updated) and [`Rejoined`](Self::Rejoined),
/// [`Left`](Self::Left), and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupEvent {
    /// There is a new member.
    Joined(Member),
    /// A member has another payload.
    Updated(Member),
    /// A member is there by another node than before: its session has expired and it has another one, or somebody had deleted it. It was
    /// not seen missing.
    Rejoined(Member),
    /// A member has left, or its session has ended. This is what was known of it last.
    Left(Member),
    /// All members are known. The first one says that everybody was told who was there at the beginning; another follows each
    /// [`Stale`](Self::Stale).
    Synced,
    /// The connection is lost. Members may come and go unseen, until the next [`Synced`](Self::Synced).
    Stale,
}

/// The events of a group: everybody who is there first, as [`GroupEvent::Joined`], then what changes.
///
/// Who reads slowly is told of each member only what it is like when he gets to it.
#[derive(Debug)]
pub struct GroupEvents {
    members: Members,
    told: Option<GroupView>,
    is_synced: bool,
    due: VecDeque<GroupEvent>,
}

impl GroupEvents {
    pub(super) fn new(members: Members) -> Self {
        Self { members, told: None, is_synced: false, due: VecDeque::new() }
    }

    /// Waits for the next event; `None` when the client is over. May be cancelled at any moment.
    pub async fn next(&mut self) -> Option<GroupEvent> {
        loop {
            if let Some(event) = self.due.pop_front() {
                return Some(event);
            }
            let now = match &self.told {
                None => self.members.listed(),
                Some(told) => self.members.next_listed(told).await.ok()?,
            };
            let nobody = BTreeMap::new();
            let before = self.told.as_ref().map_or(&nobody, GroupView::members);
            self.due.extend(difference(before, now.members()));
            if self.is_synced == now.is_stale() {
                self.is_synced = !now.is_stale();
                self.due.push_back(if self.is_synced { GroupEvent::Synced } else { GroupEvent::Stale });
            }
            self.told = Some(now);
        }
    }
}

/// Returns what has happened from one look to the next.
fn difference(before: &BTreeMap<Arc<str>, Member>, now: &BTreeMap<Arc<str>, Member>) -> Vec<GroupEvent> {
    let left = before.iter().filter(|(name, _)| !now.contains_key(*name));
    let left = left.map(|(_, member)| GroupEvent::Left(member.clone()));
    let others = now.iter().filter_map(|(name, member)| match before.get(name) {
        None => Some(GroupEvent::Joined(member.clone())),
        Some(was)
            if was.joined != member.joined && broken!("group: takes a member that has joined again for the same") =>
        {
            None
        }
        Some(was) if was.joined != member.joined => Some(GroupEvent::Rejoined(member.clone())),
        Some(was) if was.updated != member.updated => Some(GroupEvent::Updated(member.clone())),
        Some(_) => None,
    });
    left.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Zxid;

    fn member(id: &str, joined: i64, updated: i64) -> Member {
        Member {
            id: id.to_string(),
            payload: Bytes::new(),
            name: id.into(),
            joined: Some(Zxid(joined)),
            updated: Some(Zxid(updated)),
        }
    }

    fn group(members: &[Member]) -> BTreeMap<Arc<str>, Member> {
        members.iter().map(|member| (member.name.clone(), member.clone())).collect()
    }

    #[test]
    fn a_member_is_told_by_the_transactions_that_made_and_set_its_node() {
        use GroupEvent::{Joined, Left, Rejoined, Updated};
        let ann = member("ann", 1, 1);
        let table = [
            (vec![], vec![ann.clone()], vec![Joined(ann.clone())]),
            (vec![ann.clone()], vec![], vec![Left(ann.clone())]),
            (vec![ann.clone()], vec![ann.clone()], vec![]),
            (vec![ann.clone()], vec![member("ann", 1, 2)], vec![Updated(member("ann", 1, 2))]),
            (vec![ann.clone()], vec![member("ann", 3, 3)], vec![Rejoined(member("ann", 3, 3))]),
            (vec![ann.clone()], vec![member("bob", 3, 3)], vec![Left(ann), Joined(member("bob", 3, 3))]),
        ];
        for (before, now, expected) in table {
            assert_eq!(difference(&group(&before), &group(&now)), expected, "{before:?}, {now:?}");
        }
    }
}
