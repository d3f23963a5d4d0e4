//! What a connection that has its session sends: frames, and whom they are for.

use bytes::{Buf, Bytes, BytesMut};
use zk_proto::{
    SessionId, Zxid,
    code::{ErrorCode, OpCode},
    record::{AddWatchRequest, AuthPacket, CheckWatchesRequest, SetWatches, SetWatches2},
    wire::{Decoder, Jute, split_frame},
};

use super::{
    Server,
    answer::{Answer, header},
    auth::authenticate,
    connections::{Phase, Served, Slot},
    options::Version,
    reads::{Read, Reader},
};

const PING_XID: i32 = -2;

/// The length of a request's header.
const HEADER_BYTES: usize = 8;

/// Replies that are made while reading show no transaction, and those to unknown operations show this.
pub(super) const NO_ZXID: Zxid = Zxid(0);
const UNKNOWN_ZXID: Zxid = Zxid(-1);

impl Server {
    pub(super) fn take_input(&mut self, slot: Slot, input: &mut BytesMut) {
        while let Some(connection) = self.connections.get(slot) {
            match connection.phase {
                Phase::New => {
                    self.take_greeting(slot, input);
                    // Not whole yet, or the frames behind it are next.
                    if self.connections.get(slot).is_some_and(|connection| connection.phase == Phase::New) {
                        return;
                    }
                }
                Phase::Asking { .. } => return,
                Phase::Open { session, timeout_ms } => {
                    if !connection.has_room(self.options.output_pause_bytes) || self.has_proposals() {
                        return;
                    }
                    match split_frame(input, self.options.jute_max_buffer) {
                        Ok(None) => return,
                        Ok(Some(frame)) if frame.len() >= HEADER_BYTES => self.serve(slot, session, timeout_ms, frame),
                        Ok(Some(_)) | Err(_) => self.close_connection(slot),
                    }
                }
                Phase::Ignored | Phase::Closing | Phase::Closed => return input.clear(),
            }
        }
    }

