//! Many who want the same: who waits for whom.

use std::{
    fmt::{self, Debug, Display},
    future::Future,
};

use zk_blocking::Client;

use crate::{
    ground::Ground,
    ours::{Doing, soon},
    peer::{Asked, Peer},
};

/// What gives something back that somebody has.
pub(crate) struct Release(Box<dyn FnOnce()>);

/// Somebody who wants something.
pub(crate) enum Wanting {
    Ours(Doing<Release>),
    Theirs(Asked, Release),
}

/// Somebody who can want what is at a path.
pub(crate) type Party = Box<dyn Fn(&str) -> Wanting>;

impl Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Release").finish_non_exhaustive()
    }
}

impl Release {
    pub(crate) fn release(self) {
        (self.0)();
    }
}

/// Makes one of ours want something, and give it back.
pub(crate) fn ours<T, R, E: Debug>(
    client: &Client,
    acquire: impl Future<Output = T> + 'static,
    release: impl FnOnce(T) -> R + 'static,
) -> Wanting
where
    T: 'static,
    R: Future<Output = Result<(), E>>,
{
    let had = async move {
        let held = acquire.await;
        Release(Box::new(move || soon(release(held)).expect("the server takes it back")))
    };
    Wanting::Ours(Doing::new(client, had))
}

/// Makes a peer want something, with one request, and give it back with another.
pub(crate) fn theirs(peer: &Peer, acquire: &str, release: String) -> Wanting {
    let owner = peer.clone();
    Wanting::Theirs(peer.begin(acquire), Release(Box::new(move || _ = owner.ask(&release))))
}

impl Wanting {
    #[track_caller]
    pub(crate) fn is_waiting(&mut self) -> bool {
        match self {
            Self::Ours(doing) => doing.is_waiting(),
            Self::Theirs(asked, _) => asked.is_waiting(),
        }
    }

    #[track_caller]
    pub(crate) fn waits(&mut self) {
        match self {
            Self::Ours(doing) => doing.waits(),
            Self::Theirs(asked, _) => asked.waits(),
        }
    }

    /// Waits until it is had.
    #[track_caller]
    pub(crate) fn get(self) -> Release {
        match self {
            Self::Ours(doing) => doing.done(),
            Self::Theirs(asked, release) => {
                assert_eq!(asked.answer(), "held");
                release
            }
        }
    }
}

/// Lets one of each kind have it while another wants it, and compares who waits with `respects(challenger, holder)`.
#[track_caller]
pub(crate) fn compare<K: Copy + Display>(
    kinds: &[K],
    party: impl Fn(&Ground, K) -> Party,
    respects: impl Fn(K, K) -> bool,
) {
    let ground = Ground::new();
    let parties = || kinds.iter().map(|kind| (*kind, party(&ground, *kind))).collect::<Vec<_>>();
    let (holders, challengers) = (parties(), parties());
    let mut wrong = Vec::new();
    for (i, (holder, has)) in holders.iter().enumerate() {
        for (j, (challenger, wants)) in challengers.iter().enumerate() {
            let path = format!("/contest-{i}-{j}");
            let held = has(&path).get();
            let mut wanting = wants(&path);
            let waits = wanting.is_waiting();
            if waits != respects(*challenger, *holder) {
                wrong.push(format!("{challenger} {} for {holder}", if waits { "waits" } else { "does not wait" }));
            }
            held.release();
            wanting.get().release();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
