//! What is asked of an update, and what comes of it.

use core::fmt;

use bytes::Bytes;

use crate::record::Stat;

/// A node as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its data.
    pub data: Bytes,
    /// Its [`Stat`].
    pub stat: Stat,
}

/// What is to become of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is to contain this, and is made if it is missing.
    Set(Bytes),
    /// It is to be deleted. Where there is none, as [`None`](Self::None).
    Delete,
    /// It is to stay as it is.
    None,
}

impl Change {
    /// Returns that it is to contain this.
    pub fn set(data: impl Into<Bytes>) -> Self {
        Self::Set(data.into())
    }
}

/// How often a write may take effect when its reply is lost, and nothing tells whether it was carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Never twice: the outcome is [`Unknown`](Outcome::Unknown) then.
    #[default]
    AtMostOnce,
    /// Once or twice: it is done again. Curator's and kazoo's counters do that always.
    AtLeastOnce,
    /// Once. A marker of a name that nobody else uses is made in the same transaction, ephemeral and below `<path>-ops`, so that the
    /// client can look for it; it is deleted in the background. It costs two more writes each time. Only when the session ends before the
    /// client could look can the outcome be [`Unknown`](Outcome::Unknown).
    ExactlyOnce,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it may not have been carried out"]
pub enum Outcome<T> {
    /// It was carried out, once.
    Applied(T),
    /// It was not carried out, and will not be.
    NotApplied(Reason),
    /// It was carried out, or not: the reply was lost, and others have written since, or there was no time to find out.
    Unknown,
}

/// Why a write was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// What is there wants no change.
    Declined,
    /// Others were faster, or there was no connection, for as often or as long as was tried.
    GaveUp,
}

impl<T> Outcome<T> {
    /// Returns what was applied; `None` where nothing was, as far as anybody knows.
    pub fn applied(self) -> Option<T> {
        match self {
            Self::Applied(applied) => Some(applied),
            Self::NotApplied(_) | Self::Unknown => None,
        }
    }

    /// Makes something else of what was applied.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Applied(applied) => Outcome::Applied(map(applied)),
            Self::NotApplied(reason) => Outcome::NotApplied(reason),
            Self::Unknown => Outcome::Unknown,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declined => "what is there wants no change",
            Self::GaveUp => "others were faster, or there was no connection",
        })
    }
}
