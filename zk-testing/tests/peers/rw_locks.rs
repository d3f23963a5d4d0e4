//! Locks for many readers or one writer: Curator's `InterProcessReadWriteLock`, kazoo's `ReadLock` and `WriteLock`.

use std::fmt;

use zk_blocking::{
    Client, Wait,
    recipes::{Held, HeldWrite, RwLock, RwLockLayout},
};

use crate::{
    contest::{self, Party, Wanting, compare, theirs},
    ground::Ground,
    languages::Library,
    ours::{Doing, soon},
    peer::Peer,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Ours(RwLockLayout),
    Theirs(Library),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    Read,
    Write,
}

use Intent::{Read, Write};

/// Somebody who wants to read or write.
#[derive(Clone, Copy, Debug)]
struct Kind(Who, Intent);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(who, intent) = self;
        write!(f, "{who:?} to {intent:?}")
    }
}

impl Who {
    /// Returns whose names one has.
    fn names(self) -> Library {
        match self {
            Self::Ours(RwLockLayout::Kazoo) | Self::Theirs(Library::Kazoo) => Library::Kazoo,
            Self::Ours(_) | Self::Theirs(Library::Curator) => Library::Curator,
        }
    }
}

fn respects(challenger: Kind, holder: Kind) -> bool {
    let sees = matches!(challenger.0, Who::Ours(_)) || challenger.0.names() == holder.0.names();
    sees && (challenger.1 == Write || holder.1 == Write)
}

fn ours(client: &Client, lock: RwLock, intent: Intent) -> Wanting {
    match intent {
        Read => contest::ours(client, async move { lock.read().await.unwrap() }, Held::release),
        Write => contest::ours(client, async move { lock.write().await.unwrap() }, HeldWrite::release),
    }
}

fn of_peer(peer: &Peer, path: &str, intent: Intent) -> Wanting {
    let recipe = match intent {
        Read => "read",
        Write => "write",
    };
    theirs(peer, &format!("{recipe} acquire {path}"), format!("{recipe} release {path}"))
}

fn party(ground: &Ground, Kind(who, intent): Kind) -> Party {
    match who {
        Who::Ours(layout) => {
            let client = ground.ours();
            Box::new(move |path| ours(&client, RwLock::new(&client, path).unwrap().layout(layout), intent))
        }
        Who::Theirs(library) => {
            let peer = ground.peer(library);
            Box::new(move |path| of_peer(&peer, path, intent))
        }
    }
}

#[test]
fn everybody_waits_for_whom_they_are_said_to_wait_for() {
    let all = [
        Who::Ours(RwLockLayout::Curator),
        Who::Ours(RwLockLayout::Kazoo),
        Who::Theirs(Library::Curator),
        Who::Theirs(Library::Kazoo),
    ];
    let kinds = all.map(|who| [Kind(who, Read), Kind(who, Write)]);
    compare(kinds.as_flattened(), party, respects);
}

fn layout(library: Library) -> RwLockLayout {
    match library {
        Library::Curator => RwLockLayout::Curator,
        Library::Kazoo => RwLockLayout::Kazoo,
    }
}

fn a_mixed_line_of_readers_and_writers_is_served_in_its_order(library: Library) {
    let ground = Ground::new();
    let path = "/lock";
    let (one, two) = (ground.ours(), ground.ours());
    let lock = |client: &Client| RwLock::new(client, path).unwrap().layout(layout(library));
    let peers = [ground.peer(library), ground.peer(library), ground.peer(library)];

    let first = of_peer(&peers[0], path, Read).get();
    let second = ours(&one, lock(&one), Read).get();
    let mut their_write = of_peer(&peers[1], path, Write);
    their_write.waits();
    let mut our_read = ours(&one, lock(&one), Read);
    our_read.waits();
    let mut their_read = of_peer(&peers[2], path, Read);
    their_read.waits();
    let mut our_write = ours(&two, lock(&two), Write);
    our_write.waits();
    assert_eq!(soon(lock(&one).contenders()).unwrap().len(), 6);

    first.release();
    their_write.waits();
    second.release();
    let writing = their_write.get();
    our_read.waits();
    their_read.waits();
    writing.release();
    // Both readers, and not yet the writer behind them.
    let (ours, theirs) = (our_read.get(), their_read.get());
    our_write.waits();
    ours.release();
    our_write.waits();
    theirs.release();
    our_write.get().release();
}

