//! A value that others wait to see change.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// A value with one writer and any number of readers, who see the newest and may miss what lies between.
#[derive(Debug)]
pub(crate) struct Cell<T>(Arc<Mutex<Slot<T>>>);

#[derive(Debug)]
struct Slot<T> {
    value: T,
    version: u64,
    waiting: Vec<Waker>,
}

impl<T> Clone for Cell<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone> Cell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(Slot { value, version: 0, waiting: Vec::new() })))
    }

    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self) -> T {
        self.slot().value.clone()
    }

    /// Changes the value, if the function says that it did, and wakes everybody.
    pub(crate) fn update(&self, change: impl FnOnce(&mut T) -> bool) {
        let waiting = {
            let mut slot = self.slot();
            if !change(&mut slot.value) {
                return;
            }
            slot.version += 1;
            std::mem::take(&mut slot.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until the function finds something in the value.
    pub(crate) async fn find<U>(&self, mut look: impl FnMut(&T) -> Option<U>) -> U {
        poll_fn(|cx| {
            let mut slot = self.slot();
            match look(&slot.value) {
                Some(found) => Poll::Ready(found),
                None => {
                    if !slot.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                        slot.waiting.push(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}
