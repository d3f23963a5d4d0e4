//! What lies under the lock: the session, and everybody who waits for something from it.
//!
//! Requests go in at one end, what the session tells is distributed at the other: a reply to the slot of its request, a
//! watch event to its watcher, a state to the log. That happens in the same lock in which the session learnt it, so nobody ever
//! sees a reply before an event that comes before it.

use core::task::Waker;
use std::sync::Weak;

use super::{
    background::Chores,
    ending::{OnExpiry, Phase},
    places::Places,
    requests::{Requests, Tag, WatchTag},
    shared::{Outbox, Shared},
    slots::Key,
    states::StateLog,
    timer::Timers,
    watcher::Watchers,
};
use crate::{
    Instant, LinkId, Machine, Server,
    broken::broken,
    metrics::Metrics,
    sasl::Step,
    session::{self, Cause, Event, State},
    wire::Secret,
};

pub(super) type Session = session::Session<Tag, WatchTag>;

/// A SASL step that the mechanism put off, as [`Event::Challenge`] has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// The link that waits for the answer.
    pub link: LinkId,
    /// The server on the other side.
    pub server: Server,
    /// Its token; null at the beginning.
    pub token: Secret,
}

/// Everything under the lock.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What all of this lies in.
    shared: Weak<Shared>,
    pub(super) session: Session,
    pub(super) requests: Requests,
    pub(super) watchers: Watchers,
    pub(super) states: StateLog,
    pub(super) places: Places,
    pub(super) timers: Timers,
    pub(super) chores: Chores,
    pub(super) challenge: Option<Box<Challenge>>,
    pub(super) challenge_waker: Option<Waker>,
    /// How the last attempt with each server failed.
    pub(super) failures: Vec<(Server, String)>,
    /// What the transport said about the link that is being given up.
    complaint: Option<String>,
    pub(super) phase: Phase,
    pub(super) on_expiry: OnExpiry,
    /// The driver, while it sleeps.
    driver: Option<Waker>,
    /// How often something has changed for the driver while it was awake.
    changes: u64,
    /// Of how many changes it knew when it last wanted to sleep, and when it last asked for links and for the deadline.
    known: u64,
    known_for_links: u64,
    known_for_deadline: u64,
    /// The latest time that the driver has told.
    now: Instant,
}

impl Exchange {
    pub(super) fn new(shared: Weak<Shared>, session: Session, on_expiry: OnExpiry, watcher_queue: usize) -> Self {
        Self {
            shared,
            session,
            requests: Requests::default(),
            watchers: Watchers::new(watcher_queue),
            states: StateLog::default(),
            places: Places::default(),
            timers: Timers::default(),
            chores: Chores::default(),
            challenge: None,
            challenge_waker: None,
            failures: Vec::new(),
            complaint: None,
            phase: Phase::Open,
            on_expiry,
            driver: None,
            changes: 0,
            known: 0,
            known_for_links: 0,
            known_for_deadline: 0,
            now: Instant::ORIGIN,
        }
    }

    /// Returns the session's counters, and where it stands.
    pub(super) fn metrics(&self) -> Metrics {
        Metrics { waiting: self.places.len(), ..self.session.metrics() }
    }

    /// Gives up a watch that nobody hears any more.
    pub(super) fn unwatch(&mut self, watcher: Key, outbox: &mut Outbox) {
        if let Some(watch) = self.watchers.remove(watcher, outbox) {
            self.session.unwatch(watch);
            self.rouse(outbox);
        }
    }

    /// Distributes what the session has to tell.
    #[inline]
    pub(super) fn settle(&mut self, outbox: &mut Outbox) {
        // Who only asks for something has mostly nothing to hear.
        if self.session.has_news() {
            self.settle_news(outbox);
        }
    }

    fn settle_news(&mut self, outbox: &mut Outbox) {
        // What was told may have been the last to wait for, and closing the session has something to tell again.
        while self.distribute(outbox) {
            self.places.call_first(outbox);
            self.drain();
        }
        outbox.journal.slow(&mut self.session);
    }

    /// Distributes what is there to be told, and returns whether anything was.
    fn distribute(&mut self, outbox: &mut Outbox) -> bool {
        let mut anything = false;
        while let Some(event) = self.session.poll_event() {
            anything = true;
            match event {
                Event::Reply { tag, result } => self.answer(tag, result, outbox),
                Event::Watch { watch: WatchTag(watcher), event } => self.watchers.tell(watcher, event, outbox),
                Event::State(state) => self.enter(state, outbox),
                Event::LinkFailed { server, cause } => self.note_failure(server, &cause, outbox),
                Event::Challenge { link, server, token } => self.defer(Challenge { link, server, token }, outbox),
            }
        }
        anything
    }

