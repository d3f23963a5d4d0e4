//! Whatever bytes come to the server in memory, they cost at most their connections: a well-behaved client is served after them.
//!
//! The first byte of the input chooses the version. Then come pieces: a byte that names a connection (its low two bits) and how
//! the piece goes in (a frame with the length that fits, or as it is), a byte of length, and the bytes. A piece of no length
//! closes the connection, or lets time pass.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use zk_proto::{
    Instant,
    code::{ErrorCode, OpCode},
    record::{ConnectRequest, ConnectResponse, GetDataRequest, GetDataResponse, ReplyHeader, RequestHeader},
    wire::{Decoder, Encoder, Jute, Text, split_frame},
};
use zk_testing::server::{ConnectionId, Options, Server, Version};

/// More than the server may have queued for a connection by its options.
const OUTPUT_BYTES: usize = 2 << 20;

/// Checks one input.
pub fn check(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let mut crowd = Crowd::new(if first % 2 == 0 { Version::V3_8 } else { Version::V3_9 });
    while let Some((&[how, len], after)) = rest.split_first_chunk::<2>() {
        let (piece, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        match (piece.is_empty(), how & 0x80) {
            (true, 0) => crowd.hang_up(how),
            (true, _) => crowd.wait(Duration::from_millis(u64::from(how & 0x7F) * 100)),
            (false, 0) => crowd.say(how, &framed(piece)),
            (false, _) => crowd.say(how, piece),
        }
    }
    crowd.assert_well();
}

/// Four who speak to one server.
struct Crowd {
    server: Server,
    now: Instant,
    members: [Option<(ConnectionId, BytesMut)>; 4],
}

impl Crowd {
    fn new(version: Version) -> Self {
        let mut options = Options::default();
        options.version = version;
        options.output_limit_bytes = 1 << 20;
        Self { server: Server::new(options, 7), now: Instant::ORIGIN, members: Default::default() }
    }

    fn say(&mut self, how: u8, bytes: &[u8]) {
        let (id, mut input) = self.members[usize::from(how % 4)].take().unwrap_or_else(|| self.dial(how & 4 == 0));
        input.extend_from_slice(bytes);
        self.hand_in(id, &mut input);
        if self.server.connections().contains(&id) {
            self.members[usize::from(how % 4)] = Some((id, input));
        }
    }

    /// Opens a connection, mostly with a session.
    fn dial(&mut self, greets: bool) -> (ConnectionId, BytesMut) {
        let id = self.server.connect(([127, 0, 0, 1], 1).into(), self.now);
        let mut input = BytesMut::new();
        if greets {
            input.extend_from_slice(&greeting());
            self.hand_in(id, &mut input);
        }
        (id, input)
    }

    fn hang_up(&mut self, how: u8) {
        if let Some((id, _)) = self.members[usize::from(how % 4)].take() {
            self.server.handle_disconnected(id);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.server.handle_timeout(self.now);
        self.collect(None);
        let due = self.server.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "due at {due:?} although it is {:?}", self.now);
    }

    /// Hands in bytes, and returns what comes back on the same connection.
    fn hand_in(&mut self, id: ConnectionId, input: &mut BytesMut) -> BytesMut {
        let mut answer = BytesMut::new();
        loop {
            let before = input.len();
            self.server.handle_input(id, input, self.now);
            answer.unsplit(self.collect(Some(id)));
            if input.len() == before || input.is_empty() {
                return answer;
            }
        }
    }

    /// Takes what the server has to send, and closes what it wants closed.
    fn collect(&mut self, wanted: Option<ConnectionId>) -> BytesMut {
        let mut answer = BytesMut::new();
        while let Some(id) = self.server.poll_ready() {
            let mut sent = 0;
            while let Some(bytes) = self.server.poll_transmit(id) {
                sent += bytes.len();
                if wanted == Some(id) {
                    answer.extend_from_slice(&bytes);
                }
            }
            assert!(sent <= OUTPUT_BYTES, "{sent} bytes were queued");
            if self.server.wants_close(id) {
                self.server.handle_disconnected(id);
            }
        }
        answer
    }

    fn assert_well(&mut self) {
        let (id, mut input) = self.dial(false);
        input.extend_from_slice(&greeting());
        let read = GetDataRequest { path: Some(Text::from("/")), watch: false };
        input.extend_from_slice(&frame(|out| {
            out.put(&RequestHeader { xid: 1, op: OpCode::GetData });
            out.put(&read);
        }));
        let mut answer = self.hand_in(id, &mut input);
        let greeting: ConnectResponse = next(&mut answer);
        assert!(greeting.timeout_ms > 0, "a well-behaved client is not taken");
        let mut reply = Decoder::new(next_frame(&mut answer));
        let header: ReplyHeader = reply.get().expect("a header");
        assert_eq!((header.xid, header.err), (1, ErrorCode::Ok), "a well-behaved client is not served");
        reply.get::<GetDataResponse>().expect("a reply");
    }
}

fn greeting() -> Bytes {
    frame(|out| out.put(&ConnectRequest { timeout_ms: 10_000, read_only: Some(false), ..Default::default() }))
}

fn frame(body: impl FnOnce(&mut Encoder<'_>)) -> Bytes {
    let mut out = BytesMut::new();
    body(&mut Encoder::new(&mut out));
    framed(&out)
}

fn framed(body: &[u8]) -> Bytes {
    let len = u32::try_from(body.len()).expect("a small frame");
    [&len.to_be_bytes()[..], body].concat().into()
}

fn next_frame(answer: &mut BytesMut) -> Bytes {
    let frame = split_frame(answer, usize::MAX).expect("a server sends good lengths");
    frame.expect("a well-behaved client gets an answer")
}

fn next<T: Jute>(answer: &mut BytesMut) -> T {
    Decoder::new(next_frame(answer)).get().expect("a server sends what is due")
}
