//! Containers and TTL nodes, which go by themselves.

use std::{sync::Arc, time::Duration};

use zk_proto::Instant;

use super::{
    Server,
    node::{Node, Owner},
    options::millis,
};

impl Server {
    /// Returns when to look after containers and TTL nodes, if there are any.
    pub(super) fn reaping_due(&self) -> Option<Instant> {
        let is_empty = self.tree.containers.is_empty() && self.tree.with_ttl.is_empty();
        (!is_empty && self.replica.is_none()).then_some(self.next_reaping)
    }

    /// Returns the containers and TTL nodes whose time is over, when it is time to look after them. Each one is to be deleted
    /// in a transaction of its own.
    pub(super) fn take_overdue_nodes(&mut self) -> Vec<Arc<str>> {
        if self.next_reaping > self.now {
            return Vec::new();
        }
        self.next_reaping = self.now + self.options.container_check_interval.max(Duration::from_millis(1));
        // On a server without a quorum nothing is deleted, and in an ensemble the leader decides.
        if self.read_only.is_some() || self.replica.is_some() {
            return Vec::new();
        }
        let now = self.wall_ms();
        let limit = self.options.container_max_never_used.map(|limit| i64::try_from(millis(limit)).unwrap_or(i64::MAX));
        let candidates = self.tree.containers.iter().chain(&self.tree.with_ttl);
        let is_over = |path: &str| self.tree.get(path).is_some_and(|node| is_over(node, now, limit));
        candidates.filter(|path| is_over(path)).cloned().collect()
    }
}

/// A container goes when it has lost its last child, or, with a limit, when it never had one for so long. A TTL node goes
/// when it was not changed for so long and has no children.
fn is_over(node: &Node, now: i64, never_used_limit: Option<i64>) -> bool {
    let unchanged = now.saturating_sub(node.mtime);
    let is_left = match node.owner {
        Owner::None | Owner::Session(_) => false,
        Owner::Container => node.cversion > 0 || never_used_limit.is_some_and(|limit| unchanged > limit),
        Owner::Ttl(ttl) => unchanged > ttl,
    };
    is_left && node.children.is_empty()
}

#[cfg(test)]
mod tests {
    use zk_proto::Zxid;

    use super::*;

    #[test]
    fn a_container_goes_when_it_has_lost_its_last_child() {
        let mut node = node(Owner::Container);
        assert!(!is_over(&node, 1_000_000, None), "it never had one");
        node.cversion = 1;
        assert!(is_over(&node, 0, None));
        node.children.insert("/a/b".into());
        assert!(!is_over(&node, 1_000_000, None));
    }

    #[test]
    fn a_container_that_was_never_used_goes_when_that_is_wanted() {
        assert!(!is_over(&node(Owner::Container), 500, Some(500)));
        assert!(is_over(&node(Owner::Container), 501, Some(500)));
    }

    #[test]
    fn a_ttl_node_goes_when_it_was_not_changed_for_so_long() {
        let mut node = node(Owner::Ttl(500));
        assert!(!is_over(&node, 500, None));
        assert!(is_over(&node, 501, None));
        node.mtime = 100;
        assert!(!is_over(&node, 501, None));
    }

    fn node(owner: Owner) -> Node {
        Node::new(None, Arc::new([]), owner, Zxid(1), 0)
    }
}
