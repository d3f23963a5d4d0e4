//! The lists that a server keeps, and which kind of watch is on which and hears what.

use super::super::WatchedEventKind;
use crate::{code::WatcherType, request::WatchKind};

/// The lists that a server keeps for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Data,
    Child,
    Persistent,
    Recursive,
}

impl List {
    pub(super) const ALL: [Self; 4] = [Self::Data, Self::Child, Self::Persistent, Self::Recursive];

    pub(super) fn of(kind: WatchKind) -> Self {
        match kind {
            WatchKind::Data | WatchKind::Exist => Self::Data,
            WatchKind::Child => Self::Child,
            WatchKind::Persistent => Self::Persistent,
            WatchKind::PersistentRecursive => Self::Recursive,
        }
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }

    pub(super) fn watcher_type(self) -> WatcherType {
        match self {
            Self::Data => WatcherType::Data,
            Self::Child => WatcherType::Children,
            Self::Persistent => WatcherType::Persistent,
            Self::Recursive => WatcherType::PersistentRecursive,
        }
    }
}

pub(super) const PERSISTENT_LISTS: u8 = 1 << List::Persistent as u8 | 1 << List::Recursive as u8;

/// Returns a kind as a member of a set.
pub(super) fn bit(kind: WatchKind) -> u8 {
    1 << kind as u8
}

/// Returns whether one of these kinds, on the same path, hears all that a watch of `kind` can be told.
pub(super) fn can_carry(kinds: u8, kind: WatchKind) -> bool {
    let recursive = kinds & bit(WatchKind::PersistentRecursive) != 0;
    match kind {
        WatchKind::PersistentRecursive => false,
        WatchKind::Persistent => recursive,
        WatchKind::Data | WatchKind::Exist | WatchKind::Child => recursive || kinds & bit(WatchKind::Persistent) != 0,
    }
}

/// Returns the one-shot lists that such an event uses up at the server.
pub(super) fn fired_lists(kind: WatchedEventKind) -> u8 {
    match kind {
        WatchedEventKind::NodeCreated | WatchedEventKind::NodeDataChanged => List::Data.bit(),
        WatchedEventKind::NodeDeleted => List::Data.bit() | List::Child.bit(),
        WatchedEventKind::NodeChildrenChanged => List::Child.bit(),
        WatchedEventKind::Resync | WatchedEventKind::Unsupported => 0,
    }
}

/// Returns whether a watch on the event's own path hears it. Recursive watches are asked separately.
pub(super) fn hears(watch: WatchKind, event: WatchedEventKind) -> bool {
    match event {
        WatchedEventKind::NodeCreated | WatchedEventKind::NodeDataChanged => {
            matches!(watch, WatchKind::Data | WatchKind::Exist | WatchKind::Persistent)
        }
        WatchedEventKind::NodeDeleted => watch != WatchKind::PersistentRecursive,
        WatchedEventKind::NodeChildrenChanged => matches!(watch, WatchKind::Child | WatchKind::Persistent),
        WatchedEventKind::Resync | WatchedEventKind::Unsupported => false,
    }
}
