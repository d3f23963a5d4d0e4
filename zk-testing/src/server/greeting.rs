//! The first message of a connection: a four-letter word, or a greeting that makes a session or takes one up again.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zk_proto::{
    SessionId,
    code::ErrorCode,
    record::{ConnectRequest, ConnectResponse},
    wire::{Decoder, Secret, split_frame},
};

use super::{
    Server,
    answer::header,
    connections::{Phase, Slot},
    from_ms, java,
    leader::Request,
    options::{ReadOnly, Version},
    words,
};

/// How long a connection may be without a session, rounded up to a multiple of itself.
const GREETING_MS: u64 = 10_000;

impl Server {
    pub(super) fn expect_greeting(&mut self, slot: Slot) {
        let due_ms = ((self.now_ms() + GREETING_MS) / GREETING_MS + 1) * GREETING_MS;
        self.connections.set_deadline(slot, Some(from_ms(due_ms)));
    }

    /// Takes the first message, if it is whole.
    pub(super) fn take_greeting(&mut self, slot: Slot, input: &mut BytesMut) {
        let Some(first) = input.first_chunk::<4>() else { return };
        if self.is_away() {
            return self.turn_away(slot, input);
        }
        if let Some(word) = words::known(*first) {
            input.clear();
            self.answer_word(slot, word);
            return;
        }
        match split_frame(input, self.options.jute_max_buffer) {
            Ok(None) => {}
            Ok(Some(frame)) => self.greet(slot, frame),
            Err(_) => self.close_connection(slot),
        }
    }

    fn greet(&mut self, slot: Slot, frame: Bytes) {
        self.statistics.received += 1;
        let Ok(request) = Decoder::new(frame).get::<ConnectRequest>() else {
            return self.close_connection(slot);
        };
        if self.options.version == Version::Keeper {
            return self.greet_anew(slot, &request);
        }
        let is_taken_read_only = self.read_only.is_none() || request.read_only == Some(true);
        if !is_taken_read_only || request.last_zxid_seen > self.zxid {
            return self.close_connection(slot);
        }
        let timeout_ms = self.options.negotiate(request.timeout_ms);
        match request.session_id {
            SessionId(0) => self.greet_new(slot, request.read_only, timeout_ms),
            _ => self.greet_again(slot, &request, timeout_ms),
        }
    }

    /// Gives a new session, whichever was asked for, as ClickHouse Keeper does.
    fn greet_anew(&mut self, slot: Slot, request: &ConnectRequest) {
        if request.passwd.as_bytes().len() != 16 {
            return self.close_connection(slot);
        }
        self.greet_new(slot, None, self.options.negotiate(request.timeout_ms));
    }

    fn greet_new(&mut self, slot: Slot, read_only: Option<bool>, timeout_ms: i32) {
        let is_local = match self.read_only {
            None => false,
            Some(ReadOnly::LocalSessions) => true,
            Some(ReadOnly::NoSessions) => return self.ignore(slot, timeout_ms),
        };
        let session = self.sessions.take_id();
        if is_local {
            self.sessions.add(session, timeout_ms, true);
        } else if self.replica.is_some() {
            let request = Request::Begin { timeout_ms };
            return self.ask(slot, session, timeout_ms, read_only, request);
        } else {
            // To begin a session is never refused.
            _ = self.carry_out(self.decide_begin(session, timeout_ms));
        }
        self.bind(slot, session, read_only, timeout_ms);
    }

    fn greet_again(&mut self, slot: Slot, request: &ConnectRequest, timeout_ms: i32) {
        let id = request.session_id;
        let session = self.sessions.get(id).map(|session| (session.connection, session.is_local));
        if self.read_only.is_some() && session.map_or(!self.may_be_local(id), |(_, is_local)| !is_local) {
            return self.close_connection(slot);
        }
        // The session's other connection goes first, even for somebody who does not know the password.
        if let Some(other) = session.and_then(|(connection, _)| connection) {
            self.drop_connection(other);
        }
        let is_password_right = request.passwd.as_bytes() == java::password(id.0);
        if is_password_right && self.replica.is_some() && self.read_only.is_none() {
            return self.ask(slot, id, timeout_ms, request.read_only, Request::Resume { timeout_ms });
        }
        if session.is_none() || !is_password_right {
            return self.refuse_session(slot, request.read_only);
        }
        self.bind(slot, id, request.read_only, timeout_ms);
    }