    /// Has a SASL step made that was put off: by the mechanism's own future, or by the application.
    fn defer(&mut self, challenge: Challenge, outbox: &mut Outbox) {
        let link = challenge.link;
        let Some(work) = self.session.deferred(link) else {
            self.challenge = Some(Box::new(challenge));
            return outbox.wake(self.challenge_waker.take());
        };
        let shared = self.shared.clone();
        self.chores.add(Box::pin(async move {
            let step = work.await;
            if let Some(shared) = shared.upgrade() {
                shared.with(|exchange, outbox| exchange.answer_challenge(link, step, outbox));
            }
        }));
        self.rouse(outbox);
    }

    /// Continues a SASL exchange that was put off.
    pub(super) fn answer_challenge(&mut self, link: LinkId, step: Step, outbox: &mut Outbox) {
        self.session.answer(link, step);
        self.rouse(outbox);
    }

    fn enter(&mut self, state: State, outbox: &mut Outbox) {
        let ended = match &state {
            State::Ended(end) => Some(*end),
            State::Connected { .. } => {
                self.failures.clear();
                None
            }
            State::Connecting | State::Suspended { .. } | State::PresumedLost => None,
        };
        outbox.journal.state(&self.session, &state);
        self.states.push(state, outbox);
        if let Some(end) = ended {
            if !broken!("does not end watchers with their session") {
                self.watchers.end(end, outbox);
            }
            self.places.end(end, outbox);
            self.succeed(end, outbox);
            self.rouse(outbox);
        }
    }

    fn note_failure(&mut self, server: Server, cause: &Cause, outbox: &mut Outbox) {
        let text = match (cause, self.complaint.take()) {
            (Cause::Hangup, Some(complaint)) => complaint,
            (cause, _) => cause.to_string(),
        };
        outbox.journal.link_failed(&self.session, &server, &text);
        self.failures.retain(|(known, _)| !known.same_place(&server));
        // The list of servers may change for ever; the failures of old ones are of no interest.
        if self.failures.len() >= self.session.config().servers.len() {
            self.failures.remove(0);
        }
        self.failures.push((server, text));
    }

    /// Tells the session that a link is gone, with what the transport said about it.
    pub(super) fn handle_failure(&mut self, link: LinkId, complaint: String, now: Instant, outbox: &mut Outbox) {
        self.complaint = Some(complaint);
        self.session.handle_disconnected(link, now);
        self.settle(outbox);
        self.complaint = None;
    }

    /// Handles what is due.
    pub(super) fn handle_timeout(&mut self, outbox: &mut Outbox) {
        self.timers.handle(self.now, outbox);
        self.handle_drain_timeout();
        self.session.handle_timeout(self.now);
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        session::earliest([self.session.poll_timeout(), self.timers.deadline(self.now), self.drain_deadline()])
    }

    /// Returns the latest time that the driver has told.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Notes the time.
    pub(super) fn see(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Makes the driver look, now if it sleeps and otherwise before it goes to sleep.
    pub(super) fn rouse(&mut self, outbox: &mut Outbox) {
        match self.driver.take() {
            Some(driver) => outbox.wake(Some(driver)),
            None => self.changes += 1,
        }
    }

    /// Returns whether the driver's links are the ones that are wanted.
    pub(super) fn is_content_with(&mut self, link: Option<LinkId>, probe: Option<LinkId>) -> bool {
        self.known_for_links = self.changes;
        self.session.is_content_with(link, probe)
    }

    /// Returns when the driver is due.
    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.known_for_deadline = self.changes;
        self.deadline()
    }

    /// Notes that the driver does not sleep, and gives its waker back.
    pub(super) fn driver_awake(&mut self, waker: &mut Option<Waker>, outbox: &mut Outbox) {
        if let Some(driver) = self.driver.take() {
            outbox.discard(waker.replace(driver));
        }
    }

    /// Lets the driver go to sleep, and returns false, if there is something that it has not seen. What has changed before it asked
    /// its questions it has seen, if nothing is left to be sent.
    pub(super) fn driver_asleep(&mut self, waker: &mut Option<Waker>) -> bool {
        let is_news = core::mem::replace(&mut self.known, self.changes) != self.changes;
        let is_seen = self.known_for_links == self.changes && self.known_for_deadline == self.changes;
        let is_news = is_news && !broken!("lets the driver sleep over what was asked while it was awake");
        if is_news && (!is_seen || self.session.has_output()) || self.chores.is_due() {
            return false;
        }
        core::mem::swap(&mut self.driver, waker);
        true
    }
}
