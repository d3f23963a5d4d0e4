//! How participants are named, so that clients in other languages see them.

use super::super::{
    guid::Guid,
    line::{Contender, Names, Number, everybody},
    lock::LockLayout,
};

/// The names of the nodes below an election.
///
/// All participants and observers of an election use the same layout, except that `CuratorSelector` and `Kazoo` count each other's
/// names, as [`LockLayout`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElectionLayout {
    /// `_c_<uuid>-latch-<number>`, as Apache Curator's `LeaderLatch`.
    #[default]
    Curator,
    /// `_c_<uuid>-lock-<number>`, as Curator's `LeaderSelector`, whose leader holds Curator's `InterProcessMutex` of that path, and
    /// a [`Lock`](crate::recipes::Lock).
    CuratorSelector,
    /// `<32 digits>__lock__<number>`, as kazoo's `Election`, whose leader holds kazoo's `Lock` of that path.
    Kazoo,
}

impl ElectionLayout {
    /// Returns what the nodes are called.
    pub(super) fn names(self) -> Names {
        match self {
            Self::Curator => {
                let prefix: fn(Guid) -> String = |guid| format!("_c_{}-latch-", guid.dashed());
                Names { prefix, contender, is_awaited: everybody }
            }
            Self::CuratorSelector => LockLayout::Curator.names(),
            Self::Kazoo => LockLayout::Kazoo.names(),
        }
    }
}

/// Reads a name as that of a participant.
fn contender(name: &str) -> Option<Contender<'_>> {
    let number = name.rsplit_once("latch-").and_then(|(_, number)| Number::parse(number))?;
    Some(Contender { name, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layout_counts_its_own_names_and_no_strangers() {
        let latch = "_c_3be498f4-e420-4aaa-bb40-031367eba665-latch-0000000007";
        let selector = "_c_3be498f4-e420-4aaa-bb40-031367eba665-lock-0000000007";
        let kazoo = "2df2301d2b0546b1a40cb7594efb1a35__lock__0000000007";
        let strangers = ["latch-7", "latch-0000000007-x", "epoch", "_c_3be498f4-latch-", "latch0000000007"];
        for (layout, counted) in [
            (ElectionLayout::Curator, &[latch, "latch-0000000007", "x-latch--2147483648"][..]),
            (ElectionLayout::CuratorSelector, &[selector, kazoo]),
            (ElectionLayout::Kazoo, &[selector, kazoo]),
        ] {
            let contender = layout.names().contender;
            let is_counted = |name: &&str| contender(name).is_some();
            let all = [latch, selector, kazoo, "latch-0000000007", "x-latch--2147483648"];
            let found: Vec<&str> = all.into_iter().filter(is_counted).collect();
            assert_eq!(found.len(), counted.len(), "{layout:?}: {found:?}");
            assert!(counted.iter().all(|name| found.contains(name)), "{layout:?}: {found:?}");
            assert!(!strangers.iter().any(is_counted), "{layout:?}");
        }
    }

    #[test]
    fn our_names_are_those_of_the_layout() {
        for (layout, end) in [
            (ElectionLayout::Curator, "-latch-"),
            (ElectionLayout::CuratorSelector, "-lock-"),
            (ElectionLayout::Kazoo, "__lock__"),
        ] {
            let client = crate::client::Builder::new("a").expect("a name").build([7; 32]).0;
            let names = layout.names();
            let prefix = (names.prefix)(Guid::new(&client));
            assert!(prefix.ends_with(end), "{layout:?}: {prefix}");
            let name = format!("{prefix}0000000003");
            assert!((names.contender)(&name).is_some(), "{layout:?}: {name}");
        }
    }
}
