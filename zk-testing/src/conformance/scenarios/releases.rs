//! Releases.

use bytes::Bytes;
use zk_proto::{
    client::Client,
    code::CreateMode,
    recipes::{
        FollowedRelease, Outcome, RawSettings, Reason, ReleaseCodec, ReleaseView, Releases, Settings, Unreadable, Utf8,
        ValueCodec,
    },
};

use crate::conformance::{Ground, eventually, losing_replies, soon};

/// Waits until something is shown.
async fn until<T: Send + Sync + 'static>(
    followed: &FollowedRelease<T>,
    mut is_it: impl FnMut(&ReleaseView<T>) -> bool,
) -> ReleaseView<T> {
    soon(async {
        let mut seen = followed.current();
        while !is_it(&seen) {
            seen = followed.changed(&seen).await.unwrap();
        }
        seen
    })
    .await
}

fn raw(client: &Client, path: &str) -> Releases<RawSettings> {
    Releases::new(client, path, RawSettings).unwrap()
}

/// Makes so many settings, which all contain this.
fn settings(count: usize, data: &str) -> Settings {
    (0..count).map(|index| (format!("db/{index}"), Bytes::copy_from_slice(data.as_bytes()))).collect()
}

async fn publish<C: ReleaseCodec>(releases: &Releases<C>, value: &C::Value) -> String {
    soon(releases.publish(value)).await.unwrap().applied().unwrap()
}

async fn children(client: &Client, path: &str) -> usize {
    client.exists(path).await.unwrap().map_or(0, |stat| usize::try_from(stat.num_children).unwrap())
}

pub async fn what_is_published_is_seen_as_one_by_all(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (publisher, reader) = (raw(&one, "/config"), raw(&two, "/config").follow().unwrap());
    assert!(soon(reader.ready()).await.unwrap().value().is_none());

    let odd = Settings::from([("a/b".into(), "1".into()), ("..".into(), "2".into()), (String::new(), Bytes::new())]);
    let first = publish(&publisher, &odd).await;
    let seen = until(&reader, |seen| seen.name() == Some(&first)).await;
    assert_eq!(seen.value(), Some(&odd));

    let second = publish(&publisher, &settings(3, "x")).await;
    let seen = until(&reader, |seen| seen.name() == Some(&second)).await;
    assert_eq!(seen.value(), Some(&settings(3, "x")));
    assert!(first < second, "numbers grow");
    let nothing = publish(&publisher, &Settings::new()).await;
    let seen = until(&reader, |seen| seen.name() == Some(&nothing)).await;
    assert_eq!(seen.value(), Some(&Settings::new()));
    assert_eq!(soon(publisher.list()).await.unwrap(), [first, second, nothing]);
}

pub async fn of_two_who_expect_the_same_one_publishes(ground: Ground) {
    let client = ground.client().await;
    let releases = raw(&client, "/config");
    let followed = releases.follow().unwrap();
    let nothing = soon(followed.ready()).await.unwrap();

    assert!(soon(releases.publish_after(&nothing, &settings(1, "a"))).await.unwrap().applied().is_some());
    let late = soon(releases.publish_after(&nothing, &settings(1, "b"))).await.unwrap();
    assert_eq!(late, Outcome::NotApplied(Reason::Declined));
    let seen = until(&followed, |seen| seen.value().is_some()).await;
    assert_eq!(seen.value(), Some(&settings(1, "a")));
    assert!(soon(releases.publish_after(&seen, &settings(1, "b"))).await.unwrap().applied().is_some());
}

pub async fn a_large_release_counts_when_all_of_it_is_there(ground: Ground) {
    let client = ground.client().await;
    let releases = raw(&client, "/config");
    let followed = releases.follow().unwrap();
    publish(&releases, &settings(1, "small")).await;
    until(&followed, |seen| seen.value().is_some()).await;

    // More nodes, and more bytes, than one transaction takes.
    let mut large = settings(300, "large");
    large.extend([("one".into(), vec![1; 700_000].into()), ("two".into(), vec![2; 700_000].into())]);
    publish(&releases, &large).await;
    let seen = until(&followed, |seen| seen.value() != Some(&settings(1, "small"))).await;
    assert!(seen.value() == Some(&large), "all of it");
    assert_eq!(children(&client, "/config/writing").await, 0);
}

