//! The crate `zookeeper-async`: flavour `ct` or `mt`.

use std::{
    future::Future,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use bench_harness::Order;
use futures_util::FutureExt;
use zookeeper_async::{WatchedEvent, Watcher, ZooKeeper};

/// How many events there were: its watchers are functions.
static EVENTS: AtomicUsize = AtomicUsize::new(0);

struct Ignore;

impl Watcher for Ignore {
    fn handle(&self, _: WatchedEvent) {}
}

#[derive(Clone)]
struct Peer(Arc<ZooKeeper>);

impl bench_harness::Client for Peer {
    const EAGER: bool = false;
    type Data = Vec<u8>;
    type Watcher = ();

    async fn connect(server: &str, timeout: Duration) -> Self {
        Self(Arc::new(ZooKeeper::connect(server, timeout, Ignore).await.expect("a server is there")))
    }

    async fn read<'a>(&'a self, path: &'a str) -> Vec<u8> {
        // What is under way when the connection is lost fails.
        self.0.get_data(path, false).await.map(|(data, _)| data).unwrap_or_default()
    }

    fn start_read<'a>(&'a self, path: &'a str) -> impl Future<Output = Vec<u8>> + Unpin + Send + 'a {
        self.read(path).boxed()
    }

    fn start_write<'a>(&'a self, path: &'a str, data: &'static [u8]) -> impl Future<Output = ()> + Unpin + Send + 'a {
        async move { _ = self.0.set_data(path, data.to_vec(), None).await.expect("it succeeds") }.boxed()
    }

    fn start_watch<'a>(&'a self, path: &'a str) -> impl Future<Output = ()> + Unpin + Send + 'a {
        let count = |_| _ = EVENTS.fetch_add(1, Relaxed);
        async move { _ = self.0.get_data_w(path, count).await.expect("it is there") }.boxed()
    }

    async fn all_fired(watchers: Vec<()>) -> usize {
        while EVENTS.load(Relaxed) < watchers.len() {
            Self::sleep(Duration::from_millis(1)).await;
        }
        EVENTS.load(Relaxed)
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