#[test]
fn a_mixed_line_with_curator_is_served_in_its_order() {
    a_mixed_line_of_readers_and_writers_is_served_in_its_order(Library::Curator);
}

#[test]
fn a_mixed_line_with_kazoo_is_served_in_its_order() {
    a_mixed_line_of_readers_and_writers_is_served_in_its_order(Library::Kazoo);
}

fn a_writer_of_ours_goes_on_as_a_reader_and_lets_readers_in_only(library: Library) {
    let ground = Ground::new();
    let client = ground.ours();
    let lock = RwLock::new(&client, "/lock").unwrap().layout(layout(library));
    let (reader, writer, late) = (ground.peer(library), ground.peer(library), ground.peer(library));
    let writing = soon(lock.write()).unwrap();
    let mut early = of_peer(&reader, "/lock", Read);
    early.waits();
    let mut next = of_peer(&writer, "/lock", Write);
    next.waits();

    let reading = soon(writing.downgrade()).unwrap();
    let early = early.get();
    next.waits();
    let mut behind = of_peer(&late, "/lock", Read);
    behind.waits();
    early.release();
    next.waits();
    soon(reading.release()).unwrap();
    let next = next.get();
    behind.waits();
    next.release();
    behind.get().release();
}

#[test]
fn a_writer_of_ours_goes_on_as_a_reader_beside_curator() {
    a_writer_of_ours_goes_on_as_a_reader_and_lets_readers_in_only(Library::Curator);
}

#[test]
fn a_writer_of_ours_goes_on_as_a_reader_beside_kazoo() {
    a_writer_of_ours_goes_on_as_a_reader_and_lets_readers_in_only(Library::Kazoo);
}

/// Curator before 5.5 gives the reader a number of its own, at the end of the line (CURATOR-621).
#[test]
fn a_writer_of_curator_who_goes_on_as_a_reader_does_not_keep_a_writer_of_ours_out() {
    let ground = Ground::new();
    let client = ground.ours();
    let curator = ground.curator();
    curator.ask("write acquire /lock");
    let lock = RwLock::new(&client, "/lock").unwrap();
    let mut writing = Doing::new(&client, async move { lock.write().await.unwrap() });
    writing.waits();
    curator.ask("read acquire /lock");
    writing.waits();
    curator.ask("write release /lock");
    let writing = writing.done();

    let mut second = of_peer(&ground.curator(), "/lock", Read);
    second.waits();
    writing.release().wait().unwrap();
    second.get().release();
}

fn the_end_of_a_process_lets_the_next_one_in(library: Library) {
    let ground = Ground::new();
    let client = ground.ours();
    let (victim, reader) = (ground.victim(library), ground.peer(library));
    let lock = |client: &Client| RwLock::new(client, "/lock").unwrap().layout(layout(library));
    of_peer(&victim, "/lock", Write).get();
    let mut reading = ours(&client, lock(&client), Read);
    reading.waits();

    victim.kill();
    let reading = reading.get();

    // One of ours vanishes in the middle of the line, and with him the reason why others wait.
    let mortal = ground.mortal();
    let mut writing = ours(&mortal.client, lock(&mortal.client), Write);
    writing.waits();
    let mut waiting = of_peer(&reader, "/lock", Read);
    waiting.waits();
    mortal.vanish();
    waiting.get().release();
    reading.release();
}

#[test]
fn the_end_of_a_process_of_curators_lets_the_next_one_in() {
    the_end_of_a_process_lets_the_next_one_in(Library::Curator);
}

#[test]
fn the_end_of_a_process_of_kazoos_lets_the_next_one_in() {
    the_end_of_a_process_lets_the_next_one_in(Library::Kazoo);
}
