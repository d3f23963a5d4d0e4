//! Random requests over a handful of nodes.

use bytes::BytesMut;
use zk_proto::{
    Zxid,
    code::{AddWatchMode, CreateMode, OpCode, WatcherType},
    record::{
        Acl, AddWatchRequest, AuthPacket, CheckVersionRequest, CheckWatchesRequest, CreateTtlRequest, DeleteRequest,
        GetDataRequest, MultiEntry, MultiHeader, MultiOp, MultiRequest, RequestHeader, SetAclRequest, SetDataRequest,
        SetWatches2, SyncRequest,
    },
    wire::{Encoder, Secret, Text},
};

use crate::{
    server::testing::{create, frame, text},
    sim::dice::Dice,
};

const PATHS: [&str; 8] = ["/a", "/b", "/a/x", "/a/y", "/a/x/1", "/b/s-", "/", "/none/x"];

/// Returns the frame of a request.
pub(super) fn request(dice: &mut Dice, xid: i32) -> BytesMut {
    let at = dice.choose(&PATHS);
    let version = dice.choose(&[-1, -1, -1, 0, 1]);
    match dice.below(20) {
        0..=3 => {
            let mode = dice.choose(&[
                CreateMode::Persistent,
                CreateMode::Persistent,
                CreateMode::Ephemeral,
                CreateMode::PersistentSequential,
                CreateMode::EphemeralSequential,
            ]);
            let op = dice.choose(&[OpCode::Create, OpCode::Create2]);
            let mut request = create(at, mode);
            if dice.once_in(8) {
                request.acl = Some(Acl::creator_all());
            }
            put(xid, op, |out| out.put(&request))
        }
        4 => put(xid, OpCode::CreateContainer, |out| out.put(&create(at, CreateMode::Container))),
        5 => {
            let request = create(at, CreateMode::PersistentWithTtl);
            let (path, data, acl, mode) = (request.path, request.data, request.acl, request.mode);
            put(xid, OpCode::CreateTtl, |out| out.put(&CreateTtlRequest { path, data, acl, mode, ttl: 2000 }))
        }
        6 | 7 => put(xid, OpCode::Delete, |out| out.put(&DeleteRequest { path: text(at), version })),
        8 | 9 => put(xid, OpCode::SetData, |out| out.put(&set(at, version, xid))),
        10 => put(xid, OpCode::SetAcl, |out| {
            out.put(&SetAclRequest { path: text(at), acl: Some(Acl::open()), version });
        }),
        11 => {
            let entry = |op, body| MultiEntry { header: MultiHeader { op, done: false, ..MultiHeader::END }, body };
            let other = dice.choose(&PATHS);
            let entries = vec![
                entry(OpCode::Check, MultiOp::Check(CheckVersionRequest { path: text(other), version })),
                entry(OpCode::Create, MultiOp::Create(create(at, CreateMode::Ephemeral))),
                entry(OpCode::SetData, MultiOp::SetData(set(other, -1, xid))),
            ];
            put(xid, OpCode::Multi, |out| out.put(&MultiRequest { entries, end: MultiHeader::END }))
        }
        12..=14 => {
            let op = dice.choose(&[OpCode::GetData, OpCode::Exists, OpCode::GetChildren2]);
            let watch = dice.once_in(2);
            put(xid, op, |out| out.put(&GetDataRequest { path: text(at), watch }))
        }
        15 => put(xid, OpCode::Sync, |out| out.put(&SyncRequest { path: text(at) })),
        16 => {
            let mode = dice.choose(&[AddWatchMode::Persistent, AddWatchMode::PersistentRecursive]);
            put(xid, OpCode::AddWatch, |out| out.put(&AddWatchRequest { path: text(at), mode }))
        }
        17 => {
            let paths = || Some(vec![text(at)]);
            let request = SetWatches2 {
                relative_zxid: Zxid(i64::from(xid)),
                data_watches: paths(),
                exist_watches: paths(),
                child_watches: paths(),
                persistent_watches: paths(),
                persistent_recursive_watches: paths(),
            };
            put(xid, OpCode::SetWatches2, |out| out.put(&request))
        }
        18 => {
            let request = CheckWatchesRequest { path: text(at), watcher_type: WatcherType::Any };
            put(xid, OpCode::RemoveWatches, |out| out.put(&request))
        }
        _ => match dice.below(8) {
            0 => put(xid, OpCode::CloseSession, |_| {}),
            1 => put(xid, OpCode::Unknown(77), |_| {}),
            2 => put(xid, OpCode::SetData, |_| {}),
            3 => {
                let auth = Secret::from("ann:secret");
                let packet = AuthPacket { auth_type: 0, scheme: Some(Text::from("digest")), auth };
                put(-4, OpCode::Auth, |out| out.put(&packet))
            }
            _ => put(-2, OpCode::Ping, |_| {}),
        },
    }
}

fn set(path: &str, version: i32, xid: i32) -> SetDataRequest {
    SetDataRequest { path: text(path), data: Some(xid.to_string().into_bytes().into()), version }
}

fn put(xid: i32, op: OpCode, body: impl FnOnce(&mut Encoder<'_>)) -> BytesMut {
    frame(|out| {
        out.put(&RequestHeader { xid, op });
        body(out);
    })
}