    fn serve(&mut self, slot: Slot, session: SessionId, timeout_ms: i32, mut body: Bytes) {
        let xid = body.get_i32();
        let op = OpCode::from(body.get_i32());
        self.statistics.count(op);
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.record.received += 1;
        }
        match op {
            OpCode::Auth => return self.serve_auth(slot, xid, body),
            OpCode::Sasl if self.options.version > Version::Keeper => return self.serve_sasl(slot, xid, body),
            _ if !self.is_authenticated(slot) => {
                self.reply(slot, xid, op, NO_ZXID, ErrorCode::SessionClosedRequireSaslAuth, &Answer::Nothing);
                return self.close_connection(slot);
            }
            _ => {}
        }
        self.touch(session, timeout_ms);
        if !self.is_known(op) {
            if self.options.version == Version::Keeper {
                return self.close_connection(slot);
            }
            self.reply(slot, xid, op, UNKNOWN_ZXID, ErrorCode::Unimplemented, &Answer::Nothing);
            return self.close_connection(slot);
        }
        if self.read_only.is_some() && is_write(op) {
            return self.reply(slot, xid, op, self.zxid, ErrorCode::NotReadOnly, &Answer::Nothing);
        }
        if self.replica.is_some() {
            return self.serve_in_turn(slot, session, xid, op, body);
        }
        self.serve_known(slot, session, xid, op, body);
    }

    pub(super) fn serve_known(&mut self, slot: Slot, session: SessionId, xid: i32, op: OpCode, body: Bytes) {
        let is_spared = matches!(op, OpCode::Ping | OpCode::CloseSession);
        if !is_spared && takes(&mut self.throttled, op) {
            return self.reply(slot, xid, op, self.zxid, ErrorCode::ThrottledOp, &Answer::Nothing);
        }
        let outcome = match op {
            OpCode::Ping => {
                return self.reply(slot, PING_XID, op, self.zxid, ErrorCode::Ok, &Answer::Nothing);
            }
            OpCode::CloseSession => {
                self.end_session(session);
                return self.answer_write(slot, xid, op, Ok(Answer::Nothing));
            }
            OpCode::SetWatches => decode(body).and_then(|request| self.set_watches(slot, &with_persistent(request))),
            OpCode::SetWatches2 => decode(body).and_then(|request: SetWatches2| self.set_watches(slot, &request)),
            OpCode::AddWatch => {
                let outcome = decode(body).and_then(|request: AddWatchRequest| self.add_watch(slot, &request));
                return self.reply_outcome(slot, xid, op, outcome.map(|()| Answer::Error(ErrorCode::Ok)));
            }
            OpCode::CheckWatches | OpCode::RemoveWatches => decode(body)
                .and_then(|request: CheckWatchesRequest| self.find_watch(slot, &request, op == OpCode::RemoveWatches)),
            _ if is_write(op) && op != OpCode::Sync => {
                let identities = self.connections.get(slot).map(|connection| connection.identities.clone());
                let txn = self.decide(session, &identities.unwrap_or_default(), op, body);
                let outcome = txn.and_then(|txn| self.carry_out(txn));
                return self.answer_write(slot, xid, op, outcome);
            }
            _ => return self.serve_read(slot, session, xid, op, body),
        };
        self.reply_outcome(slot, xid, op, outcome.map(|()| Answer::Nothing));
    }

    /// Answers what needed a transaction.
    pub(super) fn answer_write(&mut self, slot: Slot, xid: i32, op: OpCode, outcome: Result<Answer<'_>, ErrorCode>) {
        match op {
            // 3.8 and older never answer a check that holds.
            OpCode::Check if outcome.is_ok() && self.options.version != Version::Keeper => {}
            OpCode::CloseSession => {
                if self.options.version != Version::Keeper {
                    self.reply_outcome(slot, xid, op, outcome);
                }
                self.close_connection(slot);
            }
            _ => self.reply_outcome(slot, xid, op, outcome),
        }
    }

    fn serve_read(&mut self, slot: Slot, session: SessionId, xid: i32, op: OpCode, body: Bytes) {
        let Some(connection) = self.connections.get(slot) else { return };
        let mut reader = Reader {
            tree: &self.tree,
            options: &self.options,
            session: self.sessions.get(session),
            identities: &connection.identities,
            shuffle: &mut self.shuffle,
        };
        let Some(Read { err, answer, watch }) = reader.read(op, body) else { return };
        if let Some((list, path)) = watch {
            self.watches.add(list, &path, slot, super::WatchMode::OneShot);
        }
        if err == ErrorCode::SystemError {
            return self.drop_connection(slot);
        }
        if err == ErrorCode::MarshallingError && self.options.version == Version::Keeper {
            return self.close_connection(slot);
        }
        let zxid = self.zxid;
        let reply = Reply { xid, op, zxid, err, answer: &answer };
        if !takes(&mut self.swallowed, op) {
            reply.send(slot, self.now.as_nanos() / 1_000_000, self.options.output_limit_bytes, &mut self.connections);
            self.statistics.sent += 1;
        }
    }

    fn reply_outcome(&mut self, slot: Slot, xid: i32, op: OpCode, outcome: Result<Answer<'_>, ErrorCode>) {
        match outcome {
            Ok(answer) => self.reply(slot, xid, op, self.zxid, ErrorCode::Ok, &answer),
            Err(err) => self.reply(slot, xid, op, self.zxid, err, &Answer::Nothing),
        }
    }

    fn reply(&mut self, slot: Slot, xid: i32, op: OpCode, zxid: Zxid, err: ErrorCode, answer: &Answer<'_>) {
        if self.options.version == Version::Keeper && err == ErrorCode::MarshallingError {
            return self.close_connection(slot);
        }
        if !takes(&mut self.swallowed, op) {
            let reply = Reply { xid, op, zxid, err, answer };
            reply.send(slot, self.now_ms(), self.options.output_limit_bytes, &mut self.connections);
            self.statistics.sent += 1;
        }
    }

    fn serve_auth(&mut self, slot: Slot, xid: i32, body: Bytes) {
        let Ok(packet) = decode::<AuthPacket>(body) else { return self.close_connection(slot) };
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let is_keeper = self.options.version == Version::Keeper;
        let is_understood = !is_keeper || packet.scheme.as_deref() == Some("digest");
        let (known, peer) = (&connection.identities, connection.peer.ip());
        let identities = authenticate(&packet, known, peer, self.options.super_digest.as_deref());
        let identities = identities.filter(|_| is_understood);
        let is_refused = identities.is_none();
        for identity in identities.into_iter().flatten() {
            if !connection.identities.contains(&identity) {
                connection.identities.push(identity);
            }
        }
        let err = if is_refused { ErrorCode::AuthFailed } else { ErrorCode::Ok };
        self.reply(slot, xid, OpCode::Auth, NO_ZXID, err, &Answer::Nothing);
        if is_refused && !is_keeper {
            self.close_connection(slot);
        }
    }

    fn is_authenticated(&self, slot: Slot) -> bool {
        let required = &self.options.required_auth;
        let has = |scheme: &String| {
            let connection = self.connections.get(slot);
            connection.is_some_and(|connection| connection.identities.iter().any(|identity| identity.scheme == scheme))
        };
        required.is_empty() || required.iter().any(has)
    }

    fn is_known(&self, op: OpCode) -> bool {
        let version = self.options.version;
        match op {
            OpCode::SetWatches => version > Version::Keeper,
            OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Reconfig
            | OpCode::CheckWatches
            | OpCode::RemoveWatches => version >= Version::V3_5,
            OpCode::MultiRead | OpCode::GetEphemerals | OpCode::GetAllChildrenNumber | OpCode::WhoAmI => {
                version >= Version::V3_8
            }
            OpCode::Check => self.options.version < Version::V3_9,
            OpCode::AddWatch | OpCode::SetWatches2 => self.options.persistent_watches && version >= Version::V3_8,
            // Its own operation, which real servers carry out for anybody or take for a bad argument.
            OpCode::DeleteContainer => false,
            OpCode::Notification | OpCode::Error | OpCode::Auth | OpCode::Sasl | OpCode::Unknown(_) => false,
            _ => true,
        }
    }
}

