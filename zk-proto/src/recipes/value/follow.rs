//! Reading a value whenever its node changes.

use std::{pin::pin, sync::Arc};

use super::{
    super::{
        cache::{NodeCache, NodeView},
        cell::Cell,
        together::{Either, either},
    },
    SharedView, ValueCodec,
};
use crate::broken::broken;

/// What the background has found out, and what it is told.
#[derive(Debug)]
pub(super) struct Told<T> {
    pub(super) observed: SharedView<T>,
    pub(super) is_initialized: bool,
    /// There will be nothing new.
    pub(super) is_over: bool,
    /// Nobody wants to know any more.
    pub(super) is_unwanted: bool,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        let observed = SharedView { value: None, revision: None, rejected: None, is_stale: true };
        Self { observed, is_initialized: false, is_over: false, is_unwanted: false }
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
            told.observed.is_stale = true;
            !std::mem::replace(&mut told.is_over, true)
        });
    }
}

/// Reads until nobody wants to know, or there is nothing more to know. It holds the cache, which keeps the session open, so it ends
/// when the last handle is dropped.
pub(super) async fn follow<C: ValueCodec>(cache: NodeCache, codec: Arc<C>, reporter: Reporter<C::Value>) {
    let told = &reporter.0;
    let mut view = cache.current();
    loop {
        tell(&view, &*codec, told);
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

/// Takes in what the cache shows.
fn tell<C: ValueCodec>(view: &NodeView, codec: &C, told: &Cell<Told<C::Value>>) {
    let known = told.get().observed;
    let revision = view.node.revision();
    let is_known = revision == known.revision;
    // Read outside the lock, and not again when only the link has come or gone.
    let read = match view.data() {
        Some(data) if !is_known => Some(codec.read(data)),
        Some(_) | None => None,
    };
    told.update(|told| {
        let observed = &mut told.observed;
        match read {
            Some(Ok(value)) => (observed.value, observed.rejected) = (Some(Arc::new(value)), None),
            Some(Err(why)) => {
                if broken!("values: lets go of a value for one it cannot read") {
                    observed.value = None;
                }
                observed.rejected = Some(why);
            }
            None if revision.is_none() => (observed.value, observed.rejected) = (None, None),
            None => {}
        }
        observed.revision = revision;
        observed.is_stale = view.is_stale;
        told.is_initialized |= view.is_initialized();
        true
    });
}