pub async fn an_earlier_release_counts_again_when_it_is_switched_to(ground: Ground) {
    let client = ground.client().await;
    let releases = raw(&client, "/config");
    let followed = releases.follow().unwrap();
    let old = publish(&releases, &settings(2, "old")).await;
    let new = publish(&releases, &settings(2, "new")).await;
    let seen = until(&followed, |seen| seen.name() == Some(&new)).await;

    assert_eq!(soon(releases.switch_after(&seen, &old)).await.unwrap(), Outcome::Applied(()));
    let back = until(&followed, |seen| seen.name() == Some(&old)).await;
    assert_eq!(back.value(), Some(&settings(2, "old")));
    assert_eq!(soon(releases.switch_after(&seen, &new)).await.unwrap(), Outcome::NotApplied(Reason::Declined));
    assert_eq!(soon(releases.switch_to(&new)).await.unwrap(), Outcome::Applied(()));
    until(&followed, |seen| seen.name() == Some(&new)).await;

    for missing in ["nothing", "0000000099-0123456789abcdef0123456789abcdef"] {
        assert_eq!(soon(releases.switch_to(missing)).await.unwrap(), Outcome::NotApplied(Reason::Declined));
    }
}

pub async fn old_releases_are_deleted_but_not_the_one_that_counts(ground: Ground) {
    let client = ground.client().await;
    let releases = raw(&client, "/config").keep(100);
    let mut names = Vec::new();
    for number in 0..5 {
        names.push(publish(&releases, &settings(2, &number.to_string())).await);
    }
    client.create("/config/releases/notes", b"somebody else's").await.unwrap();
    assert_eq!(soon(releases.switch_to(&names[0])).await.unwrap(), Outcome::Applied(()));

    assert_eq!(soon(releases.clone().keep(2).prune()).await.unwrap(), 2);
    assert_eq!(soon(releases.list()).await.unwrap(), [&*names[0], &*names[3], &*names[4]]);
    assert_eq!(children(&client, "/config/releases").await, 4);

    // Publishing does it by itself.
    let last = publish(&releases.clone().keep(1), &settings(1, "last")).await;
    soon(async {
        while releases.list().await.unwrap() != [last.clone()] {
            client.sleep(std::time::Duration::from_millis(5)).await.unwrap();
        }
    })
    .await;
}

pub async fn a_release_that_is_being_written_is_not_deleted_until_its_writer_has_gone(ground: Ground) {
    let (client, writer) = (ground.client().await, ground.client().await);
    let releases = raw(&client, "/config");
    publish(&releases, &settings(1, "a")).await;
    let name = "0000000002-0123456789abcdef0123456789abcdef";
    let (release, marker) = (format!("/config/releases/{name}"), format!("/config/writing/{name}"));
    writer.create("/config/writing", b"").await.unwrap();
    writer.create(&marker, b"").mode(CreateMode::Ephemeral).await.unwrap();
    writer.create(&release, b"writing").await.unwrap();
    writer.create(&format!("{release}/half"), b"1").await.unwrap();

    assert_eq!(soon(releases.prune()).await.unwrap(), 0);
    assert_eq!(soon(releases.switch_to(name)).await.unwrap(), Outcome::NotApplied(Reason::Declined));
    assert!(client.exists(&release).await.unwrap().is_some());

    soon(writer.close()).await;
    assert_eq!(soon(releases.prune()).await.unwrap(), 1);
    assert!(client.exists(&release).await.unwrap().is_none());
}

/// A name that is not empty, in a single setting.
struct Name;

impl ReleaseCodec for Name {
    type Value = String;

    fn read(&self, settings: &Settings) -> Result<String, Unreadable> {
        let name = settings.get("name").ok_or_else(|| Unreadable::new("no name"))?;
        Utf8.read(name)
    }

    fn write(&self, name: &String) -> Settings {
        Settings::from([("name".into(), Utf8.write(name))])
    }
}

