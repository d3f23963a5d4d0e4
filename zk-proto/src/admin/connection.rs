//! Lines about connections, as in `cons` and `stat`.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::status::hexadecimal;
use crate::ids::SessionId;

/// A connection of a server: ` /127.0.0.1:41234[1](queued=0,recved=2,sent=2,sid=0x1000…,lop=PING,…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Where the client is: an address and a port.
    pub peer: String,
    /// Names and values in the server's order. Those from `sid` on are there when the connection has a session.
    pub values: Vec<(String, String)>,
}

impl Connection {
    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns a value that is a whole number in decimal digits.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// Returns the session, if there is one.
    pub fn session(&self) -> Option<SessionId> {
        self.get("sid").and_then(hexadecimal).map(SessionId)
    }
}

/// Reads the answer to `cons`; `None` when a line has another form.
pub(super) fn parse_all(text: &str) -> Option<Vec<Connection>> {
    text.lines().filter(|line| !line.is_empty()).map(parse).collect()
}

/// Reads a line.
pub(super) fn parse(line: &str) -> Option<Connection> {
    let (peer, rest) = line.strip_prefix(" /")?.split_once("](")?;
    // The figure in brackets is what the server's selector waits for; addresses may have brackets too.
    let (peer, _) = peer.rsplit_once('[')?;
    let values = rest.strip_suffix(')')?.split(',').map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_string(), value.to_string()))
    });
    Some(Connection { peer: peer.to_string(), values: values.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_with_a_session_tells_all_of_its_figures() {
        let text = " /127.0.0.1:41234[1](queued=0,recved=2,sent=2,sid=0x100000f0a0b0001,lop=GETD,est=1700000000000,to=10000,\
                    lcxid=0x1,lzxid=0x5,lresp=17,llat=0,minlat=0,avglat=0,maxlat=3)\n /10.0.0.9:5[0](queued=0,recved=1,sent=0)\n\n";

        let connections = parse_all(text).unwrap();

        let [with, without] = &connections[..] else { panic!("{connections:?}") };
        assert_eq!(with.peer, "127.0.0.1:41234");
        assert_eq!(with.session(), Some(SessionId(0x0100_000f_0a0b_0001)));
        assert_eq!((with.get("lop"), with.number("to"), with.number("lcxid")), (Some("GETD"), Some(10_000), None));
        assert_eq!((without.peer.as_str(), without.session()), ("10.0.0.9:5", None));
    }

    #[test]
    fn a_line_of_another_form_is_not_guessed_at() {
        for line in ["", "/1:2[0](a=1)", " /1:2(a=1)", " /1:2[0](a=1", " /1:2[0](a)"] {
            assert_eq!(parse(line), None, "{line:?}");
        }
        assert_eq!(parse_all("\n"), Some(Vec::new()));
    }
}
