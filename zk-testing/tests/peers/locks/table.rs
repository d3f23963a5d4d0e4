//! Who waits for whom.

use std::fmt;

use zk_blocking::{
    Wait,
    recipes::{
        Held, Lock,
        LockLayout::{self, Curator as CuratorNames, GoZookeeper as GoNames, Kazoo as KazooNames},
    },
};

use crate::{
    contest::{self, Party, compare, theirs},
    ground::Ground,
};

/// How somebody locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ours(LockLayout),
    Curator,
    Kazoo,
    /// With `extra_lock_patterns=["lock-"]`.
    KazooWithPattern,
    /// With a subclass of its lock that names nodes as Curator does.
    KazooAsCurator,
}

use Kind::{Curator, Kazoo, KazooAsCurator, KazooWithPattern, Ours};

const KINDS: [Kind; 7] =
    [Ours(CuratorNames), Ours(KazooNames), Ours(GoNames), Curator, Kazoo, KazooWithPattern, KazooAsCurator];

/// Returns whether `challenger` waits while `holder` holds the lock.
fn respects(challenger: Kind, holder: Kind) -> bool {
    match challenger {
        Ours(_) | KazooWithPattern => true,
        Curator | KazooAsCurator => matches!(holder, Curator | KazooAsCurator | Ours(CuratorNames | GoNames)),
        Kazoo => matches!(holder, Kazoo | KazooWithPattern | Ours(KazooNames)),
    }
}

fn party(ground: &Ground, kind: Kind) -> Party {
    let (peer, acquire, rest) = match kind {
        Ours(layout) => {
            let client = ground.ours();
            return Box::new(move |path| {
                let lock = Lock::new(&client, path).unwrap().layout(layout);
                contest::ours(&client, async move { lock.acquire().await.unwrap() }, Held::release)
            });
        }
        Curator => (ground.curator(), "acquire", ""),
        Kazoo => (ground.kazoo(), "acquire", ""),
        KazooWithPattern => (ground.kazoo(), "acquire", " somebody lock-"),
        KazooAsCurator => (ground.kazoo(), "acquire-as-curator", ""),
    };
    Box::new(move |path| theirs(&peer, &format!("lock {acquire} {path}{rest}"), format!("lock release {path}")))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ours(layout) => write!(f, "ours with names as {layout:?}"),
            Curator | Kazoo => write!(f, "{self:?}"),
            KazooWithPattern => write!(f, "kazoo with a pattern"),
            KazooAsCurator => write!(f, "kazoo named as Curator"),
        }
    }
}

#[test]
fn everybody_waits_for_whom_they_are_said_to_wait_for() {
    compare(&KINDS, party, respects);
}

/// Returns what go-zookeeper takes for the number of a child, as `parseSeq` of its `lock.go` does. It waits for whoever has a lower
/// one, and fails where there is none.
fn number_by_go(name: &str) -> Option<usize> {
    let mut parts: Vec<_> = name.split('-').collect();
    if parts.len() == 1 {
        parts = name.split("__").collect();
    }
    parts.last()?.parse().ok()
}

#[test]
fn go_zookeeper_can_read_the_number_of_everybody() {
    let ground = Ground::new();
    let client = ground.ours();
    let mut wanting = KINDS.map(|kind| party(&ground, kind)("/lock"));
    wanting.iter_mut().for_each(|wanting| _ = wanting.is_waiting());

    let (names, _) = client.get_children("/lock").wait().unwrap();
    let mut numbers: Vec<_> = names.iter().map(number_by_go).collect();
    numbers.sort();
    assert_eq!(numbers, (0..KINDS.len()).map(Some).collect::<Vec<_>>(), "{names:?}");
}
