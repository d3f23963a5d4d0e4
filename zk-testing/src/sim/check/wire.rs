//! A tap on the wire, at the client's side: what a client writes, and what it has read.
//!
//! It knows the protocol by the records alone, and holds what a client says against what it was told before, and what it was
//! told against what the ensemble has committed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zk_proto::{
    Instant, SessionId, Zxid,
    code::{ErrorCode, OpCode},
    record::{ConnectRequest, ConnectResponse, ReplyHeader, RequestHeader, WatcherEvent},
    wire::{Decoder, split_frame},
};

use super::{replies::compare, signs::Signs};
use crate::sim::{
    coverage::Coverage,
    names,
    trace::{Trace, Violation},
    truth::Truth,
};

const CHECK: &str = "wire";
const NOTIFICATION: i32 = -1;
const PING: i32 = -2;
const AUTH: i32 = -4;
const SET_WATCHES: i32 = -8;
const LIMIT: usize = 8 << 20;

/// A request whose reply was not read.
#[derive(Clone, Debug)]
struct Asked {
    xid: i32,
    op: OpCode,
    path: String,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nothing was written.
    #[default]
    New,
    /// The greeting was written, for this session; zero for a new one.
    Greeting(SessionId),
    /// The greeting was answered.
    Open(SessionId),
    /// A four-letter word was asked instead.
    Word,
    /// The session was refused.
    Over,
    /// A reply was lost, and the client has noticed.
    Ruined,
}

/// One connection.
#[derive(Debug, Default)]
struct Link {
    process: u32,
    stage: Stage,
    up: BytesMut,
    down: BytesMut,
    asked: VecDeque<Asked>,
    pings: usize,
    auths: usize,
    /// When the greeting was written.
    greeted_at: Instant,
    /// When something was last read.
    read_at: Instant,
    /// The session timeout in force.
    timeout: Duration,
    /// The credentials that are to be presented before anything else.
    due_credentials: BTreeSet<Bytes>,
    /// The credentials that were presented.
    credentials: BTreeSet<Bytes>,
    /// Whether a request of the application's was written.
    has_asked: bool,
    /// The zxid of the greeting.
    greeted: Zxid,
    /// The last transaction that its process was shown on read-only servers.
    local: Zxid,
    /// Whether the server is read-only.
    is_read_only: bool,
    /// A reply was lost on the way, so that the others come out of order.
    is_spoilt: bool,
}

/// All connections, and what is known of each session and process.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    links: BTreeMap<u32, Link>,
    /// What was committed.
    pub(crate) truth: Truth,
    /// The signs of life that have come to servers.
    pub(crate) signs: Signs,
    books: Books,
}

/// What is known of each session and process, whatever the connection.
#[derive(Debug, Default)]
struct Books {
    /// The last transaction that the replies showed that a session's clients have read.
    told: BTreeMap<SessionId, Zxid>,
    /// The credentials that each process has ever presented.
    credentials: BTreeMap<u32, BTreeSet<Bytes>>,
    /// The last transaction that each process was shown on read-only servers.
    local: BTreeMap<u32, Zxid>,
    /// The sessions that a client has asked to close.
    closing: BTreeSet<SessionId>,
}

/// Where it is noted what happens.
pub(crate) struct Notes<'a> {
    pub(crate) now: Instant,
    pub(crate) coverage: &'a mut Coverage,
    pub(crate) trace: &'a mut Trace,
}

impl Wire {
    pub(crate) fn open(&mut self, id: u32, process: u32) {
        let local = self.books.local.get(&process).copied().unwrap_or_default();
        let due_credentials = self.books.credentials.get(&process).cloned().unwrap_or_default();
        self.links.insert(id, Link { process, local, due_credentials, ..Link::default() });
    }

    pub(crate) fn close(&mut self, id: u32) {
        self.links.remove(&id);
    }

    /// A reply is lost on the way to the client.
    pub(crate) fn spoil(&mut self, id: u32) {
        if let Some(link) = self.links.get_mut(&id) {
            link.is_spoilt = true;
        }
    }

