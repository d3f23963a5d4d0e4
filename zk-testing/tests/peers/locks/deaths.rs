//! What becomes of a lock when somebody vanishes.

use zk_blocking::{Wait, recipes::LockLayout};

use super::{acquire, contenders, lock};
use crate::{ground::Ground, languages::Library, ours::soon};

/// Returns how ours are named for peers of a library to see them, and what peers are asked for.
fn way(library: Library) -> (LockLayout, &'static str) {
    match library {
        Library::Curator => (LockLayout::Curator, "lock acquire /lock"),
        Library::Kazoo => (LockLayout::Kazoo, "lock acquire /lock"),
    }
}

fn a_killed_holder_is_followed_by_ours(library: Library) {
    let ground = Ground::new();
    let client = ground.ours();
    let (layout, acquisition) = way(library);
    let victim = ground.victim(library);
    assert_eq!(victim.ask(acquisition), "held");
    let mut waiting = acquire(&client, layout);
    waiting.waits();

    victim.kill();
    let held = waiting.done();
    assert_eq!(contenders(&client), [held.path().strip_prefix("/lock/").unwrap()]);
}

#[test]
fn a_killed_holder_of_curators_is_followed_by_ours() {
    a_killed_holder_is_followed_by_ours(Library::Curator);
}

#[test]
fn a_killed_holder_of_kazoos_is_followed_by_ours() {
    a_killed_holder_is_followed_by_ours(Library::Kazoo);
}

fn one_of_ours_who_vanishes_is_followed(library: Library) {
    let ground = Ground::new();
    let mortal = ground.mortal();
    let peer = ground.peer(library);
    let (layout, acquisition) = way(library);
    let held = soon(lock(&mortal.client, layout).acquire()).unwrap();
    let waiting = peer.begin(acquisition);
    waiting.waits();

    mortal.vanish();
    assert_eq!(waiting.answer(), "held");
    // He knows it himself, without a server that would tell him.
    soon(held.lost());
}

#[test]
fn one_of_ours_who_vanishes_is_followed_by_curator() {
    one_of_ours_who_vanishes_is_followed(Library::Curator);
}

#[test]
fn one_of_ours_who_vanishes_is_followed_by_kazoo() {
    one_of_ours_who_vanishes_is_followed(Library::Kazoo);
}

fn who_is_killed_in_the_middle_lets_nobody_pass(library: Library) {
    let ground = Ground::new();
    let client = ground.ours();
    let (layout, acquisition) = way(library);
    let (victim, peer) = (ground.victim(library), ground.peer(library));
    let held = soon(lock(&client, layout).acquire()).unwrap();
    let middle = victim.begin(acquisition);
    middle.waits();
    let last = peer.begin(acquisition);
    last.waits();

    victim.kill();
    while contenders(&client).len() > 2 {}
    last.waits();
    held.release().wait().unwrap();
    assert_eq!(last.answer(), "held");
}

#[test]
fn who_is_killed_in_the_middle_of_curators_line_lets_nobody_pass() {
    who_is_killed_in_the_middle_lets_nobody_pass(Library::Curator);
}

#[test]
fn who_is_killed_in_the_middle_of_kazoos_line_lets_nobody_pass() {
    who_is_killed_in_the_middle_lets_nobody_pass(Library::Kazoo);
}

fn one_of_ours_who_gives_up_in_the_middle_lets_nobody_pass(library: Library) {
    let ground = Ground::new();
    let client = ground.ours();
    let (layout, acquisition) = way(library);
    let (first, last) = (ground.peer(library), ground.peer(library));
    assert_eq!(first.ask(acquisition), "held");
    let mut middle = acquire(&client, layout);
    middle.waits();
    let waiting = last.begin(acquisition);
    waiting.waits();

    drop(middle);
    while contenders(&client).len() > 2 {}
    waiting.waits();
    first.ask("lock release /lock");
    assert_eq!(waiting.answer(), "held");

    // And once more with ours as the one who holds it.
    let mut ours = acquire(&client, layout);
    ours.waits();
    last.ask("lock release /lock");
    let held = ours.done();
    let waiting = first.begin(acquisition);
    waiting.waits();
    drop(held);
    assert_eq!(waiting.answer(), "held");
}

#[test]
fn one_of_ours_who_gives_up_in_the_middle_of_curators_line_lets_nobody_pass() {
    one_of_ours_who_gives_up_in_the_middle_lets_nobody_pass(Library::Curator);
}

#[test]
fn one_of_ours_who_gives_up_in_the_middle_of_kazoos_line_lets_nobody_pass() {
    one_of_ours_who_gives_up_in_the_middle_lets_nobody_pass(Library::Kazoo);
}
