//! Shared values.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use zk_proto::{
    client::{Client, Error},
    recipes::{Count, Outcome, Raw, Reason, SharedCount, SharedValue, SharedView, Utf8, ValueCodec},
};

use crate::conformance::{Ground, eventually, losing_replies, soon};

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits until a value is shown.
async fn until<C: ValueCodec>(
    shared: &SharedValue<C>,
    mut is_it: impl FnMut(&SharedView<C::Value>) -> bool,
) -> SharedView<C::Value> {
    soon(async {
        let mut seen = shared.current();
        while !is_it(&seen) {
            seen = shared.changed(&seen).await.unwrap();
        }
        seen
    })
    .await
}

fn is<T: PartialEq>(value: T) -> impl FnMut(&SharedView<T>) -> bool {
    move |seen| seen.value() == Some(&value)
}

fn count(client: &Client, path: &str) -> SharedCount {
    SharedValue::new(client, path, Count).unwrap()
}

pub async fn whoever_seeds_first_wins_and_all_see_it(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let (first, second) = (count(&one, "/shared/count"), count(&two, "/shared/count"));
    assert!(soon(first.ready()).await.unwrap().value().is_none());

    assert!(soon(first.seed(&7)).await.unwrap().applied().is_some());
    assert_eq!(soon(second.seed(&9)).await.unwrap(), Outcome::NotApplied(Reason::Declined));
    until(&first, is(7)).await;
    until(&second, is(7)).await;
    assert_eq!(one.get_data("/shared/count").await.unwrap().0, b"\0\0\0\x07".as_slice(), "as Curator writes it");
}

pub async fn a_value_is_set_if_nobody_has_written_since_it_was_seen(ground: Ground) {
    let client = ground.client().await;
    let shared = count(&client, "/shared");
    let nothing = soon(shared.ready()).await.unwrap();
    assert!(soon(shared.compare_and_set(&nothing, &1)).await.unwrap().applied().is_some());
    let seen = until(&shared, is(1)).await;

    // The same value, but another write.
    client.set_data("/shared", b"\0\0\0\x01").await.unwrap();
    assert_eq!(soon(shared.compare_and_set(&seen, &2)).await.unwrap(), Outcome::NotApplied(Reason::Declined));
    let seen = soon(shared.changed(&seen)).await.unwrap();
    assert!(soon(shared.compare_and_set(&seen, &2)).await.unwrap().applied().is_some());
    until(&shared, is(2)).await;
}

pub async fn a_value_made_anew_is_another_one_whatever_its_version(ground: Ground) {
    let client = ground.client().await;
    client.create("/anew", b"old").await.unwrap();
    let shared = SharedValue::new(&client, "/anew", Utf8).unwrap();
    let old = until(&shared, is("old".into())).await;

    client.delete("/anew").await.unwrap();
    client.create("/anew", b"new").await.unwrap();
    until(&shared, is("new".into())).await;
    assert_eq!(
        soon(shared.compare_and_set(&old, &"mine".into())).await.unwrap(),
        Outcome::NotApplied(Reason::Declined)
    );

    // And it is followed on.
    client.set_data("/anew", b"newer").await.unwrap();
    until(&shared, is("newer".into())).await;
    client.delete("/anew").await.unwrap();
    until(&shared, |seen| seen.value().is_none()).await;
    client.create("/anew", b"newest").await.unwrap();
    until(&shared, is("newest".into())).await;
}

pub async fn what_cannot_be_read_is_rejected_and_the_old_value_stays(ground: Ground) {
    let client = ground.client().await;
    client.create("/setting", b"\0\0\0\x05").await.unwrap();
    let shared = count(&client, "/setting");
    until(&shared, is(5)).await;

    client.set_data("/setting", b"seven").await.unwrap();
    let seen = until(&shared, |seen| seen.rejected().is_some()).await;
    assert_eq!(seen.value(), Some(&5));
    client.set_data("/setting", b"?").await.unwrap();
    let seen = soon(shared.changed(&seen)).await.unwrap();
    assert_eq!((seen.value(), seen.rejected().is_some()), (Some(&5), true));

    assert!(soon(shared.compare_and_set(&seen, &6)).await.unwrap().applied().is_some());
    let seen = until(&shared, is(6)).await;
    assert!(seen.rejected().is_none());
}

