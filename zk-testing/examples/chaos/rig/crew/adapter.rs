//! The adapters, and how futures run beside their drivers.

use std::future::Future;
use std::io;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zk_blocking::Wait;
use zk_proto::client::{Builder, Client};

/// How a crew's clients are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Adapter {
    Tokio,
    AsyncStd,
    Blocking,
}

impl Adapter {
    pub(crate) const ALL: [Self; 3] = [Self::Tokio, Self::AsyncStd, Self::Blocking];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::AsyncStd => "async-std",
            Self::Blocking => "blocking",
        }
    }
}

/// A runtime at work.
pub(super) enum Host {
    Tokio(tokio::runtime::Runtime),
    AsyncStd,
    /// A thread for each future.
    Blocking,
}

impl Host {
    pub(super) fn new(adapter: Adapter) -> io::Result<Self> {
        Ok(match adapter {
            Adapter::Tokio => {
                Self::Tokio(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
            }
            Adapter::AsyncStd => Self::AsyncStd,
            Adapter::Blocking => Self::Blocking,
        })
    }

    pub(super) fn client(&self, builder: Builder) -> Client {
        match self {
            Self::Tokio(runtime) => {
                let _inside = runtime.enter();
                builder.with_runtime(zk_tokio::Tokio).connect_lazy()
            }
            Self::AsyncStd => builder.with_runtime(zk_async_std::AsyncStd).connect_lazy(),
            Self::Blocking => builder.with_runtime(zk_blocking::Blocking).connect_lazy(),
        }
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Tokio(runtime) => drop(runtime.spawn(work)),
            Self::AsyncStd => drop(async_std::task::spawn(work)),
            Self::Blocking => drop(thread::spawn(move || work.wait())),
        }
    }

    /// Closes clients in good order.
    pub(super) fn close(self, clients: Vec<Client>) {
        let closed = async move {
            for client in clients {
                client.close().await;
            }
        };
        match self {
            Self::Tokio(runtime) => {
                runtime.block_on(closed);
                runtime.shutdown_timeout(Duration::from_secs(1));
            }
            Self::AsyncStd => async_std::task::block_on(closed),
            Self::Blocking => closed.wait(),
        }
    }
}
