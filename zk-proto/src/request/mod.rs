//! Requests as a caller makes them: one type an operation, and its reply.
//!
//! A request borrows its path and data from the caller and is encoded once, when it is submitted. Paths are those of the
//! caller: the chroot is added on the way out and taken off on the way back. What cannot be right is refused by
//! [`Request::validate`] before anything is sent.

mod children;
mod create;
mod invalid;
mod multi;
mod node;
mod server;
mod watch;

use crate::{
    code::OpCode,
    wire::{DecodeError, Decoder, Encoder},
};

pub use children::Children;
pub use create::{Create, Create2, Created};
pub use invalid::{InvalidRequest, MAX_TTL};
pub use multi::{Multi, MultiFailure, MultiRead, Op, OpResult, ReadOp, ReadResult};
pub use node::{
    Delete, Exists, GetAcl, GetAllChildrenNumber, GetChildren, GetChildren2, GetData, GetEphemerals, NodeData, SetAcl,
    SetData, Sync, Version,
};
pub use server::{GetConfig, Reconfig, WhoAmI};
pub use watch::{AddWatch, CheckWatches, RemoveWatches, WatchKind};

/// An operation that a client can ask for.
pub trait Request {
    /// What the server answers when all is well.
    type Reply;

    /// Returns the operation.
    fn op(&self) -> OpCode;

    /// Checks what can be checked without the server.
    ///
    /// # Errors
    ///
    /// When the request cannot succeed, or would harm: the error names what is wrong with it.
    fn validate(&self) -> Result<(), InvalidRequest>;

    /// Writes the request's record, without header.
    fn encode(&self, out: &mut Encoder<'_>);

    /// Reads the record of a reply without error.
    ///
    /// # Errors
    ///
    /// When the bytes are not such a record. The request has been carried out all the same.
    fn decode(body: &mut Decoder) -> Result<Self::Reply, DecodeError>;
}

/// A request that can leave a watch.
pub trait Watched: Request {
    /// Returns what kind of watch it leaves. An [`Exists`] leaves `Exist` on a missing node and `Data` on one that is there.
    fn kind(&self) -> WatchKind;

    /// Returns the path that is watched, as the caller names it.
    fn path(&self) -> &str;
}
