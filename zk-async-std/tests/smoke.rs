//! The client on async-std and a server in memory: what is this adapter's own to break.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use async_std::task::{block_on, spawn};
use zk_async_std::{End, Error, ErrorCode, OnExpiry, Sent, State, WatchedEventKind};
use zk_testing::TestServer;

#[test]
fn nodes_are_made_watched_changed_and_deleted() {
    let server = TestServer::start().unwrap();
    block_on(async {
        let client = zk_async_std::connect(&server.connect_string()).await.unwrap();
        let (path, stat) = client.create("/a", b"1").await.unwrap();
        assert_eq!((&path[..], stat.version), ("/a", 0));
        let (data, _, mut watcher) = client.get_data("/a").watch().await.unwrap();
        assert_eq!(data, "1");

        let stat = client.set_data("/a", b"2").version(0).await.unwrap();

        assert_eq!((stat.version, server.get("/a").unwrap().0), (1, Some("2".into())));
        let event = watcher.changed().await.unwrap();
        assert_eq!((event.kind, &event.path[..]), (WatchedEventKind::NodeDataChanged, "/a"));
        client.delete("/a").version(1).await.unwrap();
        assert_eq!(client.get_data("/a").await.unwrap_err().code(), Some(ErrorCode::NoNode));
    });
}

#[test]
fn a_session_and_its_watches_survive_a_cut_connection() {
    let server = TestServer::start().unwrap();
    block_on(async {
        let client = zk_async_std::connect(&server.connect_string()).await.unwrap();
        client.create("/a", b"").ephemeral().await.unwrap();
        let (_, _, mut watcher) = client.get_data("/a").watch().await.unwrap();
        let (session, mut states) = (client.session(), client.states());

        server.cut_connections();
        while !matches!(states.next().await, Some(State::Connected { resumed: true, .. })) {}
        client.set_data("/a", b"1").await.unwrap();

        assert_eq!(watcher.changed().await.unwrap().kind, WatchedEventKind::NodeDataChanged);
        assert_eq!(client.session(), session);
    });
}

#[test]
fn large_data_goes_there_and_back() {
    let server = TestServer::start().unwrap();
    let data: Vec<u8> = (0..1_000_000_u32).map(|index| index.to_le_bytes()[index as usize % 4]).collect();
    block_on(async {
        let client = zk_async_std::connect(&server.connect_string()).await.unwrap();
        client.create("/large", &data).await.unwrap();

        let reads = [(); 8].map(|()| client.get_data("/large").send());

        for read in reads {
            assert!(read.await.unwrap().0 == data, "byte for byte");
        }
    });
}

#[test]
fn many_tasks_on_many_threads_share_one_client() {
    let server = TestServer::start().unwrap();
    block_on(async {
        let client = zk_async_std::connect(&server.connect_string()).await.unwrap();
        let workers: Vec<_> = (0..32)
            .map(|worker| {
                let client = client.clone();
                spawn(async move {
                    for job in 0..20 {
                        client.create(&format!("/{worker}-{job}"), b"").await.unwrap();
                    }
                })
            })
            .collect();

        for worker in workers {
            worker.await;
        }

        assert_eq!(client.get_children("/").await.unwrap().0.len(), 32 * 20 + 1);
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn names_are_resolved() {
    let server = TestServer::start().unwrap();
    block_on(async {
        let client = zk_async_std::connect(&format!("localhost:{}/app", server.port())).await.unwrap();

        assert_eq!(client.exists("/").await.unwrap(), None, "the chroot is not there yet");
    });
}

#[test]
fn closing_and_dropping_end_the_session_on_the_server() {
    let server = TestServer::start().unwrap();
    block_on(async {
        let (closed, dropped) = (
            zk_async_std::connect(&server.connect_string()).await.unwrap(),
            zk_async_std::connect(&server.connect_string()).await.unwrap(),
        );
        let mut states = dropped.states();
        assert_eq!(server.sessions().len(), 2);

        closed.close().await;
        assert_eq!(server.sessions().len(), 1);

        drop(dropped);
        while states.next().await.is_some() {}
        assert!(server.sessions().is_empty());
    });
}

#[test]
fn an_expired_session_is_followed_by_another_or_ends_as_was_chosen() {
    let server = TestServer::start().unwrap();
    block_on(async {
        let builder = zk_async_std::builder(&server.connect_string()).unwrap();
        let renewed = builder.clone().connect().await.unwrap();
        let ended = builder.on_expiry(OnExpiry::End).connect().await.unwrap();
        let (mut renewals, mut ends) = (renewed.states(), ended.states());
        let Some(State::Connected { session: first, .. }) = renewals.next().await else { panic!("it is connected") };

        server.expire_sessions();
        while !matches!(renewals.next().await, Some(State::Connected { session, .. }) if session != first) {}
        while ends.next().await.is_some() {}

        assert!(renewed.exists("/").await.is_ok());
        assert!(matches!(ended.exists("/").await, Err(Error::Ended { end: End::Expired, sent: Sent::No })));
    });
}

#[test]
fn a_server_that_is_not_there_fails_in_time_and_by_name() {
    let refusing = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap()
    };
    let builder = zk_async_std::builder(&refusing.to_string()).unwrap();

    let failure = block_on(builder.connect_timeout(Duration::from_millis(300)).connect()).unwrap_err();

    let refused = TcpStream::connect(refusing).unwrap_err();
    assert!(
        failure.to_string().contains(&refused.to_string()) && failure.to_string().contains(&refusing.to_string()),
        "{failure}"
    );
}
