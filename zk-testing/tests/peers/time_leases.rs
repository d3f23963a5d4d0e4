//! Leases for a time: kazoo's `NonBlockingLease`.

use std::time::{Duration, SystemTime};

use zk_blocking::{
    Client,
    recipes::{Leased, TimeLease},
};

use crate::{ground::Ground, languages::Library, ours::soon};

const HOUR: Duration = Duration::from_secs(3_600);

fn lease(client: &Client, holder: &str) -> TimeLease {
    TimeLease::new(client, "/lease", holder, SystemTime::now).unwrap()
}

/// Returns who has the lease, if ours cannot have it.
#[track_caller]
fn holder(lease: &TimeLease) -> Option<String> {
    match soon(lease.try_obtain(HOUR)).unwrap() {
        Leased::Obtained { .. } => None,
        Leased::Held { holder, until } => {
            let rest = until.duration_since(SystemTime::now()).expect("it has not run out");
            assert!(rest <= HOUR, "{rest:?}");
            Some(holder)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_side_does_not_obtain_what_the_other_has() {
    let ground = Ground::new();
    let client = ground.ours();
    let kazoo = ground.kazoo();
    let ours = lease(&client, "ours");
    assert_eq!(holder(&ours), None);
    assert_eq!(kazoo.ask("lease obtain /lease kazoo 3600"), "no");
    assert_eq!(kazoo.ask("lease obtain /lease ours 3600"), "yes", "by the same name it is renewed");
    assert_eq!(holder(&ours), None, "likewise");

    assert!(soon(ours.give_up()).unwrap());
    let name = "m\u{f6}we\"\\";
    assert_eq!(kazoo.ask(&format!("lease obtain /lease {name} 3600")), "yes");
    assert_eq!(holder(&ours).as_deref(), Some(name));
    assert_eq!(holder(&lease(&client, name)), None);
    assert_eq!(kazoo.ask("lease obtain /lease kazoo 3600"), "no");
}

#[test]
fn a_lease_that_has_run_out_is_obtained_by_the_other_side() {
    let ground = Ground::new();
    let client = ground.ours();
    let (kazoo, victim) = (ground.kazoo(), ground.victim(Library::Kazoo));
    assert_eq!(victim.ask("lease obtain /lease victim 1800"), "yes");
    // It has a process no more, but time.
    victim.kill();
    assert_eq!(holder(&lease(&client, "ours")).as_deref(), Some("victim"));
    let late = TimeLease::new(&client, "/lease", "late", || SystemTime::now() + HOUR).unwrap();
    assert_eq!(holder(&late), None);
    assert_eq!(kazoo.ask("lease obtain /lease kazoo 3600"), "no");

    let early = TimeLease::new(&client, "/lease", "late", || SystemTime::now() - 2 * HOUR).unwrap();
    assert_eq!(holder(&early), None, "it is shortened by who has it");
    assert_eq!(kazoo.ask("lease obtain /lease kazoo 3600"), "yes");
}