/// A reply that is ready to go.
struct Reply<'a> {
    xid: i32,
    op: OpCode,
    zxid: Zxid,
    err: ErrorCode,
    answer: &'a Answer<'a>,
}

impl Reply<'_> {
    fn send(self, slot: Slot, time_ms: u64, limit: usize, connections: &mut super::Connections) {
        connections.send(slot, limit, |out| {
            header(out, self.xid, self.zxid, self.err);
            self.answer.encode(out);
        });
        if let Some(connection) = connections.get_mut(slot) {
            connection.record.last = Some(Served { op: self.op, xid: self.xid, zxid: self.zxid, time_ms });
        }
    }
}

/// Takes an operation off a list of those that something is to happen to once. Returns whether it stood there.
fn takes(list: &mut Vec<OpCode>, op: OpCode) -> bool {
    match list.iter().position(|other| *other == op) {
        None => false,
        Some(position) => {
            list.remove(position);
            true
        }
    }
}

/// Returns whether the operation needs a server that can write. The order of a sync is the leader's.
pub(super) fn is_write(op: OpCode) -> bool {
    let changes_one = matches!(
        op,
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Check
    );
    changes_one || matches!(op, OpCode::Multi | OpCode::Reconfig | OpCode::Sync | OpCode::CreateSession)
}

