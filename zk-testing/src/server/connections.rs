//! The connections, and which of them have something for whoever moves the bytes.

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
};

use bytes::{BufMut, Bytes, BytesMut};
use zk_proto::{Instant, SessionId, Zxid, code::OpCode, wire::Encoder};

use super::{auth::Identity, replica::Waiting, sasl::Exchange};

/// So many bytes at most are handed out at once.
const HELPING_BYTES: usize = 256 * 1024;

/// Room for replies is made in pieces of up to this size, by the size of the last helping.
const ROOM_LIMIT_BYTES: usize = 64 * 1024;

/// So many requests of a connection may wait for the leader. The others stay unread.
const WAITING_LIMIT: usize = 1000;

/// Names one connection. It is never used again; calls with the name of a connection that is gone are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    slot: Slot,
    generation: u32,
}

impl ConnectionId {
    /// Returns a small number that no other connection has at the same time: an index for whoever keeps a table.
    pub fn index(self) -> usize {
        self.slot.index()
    }
}

/// The place of a connection, free for another one when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(pub(super) u32);

impl Slot {
    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing whole was received yet.
    New,
    /// It waits for the leader's word on its session.
    Asking { session: SessionId, timeout_ms: i32, read_only: Option<bool> },
    /// It is bound to a session, which lives.
    Open { session: SessionId, timeout_ms: i32 },
    /// It was answered that this server has no place for it, and stays open without being served.
    Ignored,
    /// It is to be closed once its output is sent.
    Closing,
    /// It is to be closed now. There is no output.
    Closed,
}

pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) peer: SocketAddr,
    pub(super) phase: Phase,
    pub(super) identities: Vec<Identity>,
    pub(super) sasl: Exchange,
    pub(super) out: BytesMut,
    /// What was received and is not answered yet, since the leader's answer to the first one is not here.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) record: Record,
    /// When its phase ends for lack of progress.
    deadline: Option<Instant>,
    is_ready: bool,
    last_helping: usize,
}

/// What the four-letter words tell of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) established_ms: i64,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) last: Option<Served>,
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) op: OpCode,
    pub(super) xid: i32,
    pub(super) zxid: Zxid,
    pub(super) time_ms: u64,
}

impl Connection {
    pub(super) fn session(&self) -> Option<SessionId> {
        match self.phase {
            Phase::Open { session, .. } => Some(session),
            Phase::New | Phase::Asking { .. } | Phase::Ignored | Phase::Closing | Phase::Closed => None,
        }
    }

    /// Returns whether there is room for one more request and its reply.
    pub(super) fn has_room(&self, pause_bytes: usize) -> bool {
        self.out.len() < pause_bytes && self.waiting.len() < WAITING_LIMIT
    }

    /// Makes room for replies, about as much as was used the last time.
    fn make_room(&mut self) {
        if self.out.capacity() == 0 {
            self.out.reserve(self.last_helping.min(ROOM_LIMIT_BYTES));
        }
    }
}

#[derive(Default)]
pub(super) struct Connections {
    places: Vec<Place>,
    free: Vec<Slot>,
    ready: VecDeque<Slot>,
    deadlines: BTreeSet<(Instant, Slot)>,
}

