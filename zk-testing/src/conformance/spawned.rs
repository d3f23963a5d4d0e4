//! The outcome of what runs beside a scenario.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// A future that runs beside the scenario. Awaiting it gives its output, and panics if it has panicked.
pub struct Spawned<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

struct Shared<T> {
    outcome: Outcome<T>,
    waker: Option<Waker>,
}

enum Outcome<T> {
    Running,
    Done(T),
    Panicked,
    Taken,
}

impl<T: Send + 'static> Spawned<T> {
    /// Returns a handle, and what must run for it.
    pub(super) fn new(future: impl Future<Output = T> + Send) -> (Self, impl Future<Output = ()> + Send) {
        let shared = Arc::new(Mutex::new(Shared { outcome: Outcome::Running, waker: None }));
        let guard = Guard(shared.clone());
        let task = async move {
            let output = future.await;
            guard.end(Outcome::Done(output));
        };
        (Self { shared }, task)
    }

    /// Returns whether it has ended.
    pub fn is_finished(&self) -> bool {
        !matches!(lock(&self.shared).outcome, Outcome::Running)
    }
}

impl<T> Future for Spawned<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut shared = lock(&self.shared);
        match std::mem::replace(&mut shared.outcome, Outcome::Taken) {
            Outcome::Running => {
                shared.outcome = Outcome::Running;
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Outcome::Done(output) => Poll::Ready(output),
            Outcome::Panicked => panic!("what ran beside the scenario has panicked"),
            Outcome::Taken => panic!("its output was taken already"),
        }
    }
}

/// Tells the end of a future, however it ends.
struct Guard<T>(Arc<Mutex<Shared<T>>>);

impl<T> Guard<T> {
    fn end(&self, outcome: Outcome<T>) {
        let mut shared = lock(&self.0);
        if matches!(shared.outcome, Outcome::Running) {
            shared.outcome = outcome;
        }
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        self.end(Outcome::Panicked);
    }
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