pub(super) fn decode<T: Jute>(body: Bytes) -> Result<T, ErrorCode> {
    Decoder::new(body).get().map_err(|_| ErrorCode::MarshallingError)
}

fn with_persistent(request: SetWatches) -> SetWatches2 {
    let SetWatches { relative_zxid, data_watches, exist_watches, child_watches } = request;
    SetWatches2 {
        relative_zxid,
        data_watches,
        exist_watches,
        child_watches,
        persistent_watches: Some(Vec::new()),
        persistent_recursive_watches: Some(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use zk_proto::{
        code::CreateMode,
        record::{GetSaslRequest, SetSaslResponse},
    };

    use super::*;
    use crate::server::testing::{Bench, NOTHING, create, frame, greeting, text};

    #[test]
    fn the_pieces_in_which_bytes_come_do_not_matter() {
        let script = || {
            let mut bytes = frame(|out| out.put(&greeting()));
            for (xid, path) in [(1, "/a"), (2, "/a/b"), (3, "/a")] {
                bytes.unsplit(frame(|out| {
                    out.put(&zk_proto::record::RequestHeader { xid, op: OpCode::Create });
                    out.put(&create(path, CreateMode::Persistent));
                }));
            }
            bytes
        };
        let answers = |piece: usize| {
            let mut bench = Bench::new();
            let (connection, mut input, mut output) = (bench.dial(), BytesMut::new(), Vec::new());
            for bytes in script().chunks(piece) {
                input.extend_from_slice(bytes);
                bench.server.handle_input(connection, &mut input, bench.now);
                output.extend(bench.output(connection));
            }
            output
        };

        let whole = answers(usize::MAX);

        assert_eq!(whole.len(), 4);
        for piece in [1, 2, 3, 7, 64] {
            assert_eq!(answers(piece), whole, "in pieces of {piece}");
        }
    }

    #[test]
    fn an_unknown_operation_is_answered_and_costs_the_connection() {
        for op in [OpCode::Notification, OpCode::Error, OpCode::Unknown(99), OpCode::DeleteContainer] {
            let mut bench = Bench::new();
            let connection = bench.connect();

            let reply = bench.ask(connection, op);

            assert_eq!((reply.header.zxid, reply.header.err), (Zxid(-1), ErrorCode::Unimplemented), "{op}");
            assert!(bench.wants_close(connection));
            assert_eq!(bench.server.sessions().len(), 1, "the session stays");
        }
    }

    #[test]
    fn persistent_watches_are_unknown_to_a_server_that_is_told_so() {
        let mut bench = Bench::with(|options| options.persistent_watches = false);
        for op in [OpCode::AddWatch, OpCode::SetWatches2] {
            let connection = bench.connect();

            let reply = bench.ask(connection, op);

            assert_eq!(reply.header.err, ErrorCode::Unimplemented, "{op}");
            assert!(bench.wants_close(connection));
        }
    }

    #[test]
    fn a_check_on_its_own_is_unknown_to_3_9_and_unanswered_by_3_8_when_it_holds() {
        let check = zk_proto::record::CheckVersionRequest { path: text("/"), version: 0 };
        let mut new = Bench::new();
        let connection = new.connect();
        assert_eq!(new.call(connection, OpCode::Check, &check).header.err, ErrorCode::Unimplemented);

        let mut old = Bench::with(|options| options.version = Version::V3_8);
        let connection = old.connect();
        assert_eq!(old.exchange(connection, OpCode::Check, &check), []);
        let failing = zk_proto::record::CheckVersionRequest { version: 7, ..check };
        assert_eq!(old.call(connection, OpCode::Check, &failing).header.err, ErrorCode::BadVersion);
    }

    #[test]
    fn pings_are_answered_by_their_own_xid_and_keep_the_session_alive() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        for _ in 0..10 {
            bench.advance(std::time::Duration::from_secs(9));
            assert_eq!(bench.ask(connection, OpCode::Ping).header.xid, -2);
        }
        assert_eq!(bench.server.sessions().len(), 1);
    }

    #[test]
    fn auth_packets_do_not_keep_the_session_alive() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        let packet = AuthPacket { auth_type: 0, scheme: text("digest"), auth: zk_proto::wire::Secret::from("a:b") };
        for _ in 0..3 {
            bench.advance(std::time::Duration::from_secs(4));
            bench.exchange(connection, OpCode::Auth, &packet);
        }
        assert!(bench.wants_close(connection));
    }

    #[test]
    fn a_server_that_wants_authentication_serves_nobody_without() {
        let mut bench = Bench::with(|options| options.required_auth = vec!["digest".into()]);
        let (refused, welcome) = (bench.connect(), bench.connect());

        let reply = bench.ask(refused, OpCode::Ping);
        assert_eq!(reply.header.err, ErrorCode::SessionClosedRequireSaslAuth);
        assert!(bench.wants_close(refused));

        let packet = AuthPacket { auth_type: 0, scheme: text("digest"), auth: zk_proto::wire::Secret::from("a:b") };
        assert_eq!(bench.call(welcome, OpCode::Auth, &packet).header.err, ErrorCode::Ok);
        assert_eq!(bench.ask(welcome, OpCode::Ping).header.err, ErrorCode::Ok);
    }

    #[test]
    fn each_release_knows_what_it_brought_and_what_was_there_before() {
        let later: [(Version, &[OpCode]); 4] = [
            (Version::V3_4, &[OpCode::SetWatches, OpCode::Sasl]),
            (
                Version::V3_5,
                &[
                    OpCode::Create2,
                    OpCode::CreateContainer,
                    OpCode::CreateTtl,
                    OpCode::Reconfig,
                    OpCode::CheckWatches,
                    OpCode::RemoveWatches,
                ],
            ),
            (
                Version::V3_8,
                &[
                    OpCode::MultiRead,
                    OpCode::GetEphemerals,
                    OpCode::GetAllChildrenNumber,
                    OpCode::SetWatches2,
                    OpCode::AddWatch,
                    OpCode::WhoAmI,
                ],
            ),
            (Version::V3_9, &[]),
        ];
        for version in [Version::Keeper, Version::V3_4, Version::V3_5, Version::V3_8, Version::V3_9] {
            for (since, ops) in later {
                for op in ops {
                    let mut bench = Bench::with(|options| options.version = version);
                    let connection = bench.connect();
                    let answers = bench.exchange(connection, *op, &NOTHING);
                    let says_unknown = answers.iter().any(|reply| reply.header.err == ErrorCode::Unimplemented);
                    assert_eq!(says_unknown, version > Version::Keeper && version < since, "{op} on {version:?}");
                    if version < since {
                        assert!(bench.wants_close(connection), "{op} on {version:?}");
                        assert_eq!(answers.is_empty(), version == Version::Keeper);
                    }
                }
            }
        }
    }

    #[test]
    fn keeper_hangs_up_on_what_it_cannot_read_and_answers_a_check_but_not_an_end() {
        let keeper = |options: &mut crate::server::Options| options.version = Version::Keeper;
        let check = zk_proto::record::CheckVersionRequest { path: text("/"), version: -1 };
        let mut bench = Bench::with(keeper);
        let connection = bench.connect();
        assert_eq!(bench.call(connection, OpCode::Check, &check).header.err, ErrorCode::Ok);
        assert_eq!(bench.exchange(connection, OpCode::GetData, &NOTHING), []);
        assert!(bench.wants_close(connection));

        let connection = bench.connect();
        let refused = AuthPacket { auth_type: 0, scheme: text("ip"), auth: zk_proto::wire::Secret::from("x") };
        assert_eq!(bench.call(connection, OpCode::Auth, &refused).header.err, ErrorCode::AuthFailed);
        assert!(!bench.wants_close(connection));
        assert_eq!(bench.exchange(connection, OpCode::CloseSession, &NOTHING), []);
        assert!(bench.wants_close(connection));
        assert_eq!(bench.server.sessions().len(), 1, "the other one runs out");
    }

    #[test]
    fn a_multi_of_what_a_server_does_not_know_cannot_be_read() {
        use zk_proto::record::{MultiEntry, MultiHeader, MultiOp, MultiRequest};
        for (version, op, err) in [
            (Version::V3_4, OpCode::Create, ErrorCode::Ok),
            (Version::V3_4, OpCode::Create2, ErrorCode::MarshallingError),
            (Version::V3_5, OpCode::Create2, ErrorCode::Ok),
        ] {
            let mut bench = Bench::with(|options| options.version = version);
            let connection = bench.connect();
            let header = MultiHeader { op, done: false, ..MultiHeader::END };
            let body = MultiOp::Create(create("/a", CreateMode::Persistent));
            let request = MultiRequest { entries: vec![MultiEntry { header, body }], end: MultiHeader::END };
            assert_eq!(bench.call(connection, OpCode::Multi, &request).header.err, err, "{op} on {version:?}");
        }
    }

    #[test]
    fn a_swallowed_reply_is_lost_once_and_the_request_is_carried_out() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        bench.server.swallow_reply(OpCode::Create);

        assert_eq!(bench.exchange(connection, OpCode::Create, &create("/a", CreateMode::Persistent)), []);

        assert_eq!(bench.create(connection, "/a", CreateMode::Persistent), ErrorCode::NodeExists);
    }

    #[test]
    fn a_throttled_request_is_answered_so_once_and_neither_carried_out_nor_counted() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        bench.server.throttle_request(OpCode::Create);
        bench.server.throttle_request(OpCode::Ping);
        let before = bench.server.zxid();

        assert_eq!(bench.create(connection, "/a", CreateMode::Persistent), ErrorCode::ThrottledOp);
        assert_eq!((bench.server.zxid(), bench.server.node("/a")), (before, None));

        assert_eq!(bench.create(connection, "/a", CreateMode::Persistent), ErrorCode::Ok);
        assert_eq!(bench.ask(connection, OpCode::Ping).header.err, ErrorCode::Ok, "pings are never throttled");
    }

    #[test]
    fn what_comes_behind_the_end_of_a_session_is_dropped() {
        let mut bench = Bench::new();
        let connection = bench.connect();
        let close = frame(|out| out.put(&zk_proto::record::RequestHeader { xid: 1, op: OpCode::CloseSession }));
        let ping = frame(|out| out.put(&zk_proto::record::RequestHeader { xid: -2, op: OpCode::Ping }));

        bench.input(connection, &[&close[..], &ping].concat());

        assert_eq!(bench.frames(connection).len(), 1);
        assert!(bench.wants_close(connection));
        assert_eq!(bench.server.sessions().len(), 0);
    }

    #[test]
    fn a_frame_without_room_for_a_header_costs_the_connection() {
        for bytes in [&[0, 0, 0, 0][..], &[0, 0, 0, 4, 0, 0, 0, 1], &[0xFF; 4], &[0, 0x10, 0, 0]] {
            let mut bench = Bench::new();
            let connection = bench.connect();

            bench.input(connection, bytes);

            assert!(bench.wants_close(connection), "{bytes:x?}");
        }
    }

    #[test]
    fn without_sasl_a_token_is_answered_by_none() {
        let mut bench = Bench::new();
        let connection = bench.connect();

        let reply = bench.call(connection, OpCode::Sasl, &GetSaslRequest { token: zk_proto::wire::Secret::from("x") });

        assert_eq!(reply.decode::<SetSaslResponse>().token.0, None);
        assert_eq!(bench.exchange(connection, OpCode::Sasl, &NOTHING), []);
        assert!(bench.wants_close(connection));
    }
}
