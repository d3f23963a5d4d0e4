//! What the server says.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{
    End, Event, Reply, RequestError, Session, Violation, WatchedEvent, WatchedEventKind, greeting,
    lacks::{self, Lacks},
    outbox::{Entry, Internal, Owner},
    phase::{Inquiry, Phase, Ready},
    secure, timing,
    watches::{self, Confirmed},
    xid,
};
use crate::{
    Instant, SessionId, Zxid,
    broken::broken,
    code::{ErrorCode, OpCode},
    record::{ReplyHeader, WatcherEvent},
    request::WatchKind,
    wire::{Decoder, reserve_frame, split_frame},
};

/// How many bytes of a frame must come within the time that a server may be silent for: one that sends a byte now and then must not
/// keep a link for ever that brings no reply.
const PROGRESS_BYTES: usize = 16 << 10;

impl<T, W: Clone> Session<T, W> {
    /// Takes whole frames off the front of `input`, as long as there is room for what they tell.
    pub(super) fn take_frames(&mut self, input: &mut BytesMut) {
        let (now, timeout) = (self.now, self.timeout());
        if let Phase::Ready(ready) = &mut self.phase {
            // While there was no room, nobody listened.
            if input.len() > ready.left_over || ready.choked {
                // Nor where the process stood still: what came meanwhile may lie in the socket.
                let was_deaf = ready.choked || timing::silence_deadline(timeout, ready.heard) <= now;
                ready.heard = now;
                let parts = input.len() / PROGRESS_BYTES;
                if ready.frame_since.is_none() || was_deaf || parts > ready.parts {
                    (ready.frame_since, ready.parts) = (Some(now), parts);
                }
            }
        }
        let Some((link, _)) = self.phase.link() else { return };
        let mut has_taken = false;
        while self.has_room() && self.phase.is(link) {
            let limit = self.config.limits.receive_frame_bytes;
            let taken = match &mut self.phase {
                Phase::Ready(ready) => match ready.spare.split_frame(input, limit) {
                    Ok(None) => ready.spare.reserve_frame(input, limit).map(|()| None),
                    taken => taken,
                },
                phase => {
                    let limit = match phase {
                        Phase::Greeting { .. } => greeting::LIMIT_BYTES,
                        Phase::Sasl { .. } => limit.min(secure::LIMIT_BYTES),
                        _ => limit,
                    };
                    match split_frame(input, limit) {
                        Ok(None) => reserve_frame(input, limit).map(|()| None),
                        taken => taken,
                    }
                }
            };
            match taken {
                Ok(Some(frame)) => {
                    has_taken = true;
                    self.take_frame(frame);
                }
                Ok(None) => break,
                Err(error) => {
                    let is_greeting = matches!(self.phase, Phase::Greeting { .. });
                    let is_tls = is_greeting && greeting::is_tls(input);
                    let violation = if is_tls { Violation::Tls } else { Violation::from(error) };
                    self.drop_link(violation.into());
                }
            }
        }
        let choked = !self.has_room();
        if let Phase::Ready(ready) = &mut self.phase {
            if has_taken {
                (ready.frame_since, ready.parts) = (Some(now), input.len() / PROGRESS_BYTES);
            }
            if input.is_empty() {
                ready.frame_since = None;
            }
            ready.left_over = input.len();
            ready.choked = choked;
        }
        self.leave_if_idle();
    }

    fn take_frame(&mut self, mut frame: Bytes) {
        // With its length field.
        self.meter.bytes_received += frame.len() as u64 + 4;
        let outcome = match &mut self.phase {
            Phase::Greeting { sent: Some(sent), .. } => {
                let sent = *sent;
                greeting::response(frame, &self.config, self.identity.as_ref())
                    .map(|welcome| self.welcomed(welcome, sent))
            }
            Phase::Sasl { .. } => self.take_sasl(Decoder::new(frame)),
            Phase::Auth { .. } => self.take_auth(Decoder::new(frame)),
            Phase::Ready(_) => match Decoder::take_front(&mut frame) {
                Ok(header) => self.take_reply(&header, frame),
                Err(error) => Err(error.into()),
            },
            // A server that speaks before it is spoken to.
            Phase::Greeting { sent: None, .. } | Phase::Dialing(_) => Err(Violation::Unasked(0)),
            Phase::Offline { .. } | Phase::Ended(_) => Ok(()),
        };
        if let Err(violation) = outcome {
            self.drop_link(violation.into());
        }
    }