pub async fn what_cannot_be_used_is_rejected_and_the_last_release_stays(ground: Ground) {
    let client = ground.client().await;
    let (releases, other) = (Releases::new(&client, "/config", Name).unwrap(), raw(&client, "/config"));
    let followed = releases.follow().unwrap();
    let good = publish(&releases, &"good".into()).await;
    until(&followed, |seen| seen.value().is_some()).await;

    publish(&other, &settings(1, "no name")).await;
    let seen = until(&followed, |seen| seen.rejected().is_some()).await;
    assert_eq!((seen.name(), seen.value().map(String::as_str)), (Some(&*good), Some("good")));

    publish(&releases, &"better".into()).await;
    let seen = until(&followed, |seen| seen.value().is_some_and(|value| value == "better")).await;
    assert!(seen.rejected().is_none());
    client.delete("/config/current").await.unwrap();
    until(&followed, |seen| seen.value().is_none()).await;
    publish(&releases, &"best".into()).await;
    until(&followed, |seen| seen.value().is_some_and(|value| value == "best")).await;
}

pub async fn a_pointer_to_nothing_is_rejected_and_the_last_release_stays(ground: Ground) {
    let client = ground.client().await;
    let releases = raw(&client, "/config");
    let followed = releases.follow().unwrap();
    let name = publish(&releases, &settings(3, "a")).await;
    let whole = until(&followed, |seen| seen.value().is_some()).await;

    let mut seen = whole.clone();
    for bad in ["", "nonsense", "0000000099-0123456789abcdef0123456789abcdef"] {
        client.set_data("/config/current", bad).await.unwrap();
        seen = until(&followed, |now| now.rejected().is_some() && now.set_by() != seen.set_by()).await;
        assert_eq!((seen.name(), seen.value()), (Some(&*name), Some(&settings(3, "a"))), "{bad}");
    }
    // As somebody might by hand.
    client.delete(&format!("/config/releases/{name}/db%2F1")).await.unwrap();
    client.set_data("/config/current", format!("{name}\n")).await.unwrap();
    let damaged = until(&followed, |now| now.rejected().is_some() && now.set_by() != seen.set_by()).await;
    assert_eq!(damaged.value(), Some(&settings(3, "a")));

    publish(&releases, &settings(1, "b")).await;
    let seen = until(&followed, |seen| seen.rejected().is_none()).await;
    assert_eq!(seen.value(), Some(&settings(1, "b")));
}

pub async fn a_followed_release_is_stale_without_a_link_and_caught_up_with_afterwards(ground: Ground) {
    let line = ground.line();
    let (client, writer) = (ground.connect(&line.through).await, ground.client().await);
    let publisher = raw(&writer, "/config");
    publish(&publisher, &settings(1, "before")).await;
    let followed = raw(&client, "/config").follow().unwrap();
    until(&followed, |seen| seen.value().is_some() && !seen.is_stale()).await;

    line.sever();
    let seen = until(&followed, ReleaseView::is_stale).await;
    assert_eq!(seen.value(), Some(&settings(1, "before")));
    publish(&publisher, &settings(2, "missed")).await;
    line.mend();
    until(&followed, |seen| seen.value() == Some(&settings(2, "missed")) && !seen.is_stale()).await;
}

pub async fn a_dropped_follower_keeps_no_watch(ground: Ground) {
    let client = ground.client().await;
    let session = client.session().unwrap();
    let releases = raw(&client, "/config");
    let followed = releases.follow().unwrap();
    soon(followed.ready()).await.unwrap();
    let clone = followed.clone();
    drop(followed);
    publish(&releases, &settings(1, "a")).await;
    until(&clone, |seen| seen.value().is_some()).await;

    drop(clone);
    eventually(|| ground.watched_paths(session).is_empty()).await;
}

pub async fn whichever_reply_is_lost_a_release_is_published_once(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let releases = raw(&client, &path).batch(2);
        let followed = releases.follow().unwrap();
        let small = publish(&releases, &settings(1, "small")).await;
        let large = publish(&releases, &settings(5, "large")).await;
        let seen = until(&followed, |seen| seen.name() == Some(&large)).await;
        assert_eq!(seen.value(), Some(&settings(5, "large")));
        assert_eq!(soon(releases.switch_to(&small)).await.unwrap(), Outcome::Applied(()));
        let seen = until(&followed, |seen| seen.name() == Some(&small)).await;
        assert_eq!(seen.value(), Some(&settings(1, "small")));

        // Nothing was published twice, or left half written.
        assert_eq!(soon(releases.list()).await.unwrap(), [small.clone(), large]);
        assert_eq!(soon(releases.clone().keep(1).prune()).await.unwrap(), 0, "the newest and the one that counts");
        assert_eq!(children(&client, &format!("{path}/releases")).await, 2);
    })
    .await;
}
