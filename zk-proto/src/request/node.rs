//! Reading, changing and deleting nodes.

use alloc::{string::String, vec::Vec};

use bytes::Bytes;

use super::{Children, InvalidRequest, Request, WatchKind, Watched, create};
use crate::{
    code::OpCode,
    path,
    record::{Acl, Stat},
    wire::{DecodeError, Decoder, Encoder, Payload},
};

/// The version that a node must have for a change to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// Whatever it is.
    #[default]
    Any,
    /// Just this one. −1 is refused, because the wire has no way to say it.
    Exactly(i32),
}

impl Version {
    pub(super) fn validate(self) -> Result<(), InvalidRequest> {
        if self == Self::Exactly(-1) { Err(InvalidRequest::Version) } else { Ok(()) }
    }

    pub(super) fn on_wire(self) -> i32 {
        match self {
            Self::Any => -1,
            Self::Exactly(version) => version,
        }
    }
}

impl From<i32> for Version {
    fn from(version: i32) -> Self {
        Self::Exactly(version)
    }
}

impl From<Option<i32>> for Version {
    fn from(version: Option<i32>) -> Self {
        version.map_or(Self::Any, Self::Exactly)
    }
}

/// A node's data and `Stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeData {
    /// The data, a slice of the read buffer; null and empty as they were stored.
    pub data: Option<Bytes>,
    /// The node.
    pub stat: Stat,
}

impl NodeData {
    pub(super) fn decode(body: &mut Decoder) -> Result<Self, DecodeError> {
        Ok(Self { data: body.buffer()?, stat: body.get()? })
    }

    /// As [`decode`](Self::decode), where nothing follows.
    #[inline]
    fn decode_last(body: &mut Decoder) -> Result<Self, DecodeError> {
        let (data, stat) = body.last_buffer_and()?;
        Ok(Self { data, stat })
    }
}

/// Requests that consist of a path, most of them with a watch flag.
macro_rules! path_requests {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident($op:ident) -> $reply:ty = $decode:expr; $(watch $kind:ident)?
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a> {
            /// The path.
            pub path: &'a str,
        }

        impl<'a> $name<'a> {
            /// Makes the request.
            pub fn new(path: &'a str) -> Self {
                Self { path }
            }
        }

        impl Request for $name<'_> {
            type Reply = $reply;

            fn op(&self) -> OpCode {
                OpCode::$op
            }

            fn validate(&self) -> Result<(), InvalidRequest> {
                Ok(path::validate(self.path)?)
            }

            fn encode(&self, out: &mut Encoder<'_>) {
                out.path(self.path);
                $(
                    let _: WatchKind = WatchKind::$kind;
                    out.watch_flag();
                )?
            }

            #[inline]
            fn decode(body: &mut Decoder) -> Result<$reply, DecodeError> {
                let decode: fn(&mut Decoder) -> Result<$reply, DecodeError> = $decode;
                decode(body)
            }
        }

        $(
            impl Watched for $name<'_> {
                fn kind(&self) -> WatchKind {
                    WatchKind::$kind
                }

                fn path(&self) -> &str {
                    self.path
                }
            }
        )?
    )*};
}

path_requests! {
    /// Asks for a node's `Stat`; the error `NoNode` where there is no such node. A watch is left in both cases.
    pub struct Exists(Exists) -> Stat = |body| body.get(); watch Exist

    /// Reads a node's data. A watch is left when the node is there.
    pub struct GetData(GetData) -> NodeData = NodeData::decode_last; watch Data

    /// Lists a node's children. A watch is left when the node is there.
    pub struct GetChildren(GetChildren) -> Children = Children::decode; watch Child

    /// Lists a node's children, with the node's `Stat`. A watch is left when the node is there.
    pub struct GetChildren2(GetChildren2) -> (Children, Stat) = |body| Ok((Children::decode(body)?, body.get()?));
        watch Child

    /// Reads a node's access control list.
    pub struct GetAcl(GetAcl) -> (Vec<Acl>, Stat) = |body| Ok((body.vector()?.unwrap_or_default(), body.get()?));

    /// Waits until the server has applied what the leader had committed when it got the request: a read that is sent behind
    /// it sees every earlier write. The path means nothing to the server.
    pub struct Sync(Sync) -> () = |_| Ok(());

    /// Counts a node's descendants, the node itself not included. Since 3.6.0.
    pub struct GetAllChildrenNumber(GetAllChildrenNumber) -> i32 = |body| body.int();
}

/// Deletes a node.
#[derive(Clone, Copy, Debug)]
pub struct Delete<'a> {
    /// The path.
    pub path: &'a str,
    /// The version that the node must have.
    pub version: Version,
}

impl Request for Delete<'_> {
    type Reply = ();

    fn op(&self) -> OpCode {
        OpCode::Delete
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        path::validate(self.path)?;
        self.version.validate()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        // `/` is not the chroot here: the server refuses to delete it, and that is what should happen.
        if self.path == "/" {
            out.text("/")
        } else {
            out.path(self.path)
        }
        out.int(self.version.on_wire());
    }

    fn decode(_: &mut Decoder) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Replaces a node's data.
#[derive(Clone, Debug)]
pub struct SetData<'a> {
    /// The path.
    pub path: &'a str,
    /// The data.
    pub data: Payload<'a>,
    /// The version that the node must have.
    pub version: Version,
}

impl Request for SetData<'_> {
    type Reply = Stat;

    fn op(&self) -> OpCode {
        OpCode::SetData
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        path::validate(self.path)?;
        self.version.validate()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.path(self.path);
        out.payload(&self.data);
        out.int(self.version.on_wire());
    }

    fn decode(body: &mut Decoder) -> Result<Stat, DecodeError> {
        body.get()
    }
}

/// Replaces a node's access control list.
#[derive(Clone, Copy, Debug)]
pub struct SetAcl<'a> {
    /// The path.
    pub path: &'a str,
    /// The access control list.
    pub acl: &'a [Acl],
    /// The *ACL* version (`aversion`) that the node must have.
    pub version: Version,
}

impl Request for SetAcl<'_> {
    type Reply = Stat;

    fn op(&self) -> OpCode {
        OpCode::SetAcl
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        path::validate(self.path)?;
        create::validate_acl(self.acl)?;
        self.version.validate()
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.path(self.path);
        create::encode_acl(Some(self.acl), out);
        out.int(self.version.on_wire());
    }

    fn decode(body: &mut Decoder) -> Result<Stat, DecodeError> {
        body.get()
    }
}

/// Lists this session's ephemeral nodes whose path begins with a string: `/a` matches `/ab/c`. Since 3.6.0.
#[derive(Clone, Copy, Debug)]
pub struct GetEphemerals<'a> {
    /// What the paths begin with; `/` for all below the chroot.
    pub prefix: &'a str,
}

impl Request for GetEphemerals<'_> {
    type Reply = Vec<String>;

    fn op(&self) -> OpCode {
        OpCode::GetEphemerals
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        // Not a path: it may end in a slash, or in the middle of a name.
        if self.prefix.starts_with('/') { Ok(()) } else { Err(InvalidRequest::Prefix(self.prefix.into())) }
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        // Joined as strings: `/` below the chroot `/app` is `/app/`, which `/apple` does not begin with.
        out.sequential_path(self.prefix);
    }

    fn decode(body: &mut Decoder) -> Result<Vec<String>, DecodeError> {
        let count = body.length()?.unwrap_or(0);
        body.check_count(count, 4)?;
        (0..count).map(|_| body.path()).collect()
    }
}
