//! Transactions over several nodes.

use std::time::Duration;

use zk_proto::{
    client::{Client, Error},
    code::ErrorCode,
    recipes::{Outcome, Reason, RetryPolicy, Transaction, transact},
};

use crate::conformance::{Ground, losing_replies, soon};

const POLICY: RetryPolicy = RetryPolicy::fixed(Duration::ZERO).attempts(3);

async fn data(client: &Client, path: &str) -> Option<String> {
    match client.get_data(path).await {
        Ok((data, _)) => Some(String::from_utf8(data.to_vec()).unwrap()),
        Err(Error::Server(ErrorCode::NoNode)) => None,
        Err(error) => panic!("{error}"),
    }
}

pub async fn nodes_are_made_set_and_deleted_at_one_stroke(ground: Ground) {
    let client = ground.client().await;
    for (path, data) in [("/from", "job"), ("/count", "1")] {
        client.create(path, data).await.unwrap();
    }

    let moving = ground.spawn({
        let client = client.clone();
        async move {
            transact(&client, POLICY, async |nodes: &mut Transaction| {
                let job = nodes.read("/from").await?.unwrap();
                nodes.delete("/from")?;
                nodes.write("/count", "2")?;
                nodes.write("/to", job)?;
                nodes.write("/to/below", "b")?;
                assert_eq!(nodes.read("/count").await?.unwrap(), "2", "it sees what it writes");
                assert_eq!(nodes.read("/from").await?, None);
                Ok(7)
            })
            .await
        }
    });
    assert_eq!(soon(moving).await.unwrap(), Outcome::Applied(7));

    let now = [data(&client, "/from").await, data(&client, "/to").await, data(&client, "/count").await];
    assert_eq!(now, [None, Some("job".into()), Some("2".into())]);
    let changed = client.exists("/count").await.unwrap().unwrap().mzxid;
    assert_eq!(client.exists("/to/below").await.unwrap().unwrap().czxid, changed, "in one transaction");
}

pub async fn what_was_read_only_must_not_change_either(ground: Ground) {
    let client = ground.client().await;
    client.create("/rule", b"on").await.unwrap();
    client.create("/act", b"0").await.unwrap();
    let mut asked = 0;
    let outcome = soon(transact(&client, POLICY, async |nodes: &mut Transaction| {
        asked += 1;
        let rule = nodes.read("/rule").await?.unwrap();
        if asked == 1 {
            // Somebody else, between the read and the commit.
            client.set_data("/rule", b"off").send().detach();
        }
        nodes.write("/act", rule)
    }))
    .await;

    assert_eq!((outcome.unwrap(), asked), (Outcome::Applied(()), 2));
    assert_eq!(data(&client, "/act").await.unwrap(), "off");
}

pub async fn what_was_missing_must_be_missing_still(ground: Ground) {
    let client = ground.client().await;
    client.create("/act", b"0").await.unwrap();
    // Somebody makes the first one in between, and something far above the second one, which is missing still.
    for (missing, attempts, written) in [("/missing", 2, "there"), ("/missing/far/below", 1, "missing")] {
        let mut asked = 0;
        let outcome = soon(transact(&client, POLICY, async |nodes: &mut Transaction| {
            asked += 1;
            let is_missing = nodes.read(missing).await?.is_none();
            if asked == 1 {
                client.create("/missing", b"").send().detach();
            }
            nodes.write("/act", if is_missing { "missing" } else { "there" })
        }))
        .await;

        assert_eq!((outcome.unwrap(), asked), (Outcome::Applied(()), attempts), "{missing}");
        assert_eq!(data(&client, "/act").await.unwrap(), written);
        client.delete("/missing").await.unwrap();
    }
    assert_eq!(client.get_children("/").await.unwrap().0.len(), 1, "looking makes nothing");
}

pub async fn a_transaction_gives_up_as_it_is_told(ground: Ground) {
    let client = ground.client().await;
    client.create("/contended", b"").await.unwrap();
    let outcome = soon(transact(&client, POLICY, async |nodes: &mut Transaction| {
        nodes.read("/contended").await?;
        client.set_data("/contended", b"theirs").send().detach();
        nodes.write("/contended", "ours")
    }))
    .await;

    assert_eq!(outcome.unwrap(), Outcome::NotApplied(Reason::GaveUp));
    assert_eq!(data(&client, "/contended").await.unwrap(), "theirs");
}

pub async fn what_cannot_be_is_an_error_and_nothing_is_done(ground: Ground) {
    let client = ground.client().await;
    for path in ["/act", "/full", "/full/child"] {
        client.create(path, b"").await.unwrap();
    }
    let orphan = transact(&client, POLICY, async |nodes: &mut Transaction| {
        nodes.write("/act", "done")?;
        nodes.write("/none/child", "x")
    });
    assert_eq!(soon(orphan).await.unwrap_err(), Error::Server(ErrorCode::NoNode));
    let parent = transact(&client, POLICY, async |nodes: &mut Transaction| {
        nodes.write("/act", "done")?;
        nodes.delete("/full")
    });
    assert_eq!(soon(parent).await.unwrap_err(), Error::Server(ErrorCode::NotEmpty));
    assert_eq!(data(&client, "/act").await.unwrap(), "");
}

pub async fn a_transaction_whose_reply_is_lost_is_carried_out_once(ground: Ground) {
    losing_replies(&ground, async |client, path, run| {
        let (a, b) = (format!("{path}/a"), format!("{path}/b"));
        let mut known = 0;
        for _ in 0..2 {
            let outcome = soon(transact(&client, POLICY, async |nodes: &mut Transaction| {
                for path in [&a, &b] {
                    let data = nodes.read(path).await?.unwrap_or_default();
                    nodes.write(path, [&data, &b"x"[..]].concat())?;
                }
                Ok(())
            }))
            .await
            .unwrap();
            match outcome {
                Outcome::Applied(()) => known += 1,
                Outcome::Unknown => {}
                Outcome::NotApplied(reason) => panic!("run {run}: {reason}"),
            }
        }
        assert!(known >= 1, "one reply is lost at most");
        for path in [a, b] {
            assert_eq!(data(&client, &path).await.unwrap(), "xx", "each was carried out once");
        }
    })
    .await;
}