    pub(super) fn session_id(&self) -> SessionId {
        self.identity.as_ref().map_or(SessionId(0), |identity| identity.id)
    }

    #[inline]
    fn take_reply(&mut self, header: &ReplyHeader, body: Bytes) -> Result<(), Violation> {
        let Phase::Ready(ready) = &mut self.phase else { return Ok(()) };
        match header.xid {
            xid::NOTIFICATION => return self.take_notification(header, Decoder::new(body)),
            xid::PING => {
                let sent = ready.pings.pop_front().ok_or(Violation::Unasked(xid::PING))?;
                if ready.pings.is_empty() {
                    // There can be a thousand sessions that hear nothing else.
                    ready.pings = VecDeque::new();
                }
                self.meter.heartbeats.record(self.now.nanos_since(sent));
                self.prove(sent, header.err);
                self.check_demand(header.err);
            }
            xid::AUTH => {
                let index = ready.auths.pop_front().ok_or(Violation::Unasked(xid::AUTH))?;
                self.auth_answered(index, header.err);
            }
            _ => {
                let entry = answered(ready, header)?;
                let known = self.last_zxid;
                // Not from anything else: watch events would lose their siblings of the same transaction, and the answer
                // to one frame of watches those of the next.
                let counts =
                    header.xid != xid::SET_WATCHES || broken!("advances the zxid from the answer to set-watches");
                if counts && header.zxid > self.last_zxid {
                    self.last_zxid = header.zxid;
                }
                if let Some(sent) = entry.sent {
                    self.prove(sent, header.err);
                }
                // Whatever else is answered says nothing about the server.
                if header.err == ErrorCode::Ok && entry.op != OpCode::Create2 {
                    return self.settle(entry, header, known, body);
                }
                return self.learn_and_settle(entry, header, known, body);
            }
        }
        Ok(())
    }

    /// The server has answered what was handed out at `sent`: it is at work, and the session was alive then.
    fn prove(&mut self, sent: Instant, error: ErrorCode) {
        let is_late = broken!("counts a request as proof of life when it is answered, not when it was sent");
        let sent = if is_late { self.now } else { sent };
        let Phase::Ready(ready) = &mut self.phase else { return };
        // Mostly many were handed out together.
        if ready.proved && self.proved >= Some(sent) {
            return;
        }
        if !ready.proved {
            ready.proved = true;
            self.rotation.connected();
        }
        // A read-only server is cut off from those who decide about a session of the whole ensemble.
        let is_global = self.identity.as_ref().is_some_and(|identity| identity.global);
        let is_cut_off = ready.search.is_some() && is_global;
        if !is_cut_off && !matches!(error, ErrorCode::SessionExpired | ErrorCode::SessionMoved) {
            self.proved = self.proved.max(Some(sent));
        }
    }

    fn learn_and_settle(
        &mut self,
        entry: Entry<T>,
        header: &ReplyHeader,
        known: Zxid,
        body: Bytes,
    ) -> Result<(), Violation> {
        match self.learn(entry, header) {
            Some(entry) => self.settle(entry, header, known, body),
            None => Ok(()),
        }
    }

