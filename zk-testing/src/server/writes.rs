//! Writes: from the request to its transaction, its events and its answer.
//!
//! Each one takes the next transaction number, whether it succeeds or fails. Events are queued while the change is made, so
//! they come before the reply.

use bytes::Bytes;
use zk_proto::{
    SessionId, Zxid,
    code::{ErrorCode, EventType, OpCode},
    record::{CreateRequest, CreateTtlRequest, MultiRequest, ReconfigRequest},
    wire::{DecodeError, Decoder},
};

use super::{
    Server,
    answer::Answer,
    auth::Identity,
    multi::{self, Refusal},
    node::Owner,
    options::Version,
    prepare::{Change, Create, Kind, Operation, Preparation},
    tree::{Creation, parent},
    watches::List,
};

impl Server {
    /// Carries out a write of a session.
    pub(super) fn write(
        &mut self,
        session: SessionId,
        identities: &[Identity],
        op: OpCode,
        body: Bytes,
    ) -> Result<Answer<'static>, ErrorCode> {
        if op == OpCode::Multi {
            return self.write_multi(session, identities, body);
        }
        let Ok(operation) = decode(op, body) else {
            // 3.8 takes the number before it looks at the request, but for this one.
            if self.options.version < Version::V3_9 && op != OpCode::Reconfig {
                self.next_zxid();
            }
            return Err(ErrorCode::MarshallingError);
        };
        let zxid = self.next_zxid();
        let change = Preparation::new(&self.tree, &self.options, session, identities).prepare(&operation)?;
        self.apply(change, zxid)
    }

    fn write_multi(
        &mut self,
        session: SessionId,
        identities: &[Identity],
        body: Bytes,
    ) -> Result<Answer<'static>, ErrorCode> {
        let request = Decoder::new(body).get::<MultiRequest>().map_err(|_| Refusal::WithZxid);
        let operations = request.and_then(|request| multi::operations(request, &self.options));
        if !matches!(operations, Err(Refusal::WithoutZxid)) {
            self.next_zxid();
        }
        let operations = operations.map_err(|_| ErrorCode::MarshallingError)?;
        let mut preparation = Preparation::new(&self.tree, &self.options, session, identities);
        let mut changes = Vec::with_capacity(operations.len());
        for operation in &operations {
            match preparation.prepare(operation) {
                Ok(change) => {
                    preparation.expect(&change);
                    changes.push(change);
                }
                Err(ErrorCode::MarshallingError) => return Err(ErrorCode::MarshallingError),
                Err(error) => return Ok(multi::failed(operations.len(), changes.len(), error)),
            }
        }
        let zxid = self.zxid;
        let results = changes.into_iter().map(|change| {
            let op = multi::result_type(&change);
            self.apply(change, zxid).map(|answer| (op, answer))
        });
        results.collect::<Result<_, _>>().map(Answer::Multi)
    }

    pub(super) fn next_zxid(&mut self) -> Zxid {
        self.zxid = Zxid(self.zxid.0.wrapping_add(1));
        self.zxid
    }

    /// Makes a change that was prepared. The error is for a mistake of ours.
    fn apply(&mut self, change: Change, zxid: Zxid) -> Result<Answer<'static>, ErrorCode> {
        let time = self.wall_ms();
        let answer = match change {
            Change::Create { kind, path, data, acl, owner, parent_cversion } => {
                let path: std::sync::Arc<str> = path.into();
                let acl = self.tree.intern(acl);
                let creation = Creation { path: path.clone(), data, acl: acl.clone(), owner, parent_cversion };
                let created = self.tree.create(creation, zxid, time);
                let (stat, parent_acl) = created.ok_or(ErrorCode::DataInconsistency)?;
                if let Owner::Session(session) = owner {
                    if let Some(session) = self.sessions.get_mut(session) {
                        session.ephemerals.insert(path.clone());
                    }
                }
                self.fire(List::Data, &path, EventType::NodeCreated, &acl, zxid);
                self.fire(List::Children, parent_of(&path), EventType::NodeChildrenChanged, &parent_acl, zxid);
                Answer::Created(path, (kind != Kind::Plain).then_some(stat))
            }
            Change::Delete { path } => {
                self.delete(&path, zxid).ok_or(ErrorCode::DataInconsistency)?;
                Answer::Nothing
            }
            Change::SetData { path, data, version } => {
                let changed = self.tree.set_data(&path, data, version, zxid, time);
                let (stat, acl) = changed.ok_or(ErrorCode::DataInconsistency)?;
                self.fire(List::Data, &path, EventType::NodeDataChanged, &acl, zxid);
                Answer::Stat(stat)
            }
            Change::SetAcl { path, acl, version } => {
                let acl = self.tree.intern(acl);
                Answer::Stat(self.tree.set_acl(&path, acl, version).ok_or(ErrorCode::DataInconsistency)?)
            }
            Change::Check => Answer::Nothing,
        };
        Ok(answer)
    }

    /// Deletes a node: on request, with its session, or because its time is over.
    pub(super) fn delete(&mut self, path: &str, zxid: Zxid) -> Option<()> {
        let deleted = self.tree.delete(path, zxid)?;
        if let Owner::Session(session) = deleted.owner {
            if let Some(session) = self.sessions.get_mut(session) {
                session.ephemerals.remove(path);
            }
        }
        self.fire_deleted(path, &deleted.acl, zxid);
        self.fire(List::Children, parent_of(path), EventType::NodeChildrenChanged, &deleted.parent_acl, zxid);
        Some(())
    }
}

