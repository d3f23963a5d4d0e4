//! Calls for drivers that a thread has taken, to see to them itself.

use std::{cell::RefCell, mem, sync::Arc};

use crate::engine::Engine;

thread_local! {
    /// While this thread takes calls: the engines that were called.
    static CALLED: RefCell<Option<Engines>> = const { RefCell::new(None) };
}

/// Does something with what this thread has taken. A thread that ends has no place for it any more, and takes none.
fn with_called<T>(work: impl FnOnce(&mut Option<Engines>) -> T) -> Option<T> {
    CALLED.try_with(|place| work(&mut place.borrow_mut())).ok()
}

/// Takes the call for an engine, if this thread takes calls.
pub(crate) fn take(engine: &Arc<Engine>) -> bool {
    let take = |place: &mut Option<Engines>| match place {
        Some(called) => {
            called.add(engine);
            true
        }
        None => false,
    };
    with_called(take).unwrap_or(false)
}

/// Engines, each once. It is mostly one, which takes no memory of its own.
#[derive(Default)]
struct Engines {
    first: Option<Arc<Engine>>,
    /// Empty while there is no first.
    more: Vec<Arc<Engine>>,
}

impl Engines {
    fn add(&mut self, engine: &Arc<Engine>) {
        match &self.first {
            None => self.first = Some(engine.clone()),
            Some(_) if self.iter().any(|known| Arc::ptr_eq(known, engine)) => {}
            Some(_) => self.more.push(engine.clone()),
        }
    }

    fn pop(&mut self) -> Option<Arc<Engine>> {
        self.more.pop().or_else(|| self.first.take())
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.first.iter().chain(&self.more)
    }
}

/// Takes the calls that are made in this thread, instead of having background threads woken.
pub(crate) struct Calls {
    /// It was doing so already.
    is_nested: bool,
}

impl Calls {
    /// Begins. What was taken further out and not seen to yet comes along: it would wait for what happens in here.
    pub(crate) fn begin() -> Self {
        let begin = |place: &mut Option<Engines>| {
            let is_nested = place.is_some();
            place.get_or_insert_default();
            is_nested
        };
        Self { is_nested: with_called(begin).unwrap_or(false) }
    }

    /// Ends, and returns the calls.
    pub(crate) fn finish(self) -> Called {
        let called = self.end();
        mem::forget(self);
        called
    }

    fn end(&self) -> Called {
        let rest = self.is_nested.then(Engines::default);
        Called(with_called(|place| mem::replace(place, rest)).flatten().unwrap_or_default())
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// Engines that were called. Those that are left when it is dropped are left to their background threads.
pub(crate) struct Called(Engines);

impl Called {
    /// Takes the engine, if it is a single one that was called.
    pub(crate) fn single(&mut self) -> Option<Arc<Engine>> {
        if self.0.more.is_empty() { self.0.first.take() } else { None }
    }

    /// Forgets an engine, and returns whether it was called.
    pub(crate) fn forget(&mut self, engine: &Arc<Engine>) -> bool {
        if self.0.first.as_ref().is_some_and(|first| Arc::ptr_eq(first, engine)) {
            self.0.first = self.0.more.pop();
            return true;
        }
        let before = self.0.more.len();
        self.0.more.retain(|called| !Arc::ptr_eq(called, engine));
        self.0.more.len() < before
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
