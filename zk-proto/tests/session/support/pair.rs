//! The harness.
//!
//! It drives two sessions of the same configuration and seed by the same calls, except that one gets its input whole and the
//! other one byte a read, and compares everything they say: so each test also shows that pieces do not matter and that the
//! same calls give the same outputs. After each call of `handle_timeout` it checks that the next deadline lies ahead.

use std::{collections::BTreeMap, fmt::Debug, thread, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use zk_proto::{
    Config, Instant, LinkId, Machine, Server, Servers, Session, Wants,
    code::{ErrorCode, OpCode},
    record::ConnectRequest,
    request::{Request, Watched},
    session::{Event, Refused, RequestId, SubmitOptions, WatchId},
    wire::{Decoder, split_frame},
};

use super::{
    story::{Step, story},
    wire::{Asked, Greeting, reply},
};

/// Configuration for one server and a timeout of 30 s: pings after 10 s, silence counts after 20 s.
pub(crate) fn settings() -> Config {
    let mut config = Config::new(servers("a"));
    config.session_timeout = Duration::from_secs(30);
    config
}

pub(crate) fn settings_with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = settings();
    change(&mut config);
    config
}

pub(crate) fn servers(list: &str) -> Servers {
    list.parse().expect("a list of servers")
}

/// Requests and watches are named by letters and words.
pub(crate) type Pair = Harness<char, &'static str>;
/// Something that a test does.
pub(crate) type Act = fn(&mut Pair);
/// For many requests and watches: they are numbered.
pub(crate) type Crowd = Harness<u32, u32>;

/// A session, twice, and the server's side of its links.
pub(crate) struct Harness<T, W> {
    whole: Session<T, W>,
    bytewise: Session<T, W>,
    seed: u8,
    pub(crate) now: Instant,
    links: BTreeMap<LinkId, Wire>,
    /// The transaction number of the next reply.
    pub(crate) zxid: i64,
}

/// A transport.
#[derive(Default)]
struct Wire {
    /// What was received and not taken yet, for either session.
    inputs: [BytesMut; 2],
    /// What the session has sent and the test has not read yet.
    sent: BytesMut,
}

impl<T: Clone + Debug, W: Clone + Debug> Harness<T, W> {
    /// Makes a session that was not driven yet.
    pub(crate) fn new(config: Config) -> Self {
        Self::seeded(config, 7)
    }

    pub(crate) fn seeded(config: Config, seed: u8) -> Self {
        Self {
            whole: Session::new(config.clone(), [seed; 32]),
            bytewise: Session::new(config, [seed; 32]),
            seed,
            now: Instant::ORIGIN,
            links: BTreeMap::new(),
            zxid: 100,
        }
    }

    /// Makes a session that is up, with nothing left to tell.
    pub(crate) fn connected() -> Self {
        Self::connected_with(settings())
    }

    pub(crate) fn connected_with(config: Config) -> Self {
        let mut pair = Self::new(config);
        pair.connect(&Greeting::default());
        assert_eq!(pair.told(), ["Connected new"]);
        pair
    }

    // The application's side.

    /// Makes a call on both sessions.
    pub(crate) fn app<R: Debug>(&mut self, call: impl Fn(&mut Session<T, W>) -> R) -> R {
        let (left, right) = (call(&mut self.whole), call(&mut self.bytewise));
        self.assert_same(&left, &right);
        left
    }

    /// Reads both sessions.
    pub(crate) fn session(&self) -> &Session<T, W> {
        &self.whole
    }

    pub(crate) fn submit(&mut self, request: &impl Request, tag: T) -> RequestId {
        self.submit_with(request, tag, SubmitOptions::default()).expect("the request is taken")
    }

    pub(crate) fn submit_with(
        &mut self,
        request: &impl Request,
        tag: T,
        options: SubmitOptions,
    ) -> Result<RequestId, Refused<T>> {
        self.app(|session| session.submit(request, tag.clone(), options.clone()))
    }

    pub(crate) fn watch(&mut self, request: &impl Watched, tag: T, watch: W) -> WatchId {
        self.watch_with(request, tag, watch, SubmitOptions::default()).1
    }

