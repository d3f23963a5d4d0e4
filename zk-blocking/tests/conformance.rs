//! The suite that every adapter must pass, on threads that wait.

#![cfg(unix)]

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use zk_blocking::{Blocking, Runtime, Wait};
use zk_testing::conformance::Adapter;

/// Every scenario, and all that runs beside it, is a thread that [waits](Wait), so that it sends and receives by itself when nobody
/// else does.
#[derive(Clone, Default)]
struct OnThreads {
    spawned: Arc<AtomicUsize>,
}

impl Adapter for OnThreads {
    fn runtime(&self) -> &dyn Runtime {
        &Blocking
    }

    fn block_on(&self, scenario: Pin<Box<dyn Future<Output = ()> + '_>>) {
        scenario.wait();
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let spawned = Spawned::new(self.spawned.clone());
        thread::spawn(move || {
            let _spawned = spawned;
            task.wait();
        });
    }

    fn tasks(&self) -> usize {
        self.spawned.load(Ordering::SeqCst)
    }
}

/// Counts as a task until it is dropped.
struct Spawned(Arc<AtomicUsize>);

impl Spawned {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

zk_testing::conformance!(OnThreads::default());
