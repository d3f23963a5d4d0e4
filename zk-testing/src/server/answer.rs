//! What follows the header of a reply.

use std::sync::Arc;

use zk_proto::{
    Zxid,
    code::{ErrorCode, OpCode},
    record::{Acl, ClientInfo, MultiHeader, ReplyHeader, Stat},
    wire::{Encoder, Text},
};

use super::{java, node::Node};

/// The body of a reply, as far as it can be without a copy.
pub(super) enum Answer<'a> {
    Nothing,
    Stat(Stat),
    Data(&'a Node),
    Acl(Vec<Acl>, Stat),
    Children(Vec<&'a str>, Option<Stat>),
    Count(i32),
    Paths(Vec<Arc<str>>),
    Identities(Vec<ClientInfo>),
    /// A path that comes back as it was sent.
    Echo(Option<Text>),
    Created(Arc<str>, Option<Stat>),
    Error(ErrorCode),
    /// The results of a multi, and its end.
    Multi(Vec<(OpCode, Answer<'a>)>),
}

impl Answer<'_> {
    /// Returns about how many bytes it takes, not less than a tenth of what it really does.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Data(node) => node.data_len() + 72,
            Self::Children(names, _) => names.iter().map(|name| name.len() + 4).sum(),
            _ => 16,
        }
    }

    pub(super) fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Nothing => {}
            Self::Stat(stat) => out.put(stat),
            Self::Data(node) => {
                out.buffer(node.data.as_deref());
                out.put(&node.stat());
            }
            Self::Acl(list, stat) => {
                out.length(list.len());
                list.iter().for_each(|acl| out.put(acl));
                out.put(stat);
            }
            Self::Children(names, stat) => {
                out.length(names.len());
                names.iter().for_each(|name| out.text(name));
                if let Some(stat) = stat {
                    out.put(stat);
                }
            }
            Self::Count(count) => out.int(*count),
            Self::Paths(paths) => {
                out.length(paths.len());
                paths.iter().for_each(|path| out.text(path));
            }
            Self::Identities(identities) => {
                out.length(identities.len());
                identities.iter().for_each(|identity| out.put(identity));
            }
            Self::Echo(path) => out.put(&path.as_ref().map(|path| java::write(&java::read(path)))),
            Self::Created(path, stat) => {
                out.text(path);
                if let Some(stat) = stat {
                    out.put(stat);
                }
            }
            Self::Error(error) => out.put(error),
            Self::Multi(results) => {
                for (op, result) in results {
                    result.encode_result(*op, out);
                }
                out.put(&MultiHeader::END);
            }
        }
    }

    /// Writes it as one of the results of a multi.
    fn encode_result(&self, op: OpCode, out: &mut Encoder<'_>) {
        let err = if let Self::Error(error) = self { *error } else { ErrorCode::Ok };
        out.put(&MultiHeader { op, done: false, err });
        self.encode(out);
    }
}

/// Writes the header of a reply.
pub(super) fn header(out: &mut Encoder<'_>, xid: i32, zxid: Zxid, err: ErrorCode) {
    out.put(&ReplyHeader { xid, zxid, err });
}