    #[inline]
    fn settle(&mut self, entry: Entry<T>, header: &ReplyHeader, known: Zxid, body: Bytes) -> Result<(), Violation> {
        self.outbox.release(&entry);
        self.note_finished(entry.timed);
        self.settle_watch(&entry, header.err, known);
        if let (Some(sent), Owner::Caller { .. } | Owner::Orphan { .. }) = (entry.sent, &entry.owner) {
            let is_waited_for = matches!(entry.owner, Owner::Caller { .. });
            let is_ok = is_waited_for.then_some(header.err == ErrorCode::Ok);
            self.meter.answered(entry.op, is_ok, self.now.nanos_since(sent));
        }
        match entry.owner {
            Owner::Session(Internal::Inquiry) => self.inquired(header.err, Decoder::new(body)),
            Owner::Session(internal) => return self.settle_internal(internal, header.err),
            Owner::Orphan { .. } => {}
            Owner::Caller { tag, root, .. } => {
                let result = match header.err {
                    ErrorCode::Ok => {
                        let session = self.session_id();
                        let body = match entry.plain {
                            Some(plain) => plain.complete(&body, header.zxid, session),
                            None => body,
                        };
                        Ok(Reply { zxid: header.zxid, session, body, root })
                    }
                    // A body may follow an error; it means nothing.
                    error => Err(RequestError::Server(error)),
                };
                self.events.push_back(Event::Reply { tag, result });
                if broken!("tells a reply before the event that comes first") {
                    if let [.., event @ Event::Watch { .. }, reply] = self.events.make_contiguous() {
                        core::mem::swap(event, reply);
                    }
                }
            }
        }
        self.check_demand(header.err);
        Ok(())
    }

    /// Takes note of what an answer says of the server. Gives the request back, unless there is another way to make it: then it
    /// waits again, to be handed out in that way.
    fn learn(&mut self, mut entry: Entry<T>, header: &ReplyHeader) -> Option<Entry<T>> {
        let Phase::Ready(ready) = &mut self.phase else { return Some(entry) };
        let can_go_again = entry.keeps_frame() && matches!(entry.owner, Owner::Caller { .. });
        match (entry.op, header.err) {
            (op, ErrorCode::Unimplemented) if header.zxid == Zxid(-1) => {
                ready.unknown = ready.unknown.and(Lacks::with(op));
                ready.lacks = ready.lacks.and(ready.unknown);
                if op != OpCode::Create2 || !can_go_again {
                    return Some(entry);
                }
                // The server is about to hang up. What it still answers is welcome.
                ready.leaving |= self.closing.is_none();
            }
            (OpCode::Create2, _) => {
                ready.knows_create2 = true;
                return Some(entry);
            }
            (OpCode::Multi, ErrorCode::MarshallingError) if !ready.lacks.contains(OpCode::Create2) => {
                let suspected = lacks::suspected(entry.kept_frame());
                ready.lacks = ready.lacks.and(suspected);
                // Behind something that was handed out later it would not be in its place.
                let is_last = ready.in_flight.iter().all(|entry| matches!(entry.owner, Owner::Session(_)));
                if suspected == Lacks::NOTHING || !can_go_again || !is_last {
                    return Some(entry);
                }
            }
            _ => return Some(entry),
        }
        entry.sent = None;
        self.outbox.put_back(entry);
        None
    }

    /// A server that is no ZooKeeper has said what it knows, or that it does not say.
    fn inquired(&mut self, error: ErrorCode, mut input: Decoder) {
        let flags = if error == ErrorCode::Ok { input.buffer().ok().flatten() } else { None };
        let Phase::Ready(ready) = &mut self.phase else { return };
        ready.lacks = Lacks::of_keeper(&flags.unwrap_or_default());
        ready.inquiry = Inquiry::Over;
        self.drop_unsupported_watches();
    }

    /// Tells the owners of persistent watches that the server of this link knows nothing of such.
    pub(super) fn drop_unsupported_watches(&mut self) {
        if matches!(&self.phase, Phase::Ready(ready) if ready.lacks.contains(OpCode::SetWatches2)) {
            self.drop_persistent_watches();
        }
    }

    fn drop_persistent_watches(&mut self) {
        for (watch, path) in self.watches.drop_persistent() {
            let event = WatchedEvent { kind: WatchedEventKind::Unsupported, path, zxid: None };
            self.events.push_back(Event::Watch { watch, event });
        }
    }

