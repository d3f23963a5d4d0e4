//! What the suite needs of an adapter.

use std::{future::Future, pin::Pin};

use zk_proto::client::{Driver, Runtime};

use super::bent::Bend;

/// How an adapter's clients are driven, and how futures run beside them.
pub trait Adapter: Send + Sync + 'static {
    /// Returns the runtime that the adapter's own builder starts drivers on. It is used inside of [`block_on`](Self::block_on)
    /// and [`spawn`](Self::spawn) only.
    fn runtime(&self) -> &dyn Runtime;

    /// Runs a scenario to its end.
    ///
    /// It has the thread to itself and may block it, for it starts and breaks servers: clients and spawned futures must go on
    /// meanwhile.
    fn block_on(&self, scenario: Pin<Box<dyn Future<Output = ()> + '_>>);

    /// Runs a future beside the scenario.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>);

    /// Returns how many tasks there are that drive clients, or were [spawned](Self::spawn), and have not ended, as far as the
    /// runtime tells. Threads and sockets are counted without an adapter's help.
    fn tasks(&self) -> usize {
        0
    }
}

/// An adapter that drives its clients through an [`Io`](zk_proto::client::Io).
pub trait AdapterWithIo: Adapter {
    /// Drives a driver in a task of its own, through `bend` around its own `Io`.
    ///
    /// For a runtime whose tasks are `Send`, that is `spawn(drive(driver, Bent::new(io, bend)))` with a [`Bent`](super::Bent), which only the adapter can
    /// write, because only there it is known that the future is `Send`.
    fn start_bent(&self, driver: Driver, bend: Bend);
}
