//! A short-lived second link on which a server is asked a four-letter word.
//!
//! Two questions are asked. While connected to a read-only server, `isro`: is this one writable? And when every server turns
//! the session away without a word, `srvr`: are you serving, and how far have you come? Servers without quorum hang up in
//! the same way as servers that are behind, and only the latter mean that the session is over.

use core::time::Duration;

use bytes::Bytes;

use crate::{Instant, LinkId, Server, Zxid};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    IsReadOnly,
    HowFar,
}

impl Question {
    fn word(self) -> &'static [u8; 4] {
        match self {
            Self::IsReadOnly => b"isro",
            Self::HowFar => b"srvr",
        }
    }
}

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Writable,
    /// Serving, and that is its last transaction.
    Serving(Zxid),
    /// Something else, or nothing.
    Useless,
}

/// A question that is being asked.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) id: LinkId,
    pub(super) server: Server,
    pub(super) deadline: Instant,
    question: Question,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Dialing,
    Connected,
    Asked,
}

impl Probe {
    pub(super) fn new(id: LinkId, server: Server, question: Question, now: Instant) -> Self {
        Self { id, server, deadline: now + PATIENCE, question, stage: Stage::Dialing }
    }

    pub(super) fn connected(&mut self) {
        if self.stage == Stage::Dialing {
            self.stage = Stage::Connected;
        }
    }

    pub(super) fn transmit(&mut self) -> Option<Bytes> {
        if self.stage != Stage::Connected {
            return None;
        }
        self.stage = Stage::Asked;
        Some(Bytes::from_static(self.question.word()))
    }

    /// Reads the answer, or `None` while it is incomplete.
    pub(super) fn read(&self, input: &[u8]) -> Option<Answer> {
        match self.question {
            Question::IsReadOnly => match input {
                [] | [b'r'] => None,
                [b'r', b'w', ..] => Some(Answer::Writable),
                _ => Some(Answer::Useless),
            },
            Question::HowFar => how_far(input),
        }
    }
}

/// Reads the zxid out of an answer to `srvr`, once the mode, which comes later, has come too.
fn how_far(input: &[u8]) -> Option<Answer> {
    const LONGEST: usize = 64 * 1024;
    let text = core::str::from_utf8(input).unwrap_or_default();
    let field = |name: &str| {
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        lines.find_map(|line| line.strip_prefix(name))
    };
    match (field("Zxid: 0x"), field("Mode: ")) {
        // What a read-only server has may be far behind the quorum.
        (_, Some("read-only")) => Some(Answer::Useless),
        (Some(zxid), Some(_)) => {
            Some(i64::from_str_radix(zxid, 16).map_or(Answer::Useless, |zxid| Answer::Serving(Zxid(zxid))))
        }
        _ if input.len() > LONGEST => Some(Answer::Useless),
        _ => None,
    }
}

/// When to look for a writable server next: soon at first, then ever more rarely.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) due: Instant,
    pause: Duration,
}

impl Search {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now + FIRST_PAUSE, pause: FIRST_PAUSE }
    }

    pub(super) fn asked(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.due = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(question: Question) -> Probe {
        Probe::new(LinkId(1), Server::new("a", 1), question, Instant::ORIGIN)
    }

    #[test]
    fn writable_is_two_letters_however_they_come() {
        let probe = probe(Question::IsReadOnly);
        assert_eq!(probe.read(b""), None);
        assert_eq!(probe.read(b"r"), None);
        assert_eq!(probe.read(b"rw"), Some(Answer::Writable));
        for other in ["ro", "null", "isro is not executed because it is not in the whitelist.\n"] {
            assert_eq!(probe.read(other.as_bytes()), Some(Answer::Useless), "{other}");
        }
    }

    #[test]
    fn how_far_a_server_has_come_counts_when_it_serves_writes() {
        let probe = probe(Question::HowFar);
        let answer =
            "Zookeeper version: 3.8.0\nLatency min/avg/max: 0/0.0/0\nZxid: 0x1f\nMode: follower\nNode count: 5\n";
        assert_eq!(probe.read(&answer.as_bytes()[..60]), None);
        assert_eq!(probe.read(answer.as_bytes()), Some(Answer::Serving(Zxid(0x1F))));
        let read_only = answer.replace("follower", "read-only");
        assert_eq!(probe.read(read_only.as_bytes()), Some(Answer::Useless));
        assert_eq!(probe.read(b"This ZooKeeper instance is not currently serving requests\n"), None);
    }

    #[test]
    fn the_search_slows_down_to_a_minute() {
        let mut search = Search::new(Instant::ORIGIN);
        let mut now = search.due;
        for expected_ms in [200, 400, 800] {
            search.asked(now);
            assert_eq!(search.due.saturating_since(now), Duration::from_millis(expected_ms));
            now = search.due;
        }
        (0..20).for_each(|_| search.asked(now));
        assert_eq!(search.due.saturating_since(now), LONGEST_PAUSE);
    }
}
