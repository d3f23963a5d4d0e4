//! Conversations that were recorded with a real server, held with the one in memory.
//!
//! What differs by nature is taken out of both sides: times, session ids and passwords, and the transaction from which the
//! recording begins.

mod memory_client;

use std::{fs, path::Path};

use memory_client::Client;
use zk_proto::{
    code::{CreateMode, OpCode},
    record::{RequestHeader, Value, record_type},
    wire::Decoder,
};
use zk_testing::TestServer;

/// Returns the frames of a recording, and who sent them. A frame that is `None` is the server's hanging up.
fn recording(name: &str) -> Vec<(bool, Option<Vec<u8>>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zk-proto/tests/data/vectors/transcripts").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let recording: serde_json::Value = serde_json::from_str(&text).expect("recordings are JSON");
    let byte = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("bytes are hexadecimal");
    let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| byte(hex, at)).collect();
    let frame =
        |frame: &serde_json::Value| (frame["direction"] == "client_to_server", frame["hex"].as_str().map(bytes));
    recording["frames"].as_array().expect("a recording has frames").iter().map(frame).collect()
}

/// Returns a frame of the server as a value, without what differs by nature.
fn normal(frame: &[u8], ops: &[(i32, OpCode)], base: &mut Option<i64>) -> Value {
    let mut body = Decoder::new(bytes::Bytes::copy_from_slice(frame));
    if frame.len() == 37 {
        return strip("", record_type("ConnectResponse").unwrap().decode(&mut body).unwrap(), 0);
    }
    let header = record_type("ReplyHeader").unwrap().decode(&mut body).unwrap();
    let number = |name: &str| match header.get(name) {
        Some(Value::Number(number)) => *number,
        other => panic!("no number: {other:?}"),
    };
    let base = *base.get_or_insert(number("zxid"));
    let xid = i32::try_from(number("xid")).unwrap();
    let op = ops.iter().find(|(other, _)| *other == xid).map_or(OpCode::Notification, |(_, op)| *op);
    let record = op.response_record().filter(|_| number("err") == 0);
    let body = record.map(|record| strip("", record_type(record).unwrap().decode(&mut body).unwrap(), base));
    Value::Record(vec![("header", strip("", header, base)), ("body", body.unwrap_or(Value::Null))])
}

fn strip(field: &str, value: Value, base: i64) -> Value {
    match value {
        Value::Number(_) if matches!(field, "ctime" | "mtime") => Value::Null,
        Value::Number(number) if matches!(field, "sessionId" | "ephemeralOwner") => Value::Boolean(number != 0),
        Value::Buffer(bytes) if field == "passwd" => Value::Boolean(bytes.iter().any(|byte| *byte != 0)),
        Value::Number(zxid) if zxid > 0 && matches!(field, "zxid" | "czxid" | "mzxid" | "pzxid") => {
            Value::Number(zxid - base)
        }
        Value::Record(fields) => {
            Value::Record(fields.into_iter().map(|(field, value)| (field, strip(field, value, base))).collect())
        }
        other => other,
    }
}

fn replay(name: &str, prepare: impl FnOnce(&mut Client)) {
    let server = TestServer::start().unwrap();
    prepare(&mut Client::connect(server.address()));
    let mut client = Client::dial(server.address());
    let (mut ops, mut theirs, mut ours) = (Vec::new(), None, None);
    for (position, (is_clients, frame)) in recording(name).into_iter().enumerate() {
        match (is_clients, frame) {
            (true, Some(bytes)) => {
                if position > 0 {
                    let request = bytes::Bytes::copy_from_slice(&bytes[4..]);
                    let header: RequestHeader = Decoder::new(request).get().expect("a request has a header");
                    ops.push((header.xid, header.op));
                }
                client.send_bytes(&bytes);
            }
            (false, Some(bytes)) => {
                let received = client.receive_raw().expect("the recording goes on");
                assert_eq!(normal(&received, &ops, &mut ours), normal(&bytes[4..], &ops, &mut theirs), "{name}");
            }
            (_, None) => assert!(client.is_hung_up(), "{name}"),
        }
    }
}

fn parents(client: &mut Client) {
    client.create("/vect", "", CreateMode::Persistent);
}

#[test]
fn the_event_of_an_own_change_comes_before_the_reply_as_recorded() {
    replay("own_watch_fires_before_own_reply.json", parents);
}

#[test]
fn the_end_of_a_session_is_told_to_itself_as_recorded() {
    replay("close_deletes_own_ephemeral.json", parents);
}

#[test]
fn an_unknown_session_is_refused_as_recorded() {
    replay("session_expired.json", |_| {});
}

#[test]
fn refused_authentication_ends_the_connection_as_recorded() {
    replay("auth_failed.json", |_| {});
}