    pub(crate) fn watch_with(
        &mut self,
        request: &impl Watched,
        tag: T,
        watch: W,
        options: SubmitOptions,
    ) -> (RequestId, WatchId) {
        let submit =
            |session: &mut Session<T, W>| session.submit_watched(request, tag.clone(), watch.clone(), options.clone());
        self.app(submit).expect("the request is taken")
    }

    /// Fetches all events.
    pub(crate) fn events(&mut self) -> Vec<Event<T, W>> {
        let mut events = Vec::new();
        while let Some(event) = self.event() {
            events.push(event);
        }
        events
    }

    /// Fetches one event.
    pub(crate) fn event(&mut self) -> Option<Event<T, W>> {
        self.app(Session::poll_event)
    }

    /// Fetches all events, as short lines.
    pub(crate) fn told(&mut self) -> Vec<Step> {
        story(&self.events())
    }

    /// Nothing was told.
    pub(crate) fn assert_quiet(&mut self) {
        assert_eq!(self.told(), [""; 0]);
    }

    // Time.

    /// Lets time pass, and does what is due, when it is due. Nothing is written or answered meanwhile.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.whole.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    /// Lets time pass without a chance for the session to notice.
    pub(crate) fn pause(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Lets time pass while every ping is answered. Returns what else was asked.
    pub(crate) fn idle(&mut self, duration: Duration) -> Vec<Asked> {
        let (end, mut asked) = (self.now + duration, Vec::new());
        loop {
            for request in self.asked() {
                if request.op == OpCode::Ping { self.pong() } else { asked.push(request) }
            }
            let Some(at) = self.whole.poll_timeout().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
        self.tick();
        asked
    }

    /// Tells the time, as every turn of a loop does.
    pub(crate) fn tick(&mut self) {
        let now = self.now;
        self.app(|session| session.handle_timeout(now));
        if let Some(next) = self.whole.poll_timeout() {
            assert!(next > now, "due at {next:?} although it is {now:?}");
        }
    }

    // The world's side.

    /// Returns the link that is wanted.
    pub(crate) fn link(&self) -> Option<(LinkId, Server)> {
        match self.whole.wants() {
            Wants::Link { id, server } => Some((id, server)),
            Wants::Offline | Wants::Nothing(_) => None,
        }
    }

    pub(crate) fn link_id(&self) -> LinkId {
        self.link().expect("a link is wanted").0
    }

    /// Waits until a link is wanted, and returns where to.
    pub(crate) fn dial(&mut self) -> Server {
        loop {
            match self.link() {
                Some((_, server)) => return server,
                None => {
                    let due = self.whole.poll_timeout().expect("a session without a link wants one some day");
                    self.now = self.now.max(due);
                    self.tick();
                }
            }
        }
    }

    /// The byte stream of the wanted link is open.
    pub(crate) fn open(&mut self) {
        self.open_link(self.link_id());
    }

    pub(crate) fn open_link(&mut self, link: LinkId) {
        let now = self.now;
        self.app(|session| session.handle_connected(link, now));
        self.tick();
    }

    /// The wanted link is gone, or could not be opened.
    pub(crate) fn cut(&mut self) {
        self.cut_link(self.link_id());
    }

    pub(crate) fn cut_link(&mut self, link: LinkId) {
        let now = self.now;
        self.app(|session| session.handle_disconnected(link, now));
        self.tick();
    }

    /// Bytes arrive on the wanted link.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.send_on(self.link_id(), bytes);
    }

    pub(crate) fn send_on(&mut self, link: LinkId, bytes: &[u8]) {
        let now = self.now;
        let wire = self.links.entry(link).or_default();
        wire.inputs[0].extend_from_slice(bytes);
        self.whole.handle_input(link, &mut wire.inputs[0], now);
        // An empty read is a read too: it takes what was left over.
        let pieces = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(1).collect() };
        for byte in pieces {
            wire.inputs[1].extend_from_slice(byte);
            self.bytewise.handle_input(link, &mut wire.inputs[1], now);
        }
        self.app(|_| ());
        self.tick();
    }

    /// Returns how many received bytes were left over.
    pub(crate) fn left_over(&self) -> usize {
        self.links.get(&self.link_id()).map_or(0, |wire| wire.inputs[0].len())
    }

