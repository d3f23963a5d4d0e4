//! One step of a run: something that a client does.
//!
//! Versions are named rather than numbered, so that most of them still are what they were meant to be when a run is repeated
//! without some of its steps.

use bytes::{BufMut, Bytes, BytesMut};
use zk_proto::{
    Zxid,
    code::{ErrorCode, OpCode},
    record::*,
    wire::{DecodeErrorKind, Decoder, Encoder, Text},
};
use zk_testing::Server;

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) client: usize,
    pub(crate) action: Action,
    /// Whether it is not to be in flight together with others.
    pub(crate) is_alone: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Opens a connection.
    Greet(Greeting),
    /// Sends a request.
    Call { op: OpCode, body: Body, damage: Damage },
    /// Sends bytes that no server takes for a request.
    Nonsense(Vec<u8>),
    /// Ends the connection, not the session.
    HangUp,
}

#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) session: Wanted,
    pub(crate) timeout_ms: i32,
    pub(crate) read_only: Option<bool>,
    /// How far the client claims to be ahead of the server.
    pub(crate) ahead: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// A new one, with this for a password.
    New(Option<Vec<u8>>),
    /// One that was, by its number.
    Again { number: usize, has_password: bool },
    /// One that never was.
    Unknown(i64),
}

/// The version that a request names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Any,
    /// What the node has, and so much more.
    Right(i32),
    Exactly(i32),
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Nothing,
    /// create, create2, createContainer.
    Create(CreateRequest),
    CreateTtl(CreateTtlRequest),
    /// delete, check.
    Versioned(Option<Text>, Version),
    SetData(Option<Text>, Option<Bytes>, Version),
    SetAcl(Option<Text>, Option<Vec<Acl>>, Version),
    /// exists, getData, getChildren, getChildren2.
    Read(GetDataRequest),
    /// getACL, getAllChildrenNumber, getEphemerals, sync.
    Path(GetAclRequest),
    AddWatch(AddWatchRequest),
    /// checkWatches, removeWatches.
    Watches(CheckWatchesRequest),
    SetWatches(SetWatches),
    SetWatches2(SetWatches2),
    Reconfig(ReconfigRequest),
    Auth(AuthPacket),
    Sasl(GetSaslRequest),
    Multi(Vec<(OpCode, Body)>),
}

/// What happens to a body on its way.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    None,
    /// So much of it arrives, in thousandths.
    Cut(usize),
    /// These bits change at this place, in thousandths.
    Flip(usize, u8),
    /// This follows.
    More(Vec<u8>),
}

impl Body {
    /// Returns the body for a server in the state of this one that has had so many more transactions.
    pub(crate) fn encoded(&self, op: OpCode, damage: &Damage, server: &Server, ahead: i64) -> BytesMut {
        let mut bytes = BytesMut::new();
        let out = &mut Encoder::new(&mut bytes);
        let later = |zxid: Zxid| Zxid(zxid.0 + ahead);
        match self {
            Self::SetWatches(request) => {
                out.put(&SetWatches { relative_zxid: later(request.relative_zxid), ..request.clone() });
            }
            Self::SetWatches2(request) => {
                out.put(&SetWatches2 { relative_zxid: later(request.relative_zxid), ..request.clone() });
            }
            _ => self.encode(out, server),
        }
        match damage {
            Damage::None => {}
            Damage::Cut(left) => bytes.truncate(bytes.len() * left / 1000),
            Damage::Flip(place, bits) => {
                let whole = bytes.clone();
                let place = bytes.len() * place / 1000;
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= bits;
                }
                // Lists of a length below −1 are malformed in memory, but empty to real servers.
                if has_negative_length(op, bytes.clone().freeze()) {
                    bytes = whole;
                }
            }
            Damage::More(more) => bytes.extend_from_slice(more),
        }
        bytes
    }

    fn encode(&self, out: &mut Encoder<'_>, server: &Server) {
        let version = |path: &Option<Text>, version: &Version| version.number(path, server, |stat| stat.version);
        match self {
            Self::Nothing => {}
            Self::Create(request) => out.put(request),
            Self::CreateTtl(request) => out.put(request),
            Self::Versioned(path, wanted) => {
                out.put(&DeleteRequest { path: path.clone(), version: version(path, wanted) });
            }
            Self::SetData(path, data, wanted) => {
                let version = version(path, wanted);
                out.put(&SetDataRequest { path: path.clone(), data: data.clone(), version });
            }
            Self::SetAcl(path, acl, wanted) => {
                let version = wanted.number(path, server, |stat| stat.aversion);
                out.put(&SetAclRequest { path: path.clone(), acl: acl.clone(), version });
            }
            Self::Read(request) => out.put(request),
            Self::Path(request) => out.put(request),
            Self::AddWatch(request) => out.put(request),
            Self::Watches(request) => out.put(request),
            Self::SetWatches(request) => out.put(request),
            Self::SetWatches2(request) => out.put(request),
            Self::Reconfig(request) => out.put(request),
            Self::Auth(request) => out.put(request),
            Self::Sasl(request) => out.put(request),
            Self::Multi(parts) => {
                for (op, part) in parts {
                    out.put(&MultiHeader { op: *op, done: false, err: ErrorCode::SystemError });
                    part.encode(out, server);
                }
                out.put(&MultiHeader::END);
            }
        }
    }

    /// Returns whether it names a path that begins so.
    pub(crate) fn touches(&self, prefix: &str) -> bool {
        let begins = |path: &Option<Text>| path.as_ref().is_some_and(|path| path.starts_with(prefix));
        match self {
            Self::Create(request) => begins(&request.path),
            Self::CreateTtl(request) => begins(&request.path),
            Self::Versioned(path, _) | Self::SetData(path, ..) | Self::SetAcl(path, ..) => begins(path),
            Self::Multi(parts) => parts.iter().any(|(_, part)| part.touches(prefix)),
            Self::Nothing | Self::Read(_) | Self::Path(_) | Self::AddWatch(_) | Self::Watches(_) => false,
            Self::SetWatches(_) | Self::SetWatches2(_) | Self::Reconfig(_) | Self::Auth(_) | Self::Sasl(_) => false,
        }
    }
}

