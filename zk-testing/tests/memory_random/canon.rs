//! What a server sent, in lines that are equal exactly when it is the same.
//!
//! Sessions are named by the order of their beginning. A time is as good as its transaction: what is compared is that all
//! that was done by one transaction bears one time, and that no two servers disagree on which transaction it was.

use std::{collections::HashMap, fmt::Write};

use zk_proto::{
    code::{ErrorCode, OpCode},
    record::{ReplyHeader, Value, record_type},
    wire::Decoder,
};

use crate::{
    memory_client::Frame,
    wire::{Next, Wire, parsed},
};

/// The xid of every event.
pub(crate) const EVENT_XID: i32 = -1;

#[derive(Default)]
pub(crate) struct Canon {
    /// How many transactions there were here that the other server did not see.
    base: i64,
    sessions: HashMap<i64, usize>,
    times: HashMap<i64, i64>,
}

impl Canon {
    pub(crate) fn new(base: i64) -> Self {
        Self { base, ..Self::default() }
    }

    pub(crate) fn name_session(&mut self, id: i64, number: usize) {
        self.sessions.insert(id, number);
    }

    /// Returns the session's number, if it is a session.
    pub(crate) fn session(&self, id: i64) -> Option<usize> {
        self.sessions.get(&id).copied()
    }

    /// Returns what comes next on a connection.
    pub(crate) fn next_line(&mut self, wire: &mut Wire, op: Option<OpCode>) -> String {
        match wire.receive() {
            Next::Frame(frame) => self.line(&parsed(frame), op),
            Next::End => "hung up".into(),
            Next::Silence => "nothing".into(),
        }
    }

    pub(crate) fn line(&mut self, frame: &Frame, op: Option<OpCode>) -> String {
        let ReplyHeader { xid, zxid, err } = frame.header;
        let zxid = self.relative(zxid.0);
        let mut line = match xid {
            EVENT_XID => format!("event {zxid} "),
            _ => format!("reply {xid} {zxid} {err:?} "),
        };
        let record = match op {
            _ if xid == EVENT_XID => Some("WatcherEvent"),
            Some(op) if err == ErrorCode::Ok || !frame.body.is_empty() => op.response_record(),
            Some(_) | None => None,
        };
        let value = record.map(|record| {
            let mut body = Decoder::new(frame.body.clone());
            let value = record_type(record).expect("there is such a record").decode(&mut body);
            (value, body.remaining())
        });
        match value {
            Some((Ok(value), left)) => {
                self.print(&value, "", &mut line);
                _ = write!(line, " +{left}");
            }
            Some((Err(_), _)) | None => _ = write!(line, "{:02x?}", &frame.body[..]),
        }
        line
    }

    /// Returns a transaction's number as one counted from the base. −1 and 0 stand for none.
    fn relative(&self, zxid: i64) -> i64 {
        if zxid > self.base { zxid - self.base } else { zxid }
    }

    /// Returns the number that a transaction has on this server.
    pub(crate) fn absolute(&self, zxid: i64) -> i64 {
        self.base + zxid
    }

    fn print(&mut self, value: &Value, field: &str, line: &mut String) {
        match value {
            Value::Number(id) if field == "ephemeralOwner" && *id != 0 => match self.session(*id) {
                Some(number) => _ = write!(line, "session {number}"),
                None => line.push_str("an unknown session"),
            },
            Value::Number(zxid) if field.ends_with("zxid") => _ = write!(line, "{}", self.relative(*zxid)),
            Value::Number(number) => _ = write!(line, "{number}"),
            Value::Vector(items) => {
                let mut items: Vec<_> = items
                    .iter()
                    .map(|item| {
                        let mut line = String::new();
                        self.print(item, "", &mut line);
                        line
                    })
                    .collect();
                match field {
                    "children" | "ephemerals" | "clientInfo" => items.sort(),
                    "acl" => sort_digests(&mut items),
                    _ => {}
                }
                _ = write!(line, "[{}]", items.join(", "));
            }
            Value::Record(fields) => {
                self.check_times(value, line);
                line.push('{');
                for (field, value) in fields.iter().filter(|(field, _)| !matches!(*field, "ctime" | "mtime")) {
                    _ = write!(line, "{field}: ");
                    self.print(value, field, line);
                    line.push(' ');
                }
                line.push('}');
            }
            Value::Null | Value::Boolean(_) | Value::Text(_) | Value::Buffer(_) => _ = write!(line, "{value:?}"),
        }
    }

    /// Complains where a time is not the one of its transaction.
    fn check_times(&mut self, value: &Value, line: &mut String) {
        for (zxid, time) in [("czxid", "ctime"), ("mzxid", "mtime")] {
            if let (Some(Value::Number(zxid)), Some(Value::Number(found))) = (value.get(zxid), value.get(time)) {
                let known = *self.times.entry(*zxid).or_insert(*found);
                if known != *found {
                    _ = write!(line, "{time} is {found}, but transaction {zxid} was at {known} ");
                }
            }
        }
    }
}

/// Sorts neighbours that may stem from one `auth` entry: the order of a connection's identities is one of hashes.
fn sort_digests(entries: &mut [String]) {
    let perms = |entry: &String| entry.split(" id: ").next().map(str::to_owned);
    let is_one = |one: &String, next: &String| {
        [one, next].iter().all(|entry| entry.contains("digest")) && perms(one) == perms(next)
    };
    for run in entries.chunk_by_mut(is_one) {
        run.sort();
    }
}
