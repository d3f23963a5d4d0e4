//! What a server says it is, asked with `srvr`.

use std::fmt;
use std::io;

/// What a serving server is to clients and to its ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// A single server.
    Standalone,
    /// The member that orders the writes.
    Leader,
    /// A member that votes.
    Follower,
    /// A member that only listens.
    Observer,
    /// A member without a quorum that serves read-only clients.
    ReadOnly,
}

/// What a server says when asked for its mode.
#[derive(Debug)]
pub(super) enum Answer {
    Nothing(io::Error),
    NotServing,
    Serving(Mode),
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standalone => "standalone",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::ReadOnly => "read-only",
        })
    }
}

impl Answer {
    /// Reads the answer to `srvr`.
    pub(super) fn parse(text: &str) -> Self {
        let Some(word) = text.lines().find_map(|line| line.strip_prefix("Mode: ")) else {
            return if text.contains("not currently serving") {
                Self::NotServing
            } else {
                Self::Nothing(io::Error::new(io::ErrorKind::InvalidData, format!("no mode in {text:?}")))
            };
        };
        let modes = [Mode::Standalone, Mode::Leader, Mode::Follower, Mode::Observer, Mode::ReadOnly];
        match modes.into_iter().find(|mode| mode.to_string() == word) {
            Some(mode) => Self::Serving(mode),
            None => Self::Nothing(io::Error::new(io::ErrorKind::InvalidData, format!("no such mode: {word:?}"))),
        }
    }

    /// Returns whether an answer may still be on its way.
    pub(super) fn is_late(&self) -> bool {
        match self {
            Self::Nothing(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            Self::NotServing | Self::Serving(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_read_from_the_answer_to_srvr() {
        let text = |mode: &str| format!("Zookeeper version: 3.8.0\nZxid: 0x0\nMode: {mode}\nNode count: 5\n");
        let is = |text: &str, wanted: Mode| matches!(Answer::parse(text), Answer::Serving(mode) if mode == wanted);

        assert!(is(&text("standalone"), Mode::Standalone));
        assert!(is(&text("leader"), Mode::Leader));
        assert!(is(&text("follower"), Mode::Follower));
        assert!(is(&text("observer"), Mode::Observer));
        assert!(is(&text("read-only"), Mode::ReadOnly));
        assert!(matches!(Answer::parse(&text("upside-down")), Answer::Nothing(_)));
        assert!(matches!(Answer::parse(""), Answer::Nothing(_)));
        let idle = "This ZooKeeper instance is not currently serving requests\n";
        assert!(matches!(Answer::parse(idle), Answer::NotServing));
    }
}
