//! Histories by hand.

use std::collections::BTreeMap;

use super::super::history::{Call, History, Kind, Mark, Op, OpId, Outcome, Rest, Seen, Set, Time, Told};

/// A history that is put together piece by piece.
#[derive(Default)]
pub(super) struct Fabricated(pub(super) History);

impl Fabricated {
    /// Adds an operation of a session, whose number is its client's too. It begins and ends at these seconds.
    pub(super) fn op(&mut self, id: OpId, session: i64, times: (u64, u64), call: Call, outcome: Outcome) -> &mut Self {
        let who = u32::try_from(session).unwrap();
        let end = Some((times.1 * SECOND, outcome));
        self.0.ops.insert(id, Op { id, who, session, call, began: times.0 * SECOND, end });
        self
    }

    /// Adds a write that was acknowledged with this transaction and version.
    pub(super) fn set(&mut self, id: OpId, times: (u64, u64), path: &str, zxid: i64, version: i32) -> &mut Self {
        self.op(id, 1, times, set(path), done([mark(zxid, version, id)]))
    }

    /// Adds a read that has seen what this operation has written.
    pub(super) fn get(&mut self, id: OpId, session: i64, times: (u64, u64), path: &str, seen: Mark) -> &mut Self {
        self.op(id, session, times, get(path, false), done([seen]))
    }

    /// Adds something told.
    pub(super) fn told(&mut self, told: Told) -> &mut Self {
        self.0.told.push(told);
        self
    }

    /// Says what is there at the end.
    pub(super) fn rest(&mut self, nodes: &[(&str, Mark)]) -> &mut Rest {
        let nodes: BTreeMap<_, _> = nodes.iter().map(|(path, mark)| ((*path).to_owned(), *mark)).collect();
        self.0.rest.insert(Rest { nodes, ..Rest::default() })
    }
}

pub(super) const SECOND: Time = 1_000_000_000;

pub(super) fn mark(mzxid: i64, version: i32, value: OpId) -> Mark {
    Mark { czxid: 1, mzxid, version, value }
}

pub(super) fn set(path: &str) -> Call {
    Call::Set(vec![Set { path: path.to_owned(), expected: None }])
}

pub(super) fn get(path: &str, sync: bool) -> Call {
    Call::Get { path: path.to_owned(), sync }
}

pub(super) fn create(path: &str, kind: Kind) -> Call {
    Call::Create { path: path.to_owned(), kind }
}

pub(super) fn created(path: &str, czxid: i64) -> Outcome {
    Outcome::Done(Seen::Created { path: path.to_owned(), czxid })
}

pub(super) fn done<const N: usize>(marks: [Mark; N]) -> Outcome {
    Outcome::Done(Seen::Nodes(marks.into_iter().map(Some).collect()))
}

pub(super) fn unknown() -> Outcome {
    Outcome::Unknown("lost".to_owned())
}

pub(super) fn refused() -> Outcome {
    Outcome::Refused("BadVersion".to_owned())
}

/// Asserts that a checker finds this many violations, and looked at something.
pub(super) fn expect(
    count: usize,
    checker: fn(&History, &mut Vec<super::Violation>) -> usize,
    fabricated: &Fabricated,
) {
    let mut violations = Vec::new();
    let looked_at = checker(&fabricated.0, &mut violations);
    assert_eq!(violations.len(), count, "{violations:#?}");
    assert!(looked_at > 0, "it has looked at nothing");
}
