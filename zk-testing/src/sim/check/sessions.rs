//! What must be true of sessions, and of what is left when they are over.

use zk_proto::{Instant, SessionId, client::Inspection};

use crate::sim::{ensemble::Ensemble, net::Net, trace::Violation, truth::Truth};

/// A session has expired at `now`: until when did its client count on it?
pub(crate) fn check_validity(
    process: u32,
    session: SessionId,
    valid_until: Option<Instant>,
    now: Instant,
) -> Result<(), Violation> {
    match valid_until.filter(|valid| *valid > now) {
        None => Ok(()),
        Some(valid) => {
            let late = valid.saturating_since(now);
            let what = format!("client P{process} counts on {session} for {late:?} more, but it has expired");
            Err(Violation::new("validity", what))
        }
    }
}

/// The tree of the ensemble is what its history makes of it.
pub(crate) fn check_tree(truth: &Truth, ensemble: &Ensemble) -> Result<(), Violation> {
    let wrong = |what: String| Violation::new("history", what);
    let paths = ensemble.paths();
    if let Some(path) = truth.paths().find(|path| ensemble.node(path).is_none()) {
        return Err(wrong(format!("{path} was created and never deleted, and is not there")));
    }
    for path in paths {
        let (node, state) = (ensemble.node(&path), truth.node(&path));
        let is_same = match (&node, state) {
            (Some(node), Some(state)) => state.is_shown_by(&node.stat) && state.data == node.data,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_same {
            return Err(wrong(format!("{path} is {node:?}, by the history it is {state:?}")));
        }
    }
    Ok(())
}

/// A client that nobody asks anything of holds nothing.
pub(crate) fn check_idle(process: u32, inspection: &Inspection) -> Result<(), Violation> {
    let Inspection { backlog, in_flight, slots: [outcomes, ..], .. } = inspection;
    if *backlog == 0 && *in_flight == 0 && *outcomes == 0 {
        return Ok(());
    }
    let what = format!("client P{process} has {backlog} requests waiting, {in_flight} unanswered, {outcomes} slots");
    Err(Violation::new("rest", what))
}

/// Clients that were connected have told the servers that they leave.
pub(crate) fn check_closed(left: &[(u32, SessionId)], truth: &Truth) -> Result<(), Violation> {
    let is_open = |session| truth.session(session).is_some_and(|life| life.ended.is_none());
    match left.iter().find(|(_, session)| is_open(*session)) {
        None => Ok(()),
        Some((process, session)) => {
            Err(Violation::new("close", format!("client P{process} has left, and {session} is not closed")))
        }
    }
}

/// Nothing is left of clients that have gone.
pub(crate) fn check_gone(ensemble: &Ensemble, net: &Net) -> Result<(), Violation> {
    let wrong = |what: String| Err(Violation::new("rest", what));
    if let Some(session) = ensemble.sessions().first() {
        return wrong(format!("session {} is left when its clients have gone", session.id));
    }
    let truth = &net.wire.truth;
    if let Some((session, life)) = truth.sessions().find(|(_, life)| life.ended.is_none()) {
        return wrong(format!("session {session}, begun with {}, has never ended", life.began));
    }
    if let Some(path) = truth.paths().find(|path| truth.node(path).is_some_and(|node| node.owner != SessionId(0))) {
        return wrong(format!("the ephemeral node {path} is left when all sessions are over"));
    }
    for server in 0..ensemble.len() {
        if let Some(watch) = ensemble.watches(server).first() {
            return wrong(format!("server S{server} has a watch left: {watch:?}"));
        }
        if let Some(connection) = ensemble.connections(server).first() {
            return wrong(format!("server S{server} has a connection left: {connection:?}"));
        }
    }
    match net.connections.keys().next() {
        Some(connection) => wrong(format!("connection C{connection} is left when its client has gone")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::ensemble::{Effect, Transaction};
    use zk_proto::Zxid;

    const SESSION: SessionId = SessionId(7);

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn nobody_may_count_on_a_session_longer_than_it_lives() {
        for (valid_until, is_right) in [(None, true), (Some(at(4)), true), (Some(at(5)), true), (Some(at(6)), false)] {
            assert_eq!(check_validity(1, SESSION, valid_until, at(5)).is_ok(), is_right, "{valid_until:?}");
        }
    }

    #[test]
    fn who_leaves_closes_the_session() {
        let mut truth = Truth::default();
        let transaction =
            |zxid, effect| Transaction { zxid: Zxid(zxid), at: at(1), session: SESSION, effects: vec![effect] };
        truth.commit(&transaction(1, Effect::Began { timeout_ms: 5_000 })).unwrap();
        assert_eq!(check_closed(&[(1, SESSION)], &truth).unwrap_err().check, "close");

        truth.commit(&transaction(2, Effect::Ended)).unwrap();

        assert_eq!(check_closed(&[(1, SESSION)], &truth), Ok(()));
    }
}
