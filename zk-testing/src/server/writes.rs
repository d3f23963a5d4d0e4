//! Carrying out a transaction: what it does to nodes, sessions and watchers, and how it is answered.
//!
//! Events are queued while the change is made, so they come before the reply.

use zk_proto::{
    Zxid,
    code::{ErrorCode, EventType},
};

use super::{
    Server,
    answer::Answer,
    multi,
    node::Owner,
    prepare::{Change, Kind},
    tree::{Creation, parent},
    txn::{Deed, Txn},
    watches::List,
};

impl Server {
    /// Carries out the next transaction. Returns how it is answered.
    pub(super) fn carry_out(&mut self, txn: Txn) -> Result<Answer<'static>, ErrorCode> {
        let Txn { zxid, wall_ms, session, deed } = txn;
        self.zxid = zxid;
        match deed {
            Deed::Begin { timeout_ms } => {
                self.sessions.add(session, timeout_ms, false);
                Ok(Answer::Nothing)
            }
            Deed::End { ephemerals } => {
                self.sessions.remove(session);
                for path in ephemerals {
                    // Gone before only by a mistake of ours, and then all the better.
                    _ = self.delete(&path, zxid);
                }
                Ok(Answer::Nothing)
            }
            Deed::Change(change) => self.apply(change, zxid, wall_ms),
            Deed::Multi(changes) => {
                let results = changes.into_iter().map(|change| {
                    let op = multi::result_type(&change);
                    self.apply(change, zxid, wall_ms).map(|answer| (op, answer))
                });
                results.collect::<Result<_, _>>().map(Answer::Multi)
            }
            Deed::Failure(error) => Err(error),
            Deed::FailedMulti { len, at, error } => Ok(multi::failed(len, at, error)),
        }
    }

    /// Makes a change that was prepared. The error is for a mistake of ours.
    fn apply(&mut self, change: Change, zxid: Zxid, time: i64) -> Result<Answer<'static>, ErrorCode> {
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
    fn delete(&mut self, path: &str, zxid: Zxid) -> Option<()> {
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

#[cfg(test)]
mod tests {
    use zk_proto::{
        code::{CreateMode, OpCode},
        record::{
            CreateRequest, CreateResponse, CreateTtlRequest, MultiEntry, MultiHeader, MultiOp, MultiRequest,
            MultiResponse, MultiResult, SetDataRequest,
        },
    };

    use super::*;
    use crate::server::{
        Options, Version,
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
