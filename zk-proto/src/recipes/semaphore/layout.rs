//! Where leases lie, so that clients in other languages see them.

use super::super::{guid::Guid, lock::LockLayout};
use crate::code::CreateMode;

/// The nodes of a semaphore. The layouts do not see each other's leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SemaphoreLayout {
    /// A lock at `<path>/locks` and the leases `<path>/leases/_c_<uuid>-lease-<number>`, as Apache Curator's
    /// `InterProcessSemaphoreV2`; with one lease in all, as its `InterProcessSemaphoreMutex`.
    ///
    /// Nobody checks whether all agree on the number of leases. Whoever is next has his leases there already while he waits for
    /// the last of them.
    #[default]
    Curator,
    /// A lock at `<path>-__lock__`, the leases `<path>/<32 digits>`, and the number of leases as the data of the path, in
    /// decimal digits, as kazoo's `Semaphore`.
    ///
    /// Whoever counts with another number gets an [error](super::SemaphoreError::OtherMaximum). Data that is no number is left
    /// alone, and tells nothing. The path is made as a persistent node.
    Kazoo,
}

impl SemaphoreLayout {
    pub(super) fn lock_path(self, path: &str) -> String {
        match self {
            Self::Curator => super::super::janitor::child(path, "locks"),
            Self::Kazoo => format!("{path}-__lock__"),
        }
    }

    pub(super) fn lock_layout(self) -> LockLayout {
        match self {
            Self::Curator => LockLayout::Curator,
            Self::Kazoo => LockLayout::Kazoo,
        }
    }

    /// Returns what the leases are below of.
    pub(super) fn leases_path(self, path: &str) -> String {
        match self {
            Self::Curator => super::super::janitor::child(path, "leases"),
            Self::Kazoo => path.to_string(),
        }
    }

    /// Returns the name of a lease, or what it begins with, and how it is made.
    pub(super) fn lease(self, guid: Guid) -> (String, CreateMode) {
        match self {
            Self::Curator => (format!("_c_{}-lease-", guid.dashed()), CreateMode::EphemeralSequential),
            Self::Kazoo => (guid.plain(), CreateMode::Ephemeral),
        }
    }

    /// Returns whether leases may only be made where there is room for them.
    pub(super) fn wants_room_first(self) -> bool {
        match self {
            Self::Curator => false,
            Self::Kazoo => true,
        }
    }
}

/// Reads the number of leases that kazoo's clients have written.
pub(super) fn stored_maximum(data: &[u8]) -> Option<i64> {
    std::str::from_utf8(data).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_lie_where_the_others_look() {
        let curator = SemaphoreLayout::Curator;
        assert_eq!((curator.lock_path("/s"), curator.leases_path("/s")), ("/s/locks".into(), "/s/leases".into()));
        let kazoo = SemaphoreLayout::Kazoo;
        assert_eq!((kazoo.lock_path("/s"), kazoo.leases_path("/s")), ("/s-__lock__".into(), "/s".into()));
    }

    #[test]
    fn a_stored_maximum_is_a_decimal_number_and_anything_else_tells_nothing() {
        for (data, maximum) in
            [("3", Some(3)), (" 12\n", Some(12)), ("-1", Some(-1)), ("", None), ("three", None), ("3.5", None)]
        {
            assert_eq!(stored_maximum(data.as_bytes()), maximum, "{data:?}");
        }
        assert_eq!(stored_maximum(&[0, 0, 0, 7]), None);
    }
}