    /// Looks whether every client has let go of servers that say nothing: after two thirds of the timeout, but for what a clock
    /// may be wrong. `is_excused` says who has stood still since then.
    pub(crate) fn check_silence(
        &self,
        now: Instant,
        is_excused: impl Fn(u32, Instant) -> bool,
    ) -> Result<(), Violation> {
        let is_late = |link: &Link| {
            let limit = link.timeout * 2 / 3 * 11 / 10 + Duration::from_millis(100);
            let is_open = matches!(link.stage, Stage::Open(_));
            is_open && now.saturating_since(link.read_at) > limit && !is_excused(link.process, link.read_at)
        };
        match self.links.iter().find(|(_, link)| is_late(link)) {
            None => Ok(()),
            Some((id, link)) => Err(Violation::new(
                "silence",
                format!("client P{} has heard nothing on C{id} since {:?}, and keeps it", link.process, link.read_at),
            )),
        }
    }

    /// Returns whether a client has asked to close a session.
    pub(crate) fn is_closing(&self, session: SessionId) -> bool {
        self.books.closing.contains(&session)
    }

    /// Something has come to a server.
    pub(crate) fn heard(&mut self, id: u32, server: usize, now: Instant) {
        if let Some(Link { stage: Stage::Open(session), .. }) = self.links.get(&id) {
            self.signs.heard(*session, server, now);
        }
    }

    /// A client has written these bytes.
    pub(crate) fn sent(&mut self, id: u32, bytes: &[u8], mut notes: Notes<'_>) -> Result<(), Violation> {
        let Self { links, books, .. } = self;
        let Some(link) = links.get_mut(&id) else { return Ok(()) };
        link.up.extend_from_slice(bytes);
        notes.trace.mix([1, u64::from(id), bytes.len() as u64, notes.now.as_nanos()]);
        if matches!(link.stage, Stage::New) && link.up.len() >= 4 {
            for (word, name) in [(&b"isro"[..], "isro"), (b"srvr", "srvr")] {
                if link.up.starts_with(word) {
                    link.stage = Stage::Word;
                    notes.coverage.count("word", name);
                    notes.trace.note(notes.now, || format!("P{} C{id} > {name}", link.process));
                }
            }
        }
        if matches!(link.stage, Stage::Word) {
            return Ok(());
        }
        while let Some(frame) = split_frame(&mut link.up, LIMIT).map_err(|error| link.wrong(id, &error.to_string()))? {
            link.take_request(id, frame, books, &mut notes)?;
            if link.has_asked && !link.due_credentials.is_subset(&link.credentials) {
                return Err(link.wrong(id, "writes a request before all of its credentials"));
            }
            if !link.credentials.is_empty() {
                books.credentials.entry(link.process).or_default().extend(link.credentials.iter().cloned());
            }
        }
        Ok(())
    }

    /// A client has read these bytes.
    pub(crate) fn read(&mut self, id: u32, bytes: &[u8], mut notes: Notes<'_>) -> Result<(), Violation> {
        let Self { links, truth, signs, books } = self;
        let Some(link) = links.get_mut(&id) else { return Ok(()) };
        notes.trace.mix([2, u64::from(id), bytes.len() as u64, notes.now.as_nanos()]);
        if matches!(link.stage, Stage::Word) {
            return Ok(());
        }
        link.down.extend_from_slice(bytes);
        link.read_at = notes.now;
        while let Some(frame) =
            split_frame(&mut link.down, LIMIT).map_err(|error| link.wrong(id, &error.to_string()))?
        {
            let was_open = matches!(link.stage, Stage::Open(_));
            link.take_reply(id, frame, truth, books, &mut notes)?;
            if let (false, Stage::Open(session)) = (was_open, &link.stage) {
                signs.greeted(*session, link.timeout, link.greeted_at);
            }
            if let (true, Stage::Open(session)) = (link.is_read_only, &link.stage) {
                books.local.insert(link.process, books.told.get(session).copied().unwrap_or_default());
            }
        }
        Ok(())
    }
}

