//! Reading entries whenever their nodes change.

use std::{pin::pin, sync::Arc};

use super::{
    super::{
        cache::TreeCache,
        cell::Cell,
        together::{Either, either},
        value::ValueCodec,
    },
    SharedMapView,
};

/// What the background has found out, and what it is told.
#[derive(Debug)]
pub(super) struct Told<T> {
    pub(super) observed: SharedMapView<T>,
    pub(super) is_initialized: bool,
    /// There will be nothing new.
    pub(super) is_over: bool,
    /// Nobody wants to know any more.
    pub(super) is_unwanted: bool,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { observed: SharedMapView::nothing(), is_initialized: false, is_over: false, is_unwanted: false }
    }
}

impl<T> Clone for Told<T> {
    fn clone(&self) -> Self {
        Self { observed: self.observed.clone(), ..*self }
    }
}

/// Tells what was read. When it is dropped, with the driver perhaps, there will be nothing new.
pub(super) struct Reporter<T>(Cell<Told<T>>);

impl<T> Reporter<T> {
    pub(super) fn new(told: Cell<Told<T>>) -> Self {
        Self(told)
    }
}

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        self.0.update(|told| {
            told.observed = told.observed.when_over();
            !std::mem::replace(&mut told.is_over, true)
        });
    }
}

/// Reads until nobody wants to know, or there is nothing more to know. It holds the cache, which keeps the session open, so it ends
/// when the last handle is dropped.
pub(super) async fn follow<C: ValueCodec>(cache: TreeCache, codec: Arc<C>, reporter: Reporter<C::Value>) {
    let told = &reporter.0;
    let mut view = cache.snapshot();
    loop {
        // Read outside the lock.
        let known = told.get().observed;
        let next = known.next(cache.path(), &view, &*codec);
        told.update(|told| {
            let is_new = !next.is_same_as(&known) || told.is_initialized != view.is_initialized();
            if is_new {
                (told.observed, told.is_initialized) = (next, view.is_initialized());
            }
            is_new
        });
        let news = {
            let unwanted = pin!(told.find(|told| told.is_unwanted.then_some(())));
            either(unwanted, pin!(cache.changed(&view))).await
        };
        match news {
            Either::Second(Ok(newer)) => view = newer,
            // Nobody wants to know, or there is nothing more to know.
            Either::First(()) | Either::Second(Err(_)) => return,
        }
    }
}
