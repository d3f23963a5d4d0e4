//! How readers and writers are named, so that clients in other languages see them.

use super::super::{
    guid::Guid,
    line::{Contender, Names, Number, everybody},
};
use crate::broken::broken;

/// The names of the nodes below a readers-writer lock.
///
/// Curator and kazoo do not see each other's. What is counted here does not depend on the layout: names of both.
///
/// | holder | waits for it |
/// |---|---|
/// | ours, `Curator` | ours, Curator |
/// | ours, `Kazoo` | ours, kazoo |
/// | Curator, kazoo | ours, whatever the layout |
///
/// A plain [`Lock`](super::super::Lock) on the same path does not go with it: with names as kazoo's it counts as a writer that does
/// not wait for readers, with others it does not count at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RwLockLayout {
    /// `_c_<uuid>-__READ__<number>` and `_c_<uuid>-__WRIT__<number>`, as Apache Curator's `InterProcessReadWriteLock`.
    #[default]
    Curator,
    /// `<32 digits>__rlock__<number>` and `<32 digits>__lock__<number>`, as kazoo's `ReadLock` and `WriteLock`.
    Kazoo,
}

impl RwLockLayout {
    /// Returns what the nodes of readers are called. They wait for writers.
    pub(super) fn readers(self) -> Names {
        let prefix: fn(Guid) -> String = match self {
            Self::Curator => |guid| format!("_c_{}-__READ__", guid.dashed()),
            Self::Kazoo => |guid| format!("{}__rlock__", guid.plain()),
        };
        Names { prefix, contender, is_awaited: is_writer }
    }

    /// Returns what the nodes of writers are called. They wait for everybody.
    pub(super) fn writers(self) -> Names {
        let prefix: fn(Guid) -> String = match self {
            Self::Curator => |guid| format!("_c_{}-__WRIT__", guid.dashed()),
            Self::Kazoo => |guid| format!("{}__lock__", guid.plain()),
        };
        let is_awaited = if broken!("rw lock: writers wait for writers only") { is_writer } else { everybody };
        Names { prefix, contender, is_awaited }
    }
}

/// What somebody in line is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    Read,
    Write,
}

const MARKS: [(&str, Intent); 4] =
    [("__READ__", Intent::Read), ("__WRIT__", Intent::Write), ("__rlock__", Intent::Read), ("__lock__", Intent::Write)];

fn parse(name: &str) -> Option<(Intent, Number)> {
    MARKS.iter().find_map(|(mark, intent)| {
        let (_, number) = name.rsplit_once(mark)?;
        Some((*intent, Number::parse(number)?))
    })
}

fn contender(name: &str) -> Option<Contender<'_>> {
    parse(name).map(|(_, number)| Contender { name, number })
}

fn is_writer(name: &str) -> bool {
    matches!(parse(name), Some((Intent::Write, _)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_and_writers_of_every_layout_count_and_others_do_not() {
        for (name, intent) in [
            ("_c_3be498f4-e420-4aaa-bb40-031367eba665-__READ__0000000007", Intent::Read),
            ("_c_3be498f4-e420-4aaa-bb40-031367eba665-__WRIT__0000000007", Intent::Write),
            ("2df2301d2b0546b1a40cb7594efb1a35__rlock__0000000007", Intent::Read),
            ("2df2301d2b0546b1a40cb7594efb1a35__lock__0000000007", Intent::Write),
        ] {
            assert_eq!(
                parse(name).map(|(intent, number)| (intent, number.to_string())),
                Some((intent, "0000000007".into()))
            );
            assert_eq!(is_writer(name), intent == Intent::Write, "{name}");
        }
        for name in ["_c_3be498f4-lock-0000000007", "x__READ__", "x__WRIT__7", "x__rlock__0000000007-", "config"] {
            assert_eq!(parse(name), None, "{name}");
            assert!(!is_writer(name) && contender(name).is_none(), "{name}");
        }
        assert!(is_writer("x-__WRIT__-2147483648"), "a counter that has wrapped");
    }
}
