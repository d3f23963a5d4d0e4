//! What a request is answered that changes nothing but watches.
//!
//! A malformed path is simply the path of no node. A watch is left only where the answer is given, except by `exists`, which
//! leaves one on a missing node too.

use std::borrow::Cow;

use bytes::Bytes;
use zk_proto::{
    acl::Perms,
    code::{ErrorCode, OpCode},
    record::{
        GetAclRequest, GetAllChildrenNumberRequest, GetChildrenRequest, GetDataRequest, GetEphemeralsRequest, MultiOp,
        MultiRequest, SyncRequest,
    },
    wire::{Decoder, Jute, Text},
};

use super::{
    acls::{allows, masked},
    answer::Answer,
    auth::Identity,
    java,
    multi::is_sub_operation,
    node::Node,
    options::{Options, Version},
    sessions::Session,
    shuffle::Shuffle,
    tree::Tree,
    watches::List,
};

/// What a read may look at.
pub(super) struct Reader<'a, 'b> {
    pub(super) tree: &'a Tree,
    pub(super) options: &'b Options,
    pub(super) session: Option<&'b Session>,
    pub(super) identities: &'b [Identity],
    pub(super) shuffle: &'b mut Shuffle,
}

/// The outcome of a read.
pub(super) struct Read<'a> {
    pub(super) err: ErrorCode,
    pub(super) answer: Answer<'a>,
    /// The watch to leave, whatever the outcome.
    pub(super) watch: Option<(List, String)>,
}

impl<'a> From<Result<Answer<'a>, ErrorCode>> for Read<'a> {
    fn from(result: Result<Answer<'a>, ErrorCode>) -> Self {
        match result {
            Ok(answer) => Self { err: ErrorCode::Ok, answer, watch: None },
            Err(err) => Self { err, answer: Answer::Nothing, watch: None },
        }
    }
}

