//! How clients begin and end, with servers and without, on both of tokio's runtimes.

use std::{
    future::IntoFuture,
    io::{self, IoSlice},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime,
};
use zk_proto::client::Io;
use zk_testing::ensemble::{Direction, Proxy, Server, shared};
use zk_tokio::{AddWatchMode::Persistent, End, Error, Instant, State, TokioIo, session::Sent};

use crate::support::{builder, chroot, connect, eventually, is_suspended, monitored, reach, run, soon};

/// Returns a port at which nobody listens, as long as the socket is kept.
fn closed_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn a_failure_to_connect_names_each_server_and_its_cause() {
    run(async {
        let (_socket, closed) = closed_port();
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let silent = (silent.local_addr().unwrap().port(), silent);
        let hangs_up = hang_up().await;
        let servers = format!("127.0.0.1:{closed},127.0.0.1:{},127.0.0.1:{hangs_up},name.invalid:1", silent.0);
        let limit = Duration::from_secs(3);

        let settings = builder(&servers).link_timeout(Duration::from_millis(100)).connect_timeout(limit);
        let error = soon(settings.connect()).await.unwrap_err();

        let Error::Connect(failure) = &error else { panic!("{error:?}") };
        assert_eq!(failure.waited, limit);
        let causes: Vec<&str> = failure.servers.iter().map(|(_, cause)| cause.as_deref().unwrap_or("none")).collect();
        assert!(causes[0].contains("refused"), "{error}");
        assert!(causes[1].contains("no answer in time"), "{error}");
        assert!(causes[2].contains("closed") || causes[2].contains("reset"), "{error}");
        assert!(causes[3].contains("does not resolve") || causes[3].contains("no answer in time"), "{error}");
        for (server, _) in &failure.servers {
            assert!(error.to_string().contains(&server.to_string()), "{error}");
        }
    });
}

/// Starts something that closes every connection at once, and returns its port.
async fn hang_up() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    port
}

#[test]
fn a_connect_string_that_is_none_is_refused() {
    run(async {
        for servers in ["", "host:0", "host:port", "/app", "host/app/"] {
            let error = zk_tokio::connect(servers).await.unwrap_err();
            assert!(matches!(error, Error::ConnectString(_)), "{servers}: {error:?}");
        }
    });
}

#[test]
fn a_lazy_client_takes_requests_before_there_is_a_server() {
    run(async {
        let server = Server::start().unwrap();
        server.stop().unwrap();
        let client = builder(&server.connect_string()).connect_lazy();
        let created = client.create("/node", b"").send();
        let (_, mut watcher) = {
            assert_eq!((client.state(), client.session()), (State::Connecting, None));
            server.start_again().unwrap();
            soon(client.exists("/later").watch()).await.unwrap()
        };

        soon(created).await.unwrap();
        soon(client.connected()).await.unwrap();
        assert!(client.session().is_some());
        client.create("/later", b"").await.unwrap();
        assert_eq!(crate::support::so_far(&mut watcher).len(), 1);
    });
}

#[test]
fn one_server_of_many_is_enough() {
    run(async {
        let (_socket, closed) = closed_port();
        let servers = chroot("one-of-many");
        for _ in 0..5 {
            let client = connect(&format!("127.0.0.1:{closed},{servers}")).await;
            client.exists("/").await.unwrap();
            assert_eq!(client.server().unwrap().port, shared().port());
        }
    });
}

#[test]
fn a_name_with_several_addresses_is_good_if_one_of_them_is() {
    run(async {
        let (_socket, closed) = closed_port();
        let good = shared().address();
        let addresses = vec![(Ipv4Addr::LOCALHOST, closed).into(), (Ipv6Addr::LOCALHOST, closed).into(), good];
        let (client, driver) = builder("zk.example:1").build([7; 32]);
        let io = Names { tokio: TokioIo::new(), addresses };
        let driving = tokio::spawn(zk_proto::client::drive(driver, io));

        soon(client.connected()).await.unwrap();
        assert_eq!(client.server().unwrap().to_string(), "zk.example:1");
        soon(client.close()).await;
        assert_eq!(soon(driving).await.unwrap(), End::Closed);
    });
}

/// tokio, but that every name has the same addresses.
struct Names {
    tokio: TokioIo,
    addresses: Vec<SocketAddr>,
}

impl Io for Names {
    type Stream = <TokioIo as Io>::Stream;
    type Timer = <TokioIo as Io>::Timer;

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses.clone())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }

    fn poll_read(&self, stream: &mut TcpStream, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.tokio.poll_read(stream, cx, input)
    }

    fn poll_write(
        &self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tokio.poll_write(stream, cx, chunks)
    }

    fn timer(&self) -> Self::Timer {
        self.tokio.timer()
    }

    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.tokio.poll_timer(timer, cx, deadline)
    }
}

#[test]
fn a_server_may_be_named_by_its_ipv6_address() {
    run(async {
        let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            return eprintln!("there is no IPv6 here");
        };
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut server = TcpStream::connect(shared().address()).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut server).await });
            }
        });

        let client = connect(&format!("[::1]:{port}")).await;

        assert!(client.exists("/").await.unwrap().is_some());
        assert_eq!(client.server().unwrap().to_string(), format!("[::1]:{port}"));
    });
}

