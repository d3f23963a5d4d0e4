//! Creating nodes.

use alloc::string::String;
use core::time::Duration;

use super::{InvalidRequest, MAX_TTL, Request};
use crate::{
    code::{CreateMode, OpCode},
    path,
    record::{Acl, Stat},
    wire::{DecodeError, Decoder, Encoder, Payload},
};

/// Creates a node, answered by its path and `Stat`: create2, createContainer or createTTL, as the mode demands.
///
/// Servers before 3.5 do not know any of these. A session that has found that out sends create instead of create2, and refuses the others with
/// [`Unimplemented`](crate::code::ErrorCode::Unimplemented).
#[derive(Clone, Debug)]
pub struct Create2<'a> {
    /// The path. For sequential modes the server appends ten digits.
    pub path: &'a str,
    /// The data.
    pub data: Payload<'a>,
    /// The create mode.
    pub mode: CreateMode,
    /// The access control list; `None` lets everybody do everything.
    pub acl: Option<&'a [Acl]>,
    /// How long the node lives without change and without children; for the modes with TTL, and only for those.
    pub ttl: Option<Duration>,
}

/// A node that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its path, with the number of a sequential node.
    pub path: String,
    /// The node, as it was made. On servers that do not tell it (ZooKeeper before 3.5, ClickHouse Keeper) the times are 0, and the rest is
    /// what is known of a new node.
    pub stat: Stat,
}

impl<'a> Create2<'a> {
    /// Creates a persistent node.
    pub fn new(path: &'a str, data: impl Into<Payload<'a>>) -> Self {
        Self { path, data: data.into(), mode: CreateMode::Persistent, acl: None, ttl: None }
    }

    /// Creates a node of that mode.
    #[must_use]
    pub fn mode(self, mode: CreateMode) -> Self {
        Self { mode, ..self }
    }

    /// Gives the node that access control list.
    #[must_use]
    pub fn acl(self, acl: &'a [Acl]) -> Self {
        Self { acl: Some(acl), ..self }
    }

    /// Gives the node that TTL.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }
}

impl Request for Create2<'_> {
    type Reply = Created;

    fn op(&self) -> OpCode {
        match self.mode {
            CreateMode::Container => OpCode::CreateContainer,
            mode if mode.has_ttl() => OpCode::CreateTtl,
            _ => OpCode::Create2,
        }
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        if let CreateMode::Unknown(mode) = self.mode {
            return Err(InvalidRequest::Mode(mode));
        }
        if self.mode.is_sequential() {
            path::validate_sequential(self.path)?;
        } else {
            path::validate(self.path)?;
        }
        if self.mode.has_ttl() != self.ttl.is_some() {
            return Err(InvalidRequest::TtlMode { mode: self.mode, given: self.ttl.is_some() });
        }
        match self.ttl {
            Some(ttl) if ttl < Duration::from_millis(1) || ttl > MAX_TTL => Err(InvalidRequest::Ttl(ttl)),
            _ => self.acl.map_or(Ok(()), validate_acl),
        }
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        if self.mode.is_sequential() {
            out.sequential_path(self.path);
        } else {
            out.path(self.path);
        }
        out.payload(&self.data);
        encode_acl(self.acl, out);
        out.put(&self.mode);
        if let Some(ttl) = self.ttl {
            out.long(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        }
    }

    fn decode(body: &mut Decoder) -> Result<Created, DecodeError> {
        Ok(Created { path: body.path()?, stat: body.get()? })
    }
}

/// Creates a node, answered by its path alone: what every server understands. Not for containers and TTL nodes.
#[derive(Clone, Debug)]
pub struct Create<'a>(pub Create2<'a>);

impl Request for Create<'_> {
    type Reply = String;

    fn op(&self) -> OpCode {
        OpCode::Create
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        if self.0.op() != OpCode::Create2 {
            return Err(InvalidRequest::ModeNeedsCreate2(self.0.mode));
        }
        self.0.validate()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }

    fn decode(body: &mut Decoder) -> Result<String, DecodeError> {
        body.path()
    }
}

pub(super) fn validate_acl(acl: &[Acl]) -> Result<(), InvalidRequest> {
    if acl.is_empty() {
        return Err(InvalidRequest::EmptyAcl);
    }
    match acl.iter().position(|entry| entry.id.scheme.is_none() || entry.id.id.is_none()) {
        Some(index) => Err(InvalidRequest::AclEntry(index)),
        None => Ok(()),
    }
}

pub(super) fn encode_acl(acl: Option<&[Acl]>, out: &mut Encoder<'_>) {
    match acl {
        Some(acl) => {
            out.length(acl.len());
            acl.iter().for_each(|entry| out.put(entry));
        }
        // The open list, without building it for every node.
        None => {
            out.length(1);
            out.int(crate::acl::Perms::ALL.0);
            out.text("world");
            out.text("anyone");
        }
    }
}
