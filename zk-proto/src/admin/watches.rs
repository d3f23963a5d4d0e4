//! Who watches what, and which ephemeral nodes belong to whom.
//!
//! All of these are lists under headings: a line begins at the margin, those that belong to it begin with a tab.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::status::hexadecimal;
use crate::ids::SessionId;

/// The answer to `wchs`. It counts one-shot data watches, no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchSummary {
    /// How many connections have watches.
    pub connections: u64,
    /// How many paths are watched.
    pub paths: u64,
    /// How many watches there are.
    pub watches: u64,
}

impl WatchSummary {
    /// Reads `2 connections watching 3 paths` and `Total watches:4`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (first, second) = text.trim_end().split_once('\n')?;
        let (connections, paths) = first.strip_suffix(" paths")?.split_once(" connections watching ")?;
        Some(Self {
            connections: connections.parse().ok()?,
            paths: paths.parse().ok()?,
            watches: second.strip_prefix("Total watches:")?.parse().ok()?,
        })
    }
}

/// Reads sessions with the paths under each, as in `wchc`; `None` when the lines have another form.
pub(super) fn paths_by_session<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<(SessionId, Vec<String>)>> {
    let groups = groups(lines)?;
    groups.into_iter().map(|(session, paths)| Some((self::session(session)?, strings(paths)))).collect()
}

/// Reads paths with the sessions under each, as in `wchp`.
pub(super) fn sessions_by_path(text: &str) -> Option<Vec<(String, Vec<SessionId>)>> {
    let groups = groups(text.lines())?.into_iter().map(|(path, sessions)| {
        let sessions = sessions.into_iter().map(session).collect::<Option<_>>()?;
        path.starts_with('/').then(|| (path.to_string(), sessions))
    });
    groups.collect()
}

/// Reads the part of `dump` that lists ephemeral nodes by session.
pub(super) fn ephemerals(text: &str) -> Option<Vec<(SessionId, Vec<String>)>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Sessions with Ephemerals ("));
    lines.next()?;
    paths_by_session(lines.take_while(|line| !line.starts_with("Connections dump:")))
}

/// Gathers lines with a tab under the line without one that comes before them.
fn groups<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<(&'a str, Vec<&'a str>)>> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        match line.strip_prefix('\t') {
            Some(member) => groups.last_mut()?.1.push(member),
            None => groups.push((line, Vec::new())),
        }
    }
    Some(groups)
}

fn session(text: &str) -> Option<SessionId> {
    hexadecimal(text.trim_end_matches(':')).map(SessionId)
}

fn strings(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_three_numbers() {
        let summary = WatchSummary::parse("2 connections watching 3 paths\nTotal watches:4\n");

        assert_eq!(summary, Some(WatchSummary { connections: 2, paths: 3, watches: 4 }));
        assert_eq!(WatchSummary::parse("2 connections watching 3 paths\n"), None);
    }

    #[test]
    fn watches_are_told_by_session_or_by_path() {
        let by_session = paths_by_session("0x10\n\t/a\n\t/b c\n0x11\n\t/a\n\n".lines());
        let by_path = sessions_by_path("/a\n\t0x10\n\t0x11\n/b c\n\t0x10\n\n");

        let (one, other) = (SessionId(16), SessionId(17));
        assert_eq!(by_session, Some(vec![(one, vec!["/a".into(), "/b c".into()]), (other, vec!["/a".into()])]));
        assert_eq!(by_path, Some(vec![("/a".into(), vec![one, other]), ("/b c".into(), vec![one])]));
        assert_eq!(paths_by_session("\n".lines()), Some(Vec::new()));
        assert_eq!(paths_by_session("\t/a\n".lines()), None);
    }

    #[test]
    fn a_dump_tells_the_ephemeral_nodes_of_each_session() {
        let dump = "SessionTracker dump:\nSession Sets (1)/(1):\n1 expire at Mon Jan 01 00:00:10 UTC 2024:\n\t0x10\n\
                    ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x10:\n\t/lock/a\n\t/lock/b\n\
                    Connections dump:\nConnections Sets (1)/(1):\n1 expire at Mon Jan 01 00:00:10 UTC 2024:\n\
                    \tip: /127.0.0.1:5 sessionId: 0x10\n";

        let expected = vec![(SessionId(16), vec!["/lock/a".into(), "/lock/b".into()])];
        assert_eq!(ephemerals(dump), Some(expected));
        assert_eq!(ephemerals("SessionTracker dump:\n"), None);
    }
}