#[derive(Default)]
struct Place {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Connections {
    pub(super) fn add(&mut self, peer: SocketAddr, established_ms: i64) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            Slot(u32::try_from(self.places.len() - 1).expect("there are fewer than 2^32 connections at a time"))
        });
        let place = &mut self.places[slot.index()];
        let id = ConnectionId { slot, generation: place.generation };
        place.connection = Some(Box::new(Connection {
            id,
            peer,
            phase: Phase::New,
            identities: vec![Identity::of_address(peer.ip())],
            sasl: Exchange::default(),
            out: BytesMut::new(),
            waiting: VecDeque::new(),
            record: Record { established_ms, ..Record::default() },
            deadline: None,
            is_ready: false,
            last_helping: 0,
        }));
        id
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        self.set_deadline(slot, None);
        if let Some(place) = self.places.get_mut(slot.index()) {
            if place.connection.take().is_some() {
                place.generation = place.generation.wrapping_add(1);
                self.free.push(slot);
            }
        }
    }

    /// Returns the place of a connection that is still there.
    pub(super) fn slot(&self, id: ConnectionId) -> Option<Slot> {
        self.get(id.slot).filter(|connection| connection.id == id).map(|_| id.slot)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Connection> {
        self.places.get(slot.index())?.connection.as_deref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Connection> {
        self.places.get_mut(slot.index())?.connection.as_deref_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Connection)> {
        let connections = self.places.iter().filter_map(|place| place.connection.as_deref());
        connections.map(|connection| (connection.id.slot, connection))
    }

    pub(super) fn slots(&self) -> Vec<Slot> {
        self.iter().map(|(slot, _)| slot).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Queues a frame for a connection, unless it is being closed. With more than `limit` bytes waiting it is dropped.
    pub(super) fn send(&mut self, slot: Slot, limit: usize, write: impl FnOnce(&mut Encoder<'_>)) {
        let Some(connection) = self.get_mut(slot) else { return };
        match connection.phase {
            Phase::New | Phase::Asking { .. } | Phase::Open { .. } | Phase::Ignored => {}
            Phase::Closing | Phase::Closed => return,
        }
        connection.make_room();
        connection.record.sent += 1;
        let start = connection.out.len();
        connection.out.put_i32(0);
        write(&mut Encoder::new(&mut connection.out));
        let len = i32::try_from(connection.out.len() - start - 4).unwrap_or(i32::MAX);
        connection.out[start..start + 4].copy_from_slice(&len.to_be_bytes());
        if connection.out.len() > limit {
            connection.out = BytesMut::new();
            connection.phase = Phase::Closed;
        }
        self.mark_ready(slot);
    }

    /// Notes that there is something to send or to close.
    pub(super) fn mark_ready(&mut self, slot: Slot) {
        if let Some(connection) = self.get_mut(slot) {
            if !connection.is_ready {
                connection.is_ready = true;
                self.ready.push_back(slot);
            }
        }
    }

    pub(super) fn poll_ready(&mut self) -> Option<ConnectionId> {
        loop {
            let slot = self.ready.pop_front()?;
            // The place may have been left, and even taken again, since it was put here.
            if let Some(connection) = self.get_mut(slot).filter(|connection| connection.is_ready) {
                connection.is_ready = false;
                return Some(connection.id);
            }
        }
    }

    /// Takes output of a connection, a bounded helping.
    pub(super) fn poll_transmit(&mut self, slot: Slot) -> Option<Bytes> {
        let connection = self.get_mut(slot).filter(|connection| !connection.out.is_empty())?;
        if connection.out.len() > HELPING_BYTES {
            return Some(connection.out.split_to(HELPING_BYTES).freeze());
        }
        connection.last_helping = connection.out.len();
        Some(std::mem::take(&mut connection.out).freeze())
    }

    pub(super) fn set_deadline(&mut self, slot: Slot, deadline: Option<Instant>) {
        let Some(connection) = self.get_mut(slot) else { return };
        if connection.deadline == deadline {
            return;
        }
        let before = std::mem::replace(&mut connection.deadline, deadline);
        if let Some(before) = before {
            self.deadlines.remove(&(before, slot));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, slot));
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Returns a connection whose deadline has come, and takes the deadline away.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<Slot> {
        let (deadline, slot) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.set_deadline(slot, None);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_connection_that_is_gone_names_nothing() {
        let mut connections = Connections::default();
        let first = add(&mut connections);
        connections.remove(first.slot);
        let second = add(&mut connections);

        assert_eq!(first.index(), second.index());
        assert_eq!(connections.slot(first), None);
        assert!(connections.slot(second).is_some());
        assert_eq!(connections.len(), 1);
    }

    #[test]
    fn a_ready_connection_is_polled_once() {
        let mut connections = Connections::default();
        let (one, two) = (add(&mut connections), add(&mut connections));
        for id in [two, one, two] {
            connections.mark_ready(id.slot);
        }

        assert_eq!(connections.poll_ready(), Some(two));
        assert_eq!(connections.poll_ready(), Some(one));
        assert_eq!(connections.poll_ready(), None);
    }

    #[test]
    fn readiness_does_not_pass_to_the_next_in_the_place() {
        let mut connections = Connections::default();
        let first = add(&mut connections);
        connections.mark_ready(first.slot);
        connections.remove(first.slot);
        add(&mut connections);

        assert_eq!(connections.poll_ready(), None);
    }

    #[test]
    fn output_comes_in_bounded_helpings() {
        let mut connections = Connections::default();
        let id = add(&mut connections);
        connections.get_mut(id.slot).unwrap().out.extend_from_slice(&vec![7; HELPING_BYTES + 1]);

        let helpings: Vec<_> = std::iter::from_fn(|| connections.poll_transmit(id.slot)).collect();

        assert_eq!(helpings.iter().map(Bytes::len).collect::<Vec<_>>(), [HELPING_BYTES, 1]);
    }

    #[test]
    fn deadlines_come_in_their_order_and_can_be_moved() {
        let mut connections = Connections::default();
        let (one, two) = (add(&mut connections), add(&mut connections));
        connections.set_deadline(one.slot, Some(Instant::from_nanos(5)));
        connections.set_deadline(two.slot, Some(Instant::from_nanos(7)));
        connections.set_deadline(one.slot, Some(Instant::from_nanos(9)));

        assert_eq!(connections.next_deadline(), Some(Instant::from_nanos(7)));
        assert_eq!(connections.take_overdue(Instant::from_nanos(6)), None);
        let now = Instant::from_nanos(10);
        assert_eq!(connections.take_overdue(now), Some(two.slot));
        assert_eq!(connections.take_overdue(now), Some(one.slot));
        assert_eq!(connections.take_overdue(now), None);
    }

    fn add(connections: &mut Connections) -> ConnectionId {
        connections.add(([127, 0, 0, 1], 1).into(), 0)
    }
}
