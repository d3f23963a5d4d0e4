//! multi: what its operations mean, and how its results are told.
//!
//! The real server reads the operations of a multi into classes of its client first, which decide by the mode, not by the
//! header, what kind of create each one is. That is where a few oddities come from, and where 3.8 and 3.9 differ.

use zk_proto::{
    code::{CreateMode, ErrorCode, OpCode},
    record::{CreateRequest, MultiEntry, MultiOp, MultiRequest},
};

use super::{
    answer::Answer,
    options::{Options, Version},
    prepare::{Change, Create, Kind, Operation},
};

/// Why a whole multi is refused, and whether that uses a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    WithZxid,
    WithoutZxid,
}

/// Returns whether this can stand in a multi or a multiRead at all.
pub(super) fn is_sub_operation(op: &MultiOp) -> bool {
    let is_write = matches!(
        op,
        MultiOp::Create(_) | MultiOp::CreateTtl(_) | MultiOp::Delete(_) | MultiOp::SetData(_) | MultiOp::Check(_)
    );
    is_write || matches!(op, MultiOp::GetData(_) | MultiOp::GetChildren(_))
}

/// Returns the operations of a multi.
///
/// # Errors
///
/// When one of them cannot stand in a multi.
pub(super) fn operations(request: MultiRequest, options: &Options) -> Result<Vec<Operation>, Refusal> {
    let mut operations = Vec::with_capacity(request.entries.len());
    let mut has_reads = false;
    for entry in request.entries {
        // Reads are fine until a write comes, and that is only looked at once it is found to be one.
        if operations.is_empty() && matches!(entry.body, MultiOp::GetData(_) | MultiOp::GetChildren(_)) {
            has_reads = true;
            continue;
        }
        operations.push(operation(entry, options)?);
        if has_reads {
            return Err(Refusal::WithZxid);
        }
    }
    if has_reads {
        return Err(Refusal::WithZxid);
    }
    // Real servers look at all paths before they begin, and stumble over null.
    if operations.iter().any(Operation::has_null_path) { Err(Refusal::WithZxid) } else { Ok(operations) }
}

fn operation(entry: MultiEntry<MultiOp>, options: &Options) -> Result<Operation, Refusal> {
    let op = entry.header.op;
    let is_later = matches!(op, OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl);
    if is_later && options.version < Version::V3_5 {
        return Err(Refusal::WithZxid);
    }
    Ok(match entry.body {
        MultiOp::Create(request)
            if request.mode.has_ttl() && (Version::V3_5..Version::V3_9).contains(&options.version) =>
        {
            Operation::WithoutTtl(request.path)
        }
        MultiOp::Create(request) => Operation::Create(create(op, request, options.version)?),
        MultiOp::CreateTtl(request) => {
            // Without a TTL in the mode it is a plain create, and the TTL is dropped.
            let (kind, ttl) = match request.mode {
                mode if mode.has_ttl() => (Kind::Ttl, request.ttl),
                CreateMode::Container => (Kind::Container, -1),
                _ => (Kind::Plain, -1),
            };
            let (path, data, acl, mode) = (request.path, request.data, request.acl, request.mode);
            Operation::Create(Create { kind, path, data, acl, mode, ttl })
        }
        MultiOp::Delete(request) => Operation::Delete(request),
        MultiOp::SetData(request) => Operation::SetData(request),
        MultiOp::Check(request) => Operation::Check(request),
        _ => return Err(Refusal::WithZxid),
    })
}

/// Returns what create, create2 or createContainer means.
fn create(op: OpCode, request: CreateRequest, version: Version) -> Result<Create, Refusal> {
    let CreateRequest { path, data, acl, mode } = request;
    let kind = match (version, op) {
        (Version::Keeper | Version::V3_4 | Version::V3_5 | Version::V3_8, _) => match mode {
            CreateMode::Container => Kind::Container,
            _ => Kind::Plain,
        },
        (Version::V3_9, _) if matches!(mode, CreateMode::Unknown(_)) => return Err(Refusal::WithZxid),
        (Version::V3_9, _) if acl.is_none() => return Err(Refusal::WithoutZxid),
        (Version::V3_9, _) if mode.has_ttl() => return Err(Refusal::WithZxid),
        (Version::V3_9, _) if mode == CreateMode::Container => Kind::Container,
        (Version::V3_9, OpCode::Create2) => Kind::WithStat,
        (Version::V3_9, OpCode::CreateContainer) => Kind::Container,
        (Version::V3_9, _) => Kind::Plain,
    };
    Ok(Create { kind, path, data, acl, mode, ttl: -1 })
}

