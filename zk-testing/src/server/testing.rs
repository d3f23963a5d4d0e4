//! A server in virtual time, and clients of raw frames, for tests.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use zk_proto::{
    Instant,
    code::{CreateMode, ErrorCode, EventType, OpCode},
    record::{
        Acl, ConnectRequest, ConnectResponse, CreateRequest, GetDataRequest, ReplyHeader, RequestHeader, WatcherEvent,
    },
    wire::{Decoder, Encoder, Jute, Secret, Text, split_frame},
};

use super::{ConnectionId, Options, Server};

pub(super) struct Bench {
    pub(super) server: Server,
    pub(super) now: Instant,
    last_xid: i32,
}

/// A frame that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: ReplyHeader,
    pub(crate) body: Bytes,
}

impl Frame {
    pub(crate) fn decode<T: Jute>(&self) -> T {
        Decoder::new(self.body.clone()).get().unwrap()
    }

    /// Returns what an event tells.
    pub(crate) fn event(&self) -> (EventType, String) {
        assert_eq!(self.header.xid, -1, "no event: {self:?}");
        let event: WatcherEvent = self.decode();
        (event.event_type, event.path.unwrap().into())
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        Self { server: Server::new(options, 1), now: Instant::ORIGIN, last_xid: 0 }
    }

    pub(super) fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now);
        }
        self.now = until;
    }

    /// Opens a connection without a word.
    pub(super) fn dial(&mut self) -> ConnectionId {
        self.server.connect(([127, 0, 0, 1], 50_000).into(), self.now)
    }

    /// Opens a connection and a session of 10 seconds.
    pub(super) fn connect(&mut self) -> ConnectionId {
        self.greet(&greeting()).0
    }

    /// Opens a connection with this greeting, and returns the answer.
    pub(super) fn greet(&mut self, request: &ConnectRequest) -> (ConnectionId, Option<ConnectResponse>) {
        let connection = self.dial();
        self.input(connection, &frame(|out| out.put(request)));
        let answer = self.output(connection);
        (connection, answer.first().map(|body| Decoder::new(body.clone()).get().unwrap()))
    }

    /// Greets with the credentials that another greeting gave.
    pub(super) fn greet_again(&mut self, response: &ConnectResponse) -> (ConnectionId, Option<ConnectResponse>) {
        let passwd = response.passwd.clone();
        self.greet(&ConnectRequest { session_id: response.session_id, passwd, ..greeting() })
    }

    pub(super) fn input(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let mut input = BytesMut::from(bytes);
        self.server.handle_input(connection, &mut input, self.now);
    }

    /// Returns the frames that the server has for a connection.
    pub(super) fn output(&mut self, connection: ConnectionId) -> Vec<Bytes> {
        while self.server.poll_ready().is_some() {}
        let mut output = BytesMut::new();
        while let Some(bytes) = self.server.poll_transmit(connection) {
            output.extend_from_slice(&bytes);
        }
        let frames = std::iter::from_fn(|| split_frame(&mut output, usize::MAX).unwrap()).collect();
        assert!(output.is_empty(), "half a frame: {output:?}");
        frames
    }

    pub(super) fn frames(&mut self, connection: ConnectionId) -> Vec<Frame> {
        let frame = |mut body: Bytes| {
            let header = Decoder::new(body.split_to(16)).get().unwrap();
            Frame { header, body }
        };
        self.output(connection).into_iter().map(frame).collect()
    }

    /// Returns what the events tell that the server has for a connection.
    pub(super) fn events(&mut self, connection: ConnectionId) -> Vec<(EventType, String)> {
        self.frames(connection).iter().map(Frame::event).collect()
    }

    /// Sends a request, and returns all frames that come.
    pub(super) fn exchange<T: Jute>(&mut self, connection: ConnectionId, op: OpCode, request: &T) -> Vec<Frame> {
        self.last_xid += 1;
        let xid = self.last_xid;
        let request = frame(|out| {
            out.put(&RequestHeader { xid, op });
            out.put(request);
        });
        self.input(connection, &request);
        self.frames(connection)
    }

    /// Sends a request, and returns the reply.
    pub(super) fn call<T: Jute>(&mut self, connection: ConnectionId, op: OpCode, request: &T) -> Frame {
        self.exchange(connection, op, request).pop().expect("a request is answered")
    }

    /// Sends a request without a body, and returns the reply.
    pub(super) fn ask(&mut self, connection: ConnectionId, op: OpCode) -> Frame {
        self.call(connection, op, &NOTHING)
    }

    pub(super) fn create(&mut self, connection: ConnectionId, path: &str, mode: CreateMode) -> ErrorCode {
        self.call(connection, OpCode::Create, &create(path, mode)).header.err
    }

    /// Sends a read that leaves a watch.
    pub(super) fn watch(&mut self, connection: ConnectionId, op: OpCode, path: &str) -> ErrorCode {
        self.call(connection, op, &GetDataRequest { path: text(path), watch: true }).header.err
    }

    pub(super) fn wants_close(&self, connection: ConnectionId) -> bool {
        self.server.wants_close(connection)
    }
}

/// The body of a request that has none.
pub(crate) const NOTHING: Option<bool> = None;

pub(crate) fn frame(write: impl FnOnce(&mut Encoder<'_>)) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    write(&mut Encoder::new(&mut frame));
    let len = i32::try_from(frame.remaining() - 4).unwrap();
    frame[..4].copy_from_slice(&len.to_be_bytes());
    frame
}

pub(crate) fn greeting() -> ConnectRequest {
    let passwd = Secret::from(vec![0; 16]);
    ConnectRequest { timeout_ms: 10_000, passwd, read_only: Some(false), ..ConnectRequest::default() }
}

pub(crate) fn create(path: &str, mode: CreateMode) -> CreateRequest {
    CreateRequest { path: text(path), data: Some(Bytes::from_static(b"data")), acl: Some(Acl::open()), mode }
}

pub(crate) fn text(text: &str) -> Option<Text> {
    Some(Text::from(text))
}
