//! Why nodes may have been deleted.
//!
//! Whoever registers promises that his node is there until he lets go of it. So every deletion that was ever committed has to have a
//! reason, and one for which there is none is a hole that others have seen.

use std::collections::BTreeSet;

use zk_proto::{SessionId, Zxid, session::WatchedEventKind};

use crate::sim::{Change, Truth, Violation};

/// What is known to have been asked for.
#[derive(Default)]
pub(super) struct Reasons {
    /// Who has let go of which node.
    left: BTreeSet<(String, SessionId)>,
    /// Who has let go of what is numbered, by a name that no other node's contains.
    left_numbered: BTreeSet<(String, SessionId)>,
    /// Nodes that operators have deleted, or are about to.
    disturbed: BTreeSet<String>,
    /// Whether a node was replaced at one stroke since that was last asked.
    replaced: bool,
}

impl Reasons {
    /// Notes that a node is not wanted any more by its owner.
    pub(super) fn leave(&mut self, path: &str, session: Option<SessionId>) {
        self.left.insert((path.to_string(), session.unwrap_or_default()));
    }

    /// Notes that a sequential node is not wanted any more by its owner.
    pub(super) fn leave_numbered(&mut self, name: &str, session: Option<SessionId>) {
        self.left_numbered.extend(session.map(|session| (name.to_string(), session)));
    }

    /// Notes that somebody else than the owner is about to delete a node.
    pub(super) fn disturb(&mut self, path: &str) {
        self.disturbed.insert(path.to_string());
    }

    /// Returns whether a node was replaced in one transaction since the last time.
    pub(super) fn take_replaced(&mut self) -> bool {
        std::mem::take(&mut self.replaced)
    }

    /// Looks for the reason of a change, if it is a deletion.
    pub(super) fn check(&mut self, truth: &Truth, change: &Change) -> Result<(), Violation> {
        if change.kind != WatchedEventKind::NodeDeleted {
            return Ok(());
        }
        let earlier = Zxid(change.zxid.0 - 1);
        let Some(before) = truth.node_at(&change.path, earlier) else { return Ok(()) };
        if truth.node_at(&change.path, change.zxid).is_some() {
            self.replaced = true;
            return Ok(());
        }
        let has_ended =
            truth.session(before.owner).is_some_and(|life| life.ended.is_some_and(|(at, _)| at == change.zxid));
        let by = truth.deed(change.zxid).map(|deed| deed.session).unwrap_or_default();
        let has_left = self.left.contains(&(change.path.to_string(), by));
        let is_own = by == before.owner;
        // What belongs to no session is deleted in whichever its keeper has by then.
        let is_nobodys = before.owner == SessionId(0) && self.left.iter().any(|(path, _)| **path == *change.path);
        let is_numbered = || {
            let mut left = self.left_numbered.iter();
            left.any(|(name, session)| *session == by && change.path.contains(name.as_str()))
        };
        // Replaced between his look and his deletion, perhaps more than once: no condition of ZooKeeper's tells two nodes of the same
        // version apart.
        let is_mistaken = || {
            let states = truth.states(&change.path, Zxid(0), earlier);
            states.iter().flatten().any(|was| (was.owner, was.version) == (by, before.version))
        };
        let is_disturbed = by != before.owner && self.disturbed.contains(&*change.path);
        if has_ended || is_disturbed || is_nobodys || has_left && (is_own || is_mistaken()) || is_own && is_numbered() {
            return Ok(());
        }
        let what = format!("{by} deletes {} of {} in {}, for no reason", change.path, before.owner, change.zxid);
        Err(Violation::new("registration", what))
    }
}
