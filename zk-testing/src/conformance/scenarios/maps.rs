//! Values by their keys.

use zk_proto::{
    SessionId,
    acl::Perms,
    client::{Client, Error},
    code::ErrorCode,
    recipes::{Outcome, Reason, SharedMap, SharedMapView, Utf8},
    record::Acl,
};

use crate::conformance::{Ground, eventually, losing_replies, names, soon};

type Strings = SharedMap<Utf8>;
type View = SharedMapView<String>;

fn map(client: &Client, path: &str) -> Strings {
    SharedMap::new(client, path, Utf8).unwrap()
}

/// Waits until something is shown.
async fn until(map: &Strings, mut is_it: impl FnMut(&View) -> bool) -> View {
    soon(async {
        let mut seen = map.current();
        while !is_it(&seen) {
            seen = map.changed(&seen).await.unwrap();
        }
        seen
    })
    .await
}

/// Waits until these are the entries, as of now.
async fn until_there_are(map: &Strings, expected: &[(&str, &str)]) -> View {
    let values = |seen: &View| seen.iter().map(|(key, value)| (key.to_string(), value.clone())).collect::<Vec<_>>();
    let expected: Vec<_> = expected.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    until(map, |seen| !seen.is_stale() && values(seen) == expected).await
}

async fn set(map: &Strings, key: &str, value: &str) {
    assert!(soon(map.set(key, &value.into())).await.unwrap().applied().is_some());
}

pub async fn all_see_what_is_set_wherever_it_is_below_the_path(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (first, second) = (map(&one, "/settings"), map(&two, "/settings"));
    let seen = soon(first.ready()).await.unwrap();
    assert_eq!((seen.entries().count(), seen.is_stale()), (0, false));

    set(&first, "db/host", "db-7").await;
    set(&second, "motto", "first come").await;
    set(&second, "db", "postgres").await;
    assert!(soon(first.seed("db/port", &"5432".into())).await.unwrap().applied().is_some());
    assert_eq!(soon(second.seed("db/port", &"1".into())).await.unwrap(), Outcome::NotApplied(Reason::Declined));

    let all = [("db", "postgres"), ("db/host", "db-7"), ("db/port", "5432"), ("motto", "first come")];
    for map in [&first, &second] {
        let seen = until_there_are(map, &all).await;
        assert_eq!(seen.get("db/host").map(String::as_str), Some("db-7"));
        assert!(seen.get("db/user").is_none() && seen.entry("").is_none());
    }
    assert_eq!(one.get_data("/settings/db/host").await.unwrap().0, b"db-7".as_slice());
    one.create("/settings/by-hand", b"hello").await.unwrap();
    until(&second, |seen| seen.get("by-hand").is_some_and(|value| value == "hello")).await;
    for key in ["", "/a", "a/", "a//b", ".."] {
        assert!(matches!(first.set(key, &"x".into()).await, Err(Error::Invalid(_))), "{key:?}");
    }
}

pub async fn an_entry_is_set_if_nobody_has_set_it_since_it_was_seen(ground: Ground) {
    let client = ground.client().await;
    let map = map(&client, "/settings");
    let nothing = soon(map.ready()).await.unwrap();
    assert!(soon(map.compare_and_set(&nothing, "a/b", &"1".into())).await.unwrap().applied().is_some());
    assert!(soon(map.compare_and_set(&nothing, "a/b", &"2".into())).await.unwrap().applied().is_none());
    // Nobody has set the node above, which is there for the other.
    assert!(soon(map.compare_and_set(&nothing, "a", &"0".into())).await.unwrap().applied().is_some());
    let seen = until_there_are(&map, &[("a", "0"), ("a/b", "1")]).await;

    // The same value, but another write.
    client.set_data("/settings/a", b"0").await.unwrap();
    // The same value and the same version, but another node.
    client.multi().delete("/settings/a/b", None).create("/settings/a/b", b"1").await.unwrap();
    for key in ["a", "a/b"] {
        let outcome = soon(map.compare_and_set(&seen, key, &"2".into())).await.unwrap();
        assert_eq!(outcome, Outcome::NotApplied(Reason::Declined), "{key}");
    }
    let newer = |seen: &View, key: &str| seen.entry(key).map(|entry| entry.set_by());
    let seen = until(&map, |now| ["a", "a/b"].iter().all(|key| newer(now, key) > newer(&seen, key))).await;
    // Another entry does not count.
    set(&map, "c", "3").await;
    for key in ["a", "a/b"] {
        assert!(soon(map.compare_and_set(&seen, key, &"2".into())).await.unwrap().applied().is_some(), "{key}");
    }
    until_there_are(&map, &[("a", "2"), ("a/b", "2"), ("c", "3")]).await;
}

