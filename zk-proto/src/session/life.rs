//! How links come and go, and how the session ends.

use alloc::{boxed::Box, vec::Vec};
use core::{mem, time::Duration};

use super::{
    Cause, Closing, End, Event, RequestError, Sent, Session, State, WatchedEvent, WatchedEventKind,
    greeting::{Identity, Welcome},
    outbox::{Entry, Internal, Owner},
    phase::{Attempt, Greeted, Phase, Ready, TRANSITIONS},
    probe::{Answer, Probe, Question},
    timing,
    watches::Removal,
};
use crate::{Instant, LinkId, Server, broken::broken, code::OpCode};

/// A link that was up for so long and then breaks is dialled again without a pause.
const STEADY: Duration = Duration::from_secs(1);

/// Links that every server closed during the greeting without a word, in a row.
#[derive(Debug)]
pub(super) struct Rejections {
    count: u32,
    since: Instant,
    /// Servers that have said since that they are behind what this session has seen.
    behind: Vec<Server>,
}

impl<T, W: Clone> Session<T, W> {
    /// The one place where the phase changes.
    pub(super) fn enter(&mut self, phase: Phase<T>) -> Phase<T> {
        let step = (self.phase.name(), phase.name());
        match TRANSITIONS.iter().position(|known| *known == step) {
            Some(index) => self.steps |= 1 << index,
            None => debug_assert!(false, "no step from {} to {}", step.0, step.1),
        }
        mem::replace(&mut self.phase, phase)
    }

    pub(super) fn set_state(&mut self, state: State) {
        self.state = state.clone();
        self.events.push_back(Event::State(state));
    }