/// Returns the type of the result of a change, which follows from what was done.
pub(super) fn result_type(change: &Change) -> OpCode {
    match change {
        Change::Create { kind: Kind::Plain, .. } => OpCode::Create,
        Change::Create { kind: Kind::WithStat | Kind::Container | Kind::Ttl, .. } => OpCode::Create2,
        Change::Delete { .. } => OpCode::Delete,
        Change::SetData { .. } => OpCode::SetData,
        Change::SetAcl { .. } => OpCode::SetAcl,
        Change::Check => OpCode::Check,
    }
}

/// Returns the results of a multi of `len` operations of which one failed: nothing was done, so all of them are errors.
pub(super) fn failed(len: usize, at: usize, error: ErrorCode) -> Answer<'static> {
    let result = |position: usize| match position.cmp(&at) {
        std::cmp::Ordering::Less => ErrorCode::Ok,
        std::cmp::Ordering::Equal => error,
        std::cmp::Ordering::Greater => ErrorCode::RuntimeInconsistency,
    };
    Answer::Multi((0..len).map(|position| (OpCode::Error, Answer::Error(result(position)))).collect())
}

#[cfg(test)]
mod tests {
    use zk_proto::record::{Acl, GetDataRequest, MultiHeader};

    use super::*;
    use crate::server::testing::{Bench, text};

    #[test]
    fn before_it_wants_an_acl_3_9_wants_a_mode_and_after_it_no_ttl() {
        let outcome = |mode: CreateMode, acl: Option<Vec<Acl>>| {
            let request = CreateRequest { path: text("/a"), data: None, acl, mode };
            create(OpCode::Create, request, Version::V3_9).map(|create| create.kind).err()
        };
        let table = [
            (CreateMode::Unknown(7), None, Some(Refusal::WithZxid)),
            (CreateMode::PersistentWithTtl, None, Some(Refusal::WithoutZxid)),
            (CreateMode::Container, None, Some(Refusal::WithoutZxid)),
            (CreateMode::PersistentWithTtl, Some(Acl::open()), Some(Refusal::WithZxid)),
            (CreateMode::Container, Some(Acl::open()), None),
        ];

        for (mode, acl, expected) in table {
            assert_eq!(outcome(mode, acl.clone()), expected, "{mode} {acl:?}");
        }
    }

    #[test]
    fn a_missing_acl_is_found_by_3_9_before_the_reads_that_stand_in_front_of_it() {
        let entry = |op, body| MultiEntry { header: MultiHeader { op, done: false, ..MultiHeader::END }, body };
        let read = || entry(OpCode::GetData, MultiOp::GetData(GetDataRequest { path: text("/a"), watch: false }));
        let write = |acl| {
            let request = CreateRequest { path: text("/a"), data: None, acl, mode: CreateMode::Persistent };
            entry(OpCode::Create, MultiOp::Create(request))
        };
        let table = [
            (vec![read()], Refusal::WithZxid),
            (vec![read(), write(Some(Acl::open()))], Refusal::WithZxid),
            (vec![read(), write(None)], Refusal::WithoutZxid),
            (vec![write(Some(Acl::open())), read(), write(None)], Refusal::WithZxid),
        ];

        for (entries, expected) in table {
            let request = MultiRequest { entries, ..MultiRequest::default() };
            assert_eq!(operations(request.clone(), &Options::default()).err(), Some(expected), "{request:?}");
        }
    }

    #[test]
    fn a_ttl_that_is_missing_is_noticed_by_3_8_only_when_it_gets_there() {
        let create = |mode| MultiEntry {
            header: MultiHeader { op: OpCode::Create, done: false, ..MultiHeader::END },
            body: MultiOp::Create(CreateRequest { path: text("/none/a"), data: None, acl: Some(Acl::open()), mode }),
        };
        let mut bench = Bench::with(|options| options.version = Version::V3_8);
        let connection = bench.connect();
        let mut err = |modes: [CreateMode; 2]| {
            let request = MultiRequest { entries: modes.map(create).into(), ..MultiRequest::default() };
            bench.call(connection, OpCode::Multi, &request).header.err
        };

        assert_eq!(err([CreateMode::Persistent, CreateMode::PersistentWithTtl]), ErrorCode::Ok);
        assert_eq!(err([CreateMode::PersistentWithTtl, CreateMode::Persistent]), ErrorCode::MarshallingError);
    }
}
