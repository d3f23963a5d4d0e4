//! Semaphores: Curator's `InterProcessSemaphoreV2` and `InterProcessSemaphoreMutex`, kazoo's `Semaphore`.

use std::fmt;

use zk_blocking::{
    Client, Wait,
    recipes::{Lease, Maximum, Semaphore, SemaphoreError, SemaphoreLayout},
};

use crate::{
    contest::{self, Party, Wanting, compare, theirs},
    ground::Ground,
    languages::Library,
    ours::{Doing, soon},
    peer::Peer,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ours(SemaphoreLayout),
    Curator,
    CuratorsMutex,
    Kazoo,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

const KINDS: [Kind; 5] = [
    Kind::Ours(SemaphoreLayout::Curator),
    Kind::Ours(SemaphoreLayout::Kazoo),
    Kind::Curator,
    Kind::CuratorsMutex,
    Kind::Kazoo,
];

/// With names as kazoo's, whatever lies at the path is a lease: Curator's two nodes for locks and leases too, as long as they are there.
fn respects(challenger: Kind, holder: Kind) -> bool {
    let is_as_kazoo = |kind| matches!(kind, Kind::Kazoo | Kind::Ours(SemaphoreLayout::Kazoo));
    is_as_kazoo(challenger) || !is_as_kazoo(holder)
}

fn ours(client: &Client, semaphore: Semaphore) -> Wanting {
    contest::ours(client, async move { semaphore.acquire().await.unwrap() }, Lease::release)
}

fn of_peer(peer: &Peer, path: &str, leases: u32) -> Wanting {
    theirs(peer, &format!("semaphore acquire {path} {leases}"), format!("semaphore release {path}"))
}

fn party(ground: &Ground, kind: Kind) -> Party {
    match kind {
        Kind::Ours(layout) => {
            let client = ground.ours();
            Box::new(move |path| ours(&client, Semaphore::new(&client, path, 1).unwrap().layout(layout)))
        }
        Kind::Curator => {
            let peer = ground.curator();
            Box::new(move |path| of_peer(&peer, path, 1))
        }
        Kind::CuratorsMutex => {
            let peer = ground.curator();
            let (acquire, release) = ("semaphore-mutex acquire", "semaphore-mutex release");
            Box::new(move |path| theirs(&peer, &format!("{acquire} {path}"), format!("{release} {path}")))
        }
        Kind::Kazoo => {
            let peer = ground.kazoo();
            Box::new(move |path| of_peer(&peer, path, 1))
        }
    }
}

#[test]
fn everybody_waits_for_whom_they_are_said_to_wait_for() {
    compare(&KINDS, party, respects);
}

fn layout(library: Library) -> SemaphoreLayout {
    match library {
        Library::Curator => SemaphoreLayout::Curator,
        Library::Kazoo => SemaphoreLayout::Kazoo,
    }
}

fn leases_are_shared_in_the_order_of_arrival(library: Library) {
    let ground = Ground::new();
    let (one, two) = (ground.ours(), ground.ours());
    let semaphore = |client: &Client| Semaphore::new(client, "/leases", 3).unwrap().layout(layout(library));
    let peers = [ground.peer(library), ground.peer(library), ground.peer(library)];
    let first = of_peer(&peers[0], "/leases", 3).get();
    let both = soon(semaphore(&one).acquire_many(2)).unwrap();
    assert_eq!(peers[1].ask("semaphore try /leases 3"), "no");
    assert!(soon(semaphore(&one).try_acquire()).unwrap().is_none());

    let mut theirs = of_peer(&peers[1], "/leases", 3);
    theirs.waits();
    let mut ours = ours(&two, semaphore(&two));
    ours.waits();
    let mut last = of_peer(&peers[2], "/leases", 3);
    last.waits();
    first.release();
    let theirs = theirs.get();
    ours.waits();
    last.waits();
    for lease in both {
        lease.release().wait().unwrap();
    }
    let (ours, last) = (ours.get(), last.get());
    assert_eq!(peers[0].ask("semaphore try /leases 3"), "no");
    for release in [theirs, ours, last] {
        release.release();
    }
    assert!(soon(semaphore(&one).leases()).unwrap().is_empty());
}

#[test]
fn leases_are_shared_with_curator_in_the_order_of_arrival() {
    leases_are_shared_in_the_order_of_arrival(Library::Curator);
}

#[test]
fn leases_are_shared_with_kazoo_in_the_order_of_arrival() {
    leases_are_shared_in_the_order_of_arrival(Library::Kazoo);
}

fn the_end_of_a_process_gives_its_leases_back(library: Library) {
    let ground = Ground::new();
    let client = ground.ours();
    let semaphore = |client: &Client| Semaphore::new(client, "/leases", 1).unwrap().layout(layout(library));
    let (victim, second) = (ground.victim(library), ground.victim(library));
    of_peer(&victim, "/leases", 1).get();
    // He has his turn, and maybe his lease already, when he is killed too.
    let mut middle = of_peer(&second, "/leases", 1);
    middle.waits();
    let mut waiting = ours(&client, semaphore(&client));
    waiting.waits();
    second.kill();
    victim.kill();
    waiting.get().release();

    let mortal = ground.mortal();
    let lease = soon(semaphore(&mortal.client).acquire()).unwrap();
    let mut waiting = of_peer(&ground.peer(library), "/leases", 1);
    waiting.waits();
    mortal.vanish();
    waiting.get().release();
    soon(lease.lost());
}

#[test]
fn the_end_of_a_process_of_curators_gives_its_leases_back() {
    the_end_of_a_process_gives_its_leases_back(Library::Curator);
}

#[test]
fn the_end_of_a_process_of_kazoos_gives_its_leases_back() {
    the_end_of_a_process_gives_its_leases_back(Library::Kazoo);
}

fn one_of_ours_who_gives_up_waiting_is_passed(library: Library) {
    let ground = Ground::new();
    let client = ground.ours();
    let semaphore = Semaphore::new(&client, "/leases", 1).unwrap().layout(layout(library));
    let (first, last) = (ground.peer(library), ground.peer(library));
    let held = of_peer(&first, "/leases", 1).get();
    let mut middle = ours(&client, semaphore);
    middle.waits();
    let mut waiting = of_peer(&last, "/leases", 1);
    waiting.waits();
    drop(middle);
    waiting.waits();
    held.release();
    waiting.get().release();
}

#[test]
fn one_of_ours_who_gives_up_waiting_is_passed_by_curator() {
    one_of_ours_who_gives_up_waiting_is_passed(Library::Curator);
}

#[test]
fn one_of_ours_who_gives_up_waiting_is_passed_by_kazoo() {
    one_of_ours_who_gives_up_waiting_is_passed(Library::Kazoo);
}

#[test]
fn ours_and_kazoo_refuse_to_count_with_different_numbers() {
    let ground = Ground::new();
    let client = ground.ours();
    let kazoo = ground.kazoo();
    let semaphore = |path, max| Semaphore::new(&client, path, max).unwrap().layout(SemaphoreLayout::Kazoo);
    kazoo.ask("semaphore acquire /theirs 2");
    let refused = soon(semaphore("/theirs", 3).acquire()).unwrap_err();
    assert_eq!(refused, SemaphoreError::OtherMaximum { stored: 2, max: 3 });
    let _lease = soon(semaphore("/theirs", 2).acquire()).unwrap();

    let _own = soon(semaphore("/ours", 3).acquire()).unwrap();
    let refused = kazoo.begin("semaphore try /ours 2").failure();
    assert!(refused.starts_with("ValueError: Inconsistent max leases: 3, expected: 2"), "{refused}");
    assert_eq!(ground.kazoo().ask("semaphore try /ours 3"), "yes");
}

#[test]
fn how_many_leases_there_are_is_told_by_a_shared_count() {
    let ground = Ground::new();
    let client = ground.ours();
    let (curator, teller) = (ground.curator(), ground.curator());
    teller.ask("count start /count 1");
    of_peer(&curator, "/leases", 2).get();
    let semaphore = Semaphore::new(&client, "/leases", Maximum::Node("/count".into())).unwrap();
    let mut waiting = Doing::new(&client, async move { semaphore.acquire().await.unwrap() });
    waiting.waits();

    teller.ask("count set /count 2");
    waiting.done().release().wait().unwrap();
}