    /// Whether a watch was left, and of what kind, is known with the reply.
    fn settle_watch(&mut self, entry: &Entry<T>, error: ErrorCode, known: Zxid) {
        let Some(watch) = entry.watch() else { return };
        let kind = match (entry.op, error) {
            (OpCode::Exists, ErrorCode::Ok) => Some(WatchKind::Data),
            (OpCode::Exists, ErrorCode::NoNode) if broken!("forgets which watches were left on missing nodes") => {
                Some(WatchKind::Data)
            }
            (OpCode::Exists, ErrorCode::NoNode) => Some(WatchKind::Exist),
            (_, ErrorCode::Ok) => self.watches.kind(watch),
            _ => None,
        };
        let confirmed = match kind {
            Some(kind) => self.watches.confirm(watch, kind),
            None => Confirmed::Unheard(self.watches.cancel(watch)),
        };
        match (confirmed, kind) {
            (Confirmed::Unheard(removal), _) => self.remove_from_server(removal),
            (Confirmed::Uncarried(path), Some(kind)) => {
                // From what was known before this reply: a change since then may be older than its zxid.
                self.submit_internal(OpCode::SetWatches, Internal::SetWatch, |out| {
                    watches::set_one(&path, kind, known, out);
                });
            }
            (Confirmed::Uncarried(_) | Confirmed::Set, _) => {}
        }
    }

    fn settle_internal(&mut self, internal: Internal, error: ErrorCode) -> Result<(), Violation> {
        match (internal, error) {
            (Internal::Close, _) => self.end(End::Closed),
            (_, ErrorCode::SessionClosedRequireSaslAuth) => self.check_demand(error),
            (Internal::SetWatches { persistent: true }, ErrorCode::Unimplemented) => {
                // A server before 3.6, which is about to hang up. Without persistent watches it will do.
                self.drop_persistent_watches();
            }
            (Internal::SetWatches { .. } | Internal::SetWatch, error) if error != ErrorCode::Ok => {
                return Err(Violation::Refused { operation: "set watches", error });
            }
            // The watch may be gone already, or be of a kind that the server cannot name: nobody hears it in any case.
            (Internal::RemoveWatches, _) => {}
            (Internal::SetWatches { .. } | Internal::SetWatch | Internal::Inquiry | Internal::Auth(_), _) => {}
        }
        Ok(())
    }

    fn take_notification(&mut self, header: &ReplyHeader, mut input: Decoder) -> Result<(), Violation> {
        let event: WatcherEvent = input.get()?;
        let (Some(kind), Some(path)) = (WatchedEventKind::from_wire(event.event_type), event.path) else {
            return Ok(());
        };
        let zxid = (header.zxid.0 > 0).then_some(header.zxid);
        if broken!("advances the zxid from events") {
            self.last_zxid = self.last_zxid.max(header.zxid);
        }
        if broken!("counts events as proof of life") {
            self.prove(self.now, header.err);
        }
        let (events, told) = (&mut self.events, &mut self.meter.watch_events);
        let tell = |watch, event| {
            *told += 1;
            events.push_back(Event::Watch { watch, event });
        };
        for removal in self.watches.fire(kind, &path, zxid, tell) {
            self.remove_from_server(removal);
        }
        Ok(())
    }
}

/// Takes the request out that a reply belongs to: the oldest one, and no other.
#[inline]
fn answered<T>(ready: &mut Ready<T>, header: &ReplyHeader) -> Result<Entry<T>, Violation> {
    let is_expected = ready.in_flight.front().is_some_and(|entry| entry.xid == header.xid);
    if is_expected || broken!("matches replies by order only") {
        return ready.in_flight.pop_front().ok_or(Violation::Unasked(header.xid));
    }
    answered_early(ready, header)
}

/// An unknown operation is answered while it is read, ahead of everything in the server's pipeline.
#[cold]
fn answered_early<T>(ready: &mut Ready<T>, header: &ReplyHeader) -> Result<Entry<T>, Violation> {
    let expected = ready.in_flight.front().ok_or(Violation::Unasked(header.xid))?.xid;
    let overtakes = header.err == ErrorCode::Unimplemented && header.zxid == Zxid(-1);
    let index = ready.in_flight.iter().position(|entry| overtakes && entry.xid == header.xid);
    index.and_then(|index| ready.in_flight.remove(index)).ok_or(Violation::OutOfOrder { found: header.xid, expected })
}
