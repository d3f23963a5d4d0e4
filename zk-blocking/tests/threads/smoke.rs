//! Everything once.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use zk_blocking::{
    AddWatchMode, Elapsed, End, Error, ErrorCode, OnExpiry, Sent, State, Wait, WaitForEvents, WatchEnd,
    WatchedEventKind,
};
use zk_testing::TestServer;

use crate::{connect, soon};

#[test]
fn nodes_are_made_watched_changed_and_deleted() {
    let server = TestServer::start().unwrap();
    let client = zk_blocking::connect(&server.connect_string()).unwrap();
    let (path, stat) = client.create("/a", b"1").wait().unwrap();
    assert_eq!((&path[..], stat.version), ("/a", 0));
    let (data, _, mut watcher) = client.get_data("/a").watch().wait().unwrap();
    assert_eq!(data, "1");

    let stat = client.set_data("/a", b"2").version(0).wait().unwrap();

    assert_eq!((stat.version, server.get("/a").unwrap().0), (1, Some("2".into())));
    let event = watcher.changed().wait().unwrap();
    assert_eq!((event.kind, &event.path[..]), (WatchedEventKind::NodeDataChanged, "/a"));
    client.delete("/a").version(1).wait().unwrap();
    assert_eq!(client.get_data("/a").wait().unwrap_err().code(), Some(ErrorCode::NoNode));
}

#[test]
fn the_next_event_is_waited_for_but_not_for_ever() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let mut watcher = soon(client.add_watch("/a", AddWatchMode::Persistent)).unwrap();

    assert_eq!(watcher.next_timeout(Duration::from_millis(20)), Err(Elapsed));
    soon(client.create("/a", b"")).unwrap();

    let event = watcher.next_timeout(Duration::from_secs(10)).unwrap().unwrap().unwrap();
    assert_eq!((event.kind, &event.path[..]), (WatchedEventKind::NodeCreated, "/a"));
    assert_eq!(watcher.next_timeout(Duration::ZERO), Err(Elapsed));
}

#[test]
fn events_are_iterated_over_until_the_watch_is_over() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let mut tree = soon(client.add_watch("/", AddWatchMode::PersistentRecursive)).unwrap();

    let heard = std::thread::scope(|scope| {
        let heard = scope.spawn(|| tree.events().collect::<Vec<_>>());
        for path in ["/a", "/b", "/c"] {
            soon(client.create(path, b"")).unwrap();
        }
        soon(client.close());
        heard.join().unwrap()
    });

    let (last, events) = heard.split_last().unwrap();
    let paths: Vec<_> = events.iter().map(|event| event.as_ref().unwrap().path.to_string()).collect();
    assert_eq!(paths, ["/a", "/b", "/c"]);
    assert_eq!(*last, Err(WatchEnd::Session(End::Closed)));
}

#[test]
fn large_data_goes_there_and_back() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    let data: Vec<u8> = (0..1_000_000_u32).map(|index| index.to_le_bytes()[index as usize % 4]).collect();
    soon(client.create("/large", &data)).unwrap();

    // One by one, which this thread receives by itself, and all at once.
    for _ in 0..20 {
        assert!(soon(client.get_data("/large")).unwrap().0 == data, "byte for byte");
    }
    let reads = [(); 8].map(|()| client.get_data("/large").send());
    for read in reads {
        assert!(soon(read).unwrap().0 == data, "byte for byte");
    }
}

#[test]
fn a_reply_as_large_as_any_may_be_is_received() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    soon(client.create("/list", b"")).unwrap();
    let name = "n".repeat(200);
    // 4 MiB is the limit.
    let children = 4_100_000 / (name.len() + 10 + 4);
    let created: Vec<_> =
        (0..children).map(|_| client.create(&format!("/list/{name}"), b"").sequential().send()).collect();
    created.into_iter().for_each(|created| drop(soon(created).unwrap()));

    for _ in 0..3 {
        assert_eq!(soon(client.get_children("/list")).unwrap().0.len(), children);
    }
}

#[test]
fn names_are_resolved() {
    let server = TestServer::start().unwrap();
    let client = zk_blocking::connect(&format!("localhost:{}/app", server.port())).unwrap();

    assert_eq!(soon(client.exists("/")).unwrap(), None, "the chroot is not there yet");
}

#[test]
fn a_name_that_does_not_resolve_fails_in_time_and_by_name() {
    let builder = zk_blocking::builder("no-such-host.invalid:2181").unwrap();

    let failure = builder.connect_timeout(Duration::from_millis(300)).connect().wait().unwrap_err();

    assert!(matches!(failure, Error::Connect(_)), "{failure:?}");
    assert!(failure.to_string().contains("no-such-host.invalid"), "{failure}");
}

#[test]
fn a_server_that_is_not_there_fails_in_time_and_by_name() {
    let refusing = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap()
    };
    let builder = zk_blocking::builder(&refusing.to_string()).unwrap();

    let failure = builder.connect_timeout(Duration::from_millis(300)).connect().wait().unwrap_err().to_string();

    let refused = TcpStream::connect(refusing).unwrap_err().to_string();
    assert!(failure.contains(&refused) && failure.contains(&refusing.to_string()), "{failure}");
}

#[test]
fn an_expired_session_is_followed_by_another_or_ends_as_was_chosen() {
    let server = TestServer::start().unwrap();
    let renewed = connect(&server);
    let builder = zk_blocking::builder(&server.connect_string()).unwrap();
    let ended = soon(builder.on_expiry(OnExpiry::End).connect()).unwrap();
    let (mut renewals, mut ends) = (renewed.states(), ended.states());
    let Some(State::Connected { session: first, .. }) = soon(renewals.next()) else { panic!("it is connected") };

    server.expire_sessions();
    while !matches!(soon(renewals.next()), Some(State::Connected { session, .. }) if session != first) {}
    while soon(ends.next()).is_some() {}

    assert!(soon(renewed.exists("/")).is_ok());
    assert!(matches!(soon(ended.exists("/")), Err(Error::Ended { end: End::Expired, sent: Sent::No })));
}

#[test]
fn what_elapses_is_an_error_that_says_that_it_may_have_been_applied() {
    let server = TestServer::start().unwrap();
    let client = connect(&server);
    server.pause();

    let create = || -> Result<(), Error> {
        client.create("/a", b"").wait_timeout(Duration::from_millis(30))??;
        Ok(())
    };

    let error = create().unwrap_err();
    assert_eq!(error, Error::TimedOut { sent: Sent::Perhaps });
    assert!(!error.is_certainly_not_applied());
    server.resume();
}
