//! Numbers, and other updates of what is there.

use std::{num::NonZeroU32, time::Duration};

use zk_proto::{
    code::ErrorCode,
    recipes::{
        AtomicNumber, Change, Counted, Effect, Ids, NumberError, NumberLayout, Outcome, Reason, RetryPolicy, Update,
        update,
    },
    record::Acl,
};

use crate::conformance::{Ground, losing_replies, names, soon};

const LAYOUTS: [NumberLayout; 3] = [NumberLayout::CuratorLong, NumberLayout::CuratorInt, NumberLayout::Decimal];

pub async fn a_number_begins_at_zero_and_is_made_with_what_is_above(ground: Ground) {
    let client = ground.client().await;
    let number = AtomicNumber::new(&client, "/some/where/count").unwrap();
    assert_eq!(soon(number.get()).await.unwrap(), 0);
    assert!(client.exists("/some").await.unwrap().is_none(), "reading makes nothing");

    let added = soon(number.add(5)).await.unwrap();
    assert_eq!(added, Outcome::Applied(Counted { before: 0, after: 5 }));
    assert_eq!(soon(number.add(-7)).await.unwrap(), Outcome::Applied(Counted { before: 5, after: -2 }));
    assert_eq!(soon(number.get()).await.unwrap(), -2);
    assert_eq!(client.get_data("/some/where/count").await.unwrap().0, (-2_i64).to_be_bytes().as_slice());
}

pub async fn many_clients_count_and_no_count_is_lost(ground: Ground) {
    const CLIENTS: i64 = 4;
    const TIMES: i64 = 10;
    let mut counting = Vec::new();
    for _ in 0..CLIENTS {
        let client = ground.client().await;
        counting.push(ground.spawn(async move {
            let number = AtomicNumber::new(&client, "/count").unwrap();
            let mut results = Vec::new();
            for _ in 0..TIMES {
                let counted = number.add(1).await.unwrap().applied().expect("nothing goes wrong");
                results.push(counted.after);
            }
            results
        }));
    }

    let mut results = Vec::new();
    for counting in counting {
        results.extend(soon(counting).await);
    }
    results.sort_unstable();
    assert!(results.iter().copied().eq(1..=CLIENTS * TIMES), "{results:?}");
}

pub async fn a_number_is_written_as_others_read_it(ground: Ground) {
    let client = ground.client().await;
    let expected: [&[u8]; 3] = [b"\0\0\0\0\0\0\x01\x02", b"\0\0\x01\x02", b"258"];
    for (layout, expected) in LAYOUTS.into_iter().zip(expected) {
        client.create("/theirs", b"").await.unwrap();
        let number = AtomicNumber::new(&client, "/theirs").unwrap().layout(layout);

        assert!(soon(number.add(258)).await.unwrap().applied().is_some());
        assert_eq!(client.get_data("/theirs").await.unwrap().0, expected, "{layout:?}");
        client.delete("/theirs").await.unwrap();
    }
}

pub async fn what_is_no_number_is_an_error_until_somebody_sets_it(ground: Ground) {
    let client = ground.client().await;
    for layout in LAYOUTS {
        client.create("/corrupt", b"x").await.unwrap();
        let number = AtomicNumber::new(&client, "/corrupt").unwrap().layout(layout);
        let corrupt = NumberError::Corrupt("x".into());
        assert_eq!(soon(number.get()).await.unwrap_err(), corrupt);
        assert_eq!(soon(number.add(1)).await.unwrap_err(), corrupt);
        assert_eq!(client.get_data("/corrupt").await.unwrap().0, "x", "it is left alone");

        assert_eq!(soon(number.set(7)).await.unwrap(), Outcome::Applied(()));
        assert_eq!(soon(number.get()).await.unwrap(), 7);
        client.delete("/corrupt").await.unwrap();
    }
}

pub async fn a_sum_without_room_changes_nothing(ground: Ground) {
    let client = ground.client().await;
    for (layout, most) in LAYOUTS.into_iter().zip([i64::MAX, i32::MAX.into(), i64::MAX]) {
        let number = AtomicNumber::new(&client, "/full").unwrap().layout(layout);
        assert_eq!(soon(number.set(most)).await.unwrap(), Outcome::Applied(()));
        assert_eq!(soon(number.add(1)).await.unwrap_err(), NumberError::Overflow);
        assert_eq!(soon(number.get()).await.unwrap(), most, "{layout:?}");
        client.delete("/full").await.unwrap();
    }
}

pub async fn a_number_is_set_if_it_is_what_was_expected(ground: Ground) {
    let client = ground.client().await;
    let number = AtomicNumber::new(&client, "/expected").unwrap();
    let swapped = soon(number.compare_and_set(0, 10)).await.unwrap();
    assert_eq!(swapped, Outcome::Applied(Counted { before: 0, after: 10 }));

    let refused = soon(number.compare_and_set(0, 20)).await.unwrap();
    assert_eq!(refused, Outcome::NotApplied(Reason::Declined));
    assert_eq!(soon(number.get()).await.unwrap(), 10);
}

pub async fn an_addition_whose_reply_is_lost_counts_once(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let path = format!("{path}/count");
        let number = AtomicNumber::new(&client, &path).unwrap();
        let outcomes = [soon(number.add(1)).await.unwrap(), soon(number.add(1)).await.unwrap()];

        let sure = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Applied(_))).count();
        let perhaps = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Unknown)).count();
        let value = usize::try_from(soon(number.get()).await.unwrap()).unwrap();
        assert!((sure..=sure + perhaps).contains(&value), "{value} of {outcomes:?}");
        assert_eq!(value, 2, "each was carried out, and none twice");
    })
    .await;
}

