//! A client of raw frames, for tests that want to see each of them.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use zk_proto::{
    SessionId,
    acl::Perms,
    code::{CreateMode, ErrorCode, OpCode},
    record::{Acl, ConnectRequest, ConnectResponse, CreateRequest, ReplyHeader, RequestHeader, Value, record_type},
    wire::{Decoder, Encoder, Jute, Secret, Text, split_frame},
};

/// Longer than any answer takes, shorter than the patience of a test runner.
const PATIENCE: Duration = Duration::from_secs(20);

/// Beyond any reply in these tests.
const FRAME_LIMIT: usize = 16 << 20;

/// The length of a reply's header.
const HEADER_BYTES: usize = 16;

pub(crate) mod trace;

pub(crate) struct Client {
    stream: TcpStream,
    input: BytesMut,
    last_xid: i32,
    pub(crate) session: ConnectResponse,
}

/// A frame behind the greeting.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) header: ReplyHeader,
    pub(crate) body: Bytes,
}

impl Frame {
    pub(crate) fn decode<T: Jute>(&self) -> T {
        Decoder::new(self.body.clone()).get().expect("the server sends what belongs to the operation")
    }

    /// Returns the body as the record of that name.
    pub(crate) fn value(&self, record: &str) -> Value {
        let record = record_type(record).expect("there is such a record");
        record.decode(&mut Decoder::new(self.body.clone())).expect("the server sends what belongs to the operation")
    }
}

impl Client {
    /// Opens a connection without a word.
    pub(crate) fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes options");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes options");
        Self { stream, input: BytesMut::new(), last_xid: 0, session: ConnectResponse::default() }
    }

    /// Opens a connection and a session.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::greet(address, &greeting(10_000)).expect("a server takes new sessions")
    }

    /// Opens a connection with this greeting. `None` where the server hangs up instead of an answer.
    pub(crate) fn greet(address: SocketAddr, request: &ConnectRequest) -> Option<Self> {
        let mut client = Self::dial(address);
        client.send_frame(|out| out.put(request));
        let body = client.receive_raw()?;
        client.session = Decoder::new(body).get().expect("a greeting is answered by a greeting");
        Some(client)
    }

    /// Returns the greeting that takes the session up again.
    pub(crate) fn credentials(&self) -> ConnectRequest {
        let passwd = Secret::from(self.session.passwd.as_bytes().to_vec());
        ConnectRequest { session_id: self.session.session_id, passwd, ..greeting(self.session.timeout_ms) }
    }

    pub(crate) fn session_id(&self) -> SessionId {
        self.session.session_id
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        // The server may have hung up already, which the next receive tells.
        _ = self.stream.write_all(bytes);
    }

    pub(crate) fn send_frame(&mut self, write: impl FnOnce(&mut Encoder<'_>)) {
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        write(&mut Encoder::new(&mut frame));
        let len = i32::try_from(frame.len() - 4).expect("frames of tests are small");
        frame[..4].copy_from_slice(&len.to_be_bytes());
        self.send_bytes(&frame);
    }

    /// Sends a request and returns its xid.
    pub(crate) fn send(&mut self, op: OpCode, write: impl FnOnce(&mut Encoder<'_>)) -> i32 {
        let xid = self.next_xid(op);
        self.send_frame(|out| {
            out.put(&RequestHeader { xid, op });
            write(out);
        });
        xid
    }

    /// Sends a request with this body, and returns its xid.
    pub(crate) fn send_body(&mut self, op: OpCode, body: &[u8]) -> i32 {
        let mut request = BytesMut::new();
        let xid = self.next_xid(op);
        Encoder::new(&mut request).put(&RequestHeader { xid, op });
        request.extend_from_slice(body);
        let len = i32::try_from(request.len()).expect("frames of tests are small");
        self.send_bytes(&[&len.to_be_bytes()[..], &request].concat());
        xid
    }

    fn next_xid(&mut self, op: OpCode) -> i32 {
        self.last_xid += 1;
        match op {
            OpCode::Ping => -2,
            OpCode::Auth => -4,
            _ => self.last_xid,
        }
    }

    /// Returns the body of the next frame; `None` where the server hangs up.
    pub(crate) fn receive_raw(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = split_frame(&mut self.input, FRAME_LIMIT).expect("a server sends no huge frames") {
                return Some(frame);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }

    pub(crate) fn receive(&mut self) -> Option<Frame> {
        let mut body = self.receive_raw()?;
        let header = Decoder::new(body.split_to(HEADER_BYTES.min(body.len()))).get().expect("a frame has a header");
        Some(Frame { header, body })
    }

    /// Returns the text up to the end of the connection.
    pub(crate) fn receive_text(&mut self) -> String {
        let mut text = self.input.split().to_vec();
        _ = self.stream.read_to_end(&mut text);
        String::from_utf8(text).expect("words are answered in text")
    }

    /// Sends a request and returns the frames up to its reply, which is the last.
    pub(crate) fn exchange(&mut self, op: OpCode, write: impl FnOnce(&mut Encoder<'_>)) -> Vec<Frame> {
        let xid = self.send(op, write);
        self.frames_up_to(xid)
    }

    /// Returns the frames up to the reply with this xid, which is the last.
    pub(crate) fn frames_up_to(&mut self, xid: i32) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.receive().expect("the server answers");
            let is_reply = frame.header.xid == xid;
            frames.push(frame);
            if is_reply {
                return frames;
            }
        }
    }

    /// Sends a request and returns the reply.
    pub(crate) fn call<T: Jute>(&mut self, op: OpCode, request: &T) -> Frame {
        self.exchange(op, |out| out.put(request)).pop().expect("the reply is the last")
    }

    /// Creates a node for everybody, and returns the error.
    pub(crate) fn create(&mut self, path: &str, data: &str, mode: CreateMode) -> ErrorCode {
        self.call(OpCode::Create, &create(path, data, mode)).header.err
    }

    /// Returns the events that have come, by asking for a ping.
    pub(crate) fn events(&mut self) -> Vec<Frame> {
        let mut frames = self.exchange(OpCode::Ping, |_| {});
        frames.pop();
        frames
    }

    /// Returns whether the server hangs up, without another frame.
    pub(crate) fn is_hung_up(&mut self) -> bool {
        self.receive_raw().is_none()
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).expect("a socket takes options");
    }
}

pub(crate) fn greeting(timeout_ms: i32) -> ConnectRequest {
    ConnectRequest {
        timeout_ms,
        passwd: Secret::from(vec![0; 16]),
        read_only: Some(false),
        ..ConnectRequest::default()
    }
}

pub(crate) fn create(path: &str, data: &str, mode: CreateMode) -> CreateRequest {
    CreateRequest {
        path: text(path),
        data: Some(Bytes::copy_from_slice(data.as_bytes())),
        acl: Some(Acl::open()),
        mode,
    }
}

pub(crate) fn text(text: &str) -> Option<Text> {
    Some(Text::from(text))
}

pub(crate) fn acl(perms: Perms, scheme: &str, id: &str) -> Acl {
    Acl::new(perms, scheme, id)
}
