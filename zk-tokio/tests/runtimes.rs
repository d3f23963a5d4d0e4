//! What concerns tokio alone: its flavours, its clock, and drivers in tasks of one's own.

use std::{future::Future, time::Duration};

use tokio::runtime::{self, Runtime};
use zk_proto::client::Io;
use zk_testing::TestServer;
use zk_tokio::{AddWatchMode::Persistent, Backoff, Builder, Client, End, Error, TokioIo, session::Sent};

/// How long anything may take that is awaited by itself.
const PATIENCE: Duration = Duration::from_secs(60);

fn one_thread() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn many_threads() -> Runtime {
    runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn builder(server: &TestServer) -> Builder {
    let backoff = Backoff { initial: Duration::from_millis(10), max: Duration::from_millis(100) };
    zk_tokio::builder(&server.connect_string()).unwrap().backoff(backoff)
}

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes soon")
}

async fn connect(server: &TestServer) -> Client {
    soon(builder(server).connect()).await.unwrap()
}

#[test]
fn both_flavours_will_do() {
    for runtime in [one_thread(), many_threads()] {
        let server = TestServer::start().unwrap();
        runtime.block_on(async {
            let client = connect(&server).await;
            client.create("/list", b"").await.unwrap();
            let tasks: Vec<_> = (0..10).map(|_| tokio::spawn(create_ten(client.clone()))).collect();
            for task in tasks {
                soon(task).await.unwrap().unwrap();
            }
            assert_eq!(client.get_children("/list").await.unwrap().0.len(), 100);
        });
    }
}

async fn create_ten(client: Client) -> Result<(), Error> {
    let pending: Vec<_> = (0..10).map(|_| client.create("/list/n-", b"").sequential().send()).collect();
    for created in pending {
        created.await?;
    }
    Ok(())
}

#[test]
fn a_connect_string_that_is_none_is_refused() {
    one_thread().block_on(async {
        for servers in ["", "host:0", "host:port", "/app", "host/app/"] {
            let error = zk_tokio::connect(servers).await.unwrap_err();
            assert!(matches!(error, Error::ConnectString(_)), "{servers}: {error:?}");
        }
    });
}

#[test]
fn a_connect_string_is_all_one_needs() {
    let server = TestServer::start().unwrap();
    one_thread().block_on(async {
        let client = soon(zk_tokio::connect(&server.connect_string())).await.unwrap();
        client.create("/node", b"data").await.unwrap();
        let config = server.connect_string().parse::<zk_tokio::ConnectString>().unwrap().into();
        let other = soon(zk_tokio::builder_from_config(config).connect()).await.unwrap();
        assert_eq!(other.get_data("/node").await.unwrap().0, "data");
    });
}

#[test]
fn a_driver_that_is_dropped_ends_its_clients_and_leaves_the_session() {
    let server = TestServer::start().unwrap();
    many_threads().block_on(async {
        let (client, driver) = builder(&server).build([1; 32]);
        let driving = tokio::spawn(zk_tokio::drive(driver));
        soon(client.create("/own", b"").ephemeral().send()).await.unwrap();
        let mut watcher = client.add_watch("/own", Persistent).await.unwrap();
        let credentials = client.credentials().unwrap();

        driving.abort();

        assert!(soon(watcher.next()).await.unwrap().is_err());
        let error = soon(client.exists("/").send()).await.unwrap_err();
        assert_eq!(error, Error::Ended { end: End::Closed, sent: Sent::No });
        let heir = soon(builder(&server).credentials(credentials).connect()).await.unwrap();
        assert_eq!(heir.get_ephemerals("/").await.unwrap(), ["/own"]);
    });
}

#[test]
fn a_runtime_that_goes_ends_its_clients() {
    for runtime in [one_thread(), many_threads()] {
        let server = TestServer::start().unwrap();
        let client = runtime.block_on(connect(&server));
        assert_eq!(server.connections(), 1);

        drop(runtime);

        // The driver is gone with its runtime; nobody must wait for it.
        let outcome = one_thread().block_on(soon(client.exists("/").send()));
        assert_eq!(outcome.unwrap_err(), Error::Ended { end: End::Closed, sent: Sent::No });
    }
}

#[test]
fn a_client_is_used_from_another_runtime_than_its_drivers() {
    let server = TestServer::start().unwrap();
    let other = many_threads();
    let client = other.block_on(connect(&server));

    // As far as time limits of one's own are not needed, this needs no driver of tokio's at all.
    let current = runtime::Builder::new_current_thread().build().unwrap();
    let (path, _) = current.block_on(async { client.create("/node", b"").await }).unwrap();

    assert_eq!(path, "/node");
}

#[test]
fn the_driving_future_moves_between_threads() {
    fn assert_send<T: Send + 'static>(future: T) -> T {
        future
    }
    let server = TestServer::start().unwrap();
    many_threads().block_on(async {
        let (client, driver) = builder(&server).build([3; 32]);
        let driving = tokio::spawn(assert_send(zk_tokio::drive(driver)));
        soon(client.connected()).await.unwrap();
        drop(client);
        assert_eq!(soon(driving).await.unwrap(), End::Closed);
    });
}

#[test]
fn the_clock_stands_still_where_tokios_does() {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let io = TokioIo::new();
        let before = io.now();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(io.now(), before);

        tokio::time::advance(Duration::from_secs(1)).await;

        assert_eq!(io.now(), before + Duration::from_secs(1));
    });
}
