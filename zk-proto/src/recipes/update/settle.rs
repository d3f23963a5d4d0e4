//! Whether a write whose reply was lost was carried out, as far as what is there now can tell.
//!
//! What is there now was read behind a sync, in a session that has moved to another link or has ended: a write that is still on its
//! way from the old link is refused. So what was not carried out by now never will be.

use crate::{Zxid, broken::broken, record::Stat};

/// How the node stood when the write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recipes) enum Before {
    /// There was none, below a parent like this.
    Absent(Children),
    Present {
        created: Zxid,
        version: i32,
    },
}

/// What tells whether a node got or lost children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recipes) struct Children {
    created: Zxid,
    changed: Zxid,
}

impl Children {
    pub(in crate::recipes) fn of(parent: &Stat) -> Self {
        Self { created: parent.czxid, changed: parent.pzxid }
    }
}

/// How things stand now.
#[derive(Clone, Copy, Debug)]
pub(in crate::recipes) struct Now<'a> {
    pub(in crate::recipes) node: Option<(Zxid, i32, &'a [u8])>,
    pub(in crate::recipes) parent: Option<Children>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recipes) enum Verdict {
    Applied,
    NotApplied,
    Unknown,
}

/// Whether the bytes that are written tell who wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recipes) enum Content {
    Telling,
    Common,
}

impl Content {
    /// Returns what it means that the very bytes are there, with the version that they would have.
    fn same(self) -> Verdict {
        if broken!("numbers: takes another's bytes for its own") {
            return Verdict::Applied;
        }
        match self {
            Self::Telling => Verdict::Applied,
            Self::Common => Verdict::Unknown,
        }
    }
}

/// Returns what became of a write: of this data, or of a deletion.
pub(in crate::recipes) fn verdict(before: Before, wrote: Option<&[u8]>, content: Content, now: Now<'_>) -> Verdict {
    match (before, now.node) {
        // Nothing was made there since, and nothing deleted.
        (Before::Absent(children), None) if now.parent == Some(children) => Verdict::NotApplied,
        (Before::Absent(children), Some((_, 0, data))) if now.parent != Some(children) && wrote == Some(data) => {
            content.same()
        }
        // It may have been made, and then changed or deleted by somebody else.
        (Before::Absent(_), _) => Verdict::Unknown,
        (Before::Present { created, version }, Some((now_created, now_version, data))) if created == now_created => {
            match wrote {
                // A deleted node does not come back.
                None => Verdict::NotApplied,
                Some(_) if now_version == version => Verdict::NotApplied,
                Some(wrote) if now_version == version.wrapping_add(1) => {
                    if data == wrote {
                        content.same()
                    } else {
                        Verdict::NotApplied
                    }
                }
                // Others have written since, perhaps on top of ours.
                Some(_) => Verdict::Unknown,
            }
        }
        // It is gone, or another one of that name is there.
        (Before::Present { .. }, _) => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: Children = Children { created: Zxid(1), changed: Zxid(5) };
    const CHANGED: Children = Children { changed: Zxid(9), ..PARENT };
    const THERE: Before = Before::Present { created: Zxid(7), version: 3 };

    fn judge(before: Before, wrote: Option<&[u8]>, node: Option<(i64, i32, &[u8])>, parent: Children) -> Verdict {
        let node = node.map(|(created, version, data)| (Zxid(created), version, data));
        let now = Now { node, parent: Some(parent) };
        let common = verdict(before, wrote, Content::Common, now);
        let telling = verdict(before, wrote, Content::Telling, now);
        assert!(common == telling || (common, telling) == (Verdict::Unknown, Verdict::Applied), "{before:?}, {now:?}");
        telling
    }

    #[test]
    fn a_set_is_judged_by_the_version_and_the_bytes() {
        let set = |node| judge(THERE, Some(b"ours"), node, PARENT);
        assert_eq!(set(Some((7, 3, b"old"))), Verdict::NotApplied, "nobody has written");
        assert_eq!(set(Some((7, 4, b"theirs"))), Verdict::NotApplied, "somebody else was faster");
        assert_eq!(set(Some((7, 4, b"ours"))), Verdict::Applied, "where the bytes tell who wrote them");
        assert_eq!(set(Some((7, 5, b"theirs"))), Verdict::Unknown, "one of two writes may be ours");
        assert_eq!(set(Some((8, 3, b"old"))), Verdict::Unknown, "it was deleted and made anew");
        assert_eq!(set(None), Verdict::Unknown);
        let last = Before::Present { created: Zxid(7), version: i32::MAX };
        assert_eq!(judge(last, Some(b"ours"), Some((7, i32::MIN, b"ours")), PARENT), Verdict::Applied);
    }

    #[test]
    fn bytes_that_anybody_could_have_written_prove_nothing() {
        let now = Now { node: Some((Zxid(7), 4, b"6")), parent: Some(PARENT) };
        assert_eq!(verdict(THERE, Some(b"6"), Content::Common, now), Verdict::Unknown);
    }

    #[test]
    fn a_creation_is_judged_by_the_parent_too() {
        let create = |node, parent| judge(Before::Absent(PARENT), Some(b"ours"), node, parent);
        assert_eq!(create(None, PARENT), Verdict::NotApplied);
        assert_eq!(create(None, CHANGED), Verdict::Unknown, "it may have been deleted since");
        assert_eq!(create(Some((9, 0, b"ours")), CHANGED), Verdict::Applied);
        assert_eq!(create(Some((9, 0, b"theirs")), CHANGED), Verdict::Unknown);
        assert_eq!(create(Some((9, 1, b"ours")), CHANGED), Verdict::Unknown);
    }

    #[test]
    fn a_deletion_has_not_happened_while_the_very_node_is_there() {
        let delete = |node| judge(THERE, None, node, PARENT);
        assert_eq!(delete(Some((7, 3, b"old"))), Verdict::NotApplied);
        assert_eq!(delete(Some((7, 9, b"new"))), Verdict::NotApplied);
        assert_eq!(delete(Some((8, 0, b"new"))), Verdict::Unknown);
        assert_eq!(delete(None), Verdict::Unknown, "anybody may have done it");
    }
}
