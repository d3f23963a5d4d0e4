//! A server of a few lines: a node's data is its path, and a write fires every watch on its node.

use bytes::{Bytes, BytesMut};

use super::net::{Connection, Net};
use crate::{
    SessionId, Zxid,
    code::{ErrorCode, EventType, KeeperState, OpCode},
    record::{
        ConnectResponse, GetDataRequest, GetDataResponse, ReplyHeader, RequestHeader, SetDataRequest, SetDataResponse,
        Stat, WatcherEvent,
    },
    wire::{Decoder, Encoder, Jute, Secret},
};

/// What it does besides answering.
#[derive(Clone, Copy, Default)]
pub(super) struct Manner {
    /// It hangs up once, when it was asked so many times and has not answered the last of them.
    pub(super) hangs_up_after: Option<usize>,
}

/// Serves one client until there are no more connections, and returns how many requests it has carried out.
pub(super) fn serve(net: &Net, manner: Manner) -> usize {
    let mut server = Server { manner, asked: 0, carried_out: 0, zxid: 0 };
    while let Some(connection) = net.accept() {
        server.serve(&connection);
        connection.close();
    }
    server.carried_out
}

struct Server {
    manner: Manner,
    asked: usize,
    carried_out: usize,
    zxid: i64,
}

impl Server {
    fn serve(&mut self, connection: &Connection) {
        let Some(_greeting) = connection.frame() else { return };
        connection.send(&encode(&[&ConnectResponse {
            protocol_version: 0,
            timeout_ms: 10_000,
            session_id: SessionId(0x5E55),
            passwd: Secret(Some(Bytes::from_static(&[7; 16]))),
            read_only: Some(false),
        }]));
        let mut watched = Vec::new();
        while let Some(frame) = connection.frame() {
            let mut request = Decoder::new(frame.freeze());
            let header: RequestHeader = request.get().unwrap();
            self.asked += 1;
            if self.manner.hangs_up_after == Some(self.asked) {
                return;
            }
            self.carried_out += 1;
            self.zxid += 1;
            match header.op {
                OpCode::GetData => {
                    let GetDataRequest { path, watch } = request.get().unwrap();
                    if watch {
                        watched.push(path.clone());
                    }
                    let data = path.map(|path| path.as_wire().clone());
                    self.reply(connection, &header, &GetDataResponse { data, stat: Stat::default() });
                }
                OpCode::SetData => {
                    let SetDataRequest { path, .. } = request.get().unwrap();
                    for _ in watched.iter().filter(|watched| **watched == path) {
                        let path = path.clone();
                        let event_type = EventType::NodeDataChanged;
                        let event = WatcherEvent { event_type, state: KeeperState::SyncConnected, path };
                        let header = ReplyHeader { xid: -1, zxid: Zxid(self.zxid), err: ErrorCode::Ok };
                        connection.send(&encode(&[&header, &event]));
                    }
                    watched.retain(|watched| *watched != path);
                    self.reply(connection, &header, &SetDataResponse { stat: Stat::default() });
                }
                OpCode::CloseSession => {
                    connection.send(&encode(&[&self.header(&header)]));
                    return;
                }
                _ => connection.send(&encode(&[&self.header(&header)])),
            }
        }
    }

    fn header(&self, request: &RequestHeader) -> ReplyHeader {
        ReplyHeader { xid: request.xid, zxid: Zxid(self.zxid), err: ErrorCode::Ok }
    }

    fn reply(&self, connection: &Connection, request: &RequestHeader, body: &dyn Record) {
        connection.send(&encode(&[&self.header(request), body]));
    }
}

/// What can be put into a frame.
trait Record {
    fn put(&self, out: &mut Encoder<'_>);
}

impl<T: Jute> Record for T {
    fn put(&self, out: &mut Encoder<'_>) {
        out.put(self);
    }
}

fn encode(records: &[&dyn Record]) -> BytesMut {
    let mut frame = BytesMut::new();
    let mut out = Encoder::new(&mut frame);
    records.iter().for_each(|record| record.put(&mut out));
    frame
}
