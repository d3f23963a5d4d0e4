//! An ensemble in virtual time, and clients of raw frames.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use zk_proto::{
    Instant, SessionId, Zxid,
    code::{CreateMode, ErrorCode, OpCode},
    record::{
        ConnectRequest, ConnectResponse, GetDataRequest, GetDataResponse, RequestHeader, SetDataRequest, SyncRequest,
    },
    wire::{Decoder, Jute, split_frame},
};

use crate::{
    server::testing::{Frame, create, frame, greeting, text},
    sim::ensemble::{Endpoint, Ensemble, EnsembleOptions, Transaction},
};

/// How long messages between servers take at most here.
pub(super) const LAG: Duration = Duration::from_millis(100);

/// How long a reply is waited for: less than a sync limit.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Bench {
    pub(super) ensemble: Ensemble,
    pub(super) now: Instant,
    last_xid: i32,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut EnsembleOptions)) -> Self {
        let mut options = EnsembleOptions { lag: LAG, ..EnsembleOptions::default() };
        change(&mut options);
        Self { ensemble: Ensemble::new(options, 1), now: Instant::ORIGIN, last_xid: 0 }
    }

    pub(super) fn leader(&self) -> usize {
        self.ensemble.leader().expect("somebody leads")
    }

    /// Returns the servers that do not lead.
    pub(super) fn followers(&self) -> Vec<usize> {
        (0..self.ensemble.len()).filter(|server| Some(*server) != self.ensemble.leader()).collect()
    }

    pub(super) fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// Goes on to what is due next. Returns false where nothing is until then.
    fn step(&mut self, until: Instant) -> bool {
        let Some(due) = self.ensemble.poll_timeout().filter(|due| *due <= until) else { return false };
        self.now = self.now.max(due);
        self.ensemble.handle_timeout(self.now);
        true
    }

    pub(super) fn dial(&mut self, server: usize) -> Option<Endpoint> {
        self.ensemble.connect(server, ([127, 0, 0, 1], 50_000).into(), self.now)
    }

    /// Opens a connection and a session of 10 seconds.
    pub(super) fn connect(&mut self, server: usize) -> Endpoint {
        let (at, answer) = self.greet(server, &greeting());
        assert!(answer.is_some_and(|answer| answer.timeout_ms > 0), "server {server} makes no session");
        at
    }

    /// Opens a connection with this greeting, and returns the answer, if there is one.
    pub(super) fn greet(&mut self, server: usize, request: &ConnectRequest) -> (Endpoint, Option<ConnectResponse>) {
        let at = self.dial(server).expect("the server listens");
        self.input(at, &frame(|out| out.put(request)));
        let until = self.now + PATIENCE;
        loop {
            if let Some(answer) = self.output(at).first() {
                return (at, Some(Decoder::new(answer.clone()).get().unwrap()));
            }
            if self.ensemble.wants_close(at) || !self.step(until) {
                return (at, None);
            }
        }
    }

    /// Greets with the credentials that another greeting gave.
    pub(super) fn greet_again(
        &mut self,
        server: usize,
        response: &ConnectResponse,
    ) -> (Endpoint, Option<ConnectResponse>) {
        let passwd = response.passwd.clone();
        self.greet(server, &ConnectRequest { session_id: response.session_id, passwd, ..greeting() })
    }

    pub(super) fn input(&mut self, at: Endpoint, bytes: &[u8]) {
        let mut input = BytesMut::from(bytes);
        self.ensemble.handle_input(at, &mut input, self.now);
        assert!(input.is_empty(), "input is left: {input:?}");
    }

    /// Returns the frames that the server has for a connection.
    pub(super) fn output(&mut self, at: Endpoint) -> Vec<Bytes> {
        while self.ensemble.poll_ready().is_some() {}
        let mut output = BytesMut::new();
        while let Some(bytes) = self.ensemble.poll_transmit(at) {
            output.extend_from_slice(&bytes);
        }
        std::iter::from_fn(|| split_frame(&mut output, usize::MAX).unwrap()).collect()
    }

    pub(super) fn frames(&mut self, at: Endpoint) -> Vec<Frame> {
        let frame = |mut body: Bytes| {
            let header = Decoder::new(body.split_to(16)).get().unwrap();
            Frame { header, body }
        };
        self.output(at).into_iter().map(frame).collect()
    }

    /// Sends a request, and returns its xid.
    pub(super) fn send<T: Jute>(&mut self, at: Endpoint, op: OpCode, request: &T) -> i32 {
        self.last_xid += 1;
        let xid = self.last_xid;
        let request = frame(|out| {
            out.put(&RequestHeader { xid, op });
            out.put(request);
        });
        self.input(at, &request);
        xid
    }

    /// Sends a request, and returns all frames that come up to its reply, the last one; nothing when none comes.
    pub(super) fn exchange<T: Jute>(&mut self, at: Endpoint, op: OpCode, request: &T) -> Vec<Frame> {
        let xid = if op == OpCode::Ping { -2 } else { self.last_xid + 1 };
        self.send(at, op, request);
        let until = self.now + PATIENCE;
        let mut frames = Vec::new();
        loop {
            frames.extend(self.frames(at));
            if frames.last().is_some_and(|frame: &Frame| frame.header.xid == xid) {
                return frames;
            }
            if self.ensemble.wants_close(at) || !self.step(until) {
                return Vec::new();
            }
        }
    }

    /// Sends a request, and returns the reply.
    pub(super) fn call<T: Jute>(&mut self, at: Endpoint, op: OpCode, request: &T) -> Frame {
        self.exchange(at, op, request).pop().unwrap_or_else(|| panic!("{op} is not answered"))
    }

    pub(super) fn create(&mut self, at: Endpoint, path: &str, mode: CreateMode) -> ErrorCode {
        self.call(at, OpCode::Create, &create(path, mode)).header.err
    }

    pub(super) fn set(&mut self, at: Endpoint, path: &str, data: &str) -> ErrorCode {
        self.call(at, OpCode::SetData, &set(path, data)).header.err
    }

    /// Returns what a server says that a node holds.
    pub(super) fn data(&mut self, at: Endpoint, path: &str) -> Option<String> {
        let reply = self.call(at, OpCode::GetData, &GetDataRequest { path: text(path), watch: false });
        (reply.header.err == ErrorCode::Ok).then(|| {
            let data = reply.decode::<GetDataResponse>().data.unwrap_or_default();
            String::from_utf8(data.chunk().to_vec()).unwrap()
        })
    }

    pub(super) fn sync(&mut self, at: Endpoint) -> ErrorCode {
        self.call(at, OpCode::Sync, &SyncRequest { path: text("/") }).header.err
    }

    /// Returns what the committed node holds.
    pub(super) fn truth(&self, path: &str) -> Option<String> {
        let node = self.ensemble.node(path)?;
        Some(String::from_utf8(node.data.unwrap_or_default().to_vec()).unwrap())
    }

    pub(super) fn is_dropped(&self, at: Endpoint) -> bool {
        self.ensemble.wants_close(at)
    }
}

/// What only tests look at and do.
impl Ensemble {
    /// Returns the number of the last transaction that was committed.
    pub(super) fn zxid(&self) -> Zxid {
        self.truth.zxid()
    }

    /// Returns the number of the last transaction that a server has carried out.
    pub(super) fn zxid_at(&self, server: usize) -> Zxid {
        self.members[server].machine.zxid()
    }

    /// Returns what was committed, and was not taken.
    pub(super) fn history(&self) -> &[Transaction] {
        &self.history
    }

    /// Returns when a session expires, if the leader does not hear of it.
    pub(super) fn expiry(&self, session: SessionId) -> Option<Instant> {
        self.sessions().into_iter().find(|info| info.id == session)?.expires
    }

    /// Loses the reply of a server to the next request of this operation.
    pub(super) fn swallow(&mut self, server: usize, op: OpCode) {
        self.members[server].machine.swallow_reply(op);
    }
}

pub(super) fn set(path: &str, data: &str) -> SetDataRequest {
    SetDataRequest { path: text(path), data: Some(Bytes::copy_from_slice(data.as_bytes())), version: -1 }
}
