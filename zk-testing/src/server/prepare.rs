//! What a write is to do, or why it is refused: the checks of the real server, in its order.
//!
//! Preparing changes nothing. The operations of a multi are prepared one after the other against the tree and against what
//! those before them are going to do to it; only when all pass are they applied. Quotas alone look at the tree as it was
//! before.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use zk_proto::{
    SessionId,
    acl::Perms,
    code::{CreateMode, ErrorCode},
    path,
    record::{Acl, CheckVersionRequest, DeleteRequest, SetAclRequest, SetDataRequest},
    wire::Text,
};

use super::{
    acls,
    auth::Identity,
    java,
    node::{AclList, MAX_TTL_MS, Owner},
    options::{Options, Version},
    tree::{Tree, is_special, parent},
};

/// A write as it was asked for.
pub(super) enum Operation {
    Create(Create),
    Delete(DeleteRequest),
    SetData(SetDataRequest),
    SetAcl(SetAclRequest),
    Check(CheckVersionRequest),
    Reconfig,
    /// A create of a multi that is for a TTL and has none: 3.8 stumbles over it when it gets there.
    WithoutTtl(Option<Text>),
}

impl Operation {
    pub(super) fn has_null_path(&self) -> bool {
        let path = match self {
            Self::Create(create) => &create.path,
            Self::Delete(request) => &request.path,
            Self::SetData(request) => &request.path,
            Self::SetAcl(request) => &request.path,
            Self::Check(request) => &request.path,
            Self::WithoutTtl(path) => path,
            Self::Reconfig => return false,
        };
        path.is_none()
    }
}

/// A node to create, from any of the four operations that do.
pub(super) struct Create {
    pub(super) kind: Kind,
    pub(super) path: Option<Text>,
    pub(super) data: Option<Bytes>,
    pub(super) acl: Option<Vec<Acl>>,
    pub(super) mode: CreateMode,
    /// −1 where the operation has none.
    pub(super) ttl: i64,
}

/// What the operation makes of the mode, and how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    WithStat,
    Container,
    Ttl,
}

/// A change that is certain to succeed.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create { kind: Kind, path: String, data: Option<Bytes>, acl: AclList, owner: Owner, parent_cversion: i32 },
    Delete { path: String },
    SetData { path: String, data: Option<Bytes>, version: i32 },
    SetAcl { path: String, acl: AclList, version: i32 },
    Check,
}

/// What there is to know of a node before it is changed.
#[derive(Clone)]
struct Facts {
    version: i32,
    cversion: i32,
    aversion: i32,
    owner: Owner,
    children: usize,
    data_len: usize,
    acl: AclList,
}

pub(super) struct Preparation<'a> {
    tree: &'a Tree,
    options: &'a Options,
    session: SessionId,
    identities: &'a [Identity],
    /// The nodes that operations before this one change, create, or (`None`) delete.
    pending: BTreeMap<String, Option<Facts>>,
}

impl<'a> Preparation<'a> {
    pub(super) fn new(tree: &'a Tree, options: &'a Options, session: SessionId, identities: &'a [Identity]) -> Self {
        Self { tree, options, session, identities, pending: BTreeMap::new() }
    }

    /// Returns what the operation is going to do.
    ///
    /// # Errors
    ///
    /// The first check that fails decides.
    pub(super) fn prepare(&mut self, operation: &Operation) -> Result<Change, ErrorCode> {
        match operation {
            Operation::Create(create) => self.create(create),
            Operation::Delete(request) => self.delete(request),
            Operation::SetData(request) => self.set_data(request),
            Operation::SetAcl(request) => self.set_acl(request),
            Operation::Check(request) => self.check(request),
            Operation::WithoutTtl(_) => Err(ErrorCode::MarshallingError),
            Operation::Reconfig if self.options.reconfig_enabled => Err(ErrorCode::Unimplemented),
            Operation::Reconfig => Err(ErrorCode::ReconfigDisabled),
        }
    }

