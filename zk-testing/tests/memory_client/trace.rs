//! A script against a server, and what the server did, in lines that can be compared.
//!
//! Left out is what must differ: times, session ids (named instead), and the order of what has none.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::{collections::BTreeMap, fmt::Write, net::SocketAddr, thread, time::Duration};

use zk_proto::{
    code::{ErrorCode, OpCode},
    record::{AuthPacket, ConnectRequest, ConnectResponse, ReplyHeader, Value},
    wire::{Decoder, Encoder, Jute, Secret},
};

use super::{Client, Frame, greeting, text};

pub(crate) struct Run {
    address: SocketAddr,
    clients: BTreeMap<&'static str, Client>,
    sessions: BTreeMap<i64, String>,
    pub(crate) trace: Vec<String>,
}

impl Run {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, clients: BTreeMap::new(), sessions: BTreeMap::new(), trace: Vec::new() }
    }

    /// Marks the begin of a part.
    pub(crate) fn part(&mut self, name: &str) {
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.close(client);
        }
        self.trace.push(format!("== {name}"));
    }

    pub(crate) fn connect(&mut self, name: &'static str) {
        self.greet(name, &greeting(10_000));
    }

    /// Greets, and notes the answer.
    pub(crate) fn greet(&mut self, name: &'static str, request: &ConnectRequest) {
        let Some(client) = Client::greet(self.address, request) else {
            self.trace.push(format!("{name}: greeting: hung up"));
            return;
        };
        let ConnectResponse { protocol_version, timeout_ms, session_id, passwd, read_only } = &client.session;
        if session_id.0 != 0 {
            self.sessions.entry(session_id.0).or_insert_with(|| format!("session of {name}"));
        }
        let session = self.sessions.get(&session_id.0).cloned().unwrap_or_else(|| "no session".into());
        let has_password = passwd.as_bytes().iter().any(|byte| *byte != 0);
        self.trace.push(format!(
            "{name}: greeting: {protocol_version} {timeout_ms} {session} {} {has_password} {read_only:?}",
            passwd.as_bytes().len()
        ));
        self.clients.insert(name, client);
    }

    /// Takes the session of a client up again, from another connection; `change` is for the greeting.
    pub(crate) fn greet_again(
        &mut self,
        old: &'static str,
        name: &'static str,
        change: impl FnOnce(&mut ConnectRequest),
    ) {
        let mut request = self.client(old).credentials();
        change(&mut request);
        self.greet(name, &request);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn client(&mut self, name: &str) -> &mut Client {
        self.clients.get_mut(name).expect("the client has connected")
    }

    /// Closes the connection, not the session.
    pub(crate) fn disconnect(&mut self, name: &str) {
        self.clients.remove(name);
    }

    /// Ends the session, and notes whatever comes before the end.
    pub(crate) fn close(&mut self, name: &'static str) {
        self.client(name).send(OpCode::CloseSession, |_| {});
        self.hang_up(name, "closeSession");
        self.others(name);
    }

    /// Notes all frames up to the end of the connection, which must come.
    pub(crate) fn hang_up(&mut self, name: &'static str, why: &str) {
        let Some(mut client) = self.clients.remove(name) else { return };
        while let Some(frame) = client.receive() {
            let line = self.line(&frame, None);
            self.trace.push(format!("{name}: {why} -> {line}"));
        }
        self.trace.push(format!("{name}: {why} -> hung up"));
    }

    /// Sends a request, and notes all frames that come up to its reply, and all events at the others.
    pub(crate) fn call<T: Jute + std::fmt::Debug>(&mut self, name: &'static str, op: OpCode, request: &T) {
        self.trace.push(format!("{name}: {op} {request:?}"));
        self.exchange(name, op, |out| out.put(request));
    }

    /// Sends a request with this body.
    pub(crate) fn call_raw(&mut self, name: &'static str, op: OpCode, body: &[u8]) {
        self.trace.push(format!("{name}: {op} {body:02x?}"));
        let xid = self.client(name).send_body(op, body);
        self.take_reply(name, op, xid);
    }

    /// Sends a request whose answer is the end of the connection.
    pub(crate) fn call_last(&mut self, name: &'static str, op: OpCode, body: &[u8]) {
        self.trace.push(format!("{name}: {op} {body:02x?}, the last"));
        self.client(name).send_body(op, body);
        self.hang_up(name, "end");
    }

    /// Sends a request that is not answered.
    pub(crate) fn call_unanswered<T: Jute + std::fmt::Debug>(&mut self, name: &'static str, op: OpCode, request: &T) {
        self.trace.push(format!("{name}: {op} {request:?}, unanswered"));
        self.client(name).send(op, |out| out.put(request));
        self.exchange(name, OpCode::Ping, |_| {});
    }

    fn exchange(&mut self, name: &'static str, op: OpCode, write: impl FnOnce(&mut Encoder<'_>)) {
        let xid = self.client(name).send(op, write);
        self.take_reply(name, op, xid);
    }

    fn take_reply(&mut self, name: &'static str, op: OpCode, xid: i32) {
        let frames = self.client(name).frames_up_to(xid);
        let last = frames.len() - 1;
        for (position, frame) in frames.iter().enumerate() {
            let line = self.line(frame, (position == last).then_some(op));
            self.trace.push(format!("    {name}: {line}"));
        }
        self.others(name);
    }

    /// Notes what has come at the other connections.
    fn others(&mut self, name: &str) {
        for other in self.clients.keys().copied().filter(|other| *other != name).collect::<Vec<_>>() {
            for frame in self.client(other).events() {
                let line = self.line(&frame, None);
                self.trace.push(format!("    {other}: {line}"));
            }
        }
    }

    pub(crate) fn auth(&mut self, name: &'static str, scheme: &str, secret: &[u8]) {
        let packet = AuthPacket { auth_type: 0, scheme: text(scheme), auth: Secret::from(secret.to_vec()) };
        self.call(name, OpCode::Auth, &packet);
    }

    pub(crate) fn note(&mut self, line: String) {
        self.trace.push(line);
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        thread::sleep(time);
        self.others("");
    }

    /// Notes the answer to a four-letter word.
    pub(crate) fn word(&mut self, word: &str) -> String {
        let mut client = Client::dial(self.address);
        client.send_bytes(word.as_bytes());
        client.receive_text()
    }

    fn line(&self, frame: &Frame, op: Option<OpCode>) -> String {
        let ReplyHeader { xid, zxid, err } = frame.header;
        let mut line = match xid {
            -1 => format!("event {zxid} "),
            _ => format!("reply {xid} {zxid} {err:?} "),
        };
        let record = match op {
            None if xid == -1 => Some("WatcherEvent"),
            None => None,
            Some(_) if err != ErrorCode::Ok && frame.body.is_empty() => None,
            Some(op) => op.response_record(),
        };
        match record {
            Some(record) => {
                let mut body = Decoder::new(frame.body.clone());
                let value = zk_proto::record::record_type(record).expect("a record").decode(&mut body);
                let value = value.expect("the body is what belongs to the operation");
                self.print(&value, "", &mut line);
                _ = write!(line, " +{}", body.remaining());
            }
            None => _ = write!(line, "{:02x?}", &frame.body[..]),
        }
        line
    }

    fn print(&self, value: &Value, field: &str, line: &mut String) {
        match value {
            Value::Number(_) if matches!(field, "ctime" | "mtime") => line.push_str("some time"),
            Value::Number(number) if field == "ephemeralOwner" && *number != 0 => {
                line.push_str(self.sessions.get(number).map_or("an unknown session", String::as_str));
            }
            Value::Vector(items) => {
                let print = |item| {
                    let mut line = String::new();
                    self.print(item, "", &mut line);
                    line
                };
                let mut items: Vec<_> = items.iter().map(print).collect();
                if matches!(field, "children" | "ephemerals" | "clientInfo" | "acl") {
                    items.sort();
                }
                _ = write!(line, "[{}]", items.join(", "));
            }
            Value::Record(fields) => {
                line.push('{');
                for (field, value) in fields {
                    _ = write!(line, "{field}: ");
                    self.print(value, field, line);
                    line.push(' ');
                }
                line.push('}');
            }
            other => _ = write!(line, "{other:?}"),
        }
    }
}
