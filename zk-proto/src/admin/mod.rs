//! Four-letter words: what administrators ask a server, outside of any session.
//!
//! A word goes alone over a connection of its own, where the length of the first message would stand. The server answers
//! with text and closes. Since 3.5.3 it answers only the words that its configuration allows
//! (`4lw.commands.whitelist`), by default `srvr` alone.
//!
//! As everywhere in this crate, nothing is opened here: [`Word::request`] is what to send, and [`Word::answer`] judges what
//! was received until the server closed.
//!
//! ```
//! use zk_proto::admin::{Answer, Mode, Word};
//!
//! let word: Word = "srvr".parse()?;
//! assert_eq!(word.request(), b"srvr"); // to be sent over a fresh connection
//! let received = b"Zookeeper version: 3.9.3\nLatency min/avg/max: 0/0.5/12\nReceived: 9\nSent: 8\nConnections: 1\n\
//!                  Outstanding: 0\nZxid: 0x10000002a\nMode: follower\nNode count: 7\n";
//!
//! let Answer::Status(status) = word.answer(received)? else { panic!("a status was asked for") };
//! assert_eq!(status.mode, Some(Mode::Follower));
//! assert_eq!(status.node_count, Some(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Servers differ in what they tell, and newer ones tell more. So every part of an answer is optional, what has no name here is
//! still there as text, and an answer that does not have its form at all is [`Answer::Text`].

mod connection;
mod pairs;
mod status;
mod watches;

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str, str::FromStr};

use crate::ids::SessionId;

pub use connection::Connection;
pub use pairs::Pairs;
pub use status::{Latency, Mode, Status};
pub use watches::WatchSummary;

/// How long an answer may be that a reader should be ready to take: the list of watches of a large server is long.
pub const LIMIT_BYTES: usize = 64 << 20;

macro_rules! words {
    ($($word:ident = $text:literal, $about:literal;)*) => {
        /// A four-letter word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Word {
            $(#[doc = $about] $word,)*
        }

        impl Word {
            /// Every word, in the order of the alphabet.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// Returns the word as text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }

            /// Returns what the word asks for, in one sentence.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$word => $about,)*
                }
            }
        }
    };
}

words! {
    Conf = "conf", "Asks for the configuration in force.";
    Cons = "cons", "Lists the connections, each with its session and figures.";
    Crst = "crst", "Resets the figures of all connections.";
    Dirs = "dirs", "Asks how many bytes snapshots and logs take.";
    Dump = "dump", "Lists sessions and their ephemeral nodes; on the leader, all of them.";
    Envi = "envi", "Asks for the server's environment.";
    Gtmk = "gtmk", "Asks for the trace mask.";
    Hash = "hash", "Lists the latest digests of the tree.";
    Isro = "isro", "Asks whether the server is read-only.";
    Mntr = "mntr", "Asks for all figures that are meant for monitoring.";
    Ruok = "ruok", "Asks whether the server runs; whether it serves is another matter.";
    Srst = "srst", "Resets the server's figures.";
    Srvr = "srvr", "Asks how the server is: version, mode, latency, load, last transaction.";
    Stat = "stat", "Asks what `srvr` does, and lists the connections in short.";
    Wchc = "wchc", "Lists the data watches by session. Expensive.";
    Wchp = "wchp", "Lists the data watches by path. Expensive.";
    Wchs = "wchs", "Asks how many data watches there are.";
}

impl Word {
    /// Returns what to send over a connection of its own. Nothing need follow.
    pub const fn request(self) -> &'static [u8] {
        self.as_str().as_bytes()
    }

    /// Reads all that was received until the server closed the connection.
    ///
    /// # Errors
    ///
    /// When the server did not answer the question.
    pub fn answer(self, received: &[u8]) -> Result<Answer, NoAnswer> {
        self.text(received).map(|text| Answer::parse(self, text))
    }

    /// Checks that what was received is an answer, and returns it as it is.
    ///
    /// # Errors
    ///
    /// When the server did not answer the question.
    pub fn text(self, received: &[u8]) -> Result<&str, NoAnswer> {
        let text = str::from_utf8(received).map_err(|_| NoAnswer::NotText)?;
        match text {
            "" => Err(NoAnswer::Silence),
            text if text.starts_with("This ZooKeeper instance is not currently serving requests") => {
                Err(NoAnswer::NotServing)
            }
            // Since 3.5.3 the first, before the second.
            text if text.contains("is not executed because it is not in the whitelist")
                || text.contains("is not executed because it is not on the whitelist") =>
            {
                Err(NoAnswer::NotAllowed)
            }
            text => Ok(text),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Word {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or(UnknownWord)
    }
}

/// A text that is none of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a four-letter word that servers know")]
pub struct UnknownWord;

/// Why a word brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// The server's configuration does not allow the word.
    #[error("the server's 4lw.commands.whitelist does not allow the word")]
    NotAllowed,
    /// The server runs, but serves nobody: there is no quorum, for instance.
    #[error("the server does not serve requests at present")]
    NotServing,
    /// The server closed without a word: it does not know this one, or expects TLS.
    #[error("the server closed the connection without an answer")]
    Silence,
    /// What came is no text: this is hardly a ZooKeeper server.
    #[error("the answer is no text")]
    NotText,
}

