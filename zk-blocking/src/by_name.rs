//! The scenarios of the conformance suite that bend the adapter's `Io`: names of several addresses, and one byte a read.

use std::{future::Future, pin::Pin, thread};

use zk_proto::client::drive;
use zk_testing::conformance::{Adapter, AdapterWithIo, Bend, Bent};

use crate::{Blocking, Driver, Runtime, Wait, engine::Engine};

#[derive(Clone, Copy)]
struct OnThreads;

impl Adapter for OnThreads {
    fn runtime(&self) -> &dyn Runtime {
        &Blocking
    }

    fn block_on(&self, scenario: Pin<Box<dyn Future<Output = ()> + '_>>) {
        scenario.wait();
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        thread::spawn(move || task.wait());
    }
}

impl AdapterWithIo for OnThreads {
    fn start_bent(&self, driver: Driver, bend: Bend) {
        let unanswered = Box::new(driver.unanswered());
        Engine::start_driving(unanswered, |io| Box::pin(drive(driver, Bent::new(io, bend)))).unwrap();
    }
}

zk_testing::conformance_through_io!(OnThreads);
