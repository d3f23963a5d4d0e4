//! Requests under the lock, from their entry into the session to their outcome.
//!
//! A request's tag is the key of its slot. The tag comes back exactly once, so a slot that nobody waits for any more is kept
//! until then, as an orphan: who gives up a request never waits for it.

use core::task::Waker;

use super::{
    exchange::{Exchange, Session},
    shared::{Holder, Outbox},
    slots::{Key, Slots},
    watcher::Told,
};
use crate::{
    AuthInfo,
    broken::broken,
    request::{Request, Watched},
    session::{Refusal, Refused, Reply, RequestError, RequestId, SubmitOptions, WatchId},
};

/// The slot that waits for a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag(Key);

/// The watcher that hears an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchTag(pub(super) Key);

/// A request's way into the session: with a watch or without.
#[derive(Debug)]
pub(super) enum Entry<R> {
    /// Leaves no watch.
    Plain,
    /// Leaves a watch. The functions are those of a `Watched` request, which not every `R` is.
    Watched { submit: SubmitWatched<R>, told: fn(&R) -> Told },
}

type SubmitWatched<R> =
    fn(&mut Session, &R, Tag, WatchTag, SubmitOptions) -> Result<(RequestId, WatchId), Refused<Tag>>;

impl<R: Watched> Entry<R> {
    pub(super) fn watched() -> Self {
        Self::Watched { submit: Session::submit_watched::<R>, told: Told::nothing::<R> }
    }
}

impl<R> Clone for Entry<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Entry<R> {}

/// How a request ended, and the watcher it left, if it was to leave one.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<Reply, RequestError>,
    pub(super) watcher: Option<Key>,
}

#[derive(Debug)]
struct Slot {
    /// `None` for credentials, which cannot be taken back.
    request: Option<RequestId>,
    watcher: Option<Key>,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Somebody waits, or will.
    Waiting(Option<Waker>),
    /// The outcome is there.
    Over(Result<Reply, RequestError>),
    /// Nobody will ask; the reply frees the slot.
    Orphaned,
}

/// The requests that were made and whose outcome was not taken.
#[derive(Debug, Default)]
pub(super) struct Requests(Slots<Slot>);

impl Requests {
    /// Returns how many outcomes were not taken.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Exchange {
    /// Queues a request.
    pub(super) fn submit<R: Request>(
        &mut self,
        by: Holder,
        request: &R,
        entry: Entry<R>,
        options: SubmitOptions,
        outbox: &mut Outbox,
    ) -> Result<Key, Refusal> {
        self.admit(by)?;
        // The slots are taken once the session has taken the request: it may refuse it, and a caller's own may panic.
        let Self { session, requests, watchers, .. } = self;
        let tag = Tag(requests.0.next_key());
        let (request, watcher) = match entry {
            Entry::Plain => (session.submit(request, tag, options).map_err(|refused| refused.reason)?, None),
            Entry::Watched { submit, told } => {
                let (told, watch_tag) = (told(request), WatchTag(watchers.next_key()));
                let ids = submit(session, request, tag, watch_tag, options).map_err(|refused| refused.reason)?;
                (ids.0, Some(watchers.insert(told, ids.1)))
            }
        };
        let key = requests.0.insert(Slot { request: Some(request), watcher, progress: Progress::Waiting(None) });
        self.rouse(outbox);
        Ok(key)
    }

    /// Queues credentials.
    pub(super) fn add_auth(&mut self, by: Holder, auth: AuthInfo, outbox: &mut Outbox) -> Result<Key, Refusal> {
        self.admit(by)?;
        let tag = Tag(self.requests.0.next_key());
        self.session.add_auth(auth, tag).map_err(|refused| refused.reason)?;
        let key = self.requests.0.insert(Slot { request: None, watcher: None, progress: Progress::Waiting(None) });
        self.rouse(outbox);
        Ok(key)
    }

    /// Takes the outcome of a request, or else gives the place for a waker.
    #[inline]
    pub(super) fn collect(&mut self, key: Key) -> Result<Outcome, &mut Option<Waker>> {
        const KEPT: &str = "a request keeps its slot until its outcome is taken";
        let slots = &mut self.requests.0;
        let slot = slots.get_mut(key).expect(KEPT);
        if let Progress::Over(result) = &mut slot.progress {
            let result = core::mem::replace(result, Err(RequestError::Lost));
            let outcome = Outcome { result, watcher: slot.watcher };
            slots.discard(key);
            return Ok(outcome);
        }
        match &mut slots.get_mut(key).expect(KEPT).progress {
            Progress::Waiting(waker) => Err(waker),
            Progress::Over(_) | Progress::Orphaned => unreachable!("somebody waits for it, and it is not over"),
        }
    }

    /// Gives up a request: takes it back where it was not sent yet, and its watch in any case.
    pub(super) fn give_up(&mut self, key: Key, outbox: &mut Outbox) {
        let Some(slot) = self.requests.0.get_mut(key) else { return };
        let watcher = slot.watcher.take();
        let request = slot.request;
        match core::mem::replace(&mut slot.progress, Progress::Orphaned) {
            Progress::Waiting(waker) => {
                outbox.discard(waker);
                let is_withdrawn = request.and_then(|request| self.session.withdraw(request)).is_some();
                if is_withdrawn || broken!("frees the slot of a request that was given up before its reply") {
                    self.requests.0.remove(key);
                    self.places.call_first(outbox);
                }
            }
            Progress::Over(_) | Progress::Orphaned => self.requests.0.discard(key),
        }
        if let Some(watcher) = watcher {
            self.unwatch(watcher, outbox);
        }
    }

    /// Lets a request go on without anybody waiting for its outcome.
    pub(super) fn detach(&mut self, key: Key, outbox: &mut Outbox) {
        let Some(slot) = self.requests.0.get_mut(key) else { return };
        let watcher = slot.watcher.take();
        match core::mem::replace(&mut slot.progress, Progress::Orphaned) {
            Progress::Waiting(waker) => outbox.discard(waker),
            Progress::Over(_) | Progress::Orphaned => self.requests.0.discard(key),
        }
        if let Some(watcher) = watcher {
            self.unwatch(watcher, outbox);
        }
    }

    /// Leaves an outcome for whoever waits for it.
    pub(super) fn answer(&mut self, Tag(key): Tag, result: Result<Reply, RequestError>, outbox: &mut Outbox) {
        let Some(slot) = self.requests.0.get_mut(key) else { return };
        match core::mem::replace(&mut slot.progress, Progress::Over(result)) {
            Progress::Waiting(waker) => outbox.wake(waker),
            Progress::Over(_) | Progress::Orphaned => self.requests.0.discard(key),
        }
    }
}