impl Body {
    /// Returns whether it may have a real server stumble half-way through a multi. It then believes for a while in what came
    /// before, which requests behind it can tell.
    pub(crate) fn may_stumble(&self) -> bool {
        let is_whole =
            |acl: &Option<Vec<Acl>>| acl.as_ref().is_some_and(|acl| acl.iter().all(|acl| acl.id.id.is_some()));
        let stumbles = |part: &Self| {
            part.has_null_path()
                || matches!(part, Self::Create(request) if !is_whole(&request.acl) || request.mode.has_ttl())
                || matches!(part, Self::CreateTtl(request) if !is_whole(&request.acl))
        };
        matches!(self, Self::Multi(parts) if parts.iter().any(|(_, part)| stumbles(part)))
    }

    /// Returns whether it creates a container by the mode of an ephemeral node. Requests that are in flight behind it take it
    /// for one.
    pub(crate) fn is_ephemeral_container(&self, op: OpCode) -> bool {
        matches!(self, Self::Create(request) if op == OpCode::CreateContainer && request.mode.is_ephemeral())
    }

    /// Returns whether it is without a path, or any of its parts is.
    pub(crate) fn has_null_path(&self) -> bool {
        match self {
            Self::Create(request) => request.path.is_none(),
            Self::CreateTtl(request) => request.path.is_none(),
            Self::Versioned(path, _) | Self::SetData(path, ..) | Self::SetAcl(path, ..) => path.is_none(),
            Self::Read(request) => request.path.is_none(),
            Self::Path(request) => request.path.is_none(),
            Self::Multi(parts) => parts.iter().any(|(_, part)| part.has_null_path()),
            Self::Nothing | Self::AddWatch(_) | Self::Watches(_) | Self::SetWatches(_) | Self::SetWatches2(_) => false,
            Self::Reconfig(_) | Self::Auth(_) | Self::Sasl(_) => false,
        }
    }
}

impl Version {
    fn number(self, path: &Option<Text>, server: &Server, of: impl Fn(&Stat) -> i32) -> i32 {
        match self {
            Self::Any => -1,
            Self::Exactly(version) => version,
            Self::Right(more) => {
                let node = path.as_ref().and_then(|path| server.node(path));
                node.map_or(0, |node| of(&node.stat)).wrapping_add(more)
            }
        }
    }
}

/// Returns whether a body cannot be read because of a length below −1.
fn has_negative_length(op: OpCode, body: Bytes) -> bool {
    let record = op.request_record().and_then(record_type);
    let error = record.and_then(|record| record.decode(&mut Decoder::new(body)).err());
    error.is_some_and(|error| matches!(error.kind, DecodeErrorKind::NegativeLength(_)))
}

/// Returns a frame of these bytes.
pub(crate) fn framed(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(body.len() + 4);
    frame.put_i32(i32::try_from(body.len()).expect("frames of tests are small"));
    frame.extend_from_slice(body);
    frame.freeze()
}

/// Returns the relative zxid of a client that was last heard of so many transactions ago.
pub(crate) fn since(server: &Server, transactions: i64) -> Zxid {
    Zxid((server.zxid().0 - transactions).max(0))
}