    pub(super) fn refuse_session(&mut self, slot: Slot, read_only: Option<bool>) {
        self.answer_greeting(slot, read_only, 0, SessionId(0));
        self.close_connection(slot);
    }

    /// Gives a connection to a session, which has none here.
    pub(super) fn bind(&mut self, slot: Slot, id: SessionId, read_only: Option<bool>, timeout_ms: i32) {
        // Where there is a leader, it has done so.
        if self.replica.is_none() || self.read_only.is_some() {
            self.touch(id, timeout_ms);
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.connection = Some(slot);
            session.timeout_ms = timeout_ms;
        }
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.phase = Phase::Open { session: id, timeout_ms };
        }
        self.connections.set_deadline(slot, None);
        self.answer_greeting(slot, read_only, timeout_ms, id);
    }

    fn answer_greeting(&mut self, slot: Slot, read_only: Option<bool>, timeout_ms: i32, id: SessionId) {
        let passwd =
            if id == SessionId(0) || self.options.version == Version::Keeper { [0; 16] } else { java::password(id.0) };
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms,
            session_id: id,
            passwd: Secret::from(passwd.to_vec()),
            read_only: read_only.map(|_| self.read_only.is_some()),
        };
        self.statistics.sent += 1;
        self.connections.send(slot, self.options.output_limit_bytes, |out| out.put(&response));
    }

    /// Answers that there is no place here, and leaves it at that until the session would have been over.
    fn ignore(&mut self, slot: Slot, timeout_ms: i32) {
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.phase = Phase::Ignored;
        }
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        self.connections.set_deadline(slot, Some(self.now + timeout));
        let zxid = self.zxid;
        self.statistics.sent += 1;
        self.connections
            .send(slot, self.options.output_limit_bytes, |out| header(out, 0, zxid, ErrorCode::NotReadOnly));
    }
}

#[cfg(test)]
mod tests {
    use zk_proto::{Zxid, code::OpCode, record::ReplyHeader};

    use super::*;
    use crate::server::testing::{Bench, greeting};

    #[test]
    fn a_new_session_uses_a_transaction_and_gets_the_timeout_within_bounds() {
        let mut bench = Bench::new();

        let (_, answer) = bench.greet(&ConnectRequest { timeout_ms: 10, ..greeting() });

        let answer = answer.unwrap();
        assert_eq!((answer.timeout_ms, answer.read_only), (1000, Some(false)));
        assert_eq!(answer.passwd.as_bytes(), java::password(answer.session_id.0));
        assert_eq!(bench.server.zxid(), Zxid(1));
    }

    #[test]
    fn the_answer_has_the_read_only_flag_when_the_greeting_had_it() {
        let mut bench = Bench::new();
        for read_only in [None, Some(false), Some(true)] {
            let (_, answer) = bench.greet(&ConnectRequest { read_only, ..greeting() });
            assert_eq!(answer.unwrap().read_only, read_only.map(|_| false));
        }
    }

    #[test]
    fn a_client_that_has_seen_more_is_hung_up_on_without_an_answer() {
        let mut bench = Bench::new();

        let (connection, answer) = bench.greet(&ConnectRequest { last_zxid_seen: Zxid(1), ..greeting() });

        assert!(answer.is_none() && bench.wants_close(connection));
        assert_eq!(bench.server.zxid(), Zxid(0));
    }

    #[test]
    fn a_session_is_taken_up_again_and_its_old_connection_closed() {
        let mut bench = Bench::new();
        let (old, session) = bench.greet(&greeting());
        let session = session.unwrap();

        let (new, answer) = bench.greet_again(&session);

        assert_eq!(answer.unwrap().session_id, session.session_id);
        assert!(bench.wants_close(old) && !bench.wants_close(new));
        bench.server.handle_disconnected(old);
        assert_eq!(bench.server.sessions()[0].connection, Some(new));
    }