    /// Takes a change into account for the operations that follow.
    pub(super) fn expect(&mut self, change: &Change) {
        match change {
            Change::Create { path, data, acl, owner, parent_cversion, .. } => {
                self.expect_parent(path, |parent| {
                    parent.children += 1;
                    parent.cversion = *parent_cversion;
                });
                let facts = Facts {
                    version: 0,
                    cversion: 0,
                    aversion: 0,
                    owner: *owner,
                    children: 0,
                    data_len: data.as_ref().map_or(0, Bytes::len),
                    acl: acl.clone(),
                };
                self.pending.insert(path.clone(), Some(facts));
            }
            Change::Delete { path } => {
                self.expect_parent(path, |parent| parent.children = parent.children.saturating_sub(1));
                self.pending.insert(path.clone(), None);
            }
            Change::SetData { path, data, version } => {
                self.expect_change(path, |node| {
                    node.version = *version;
                    node.data_len = data.as_ref().map_or(0, Bytes::len);
                });
            }
            Change::SetAcl { path, acl, version } => {
                self.expect_change(path, |node| {
                    node.aversion = *version;
                    node.acl = acl.clone();
                });
            }
            Change::Check => {}
        }
    }

    fn expect_parent(&mut self, path: &str, change: impl FnOnce(&mut Facts)) {
        let parent = parent(path).unwrap_or_default();
        self.expect_change(if parent.is_empty() { "/" } else { parent }, change);
    }

    fn expect_change(&mut self, path: &str, change: impl FnOnce(&mut Facts)) {
        if let Ok(mut facts) = self.facts(path) {
            change(&mut facts);
            self.pending.insert(path.to_owned(), Some(facts));
        }
    }

    fn facts(&self, path: &str) -> Result<Facts, ErrorCode> {
        let path = if path.is_empty() { "/" } else { path };
        if let Some(pending) = self.pending.get(path) {
            return pending.clone().ok_or(ErrorCode::NoNode);
        }
        let node = self.tree.get(path).ok_or(ErrorCode::NoNode)?;
        Ok(Facts {
            version: node.version,
            cversion: node.cversion,
            aversion: node.aversion,
            owner: node.owner,
            children: node.children.len(),
            data_len: node.data_len(),
            acl: node.acl.clone(),
        })
    }