impl<'a> Reader<'a, '_> {
    /// Carries out a read, or returns `None` where the operation is none.
    pub(super) fn read(&mut self, op: OpCode, body: Bytes) -> Option<Read<'a>> {
        let read = match op {
            OpCode::GetData | OpCode::Exists | OpCode::GetChildren | OpCode::GetChildren2 => self.watched(op, body),
            OpCode::GetAcl => decode(body).and_then(|request: GetAclRequest| self.acl(&request)).into(),
            OpCode::GetAllChildrenNumber => {
                decode(body).and_then(|request: GetAllChildrenNumberRequest| self.descendants(&request)).into()
            }
            OpCode::GetEphemerals => decode(body).map(|request: GetEphemeralsRequest| self.ephemerals(&request)).into(),
            OpCode::Sync => decode(body).map(|request: SyncRequest| Answer::Echo(request.path)).into(),
            OpCode::WhoAmI => Ok(Answer::Identities(self.identities.iter().map(Identity::info).collect())).into(),
            OpCode::MultiRead => self.multi(body),
            _ => return None,
        };
        Some(read)
    }

    /// Carries out a read that can leave a watch. The records of all of them are the same.
    fn watched(&mut self, op: OpCode, body: Bytes) -> Read<'a> {
        let GetDataRequest { path: Some(path), watch } = (match decode(body) {
            Ok(request) => request,
            Err(error) => return Err(error).into(),
        }) else {
            return Err(ErrorCode::MarshallingError).into();
        };
        let path = java::read(&path);
        let (list, result) = match op {
            OpCode::Exists => (List::Data, self.exists(&path)),
            OpCode::GetData => (List::Data, self.data(&path)),
            _ => (List::Children, self.children(&path, op == OpCode::GetChildren2)),
        };
        let is_left = match result {
            Ok(_) => true,
            Err(error) => op == OpCode::Exists && error == ErrorCode::NoNode,
        };
        let mut read = Read::from(result);
        read.watch = (watch && is_left).then(|| (list, path.into_owned()));
        read
    }

    fn node(&self, path: &str, wanted: Perms) -> Result<&'a Node, ErrorCode> {
        let node = self.tree.get(path).ok_or(ErrorCode::NoNode)?;
        if allows(&node.acl, wanted, self.identities) { Ok(node) } else { Err(ErrorCode::NoAuth) }
    }

    fn exists(&self, path: &str) -> Result<Answer<'a>, ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let node = match self.options.version {
            Version::Keeper | Version::V3_4 | Version::V3_5 | Version::V3_8 => {
                self.tree.get(path).ok_or(ErrorCode::NoNode)?
            }
            Version::V3_9 => self.node(path, Perms::READ)?,
        };
        Ok(Answer::Stat(node.stat()))
    }

    fn data(&self, path: &str) -> Result<Answer<'a>, ErrorCode> {
        self.node(path, Perms::READ).map(Answer::Data)
    }

    fn children(&mut self, path: &str, with_stat: bool) -> Result<Answer<'a>, ErrorCode> {
        let node = self.node(path, Perms::READ)?;
        let prefix = path.trim_end_matches('/').len() + 1;
        let mut names: Vec<_> = node.children.paths().map(|child| &child[prefix..]).collect();
        self.shuffle.apply(&mut names);
        Ok(Answer::Children(names, with_stat.then(|| node.stat())))
    }

    fn acl(&self, request: &GetAclRequest) -> Result<Answer<'a>, ErrorCode> {
        let node = self.node(&required(request.path.as_ref())?, Perms::READ | Perms::ADMIN)?;
        let is_shown = allows(&node.acl, Perms::ADMIN, self.identities);
        let list = if is_shown { node.acl.to_vec() } else { node.acl.iter().map(masked).collect() };
        Ok(Answer::Acl(list, node.stat()))
    }

    fn descendants(&self, request: &GetAllChildrenNumberRequest) -> Result<Answer<'a>, ErrorCode> {
        let path = required(request.path.as_ref())?;
        self.node(&path, Perms::READ)?;
        Ok(Answer::Count(i32::try_from(self.tree.descendants(&path)).unwrap_or(i32::MAX)))
    }

    fn ephemerals(&mut self, request: &GetEphemeralsRequest) -> Answer<'a> {
        let prefix = request.prefix_path.as_ref().map(java::read).unwrap_or_default();
        // Java trims whatever is not above the space.
        let is_all = matches!(prefix.trim_matches(|character| character <= ' '), "" | "/");
        let own = self.session.into_iter().flat_map(|session| &session.ephemerals);
        let mut paths: Vec<_> = own.filter(|path| is_all || path.starts_with(&*prefix)).cloned().collect();
        self.shuffle.apply(&mut paths);
        Answer::Paths(paths)
    }

    /// Carries out a multiRead: each operation has an outcome of its own. What ends it all is an operation that is no
    /// read; the results up to there are in the answer still.
    fn multi(&mut self, body: Bytes) -> Read<'a> {
        let request: MultiRequest = match decode(body) {
            Ok(request) => request,
            Err(error) => return Err(error).into(),
        };
        let is_write = |op: &MultiOp| !matches!(op, MultiOp::GetData(_) | MultiOp::GetChildren(_));
        let writes = request.entries.iter().filter(|entry| is_write(&entry.body)).count();
        let is_known = request.entries.iter().all(|entry| is_sub_operation(&entry.body));
        if !is_known || writes != 0 && writes != request.entries.len() {
            return Err(ErrorCode::MarshallingError).into();
        }
        let (mut results, mut err, mut weight) = (Vec::new(), ErrorCode::Ok, 0);
        for entry in &request.entries {
            let (path, op) = match &entry.body {
                MultiOp::GetData(GetDataRequest { path: Some(path), .. }) => (path, OpCode::GetData),
                MultiOp::GetChildren(GetChildrenRequest { path: Some(path), .. }) => (path, OpCode::GetChildren),
                _ => {
                    err = ErrorCode::MarshallingError;
                    break;
                }
            };
            let path = java::read(path);
            let result = if op == OpCode::GetData { self.data(&path) } else { self.children(&path, false) };
            results.push(match result {
                Ok(answer) => (op, answer),
                Err(error) => (OpCode::Error, Answer::Error(error)),
            });
            weight += results.last().map_or(0, |(_, answer)| answer.weight());
            if weight > self.options.output_limit_bytes {
                // A request of some bytes may ask for gigabytes. Nobody could take them.
                err = ErrorCode::SystemError;
                break;
            }
        }
        Read { err, answer: Answer::Multi(results), watch: None }
    }
}

fn decode<T: Jute>(body: Bytes) -> Result<T, ErrorCode> {
    Decoder::new(body).get().map_err(|_| ErrorCode::MarshallingError)
}

fn required(path: Option<&Text>) -> Result<Cow<'_, str>, ErrorCode> {
    path.map(java::read).ok_or(ErrorCode::MarshallingError)
}