pub async fn what_is_removed_is_gone_and_what_is_below_it_is_not(ground: Ground) {
    let client = ground.client().await;
    let map = map(&client, "/settings");
    for key in ["a", "a/b", "c"] {
        set(&map, key, "x").await;
    }
    until_there_are(&map, &[("a", "x"), ("a/b", "x"), ("c", "x")]).await;

    for key in ["a", "c"] {
        assert!(matches!(soon(map.remove(key)).await, Ok(Outcome::Applied(_))), "{key}");
        assert_eq!(soon(map.remove(key)).await.unwrap(), Outcome::NotApplied(Reason::Declined), "{key}");
    }
    assert_eq!(soon(map.remove("never")).await.unwrap(), Outcome::NotApplied(Reason::Declined));

    let seen = until_there_are(&map, &[("a/b", "x")]).await;
    assert!(seen.entry("a").is_none() && seen.rejected().next().is_none());
    assert_eq!(names(&client, "/settings").await, ["a"]);
    // It can be had again.
    assert!(soon(map.compare_and_set(&seen, "a", &"y".into())).await.unwrap().applied().is_some());
    until_there_are(&map, &[("a", "y"), ("a/b", "x")]).await;
    // And it is nothing that the server deletes with what is below it.
    let stat = client.exists("/settings/a").await.unwrap().unwrap();
    assert_eq!(stat.ephemeral_owner, SessionId(0));
}

pub async fn what_cannot_be_read_is_rejected_and_the_rest_is_shown_as_it_is(ground: Ground) {
    let client = ground.client().await;
    let map = map(&client, "/settings");
    for key in ["good", "spoilt"] {
        set(&map, key, "1").await;
    }
    until_there_are(&map, &[("good", "1"), ("spoilt", "1")]).await;

    client.set_data("/settings/spoilt", b"\xFF").await.unwrap();
    client.create("/settings/never-good", b"\xFF").await.unwrap();
    set(&map, "good", "2").await;
    let seen = until_there_are(&map, &[("good", "2"), ("spoilt", "1")]).await;
    let seen = if seen.rejected().count() == 2 { seen } else { until(&map, |seen| seen.rejected().count() == 2).await };
    assert_eq!(seen.rejected().map(|(key, _)| key).collect::<Vec<_>>(), ["never-good", "spoilt"]);
    assert!(seen.entry("never-good").is_some_and(|entry| entry.value().is_none()));

    for key in ["spoilt", "never-good"] {
        assert!(soon(map.compare_and_set(&seen, key, &"3".into())).await.unwrap().applied().is_some(), "{key}");
    }
    let seen = until_there_are(&map, &[("good", "2"), ("never-good", "3"), ("spoilt", "3")]).await;
    assert!(seen.rejected().next().is_none());
}

pub async fn a_map_is_stale_without_a_link_and_caught_up_with_afterwards(ground: Ground) {
    let line = ground.line();
    let (client, writer) = (ground.connect(&line.through).await, ground.client().await);
    let (followed, other) = (map(&client, "/gap"), map(&writer, "/gap"));
    for key in ["anew", "goes", "set", "stays"] {
        set(&other, key, "before").await;
    }
    let before =
        until_there_are(&followed, &[("anew", "before"), ("goes", "before"), ("set", "before"), ("stays", "before")])
            .await;

    line.sever();
    let seen = until(&followed, SharedMapView::is_stale).await;
    assert!(seen.iter().eq(before.iter()));
    writer.multi().delete("/gap/anew", None).create("/gap/anew", b"after").delete("/gap/goes", None).await.unwrap();
    set(&other, "set", "after").await;
    set(&other, "comes", "after").await;
    line.mend();

    let after = [("anew", "after"), ("comes", "after"), ("set", "after"), ("stays", "before")];
    let seen = until_there_are(&followed, &after).await;
    let set_by = |seen: &View| seen.entry("stays").map(|entry| entry.set_by());
    assert_eq!(set_by(&seen), set_by(&before));
}

