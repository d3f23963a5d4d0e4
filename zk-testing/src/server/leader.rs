//! What a leader is asked for by the servers that follow it, and what it says besides transactions.

use std::sync::Arc;

use bytes::Bytes;
use zk_proto::{
    Instant, SessionId, Zxid,
    code::{ErrorCode, OpCode},
};

use super::{
    ConnectionId, Server,
    auth::Identity,
    txn::{Deed, Txn},
};

/// Something that a server cannot decide.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// Who waits for it.
    pub(crate) connection: ConnectionId,
    pub(crate) session: SessionId,
    pub(crate) request: Request,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    /// A new session.
    Begin {
        timeout_ms: i32,
    },
    /// To take a session up again.
    Resume {
        timeout_ms: i32,
    },
    /// To close a session.
    End,
    /// To have caught up.
    Sync,
    Write(Write),
}

/// A write, and who asks for it.
#[derive(Debug)]
pub(crate) struct Write {
    pub(super) identities: Vec<Identity>,
    pub(super) op: OpCode,
    pub(super) body: Bytes,
}

/// An answer that is no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The session lives, and may be taken up.
    Lives,
    /// There is no such session.
    Unknown,
    /// All that was committed before has been told.
    Synced,
    /// The request is refused, and that takes no transaction.
    Refused(ErrorCode),
}

/// # Deciding
impl Server {
    /// Returns whether a session lives, and gives it its full timeout.
    pub(crate) fn resume_session(&mut self, id: SessionId, timeout_ms: i32, now: Instant) -> bool {
        self.advance(now);
        let Some(session) = self.sessions.get_mut(id) else { return false };
        session.timeout_ms = timeout_ms;
        self.touch(id, timeout_ms);
        true
    }

    /// Takes notice of a session that another server has heard of.
    pub(crate) fn touch_session(&mut self, id: SessionId, timeout_ms: i32, now: Instant) {
        self.advance(now);
        self.touch(id, timeout_ms);
    }

    pub(crate) fn propose_begin(&mut self, session: SessionId, timeout_ms: i32, now: Instant) -> Txn {
        self.advance(now);
        self.decide_begin(session, timeout_ms)
    }

    pub(crate) fn propose_end(&mut self, session: SessionId, now: Instant) -> Option<Txn> {
        self.advance(now);
        self.decide_end(session)
    }

    /// Returns the transaction of a write by a session that may have moved to another server since.
    ///
    /// # Errors
    ///
    /// When the request cannot be read and takes no number.
    pub(crate) fn propose_write(
        &mut self,
        session: SessionId,
        write: Write,
        has_moved: bool,
        now: Instant,
    ) -> Result<Txn, ErrorCode> {
        self.advance(now);
        if self.sessions.get(session).is_none() {
            return Ok(self.txn(session, Deed::Failure(ErrorCode::SessionExpired)));
        }
        if has_moved {
            return Ok(self.txn(session, Deed::Failure(ErrorCode::SessionMoved)));
        }
        let Write { identities, op, body } = write;
        self.decide(session, &identities, op, body)
    }

    /// Returns the end of a session whose time is up.
    pub(crate) fn propose_expiry(&mut self, now: Instant) -> Option<Txn> {
        self.advance(now);
        let session = self.sessions.overdue(self.now_ms())?;
        self.decide_end(session)
    }

    /// Returns the nodes whose time is over, when it is time to look after them.
    pub(crate) fn overdue_nodes(&mut self, now: Instant) -> Vec<Arc<str>> {
        self.advance(now);
        self.take_overdue_nodes()
    }

    pub(crate) fn propose_reaping(&mut self, path: &Arc<str>) -> Txn {
        self.decide_reaping(path)
    }

    /// Carries out a transaction that was just decided here.
    pub(crate) fn confirm(&mut self, txn: &Txn) {
        let session = txn.session;
        // Nobody is to be answered here.
        _ = self.carry_out(txn.clone());
        if let Deed::Begin { timeout_ms } = txn.deed {
            self.touch(session, timeout_ms);
        }
    }

    pub(crate) fn has_session(&self, session: SessionId) -> bool {
        self.sessions.get(session).is_some()
    }

    /// Goes on from a number that others have reached.
    pub(crate) fn set_zxid(&mut self, zxid: Zxid) {
        self.zxid = zxid;
    }
}
