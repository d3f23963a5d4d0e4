//! The server in memory over TCP, and what a test can do to it.

mod memory_client;

use std::{
    io::Read,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use memory_client::{Client, Frame, create, greeting, text};
use zk_proto::{
    code::{CreateMode, ErrorCode, EventType, OpCode},
    record::{ConnectRequest, CreateResponse, GetDataRequest, WatcherEvent},
};
use zk_testing::{
    TestServer,
    server::{ReadOnly, Version},
};

/// Long enough that what is held back would have come, were it not.
const A_WHILE: Duration = Duration::from_millis(200);

#[test]
fn a_server_is_one_line_and_its_end_closes_everything() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    assert_eq!(server.connect_string(), format!("127.0.0.1:{}", server.port()));

    let address = server.address();
    drop(server);

    assert!(client.is_hung_up());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn many_servers_do_not_know_of_each_other() {
    let servers: Vec<_> = (0..20).map(|_| TestServer::start().unwrap()).collect();
    for (number, server) in servers.iter().enumerate() {
        let mut client = Client::connect(server.address());
        assert_eq!(client.create(&format!("/n{number}"), "", CreateMode::Persistent), ErrorCode::Ok);
        assert_eq!(server.children("/").unwrap().len(), 2);
    }
}

#[test]
fn an_expired_session_is_refused_and_its_nodes_are_gone() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    client.create("/e", "data", CreateMode::Ephemeral);
    assert_eq!(server.sessions()[0].ephemerals, ["/e"]);

    assert!(server.expire_session(client.session_id()));

    assert_eq!((server.get("/e"), server.sessions().len(), server.connections()), (None, 0, 0));
    assert!(client.is_hung_up());
    let again = Client::greet(server.address(), &client.credentials()).unwrap();
    assert_eq!(again.session.timeout_ms, 0);
    assert!(!server.expire_session(client.session_id()), "it is over already");
}

#[test]
fn a_session_expires_by_itself_in_real_time() {
    let server = TestServer::builder().tick_time(Duration::from_millis(50)).start().unwrap();
    let client = Client::greet(server.address(), &greeting(100)).unwrap();

    let begin = Instant::now();
    while !server.sessions().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the session is still there");
        thread::sleep(Duration::from_millis(5));
    }

    assert!(begin.elapsed() >= Duration::from_millis(80));
    drop(client);
}

#[test]
fn a_cut_connection_can_be_replaced() {
    let server = TestServer::start().unwrap();
    let (mut one, mut two) = (Client::connect(server.address()), Client::connect(server.address()));

    assert!(server.cut_session(one.session_id()));
    assert!(one.is_hung_up());
    assert!(!server.cut_session(one.session_id()), "it has no connection any more");
    assert!(two.events().is_empty());
    server.cut_connections();
    assert!(two.is_hung_up());

    let mut again = Client::greet(server.address(), &two.credentials()).unwrap();
    assert_eq!(again.session_id(), two.session_id());
    assert!(again.events().is_empty());
}

#[test]
fn refused_connections_end_at_once_and_others_stay() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());

    server.refuse_connections(true);
    let mut refused = TcpStream::connect(server.address()).unwrap();
    assert_eq!(refused.read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(client.events().is_empty());

    server.refuse_connections(false);
    Client::connect(server.address());
}

#[test]
fn a_paused_server_is_silent_until_it_goes_on() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    server.pause();
    client.send(OpCode::Create, |out| out.put(&create("/a", "", CreateMode::Persistent)));
    let waiting = TcpStream::connect(server.address()).unwrap();

    thread::sleep(A_WHILE);
    assert_eq!((server.get("/a"), server.connections()), (None, 1));
    server.resume();

    assert_eq!(client.receive().unwrap().header.err, ErrorCode::Ok);
    drop(waiting);
}

#[test]
fn a_paused_server_can_still_lose_its_connections() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    server.pause();

    server.cut_connections();

    assert!(client.is_hung_up());
    server.resume();
    Client::connect(server.address());
}

#[test]
fn a_restart_keeps_sessions_and_nodes() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    client.create("/e", "data", CreateMode::Ephemeral);

    server.restart();
    server.begin_epoch();

    assert!(client.is_hung_up());
    let mut again = Client::greet(server.address(), &client.credentials()).unwrap();
    assert_eq!(again.session_id(), client.session_id());
    assert_eq!(again.create("/e", "", CreateMode::Persistent), ErrorCode::NodeExists);
    assert_eq!(server.zxid().0, 1 << 32 | 1);
}

#[test]
fn delayed_replies_come_late_and_in_order() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    server.delay_replies(A_WHILE);

    let begin = Instant::now();
    for number in 0..10 {
        client.send(OpCode::Create, |out| out.put(&create(&format!("/n{number}"), "", CreateMode::Persistent)));
    }
    let paths: Vec<_> = (0..10).map(|_| client.receive().unwrap().decode::<CreateResponse>().path).collect();

    assert!(begin.elapsed() >= A_WHILE);
    assert_eq!(paths, (0..10).map(|number| text(&format!("/n{number}"))).collect::<Vec<_>>());
    server.delay_replies(Duration::ZERO);
    assert!(client.events().is_empty());
}