    /// Hands out all that the session has to say on the wanted link.
    pub(crate) fn flush(&mut self) {
        if let Some((link, _)) = self.link() {
            while self.flush_once(link).is_some() {}
        }
    }

    /// Hands out one helping, and returns its size.
    pub(crate) fn flush_once(&mut self, link: LinkId) -> Option<usize> {
        let now = self.now;
        let helping = self.app(|session| session.poll_transmit(link, now).map(|mut bytes| bytes_of(&mut bytes)))?;
        self.links.entry(link).or_default().sent.extend_from_slice(&helping);
        Some(helping.len())
    }

    /// Hands everything out and returns the next frame.
    pub(crate) fn next_frame(&mut self) -> Option<Bytes> {
        self.flush();
        let link = self.link()?.0;
        let sent = &mut self.links.entry(link).or_default().sent;
        split_frame(sent, usize::MAX).expect("a session writes good lengths")
    }

    /// Hands everything out and returns the requests that the server reads.
    pub(crate) fn asked(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.next_frame().map(Asked::read)).collect()
    }

    /// Hands everything out and returns the one request that the server reads.
    pub(crate) fn ask(&mut self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "requests: {asked:?}");
        asked.remove(0)
    }

    /// Returns the operations that the server reads.
    pub(crate) fn ops(&mut self) -> Vec<OpCode> {
        self.asked().iter().map(|asked| asked.op).collect()
    }

    /// Answers a request well.
    pub(crate) fn answer(&mut self, asked: &Asked, body: &[u8]) {
        self.zxid += 1;
        self.send(&reply(asked.xid, self.zxid, ErrorCode::Ok, body));
    }

    /// Answers a request with an error.
    pub(crate) fn refuse(&mut self, asked: &Asked, error: ErrorCode) {
        self.zxid += 1;
        self.send(&reply(asked.xid, self.zxid, error, &[]));
    }

    /// Answers the only request that there is.
    pub(crate) fn answer_next(&mut self, body: &[u8]) {
        let asked = self.ask();
        self.answer(&asked, body);
    }

    pub(crate) fn pong(&mut self) {
        self.send(&reply(-2, self.zxid, ErrorCode::Ok, &[]));
    }

    /// Waits for a link, opens it, and returns the session's greeting.
    pub(crate) fn knock(&mut self) -> ConnectRequest {
        self.dial();
        self.open();
        let frame = self.next_frame().expect("a session speaks first");
        let mut input = Decoder::new(frame);
        let request = input.get().expect("the first frame is a greeting");
        assert_eq!((input.remaining(), self.next_frame()), (0, None), "nothing follows the greeting");
        request
    }

    /// Waits for a link, opens it, and greets back.
    pub(crate) fn connect(&mut self, greeting: &Greeting) -> ConnectRequest {
        let request = self.knock();
        self.send(&greeting.frame());
        request
    }

    /// Loses the link and gets another one for the same session. Returns what the session said first on it.
    pub(crate) fn reconnect(&mut self) -> ConnectRequest {
        self.cut();
        self.connect(&Greeting::default())
    }

    /// Both sessions must say the same.
    fn assert_same<R: Debug>(&self, left: &R, right: &R) {
        let view = |session: &Session<T, W>| {
            (
                (session.wants(), session.wants_probe(), session.wants_input(), session.poll_timeout()),
                (session.has_output(), session.backlog_len(), session.in_flight_len(), session.watch_count()),
                (session.valid_until(), session.last_zxid(), session.id(), session.state().clone()),
            )
        };
        assert_eq!(view(&self.whole), view(&self.bytewise), "at one byte a read, seed {}", self.seed);
        let (left, right) = (format!("{left:?}"), format!("{right:?}"));
        assert_eq!(left, right, "at one byte a read, seed {}", self.seed);
    }
}

impl<T, W> Drop for Harness<T, W> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("seed {}, at {:?}", self.seed, self.now);
        }
    }
}

fn bytes_of(buffer: &mut impl Buf) -> Bytes {
    buffer.copy_to_bytes(buffer.remaining())
}