#[test]
fn whatever_a_client_was_doing_when_it_is_dropped_nothing_stays_on_the_server() {
    run(async {
        let server = Server::start().unwrap();
        let servers = server.connect_string();
        let idle_connections = monitored(&server, "zk_num_alive_connections");
        let long = || soon(builder(&servers).session_timeout(Duration::from_secs(60)).connect());

        drop(long().await.unwrap());
        let busy = long().await.unwrap();
        let pending: Vec<_> = (0..100).map(|_| busy.create("/n-", b"").ephemeral().sequential().send()).collect();
        let watched = busy.exists("/node").watch().send();
        assert!(tokio::time::timeout(Duration::ZERO, busy.get_data("/").into_future()).await.is_err());
        drop((busy, watched, pending));
        let watching = long().await.unwrap();
        let watcher = watching.add_watch("/", Persistent).await.unwrap();
        drop((watching, watcher));

        eventually(|| {
            monitored(&server, "zk_num_alive_connections") == idle_connections
                && monitored(&server, "zk_global_sessions") == 0
        })
        .await;
        assert_eq!(monitored(&server, "zk_watch_count"), 0);
        assert_eq!(monitored(&server, "zk_ephemerals_count"), 0);
    });
}

#[test]
fn a_client_that_is_dropped_while_it_connects_leaves_neither_connection_nor_session() {
    run(async {
        let server = Server::start().unwrap();
        let servers = server.connect_string();
        let idle_connections = monitored(&server, "zk_num_alive_connections");
        let long = || builder(&servers).session_timeout(Duration::from_secs(60));

        drop(long().connect_lazy());
        for delay_us in 0..100 {
            drop(tokio::time::timeout(Duration::from_micros(20 * delay_us), long().connect()).await);
            let lazy = long().connect_lazy();
            let pending = lazy.create("/own", b"").ephemeral().send();
            tokio::task::yield_now().await;
            drop((lazy, pending));
        }

        eventually(|| {
            monitored(&server, "zk_num_alive_connections") == idle_connections
                && monitored(&server, "zk_global_sessions") == 0
        })
        .await;
    });
}

#[test]
fn a_client_dropped_without_a_link_stops_dialling() {
    run(async {
        let proxy = Proxy::start(shared().address()).unwrap();
        let suspended = connect(&proxy.connect_string()).await;
        let mut states = suspended.states();
        proxy.black_hole(Direction::Both);
        proxy.cut();
        reach(&mut states, is_suspended).await;
        let greeting = builder(&proxy.connect_string()).connect_lazy();
        eventually(|| proxy.connections() == 2).await;

        drop((suspended, greeting));

        assert_eq!(soon(states.next()).await, Some(State::Ended(End::Closed)));
        assert_eq!(soon(states.next()).await, None);
        // The ends of the connections go through with the rest.
        proxy.allow().unwrap();
        eventually(|| proxy.connections() == 0).await;
    });
}

#[test]
fn a_driver_that_is_dropped_ends_its_clients_and_leaves_the_session() {
    run(async {
        let servers = chroot("driver");
        let (client, driver) = builder(&servers).build([1; 32]);
        let driving = tokio::spawn(zk_tokio::drive(driver));
        soon(client.create("/own", b"").ephemeral()).await.unwrap();
        let mut watcher = client.add_watch("/own", Persistent).await.unwrap();
        let credentials = client.credentials().unwrap();

        driving.abort();

        assert!(soon(watcher.next()).await.unwrap().is_err());
        let error = soon(client.exists("/")).await.unwrap_err();
        assert_eq!(error, Error::Ended { end: End::Closed, sent: Sent::No });
        let heir = soon(builder(&servers).credentials(credentials).connect()).await.unwrap();
        assert_eq!(heir.get_ephemerals("/").await.unwrap(), ["/own"]);
    });
}

#[test]
fn a_runtime_of_one_thread_will_do() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = chroot("one-thread");
    let client = runtime.block_on(async {
        let client = connect(&servers).await;
        let pending: Vec<_> = (0..100).map(|_| client.create("/n-", b"").sequential().send()).collect();
        for created in pending {
            soon(created).await.unwrap();
        }
        assert_eq!(client.get_children("/").await.unwrap().0.len(), 100);
        client
    });

    // The driver is gone with its runtime; nobody must wait for it.
    drop(runtime);
    let outcome = run(async { soon(client.exists("/")).await });
    assert_eq!(outcome.unwrap_err(), Error::Ended { end: End::Closed, sent: Sent::No });
}

#[test]
fn a_client_is_used_from_another_runtime_than_its_drivers() {
    let servers = chroot("two-runtimes");
    let other = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = other.block_on(connect(&servers));

    let current = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (path, _) = current.block_on(async { soon(client.create("/node", b"")).await }).unwrap();

    assert_eq!(path, "/node");
    // Or from none at all, as far as time limits of one's own are not needed.
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let client = client.clone();
            let current = runtime::Builder::new_current_thread().build().unwrap();
            std::thread::spawn(move || current.block_on(async { client.create(&format!("/{number}"), b"").await }))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(other.block_on(async { client.get_children("/").await }).unwrap().0.len(), 5);
}

#[test]
fn the_driving_future_moves_between_threads() {
    fn assert_send<T: Send + 'static>(future: T) -> T {
        future
    }
    run(async {
        let (client, driver) = builder(&chroot("send")).build([3; 32]);
        let driving = assert_send(zk_tokio::drive(driver));
        let driving = tokio::spawn(driving);
        soon(client.connected()).await.unwrap();
        drop(client);
        assert_eq!(soon(driving).await.unwrap(), End::Closed);
    });
}
