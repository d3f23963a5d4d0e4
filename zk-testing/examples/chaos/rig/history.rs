//! What clients did and what came of it, as they tell it.
//!
//! A client tells of an operation before it begins and after it has ended, by the machine's monotonic clock, which all processes
//! share. What has begun and never ended, because its process was killed, is in doubt for ever, like what ended in doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// Nanoseconds of the monotonic clock.
pub(crate) type Time = u64;

/// Names an operation, in all processes. What it writes contains this number, so that nobody else writes the same.
pub(crate) type OpId = u64;

/// A line of what a process tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    Began(Op),
    Ended(OpId, Time, Outcome),
    Told(Told),
    /// All work was ended in good order, and nothing is held any more.
    Rested,
}

/// An operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Op {
    pub(crate) id: OpId,
    /// The client, in all processes.
    pub(crate) who: u32,
    /// The session to which it was pinned; zero where it was not.
    pub(crate) session: i64,
    pub(crate) call: Call,
    pub(crate) began: Time,
    /// When it ended, and how; nothing as long as nobody knows.
    #[serde(default)]
    pub(crate) end: Option<(Time, Outcome)>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Call {
    /// Data set, in one transaction.
    Set(Vec<Set>),
    Get {
        path: String,
        /// Whether a sync went before, in the same operation.
        sync: bool,
    },
    Create {
        path: String,
        kind: Kind,
    },
    Delete {
        path: String,
    },
    /// The names of a node's children, behind a sync.
    List {
        path: String,
    },
    Acquire {
        lock: String,
    },
    /// Data set in a lock's own transaction.
    Guarded {
        path: String,
        token: u64,
        /// Whether the holder had been told before that he is none any more.
        lost: bool,
    },
    Release {
        lock: String,
        token: u64,
    },
    Put {
        queue: String,
    },
    Take {
        queue: String,
    },
    Ack {
        queue: String,
        item: u64,
    },
}

/// One node of a [`Call::Set`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Set {
    pub(crate) path: String,
    pub(crate) expected: Option<i32>,
}

/// What kind of node is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Plain,
    Ephemeral,
    Numbered,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Done(Seen),
    /// It was certainly not carried out, or it was a read whose reply nobody waited for.
    Refused(String),
    /// Nobody can tell.
    Unknown(String),
}

/// What an operation that was carried out brought back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Seen {
    Nothing,
    /// How nodes stand; nothing for one that is not there.
    Nodes(Vec<Option<Mark>>),
    Created {
        path: String,
        czxid: i64,
    },
    Names(BTreeSet<String>),
    Token(u64),
    Item {
        /// The operation that put it.
        item: u64,
        /// Whether it is certainly this one's.
        is_certain: bool,
    },
}

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) version: i32,
    /// The operation that wrote its data; zero where nobody has.
    pub(crate) value: u64,
}

/// What is told beside operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// A lock was certain to be held until then, as its holder saw it.
    Holds { lock: String, token: u64, who: u32, until: Time },
    /// A holder was told that he is none any more.
    Lost { token: u64, at: Time },
    /// What a persistent watch told between two reads of a node, without saying that it may have missed something.
    Watched {
        who: u32,
        at: Time,
        session: i64,
        path: String,
        recursive: bool,
        from: i32,
        to: i32,
        /// How many changes it told up to the first read of these two before the last, and up to the last.
        before: i32,
        events: i32,
    },
    /// What a one-shot watch told until a read. The numbers are the same where the node is.
    Once {
        who: u32,
        at: Time,
        session: i64,
        path: String,
        what: String,
        left: (i64, i64),
        read: (i64, i64),
        fired: bool,
    },
    /// A session has ended, and not by being closed.
    Over { who: u32, at: Time, session: i64 },
    /// What a client went through.
    State { who: u32, at: Time, state: String },
    /// What a cache shows at the end: of each path, which transactions made it and last set it.
    Cached { who: u32, cache: String, nodes: BTreeMap<String, (i64, i64)> },
    /// Something that must not be, seen where it happened.
    Wrong { who: u32, at: Time, what: String },
}

/// All that happened.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) ops: BTreeMap<OpId, Op>,
    pub(crate) told: Vec<Told>,
    /// Times during which it was in doubt who leads the ensemble.
    pub(crate) in_doubt: Vec<(Time, Time)>,
    /// What was there when all had ended; nothing while it goes on.
    pub(crate) rest: Option<Rest>,
}

