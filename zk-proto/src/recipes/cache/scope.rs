//! Which nodes of a tree are cached.

use core::fmt;
use std::sync::Arc;

type Filter = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Which nodes, and what of them.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) root: Arc<str>,
    /// Whether the root is a node like the others, or only where they are.
    pub(super) shows_root: bool,
    /// How many levels below the root.
    pub(super) depth: usize,
    pub(super) keeps_data: bool,
    pub(super) accept: Option<Filter>,
    pub(super) descend: Option<Filter>,
}

impl Scope {
    /// Returns whether a node is shown.
    pub(super) fn shows(&self, path: &str) -> bool {
        (self.shows_root || path != &*self.root) && self.accept.as_ref().is_none_or(|accept| accept(path))
    }

    /// Returns whether the children of a node belong to it.
    pub(super) fn descends(&self, path: &str) -> bool {
        self.level(path).is_some_and(|level| level < self.depth)
            && self.descend.as_ref().is_none_or(|descend| descend(path))
    }

    /// Returns whether a node belongs to it, given that its parent does.
    pub(super) fn contains(&self, path: &str) -> bool {
        path == &*self.root || self.shows(path) || self.descends(path)
    }

    /// Returns whether a node belongs to it, which may be anywhere.
    pub(super) fn reaches(&self, path: &str) -> bool {
        let Some(level) = self.level(path) else { return false };
        let above = crate::path::ancestors(path).skip(1).take(level);
        self.contains(path) && above.into_iter().all(|above| self.descends(above))
    }

    /// Returns how many levels a node is below the root.
    fn level(&self, path: &str) -> Option<usize> {
        let below = path.strip_prefix(if &*self.root == "/" { "" } else { &*self.root })?;
        match below {
            "" | "/" => Some(0),
            below if below.starts_with('/') => Some(below.matches('/').count()),
            _ => None,
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("root", &self.root).field("depth", &self.depth).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(root: &str, depth: usize) -> Scope {
        Scope { root: root.into(), shows_root: true, depth, keeps_data: true, accept: None, descend: None }
    }

    #[test]
    fn a_depth_counts_from_the_root() {
        for (root, depth, path, expected) in [
            ("/a", 0, "/a", true),
            ("/a", 0, "/a/b", false),
            ("/a", 1, "/a/b", true),
            ("/a", 1, "/a/b/c", false),
            ("/a", 9, "/ab", false),
            ("/a", 9, "/", false),
            ("/", 0, "/", true),
            ("/", 1, "/a", true),
            ("/", 1, "/a/b", false),
            ("/", 2, "/a/b", true),
        ] {
            assert_eq!(scope(root, depth).reaches(path), expected, "{path} from {root} to {depth}");
        }
    }

    #[test]
    fn what_is_not_accepted_is_passed_through_and_what_is_not_entered_ends_there() {
        let accept: Filter = Arc::new(|path| !path.ends_with("hidden"));
        let descend: Filter = Arc::new(|path| !path.ends_with("closed"));
        let scope = Scope { accept: Some(accept), descend: Some(descend), ..scope("/a", 9) };
        for (path, shows, reaches) in [
            ("/a/hidden", false, true),
            ("/a/hidden/b", true, true),
            ("/a/closed", true, true),
            ("/a/closed/b", true, false),
            ("/a/closed/b/c", true, false),
        ] {
            assert_eq!((scope.shows(path), scope.reaches(path)), (shows, reaches), "{path}");
        }
        assert!(!Scope { depth: 1, ..scope }.reaches("/a/hidden"), "neither shown nor entered");
    }
}
