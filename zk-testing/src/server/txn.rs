//! What was decided: a transaction, which succeeds wherever everything before it was carried out.

use std::sync::Arc;

use bytes::Bytes;
use zk_proto::{SessionId, Zxid, code::ErrorCode};

use super::{node::Owner, prepare::Change};

/// A transaction.
#[derive(Clone, Debug)]
pub(crate) struct Txn {
    /// Its number.
    pub(crate) zxid: Zxid,
    /// The wall clock of the server that decided it: what becomes of it in `ctime` and `mtime`.
    pub(super) wall_ms: i64,
    /// Whose request it was, or which session it begins or ends. Zero for the server's own.
    pub(crate) session: SessionId,
    pub(super) deed: Deed,
}

/// What a transaction does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Begin {
        timeout_ms: i32,
    },
    /// Ends the session, and deletes its nodes in this order.
    End {
        ephemerals: Vec<Arc<str>>,
    },
    Change(Change),
    Multi(Vec<Change>),
    /// A write that was refused.
    Failure(ErrorCode),
    /// A multi of `len` operations of which one was refused.
    FailedMulti {
        len: usize,
        at: usize,
        error: ErrorCode,
    },
}

/// A part of what a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Its session began.
    Began { timeout_ms: i32 },
    /// Its session was closed or expired. The nodes that it owned went too: the effects behind say which.
    Ended,
    /// A node was created; with an owner if it is an ephemeral one.
    Created { path: Arc<str>, data: Option<Bytes>, owner: Option<SessionId> },
    /// A node was deleted.
    Deleted { path: Arc<str> },
    /// A node's data was set.
    DataSet { path: Arc<str>, data: Option<Bytes>, version: i32 },
    /// A node's access control list was set.
    AclSet { path: Arc<str>, version: i32 },
}

impl Txn {
    /// Returns what it does to sessions and nodes, in its order: nothing, for a write that was refused.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        match &self.deed {
            Deed::Begin { timeout_ms } => vec![Effect::Began { timeout_ms: *timeout_ms }],
            Deed::End { ephemerals } => {
                let deleted = ephemerals.iter().map(|path| Effect::Deleted { path: path.clone() });
                std::iter::once(Effect::Ended).chain(deleted).collect()
            }
            Deed::Change(change) => effect(change).into_iter().collect(),
            Deed::Multi(changes) => changes.iter().filter_map(effect).collect(),
            Deed::Failure(_) | Deed::FailedMulti { .. } => Vec::new(),
        }
    }
}

fn effect(change: &Change) -> Option<Effect> {
    match change {
        Change::Create { path, data, owner, .. } => {
            let owner = match owner {
                Owner::Session(session) => Some(*session),
                Owner::None | Owner::Container | Owner::Ttl(_) => None,
            };
            Some(Effect::Created { path: path.as_str().into(), data: data.clone(), owner })
        }
        Change::Delete { path } => Some(Effect::Deleted { path: path.as_str().into() }),
        Change::SetData { path, data, version } => {
            Some(Effect::DataSet { path: path.as_str().into(), data: data.clone(), version: *version })
        }
        Change::SetAcl { path, version, .. } => Some(Effect::AclSet { path: path.as_str().into(), version: *version }),
        Change::Check => None,
    }
}
