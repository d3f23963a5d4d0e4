//! This project's client, as far as it is the same on every runtime.

mod locks;

use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bench_harness::{Order, Workload};
use bytes::Bytes;
use zk_proto::client::{Client, Error, Watcher};

/// What differs between runtimes.
pub trait Runtime: Send + Sync + 'static {
    /// Opens a session.
    fn connect(server: &str, timeout: Duration) -> impl Future<Output = Client> + Send;
    /// As [`bench_harness::Client::spawn`].
    fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;
    /// As [`bench_harness::Client::sleep`].
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
}

/// The client on a runtime.
pub struct Ours<R> {
    client: Client,
    runtime: PhantomData<R>,
}

impl<R> Ours<R> {
    /// Wraps a client.
    pub fn new(client: Client) -> Self {
        Self { client, runtime: PhantomData }
    }
}

impl<R> Clone for Ours<R> {
    fn clone(&self) -> Self {
        Self::new(self.client.clone())
    }
}

impl<R: Runtime> bench_harness::Client for Ours<R> {
    const EAGER: bool = true;
    type Data = Bytes;
    type Watcher = Watcher;

    async fn connect(server: &str, timeout: Duration) -> Self {
        Self::new(R::connect(server, timeout).await)
    }

    async fn read<'a>(&'a self, path: &'a str) -> Bytes {
        self.client.get_data(path).await.expect("it is there").0
    }

    fn start_read<'a>(&'a self, path: &'a str) -> impl Future<Output = Bytes> + Unpin + Send + 'a {
        Map(self.client.get_data(path).send(), |(data, _)| data)
    }

    fn start_write<'a>(&'a self, path: &'a str, data: &'static [u8]) -> impl Future<Output = ()> + Unpin + Send + 'a {
        Map(self.client.set_data(path, Bytes::from_static(data)).send(), drop)
    }

    fn start_watch<'a>(&'a self, path: &'a str) -> impl Future<Output = Watcher> + Unpin + Send + 'a {
        Map(self.client.get_data(path).watch().send(), |(_, _, watcher)| watcher)
    }

    async fn all_fired(watchers: Vec<Watcher>) -> usize {
        let mut events = 0;
        for mut watcher in watchers {
            events += usize::from(watcher.changed().await.is_ok());
        }
        events
    }

    fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        R::spawn(work)
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        R::sleep(time)
    }
}

/// Does what is ordered, and tells the results.
pub async fn run<R: Runtime>(order: Order) {
    const TIMEOUT: Duration = Duration::from_secs(30);
    match order.workload {
        Workload::Lock => locks::uncontended(&R::connect(&order.server, TIMEOUT).await, &order).await,
        Workload::LockChain => locks::chain::<R>(&R::connect(&order.server, TIMEOUT).await, &order).await,
        _ => bench_harness::run::<Ours<R>>(order).await,
    }
}

/// A request of which a part is wanted.
struct Map<F, T, U>(F, fn(T) -> U)
where
    F: Future<Output = Result<T, Error>>;

impl<F, T, U> Future for Map<F, T, U>
where
    F: Future<Output = Result<T, Error>> + Unpin,
{
    type Output = U;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<U> {
        let map = self.1;
        Pin::new(&mut self.0).poll(cx).map(|result| map(result.expect("it succeeds")))
    }
}
