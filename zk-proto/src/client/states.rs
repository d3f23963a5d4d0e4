//! The session's states, for everybody who wants to know.
//!
//! All readers share one short log. Who falls behind misses old states, never the newest.

use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use std::{collections::VecDeque, sync::Arc};

use futures_core::Stream;

use super::{
    exchange::Exchange,
    shared::{Outbox, Shared},
    slots::{Key, Slots},
};
use crate::session::State;

/// How many states the log keeps.
const KEPT_STATES: usize = 64;

/// The states of a client's sessions: the present one first, then each change. Made by
/// [`Client::states`](super::Client::states).
///
/// Sessions that follow each other are told by their id, in [`State::Connected`]. The stream ends behind
/// [`State::Ended`], unless a new session follows. Who listens slowly misses states in between, but never the newest. The
/// stream does not keep the session open.
#[must_use = "streams do nothing unless polled"]
pub struct States {
    shared: Arc<Shared>,
    key: Key,
    /// The next state to be told.
    position: u64,
}

impl States {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let (key, position) = shared.with(|exchange, _| exchange.states.subscribe(exchange.session.state()));
        Self { shared: shared.clone(), key, position }
    }

    /// Answers a question about what lies under the lock.
    pub(super) fn look<T>(&self, question: impl FnOnce(&Exchange) -> T) -> T {
        question(&self.shared.lock())
    }

    /// Waits for the next state; `None` when no other will follow. May be cancelled at any moment.
    pub async fn next(&mut self) -> Option<State> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// As [`next`](Self::next), but `None` as soon as the client is asked to close: for work in the background that has nothing left to
    /// do then, and would only be waited for.
    #[cfg(feature = "recipes")]
    pub(crate) async fn next_while_open(&mut self) -> Option<State> {
        poll_fn(|cx| {
            let Self { shared, key, position } = &mut *self;
            shared.poll(cx, |exchange, _| match exchange.is_open() {
                true => exchange.states.next(*key, position, false),
                false => Ok(None),
            })
        })
        .await
    }
}

impl Stream for States {
    type Item = State;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<State>> {
        let Self { shared, key, position } = &mut *self;
        shared.poll(cx, |exchange, _| {
            let is_over = exchange.over().is_some();
            exchange.states.next(*key, position, is_over)
        })
    }
}

impl Drop for States {
    fn drop(&mut self) {
        self.shared.with(|exchange, outbox| exchange.states.unsubscribe(self.key, outbox));
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").finish_non_exhaustive()
    }
}

/// The newest states, and who waits for the next. While nobody reads them, no state is kept: who comes begins with the present one.
#[derive(Debug, Default)]
pub(super) struct StateLog {
    log: VecDeque<State>,
    /// How many states came before those in the log.
    dropped: u64,
    readers: Slots<Option<Waker>>,
}

impl StateLog {
    pub(super) fn push(&mut self, state: State, outbox: &mut Outbox) {
        if self.readers.len() == 0 {
            return;
        }
        if self.log.len() == KEPT_STATES {
            self.log.pop_front();
            self.dropped += 1;
        }
        self.log.push_back(state);
        self.wake_all(outbox);
    }

    pub(super) fn wake_all(&mut self, outbox: &mut Outbox) {
        self.readers.values_mut().for_each(|waker| outbox.wake(waker.take()));
    }

    /// Returns how many readers there are.
    pub(super) fn readers(&self) -> usize {
        self.readers.len()
    }

    /// Adds a reader, and returns its key and its first position: that of the present state.
    fn subscribe(&mut self, present: &State) -> (Key, u64) {
        if self.log.is_empty() {
            self.log.push_back(present.clone());
        }
        (self.readers.insert(None), self.dropped + self.log.len() as u64 - 1)
    }

    fn unsubscribe(&mut self, key: Key, outbox: &mut Outbox) {
        outbox.discard(self.readers.remove(key).flatten());
        if self.readers.len() == 0 {
            // There can be a thousand idle sessions, and whoever connects reads the first states.
            *self = Self::default();
        }
    }

    fn next(&mut self, key: Key, position: &mut u64, is_over: bool) -> Result<Option<State>, &mut Option<Waker>> {
        let index = position.saturating_sub(self.dropped);
        match usize::try_from(index).ok().and_then(|index| self.log.get(index)) {
            Some(state) => {
                *position = self.dropped + index + 1;
                Ok(Some(state.clone()))
            }
            None if is_over => Ok(None),
            None => Err(self.readers.get_mut(key).expect("a reader keeps its slot")),
        }
    }
}