pub async fn a_value_is_stale_without_a_link_and_caught_up_with_afterwards(ground: Ground) {
    let line = ground.line();
    let (client, writer) = (ground.connect(&line.through).await, ground.client().await);
    writer.create("/gap", b"before").await.unwrap();
    let shared = SharedValue::new(&client, "/gap", Utf8).unwrap();
    until(&shared, |seen| seen.value().is_some() && !seen.is_stale()).await;

    line.sever();
    let seen = until(&shared, SharedView::is_stale).await;
    assert_eq!(seen.value().map(String::as_str), Some("before"));
    writer.set_data("/gap", b"missed").await.unwrap();
    line.mend();

    until(&shared, |seen| seen.value().is_some_and(|value| value == "missed") && !seen.is_stale()).await;
}

pub async fn a_reconnect_without_a_change_shows_the_same_value(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    client.create("/same", b"x").await.unwrap();
    let shared = SharedValue::new(&client, "/same", Raw).unwrap();
    let before = until(&shared, |seen| seen.value().is_some() && !seen.is_stale()).await;

    line.sever();
    let stale = until(&shared, SharedView::is_stale).await;
    line.mend();
    let after = until(&shared, |seen| !seen.is_stale()).await;
    assert_eq!([before.set_by(), stale.set_by()], [after.set_by(); 2]);
    assert!(poll_once(shared.changed(&after)).is_pending());
}

pub async fn a_value_is_followed_into_the_next_session(ground: Ground) {
    let line = ground.line();
    let (client, writer) = (ground.connect(&line.through).await, ground.client().await);
    writer.create("/next", b"one").await.unwrap();
    let shared = SharedValue::new(&client, "/next", Utf8).unwrap();
    until(&shared, is("one".into())).await;

    line.expire(&client).await;
    writer.set_data("/next", b"two").await.unwrap();
    line.mend();
    until(&shared, is("two".into())).await;
    writer.set_data("/next", b"three").await.unwrap();
    until(&shared, is("three".into())).await;
}

pub async fn a_dropped_value_keeps_no_session_and_no_watch(ground: Ground) {
    let client = ground.client().await;
    client.create("/dropped", b"x").await.unwrap();
    let session = client.session().unwrap();
    let shared = SharedValue::new(&client, "/dropped", Raw).unwrap();
    until(&shared, |seen| seen.value().is_some()).await;
    let clone = shared.clone();
    drop(shared);
    assert!(clone.current().value().is_some());

    drop(clone);
    eventually(|| ground.watched_paths(session).is_empty()).await;
}

pub async fn a_value_shows_no_more_when_its_client_is_over(ground: Ground) {
    let client = ground.client().await;
    client.create("/over", b"x").await.unwrap();
    let shared = SharedValue::new(&client, "/over", Raw).unwrap();
    let seen = until(&shared, |seen| seen.value().is_some()).await;

    soon(client.close()).await;
    let error = soon(async {
        let mut seen = seen;
        loop {
            match shared.changed(&seen).await {
                Ok(newer) => seen = newer,
                Err(error) => return error,
            }
        }
    })
    .await;
    assert!(matches!(error, Error::Ended { .. }), "{error:?}");
    assert_eq!(shared.current().value().map(|value| &**value), Some(b"x".as_slice()));
}

pub async fn whichever_reply_is_lost_a_value_is_set_once(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let shared = SharedValue::new(&client, &format!("{path}/value"), Utf8).unwrap().telling();
        let nothing = soon(shared.ready()).await.unwrap();
        assert!(soon(shared.compare_and_set(&nothing, &"one".into())).await.unwrap().applied().is_some());
        let one = until(&shared, is("one".into())).await;
        assert!(soon(shared.compare_and_set(&one, &"two".into())).await.unwrap().applied().is_some());
        until(&shared, is("two".into())).await;
    })
    .await;
}
