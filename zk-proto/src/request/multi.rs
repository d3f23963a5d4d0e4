//! Several operations as one.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{
    Children, Create, Create2, Delete, GetChildren, GetData, InvalidRequest, NodeData, Request, SetData, Version,
};
use crate::{
    code::{ErrorCode, OpCode},
    path,
    record::{MultiHeader, Stat},
    wire::{DecodeError, DecodeErrorKind, Decoder, Encoder},
};

/// Several writes and checks that are carried out all or not at all, under one transaction number.
///
/// Later operations see the effects of earlier ones. An empty multi is legal.
#[derive(Clone, Debug, Default)]
pub struct Multi<'a> {
    /// The operations, in order.
    pub ops: Vec<Op<'a>>,
}

/// An operation of a [`Multi`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Op<'a> {
    /// Creates a node. The result has a `Stat` on servers from 3.9.0 (3.8.2, 3.7.2) on.
    Create(Create2<'a>),
    /// Deletes a node.
    Delete(Delete<'a>),
    /// Replaces a node's data.
    SetData(SetData<'a>),
    /// Fails unless the node has this version.
    Check {
        /// The path.
        path: &'a str,
        /// The version that the node must have; `Any` checks that it exists.
        version: Version,
    },
}

impl Op<'_> {
    fn op(&self) -> OpCode {
        match self {
            Self::Create(create) => create.op(),
            Self::Delete(_) => OpCode::Delete,
            Self::SetData(_) => OpCode::SetData,
            Self::Check { .. } => OpCode::Check,
        }
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        match self {
            Self::Create(create) => create.validate(),
            Self::Delete(delete) => delete.validate(),
            Self::SetData(set_data) => set_data.validate(),
            Self::Check { path, version } => {
                path::validate(path)?;
                version.validate()
            }
        }
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Create(create) => create.encode(out),
            Self::Delete(delete) => delete.encode(out),
            Self::SetData(set_data) => set_data.encode(out),
            Self::Check { path, version } => {
                out.path(path);
                out.int(version.on_wire());
            }
        }
    }
}

/// What an operation of a [`Multi`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpResult {
    /// A node was created.
    Created {
        /// Its path, with the number of a sequential node.
        path: String,
        /// The node; `None` from servers before 3.9.0 (3.8.2, 3.7.2), see ZOOKEEPER-4026.
        stat: Option<Stat>,
    },
    /// A node was deleted.
    Deleted,
    /// A node's data was set.
    DataSet(Stat),
    /// A node had the version.
    Checked,
}

/// A multi that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation {index} of the multi failed: {error}; none was applied")]
pub struct MultiFailure {
    /// Which operation failed, from 0.
    pub index: usize,
    /// Its error.
    pub error: ErrorCode,
    /// The server's code for each operation: `Ok` before the one that failed (and yet not applied),
    /// `RuntimeInconsistency` after it.
    pub codes: Vec<ErrorCode>,
}

impl Request for Multi<'_> {
    type Reply = Result<Vec<OpResult>, MultiFailure>;

    fn op(&self) -> OpCode {
        OpCode::Multi
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        validate_each(self.ops.iter().map(Op::validate))
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        for op in &self.ops {
            encode_header(op.op(), out);
            op.encode(out);
        }
        out.put(&MultiHeader::END);
    }

    fn decode(body: &mut Decoder) -> Result<Self::Reply, DecodeError> {
        let (mut results, mut codes) = (Vec::new(), Vec::new());
        loop {
            let header: MultiHeader = body.get()?;
            if header.done {
                break;
            }
            match header.op {
                OpCode::Create => results.push(OpResult::Created { path: Create::decode(body)?, stat: None }),
                OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                    let created = Create2::decode(body)?;
                    results.push(OpResult::Created { path: created.path, stat: Some(created.stat) });
                }
                OpCode::Delete => results.push(OpResult::Deleted),
                OpCode::SetData => results.push(OpResult::DataSet(body.get()?)),
                OpCode::Check => results.push(OpResult::Checked),
                OpCode::Error => codes.push(body.get()?),
                other => return Err(body.error(DecodeErrorKind::UnknownMultiEntry(other.code()))),
            }
        }
        match codes.iter().enumerate().find(|(_, code)| **code != ErrorCode::Ok) {
            Some((index, &error)) => Ok(Err(MultiFailure { index, error, codes })),
            // Errors without an error: no server sends this, and it must not pass for success.
            None if !codes.is_empty() => Err(body.error(DecodeErrorKind::UnknownMultiEntry(OpCode::Error.code()))),
            None => Ok(Ok(results)),
        }
    }
}

/// Several reads at one moment of one server. Since 3.6.0. Leaves no watches.
#[derive(Clone, Debug, Default)]
pub struct MultiRead<'a> {
    /// The reads, in order.
    pub ops: Vec<ReadOp<'a>>,
}

/// A read of a [`MultiRead`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ReadOp<'a> {
    /// Reads a node's data.
    GetData(GetData<'a>),
    /// Lists a node's children.
    GetChildren(GetChildren<'a>),
}

/// What a read of a [`MultiRead`] gave. One that fails does not affect the others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadResult {
    /// A node's data.
    Data(NodeData),
    /// A node's children.
    Children(Children),
    /// This read failed.
    Error(ErrorCode),
}

impl Request for MultiRead<'_> {
    type Reply = Vec<ReadResult>;

    fn op(&self) -> OpCode {
        OpCode::MultiRead
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        validate_each(self.ops.iter().map(|op| match op {
            ReadOp::GetData(get_data) => get_data.validate(),
            ReadOp::GetChildren(get_children) => get_children.validate(),
        }))
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        for op in &self.ops {
            match op {
                ReadOp::GetData(get_data) => {
                    encode_header(OpCode::GetData, out);
                    get_data.encode(out);
                }
                ReadOp::GetChildren(get_children) => {
                    encode_header(OpCode::GetChildren, out);
                    get_children.encode(out);
                }
            }
        }
        out.put(&MultiHeader::END);
    }

    fn decode(body: &mut Decoder) -> Result<Vec<ReadResult>, DecodeError> {
        let mut results = Vec::new();
        loop {
            let header: MultiHeader = body.get()?;
            if header.done {
                return Ok(results);
            }
            results.push(match header.op {
                OpCode::GetData => ReadResult::Data(NodeData::decode(body)?),
                OpCode::GetChildren => ReadResult::Children(GetChildren::decode(body)?),
                OpCode::Error => ReadResult::Error(body.get()?),
                other => return Err(body.error(DecodeErrorKind::UnknownMultiEntry(other.code()))),
            });
        }
    }
}

fn validate_each(checks: impl Iterator<Item = Result<(), InvalidRequest>>) -> Result<(), InvalidRequest> {
    for (index, check) in checks.enumerate() {
        check.map_err(|error| InvalidRequest::Multi { index, error: Box::new(error) })?;
    }
    Ok(())
}

fn encode_header(op: OpCode, out: &mut Encoder<'_>) {
    out.put(&MultiHeader { op, done: false, err: ErrorCode::SystemError });
}
