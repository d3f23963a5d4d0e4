//! This project's client on async-std.

use std::{future::Future, time::Duration};

use bench_harness::Order;
use zk_async_std::Client;
use zk_client::Runtime;

struct AsyncStd;

impl Runtime for AsyncStd {
    async fn connect(server: &str, timeout: Duration) -> Client {
        let builder = zk_async_std::builder(server).expect("a good address");
        builder.session_timeout(timeout).connect().await.expect("a server is there")
    }

    fn spawn<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        async_std::task::spawn(work)
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        async_std::task::sleep(time)
    }
}

fn main() {
    async_std::task::block_on(zk_client::run::<AsyncStd>(Order::from_args()));
}
