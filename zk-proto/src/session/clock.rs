//! What time does.

use alloc::boxed::Box;

use super::{
    Cause, Closing, End, Event, RequestError, RequestId, Sent, Session, State,
    phase::Phase,
    probe::{Answer, Probe, Question},
    timing,
};
use crate::{Instant, broken::broken, code::OpCode};

impl<T, W: Clone> Session<T, W> {
    /// Takes note of the time. It never goes back.
    pub(super) fn see(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.deadlines.has_fresh() {
            self.deadlines.begin(self.now);
        }
        if let Some(closing @ Closing::Requested) = &mut self.closing {
            *closing = Closing::Until(self.now + self.config.close_timeout);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.deadlines.has_fresh() || matches!(self.closing, Some(Closing::Requested)) {
            return Some(self.now);
        }
        let phase = match &self.phase {
            Phase::Offline { until } => Some(until.unwrap_or(self.now)),
            Phase::Dialing(attempt)
            | Phase::Greeting { attempt, .. }
            | Phase::Sasl { attempt, .. }
            | Phase::Auth { attempt, .. } => Some(attempt.deadline),
            Phase::Ready(ready) if ready.leaving && !ready.has_unanswered() => Some(self.now),
            Phase::Ready(ready) => {
                let silence = timing::silence_deadline(self.timeout(), ready.silent_since());
                let ping = timing::ping_deadline(self.timeout(), ready.sent);
                let search = ready.search.as_ref().filter(|_| self.probe.is_none()).map(|search| search.due);
                earliest([Some(silence), (!ready.ping_due).then_some(ping), search])
            }
            Phase::Ended(_) => None,
        };
        let closing = match self.closing {
            Some(Closing::Until(at)) => Some(at),
            Some(Closing::Requested) | None => None,
        };
        let lost = match self.state {
            State::Suspended { valid_until, .. } => Some(valid_until),
            State::Connecting | State::Connected { .. } | State::PresumedLost | State::Ended(_) => None,
        };
        let probe = self.probe.as_ref().map(|probe| probe.deadline);
        earliest([phase, closing, lost, probe, self.give_up_at(), self.deadlines.next()])
    }

    fn give_up_at(&self) -> Option<Instant> {
        Some(self.suspended_at? + self.config.give_up_after?)
    }

    /// Does what is due. Afterwards, [`next_deadline`](Self::next_deadline) is later than now.
    pub(super) fn run_deadlines(&mut self) {
        let now = self.now;
        while let Some(request) = self.deadlines.pop_due(now) {
            self.time_out(request);
        }
        if matches!(self.closing, Some(Closing::Until(at)) if at <= now) {
            self.end(End::Closed);
        }
        if self.probe.as_ref().is_some_and(|probe| probe.deadline <= now) {
            self.probed(Answer::Useless);
        }
        match &mut self.phase {
            Phase::Offline { .. } => {}
            Phase::Dialing(attempt)
            | Phase::Greeting { attempt, .. }
            | Phase::Sasl { attempt, .. }
            | Phase::Auth { attempt, .. }
                if attempt.deadline > now => {}
            Phase::Sasl { exchange, .. } if exchange.deferred => self.drop_link(Cause::Deferred),
            Phase::Dialing(_) | Phase::Greeting { .. } | Phase::Sasl { .. } | Phase::Auth { .. } => {
                self.drop_link(Cause::Silence);
            }
            Phase::Ready(_) => {
                self.leave_if_idle();
                self.run_heartbeat();
            }
            Phase::Ended(_) => {}
        }
        if matches!(self.phase, Phase::Offline { until } if until.is_none_or(|until| until <= now)) {
            self.dial();
        }
        if matches!(self.state, State::Suspended { valid_until, .. } if valid_until <= now) {
            self.set_state(State::PresumedLost);
        }
        if self.give_up_at().is_some_and(|at| at <= now) {
            self.end(End::Expired);
        }
    }

    fn run_heartbeat(&mut self) {
        let (now, timeout, room) = (self.now, self.timeout(), self.has_room());
        let Phase::Ready(ready) = &mut self.phase else { return };
        if timing::silence_deadline(timeout, ready.silent_since()) <= now {
            // What we did not read we cannot have heard.
            let choked = core::mem::replace(&mut ready.choked, !room);
            if room && !choked && !broken!("never notices silence") {
                return self.drop_link(Cause::Silence);
            }
            ready.heard = now;
            ready.frame_since = ready.frame_since.map(|_| now);
        }
        if timing::ping_deadline(timeout, ready.sent) <= now {
            ready.ping_due = true;
            // There is no load, and what the last one took is given back.
            ready.spare.clear();
            ready.in_flight.shrink_to_fit();
            self.events.shrink_to_fit();
            self.outbox.shrink();
        }
        let Some(search) = ready.search.as_mut().filter(|search| search.due <= now && self.probe.is_none()) else {
            return;
        };
        search.asked(now);
        // The list may have one more server the next time.
        let Some(server) = self.rotation.peek_probe() else { return };
        let id = self.new_link();
        self.probe = Some(Box::new(Probe::new(id, server, Question::IsReadOnly, now)));
    }

    fn time_out(&mut self, request: RequestId) {
        if let Some(removed) = self.take_back(request) {
            return self.report_time_out(removed.op, removed.tag, if removed.sent { Sent::Perhaps } else { Sent::No });
        }
        let Phase::Ready(ready) = &mut self.phase else { return };
        let Ok(index) = ready.in_flight.binary_search_by_key(&request, |entry| entry.id) else { return };
        // The reply may still come, and with it a watch.
        if let Some(entry) = ready.in_flight.get_mut(index) {
            entry.timed = false;
            let (op, watch, tag) = (entry.op, entry.watch(), entry.orphan());
            if let Some(watch) = watch {
                self.watches.give_up(watch);
            }
            self.report_time_out(op, tag, Sent::Perhaps);
        }
    }

    fn report_time_out(&mut self, op: OpCode, tag: Option<T>, sent: Sent) {
        if let Some(tag) = tag {
            let error = RequestError::TimedOut { sent };
            self.meter.failed(op, error);
            self.events.push_back(Event::Reply { tag, result: Err(error) });
        }
    }

    /// Takes note that a request is over, for its time limit's sake.
    pub(super) fn note_finished(&mut self, timed: bool) {
        if !timed {
            return;
        }
        let in_flight = if let Phase::Ready(ready) = &self.phase { Some(&ready.in_flight) } else { None };
        let outbox = &self.outbox;
        self.deadlines.finished(|request| {
            !outbox.contains(request)
                && in_flight.is_none_or(|queue| queue.binary_search_by_key(&request, |entry| entry.id).is_err())
        });
    }
}

/// Returns the first of some points in time.
pub(crate) fn earliest<const N: usize>(deadlines: [Option<Instant>; N]) -> Option<Instant> {
    let earlier = |one: Option<Instant>, other: Option<Instant>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    deadlines.into_iter().fold(None, earlier)
}
