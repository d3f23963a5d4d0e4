//! A request on its way.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use std::sync::Arc;

use super::{Error, Watcher, requests, shared::Hold, slots::Key};
use crate::{
    request::Request,
    session::{Reply, RequestError},
};

/// A request that was made, and the future of its outcome. Given by [`Call::send`](super::Call::send).
///
/// It is in the queue already, in the order of the calls; awaiting it is only about the outcome. Dropping it takes the request
/// back when it was not handed to a link yet; afterwards it is too late, and the server carries it out or not. A watch that it
/// leaves is taken off again in both cases. To let it go on without listening, [`detach`](Self::detach) it.
///
/// The session stays open as long as it is neither answered nor dropped.
#[must_use = "dropping it takes the request back if it was not sent yet; see `detach`"]
pub struct Pending<T> {
    progress: Progress,
    finish: Finish<T>,
}

enum Progress {
    Submitted(Submitted),
    /// Refused; `None` once that was told.
    Failed(Option<Error>),
}

/// A request's slot, given up on drop.
struct Submitted {
    hold: Arc<Hold>,
    /// `None` once the outcome was taken, or nobody wants it.
    key: Option<Key>,
}

/// Makes what the caller gets of how the request ended.
pub(super) type Finish<T> = fn(Outcome<'_>) -> Result<T, Error>;

impl<T> Pending<T> {
    pub(super) fn submitted(hold: Arc<Hold>, key: Key, finish: Finish<T>) -> Self {
        Self { progress: Progress::Submitted(Submitted { hold, key: Some(key) }), finish }
    }

    pub(super) fn failed(error: Error, finish: Finish<T>) -> Self {
        Self { progress: Progress::Failed(Some(error)), finish }
    }

    /// Lets the request go on without anybody listening. If it was refused, it is not made.
    pub fn detach(mut self) {
        if let Progress::Submitted(submitted) = &mut self.progress {
            if let Some(key) = submitted.key.take() {
                submitted.hold.shared.with(|exchange, outbox| exchange.detach(key, outbox));
            }
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    /// # Panics
    ///
    /// When it is polled again after it has completed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const AGAIN: &str = "a request is not polled again after its outcome";
        let finish = self.finish;
        let submitted = match &mut self.progress {
            Progress::Submitted(submitted) => submitted,
            Progress::Failed(error) => return Poll::Ready(Err(error.take().expect(AGAIN))),
        };
        let (hold, key) = (&submitted.hold, submitted.key.expect(AGAIN));
        hold.shared.poll(cx, |exchange, _| exchange.collect(key)).map(|outcome| {
            submitted.key = None;
            finish(Outcome::new(outcome, &submitted.hold))
        })
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.hold.shared.with(|exchange, outbox| exchange.give_up(key, outbox));
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

/// How a request ended, out of the lock, and whose share in the session it was.
pub(super) struct Outcome<'a> {
    outcome: requests::Outcome,
    hold: &'a Arc<Hold>,
}

impl<'a> Outcome<'a> {
    pub(super) fn new(outcome: requests::Outcome, hold: &'a Arc<Hold>) -> Self {
        Self { outcome, hold }
    }

    /// Reads the reply of a request without a watch.
    #[inline]
    pub(super) fn reply<R: Request>(self) -> Result<R::Reply, Error> {
        Ok(self.outcome.result?.decode::<R>()?)
    }

    /// Reads the reply of a request with a watch. Where it failed, the watch is given up.
    pub(super) fn watched<R: Request>(self) -> Result<(R::Reply, Watcher), Error> {
        let (result, watcher) = self.into_parts();
        let reply = result?.decode::<R>()?;
        Ok((reply, watcher.expect("the request was made with a watch")))
    }

    /// Takes it apart, for those for whom an error can be an answer.
    pub(super) fn into_parts(self) -> (Result<Reply, RequestError>, Option<Watcher>) {
        let watcher = self.outcome.watcher.map(|key| Watcher::new(self.hold.clone(), key));
        (self.outcome.result, watcher)
    }
}
