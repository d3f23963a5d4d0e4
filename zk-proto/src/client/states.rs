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

/// The newest states, and who waits for the next. While nobody reads them there is nothing: who comes begins with the present one.
#[derive(Debug, Default)]
pub(super) struct StateLog(Option<Box<Log>>);

#[derive(Debug, Default)]
struct Log {
    states: VecDeque<State>,
    /// How many states came before those.
    dropped: u64,
    readers: Slots<Option<Waker>>,
}

impl StateLog {
    pub(super) fn push(&mut self, state: State, outbox: &mut Outbox) {
        let Some(log) = &mut self.0 else { return };
        if log.states.len() == KEPT_STATES {
            log.states.pop_front();
            log.dropped += 1;
        }
        log.states.push_back(state);
        self.wake_all(outbox);
    }

    pub(super) fn wake_all(&mut self, outbox: &mut Outbox) {
        let Some(log) = &mut self.0 else { return };
        log.readers.values_mut().for_each(|waker| outbox.wake(waker.take()));
    }

    /// Returns how many readers there are.
    pub(super) fn readers(&self) -> usize {
        self.0.as_ref().map_or(0, |log| log.readers.len())
    }

    /// Adds a reader, and returns its key and its first position: that of the present state.
    fn subscribe(&mut self, present: &State) -> (Key, u64) {
        let log = self.0.get_or_insert_default();
        if log.states.is_empty() {
            log.states.push_back(present.clone());
        }
        (log.readers.insert(None), log.dropped + log.states.len() as u64 - 1)
    }

    fn unsubscribe(&mut self, key: Key, outbox: &mut Outbox) {
        let Some(log) = &mut self.0 else { return };
        outbox.discard(log.readers.remove(key).flatten());
        if log.readers.len() == 0 {
            self.0 = None;
        }
    }

    fn next(&mut self, key: Key, position: &mut u64, is_over: bool) -> Result<Option<State>, &mut Option<Waker>> {
        let log = self.0.as_mut().expect("there is one while there are readers");
        let index = position.saturating_sub(log.dropped);
        match usize::try_from(index).ok().and_then(|index| log.states.get(index)) {
            Some(state) => {
                *position = log.dropped + index + 1;
                Ok(Some(state.clone()))
            }
            None if is_over => Ok(None),
            None => Err(log.readers.get_mut(key).expect("a reader keeps its slot")),
        }
    }
}
