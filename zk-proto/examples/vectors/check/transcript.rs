//! A conversation: its frames in the order in which they were sent and received.
//!
//! Nothing says what the frames are, as on a real connection: the first of each direction is the greeting, a request's header
//! names its operation, and a reply is read as the answer to the request that it belongs to.

use bytes::Bytes;
use serde_json::Map;
use zk_proto::{
    code::{ErrorCode, OpCode},
    record::{ReplyHeader, RequestHeader, record_type},
    wire::Decoder,
};

use super::{
    bytes::{check_encoding, decode, hex, only_frame},
    frame,
    json::{Json, buffer},
    need,
};

/// A server that cannot take a client says so with a bare reply header instead of a greeting.
const REPLY_HEADER_BYTES: usize = 16;

/// Returns all that is wrong with a conversation.
pub(super) fn check(transcript: &Map<String, Json>) -> Vec<String> {
    let frames = match need(transcript, "frames", "a list", Json::as_array) {
        Ok(frames) => frames,
        Err(failure) => return vec![failure],
    };
    let mut failures = Vec::new();
    let mut connection = Connection::default();
    let mut frames_seen = 0;
    for (index, frame) in frames.iter().enumerate() {
        match check_frame(frame, &mut connection) {
            Ok(seen) => frames_seen += usize::from(seen),
            Err(failure) => failures.push(format!("frames[{index}]: {failure}")),
        }
    }
    failures.extend(connection.end());
    if frames_seen == 0 && failures.is_empty() {
        failures.push("frames: none".to_owned());
    }
    failures
}

/// Checks one step and returns whether it is a frame: it can also be the end of a connection.
fn check_frame(step: &Json, connection: &mut Connection) -> Result<bool, String> {
    let step = step.as_object().ok_or("expected an object")?;
    let direction = need(step, "direction", "a string", Json::as_str)?;
    if !step.contains_key("hex") {
        if !direction.ends_with("_closes") {
            return Err(format!("hex: missing in a frame {direction}"));
        }
        let unexplained = std::mem::take(connection).end();
        return if unexplained.is_empty() { Ok(false) } else { Err(unexplained.join("; ")) };
    }
    let frame = only_frame(&need(step, "hex", "hex digits", buffer)?)?;
    if step.contains_key("record") {
        let failures = frame::check(step);
        if !failures.is_empty() {
            return Err(failures.join("; "));
        }
    }
    match direction {
        "client_to_server" => connection.client_frame(&frame),
        "server_to_client" => connection.server_frame(&frame),
        _ => Err(format!("direction: {direction:?} is neither client_to_server nor server_to_client")),
    }?;
    Ok(true)
}

/// What one must remember of a connection to read it.
#[derive(Default)]
struct Connection {
    client_greeted: bool,
    server_greeted: bool,
    unanswered: Vec<Request>,
}

/// A request that waits for its reply.
struct Request {
    /// The xid that the reply is going to bear.
    xid: i32,
    op: OpCode,
    /// Why it does not decode: it must be refused by the server then.
    problem: Option<String>,
}

impl Connection {
    fn client_frame(&mut self, frame: &Bytes) -> Result<(), String> {
        if !self.client_greeted {
            self.client_greeted = true;
            return round_trip(frame, &["ConnectRequest"]);
        }
        let header: RequestHeader = Decoder::new(frame.clone()).get().map_err(|error| error.to_string())?;
        let problem = match header.op {
            OpCode::Unknown(_) => None,
            op => round_trip(frame, &names("RequestHeader", op.request_record())).err(),
        };
        // A ping's reply is known by its xid, whatever the ping had.
        let xid = if header.op == OpCode::Ping { -2 } else { header.xid };
        self.unanswered.push(Request { xid, op: header.op, problem });
        Ok(())
    }

    fn server_frame(&mut self, frame: &Bytes) -> Result<(), String> {
        if !self.client_greeted {
            return Err("a server's frame before the client's first".to_owned());
        }
        if !self.server_greeted {
            self.server_greeted = true;
            let refused = frame.len() == REPLY_HEADER_BYTES;
            return round_trip(frame, &[if refused { "ReplyHeader" } else { "ConnectResponse" }]);
        }
        let header: ReplyHeader = Decoder::new(frame.clone()).get().map_err(|error| error.to_string())?;
        let op = if header.xid == -1 { OpCode::Notification } else { self.answered(&header)? };
        // What follows an error is to be ignored, and what follows for an unknown operation cannot be told.
        if header.err != ErrorCode::Ok || matches!(op, OpCode::Unknown(_)) {
            let end = frame.len().min(REPLY_HEADER_BYTES);
            return round_trip(&frame.slice(..end), &["ReplyHeader"]);
        }
        round_trip(frame, &names("ReplyHeader", op.response_record()))
    }

    /// Takes the request that a reply belongs to off the list.
    fn answered(&mut self, header: &ReplyHeader) -> Result<OpCode, String> {
        let index = self.unanswered.iter().position(|request| request.xid == header.xid);
        let index = index.ok_or_else(|| format!("reply to xid {}, which nothing waits for", header.xid))?;
        let request = self.unanswered.remove(index);
        let overtaken = self.unanswered[..index].iter().find(|earlier| is_in_order(earlier.op));
        if let (true, Some(earlier)) = (is_in_order(request.op), overtaken) {
            return Err(format!("reply to xid {} before the reply to xid {}", request.xid, earlier.xid));
        }
        match request.problem {
            Some(problem) if header.err != ErrorCode::MarshallingError => Err(format!("the request: {problem}")),
            _ => Ok(request.op),
        }
    }

    /// Returns the requests that do not decode and that no server has refused.
    fn end(self) -> Vec<String> {
        self.unanswered.into_iter().filter_map(|request| request.problem).collect()
    }
}

/// Returns whether replies to an operation come in the order of the requests, and come at all.
fn is_in_order(op: OpCode) -> bool {
    !matches!(op, OpCode::Auth | OpCode::Sasl | OpCode::Check | OpCode::Unknown(_))
}

fn names(header: &'static str, body: Option<&'static str>) -> Vec<&'static str> {
    [Some(header), body].into_iter().flatten().collect()
}

/// Decodes the records, which must be all that there is, and encodes them to the same bytes.
fn round_trip(frame: &Bytes, names: &[&str]) -> Result<(), String> {
    let find = |name: &&str| record_type(name).ok_or_else(|| format!("there is no record named {name}"));
    let records = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let (values, rest) = decode(frame, &records)?;
    if !rest.is_empty() {
        return Err(format!("{} bytes are left over behind {}: {}", rest.len(), names.join("+"), hex(&rest)));
    }
    check_encoding(records.into_iter().zip(&values), frame)
}
