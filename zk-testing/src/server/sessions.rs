//! The sessions, and when they expire.
//!
//! A session that was not heard of for its timeout expires at the next tick, together with all others of that tick, so it
//! lives for between one timeout and one timeout and a tick. Times are whole milliseconds since the origin.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use zk_proto::SessionId;

use super::{connections::Slot, tree::FixedMap};

pub(super) struct Session {
    pub(super) timeout_ms: i32,
    pub(super) connection: Option<Slot>,
    /// Whether only this server knows of it: a session made while read-only.
    pub(super) is_local: bool,
    pub(super) ephemerals: BTreeSet<Arc<str>>,
    expires_ms: u64,
}

impl Session {
    /// Returns when it expires, if its time runs.
    pub(super) fn expires_ms(&self) -> Option<u64> {
        (self.expires_ms > 0).then_some(self.expires_ms)
    }
}

pub(super) struct Sessions {
    tick_ms: u64,
    next_id: u64,
    by_id: FixedMap<SessionId, Session>,
    /// Who expires when.
    ticks: BTreeMap<u64, BTreeSet<SessionId>>,
}

impl Sessions {
    pub(super) fn new(tick_ms: u64) -> Self {
        Self { tick_ms, next_id: 1, by_id: FixedMap::default(), ticks: BTreeMap::new() }
    }

    /// Sets from where ids count on: the server's number in the upper byte, then the time of its start.
    pub(super) fn count_from(&mut self, server_id: u8, time_ms: i64) {
        let first = (time_ms as u64) << 24 >> 8 | u64::from(server_id) << 56;
        self.next_id = self.next_id.max(first);
    }

    /// Returns the id of the next session, which is nobody else's.
    pub(super) fn take_id(&mut self) -> SessionId {
        let id = SessionId(self.next_id as i64);
        self.next_id += 1;
        id
    }

    /// Returns what [`take_id`](Self::take_id) returns next.
    pub(super) fn peek_id(&self) -> SessionId {
        SessionId(self.next_id as i64)
    }

    /// Adds a session of this id if there is none. It does not expire until it was touched.
    pub(super) fn add(&mut self, id: SessionId, timeout_ms: i32, is_local: bool) {
        self.by_id.entry(id).or_insert_with(|| Session {
            timeout_ms,
            connection: None,
            is_local,
            ephemerals: BTreeSet::new(),
            expires_ms: 0,
        });
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns all ids, in their order.
    pub(super) fn ids(&self) -> Vec<SessionId> {
        let mut ids: Vec<_> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Notes that a session was heard of.
    pub(super) fn touch(&mut self, id: SessionId, timeout_ms: i32, now_ms: u64) {
        let expires_ms = expiry_ms(now_ms, timeout_ms, self.tick_ms);
        let Some(session) = self.by_id.get_mut(&id).filter(|session| session.expires_ms != expires_ms) else { return };
        let before = std::mem::replace(&mut session.expires_ms, expires_ms);
        self.leave_tick(before, id);
        self.ticks.entry(expires_ms).or_default().insert(id);
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.by_id.remove(&id)?;
        self.leave_tick(session.expires_ms, id);
        Some(session)
    }

    fn leave_tick(&mut self, expires_ms: u64, id: SessionId) {
        if let Some(ids) = self.ticks.get_mut(&expires_ms) {
            ids.remove(&id);
            if ids.is_empty() {
                self.ticks.remove(&expires_ms);
            }
        }
    }

    pub(super) fn next_expiry_ms(&self) -> Option<u64> {
        self.ticks.first_key_value().map(|(expires_ms, _)| *expires_ms)
    }

    /// Returns a session whose time is up. It stays until it is removed.
    pub(super) fn overdue(&self, now_ms: u64) -> Option<SessionId> {
        let (expires_ms, ids) = self.ticks.first_key_value()?;
        ids.first().copied().filter(|_| *expires_ms <= now_ms)
    }

    /// Stops the time of all sessions.
    pub(super) fn suspend(&mut self) {
        self.ticks.clear();
        self.by_id.values_mut().for_each(|session| session.expires_ms = 0);
    }

    /// Forgets the sessions that only this server knows of, and stops the time of the others.
    pub(super) fn forget_local(&mut self) {
        self.suspend();
        self.by_id.retain(|_, session| !session.is_local);
    }

    /// Gives every session its full timeout from now on. Local ones are gone.
    pub(super) fn resume(&mut self, now_ms: u64) {
        self.forget_local();
        for id in self.ids() {
            let timeout_ms = self.by_id.get(&id).map_or(0, |session| session.timeout_ms);
            self.touch(id, timeout_ms, now_ms);
        }
    }

    /// Returns who expires when.
    pub(super) fn ticks(&self) -> &BTreeMap<u64, BTreeSet<SessionId>> {
        &self.ticks
    }
}

/// Returns the end of the tick in which a timeout ends.
fn expiry_ms(now_ms: u64, timeout_ms: i32, tick_ms: u64) -> u64 {
    let due_ms = now_ms.saturating_add(u64::try_from(timeout_ms).unwrap_or(0));
    (due_ms / tick_ms + 1).saturating_mul(tick_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_rounded_up_to_the_next_tick() {
        let table = [(0, 4000, 2000, 6000), (0, 5000, 2000, 6000), (1999, 4000, 2000, 6000), (2000, 4000, 2000, 8000)];
        for (now, timeout, tick, expected) in table {
            assert_eq!(expiry_ms(now, timeout, tick), expected, "{timeout} from {now}");
        }
    }

    #[test]
    fn a_touched_session_expires_later_and_the_others_at_their_tick() {
        let mut sessions = Sessions::new(100);
        let (one, two) = (begin(&mut sessions, 0), begin(&mut sessions, 50));
        sessions.touch(one, 1000, 500);

        assert_eq!((sessions.next_expiry_ms(), sessions.overdue(1099)), (Some(1100), None));
        assert_eq!(sessions.overdue(1100), Some(two));
        sessions.remove(two);
        assert_eq!((sessions.next_expiry_ms(), sessions.overdue(1100)), (Some(1600), None));
        sessions.remove(one);
        assert_eq!((sessions.next_expiry_ms(), sessions.len()), (None, 0));
    }

    #[test]
    fn ids_have_the_servers_number_in_the_upper_byte_and_count() {
        let mut sessions = Sessions::new(100);
        sessions.count_from(1, 0x0123_4567_89AB_CDEF);

        let ids = [sessions.take_id(), sessions.take_id()];

        assert_eq!(ids, [SessionId(0x0167_89AB_CDEF_0000), SessionId(0x0167_89AB_CDEF_0001)]);
    }

    #[test]
    fn ids_never_count_backwards() {
        let mut sessions = Sessions::new(100);
        sessions.count_from(1, 1);
        let first = sessions.take_id();
        sessions.count_from(1, 1);

        assert!(sessions.take_id() > first);
    }

    fn begin(sessions: &mut Sessions, now_ms: u64) -> SessionId {
        let id = sessions.take_id();
        sessions.add(id, 1000, false);
        sessions.touch(id, 1000, now_ms);
        id
    }
}