    #[test]
    fn a_wrong_password_is_refused_and_still_cuts_the_live_connection() {
        let mut bench = Bench::new();
        let (old, session) = bench.greet(&greeting());
        let mut session = session.unwrap();
        session.passwd = Secret::from(vec![1; 16]);

        let (new, answer) = bench.greet_again(&session);

        let answer = answer.unwrap();
        assert_eq!((answer.timeout_ms, answer.session_id), (0, SessionId(0)));
        assert_eq!(answer.passwd.as_bytes(), [0; 16]);
        assert!(bench.wants_close(old) && bench.wants_close(new));
        assert_eq!(bench.server.sessions().len(), 1, "the session itself is still good");
    }

    #[test]
    fn an_unknown_session_is_refused() {
        let mut bench = Bench::new();

        let (connection, answer) = bench.greet(&ConnectRequest { session_id: SessionId(7), ..greeting() });

        assert_eq!(answer.unwrap().timeout_ms, 0);
        assert!(bench.wants_close(connection));
    }

    #[test]
    fn keeper_gives_a_new_session_whatever_it_is_asked_for_and_lets_the_old_one_run_out() {
        let mut bench = Bench::with(|options| options.version = Version::Keeper);
        let request = ConnectRequest { passwd: Secret::from(vec![0; 16]), ..greeting() };
        let (_, first) = bench.greet(&request);
        let first = first.unwrap();
        assert_eq!((first.read_only, first.passwd.as_bytes()), (None, &[0; 16][..]));

        let seen = Zxid(i64::MAX);
        let again = ConnectRequest { session_id: first.session_id, last_zxid_seen: seen, ..request.clone() };
        let (_, second) = bench.greet(&again);

        assert_ne!(second.unwrap().session_id, first.session_id);
        assert_eq!(bench.server.sessions().len(), 2);
        let (refused, answer) = bench.greet(&ConnectRequest { passwd: Secret::from(Vec::new()), ..request });
        assert!(answer.is_none() && bench.wants_close(refused));
    }

    #[test]
    fn a_read_only_server_takes_read_only_clients_into_local_sessions() {
        let mut bench = Bench::with(|options| options.read_only = Some(ReadOnly::LocalSessions));

        let (refused, answer) = bench.greet(&greeting());
        assert!(answer.is_none() && bench.wants_close(refused));
        let (connection, answer) = bench.greet(&ConnectRequest { read_only: Some(true), ..greeting() });

        assert_eq!(answer.unwrap().read_only, Some(true));
        assert_eq!(bench.server.zxid(), Zxid(0), "a local session uses no transaction");
        for op in [OpCode::Create, OpCode::Sync, OpCode::Multi, OpCode::Reconfig] {
            assert_eq!(bench.ask(connection, op).header.err, ErrorCode::NotReadOnly, "{op}");
        }
        assert_eq!(bench.ask(connection, OpCode::WhoAmI).header.err, ErrorCode::Ok);
        assert_eq!(bench.ask(connection, OpCode::CloseSession).header.err, ErrorCode::Ok);
        assert_eq!(bench.server.zxid(), Zxid(0));
    }

    #[test]
    fn without_local_sessions_a_read_only_server_answers_a_bare_header_and_is_silent() {
        let mut bench = Bench::with(|options| options.read_only = Some(ReadOnly::NoSessions));
        let connection = bench.dial();
        let request = ConnectRequest { read_only: Some(true), ..greeting() };

        bench.input(connection, &crate::server::testing::frame(|out| out.put(&request)));

        let frames = bench.frames(connection);
        assert_eq!(frames[0].header, ReplyHeader { xid: 0, zxid: Zxid(0), err: ErrorCode::NotReadOnly });
        assert!(frames[0].body.is_empty() && !bench.wants_close(connection));
        bench.advance(Duration::from_secs(60));
        assert!(bench.wants_close(connection));
    }

    #[test]
    fn who_says_nothing_is_dropped_after_ten_to_twenty_seconds() {
        let mut bench = Bench::new();
        bench.advance(Duration::from_secs(5));
        let connection = bench.dial();

        bench.advance(Duration::from_secs(14));
        assert!(!bench.wants_close(connection));
        bench.advance(Duration::from_secs(1));
        assert!(bench.wants_close(connection));
    }
}
