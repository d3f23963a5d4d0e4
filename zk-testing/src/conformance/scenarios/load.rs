//! Much at once: large nodes, long lists, many requests on their way, many tasks on one session.

use std::{sync::Arc, time::Duration};

use zk_proto::{
    Limits,
    client::{Client, Error},
};

use crate::conformance::{Ground, soon};

/// A set_data without path and data: header, length of the path, length of the data, version.
const SET_DATA_OVERHEAD: usize = 8 + 4 + 4 + 4;

pub async fn data_up_to_the_limit_goes_out_and_comes_back_and_more_is_refused_here(ground: Ground) {
    // Byte by byte, and on a busy machine, a megabyte takes its time.
    let client = ground.connect_by(ground.builder(&ground.servers()).session_timeout(Duration::from_secs(60))).await;
    client.create("/node", b"").await.unwrap();
    let session = client.session();
    let limit = Limits::default().send_frame_bytes;
    let path = client.root().to_server("/node").len();
    let most: Vec<u8> = (0..limit - SET_DATA_OVERHEAD - path).map(|index| (index % 251) as u8).collect();

    let stat = soon(client.set_data("/node", &most)).await.unwrap();
    assert_eq!(stat.data_length as usize, most.len());
    // The reply is larger than the largest request.
    let (data, _) = soon(client.get_data("/node")).await.unwrap();
    assert!(data == most, "{} bytes read", data.len());

    let more = [&most[..], b"x"].concat();
    let before = client.set_data("/node", b"before").send();
    let refused = client.set_data("/node", more).send();
    let behind = client.set_data("/node", b"behind").send();
    let error = soon(refused).await.unwrap_err();
    assert_eq!(error, Error::TooLarge { bytes: limit + 1, limit });
    assert!(error.is_certainly_not_applied());
    assert_eq!(soon(before).await.unwrap().version, 2);
    assert_eq!(soon(behind).await.unwrap().version, 3);
    assert_eq!(client.session(), session);
}

pub async fn a_list_of_children_may_be_longer_than_any_request(ground: Ground) {
    let client = ground.client().await;
    let names: Vec<String> = (0..6_500).map(|number| format!("/{number:0>200}")).collect();
    let mut pending = Vec::new();
    for chunk in names.chunks(1_000) {
        let multi = chunk.iter().fold(client.multi(), |multi, name| multi.create(name, b""));
        pending.push(multi.send());
    }
    for multi in pending {
        soon(multi).await.unwrap();
    }

    let (children, stat) = soon(client.get_children("/")).await.unwrap();

    assert_eq!((children.len(), stat.num_children), (6_500, 6_500));
    let listed = children.to_sorted();
    assert!(listed.iter().zip(&names).all(|(listed, name)| *listed == name[1..]));
}

pub async fn requests_leave_in_the_order_of_the_calls_awaited_or_not(ground: Ground) {
    let client = ground.client().await;

    let created = client.create("/node", b"0").send();
    let set: Vec<_> = (1..=100).map(|number| client.set_data("/node", number.to_string()).send()).collect();
    let read = client.get_data("/node").send();
    let deleted = client.delete("/node").version(100).send();
    let found = client.exists("/node").send();

    // Awaited from the last to the first.
    assert_eq!(soon(found).await.unwrap(), None);
    soon(deleted).await.unwrap();
    let (data, stat) = soon(read).await.unwrap();
    assert_eq!((&data[..], stat.version), (&b"100"[..], 100));
    for (index, set) in set.into_iter().enumerate().rev() {
        assert_eq!(soon(set).await.unwrap().version as usize, index + 1);
    }
    assert_eq!(soon(created).await.unwrap().0, "/node");
}

pub async fn a_detached_request_is_made_and_a_dropped_call_is_not(ground: Ground) {
    let client = ground.client().await;

    client.create("/detached", b"").send().detach();
    drop(client.create("/never", b""));

    assert_eq!(client.get_children("/").await.unwrap().0.to_sorted(), ["detached"]);
}

pub async fn many_tasks_share_a_session_and_each_gets_its_own_replies(ground: Ground) {
    let client = ground.client().await;
    client.create("/counter", b"0").await.unwrap();
    let session = client.session();

    let tasks: Vec<_> = (0..64).map(|number| ground.spawn(work(client.clone(), number))).collect();
    for task in tasks {
        soon(task).await.unwrap();
    }

    assert_eq!(client.get_data("/counter").await.unwrap().1.version, 64 * 25);
    assert_eq!(client.session(), session);
}

async fn work(client: Client, number: usize) -> Result<(), Error> {
    let path = format!("/node-{number}");
    client.create(&path, b"").await?;
    for round in 0..25 {
        let content = format!("{number} in round {round}");
        client.set_data("/counter", b"").await?;
        let stat = client.set_data(&path, &content).await?;
        let (data, read) = client.get_data(&path).await?;
        assert_eq!((&data[..], read), (content.as_bytes(), stat));
    }
    Ok(())
}

pub async fn a_call_waits_for_a_place_in_a_full_session_and_a_sent_one_is_refused(ground: Ground) {
    let mut limits = Limits::default();
    (limits.backlog_requests, limits.in_flight_requests) = (8, 4);
    let servers = ground.servers();
    let client = soon(ground.builder(&servers).limits(limits).connect()).await.unwrap();
    let client = Arc::new(client);
    client.create("/node", b"").await.unwrap();

    let sent: Vec<_> = (0..100).map(|_| client.set_data("/node", b"").send()).collect();
    let mut done = 0;
    for pending in sent {
        match soon(pending).await {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error, Error::Full),
        }
    }
    let awaited = (0..100).map(|_| {
        let client = client.clone();
        ground.spawn(async move { client.set_data("/node", b"").await })
    });
    for task in awaited.collect::<Vec<_>>() {
        soon(task).await.unwrap();
    }

    assert!((8..100).contains(&done), "{done} requests found a place");
    assert_eq!(client.exists("/node").await.unwrap().unwrap().version, done + 100);
}