    fn permit(&self, facts: &Facts, wanted: Perms) -> Result<(), ErrorCode> {
        if acls::allows(&facts.acl, wanted, self.identities) { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    fn create(&self, create: &Create) -> Result<Change, ErrorCode> {
        self.check_mode(create)?;
        let mut path = required(create.path.as_ref())?.into_owned();
        let parent = parent(&path).filter(|_| !path.contains('\0')).ok_or(ErrorCode::BadArguments)?;
        let acl = acls::checked(create.acl.as_deref(), self.identities, self.options)?;
        let above = self.facts(parent)?;
        self.permit(&above, Perms::CREATE)?;
        if create.mode.is_sequential() {
            path = format!("{path}{:010}", above.cversion);
        }
        validate(&path)?;
        if self.facts(&path).is_ok() {
            return Err(ErrorCode::NodeExists);
        }
        if above.owner.is_session() {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let len = create.data.as_ref().map_or(0, Bytes::len);
        self.check_quota(&path, signed(len), 1)?;
        let owner = match create.kind {
            Kind::Container => Owner::Container,
            Kind::Ttl => Owner::Ttl(create.ttl),
            Kind::Plain | Kind::WithStat if create.mode.is_ephemeral() => Owner::Session(self.session),
            Kind::Plain | Kind::WithStat => Owner::None,
        };
        let parent_cversion = above.cversion.wrapping_add(1);
        Ok(Change::Create {
            kind: create.kind,
            path,
            data: create.data.clone(),
            acl: acl.into(),
            owner,
            parent_cversion,
        })
    }

    /// Checks mode and TTL. Real servers let a negative TTL pass with a mode that has none, and never recover.
    fn check_mode(&self, create: &Create) -> Result<(), ErrorCode> {
        let is_later =
            self.options.version < Version::V3_5 && (create.mode == CreateMode::Container || create.mode.has_ttl());
        if matches!(create.mode, CreateMode::Unknown(_)) || is_later {
            return Err(ErrorCode::BadArguments);
        }
        if create.mode.has_ttl() && !self.options.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let is_right = match (create.kind, create.mode.has_ttl()) {
            (Kind::Ttl, true) => (1..=MAX_TTL_MS).contains(&create.ttl),
            (Kind::Ttl, false) | (_, true) => false,
            (_, false) => true,
        };
        if is_right { Ok(()) } else { Err(ErrorCode::BadArguments) }
    }

    fn delete(&self, request: &DeleteRequest) -> Result<Change, ErrorCode> {
        let path = required(request.path.as_ref())?;
        let parent = parent(&path).filter(|_| !path.contains('\0') && !is_special(&path, self.options.version));
        let above = self.facts(parent.ok_or(ErrorCode::BadArguments)?)?;
        self.permit(&above, Perms::DELETE)?;
        let node = self.facts(&path)?;
        next_version(node.version, request.version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        Ok(Change::Delete { path: path.into_owned() })
    }

    fn set_data(&self, request: &SetDataRequest) -> Result<Change, ErrorCode> {
        let path = valid(request.path.as_ref())?;
        let node = self.facts(&path)?;
        self.permit(&node, Perms::WRITE)?;
        let len = request.data.as_ref().map_or(0, Bytes::len);
        self.check_quota(&path, signed(len) - signed(node.data_len), 0)?;
        let version = next_version(node.version, request.version)?;
        Ok(Change::SetData { path: path.into_owned(), data: request.data.clone(), version })
    }

    fn set_acl(&self, request: &SetAclRequest) -> Result<Change, ErrorCode> {
        let path = valid(request.path.as_ref())?;
        let acl = acls::checked(request.acl.as_deref(), self.identities, self.options)?;
        let node = self.facts(&path)?;
        self.permit(&node, Perms::ADMIN)?;
        let version = next_version(node.aversion, request.version)?;
        Ok(Change::SetAcl { path: path.into_owned(), acl: acl.into(), version })
    }

    fn check(&self, request: &CheckVersionRequest) -> Result<Change, ErrorCode> {
        let path = valid(request.path.as_ref())?;
        let node = self.facts(&path)?;
        self.permit(&node, Perms::READ)?;
        next_version(node.version, request.version).map(|_| Change::Check)
    }

    fn check_quota(&self, path: &str, bytes: i64, count: i64) -> Result<(), ErrorCode> {
        let is_exceeded = self.options.enforce_quota && self.tree.exceeds_quota(path, bytes, count);
        if is_exceeded { Err(ErrorCode::QuotaExceeded) } else { Ok(()) }
    }
}

/// Returns a path over which real servers stumble when it is null.
fn required(path: Option<&Text>) -> Result<Cow<'_, str>, ErrorCode> {
    path.map(java::read).ok_or(ErrorCode::MarshallingError)
}

/// As [`required`], for a path that is judged as a whole: null is just another bad one.
fn valid(path: Option<&Text>) -> Result<Cow<'_, str>, ErrorCode> {
    let path = path.map(java::read).ok_or(ErrorCode::BadArguments)?;
    validate(&path).map(|()| path)
}

fn validate(path: &str) -> Result<(), ErrorCode> {
    path::validate(path).map_err(|_| ErrorCode::BadArguments)
}

/// Returns the version after the change, if it may be made: −1 is any version, every other value must be equal.
fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    if expected == -1 || expected == current { Ok(current.wrapping_add(1)) } else { Err(ErrorCode::BadVersion) }
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
