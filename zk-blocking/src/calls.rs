//! Calls for drivers that a thread has taken, to see to them itself.

use std::{cell::RefCell, mem, sync::Arc};

use crate::engine::Engine;

thread_local! {
    /// While this thread takes calls: the engines that were called.
    static CALLED: RefCell<Option<Vec<Arc<Engine>>>> = const { RefCell::new(None) };
}

/// Sets what this thread has taken, and returns what it had. A thread that ends has no place for it any more, and takes none.
fn replace(called: Option<Vec<Arc<Engine>>>) -> Option<Vec<Arc<Engine>>> {
    CALLED.try_with(|place| place.replace(called)).unwrap_or(None)
}

/// Takes the call for an engine, if this thread takes calls.
pub(crate) fn take(engine: &Arc<Engine>) -> bool {
    let take = |place: &RefCell<Option<Vec<Arc<Engine>>>>| match &mut *place.borrow_mut() {
        Some(called) => {
            called.push(engine.clone());
            true
        }
        None => false,
    };
    CALLED.try_with(take).unwrap_or(false)
}

/// Takes the calls that are made in this thread, instead of having background threads woken.
pub(crate) struct Calls {
    /// It was doing so already.
    is_nested: bool,
}

impl Calls {
    /// Begins. What was taken further out and not seen to yet comes along: it would wait for what happens in here.
    pub(crate) fn begin() -> Self {
        let outer = replace(None);
        let is_nested = outer.is_some();
        replace(Some(outer.unwrap_or_default()));
        Self { is_nested }
    }

    /// Ends, and returns the calls.
    pub(crate) fn finish(self) -> Called {
        let called = self.end();
        mem::forget(self);
        called
    }

    fn end(&self) -> Called {
        let mut called = replace(self.is_nested.then(Vec::new)).unwrap_or_default();
        called.dedup_by(|a, b| Arc::ptr_eq(a, b));
        Called(called)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Engines that were called. Those that are left when it is dropped are left to their background threads.
pub(crate) struct Called(Vec<Arc<Engine>>);

impl Called {
    /// Takes the engine, if it is a single one that was called.
    pub(crate) fn single(&mut self) -> Option<Arc<Engine>> {
        if self.0.len() == 1 { self.0.pop() } else { None }
    }

    /// Forgets an engine, and returns whether it was called.
    pub(crate) fn forget(&mut self, engine: &Arc<Engine>) -> bool {
        let before = self.0.len();
        self.0.retain(|called| !Arc::ptr_eq(called, engine));
        self.0.len() < before
    }
}

impl Iterator for Called {
    type Item = Arc<Engine>;

    fn next(&mut self) -> Option<Arc<Engine>> {
        self.0.pop()
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        self.0.iter().for_each(|engine| engine.ring());
    }
}
