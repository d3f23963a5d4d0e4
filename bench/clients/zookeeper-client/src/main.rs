//! The crate `zookeeper-client`, on tokio: flavour `ct` or `mt`.

use std::{future::Future, time::Duration};

use bench_harness::Order;
use zookeeper_client::{Client, OneshotWatcher};

#[derive(Clone)]
struct Peer(Client);

impl bench_harness::Client for Peer {
    const EAGER: bool = true;
    type Data = Vec<u8>;
    type Watcher = OneshotWatcher;

    async fn connect(server: &str, timeout: Duration) -> Self {
        let connector = Client::connector().with_session_timeout(timeout);
        Self(connector.connect(server).await.expect("a server is there"))
    }

    async fn read<'a>(&'a self, path: &'a str) -> Vec<u8> {
        self.0.get_data(path).await.expect("it is there").0
    }

    fn start_read<'a>(&'a self, path: &'a str) -> impl Future<Output = Vec<u8>> + Unpin + Send + 'a {
        let read = self.0.get_data(path);
        Box::pin(async { read.await.expect("it is there").0 })
    }

    fn start_write<'a>(&'a self, path: &'a str, data: &'static [u8]) -> impl Future<Output = ()> + Unpin + Send + 'a {
        let write = self.0.set_data(path, data, None);
        Box::pin(async { _ = write.await.expect("it succeeds") })
    }

    fn start_watch<'a>(&'a self, path: &'a str) -> impl Future<Output = OneshotWatcher> + Unpin + Send + 'a {
        let watch = self.0.get_and_watch_data(path);
        Box::pin(async { watch.await.expect("it is there").2 })
    }

    async fn all_fired(watchers: Vec<OneshotWatcher>) -> usize {
        let count = watchers.len();
        for watcher in watchers {
            watcher.changed().await;
        }
        count
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