/// Returns the path of the node above, as events name it.
fn parent_of(path: &str) -> &str {
    parent(path).filter(|parent| !parent.is_empty()).unwrap_or("/")
}

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

#[cfg(test)]
mod tests {
    use zk_proto::{
        code::CreateMode,
        record::{CreateResponse, MultiEntry, MultiHeader, MultiOp, MultiResponse, MultiResult, SetDataRequest},
    };

    use super::*;
    use crate::server::{
        Options,
        testing::{Bench, create, text},
    };

    #[test]
    fn failed_writes_use_a_transaction_and_reads_do_not() {
        let mut bench = Bench::new();
        let connection = bench.connect();

        let failed = bench.call(connection, OpCode::Create, &create("/none/x", CreateMode::Persistent));
        assert_eq!((failed.header.err, failed.header.zxid), (ErrorCode::NoNode, Zxid(2)));
        let read = bench.ask(connection, OpCode::WhoAmI);
        assert_eq!(read.header.zxid, Zxid(2));
    }

    #[test]
    fn a_write_that_cannot_be_read_uses_a_transaction_in_3_8_alone() {
        for (version, zxid) in [(Version::V3_8, 2), (Version::V3_9, 1)] {
            let mut bench = Bench::with(|options: &mut Options| options.version = version);
            let connection = bench.connect();

            let reply = bench.ask(connection, OpCode::SetData);

            assert_eq!((reply.header.err, reply.header.zxid), (ErrorCode::MarshallingError, Zxid(zxid)), "{version:?}");
        }
    }

    #[test]
    fn the_sequence_counter_sticks_at_its_ceiling() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        bench.create(connection, "/s", CreateMode::Persistent);
        assert!(bench.server.set_sequence("/s", i32::MAX - 1));

        for expected in ["/s/x2147483646", "/s/x2147483647"] {
            let reply = bench.call(connection, OpCode::Create, &create("/s/x", CreateMode::PersistentSequential));
            assert_eq!(reply.decode::<CreateResponse>().path, text(expected));
        }
        for _ in 0..2 {
            let error = bench.create(connection, "/s/x", CreateMode::PersistentSequential);
            assert_eq!(error, ErrorCode::NodeExists);
        }
    }

    #[test]
    fn a_malformed_ttl_is_refused_and_the_server_lives() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        for (mode, ttl) in [(0, -1), (1, i64::MIN), (4, -5), (5, 0), (6, -1), (5, 1 << 40), (9, 5)] {
            let CreateRequest { path, data, acl, .. } = create("/a", CreateMode::Persistent);
            let request = CreateTtlRequest { path, data, acl, mode: CreateMode::from(mode), ttl };

            let reply = bench.call(connection, OpCode::CreateTtl, &request);

            assert_eq!(reply.header.err, ErrorCode::BadArguments, "mode {mode}, ttl {ttl}");
        }
    }

    #[test]
    fn a_failed_multi_changes_nothing_and_tells_which_operation_failed() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        bench.create(connection, "/m", CreateMode::Persistent);
        let before = bench.server.node("/m");
        let set = SetDataRequest { path: text("/m"), data: None, version: 7 };
        let entry = |op, body| MultiEntry { header: MultiHeader { op, done: false, ..MultiHeader::END }, body };
        let child = || MultiOp::Create(create("/m/x-", CreateMode::PersistentSequential));
        let entries = vec![
            entry(OpCode::Create, child()),
            entry(OpCode::SetData, MultiOp::SetData(set)),
            entry(OpCode::Create, child()),
        ];

        let reply = bench.call(connection, OpCode::Multi, &MultiRequest { entries, end: MultiHeader::END });

        let errors = reply.decode::<MultiResponse>().entries.into_iter().map(|entry| match entry.body {
            MultiResult::Error(response) => response.err,
            other => panic!("a result of a failed multi: {other:?}"),
        });
        let expected = [ErrorCode::Ok, ErrorCode::BadVersion, ErrorCode::RuntimeInconsistency];
        assert_eq!((reply.header.err, errors.collect::<Vec<_>>()), (ErrorCode::Ok, expected.to_vec()));
        assert_eq!(bench.server.node("/m"), before);
        assert_eq!(bench.server.children("/m"), Some(vec![]));
    }
}