pub async fn what_is_to_count_once_counts_once_and_is_known_to(ground: Ground) {
    losing_replies(&ground, async |client, path, run| {
        let path = format!("{path}/count");
        let number = AtomicNumber::new(&client, &path).unwrap().effect(Effect::ExactlyOnce);
        for expected in 1..=2 {
            let counted = soon(number.add(1)).await.unwrap().applied();
            assert_eq!(counted.map(|counted| counted.after), Some(expected), "run {run}");
        }
        assert_eq!(soon(number.get()).await.unwrap(), 2);
        soon(async {
            // The markers go in the background.
            while !names(&client, &format!("{path}-ops")).await.is_empty() {}
        })
        .await;
    })
    .await;
}

pub async fn a_write_that_tells_its_writer_is_recognised_when_its_reply_is_lost(ground: Ground) {
    losing_replies(&ground, async |client, path, run| {
        let telling = Update::new(&client, &path).unwrap().telling();
        for line in ["one", "two"] {
            let outcome = soon(telling.run(|found| {
                let found = found.map(|found| found.data.to_vec()).unwrap_or_default();
                Change::set([&found, line.as_bytes()].concat())
            }))
            .await;
            assert!(outcome.unwrap().applied().is_some(), "run {run}");
        }
        assert_eq!(client.get_data(&path).await.unwrap().0, "onetwo");
    })
    .await;
}

pub async fn an_update_makes_changes_and_deletes_a_node(ground: Ground) {
    let client = ground.client().await;
    let made = soon(update(&client, "/updated/node", |found| {
        assert_eq!(found, None);
        Change::set("one")
    }));
    assert!(made.await.unwrap().applied().is_some());

    let changed = soon(update(&client, "/updated/node", |found| {
        let found = found.expect("it was made");
        assert_eq!((&*found.data, found.stat.version), (&b"one"[..], 0));
        Change::set("two")
    }));
    let stat = changed.await.unwrap().applied().expect("nobody is in the way").expect("it is there");
    assert_eq!(client.get_data("/updated/node").await.unwrap(), ("two".into(), stat));

    let deleted = soon(update(&client, "/updated/node", |_| Change::Delete)).await.unwrap();
    assert_eq!(deleted, Outcome::Applied(None));
    for declined in [Change::Delete, Change::None] {
        let outcome = soon(update(&client, "/updated/node", |_| declined.clone())).await.unwrap();
        assert_eq!(outcome, Outcome::NotApplied(Reason::Declined));
    }
    assert!(client.exists("/updated/node").await.unwrap().is_none());
}

pub async fn an_update_sees_what_others_wrote_and_gives_up_as_it_is_told(ground: Ground) {
    let client = ground.client().await;
    client.create("/contended", b"0").await.unwrap();
    let other = ground.client().await;
    let (contended, times) = (Update::new(&client, "/contended").unwrap(), 3);

    // Each time, somebody else writes between the read and the write: his request is queued when the function is asked.
    for (policy, seen_twice) in [(RetryPolicy::never(), false), (RetryPolicy::default().attempts(times), true)] {
        let mut asked = 0;
        let outcome = soon(contended.clone().retry(policy).run(|_| {
            asked += 1;
            client.set_data("/contended", b"theirs").send().detach();
            Change::set("ours")
        }))
        .await;
        assert_eq!(outcome.unwrap(), Outcome::NotApplied(Reason::GaveUp));
        assert_eq!(asked, if seen_twice { times } else { 1 });
    }
    assert_eq!(other.get_data("/contended").await.unwrap().0, "theirs");
}

pub async fn an_update_ends_at_its_deadline_without_a_connection(ground: Ground) {
    let line = ground.line();
    let client = ground.connect(&line.through).await;
    let retry = RetryPolicy::default().deadline(Duration::from_millis(50));
    let number = AtomicNumber::new(&client, "/late").unwrap().retry(retry);
    line.sever();

    assert_eq!(soon(number.add(1)).await.unwrap(), Outcome::NotApplied(Reason::GaveUp));
    line.mend();
    assert_eq!(soon(number.get()).await.unwrap(), 0, "and is not counted later");
}

pub async fn what_the_server_refuses_was_not_done(ground: Ground) {
    let client = ground.client().await;
    let acl = Acl::read_only();
    client.create("/refused", b"").acl(&acl).await.unwrap();
    let number = AtomicNumber::new(&client, "/refused").unwrap();
    for effect in [Effect::AtMostOnce, Effect::AtLeastOnce, Effect::ExactlyOnce] {
        let refused = soon(number.clone().effect(effect).add(1)).await.unwrap_err();
        let NumberError::Client(error) = refused else { panic!("{refused:?}") };
        assert_eq!(error.code(), Some(ErrorCode::NoAuth), "{effect:?}");
    }
}

pub async fn nobody_gets_an_id_that_somebody_else_has(ground: Ground) {
    let (one, two) = (ground.client().await, ground.client().await);
    let ids = |client, block| Ids::new(AtomicNumber::new(client, "/ids").unwrap(), NonZeroU32::new(block).unwrap());
    let (mut first, mut second) = (ids(&one, 3), ids(&two, 2));

    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(soon(first.take()).await.unwrap());
        taken.push(soon(second.take()).await.unwrap());
    }
    assert_eq!(taken, [0, 3, 1, 4, 2, 5, 7, 6]);
}