impl Link {
    fn wrong(&self, id: u32, what: &str) -> Violation {
        Violation::new(CHECK, format!("client P{}, connection C{id}: {what}", self.process))
    }

    fn take_request(
        &mut self,
        id: u32,
        frame: Bytes,
        books: &mut Books,
        notes: &mut Notes<'_>,
    ) -> Result<(), Violation> {
        let Notes { now, coverage, trace } = notes;
        let now = *now;
        let mut input = Decoder::new(frame.clone());
        match self.stage {
            Stage::New => {
                let greeting: ConnectRequest = input.get().map_err(|error| self.wrong(id, &error.to_string()))?;
                let session = greeting.session_id;
                trace.note(now, || {
                    format!("P{} C{id} > greeting {session}, seen {}", self.process, greeting.last_zxid_seen)
                });
                (self.stage, self.greeted) = (Stage::Greeting(session), greeting.last_zxid_seen);
                self.greeted_at = now;
                // A session that a read-only server began by itself is not known elsewhere, and what it has seen counts on.
                let is_local = session == SessionId(0) && greeting.last_zxid_seen == self.local;
                let known = books.told.get(&session).copied().unwrap_or_default();
                if greeting.last_zxid_seen != known && !is_local {
                    let what =
                        format!("greets {session} with zxid {}, the replies showed {known}", greeting.last_zxid_seen);
                    return Err(self.wrong(id, &what));
                }
                Ok(())
            }
            Stage::Greeting(_) => Err(self.wrong(id, "writes a request before its greeting was answered")),
            Stage::Word => Ok(()),
            Stage::Ruined => Err(self.wrong(id, "writes a request on a connection whose replies are out of order")),
            Stage::Over => Err(self.wrong(id, "writes a request behind the end of its session")),
            Stage::Open(session) => {
                let RequestHeader { xid, op } = input.get().map_err(|error| self.wrong(id, &error.to_string()))?;
                coverage.count("operation", names::operation(op));
                let rest = frame.slice(8..);
                let path = match op {
                    OpCode::Ping | OpCode::CloseSession | OpCode::Multi | OpCode::MultiRead | OpCode::WhoAmI => None,
                    OpCode::SetWatches | OpCode::SetWatches2 => None,
                    _ => Decoder::new(rest.clone()).text().ok().flatten(),
                };
                let path = path.map(|path| path.as_str().to_owned()).unwrap_or_default();
                trace.note(now, || format!("P{} C{id} > #{xid} {op} {path}", self.process));
                match (op, xid) {
                    (OpCode::Ping, PING) => {
                        self.pings += 1;
                        return Ok(());
                    }
                    (OpCode::Auth, AUTH) => {
                        self.auths += 1;
                        self.credentials.insert(rest);
                        return Ok(());
                    }
                    (OpCode::SetWatches | OpCode::SetWatches2, SET_WATCHES) => {
                        let relative = Decoder::new(rest).long().unwrap_or_default();
                        let known = books.told.get(&session).copied().unwrap_or_default().max(self.greeted);
                        if relative > known.0 {
                            let what =
                                format!("sets watches again from {}, the replies showed {known}", Zxid(relative));
                            return Err(self.wrong(id, &what));
                        }
                        if !self.has_asked && relative != self.greeted.0 {
                            let what =
                                format!("sets watches again from {}, it greeted with {}", Zxid(relative), self.greeted);
                            return Err(self.wrong(id, &what));
                        }
                    }
                    (OpCode::CloseSession, _) => {
                        books.closing.insert(session);
                        self.stage = Stage::Open(session);
                    }
                    (OpCode::Sasl, _) => {}
                    _ if xid <= 0 => return Err(self.wrong(id, &format!("writes {op} with xid {xid}"))),
                    _ => self.has_asked = true,
                }
                if self.asked.iter().any(|asked| asked.xid == xid && xid > 0) {
                    return Err(self.wrong(id, &format!("writes xid {xid} again before it was answered")));
                }
                self.asked.push_back(Asked { xid, op, path });
                Ok(())
            }
        }
    }