#[test]
fn a_cut_does_not_wait_for_what_is_held_back() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    server.delay_replies(Duration::from_secs(3600));
    client.send(OpCode::Create, |out| out.put(&create("/a", "", CreateMode::Persistent)));
    while server.get("/a").is_none() {
        thread::yield_now();
    }

    server.cut_connections();

    assert!(client.is_hung_up());
}

#[test]
fn a_swallowed_reply_never_comes() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    server.swallow_reply(OpCode::Create);

    client.send(OpCode::Create, |out| out.put(&create("/a", "", CreateMode::Persistent)));
    assert!(client.events().is_empty(), "the reply to the ping is all there is");

    assert!(server.get("/a").is_some());
    assert_eq!(server.requests()[&OpCode::Create], 1);
}

#[test]
fn the_sequence_counter_can_be_set() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    client.create("/s", "", CreateMode::Persistent);

    assert!(server.set_sequence("/s", i32::MAX) && !server.set_sequence("/none", 0));

    let reply = client.call(OpCode::Create, &create("/s/x-", "", CreateMode::PersistentSequential));
    assert_eq!(reply.decode::<CreateResponse>().path, text("/s/x-2147483647"));
    assert_eq!(client.create("/s/x-", "", CreateMode::PersistentSequential), ErrorCode::NodeExists);
}

#[test]
fn nodes_and_watches_can_be_looked_at() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    client.create("/a", "1", CreateMode::Persistent);
    client.create("/a/b", "2", CreateMode::Persistent);
    client.call(OpCode::GetData, &GetDataRequest { path: text("/a"), watch: true });

    let (data, stat) = server.get("/a").unwrap();
    assert_eq!((data.as_deref(), stat.num_children), (Some(&b"1"[..]), 1));
    assert_eq!(server.dump("/a").len(), 2);
    let watches = server.watches();
    assert_eq!((watches.len(), watches[0].session, &*watches[0].path), (1, client.session_id(), "/a"));
}

#[test]
fn events_reach_other_connections() {
    let server = TestServer::builder().version(Version::V3_8).start().unwrap();
    let (mut watcher, mut changer) = (Client::connect(server.address()), Client::connect(server.address()));
    watcher.call(OpCode::Exists, &GetDataRequest { path: text("/a"), watch: true });

    changer.create("/a", "", CreateMode::Persistent);

    let event: WatcherEvent = watcher.receive().as_ref().map(Frame::decode).unwrap();
    assert_eq!((event.event_type, event.path), (EventType::NodeCreated, text("/a")));
}

#[test]
fn a_server_can_be_cut_off_from_its_ensemble_and_come_back() {
    let server = TestServer::start().unwrap();
    let mut client = Client::connect(server.address());
    let request = ConnectRequest { read_only: Some(true), ..greeting(5000) };

    server.set_read_only(Some(ReadOnly::LocalSessions));
    assert!(client.is_hung_up());
    assert!(Client::greet(server.address(), &client.credentials()).is_none());
    let mut local = Client::greet(server.address(), &request).unwrap();
    assert_eq!(local.session.read_only, Some(true));
    assert_eq!(local.create("/a", "", CreateMode::Persistent), ErrorCode::NotReadOnly);

    server.set_read_only(None);
    assert!(local.is_hung_up());
    let again = Client::greet(server.address(), &client.credentials()).unwrap();
    assert_eq!(again.session_id(), client.session_id());
    assert_eq!(Client::greet(server.address(), &local.credentials()).unwrap().session.timeout_ms, 0);
}

#[test]
fn a_client_that_does_not_read_costs_no_other_and_gets_all_in_the_end() {
    const READS: usize = 300;
    let server = TestServer::start().unwrap();
    let (mut slow, mut other) = (Client::connect(server.address()), Client::connect(server.address()));
    let large = "x".repeat(500_000);
    other.create("/large", &large, CreateMode::Persistent);
    for _ in 0..READS {
        slow.send(OpCode::GetData, |out| out.put(&GetDataRequest { path: text("/large"), watch: false }));
    }

    assert!(other.events().is_empty());

    for _ in 0..READS {
        assert!(slow.receive().unwrap().body.len() > large.len());
    }
}

#[test]
fn thousands_of_sessions_are_no_burden() {
    let server = TestServer::start().unwrap();
    let mut clients: Vec<_> = (0..500).map(|_| Client::connect(server.address())).collect();
    for client in &mut clients {
        client.call(OpCode::Exists, &GetDataRequest { path: text("/all"), watch: true });
    }

    Client::connect(server.address()).create("/all", "", CreateMode::Persistent);

    for client in &mut clients {
        assert_eq!(client.events().len(), 1);
    }
}

#[test]
fn calls_come_through_while_the_server_is_busy() {
    let server = TestServer::start().unwrap();
    let address = server.address();
    let busy = thread::spawn(move || {
        let mut client = Client::connect(address);
        for _ in 0..200 {
            for _ in 0..100 {
                client.send(OpCode::GetData, |out| out.put(&GetDataRequest { path: text("/"), watch: false }));
            }
            for _ in 0..100 {
                client.receive().unwrap();
            }
        }
    });

    while !busy.is_finished() {
        assert!(server.get("/zookeeper").is_some());
    }

    busy.join().unwrap();
    assert_eq!(server.requests()[&OpCode::GetData], 20_000);
}