/// What a server has answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// To `srvr` and `stat`.
    Status(Box<Status>),
    /// To `conf`, `dirs`, `envi` and `mntr`.
    Pairs(Pairs),
    /// To `cons`.
    Connections(Vec<Connection>),
    /// To `wchs`.
    WatchSummary(WatchSummary),
    /// To `wchc`: the watched paths of each session. To `dump`: its ephemeral nodes.
    PathsBySession(Vec<(SessionId, Vec<String>)>),
    /// To `wchp`: the sessions that watch each path.
    SessionsByPath(Vec<(String, Vec<SessionId>)>),
    /// To `isro`: whether the server is read-only.
    ReadOnly(bool),
    /// To all other words, and whatever does not have the expected form.
    Text(String),
}

impl Answer {
    /// Reads the text of an answer.
    pub fn parse(word: Word, text: &str) -> Self {
        let parsed = match word {
            Word::Srvr | Word::Stat => Status::parse(text).map(Box::new).map(Self::Status),
            Word::Conf | Word::Dirs | Word::Envi | Word::Mntr => Pairs::parse(text).map(Self::Pairs),
            Word::Cons => connection::parse_all(text).map(Self::Connections),
            Word::Wchs => WatchSummary::parse(text).map(Self::WatchSummary),
            Word::Wchc => watches::paths_by_session(text.lines()).map(Self::PathsBySession),
            Word::Dump => watches::ephemerals(text).map(Self::PathsBySession),
            Word::Wchp => watches::sessions_by_path(text).map(Self::SessionsByPath),
            Word::Isro => match text {
                "ro" => Some(Self::ReadOnly(true)),
                "rw" => Some(Self::ReadOnly(false)),
                _ => None,
            },
            Word::Crst | Word::Gtmk | Word::Hash | Word::Ruok | Word::Srst => None,
        };
        parsed.unwrap_or_else(|| Self::Text(text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_four_letters_and_is_found_by_them() {
        for &word in Word::ALL {
            assert_eq!(word.request().len(), 4, "{word}");
            assert_eq!(word.as_str().parse(), Ok(word));
            assert!(word.about().ends_with('.'), "{word}");
        }
        assert!(Word::ALL.is_sorted());
        for stranger in ["", "stmk", "RUOK", "ruok\n", "srvr "] {
            assert_eq!(stranger.parse::<Word>(), Err(UnknownWord), "{stranger:?}");
        }
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let table: [(&[u8], NoAnswer); 5] = [
            (b"", NoAnswer::Silence),
            (b"mntr is not executed because it is not in the whitelist.\n", NoAnswer::NotAllowed),
            (b"mntr is not executed because it is not on the whitelist.\n", NoAnswer::NotAllowed),
            (b"This ZooKeeper instance is not currently serving requests\n", NoAnswer::NotServing),
            (b"\x15\x03\x03\xff", NoAnswer::NotText),
        ];

        for (received, why) in table {
            assert_eq!(Word::Mntr.answer(received), Err(why));
        }
    }

    #[test]
    fn words_without_a_form_and_answers_without_theirs_are_text() {
        for &word in Word::ALL {
            let text = "imok, but differently";
            assert_eq!(word.answer(text.as_bytes()), Ok(Answer::Text(text.into())), "{word}");
        }
        assert_eq!(Word::Ruok.answer(b"imok"), Ok(Answer::Text("imok".into())));
    }

    #[test]
    fn read_only_is_told_in_two_letters() {
        assert_eq!(Word::Isro.answer(b"ro"), Ok(Answer::ReadOnly(true)));
        assert_eq!(Word::Isro.answer(b"rw"), Ok(Answer::ReadOnly(false)));
        assert_eq!(Word::Isro.answer(b"null"), Ok(Answer::Text("null".into())));
    }

    #[test]
    fn no_text_at_all_breaks_a_reader() {
        let pieces =
            ["Mode: ", "0x", ":", "\t", "\n", "=", "/", "(", ")", ",", "sid=", "[1]", "a", "é", "Clients:", "0/0/0"];
        let mut state = 7_u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..state % 12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(state >> 16) as usize % pieces.len()]);
            }
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for &word in Word::ALL {
                _ = word.answer(text.as_bytes());
            }
        }
    }
}
