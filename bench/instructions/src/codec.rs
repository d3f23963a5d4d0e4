//! Requests to bytes, and bytes to replies.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use zk_proto::{
    SessionId, Zxid,
    code::ErrorCode,
    record::{ConnectResponse, GetDataResponse, ReplyHeader, Stat},
    request::{Create2, Delete, GetChildren2, GetData, Multi, Op, Request, SetData, Version},
    wire::{Decoder, Encoder, Jute, split_frame},
};

pub(crate) const PATH: &str = "/bench/small";
pub(crate) const DATA: [u8; 100] = [b'x'; 100];

/// A batch leaves the buffer as one; then it begins anew.
const BATCH: usize = 1000;

pub(crate) fn encode_get_data(iterations: usize) {
    encode(iterations, &GetData::new(PATH));
}

pub(crate) fn encode_set_data(iterations: usize) {
    encode(iterations, &SetData { path: PATH, data: (&DATA).into(), version: Version::Any });
}

pub(crate) fn encode_multi(iterations: usize) {
    let multi = Multi {
        ops: vec![
            Op::Create(Create2::new("/bench/a", &DATA)),
            Op::SetData(SetData { path: "/bench/b", data: (&DATA).into(), version: Version::Exactly(3) }),
            Op::Delete(Delete { path: "/bench/c", version: Version::Any }),
        ],
    };
    encode(iterations, &multi);
}

fn encode(iterations: usize, request: &impl Request) {
    let mut buffer = BytesMut::new();
    for iteration in 0..iterations {
        if iteration.is_multiple_of(BATCH) {
            buffer.clear();
        }
        black_box(request).encode(&mut Encoder::new(&mut buffer));
    }
    assert!(!black_box(buffer).is_empty());
}

pub(crate) fn decode_get_data(iterations: usize) {
    decode::<GetData<'_>>(
        iterations,
        &body(&GetDataResponse { data: Some(DATA.to_vec().into()), stat: Stat::default() }),
    );
}

/// A hundred children.
pub(crate) fn decode_children(iterations: usize) {
    let mut encoded = BytesMut::new();
    let mut out = Encoder::new(&mut encoded);
    out.int(100);
    (0..100).for_each(|number| out.text(&format!("member-{number:010}")));
    out.put(&Stat::default());
    decode::<GetChildren2<'_>>(iterations, &encoded.freeze());
}

fn decode<R: Request>(iterations: usize, body: &Bytes) {
    for _ in 0..iterations {
        let reply = R::decode(&mut Decoder::new(black_box(body).clone()));
        assert!(black_box(reply).is_ok(), "the reply is good");
    }
}

pub(crate) fn split_frames(iterations: usize) {
    let frame = get_data_reply(1);
    for _ in 0..iterations.div_ceil(BATCH) {
        let mut input = BytesMut::from(&frame.repeat(BATCH)[..]);
        let mut count = 0;
        while let Ok(Some(frame)) = split_frame(&mut input, 1 << 20) {
            black_box(frame);
            count += 1;
        }
        assert_eq!(count, BATCH);
    }
}

/// Returns a server's greeting.
pub(crate) fn greeting() -> Vec<u8> {
    framed(&[&body(&ConnectResponse {
        protocol_version: 0,
        timeout_ms: 30_000,
        session_id: SessionId(7),
        passwd: vec![1; 16].into(),
        read_only: Some(false),
    })])
}

/// Returns a server's reply to a read.
pub(crate) fn get_data_reply(xid: i32) -> Vec<u8> {
    framed(&[&header(xid), &body(&GetDataResponse { data: Some(DATA.to_vec().into()), stat: Stat::default() })])
}

/// Returns a server's reply to a write.
pub(crate) fn set_data_reply(xid: i32) -> Vec<u8> {
    framed(&[&header(xid), &body(&Stat::default())])
}

/// Returns the event of a node that was changed.
pub(crate) fn event(path: &str) -> Vec<u8> {
    let mut encoded = BytesMut::new();
    let mut out = Encoder::new(&mut encoded);
    // The data was changed; connected.
    out.int(3);
    out.int(3);
    out.text(path);
    framed(&[&body(&ReplyHeader { xid: -1, zxid: Zxid(-1), err: ErrorCode::Ok }), &encoded])
}

fn header(xid: i32) -> Bytes {
    body(&ReplyHeader { xid, zxid: Zxid(1), err: ErrorCode::Ok })
}

fn body(record: &impl Jute) -> Bytes {
    let mut encoded = BytesMut::new();
    record.encode(&mut Encoder::new(&mut encoded));
    encoded.freeze()
}

fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&u32::try_from(body.len()).expect("a small frame").to_be_bytes(), &body[..]].concat()
}