    fn take_reply(
        &mut self,
        id: u32,
        frame: Bytes,
        truth: &Truth,
        books: &mut Books,
        notes: &mut Notes<'_>,
    ) -> Result<(), Violation> {
        let Notes { now, coverage, trace } = notes;
        let now = *now;
        let mut input = Decoder::new(frame.clone());
        match self.stage {
            Stage::Greeting(asked) => {
                // A read-only server without local sessions says so by a bare header.
                if frame.len() == 16 {
                    trace.note(now, || format!("P{} C{id} < turned away", self.process));
                    coverage.count("greeting", "turned away");
                    self.stage = Stage::Over;
                    return Ok(());
                }
                let greeting: ConnectResponse = input.get().map_err(|error| self.wrong(id, &error.to_string()))?;
                let (session, timeout_ms) = (greeting.session_id, greeting.timeout_ms);
                trace.note(now, || format!("P{} C{id} < greeting {session}, {timeout_ms} ms", self.process));
                let (name, stage) = match (timeout_ms <= 0, session == asked) {
                    (true, _) => ("refused", Stage::Over),
                    (false, true) => ("resumed", Stage::Open(session)),
                    (false, false) => ("new", Stage::Open(session)),
                };
                let name = if greeting.read_only == Some(true) { "read-only" } else { name };
                coverage.count("greeting", name);
                if timeout_ms > 0 {
                    let timeout = Duration::from_millis(timeout_ms.unsigned_abs().into());
                    self.timeout = timeout;
                }
                if session != asked && timeout_ms > 0 {
                    // What was seen in a session that a read-only server began by itself counts on.
                    books.told.insert(session, self.greeted);
                }
                (self.stage, self.is_read_only) = (stage, greeting.read_only == Some(true));
                Ok(())
            }
            Stage::Ruined => Ok(()),
            Stage::New | Stage::Word | Stage::Over => Err(self.wrong(id, "was told something that it did not ask")),
            Stage::Open(session) => {
                let header: ReplyHeader = input.get().map_err(|error| self.wrong(id, &error.to_string()))?;
                let ReplyHeader { xid, zxid, err } = header;
                match xid {
                    NOTIFICATION => {
                        let event: WatcherEvent = input.get().map_err(|error| self.wrong(id, &error.to_string()))?;
                        trace.note(now, || {
                            let path = event.path.as_ref().map_or("", |path| path.as_str());
                            format!("P{} C{id} < event {} {path} at {zxid}", self.process, event.event_type)
                        });
                        return Ok(());
                    }
                    PING => {
                        trace.note(now, || format!("P{} C{id} < pong", self.process));
                        self.pings = self.pings.checked_sub(1).ok_or_else(|| self.wrong(id, "an unasked pong"))?;
                        return Ok(());
                    }
                    AUTH => {
                        trace.note(now, || format!("P{} C{id} < auth: {err}", self.process));
                        self.auths = self.auths.checked_sub(1).ok_or_else(|| self.wrong(id, "an unasked auth"))?;
                        return Ok(());
                    }
                    _ => {}
                }
                let index = self.asked.iter().position(|asked| asked.xid == xid);
                let overtakes =
                    err == ErrorCode::Unimplemented || index.is_some_and(|index| self.asked[index].op == OpCode::Sasl);
                let asked = index.filter(|index| *index == 0 || overtakes).and_then(|index| self.asked.remove(index));
                let Some(asked) = asked else {
                    if self.is_spoilt {
                        self.stage = Stage::Ruined;
                        return Ok(());
                    }
                    return Err(self.wrong(id, &format!("a reply to xid {xid} out of order")));
                };
                trace.note(now, || {
                    format!("P{} C{id} < #{xid} {} {}: {err}, {zxid}", self.process, asked.op, asked.path)
                });
                if asked.op == OpCode::Sasl {
                    return Ok(());
                }
                let last = books.told.entry(session).or_default();
                if zxid < *last && zxid.0 > 0 {
                    return Err(self.wrong(id, &format!("is told {zxid} behind {last}")));
                }
                if xid != SET_WATCHES {
                    *last = zxid.max(*last);
                }
                compare(asked.op, &asked.path, &header, session, input, truth).map_err(|what| self.wrong(id, &what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zk_proto::{
        record::{GetDataRequest, GetDataResponse, SetWatches, Stat},
        wire::{Encoder, Jute},
    };

    use super::*;
    use crate::sim::ensemble::{Effect, Transaction};

    const SESSION: SessionId = SessionId(7);

    /// A wire with one connection after the other.
    struct Bench {
        wire: Wire,
        link: u32,
    }

    fn frame(parts: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
        let mut body = BytesMut::new();
        parts(&mut Encoder::new(&mut body));
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&len[..], &body].concat()
    }

    impl Bench {
        fn new() -> Self {
            let mut wire = Wire { truth: Truth::new(true), ..Wire::default() };
            wire.truth.found("/", None, &Stat::default());
            Self { wire, link: 0 }
        }

        fn sent(&mut self, bytes: &[u8]) -> Result<(), Violation> {
            let (mut coverage, mut trace) = Default::default();
            let notes = Notes { now: Instant::ORIGIN, coverage: &mut coverage, trace: &mut trace };
            self.wire.sent(self.link, bytes, notes)
        }

        fn read(&mut self, bytes: &[u8]) -> Result<(), Violation> {
            let (mut coverage, mut trace) = Default::default();
            let notes = Notes { now: Instant::ORIGIN, coverage: &mut coverage, trace: &mut trace };
            self.wire.read(self.link, bytes, notes)
        }

        /// Opens a connection and greets on it.
        fn greet(&mut self, session: SessionId, seen: i64) -> Result<(), Violation> {
            self.link += 1;
            self.wire.open(self.link, 1);
            let greeting =
                ConnectRequest { session_id: session, last_zxid_seen: Zxid(seen), ..ConnectRequest::default() };
            self.sent(&frame(|out| out.put(&greeting)))
        }

        fn welcome(&mut self) -> Result<(), Violation> {
            let welcome = ConnectResponse { timeout_ms: 5_000, session_id: SESSION, ..ConnectResponse::default() };
            self.read(&frame(|out| out.put(&welcome)))
        }

        fn connected() -> Self {
            let mut bench = Self::new();
            bench.greet(SessionId(0), 0).unwrap();
            bench.welcome().unwrap();
            bench
        }

        fn ask(&mut self, xid: i32, op: OpCode, record: &impl Jute) -> Result<(), Violation> {
            self.sent(&frame(|out| {
                out.put(&RequestHeader { xid, op });
                out.put(record);
            }))
        }

        fn get(&mut self, xid: i32) -> Result<(), Violation> {
            let get = GetDataRequest { path: Some("/".into()), watch: false };
            self.ask(xid, OpCode::GetData, &get)
        }

        fn reply(&mut self, xid: i32, zxid: i64) -> Result<(), Violation> {
            self.read(&frame(|out| {
                out.put(&ReplyHeader { xid, zxid: Zxid(zxid), err: ErrorCode::Ok });
                out.put(&GetDataResponse::default());
            }))
        }
    }

    fn what(found: Result<(), Violation>) -> String {
        found.map_or_else(|violation| violation.what, |()| "nothing".to_owned())
    }

    #[test]
    fn a_conversation_by_the_rules_is_well_in_pieces_of_any_size() {
        let mut bench = Bench::connected();
        bench.get(1).unwrap();
        bench.get(2).unwrap();
        bench.reply(1, 3).unwrap();
        bench.reply(2, 5).unwrap();

        bench.greet(SESSION, 5).unwrap();
        bench.welcome().unwrap();
        let bytes = frame(|out| {
            out.put(&RequestHeader { xid: SET_WATCHES, op: OpCode::SetWatches });
            out.put(&SetWatches { relative_zxid: Zxid(5), ..SetWatches::default() });
        });
        for byte in bytes {
            bench.sent(&[byte]).unwrap();
        }
    }

    #[test]
    fn a_greeting_says_what_the_replies_have_shown() {
        for (seen, is_right) in [(4, false), (5, true), (6, false)] {
            let mut bench = Bench::connected();
            bench.get(1).unwrap();
            bench.reply(1, 5).unwrap();
            assert_eq!(bench.greet(SESSION, seen).is_ok(), is_right, "{seen}");
        }
    }

    #[test]
    fn nothing_is_asked_before_the_greeting_is_answered() {
        let mut bench = Bench::new();
        bench.greet(SessionId(0), 0).unwrap();
        assert!(what(bench.get(1)).contains("before its greeting was answered"));
    }

    #[test]
    fn replies_come_in_order_and_transactions_do_not_go_back() {
        let mut bench = Bench::connected();
        bench.get(1).unwrap();
        bench.get(2).unwrap();
        assert!(what(bench.reply(2, 1)).contains("out of order"));

        let mut bench = Bench::connected();
        bench.get(1).unwrap();
        bench.get(2).unwrap();
        bench.reply(1, 5).unwrap();
        assert!(what(bench.reply(2, 4)).contains("is told 0x4 behind 0x5"));
    }

    #[test]
    fn watches_are_set_again_from_what_was_greeted_with() {
        let mut bench = Bench::connected();
        let watches = |zxid| SetWatches { relative_zxid: Zxid(zxid), ..SetWatches::default() };
        assert!(what(bench.ask(SET_WATCHES, OpCode::SetWatches, &watches(9))).contains("sets watches again"));
    }

    #[test]
    fn credentials_come_first_on_every_link() {
        let packet = |secret: &'static [u8]| zk_proto::record::AuthPacket {
            auth_type: 0,
            scheme: Some("digest".into()),
            auth: Bytes::from_static(secret).into(),
        };
        let mut bench = Bench::connected();
        bench.ask(AUTH, OpCode::Auth, &packet(b"a:b")).unwrap();
        bench.greet(SESSION, 0).unwrap();
        bench.welcome().unwrap();
        assert!(what(bench.get(1)).contains("before all of its credentials"));
    }

    #[test]
    fn a_read_shows_what_was_there_and_a_write_that_was_answered_is_in_the_history() {
        let mut bench = Bench::connected();
        let create = Effect::Created { path: "/a".into(), data: None, owner: None };
        let transaction = Transaction { zxid: Zxid(2), at: Instant::ORIGIN, session: SESSION, effects: vec![create] };
        bench.wire.truth.commit(&transaction).unwrap();
        bench.get(1).unwrap();
        assert!(what(bench.reply(1, 2)).contains("getData / shows"), "it has a child by now");

        for (zxid, is_right) in [(2, true), (3, false)] {
            let mut bench = Bench::connected();
            bench.wire.truth.commit(&transaction).unwrap();
            let delete = zk_proto::record::DeleteRequest { path: Some("/a".into()), version: -1 };
            bench.ask(1, OpCode::Delete, &delete).unwrap();
            let header = ReplyHeader { xid: 1, zxid: Zxid(zxid), err: ErrorCode::Ok };
            assert_eq!(bench.read(&frame(|out| out.put(&header))).is_ok(), is_right, "{zxid}");
        }
    }

    #[test]
    fn a_silent_server_is_to_be_left() {
        let bench = Bench::connected();
        let at = |ms| Instant::ORIGIN + Duration::from_millis(ms);
        let check = |ms, is_excused: bool| bench.wire.check_silence(at(ms), |_, _| is_excused).is_ok();

        assert_eq!([check(3_400, false), check(4_500, false), check(4_500, true)], [true, false, true]);
    }
}
