//! What the session says.

use alloc::vec::Vec;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    RequestError, RequestId, Session, greeting,
    lacks::FEATURE_FLAGS,
    outbox::{Entry, Internal, Owner, Terms},
    phase::{Inquiry, Phase},
    xid,
};
use crate::{
    LinkId, Transmit, Zxid,
    broken::broken,
    code::{ErrorCode, OpCode},
    record::{AuthPacket, GetDataRequest, GetSaslRequest, RequestHeader},
    wire::{Encoder, Jute, Secret},
};

impl<T, W: Clone> Session<T, W> {
    pub(super) fn transmit(&mut self, link: LinkId) -> Option<Transmit> {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.id == link) {
            return probe.transmit().map(Transmit::from);
        }
        if !self.phase.is(link) {
            return None;
        }
        match &mut self.phase {
            Phase::Greeting { sent: sent @ None, .. } => {
                *sent = Some(self.now);
                let seen = if broken!("greets without its zxid") { Zxid(0) } else { self.last_zxid };
                Some(greeting::request(&self.config, self.identity.as_ref(), seen).into())
            }
            Phase::Sasl { exchange, .. } => {
                let token = exchange.outgoing.take()?;
                let xid = self.take_xid();
                Some(frame(xid, OpCode::Sasl, &GetSaslRequest { token: token.into() }).into())
            }
            Phase::Auth { sent, .. } => {
                let mut transmit = Transmit::default();
                for auth in &self.auths[*sent..] {
                    transmit.push(frame(xid::AUTH, OpCode::Auth, &auth.packet()));
                }
                self.auths[*sent..].iter_mut().for_each(|auth| auth.sent = true);
                let fresh = *sent < self.auths.len();
                *sent = self.auths.len();
                fresh.then_some(transmit)
            }
            Phase::Ready(_) => self.helping(),
            Phase::Greeting { .. } | Phase::Dialing(_) | Phase::Offline { .. } | Phase::Ended(_) => None,
        }
    }

    /// Returns whether [`transmit`](Self::transmit) would give something for the present link.
    pub(super) fn has_helping(&self) -> bool {
        match &self.phase {
            Phase::Greeting { sent, .. } => sent.is_none(),
            Phase::Sasl { exchange, .. } => exchange.outgoing.is_some(),
            Phase::Auth { sent, .. } => *sent < self.auths.len(),
            Phase::Ready(ready) => {
                let room = ready.in_flight.len() < self.config.limits.in_flight_requests;
                let may_ask = ready.replay.is_some() || (!ready.leaving && room && !self.outbox.is_empty());
                ready.ping_due || ready.inquiry == Inquiry::Due || (ready.inquiry == Inquiry::Over && may_ask)
            }
            Phase::Dialing(_) | Phase::Offline { .. } | Phase::Ended(_) => false,
        }
    }

    /// Collects one helping: a ping if one is due, watches to set again, then requests in their order.
    fn helping(&mut self) -> Option<Transmit> {
        // Every turn asks, mostly in vain.
        if !self.has_helping() {
            return None;
        }
        let (now, limits) = (self.now, &self.config.limits);
        let Phase::Ready(ready) = &mut self.phase else { return None };
        let mut transmit = Transmit::default();
        if core::mem::take(&mut ready.ping_due) {
            transmit.push(ping());
            ready.pings.push_back(now);
        }
        match ready.inquiry {
            Inquiry::Due => {
                let (xid, request) =
                    (next_xid(&mut self.next_xid), GetDataRequest { path: Some(FEATURE_FLAGS.into()), watch: false });
                let frame = frame(xid, OpCode::GetData, &request);
                let owner = Owner::Session(Internal::Inquiry);
                ready.in_flight.push_back(Entry::handed_out(xid, OpCode::GetData, owner, frame.len(), now));
                transmit.push(frame);
                (ready.inquiry, ready.sent) = (Inquiry::Open, now);
                return Some(transmit);
            }
            Inquiry::Open => {
                if transmit.has_remaining() {
                    ready.sent = now;
                }
                return transmit.has_remaining().then_some(transmit);
            }
            Inquiry::Over => {}
        }
        let is_replay_late = broken!("sends requests before the watches are set again");
        while let Some(cursor) = &mut ready.replay {
            let waits = is_replay_late && !self.outbox.is_empty();
            if waits || transmit.remaining() >= limits.helping_bytes {
                break;
            }
            let watches = self.watches.known();
            let Some(chunk) =
                watches.and_then(|watches| watches.next_chunk(cursor, ready.replay_zxid, limits.watch_chunk_bytes))
            else {
                ready.replay = None;
                break;
            };
            let owner = Owner::Session(Internal::SetWatches { persistent: chunk.op == OpCode::SetWatches2 });
            let head = head(xid::SET_WATCHES, chunk.op, chunk.body.len());
            ready.in_flight.push_back(Entry::handed_out(
                xid::SET_WATCHES,
                chunk.op,
                owner,
                head.len() + chunk.body.len(),
                now,
            ));
            transmit.push(head);
            transmit.push(chunk.body);
        }
        // Credentials are no sign of life to the server.
        let (mut touches, mut refused) = (transmit.has_remaining(), Vec::new());
        if (ready.replay.is_none() || is_replay_late) && !ready.leaving {
            let room = limits.in_flight_requests.saturating_sub(ready.in_flight.len());
            let (limit_bytes, lacks, knows_create2) = (limits.helping_bytes, ready.lacks, ready.knows_create2);
            let terms = Terms { limit_bytes, limit_count: room, now, lacks, knows_create2 };
            let Self { outbox, auths, .. } = self;
            let refuse = |entry| refused.push(entry);
            let hand_out = |entry: Entry<T>| match entry.owner {
                Owner::Session(Internal::Auth(index)) => {
                    auths[index].sent = true;
                    ready.auths.push_back(index);
                }
                _ => {
                    touches = true;
                    ready.in_flight.push_back(entry);
                }
            };
            outbox.hand_out(&mut transmit, terms, hand_out, refuse);
        }
        if touches {
            ready.sent = now;
        }
        for entry in refused {
            self.fail_entry(entry, RequestError::Server(ErrorCode::Unimplemented));
        }
        transmit.has_remaining().then_some(transmit)
    }

    /// Returns the next xid: the negative ones and zero are the protocol's own.
    pub(super) fn take_xid(&mut self) -> i32 {
        next_xid(&mut self.next_xid)
    }

    pub(super) fn take_request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    /// Queues a request of the session's own.
    pub(super) fn submit_internal(&mut self, op: OpCode, internal: Internal, encode: impl FnOnce(&mut Encoder<'_>)) {
        let xid = match internal {
            Internal::Auth(_) => xid::AUTH,
            Internal::SetWatch => xid::SET_WATCHES,
            _ => self.take_xid(),
        };
        let id = self.take_request_id();
        let draft = self.outbox.draft(xid, op, &crate::Root::default(), false, encode);
        self.outbox.push(draft, id, xid, op, Owner::Session(internal));
    }
}

impl<T> super::Auth<T> {
    pub(super) fn packet(&self) -> AuthPacket {
        let Secret(secret) = &self.info.secret;
        AuthPacket { auth_type: 0, scheme: Some(self.info.scheme.as_str().into()), auth: Secret(secret.clone()) }
    }
}

fn next_xid(next: &mut i32) -> i32 {
    let xid = *next;
    *next = xid.checked_add(1).unwrap_or(1);
    xid
}

fn ping() -> Bytes {
    Bytes::from_static(&[0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 11])
}

/// Returns the length and header of a request whose record has `body` bytes.
fn head(xid: i32, op: OpCode, body: usize) -> Bytes {
    let mut head = BytesMut::with_capacity(12);
    head.put_i32(i32::try_from(RequestHeader::MIN_BYTES + body).unwrap_or(i32::MAX));
    RequestHeader { xid, op }.encode(&mut Encoder::new(&mut head));
    head.freeze()
}

fn frame<R: Jute>(xid: i32, op: OpCode, record: &R) -> Bytes {
    let mut body = BytesMut::new();
    record.encode(&mut Encoder::new(&mut body));
    let mut frame = BytesMut::from(&head(xid, op, body.len())[..]);
    frame.unsplit(body);
    frame.freeze()
}
