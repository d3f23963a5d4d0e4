//! What lies between the user's side and the background.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    super::{
        cell::Cell,
        lock::{Held, Tenure},
    },
    ShareState,
};
use crate::client::Error;

/// What is known to all parts of one member. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    told: Cell<Told>,
    /// What was acquired and nobody has taken yet.
    ready: Arc<Mutex<BTreeMap<Arc<str>, Acquired>>>,
}

#[derive(Clone, Debug)]
struct Told {
    state: ShareState,
    /// How often something was acquired.
    acquired: u64,
    end: Option<Ending>,
}

/// Why a member wants nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Left,
    /// The client is over.
    Over,
}

/// A partition that was acquired.
#[derive(Debug)]
pub(super) struct Acquired {
    // In this order: the lock is let go of before anybody hears that it was.
    pub(super) held: Held,
    pub(super) back: Back,
}

/// Tells that a partition is not in anybody's hand any more, when it is dropped.
#[derive(Debug)]
pub(super) struct Back(pub(super) Cell<bool>);

impl Back {
    pub(super) fn tell(&self) {
        self.0.update(|is_back| !std::mem::replace(is_back, true));
    }
}

impl Drop for Back {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Desk {
    pub(super) fn new() -> Self {
        let nobody: Arc<[Arc<str>]> = Arc::new([]);
        let state = ShareState { due: nobody.clone(), members: nobody.clone(), dissenters: nobody, refusal: None };
        Self { told: Cell::new(Told { state, acquired: 0, end: None }), ready: Arc::default() }
    }

    fn ready(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Acquired>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> ShareState {
        self.told.get().state
    }

    /// Changes how it stands, if that is a change.
    pub(super) fn set(&self, change: impl FnOnce(&mut ShareState)) {
        self.told.update(|told| {
            let before = told.state.clone();
            change(&mut told.state);
            told.state != before
        });
    }

    /// Waits until it stands otherwise, or does so no more.
    pub(super) async fn changed(&self, known: &ShareState) -> Result<ShareState, Ending> {
        let news = |told: &Told| match told.end {
            _ if told.state != *known => Some(Ok(told.state.clone())),
            end => end.map(Err),
        };
        self.told.find(news).await
    }

    /// Waits until a partition is to be had, and for the end.
    pub(super) async fn wanted(&self, partition: &str) -> Result<(), Ending> {
        let news = |told: &Told| match told.end {
            None => told.wants(partition).then_some(Ok(())),
            Some(end) => Some(Err(end)),
        };
        self.told.find(news).await
    }

    /// Waits until a partition is not to be had, which is so at the end.
    pub(super) async fn unwanted(&self, partition: &str) -> Option<Ending> {
        self.told.find(|told| (told.end.is_some() || !told.wants(partition)).then_some(told.end)).await
    }

    pub(super) async fn ended(&self) -> Ending {
        self.told.find(|told| told.end).await
    }

    /// Offers a partition to the user.
    pub(super) fn offer(&self, partition: Arc<str>, acquired: Acquired) {
        self.ready().insert(partition, acquired);
        self.told.update(|told| {
            told.acquired += 1;
            told.state.refusal = None;
            true
        });
    }

    /// Takes back what was offered and not taken yet.
    pub(super) fn withdraw(&self, partition: &str) {
        let withdrawn = self.ready().remove(partition);
        drop(withdrawn);
    }

    /// Waits for a partition.
    pub(super) async fn take(&self) -> Result<(Arc<str>, Acquired), Ending> {
        loop {
            let before = self.told.get();
            let next = self.ready().pop_first();
            match (next, before.end) {
                // It is let go of, and acquired anew where it is still to be had.
                (Some((_, lost)), _) if matches!(lost.held.tenure(), Tenure::Lost(_)) => continue,
                (Some((name, _)), _) if !before.wants(&name) => continue,
                (Some(taken), _) => return Ok(taken),
                (None, Some(end)) => return Err(end),
                (None, None) => {}
            }
            let is_new = |told: &Told| told.acquired != before.acquired || told.end.is_some();
            self.told.find(|told| is_new(told).then_some(())).await;
        }
    }

    /// Tells what the server refuses.
    pub(super) fn refuse(&self, error: Error) {
        self.set(|state| state.refusal = Some(error));
    }

    /// Ends it: nothing is wanted any more, and what nobody has taken is let go of.
    pub(super) fn end(&self, ending: Ending) {
        self.told.update(|told| told.end.is_none() && told.end.replace(ending).is_none());
        let ready = std::mem::take(&mut *self.ready());
        drop(ready);
    }
}

impl Told {
    fn wants(&self, partition: &str) -> bool {
        self.state.due.binary_search_by(|name| (**name).cmp(partition)).is_ok()
    }
}
