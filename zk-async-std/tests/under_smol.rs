//! async-std's sockets and timers under an executor that is not async-std's.

use std::sync::Arc;

use smol::Executor;
use zk_async_std::{Client, End, Error, Sent, State};
use zk_testing::TestServer;

use under_smol::OnSmol;

#[path = "../examples/under_smol.rs"]
#[expect(dead_code, reason = "the tests call what `main` calls")]
mod under_smol;

/// Starts a server in memory, and connects to it with a driver on that executor.
async fn connect(executor: &Arc<Executor<'static>>) -> (TestServer, Client) {
    let server = TestServer::start().unwrap();
    let builder = zk_async_std::builder(&server.connect_string()).unwrap();
    let client = builder.with_runtime(OnSmol(executor.clone())).connect().await.unwrap();
    (server, client)
}

#[test]
fn the_example_runs_and_leaves_no_session_and_no_node() {
    let server = TestServer::start().unwrap();

    under_smol::run(&server.connect_string()).unwrap();

    assert!(server.sessions().is_empty());
    assert_eq!(server.children("/").unwrap(), ["zookeeper"]);
}

#[test]
fn a_cut_connection_is_made_anew_by_smols_executor() {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(async {
        let (server, client) = connect(&executor).await;
        let (session, mut states) = (client.session(), client.states());

        server.cut_connections();
        while !matches!(states.next().await, Some(State::Connected { resumed: true, .. })) {}

        assert_eq!(client.create("/a", b"").await.unwrap().0, "/a");
        assert_eq!(client.session(), session);
    }));
}

#[test]
fn nothing_moves_while_smols_executor_stands_still() {
    let executor = Arc::new(Executor::new());
    let (server, client) = smol::block_on(executor.run(connect(&executor)));
    let creating = client.create("/a", b"").send();

    // A client whose driver is async-std's own moves on, on other threads.
    smol::block_on(async {
        let other = zk_async_std::connect(&server.connect_string()).await.unwrap();
        other.create("/b", b"").await.unwrap();
    });
    assert!(server.get("/b").is_some() && server.get("/a").is_none());

    assert!(smol::block_on(executor.run(creating)).is_ok());
    assert!(server.get("/a").is_some());
}

#[test]
fn a_client_whose_executor_is_gone_says_so() {
    let executor = Arc::new(Executor::new());
    let (server, client) = smol::block_on(executor.run(connect(&executor)));

    drop(executor);

    let refused = smol::block_on(client.create("/a", b"").send());
    assert!(matches!(refused, Err(Error::Ended { end: End::Closed, sent: Sent::No })), "{refused:?}");
    assert!(server.get("/a").is_none());
}
