//! This project's client on tokio: flavour `ct`, a current-thread runtime, or `mt`, a multi-thread one with two workers.

use std::{env, future::Future, time::Duration};

use bench_harness::{Order, Workload};
use zk_client::Runtime;
use zk_tokio::{Client, tls::Tls};

struct Tokio;

impl Runtime for Tokio {
    async fn connect(server: &str, timeout: Duration) -> Client {
        // The address of TLS is known by its certificate.
        let builder = match env::var_os("BENCH_CERTIFICATE").filter(|_| server.starts_with("tls://")) {
            Some(certificate) => {
                let tls = Tls::builder().roots_file(certificate).build().expect("the runner's certificate is good");
                zk_tokio::builder(server).map(|builder| builder.tls(tls))
            }
            None => zk_tokio::builder(server),
        };
        builder.expect("a good address").session_timeout(timeout).connect().await.expect("a server is there")
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
    let mut order = Order::from_args();
    if matches!(order.workload, Workload::TlsReads | Workload::TlsBigReads | Workload::TlsBigWrites) {
        let port = order.server.rsplit_once(':').expect("an address has a port").1;
        order.server = format!("tls://localhost:{port}");
    }
    let mut builder = match order.flavour.as_str() {
        "mt" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build().expect("the system has a poll");
    runtime.block_on(async { tokio::spawn(zk_client::run::<Tokio>(order)).await }).expect("nothing panics");
}
