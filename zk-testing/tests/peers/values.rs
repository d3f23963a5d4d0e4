//! Shared values: Curator's `SharedCount` and `SharedValue`, kazoo's `Counter` with `support_curator`.

use std::fmt::Debug;

use zk_blocking::recipes::{Count, SharedValue, Utf8, ValueCodec};

use crate::{ground::Ground, ours::soon};

/// Waits until ours shows a value.
#[track_caller]
fn shows<C: ValueCodec>(ours: &SharedValue<C>, value: &C::Value)
where
    C::Value: PartialEq + Debug,
{
    let mut seen = soon(ours.ready()).unwrap();
    while seen.value() != Some(value) || seen.is_stale() {
        seen = soon(ours.changed(&seen)).unwrap();
    }
}

#[test]
fn a_count_is_set_and_seen_by_all() {
    let ground = Ground::new();
    let client = ground.ours();
    let (curator, kazoo) = (ground.curator(), ground.kazoo());
    curator.ask("count start /value 7");
    let ours = SharedValue::new(&client, "/value", Count).unwrap();
    assert!(soon(ours.seed(&1)).unwrap().applied().is_none(), "Curator was first");
    shows(&ours, &7);

    assert!(soon(ours.set(&-8)).unwrap().applied().is_some());
    assert_eq!(curator.ask("count hear /value -8"), "-8");
    curator.ask("count set /value 9");
    shows(&ours, &9);
    assert_eq!(kazoo.ask("curator-counter add /value 1"), "10");
    shows(&ours, &10);

    let seen = ours.current();
    assert_eq!(curator.ask("count hear /value 10"), "10");
    assert!(soon(ours.compare_and_set(&seen, &11)).unwrap().applied().is_some());
    assert!(soon(ours.compare_and_set(&seen, &12)).unwrap().applied().is_none(), "it was seen before the last write");
    assert_eq!(curator.ask("count hear /value 11"), "11");
    assert_eq!(curator.ask("count try /value 12"), "yes");
    shows(&ours, &12);
}

#[test]
fn a_value_is_set_and_seen_by_all() {
    let ground = Ground::new();
    let client = ground.ours();
    let curator = ground.curator();
    let ours = SharedValue::new(&client, "/value", Utf8).unwrap();
    assert!(soon(ours.seed(&"ours".into())).unwrap().applied().is_some());
    curator.ask("value start /value theirs");
    assert_eq!(curator.ask("value get /value"), "ours");
    assert_eq!(curator.ask("value try /value theirs"), "yes");
    shows(&ours, &"theirs".into());
}

#[test]
fn a_count_of_curators_that_is_deleted_and_made_anew_is_followed() {
    let ground = Ground::new();
    let client = ground.ours();
    let curator = ground.curator();
    curator.ask("count start /value 7");
    let ours = SharedValue::new(&client, "/value", Count).unwrap();
    shows(&ours, &7);
    soon(client.delete("/value").into_future()).unwrap();
    assert!(soon(ours.set(&8)).unwrap().applied().is_some());
    shows(&ours, &8);
    // Who comes later sees it too. Who was there before sees it or not: where there is no node, Curator sets no watch.
    let later = ground.curator();
    later.ask("count start /value 9");
    assert_eq!(later.ask("count get /value"), "8");
}
