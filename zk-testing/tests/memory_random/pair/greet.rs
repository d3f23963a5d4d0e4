//! Greetings: the same session asked for at both servers, by the id that it has there.

use bytes::{Bytes, BytesMut};
use zk_proto::{
    SessionId, Zxid,
    record::{ConnectRequest, ConnectResponse},
    wire::{Decoder, Encoder, Secret, split_frame},
};

use super::{Credentials, Difference, FRAME_LIMIT, Open, Pair, Session, same};
use crate::{
    canon::Canon,
    step::{Greeting, Wanted, framed},
    wire::{Next, Wire},
};

/// The length of a reply's header, which is all that a server says that takes nobody.
const HEADER_BYTES: usize = 16;

impl Pair {
    pub(super) fn greet(&mut self, client: usize, greeting: &Greeting) -> Result<(), Difference> {
        let zero = || Secret::from(vec![0; 16]);
        let session = match &greeting.session {
            Wanted::Again { number, .. } => self.sessions.get(number % self.sessions.len().max(1)),
            Wanted::New(_) | Wanted::Unknown(_) => None,
        };
        let request = |of: fn(&Session) -> &Credentials, zxid: i64| {
            let (session_id, passwd) = match (&greeting.session, session.map(of)) {
                (Wanted::New(passwd), _) => (SessionId(0), passwd.clone().map_or(Secret(None), Secret::from)),
                (Wanted::Unknown(id), _) => (SessionId(*id), zero()),
                (Wanted::Again { has_password: true, .. }, Some(known)) => (known.id, known.passwd.clone()),
                (Wanted::Again { has_password: false, .. }, Some(known)) => (known.id, Secret::from(vec![1; 16])),
                (Wanted::Again { .. }, None) => (SessionId(0), zero()),
            };
            let last_zxid_seen = Zxid(greeting.ahead.map_or(0, |ahead| zxid + ahead));
            let (timeout_ms, read_only) = (greeting.timeout_ms, greeting.read_only);
            let request =
                ConnectRequest { protocol_version: 0, last_zxid_seen, timeout_ms, session_id, passwd, read_only };
            let mut body = BytesMut::new();
            Encoder::new(&mut body).put(&request);
            framed(&body)
        };
        let zxid = self.memory.zxid().0;
        let for_memory = request(|session| &session.memory, zxid);
        let for_real = request(|session| &session.real, self.in_real.absolute(zxid));

        let connection = self.memory.connect(([127, 0, 0, 1], 40_000).into(), self.now);
        self.memory.handle_input(connection, &mut BytesMut::from(&for_memory[..]), self.now);
        let mut output = BytesMut::new();
        while let Some(bytes) = self.memory.poll_transmit(connection) {
            output.extend_from_slice(&bytes);
        }
        let memory = split_frame(&mut output, FRAME_LIMIT).expect("a server sends no huge frames");
        let mut wire = Wire::dial(self.address, self.patience);
        wire.send(&for_real);
        let real = match wire.receive() {
            Next::Frame(frame) => Some(frame),
            Next::End => None,
            Next::Silence => return same(client, "an answer to the greeting".into(), "nothing".into()),
        };
        self.coverage.greeted(memory.as_ref());
        self.meet(memory.as_ref(), real.as_ref());
        let lines = [(memory.as_ref(), &self.in_memory), (real.as_ref(), &self.in_real)]
            .map(|(frame, canon)| greeted(frame, canon));
        let [in_memory, in_real] = lines;
        same(client, in_memory, in_real)?;
        let accepted = memory.as_ref().and_then(decoded).filter(|answer| answer.session_id.0 != 0);
        if let Some(ConnectResponse { session_id, .. }) = accepted {
            self.clients[client].open = Some(Open { connection, wire, session_id, has_auth: false });
        } else {
            self.memory.handle_disconnected(connection);
            // A real server that closes a refused connection forgets which one the session has, whichever it is by then.
            if real.as_ref().and_then(decoded).is_some() {
                same(client, "hung up".into(), self.in_real.next_line(&mut wire, None))?;
            }
        }
        // The session's other connection is cut.
        self.collect(client, None);
        self.flush()
    }

    /// Gives a new session its number.
    fn meet(&mut self, memory: Option<&Bytes>, real: Option<&Bytes>) {
        let (Some(memory), Some(real)) = (memory.and_then(decoded), real.and_then(decoded)) else { return };
        let number = self.met;
        let is_new =
            self.in_memory.session(memory.session_id.0).is_none() && self.in_real.session(real.session_id.0).is_none();
        if is_new && memory.session_id.0 != 0 && real.session_id.0 != 0 {
            self.in_memory.name_session(memory.session_id.0, number);
            self.in_real.name_session(real.session_id.0, number);
            let credentials = |answer: ConnectResponse| Credentials { id: answer.session_id, passwd: answer.passwd };
            self.met += 1;
            self.sessions.push(Session { memory: credentials(memory), real: credentials(real) });
        }
    }
}

/// Returns the answer to a greeting, unless it is the bare header that refuses.
fn decoded(answer: &Bytes) -> Option<ConnectResponse> {
    (answer.len() > HEADER_BYTES)
        .then(|| Decoder::new(answer.clone()).get().expect("a greeting is answered by a greeting"))
}

/// Returns the answer to a greeting as a line.
fn greeted(answer: Option<&Bytes>, canon: &Canon) -> String {
    let Some(answer) = answer else { return "greeting: hung up".into() };
    let Some(answer) = decoded(answer) else { return format!("greeting: {:02x?}", &answer[12..]) };
    let ConnectResponse { protocol_version, timeout_ms, session_id, passwd, read_only } = answer;
    let session = canon.session(session_id.0);
    let has_password = passwd.as_bytes().iter().any(|byte| *byte != 0);
    format!(
        "greeting: {protocol_version} {timeout_ms} {session:?} {} {has_password} {read_only:?}",
        passwd.as_bytes().len()
    )
}
