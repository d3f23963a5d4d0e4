//! How a server is, in its own words.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use super::{Connection, connection};
use crate::ids::Zxid;

/// The answer to `srvr` and `stat`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Version and build of the server.
    pub version: String,
    /// Whether it is cut off from the quorum and serves read-only clients.
    pub is_read_only: bool,
    /// The connections; only `stat` tells them.
    pub connections_in_short: Vec<Connection>,
    /// How long requests took.
    pub latency: Option<Latency>,
    /// How many packets were received.
    pub received: Option<u64>,
    /// How many packets were sent.
    pub sent: Option<u64>,
    /// How many connections there are.
    pub connections: Option<u64>,
    /// How many requests are not answered yet.
    pub outstanding: Option<u64>,
    /// The last transaction.
    pub zxid: Option<Zxid>,
    /// What the server is to its ensemble.
    pub mode: Option<Mode>,
    /// How many nodes there are, the root counted twice.
    pub node_count: Option<u64>,
    /// What else it told: names and values.
    pub others: Vec<(String, String)>,
}

/// Milliseconds from a request's arrival to its answer, since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// The shortest.
    pub min_ms: f64,
    /// The mean.
    pub avg_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What a server is to its ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// There is no ensemble.
    Standalone,
    /// It leads.
    Leader,
    /// It follows, and votes.
    Follower,
    /// It follows, and does not vote.
    Observer,
    /// It is cut off from the quorum.
    ReadOnly,
    /// Something that this version has no name for.
    Unknown(String),
}

impl Status {
    /// Reads an answer; `None` when it does not begin with a version.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let version = lines.next()?.strip_prefix("Zookeeper version: ")?.to_string();
        let mut status = Self { version, ..Self::default() };
        for line in lines {
            match line.split_once(':') {
                _ if line.starts_with("READ-ONLY mode") => status.is_read_only = true,
                _ if line.starts_with(" /") => status.connections_in_short.extend(connection::parse(line)),
                Some((name, value)) => status.take(name, value.trim()),
                None => {}
            }
        }
        Some(status)
    }

    fn take(&mut self, name: &str, value: &str) {
        match name {
            "Latency min/avg/max" => self.latency = Latency::parse(value),
            "Received" => self.received = value.parse().ok(),
            "Sent" => self.sent = value.parse().ok(),
            "Connections" => self.connections = value.parse().ok(),
            "Outstanding" => self.outstanding = value.parse().ok(),
            "Zxid" => self.zxid = hexadecimal(value).map(Zxid),
            "Mode" => self.mode = Some(Mode::from(value)),
            "Node count" => self.node_count = value.parse().ok(),
            "Clients" => {}
            name => self.others.push((name.to_string(), value.to_string())),
        }
    }
}

impl Latency {
    fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split('/').map(|part| part.parse::<f64>().ok());
        Some(Self { min_ms: parts.next()??, avg_ms: parts.next()??, max_ms: parts.next()?? })
    }
}

impl From<&str> for Mode {
    fn from(text: &str) -> Self {
        match text {
            "standalone" => Self::Standalone,
            "leader" => Self::Leader,
            "follower" => Self::Follower,
            "observer" => Self::Observer,
            "read-only" => Self::ReadOnly,
            other => Self::Unknown(other.to_string()),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Standalone => "standalone",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::ReadOnly => "read-only",
            Self::Unknown(text) => text,
        })
    }
}

/// Reads `0x…`: 64 bits, of which the highest may be the sign.
pub(super) fn hexadecimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'))?;
    u64::from_str_radix(digits, 16).ok().map(|bits| i64::from_ne_bytes(bits.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionId;

    #[test]
    fn a_status_is_read_to_the_last_line() {
        let text = "Zookeeper version: 3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f, built on 2022-02-25 08:49 UTC\n\
                    Latency min/avg/max: 0/1.375/25\nReceived: 41\nSent: 40\nConnections: 2\nOutstanding: 1\n\
                    Zxid: 0x10000002a\nMode: leader\nNode count: 5\n\
                    Proposal sizes last/min/max: 48/48/93\n";

        let status = Status::parse(text).unwrap();

        assert!(status.version.starts_with("3.8.0-5a02"));
        assert!(!status.is_read_only);
        assert_eq!(status.latency, Some(Latency { min_ms: 0.0, avg_ms: 1.375, max_ms: 25.0 }));
        assert_eq!((status.received, status.sent), (Some(41), Some(40)));
        assert_eq!((status.connections, status.outstanding), (Some(2), Some(1)));
        assert_eq!(status.zxid, Some(Zxid(0x1_0000_002a)));
        assert_eq!((status.mode, status.node_count), (Some(Mode::Leader), Some(5)));
        assert_eq!(status.others, [("Proposal sizes last/min/max".to_string(), "48/48/93".to_string())]);
    }

    #[test]
    fn stat_lists_the_connections_in_short() {
        let text = "Zookeeper version: 3.9.3\nClients:\n /127.0.0.1:41234[0](queued=0,recved=1,sent=0)\n \
                    /[0:0:0:0:0:0:0:1]:5[1](queued=2,recved=3,sent=4)\n\nLatency min/avg/max: 0/0.0/0\nMode: standalone\n";

        let status = Status::parse(text).unwrap();

        let peers: Vec<&str> = status.connections_in_short.iter().map(|connection| connection.peer.as_str()).collect();
        assert_eq!(peers, ["127.0.0.1:41234", "[0:0:0:0:0:0:0:1]:5"]);
        assert_eq!(status.connections_in_short[1].number("recved"), Some(3));
        assert_eq!(status.connections_in_short[1].session(), None::<SessionId>);
        assert_eq!(status.mode, Some(Mode::Standalone));
        assert!(status.others.is_empty());
    }

    #[test]
    fn a_server_without_a_quorum_says_that_it_is_read_only() {
        let text = "Zookeeper version: 3.8.0\nREAD-ONLY mode; serving only read-only clients\nMode: read-only\n";

        let status = Status::parse(text).unwrap();

        assert!(status.is_read_only);
        assert_eq!(status.mode, Some(Mode::ReadOnly));
        assert_eq!(status.node_count, None);
    }

    #[test]
    fn modes_read_back_as_they_print() {
        for text in ["standalone", "leader", "follower", "observer", "read-only", "witness"] {
            assert_eq!(Mode::from(text).to_string(), text);
        }
        assert_eq!(Mode::from("witness"), Mode::Unknown("witness".into()));
    }

    #[test]
    fn sessions_above_the_middle_are_negative() {
        assert_eq!(hexadecimal("0xffffffffffffffff"), Some(-1));
        assert_eq!(hexadecimal("0x0"), Some(0));
        for bad in ["0x", "12", "0x10000000000000000", "0x+1", "0xg"] {
            assert_eq!(hexadecimal(bad), None, "{bad}");
        }
    }
}
