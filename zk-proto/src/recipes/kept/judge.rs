//! What is next, given what the server shows.

use super::OnForeign;
use crate::{SessionId, Zxid, record::Stat};

/// From where a node is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) session: SessionId,
    /// The sessions that this client has had before.
    pub(super) former: &'a [SessionId],
    pub(super) is_ephemeral: bool,
    pub(super) on_foreign: OnForeign,
    /// The edition of the data that is wanted.
    pub(super) edition: u64,
    /// The edition that the node is known to have had, and the transaction that has set it.
    pub(super) known: Option<(u64, Zxid)>,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well.
    Settled,
    /// There is no node.
    Create,
    /// The node is ours, and has data that we know nothing of.
    Read,
    /// The node is ours, and has not the data that is wanted.
    Write,
    /// The node is to be replaced by one of ours.
    TakeOver,
    /// The node is somebody else's.
    Wait,
    /// The node is somebody else's, and that is the end of it.
    Refuse,
}

/// Judges a node, or its absence.
pub(super) fn judge(stat: Option<&Stat>, view: &View<'_>) -> Verdict {
    let Some(stat) = stat else { return Verdict::Create };
    let wanted_owner = if view.is_ephemeral { view.session } else { SessionId(0) };
    if stat.ephemeral_owner == wanted_owner {
        return match view.known {
            Some((edition, set)) if set == stat.mzxid => {
                if edition == view.edition {
                    Verdict::Settled
                } else {
                    Verdict::Write
                }
            }
            // Somebody has written to it, or our own write is in doubt.
            Some(_) | None => Verdict::Read,
        };
    }
    if view.is_ephemeral && view.former.contains(&stat.ephemeral_owner) {
        return Verdict::TakeOver;
    }
    match view.on_foreign {
        OnForeign::Wait => Verdict::Wait,
        OnForeign::Steal => Verdict::TakeOver,
        OnForeign::Fail => Verdict::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: SessionId = SessionId(7);
    const FORMER: SessionId = SessionId(6);
    const OTHER: SessionId = SessionId(9);
    const NONE: SessionId = SessionId(0);

    fn view(known: Option<(u64, Zxid)>) -> View<'static> {
        View { session: OURS, former: &[FORMER], is_ephemeral: true, on_foreign: OnForeign::Wait, edition: 3, known }
    }

    fn node(owner: SessionId, mzxid: i64) -> Stat {
        Stat { ephemeral_owner: owner, czxid: Zxid(10), mzxid: Zxid(mzxid), ..Stat::default() }
    }

    #[test]
    fn an_ephemeral_node_is_judged_by_its_owner_and_by_what_was_written_last() {
        let table = [
            (None, None, Verdict::Create),
            (Some(node(OURS, 12)), Some((3, Zxid(12))), Verdict::Settled),
            (Some(node(OURS, 12)), Some((2, Zxid(12))), Verdict::Write),
            (Some(node(OURS, 13)), Some((3, Zxid(12))), Verdict::Read),
            (Some(node(OURS, 13)), Some((2, Zxid(12))), Verdict::Read),
            (Some(node(OURS, 12)), None, Verdict::Read),
            (Some(node(FORMER, 12)), Some((3, Zxid(12))), Verdict::TakeOver),
            (Some(node(OTHER, 12)), None, Verdict::Wait),
            (Some(node(NONE, 12)), None, Verdict::Wait),
        ];
        for (stat, known, expected) in table {
            assert_eq!(judge(stat.as_ref(), &view(known)), expected, "{stat:?}, {known:?}");
        }
    }

    #[test]
    fn a_persistent_node_is_ours_whoever_has_made_it_and_an_ephemeral_one_is_not() {
        let view = View { is_ephemeral: false, ..view(Some((3, Zxid(12)))) };
        let table = [
            (node(NONE, 12), Verdict::Settled),
            (node(NONE, 13), Verdict::Read),
            (node(OURS, 12), Verdict::Wait),
            (node(FORMER, 12), Verdict::Wait),
        ];
        for (stat, expected) in table {
            assert_eq!(judge(Some(&stat), &view), expected, "{stat:?}");
        }
    }

    #[test]
    fn what_is_done_about_a_foreign_node_is_a_matter_of_policy() {
        let policies = [
            (OnForeign::Wait, Verdict::Wait),
            (OnForeign::Steal, Verdict::TakeOver),
            (OnForeign::Fail, Verdict::Refuse),
        ];
        for (on_foreign, expected) in policies {
            let view = View { on_foreign, ..view(None) };
            assert_eq!(judge(Some(&node(OTHER, 12)), &view), expected);
            assert_eq!(judge(Some(&node(OURS, 12)), &view), Verdict::Read);
        }
    }
}
