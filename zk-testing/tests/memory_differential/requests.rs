//! Requests in short.

use bytes::Bytes;
use zk_proto::{
    code::{AddWatchMode, CreateMode, OpCode, WatcherType},
    record::*,
    wire::Text,
};

use crate::memory_client::{create, text};

pub(crate) fn get(path: &str, watch: bool) -> GetDataRequest {
    GetDataRequest { path: text(path), watch }
}

pub(crate) fn set(path: &str, data: &str, version: i32) -> SetDataRequest {
    SetDataRequest { path: text(path), data: Some(Bytes::copy_from_slice(data.as_bytes())), version }
}

pub(crate) fn delete(path: &str, version: i32) -> DeleteRequest {
    DeleteRequest { path: text(path), version }
}

pub(crate) fn with_acl(path: &str, acl: Vec<Acl>) -> CreateRequest {
    CreateRequest { acl: Some(acl), ..create(path, "", CreateMode::Persistent) }
}

pub(crate) fn ttl(path: &str, mode: CreateMode, ttl: i64) -> CreateTtlRequest {
    CreateTtlRequest { path: text(path), data: None, acl: Some(Acl::open()), mode, ttl }
}

pub(crate) fn watch(path: &str, mode: AddWatchMode) -> AddWatchRequest {
    AddWatchRequest { path: text(path), mode }
}

pub(crate) fn watches(path: &str, watcher_type: WatcherType) -> CheckWatchesRequest {
    CheckWatchesRequest { path: text(path), watcher_type }
}

pub(crate) fn check(path: &str, version: i32) -> CheckVersionRequest {
    CheckVersionRequest { path: text(path), version }
}

pub(crate) fn multi(entries: impl IntoIterator<Item = (OpCode, MultiOp)>) -> MultiRequest {
    let header = |op| MultiHeader { op, ..MultiHeader { done: false, ..MultiHeader::END } };
    let entries = entries.into_iter().map(|(op, body)| MultiEntry { header: header(op), body }).collect();
    MultiRequest { entries, end: MultiHeader::END }
}

pub(crate) fn paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Option<Vec<Option<Text>>> {
    Some(paths.into_iter().map(text).collect())
}
