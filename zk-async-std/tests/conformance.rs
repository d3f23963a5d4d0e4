//! The suite that every adapter must pass, on async-std.

#![cfg(unix)]

use std::{future::Future, pin::Pin};

use async_std::task;
use zk_async_std::{AsyncStd, AsyncStdIo};
use zk_proto::client::{Driver, Runtime, drive};
use zk_testing::conformance::{Adapter, AdapterWithIo, Bend, Bent};

#[derive(Clone, Copy)]
struct OnAsyncStd;

impl Adapter for OnAsyncStd {
    fn runtime(&self) -> &dyn Runtime {
        &AsyncStd
    }

    fn block_on(&self, scenario: Pin<Box<dyn Future<Output = ()> + '_>>) {
        task::block_on(scenario);
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        task::spawn(task);
    }
}

impl AdapterWithIo for OnAsyncStd {
    fn start_bent(&self, driver: Driver, bend: Bend) {
        task::spawn(drive(driver, Bent::new(AsyncStdIo::new(), bend)));
    }
}

zk_testing::conformance!(OnAsyncStd);
zk_testing::conformance_through_io!(OnAsyncStd);
