//! The server's side of the wire.

use bytes::{BufMut, Bytes, BytesMut};
use zk_proto::{
    SessionId, Zxid,
    code::{ErrorCode, EventType, KeeperState, OpCode},
    record::{
        ConnectResponse, GetDataResponse, ReplyHeader, RequestHeader, SetWatches, SetWatches2, Stat, WatcherEvent,
    },
    wire::{Decoder, Encoder, Jute, Text},
};

/// A request as the server reads it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) xid: i32,
    pub(crate) op: OpCode,
    /// The record behind the header.
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn read(frame: Bytes) -> Self {
        let mut input = Decoder::new(frame.clone());
        let RequestHeader { xid, op } = input.get().expect("a request begins with a header");
        Self { xid, op, body: frame.slice(frame.len() - input.remaining()..) }
    }

    /// Decodes the record.
    pub(crate) fn record<R: Jute>(&self) -> R {
        let mut input = Decoder::new(self.body.clone());
        let record = input.get().expect("the record fits the operation");
        assert_eq!(input.remaining(), 0, "bytes behind the record of {}", self.op);
        record
    }

    /// Returns the path, which is the first field of most records.
    pub(crate) fn path(&self) -> String {
        Decoder::new(self.body.clone()).required_text().expect("the record begins with a path").to_string()
    }
}

/// What a server says first.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) protocol_version: i32,
    pub(crate) timeout_ms: i32,
    pub(crate) session: i64,
    pub(crate) password: [u8; 16],
    pub(crate) read_only: Option<bool>,
}

impl Default for Greeting {
    /// Session 0x5e55 for 30 s, on a server that may write.
    fn default() -> Self {
        Self {
            protocol_version: 0,
            timeout_ms: 30_000,
            session: 0x5E55,
            password: *b"session-password",
            read_only: Some(false),
        }
    }
}

impl Greeting {
    /// What a server says to a session that it does not know or let expire.
    pub(crate) fn refused() -> Self {
        Self { timeout_ms: 0, session: 0, password: [0; 16], ..Self::default() }
    }

    pub(crate) fn read_only() -> Self {
        Self { read_only: Some(true), ..Self::default() }
    }

    pub(crate) fn frame(&self) -> Bytes {
        frame(&record(&ConnectResponse {
            protocol_version: self.protocol_version,
            timeout_ms: self.timeout_ms,
            session_id: SessionId(self.session),
            passwd: Bytes::copy_from_slice(&self.password).into(),
            read_only: self.read_only,
        }))
    }
}

/// Puts the length in front.
pub(crate) fn frame(body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + 4);
    out.put_i32(i32::try_from(body.len()).expect("a test frame is small"));
    out.put_slice(body);
    out.freeze()
}

/// Encodes a record.
pub(crate) fn record<R: Jute>(record: &R) -> Bytes {
    let mut out = BytesMut::new();
    record.encode(&mut Encoder::new(&mut out));
    out.freeze()
}

/// A whole reply.
pub(crate) fn reply(xid: i32, zxid: i64, err: ErrorCode, body: &[u8]) -> Bytes {
    let header = record(&ReplyHeader { xid, zxid: Zxid(zxid), err });
    frame(&[&header[..], body].concat())
}

/// A whole watch event. The number of the transaction is −1 before 3.9.
pub(crate) fn event(kind: EventType, path: &str, zxid: i64) -> Bytes {
    let event = WatcherEvent { event_type: kind, state: KeeperState::SyncConnected, path: Some(Text::from(path)) };
    reply(-1, zxid, ErrorCode::Ok, &record(&event))
}

/// The body of a reply to getData.
pub(crate) fn data(data: &[u8]) -> Bytes {
    record(&GetDataResponse { data: Some(Bytes::copy_from_slice(data)), stat: Stat::default() })
}

/// The body of a reply to exists and setData.
pub(crate) fn stat() -> Bytes {
    record(&Stat::default())
}

/// The lists of a setWatches or setWatches2, in the protocol's order; those that setWatches does not have are empty.
pub(crate) fn paths_of(asked: &Asked) -> (Zxid, [Vec<String>; 5]) {
    let texts = |list: Option<Vec<Option<Text>>>| {
        list.expect("a list is not null")
            .into_iter()
            .map(|path| path.expect("a path is not null").to_string())
            .collect()
    };
    match asked.op {
        OpCode::SetWatches => {
            let record: SetWatches = asked.record();
            let lists = [record.data_watches, record.exist_watches, record.child_watches];
            let [data, exist, child] = lists.map(texts);
            (record.relative_zxid, [data, exist, child, Vec::new(), Vec::new()])
        }
        OpCode::SetWatches2 => {
            let record: SetWatches2 = asked.record();
            let lists = [record.data_watches, record.exist_watches, record.child_watches];
            let [data, exist, child] = lists.map(texts);
            let [stay, recursive] = [record.persistent_watches, record.persistent_recursive_watches].map(texts);
            (record.relative_zxid, [data, exist, child, stay, recursive])
        }
        other => panic!("{other} where watches were to be set again"),
    }
}