/// What was there at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// The nodes that data was set of.
    pub(crate) nodes: BTreeMap<String, Mark>,
    /// The names of children, while clients were still there.
    pub(crate) names: BTreeMap<String, BTreeSet<String>>,
    /// What was left in queues, by the operation that put it.
    pub(crate) items: BTreeMap<String, Vec<u64>>,
    /// The ephemeral nodes when all sessions had ended.
    pub(crate) ephemerals: BTreeSet<String>,
}

impl Op {
    pub(crate) fn seen(&self) -> Option<&Seen> {
        match &self.end {
            Some((_, Outcome::Done(seen))) => Some(seen),
            Some((_, Outcome::Refused(_) | Outcome::Unknown(_))) | None => None,
        }
    }

    /// Returns when it was acknowledged.
    pub(crate) fn acked(&self) -> Option<Time> {
        match &self.end {
            Some((at, Outcome::Done(_))) => Some(*at),
            Some((_, Outcome::Refused(_) | Outcome::Unknown(_))) | None => None,
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.end, Some((_, Outcome::Refused(_))))
    }

    /// Returns whether nobody knows what came of it.
    pub(crate) fn is_in_doubt(&self) -> bool {
        matches!(self.end, None | Some((_, Outcome::Unknown(_))))
    }

    /// Returns each node that it was acknowledged to have set, and how that stood afterwards.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&str, Mark)> {
        let paths: Vec<&str> = match &self.call {
            Call::Set(sets) => sets.iter().map(|set| set.path.as_str()).collect(),
            Call::Guarded { path, .. } => vec![path],
            _ => Vec::new(),
        };
        let marks: &[Option<Mark>] = match self.seen() {
            Some(Seen::Nodes(marks)) => marks,
            _ => &[],
        };
        paths.into_iter().zip(marks).filter_map(|(path, mark)| Some((path, (*mark)?)))
    }

    /// Returns the node that it read, and how that stood.
    pub(crate) fn read(&self) -> Option<(&str, Option<Mark>)> {
        match (&self.call, self.seen()) {
            (Call::Get { path, .. }, Some(Seen::Nodes(marks))) => Some((path, marks.first().copied().flatten())),
            _ => None,
        }
    }
}

impl Call {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Set(sets) if sets.len() > 1 => "multi",
            Self::Set(sets) if sets.iter().any(|set| set.expected.is_some()) => "compare and set",
            Self::Set(_) => "set",
            Self::Get { sync: true, .. } => "sync and get",
            Self::Get { sync: false, .. } => "get",
            Self::Create { kind: Kind::Plain, .. } => "create",
            Self::Create { kind: Kind::Ephemeral, .. } => "create ephemeral",
            Self::Create { kind: Kind::Numbered, .. } => "create numbered",
            Self::Delete { .. } => "delete",
            Self::List { .. } => "list",
            Self::Acquire { .. } => "acquire",
            Self::Guarded { .. } => "guarded write",
            Self::Release { .. } => "release",
            Self::Put { .. } => "put",
            Self::Take { .. } => "take",
            Self::Ack { .. } => "acknowledge",
        }
    }

    /// Returns whether it is a single write in its session, which needs the vote of a majority.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Create { .. } | Self::Delete { .. } | Self::Guarded { .. })
    }

    /// Returns whether it takes as long as others have something that it wants.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Acquire { .. } | Self::Take { .. })
    }
}

/// Shows an operation as a line of a history.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10.4} ", seconds(self.began))?;
        match &self.end {
            Some((at, _)) => write!(f, "to {:10.4}", seconds(*at))?,
            None => f.write_str("without an end")?,
        }
        write!(f, "  client {}, session {:#x}, op {}: {:?}", self.who, self.session, self.id, self.call)?;
        match &self.end {
            Some((_, Outcome::Done(seen))) => write!(f, " → {seen:?}"),
            Some((_, Outcome::Refused(why))) => write!(f, " → refused: {why}"),
            Some((_, Outcome::Unknown(why))) => write!(f, " → in doubt: {why}"),
            None => Ok(()),
        }
    }
}

/// Returns a time as seconds.
pub(crate) fn seconds(time: Time) -> f64 {
    time as f64 / 1e9
}