pub async fn a_map_is_followed_into_the_next_session(ground: Ground) {
    let line = ground.line();
    let (client, writer) = (ground.connect(&line.through).await, ground.client().await);
    let (followed, other) = (map(&client, "/next"), map(&writer, "/next"));
    set(&other, "a", "one").await;
    until_there_are(&followed, &[("a", "one")]).await;

    line.expire(&client).await;
    set(&other, "a", "two").await;
    line.mend();
    until_there_are(&followed, &[("a", "two")]).await;
    set(&other, "b", "three").await;
    until_there_are(&followed, &[("a", "two"), ("b", "three")]).await;
}

pub async fn an_entry_that_may_not_be_read_is_told(ground: Ground) {
    let client = ground.client().await;
    client.create("/settings", b"").await.unwrap();
    let hidden = [Acl::new(Perms::ADMIN, "world", "anyone")];
    client.create("/settings/hidden", b"2").acl(&hidden).await.unwrap();
    let map = map(&client, "/settings");
    set(&map, "open", "1").await;

    let seen = until(&map, |seen| !seen.troubles().is_empty() && seen.get("open").is_some()).await;
    let error = seen.troubles().get("/settings/hidden").and_then(Error::code);
    assert_eq!((error, seen.entry("hidden").is_some()), (Some(ErrorCode::NoAuth), false));
    assert_eq!(soon(map.set("hidden", &"3".into())).await.unwrap_err().code(), Some(ErrorCode::NoAuth));

    // It is asked for again by and by.
    client.set_acl("/settings/hidden", &[Acl::new(Perms::ALL, "world", "anyone")]).await.unwrap();
    let seen = until_there_are(&map, &[("hidden", "2"), ("open", "1")]).await;
    assert!(seen.troubles().is_empty());
}

pub async fn a_dropped_map_keeps_no_watch(ground: Ground) {
    let client = ground.client().await;
    let session = client.session().unwrap();
    let map = map(&client, "/dropped");
    set(&map, "a", "x").await;
    until_there_are(&map, &[("a", "x")]).await;
    let clone = map.clone();
    drop(map);
    assert!(clone.current().get("a").is_some());

    drop(clone);
    eventually(|| ground.watched_paths(session).is_empty()).await;
}

pub async fn a_map_shows_no_more_when_its_client_is_over(ground: Ground) {
    let client = ground.client().await;
    let map = map(&client, "/over");
    set(&map, "a", "x").await;
    let seen = until_there_are(&map, &[("a", "x")]).await;

    soon(client.close()).await;
    let error = soon(async {
        let mut seen = seen;
        loop {
            match map.changed(&seen).await {
                Ok(newer) => seen = newer,
                Err(error) => return error,
            }
        }
    })
    .await;
    assert!(matches!(error, Error::Ended { .. }), "{error:?}");
    let last = map.current();
    assert_eq!((last.get("a").map(String::as_str), last.is_stale()), (Some("x"), true));
}

pub async fn whichever_reply_is_lost_an_entry_is_set_once(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let map = map(&client, &format!("{path}/map")).telling();
        let nothing = soon(map.ready()).await.unwrap();
        let outcome = soon(map.compare_and_set(&nothing, "a/b", &"one".into())).await.unwrap();
        assert!(outcome.applied().is_some());
        let one = until_there_are(&map, &[("a/b", "one")]).await;
        assert!(soon(map.compare_and_set(&one, "a/b", &"two".into())).await.unwrap().applied().is_some());
        until_there_are(&map, &[("a/b", "two")]).await;
        // That something has gone does not tell who has removed it.
        assert!(matches!(soon(map.remove("a/b")).await, Ok(Outcome::Applied(_) | Outcome::Unknown)));
        until_there_are(&map, &[]).await;
    })
    .await;
}
