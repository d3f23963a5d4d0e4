//! The suite that every adapter must pass, on tokio.

#![cfg(unix)]

use std::{future::Future, pin::Pin};

use tokio::runtime::{self, Handle};
use zk_proto::client::{Driver, Runtime, drive};
use zk_testing::conformance::{Adapter, AdapterWithIo, Bend, Bent};
use zk_tokio::{Tokio, TokioIo};

#[derive(Clone, Copy)]
struct OnTokio;

impl Adapter for OnTokio {
    fn runtime(&self) -> &dyn Runtime {
        &Tokio
    }

    fn block_on(&self, scenario: Pin<Box<dyn Future<Output = ()> + '_>>) {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(scenario);
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(task);
    }

    fn tasks(&self) -> usize {
        Handle::current().metrics().num_alive_tasks()
    }
}

impl AdapterWithIo for OnTokio {
    fn start_bent(&self, driver: Driver, bend: Bend) {
        tokio::spawn(drive(driver, Bent::new(TokioIo::new(), bend)));
    }
}

zk_testing::conformance!(OnTokio);
zk_testing::conformance_on_imitations!(OnTokio);
zk_testing::conformance_through_io!(OnTokio);