    pub(super) fn new_link(&mut self) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link = self.next_link.wrapping_add(1);
        id
    }

    /// The timeout that counts: the one in force, or the one to ask for.
    pub(super) fn timeout(&self) -> Duration {
        self.identity.as_ref().map_or(self.config.session_timeout, |identity| identity.timeout)
    }

    pub(super) fn dial(&mut self) {
        self.dials = self.dials.saturating_add(1);
        self.meter.dials += 1;
        self.meter.cut_off(self.now);
        // A session that was taken up counts as cut off until it is connected.
        if self.identity.is_some() && self.suspended_at.is_none() {
            self.suspended_at = Some(self.now);
        }
        let server = self.rotation.next(&mut self.rng);
        let deadline = self.now + timing::link_timeout(&self.config, self.timeout(), self.rotation.len());
        let id = self.new_link();
        self.enter(Phase::Dialing(Box::new(Attempt { id, server, deadline })));
    }

    /// Returns how long to wait before the next dial.
    pub(super) fn pause(&mut self) -> Duration {
        self.config.backoff.delay(self.dials, self.rotation.len(), &mut self.rng)
    }

    /// Lets the link go and decides what comes next.
    pub(super) fn drop_link(&mut self, cause: Cause) {
        let silent = matches!((&self.phase, &cause), (Phase::Greeting { sent: Some(_), .. }, Cause::Hangup));
        let Some((_, server)) = self.phase.link() else { return };
        let server = server.clone();
        if let Phase::Ready(ready) = &self.phase {
            let is_steady = ready.proved && self.now.saturating_since(ready.since) >= STEADY;
            if is_steady && !matches!(cause, Cause::Violation(_)) {
                self.dials = 0;
            }
        }
        let is_left = cause == Cause::Left;
        let pause = self.pause();
        // Who left goes on as soon as the time is known: the list of servers may have been replaced long after the last call
        // that told it.
        let until = if is_left { None } else { Some(self.now + pause) };
        let old = self.enter(Phase::Offline { until });
        if let Phase::Ready(ready) = old {
            self.meter.links_lost += 1;
            self.meter.cut_off(self.now);
            self.memory.note(&ready.server, ready.lacks, self.now);
            self.link_lost(*ready, cause);
        } else {
            self.memory.forget(&server);
            self.meter.links_failed += 1;
            if self.events.len() < self.config.limits.events {
                self.events.push_back(Event::LinkFailed { server: server.clone(), cause });
            }
        }
        if self.closing.is_some() {
            return self.end(End::Closed);
        }
        if silent {
            self.note_rejection(server);
        } else {
            self.rejections = None;
        }
        // The first dial after a link that worked is not put off.
        if pause.is_zero() && !is_left {
            self.dial();
        }
    }

    /// Settles what was in flight. What had not been handed out stays, but for what was about that link alone.
    fn link_lost(&mut self, mut ready: Ready<T>, cause: Cause) {
        if let Some(watches) = self.watches.known() {
            watches.link_lost();
        }
        self.probe = None;
        self.resync = None;
        // Where the answer to the oldest request is what broke the link, asking for it again would break the next one.
        if let (Cause::Violation(_), Some(oldest)) = (&cause, ready.in_flight.front_mut()) {
            oldest.resend = false;
        }
        let unknown = ready.unknown;
        let stays = |entry: &Entry<T>| {
            // A server cannot have carried out what it does not know. That it only seems not to know it is not enough.
            let is_undone = unknown.contains(entry.op) && entry.keeps_frame();
            matches!(entry.owner, Owner::Caller { .. }) && (entry.resend || is_undone)
        };
        let (mut again, lost): (Vec<_>, Vec<_>) = ready.in_flight.into_iter().partition(stays);
        again.iter_mut().filter(|entry| !entry.resend).for_each(|entry| entry.sent = None);
        let stale = self.outbox.remove_where(|entry| matches!(entry.owner, Owner::Session(_)));
        // What stays first, so that its time limits are known to count still.
        again.into_iter().rev().for_each(|entry| self.outbox.put_back(entry));
        lost.into_iter().chain(stale).for_each(|entry| self.fail_entry(entry, RequestError::Lost));
        self.suspended_at = Some(self.now);
        let valid_until = self.valid_until().unwrap_or(self.now);
        self.set_state(State::Suspended { cause, valid_until });
    }

    /// Reports the end of a request that got no reply.
    pub(super) fn fail_entry(&mut self, entry: Entry<T>, error: RequestError) {
        self.outbox.release(&entry);
        if let Some(watch) = entry.watch() {
            let removal = self.watches.cancel(watch);
            self.remove_from_server(removal);
        }
        self.note_finished(entry.timed);
        if let Owner::Caller { tag, .. } = entry.owner {
            self.meter.failed(entry.op, error);
            self.events.push_back(Event::Reply { tag, result: Err(error) });
        }
    }

    /// Ends the session: everything that is open is reported, then the end.
    pub(super) fn end(&mut self, end: End) {
        let over = |sent| RequestError::Ended { end, sent };
        if let Phase::Ready(ready) = self.enter(Phase::Ended(end)) {
            let sent = if broken!("says of a sent request that it was not") { Sent::No } else { Sent::Perhaps };
            ready.in_flight.into_iter().for_each(|entry| self.fail_entry(entry, over(sent)));
        }
        for entry in self.outbox.remove_where(|_| true) {
            let sent = if entry.sent.is_some() { Sent::Perhaps } else { Sent::No };
            self.fail_entry(entry, over(sent));
        }
        for auth in &mut self.auths {
            if let Some(tag) = auth.tag.take() {
                let sent = if auth.sent { Sent::Perhaps } else { Sent::No };
                self.events.push_back(Event::Reply { tag, result: Err(over(sent)) });
            }
        }
        self.meter.not_cut_off(self.now);
        self.meter.expired += u64::from(matches!(end, End::Expired | End::Rejected));
        if let Some(watches) = self.watches.known() {
            watches.clear();
        }
        self.deadlines.clear();
        (self.probe, self.resync, self.rejections, self.suspended_at, self.closing) = (None, None, None, None, None);
        self.set_state(State::Ended(end));
    }

    /// The server's greeting.
    pub(super) fn welcomed(&mut self, welcome: Welcome, sent: Instant) {
        match welcome {
            Welcome::Expired => self.end(End::Expired),
            Welcome::TurnedAway(how) => self.drop_link(Cause::TurnedAway(how)),
            Welcome::Accepted { identity, read_only, foreign } => {
                let Phase::Greeting { attempt, .. } = &self.phase else { return };
                let attempt = attempt.clone();
                let resumed = self.identity.as_ref().is_some_and(|old| old.id == identity.id);
                if !resumed {
                    self.leave_behind(&identity);
                }
                // See `prove`.
                if !(read_only && identity.global) {
                    self.proved = self.proved.max(Some(sent));
                }
                self.identity = Some(identity);
                self.rejections = None;
                self.secure(attempt, Greeted { sent, read_only, resumed, foreign });
            }
        }
    }

    /// This is another session than before: requests that were sent in the old one are not sent again, and those that are
    /// pinned to it are not sent at all.
    fn leave_behind(&mut self, identity: &Identity) {
        let again = |entry: &Entry<T>| entry.sent.is_some() && matches!(entry.owner, Owner::Caller { .. });
        let lost = self.outbox.remove_where(again);
        lost.into_iter().for_each(|entry| self.fail_entry(entry, RequestError::Lost));
        let id = identity.id;
        let elsewhere = |entry: &Entry<T>| matches!(&entry.owner, Owner::Caller { pin: Some(pin), .. } if **pin != id);
        let refused = self.outbox.remove_where(elsewhere);
        refused.into_iter().for_each(|entry| self.fail_entry(entry, RequestError::SessionChanged));
    }

    pub(super) fn become_ready(&mut self, attempt: Attempt, welcome: Greeted) {
        let Some(identity) = &self.identity else { return };
        let state = State::Connected {
            session: identity.id,
            timeout: identity.timeout,
            resumed: welcome.resumed,
            read_only: welcome.read_only,
        };
        let lacks = self.memory.recall(&attempt.server, self.now);
        let ready = Ready::new(attempt, welcome, lacks, self.last_zxid, self.now);
        self.enter(Phase::Ready(Box::new(ready)));
        self.suspended_at = None;
        self.meter.not_cut_off(self.now);
        *if welcome.resumed { &mut self.meter.resumed } else { &mut self.meter.sessions } += 1;
        self.set_state(state);
        self.drop_unsupported_watches();
        // Persistent watches get no catch-up from any server.
        let is_told = !broken!("does not tell to resync after a reconnect");
        self.resync = self.watches.next_persistent(0).filter(|_| is_told).map(|_| 0);
        if self.closing.is_some() {
            self.submit_close();
        }
    }

    /// Returns the next mark for a persistent watch that may have missed something.
    pub(super) fn next_resync(&mut self) -> Option<Event<T, W>> {
        let found = self.watches.next_persistent(self.resync?);
        self.resync = found.as_ref().map(|(_, _, next)| *next);
        let (watch, path, _) = found?;
        self.meter.watch_events += 1;
        Some(Event::Watch { watch, event: WatchedEvent { kind: WatchedEventKind::Resync, path, zxid: None } })
    }

    /// Leaves the link for another server: at once, or when what is in flight has been answered.
    pub(super) fn leave(&mut self) {
        if self.closing.is_some() {
            return;
        }
        match &mut self.phase {
            Phase::Ready(ready) => ready.leaving = true,
            Phase::Offline { .. } | Phase::Ended(_) => {}
            Phase::Dialing(_) | Phase::Greeting { .. } | Phase::Sasl { .. } | Phase::Auth { .. } => {
                self.drop_link(Cause::Left);
            }
        }
    }

    pub(super) fn leave_if_idle(&mut self) {
        if let Phase::Ready(ready) = &self.phase {
            if ready.leaving && !ready.has_unanswered() {
                self.drop_link(Cause::Left);
            }
        }
    }

    pub(super) fn begin_closing(&mut self) {
        if self.closing.is_some() || matches!(self.phase, Phase::Ended(_)) {
            return;
        }
        match &mut self.phase {
            Phase::Ready(ready) => {
                ready.leaving = false;
                self.closing = Some(Closing::Requested);
                self.submit_close();
            }
            // The server may have made the session by now: it is told as soon as it can be.
            Phase::Greeting { sent: Some(_), .. } | Phase::Sasl { .. } | Phase::Auth { .. } => {
                self.closing = Some(Closing::Requested);
            }
            // No server to tell; whatever session there is will expire.
            Phase::Offline { .. } | Phase::Dialing(_) | Phase::Greeting { sent: None, .. } | Phase::Ended(_) => {
                self.end(End::Closed);
            }
        }
    }

    fn submit_close(&mut self) {
        if broken!("closes without telling the server") {
            return self.end(End::Closed);
        }
        self.submit_internal(OpCode::CloseSession, Internal::Close, |_| {});
    }

    /// Queues a removal of a watch that nobody hears.
    pub(super) fn remove_from_server(&mut self, removal: Option<Removal>) {
        let Some(Removal { path, watcher_type }) = removal else { return };
        let Phase::Ready(ready) = &self.phase else { return };
        // Who was not asked yet what it knows has no watch yet.
        let can_remove = !ready.lacks.contains(OpCode::RemoveWatches);
        if self.closing.is_none() && can_remove {
            self.submit_internal(OpCode::RemoveWatches, Internal::RemoveWatches, |out| {
                out.text(&path);
                out.put(&watcher_type);
            });
        }
    }

    /// A server has hung up in the greeting without a word: it may be without a quorum, or behind what this session has
    /// seen. When all have done so for long enough, they are asked which.
    fn note_rejection(&mut self, server: Server) {
        if self.last_zxid.0 <= 0 {
            return;
        }
        let now = self.now;
        let first = || Box::new(Rejections { count: 0, since: now, behind: Vec::new() });
        let rejections = self.rejections.get_or_insert_with(first);
        rejections.count += 1;
        let rounds = rejections.count / u32::try_from(self.rotation.len()).unwrap_or(u32::MAX).max(1);
        let known = rejections.behind.iter().any(|behind| behind.same_place(&server));
        let long = now.saturating_since(rejections.since) >= self.timeout();
        if rounds >= 3 && long && !known && self.probe.is_none() {
            let id = self.new_link();
            self.probe = Some(Box::new(Probe::new(id, server, Question::HowFar, now)));
        }
    }

    /// A probe is over.
    pub(super) fn probed(&mut self, answer: Answer) {
        let Some(probe) = self.probe.take() else { return };
        match answer {
            Answer::Writable => {
                self.rotation.prefer(&probe.server);
                self.leave();
                self.leave_if_idle();
            }
            Answer::Serving(zxid) if zxid < self.last_zxid => {
                let Some(rejections) = &mut self.rejections else { return };
                rejections.behind.push(probe.server);
                if rejections.behind.len() >= self.rotation.len() {
                    self.end(End::Rejected);
                }
            }
            Answer::Serving(_) | Answer::Useless => {
                if !matches!(self.phase, Phase::Ready(_)) {
                    self.rejections = None;
                }
            }
        }
    }
}
