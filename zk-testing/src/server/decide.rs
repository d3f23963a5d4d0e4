//! From a request to a transaction: what is done where writes are decided.
//!
//! Each write takes the next transaction number, whether it succeeds or fails. Deciding changes nothing yet; a transaction is
//! to be carried out before the next one is decided.

use std::sync::Arc;

use bytes::Bytes;
use zk_proto::{
    SessionId, Zxid,
    code::{ErrorCode, OpCode},
    record::{CreateRequest, CreateTtlRequest, MultiRequest, ReconfigRequest},
    wire::{DecodeError, Decoder},
};

use super::{
    Server,
    auth::Identity,
    multi::{self, Refusal},
    options::Version,
    prepare::{Change, Create, Kind, Operation, Preparation},
    txn::{Deed, Txn},
};

impl Server {
    /// Decides on a write of a session.
    ///
    /// # Errors
    ///
    /// When the request cannot be read and takes no number.
    pub(super) fn decide(
        &self,
        session: SessionId,
        identities: &[Identity],
        op: OpCode,
        body: Bytes,
    ) -> Result<Txn, ErrorCode> {
        let deed = match op {
            OpCode::Multi => self.decide_multi(session, identities, body)?,
            // Real servers stumble over a client that sends this, after they have given it a number.
            OpCode::CreateSession => Deed::Failure(ErrorCode::MarshallingError),
            _ => self.decide_one(session, identities, op, body)?,
        };
        Ok(self.txn(session, deed))
    }

    /// Decides that a session begins.
    pub(super) fn decide_begin(&self, session: SessionId, timeout_ms: i32) -> Txn {
        self.txn(session, Deed::Begin { timeout_ms })
    }

    /// Decides that a session ends: its ephemeral nodes go in one transaction. `None` where there is nothing to decide, for
    /// an unknown session, or for one that nobody else knows of.
    pub(super) fn decide_end(&mut self, session: SessionId) -> Option<Txn> {
        let found = self.sessions.get(session).filter(|session| !session.is_local)?;
        let mut ephemerals: Vec<_> = found.ephemerals.iter().cloned().collect();
        self.shuffle.apply(&mut ephemerals);
        Some(self.txn(session, Deed::End { ephemerals }))
    }

    /// Decides that a node goes by itself.
    pub(super) fn decide_reaping(&self, path: &Arc<str>) -> Txn {
        self.txn(SessionId(0), Deed::Change(Change::Delete { path: path.as_ref().to_owned() }))
    }

    pub(super) fn txn(&self, session: SessionId, deed: Deed) -> Txn {
        Txn { zxid: Zxid(self.zxid.0.wrapping_add(1)), wall_ms: self.wall_ms(), session, deed }
    }

    fn decide_one(
        &self,
        session: SessionId,
        identities: &[Identity],
        op: OpCode,
        body: Bytes,
    ) -> Result<Deed, ErrorCode> {
        let Ok(operation) = decode(op, body) else {
            // 3.8 takes the number before it looks at the request, but for this one.
            let takes_number = self.options.version < Version::V3_9 && op != OpCode::Reconfig;
            return if takes_number { Ok(UNREADABLE) } else { Err(ErrorCode::MarshallingError) };
        };
        let prepared = Preparation::new(&self.tree, &self.options, session, identities).prepare(&operation);
        Ok(prepared.map_or_else(Deed::Failure, Deed::Change))
    }

    fn decide_multi(&self, session: SessionId, identities: &[Identity], body: Bytes) -> Result<Deed, ErrorCode> {
        let request = Decoder::new(body).get::<MultiRequest>().map_err(|_| Refusal::WithZxid);
        let operations = match request.and_then(|request| multi::operations(request, &self.options)) {
            Ok(operations) => operations,
            Err(Refusal::WithZxid) => return Ok(UNREADABLE),
            Err(Refusal::WithoutZxid) => return Err(ErrorCode::MarshallingError),
        };
        let mut preparation = Preparation::new(&self.tree, &self.options, session, identities);
        let mut changes = Vec::with_capacity(operations.len());
        for operation in &operations {
            match preparation.prepare(operation) {
                Ok(change) => {
                    preparation.expect(&change);
                    changes.push(change);
                }
                Err(ErrorCode::MarshallingError) => return Ok(UNREADABLE),
                Err(error) => return Ok(Deed::FailedMulti { len: operations.len(), at: changes.len(), error }),
            }
        }
        Ok(Deed::Multi(changes))
    }
}

const UNREADABLE: Deed = Deed::Failure(ErrorCode::MarshallingError);

fn decode(op: OpCode, body: Bytes) -> Result<Operation, DecodeError> {
    let mut body = Decoder::new(body);
    Ok(match op {
        OpCode::CreateTtl => {
            let CreateTtlRequest { path, data, acl, mode, ttl } = body.get()?;
            Operation::Create(Create { kind: Kind::Ttl, path, data, acl, mode, ttl })
        }
        OpCode::Delete => Operation::Delete(body.get()?),
        OpCode::SetData => Operation::SetData(body.get()?),
        OpCode::SetAcl => Operation::SetAcl(body.get()?),
        OpCode::Check => Operation::Check(body.get()?),
        OpCode::Reconfig => body.get::<ReconfigRequest>().map(|_| Operation::Reconfig)?,
        _ => {
            let CreateRequest { path, data, acl, mode } = body.get()?;
            let kind = match op {
                OpCode::Create2 => Kind::WithStat,
                OpCode::CreateContainer => Kind::Container,
                _ => Kind::Plain,
            };
            Operation::Create(Create { kind, path, data, acl, mode, ttl: -1 })
        }
    })
}
