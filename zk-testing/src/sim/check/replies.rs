//! What a reply says, held against what was committed.

use zk_proto::{
    SessionId, Zxid,
    code::{ErrorCode, OpCode},
    record::{Create2Response, CreateResponse, GetChildren2Response, GetDataResponse, ReplyHeader, Stat},
    wire::Decoder,
};

use crate::sim::truth::Truth;

/// Holds a reply against what was committed.
pub(super) fn compare(
    op: OpCode,
    path: &str,
    header: &ReplyHeader,
    session: SessionId,
    mut input: Decoder,
    truth: &Truth,
) -> Result<(), String> {
    let ReplyHeader { zxid, err, .. } = *header;
    let node = truth.node_at(path, zxid);
    let malformed = |error: zk_proto::wire::DecodeError| error.to_string();
    let shows = |stat: &Stat| match node {
        Some(node) if node.is_shown_by(stat) => Ok(()),
        Some(_) | None => Err(format!("{op} {path} shows {stat:?} at {zxid}, there is {node:?}")),
    };
    match (op, err) {
        (OpCode::GetData, ErrorCode::Ok) => {
            let reply: GetDataResponse = input.get().map_err(malformed)?;
            shows(&reply.stat)?;
            if node.is_some_and(|node| node.data != reply.data) {
                return Err(format!("{op} {path} shows other data at {zxid} than there were"));
            }
        }
        (OpCode::Exists, ErrorCode::Ok) => shows(&input.get::<Stat>().map_err(malformed)?)?,
        (OpCode::GetChildren2, ErrorCode::Ok) => {
            let reply: GetChildren2Response = input.get().map_err(malformed)?;
            shows(&reply.stat)?;
            let names: Vec<_> = reply.children.into_iter().flatten().flatten().collect();
            let prefix = if path == "/" { "" } else { path };
            let stranger =
                names.iter().find(|name| truth.node_at(&format!("{prefix}/{}", name.as_str()), zxid).is_none());
            if let Some(name) = stranger {
                return Err(format!("{op} {path} lists {} at {zxid}, which is not there", name.as_str()));
            }
            if node.is_some_and(|node| usize::try_from(node.children) != Ok(names.len())) {
                return Err(format!("{op} {path} lists {} children at {zxid}", names.len()));
            }
        }
        (OpCode::GetData | OpCode::Exists | OpCode::GetChildren2 | OpCode::GetAcl, ErrorCode::NoNode) => {
            let answer =
                if node.is_some() { Err(format!("{op} {path}: there is such a node at {zxid}")) } else { Ok(()) };
            return answer;
        }
        (OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl, ErrorCode::Ok) => {
            let created = match op {
                OpCode::Create => input.get::<CreateResponse>().map_err(malformed)?.path,
                _ => input.get::<Create2Response>().map_err(malformed)?.path,
            };
            let created = created.map(|path| path.as_str().to_owned()).unwrap_or_default();
            if !created.starts_with(path) {
                return Err(format!("{op} {path} is answered by {created}"));
            }
            is_done(truth, zxid, session, &created)?;
        }
        (OpCode::Delete | OpCode::SetData | OpCode::SetAcl, ErrorCode::Ok) => is_done(truth, zxid, session, path)?,
        (
            OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::SetData
            | OpCode::SetAcl,
            _,
        ) => {
            let is_done = truth.deed(zxid).is_some_and(|deed| deed.session == session && deed.is_effective);
            let answer = if is_done {
                Err(format!("{op} {path} is answered by {err}, but {zxid} did something"))
            } else {
                Ok(())
            };
            return answer;
        }
        _ => {}
    }
    Ok(())
}

fn is_done(truth: &Truth, zxid: Zxid, session: SessionId, path: &str) -> Result<(), String> {
    match truth.deed(zxid) {
        Some(deed) if deed.session == session && deed.paths.contains(path) => Ok(()),
        deed => Err(format!("a write of {path} was answered with {zxid}, of which the history says {deed:?}")),
    }
}
