//! How contenders for a lock are named, so that clients in other languages see them.

use super::super::{
    guid::Guid,
    line::{Contender, Names, Number, everybody},
};

/// The names of the nodes below a lock.
///
/// Clients respect each other's locks only where they count each other's names. What is counted here does not depend on the layout:
/// names of all of these.
///
/// | holder | who waits for it |
/// |---|---|
/// | ours, `Curator` or `GoZookeeper` | ours, Curator, go-zookeeper; kazoo with `extra_lock_patterns=["lock-"]` |
/// | ours, `Kazoo` | ours, kazoo, go-zookeeper |
/// | Curator, go-zookeeper, kazoo | ours, whatever the layout |
///
/// Curator does not respect kazoo whoever else is there, nor does kazoo respect Curator unless it has that pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockLayout {
    /// `_c_<uuid>-lock-<number>`, as Apache Curator's `InterProcessMutex` and `LeaderSelector`.
    #[default]
    Curator,
    /// `<32 digits>__lock__<number>`, as kazoo's `Lock` and `Election`.
    Kazoo,
    /// `_c_<32 digits>-lock-<number>`, as go-zookeeper's `Lock`.
    GoZookeeper,
}

impl LockLayout {
    /// Returns what the nodes are called.
    pub(crate) fn names(self) -> Names {
        let prefix: fn(Guid) -> String = match self {
            Self::Curator => |guid| format!("_c_{}-lock-", guid.dashed()),
            Self::Kazoo => |guid| format!("{}__lock__", guid.plain()),
            Self::GoZookeeper => |guid| format!("_c_{}-lock-", guid.plain()),
        };
        Names { prefix, contender, is_awaited: everybody }
    }
}

/// Reads a name as that of a contender.
pub(crate) fn contender(name: &str) -> Option<Contender<'_>> {
    let after = |mark| name.rsplit_once(mark).and_then(|(_, number)| Number::parse(number));
    let number = after("lock-").or_else(|| after("__lock__"))?;
    Some(Contender { name, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_layout_count_and_others_do_not() {
        for name in [
            "_c_3be498f4-e420-4aaa-bb40-031367eba665-lock-0000000007",
            "2df2301d2b0546b1a40cb7594efb1a35__lock__0000000007",
            "_c_2df2301d2b0546b1a40cb7594efb1a35-lock-0000000007",
            "lock-0000000007",
        ] {
            assert_eq!(contender(name).map(|contender| contender.number), Number::parse("0000000007"), "{name}");
        }
        for name in ["lease-0000000007", "lock-", "lock-7", "__rlock__", "config", "lock-0000000007-x"] {
            assert_eq!(contender(name), None, "{name}");
        }
        assert!(contender("x-lock--2147483648").is_some(), "a counter that has wrapped");
    }
}
