//! Who waits for whom.

use std::fmt;

use zk_blocking::{
    Client, Wait,
    recipes::{Held, Lock, LockLayout},
};

use crate::{
    ground::Ground,
    ours::Doing,
    peer::{Asked, Peer},
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
use LockLayout::{Curator as CuratorNames, GoZookeeper as GoNames, Kazoo as KazooNames};

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

/// Somebody who can lock.
enum Party {
    Ours(Client, LockLayout),
    /// Who is asked for this, with a path for the gap.
    Theirs(Peer, &'static str),
}

/// Something that somebody holds.
enum Holding {
    Ours(Held),
    Theirs(Peer, String),
}

/// Somebody who wants to.
enum Wanting {
    Ours(Doing<Held>),
    Theirs(Asked, Peer, String),
}

impl Party {
    fn new(ground: &Ground, kind: Kind) -> Self {
        match kind {
            Ours(layout) => Self::Ours(ground.ours(), layout),
            Curator => Self::Theirs(ground.curator(), "lock acquire _"),
            Kazoo => Self::Theirs(ground.kazoo(), "lock acquire _"),
            KazooWithPattern => Self::Theirs(ground.kazoo(), "lock acquire _ somebody lock-"),
            KazooAsCurator => Self::Theirs(ground.kazoo(), "lock acquire-as-curator _"),
        }
    }

    fn want(&self, path: &str) -> Wanting {
        match self {
            Self::Ours(client, layout) => {
                let lock = Lock::new(client, path).unwrap().layout(*layout);
                Wanting::Ours(Doing::new(client, async move { lock.acquire().await.unwrap() }))
            }
            Self::Theirs(peer, request) => {
                Wanting::Theirs(peer.begin(&request.replace('_', path)), peer.clone(), path.to_owned())
            }
        }
    }
}

impl Wanting {
    fn is_waiting(&mut self) -> bool {
        match self {
            Self::Ours(doing) => doing.is_waiting(),
            Self::Theirs(asked, ..) => asked.is_waiting(),
        }
    }

    fn get(self) -> Holding {
        match self {
            Self::Ours(doing) => Holding::Ours(doing.done()),
            Self::Theirs(asked, peer, path) => {
                assert_eq!(asked.answer(), "held");
                Holding::Theirs(peer, path)
            }
        }
    }
}

impl Holding {
    fn release(self) {
        match self {
            Self::Ours(held) => held.release().wait().unwrap(),
            Self::Theirs(peer, path) => _ = peer.ask(&format!("lock release {path}")),
        }
    }
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
    let ground = Ground::new();
    let holders = KINDS.map(|kind| (kind, Party::new(&ground, kind)));
    let challengers = KINDS.map(|kind| (kind, Party::new(&ground, kind)));
    let mut wrong = Vec::new();
    for (i, (holder, has)) in holders.iter().enumerate() {
        for (j, (challenger, wants)) in challengers.iter().enumerate() {
            let path = format!("/lock-{i}-{j}");
            let held = has.want(&path).get();
            let mut wanting = wants.want(&path);
            if wanting.is_waiting() != respects(*challenger, *holder) {
                wrong.push(format!("{challenger} does otherwise while the lock is held by {holder}"));
            }
            held.release();
            wanting.get().release();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
    let mut wanting = KINDS.map(|kind| Party::new(&ground, kind).want("/lock"));
    wanting.iter_mut().for_each(|wanting| _ = wanting.is_waiting());

    let (names, _) = client.get_children("/lock").wait().unwrap();
    let mut numbers: Vec<_> = names.iter().map(number_by_go).collect();
    numbers.sort();
    assert_eq!(numbers, (0..KINDS.len()).map(Some).collect::<Vec<_>>(), "{names:?}");
}
