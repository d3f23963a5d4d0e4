//! Barriers: Curator's `DistributedBarrier` and `DistributedDoubleBarrier`, kazoo's `Barrier` and `DoubleBarrier`.

use zk_blocking::{
    Client,
    recipes::{Barrier, DoubleBarrier, DoubleBarrierLayout},
};

use crate::{
    ground::Ground,
    languages::Library::{self, Curator, Kazoo},
    ours::{Doing, soon},
};

const LIBRARIES: [Library; 2] = [Curator, Kazoo];

#[test]
fn a_barrier_holds_everybody_up_and_is_lifted_by_anybody() {
    let ground = Ground::new();
    let client = ground.ours();
    let barrier = Barrier::new(&client, "/barrier").unwrap();
    let waiters = LIBRARIES.map(|library| ground.peer(library));
    let setters = LIBRARIES.map(|library| ground.peer(library));
    let wait = || {
        let barrier = barrier.clone();
        let mut ours = Doing::new(&client, async move { barrier.wait().await.unwrap() });
        ours.waits();
        let theirs = waiters.each_ref().map(|peer| peer.begin("barrier wait /barrier"));
        theirs.iter().for_each(|theirs| theirs.waits());
        (ours, theirs)
    };

    soon(barrier.set()).unwrap();
    let (ours, theirs) = wait();
    assert!(soon(barrier.remove()).unwrap());
    ours.done();
    for theirs in theirs {
        assert_eq!(theirs.answer(), "yes");
    }
    for setter in &setters {
        setter.ask("barrier set /barrier");
        assert!(soon(barrier.is_set()).unwrap());
        let (ours, theirs) = wait();
        setter.ask("barrier remove /barrier");
        ours.done();
        for theirs in theirs {
            assert_eq!(theirs.answer(), "yes");
        }
    }
}

#[test]
fn a_barrier_of_ours_may_vanish_with_its_process() {
    let ground = Ground::new();
    let mortal = ground.mortal();
    soon(Barrier::new(&mortal.client, "/barrier").unwrap().ephemeral().set()).unwrap();
    let waiting = LIBRARIES.map(|library| ground.peer(library).begin("barrier wait /barrier"));
    waiting.iter().for_each(|waiting| waiting.waits());
    mortal.vanish();
    for waiting in waiting {
        assert_eq!(waiting.answer(), "yes");
    }
}

fn double(client: &Client, layout: DoubleBarrierLayout, members: usize) -> DoubleBarrier {
    DoubleBarrier::new(client, "/double", members).unwrap().layout(layout)
}

/// Lets ours, Curator and kazoo enter and leave together, with the one at this place of the line opening it and leaving last.
fn all_enter_and_leave_together(layout: DoubleBarrierLayout, last: usize) {
    let ground = Ground::new();
    let client = ground.ours();
    let peers = LIBRARIES.map(|library| ground.peer(library));
    for _round in 0..2 {
        let enter = || {
            let barrier = double(&client, layout, 3);
            Doing::new(&client, async move { barrier.enter().await.unwrap() })
        };
        let mut ours = enter();
        let mut asked = [None, None];
        let order = [(last + 1) % 3, (last + 2) % 3];
        for who in order {
            match who {
                0 | 1 => {
                    let entering = peers[who].begin("double enter /double 3");
                    entering.waits();
                    asked[who] = Some(entering);
                }
                _ => ours.waits(),
            }
        }
        // The last one opens it.
        let entering = asked.map(|asked| asked.unwrap_or_else(|| peers[last].begin("double enter /double 3")));
        let inside = ours.done();
        for entering in entering {
            assert_eq!(entering.answer(), "entered");
        }

        let mut leaving = Doing::new(&client, async move { inside.leave().await.unwrap() });
        let mut asked = [None, None];
        for who in order {
            match who {
                0 | 1 => {
                    let leave = peers[who].begin("double leave /double");
                    leave.waits();
                    asked[who] = Some(leave);
                }
                _ => leaving.waits(),
            }
        }
        let asked = asked.map(|asked| asked.unwrap_or_else(|| peers[last].begin("double leave /double")));
        leaving.done();
        for leaving in asked {
            assert_eq!(leaving.answer(), "left");
        }
    }
}

#[test]
fn all_enter_and_leave_together_and_curator_is_last() {
    all_enter_and_leave_together(DoubleBarrierLayout::Curator, 0);
}

#[test]
fn all_enter_and_leave_together_and_kazoo_is_last() {
    all_enter_and_leave_together(DoubleBarrierLayout::Kazoo, 1);
}

#[test]
fn all_enter_and_leave_together_and_one_of_ours_is_last() {
    all_enter_and_leave_together(DoubleBarrierLayout::Curator, 2);
}

fn who_dies_inside_has_left(library: Library) {
    let ground = Ground::new();
    let (client, mortal) = (ground.ours(), ground.mortal());
    let victim = ground.victim(library);
    let entering = victim.begin("double enter /double 2");
    entering.waits();
    let inside = soon(double(&client, DoubleBarrierLayout::Curator, 2).enter()).unwrap();
    assert_eq!(entering.answer(), "entered");
    let mut leaving = Doing::new(&client, async move { inside.leave().await.unwrap() });
    leaving.waits();
    victim.kill();
    leaving.done();

    let peer = ground.peer(library);
    // Curator's, if it were the last to come, would take word of its own `ready` for that of the one it waits for when it leaves.
    let entering = peer.begin("double enter /double 2");
    entering.waits();
    let inside = soon(double(&mortal.client, DoubleBarrierLayout::Curator, 2).enter()).unwrap();
    assert_eq!(entering.answer(), "entered");
    let leaving = peer.begin("double leave /double");
    leaving.waits();
    mortal.vanish();
    assert_eq!(leaving.answer(), "left");
    drop(inside);
}

#[test]
fn who_dies_inside_has_left_beside_curator() {
    who_dies_inside_has_left(Curator);
}

#[test]
fn who_dies_inside_has_left_beside_kazoo() {
    who_dies_inside_has_left(Kazoo);
}
