//! The crate `tokio-zookeeper`: flavour `ct` or `mt`.

use std::{future::Future, net::SocketAddr, time::Duration};

use bench_harness::Order;
use futures_channel::oneshot;
use futures_util::{FutureExt, StreamExt};
use tokio_zookeeper::{WatchedEvent, ZooKeeper, ZooKeeperBuilder};

#[derive(Clone)]
struct Peer(ZooKeeper);

impl bench_harness::Client for Peer {
    const EAGER: bool = false;
    type Data = Vec<u8>;
    type Watcher = oneshot::Receiver<WatchedEvent>;

    async fn connect(server: &str, timeout: Duration) -> Self {
        let mut builder = ZooKeeperBuilder::default();
        builder.set_timeout(timeout);
        let address: SocketAddr = server.parse().expect("a good address");
        let (client, events) = builder.connect(&address).await.expect("a server is there");
        tokio::spawn(events.for_each(|_| async {}));
        Self(client)
    }

    async fn read<'a>(&'a self, path: &'a str) -> Vec<u8> {
        self.0.get_data(path).await.expect("it is there").expect("it is there").0
    }

    fn start_read<'a>(&'a self, path: &'a str) -> impl Future<Output = Vec<u8>> + Unpin + Send + 'a {
        self.read(path).boxed()
    }

    fn start_write<'a>(&'a self, path: &'a str, data: &'static [u8]) -> impl Future<Output = ()> + Unpin + Send + 'a {
        async move { _ = self.0.set_data(path, None, data).await.expect("it succeeds").expect("it succeeds") }.boxed()
    }

    #[expect(clippy::async_yields_async, reason = "the watch is awaited later")]
    fn start_watch<'a>(
        &'a self,
        path: &'a str,
    ) -> impl Future<Output = oneshot::Receiver<WatchedEvent>> + Unpin + Send + 'a {
        let watch = async {
            let (watcher, ..) = self.0.with_watcher().get_data(path).await.expect("it is there").expect("it is there");
            watcher
        };
        watch.boxed()
    }

    async fn all_fired(watchers: Vec<oneshot::Receiver<WatchedEvent>>) -> usize {
        let mut events = 0;
        for watcher in watchers {
            events += usize::from(watcher.await.is_ok());
        }
        events
    }

    fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let task = tokio::spawn(work);
        async { task.await.expect("a task does not panic") }
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

fn main() {
    let order = Order::from_args();
    let mut builder = match order.flavour.as_str() {
        "mt" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build().expect("the system has a poll");
    runtime.block_on(async { tokio::spawn(bench_harness::run::<Peer>(order)).await }).expect("nothing panics");
}
