//! A driver in virtual time, and the server's side of its link.
//!
//! Nothing answers by itself but the greeting: a test sees what has arrived and says what comes back.

use std::{
    collections::VecDeque,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use zk_proto::{
    Config, Instant, LinkId, Machine, SessionId, Wants, Zxid,
    client::{Builder, Client, Driver},
    code::{ErrorCode, EventType, KeeperState, OpCode},
    record::{ConnectRequest, ConnectResponse, GetDataResponse, ReplyHeader, RequestHeader, Stat, WatcherEvent},
    wire::{Decoder, Encoder, Jute},
};

/// A request as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) xid: i32,
    pub(crate) op: OpCode,
    /// The first string of the body, which is the path where there is one.
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

/// A driver, its time, and the server that it talks to.
pub(crate) struct World {
    pub(crate) driver: Driver,
    pub(crate) now: Instant,
    /// The driver's task.
    pub(crate) task: Arc<Count>,
    link: Option<LinkId>,
    input: BytesMut,
    output: BytesMut,
    is_greeted: bool,
    pub(crate) greeting: Option<ConnectRequest>,
    pub(crate) asked: VecDeque<Asked>,
}

pub(crate) const SESSION: SessionId = SessionId(0x77);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(9);

pub(crate) fn config() -> Config {
    Config::new("h1".parse().unwrap())
}

impl World {
    /// Makes a client whose driver was not driven yet.
    pub(crate) fn new() -> (Self, Client) {
        Self::of(Builder::from_config(config()))
    }

    pub(crate) fn of(builder: Builder) -> (Self, Client) {
        let (client, driver) = builder.build([7; 32]);
        let world = Self {
            driver,
            now: Instant::from_nanos(1),
            task: Arc::default(),
            link: None,
            input: BytesMut::new(),
            output: BytesMut::new(),
            is_greeted: false,
            greeting: None,
            asked: VecDeque::new(),
        };
        (world, client)
    }

    /// Makes a client with a session.
    pub(crate) fn connected() -> (Self, Client) {
        Self::connected_with(Builder::from_config(config()))
    }

    pub(crate) fn connected_with(builder: Builder) -> (Self, Client) {
        let (mut world, client) = Self::of(builder);
        world.connect(SESSION);
        (world, client)
    }

    /// Brings the client to a server that serves this session.
    pub(crate) fn connect(&mut self, session: SessionId) {
        self.dial();
        self.greet(session, TIMEOUT);
    }

    /// Opens a link and takes the greeting.
    pub(crate) fn dial(&mut self) {
        for _ in 0..100 {
            self.turn();
            if self.greeting.is_some() {
                return;
            }
            self.now = self.now.max(self.driver.poll_timeout().expect("it wants a link some day"));
        }
        panic!("no link is wanted");
    }

    /// Answers the greeting; a timeout of zero says that the session has expired.
    pub(crate) fn greet(&mut self, session: SessionId, timeout: Duration) {
        assert!(self.greeting.take().is_some(), "there was no greeting");
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms: timeout.as_millis().try_into().unwrap(),
            session_id: session,
            passwd: vec![7; 16].into(),
            read_only: Some(false),
        };
        self.frame(|out| out.put(&response));
        self.deliver();
        self.turn();
    }

    /// Does what is to do until nothing is left.
    pub(crate) fn turn(&mut self) {
        for _ in 0..1000 {
            self.adopt();
            if let Some(link) = self.link {
                while let Some(transmit) = self.driver.poll_transmit(link, self.now) {
                    let mut transmit = transmit;
                    self.output.extend_from_slice(&transmit.copy_to_bytes(transmit.remaining()));
                }
                self.listen();
            }
            if self.driver.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
                self.driver.handle_timeout(self.now);
                assert!(self.driver.poll_timeout().is_none_or(|deadline| deadline > self.now));
                continue;
            }
            let waker = Waker::from(self.task.clone());
            if self.driver.poll_work(&mut Context::from_waker(&waker), self.now).is_pending() {
                self.adopt();
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn adopt(&mut self) {
        let wanted = match self.driver.wants() {
            Wants::Link { id, .. } => Some(id),
            Wants::Offline | Wants::Nothing(_) => None,
        };
        if wanted != self.link {
            self.link = wanted;
            (self.input, self.output, self.is_greeted) = (BytesMut::new(), BytesMut::new(), false);
            if let Some(link) = wanted {
                self.driver.handle_connected(link, self.now);
            }
        }
    }

    /// Takes apart what has arrived at the server.
    fn listen(&mut self) {
        while self.output.len() >= 4 {
            let len = u32::from_be_bytes(self.output[..4].try_into().unwrap()) as usize;
            let frame = self.output.split_to(len + 4).freeze().slice(4..);
            if !self.is_greeted {
                self.is_greeted = true;
                self.greeting = Some(Decoder::new(frame).get().unwrap());
                continue;
            }
            let RequestHeader { xid, op } = Decoder::new(frame.clone()).get().unwrap();
            let body = frame.slice(8..);
            let path = Decoder::new(body.clone()).text().ok().flatten().map(String::from).unwrap_or_default();
            self.asked.push_back(Asked { xid, op, path, body });
        }
    }

    /// Sends a frame to the client.
    fn frame(&mut self, write: impl FnOnce(&mut Encoder<'_>)) {
        let mut body = BytesMut::new();
        write(&mut Encoder::new(&mut body));
        self.input.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        self.input.extend_from_slice(&body);
    }

    /// Hands what the server has sent to the driver, all in one read.
    pub(crate) fn deliver(&mut self) {
        if let Some(link) = self.link {
            self.driver.handle_input(link, &mut self.input, self.now);
        }
    }

    /// Answers the oldest request with a record.
    pub(crate) fn answer(&mut self, record: &impl Jute) {
        let asked = self.asked.pop_front().expect("there is a request to answer");
        self.write_reply(asked.xid, ErrorCode::Ok, record);
        self.deliver();
        self.turn();
    }

    /// Answers the oldest request with an error.
    pub(crate) fn refuse(&mut self, error: ErrorCode) {
        let asked = self.asked.pop_front().expect("there is a request to refuse");
        self.write_reply(asked.xid, error, &Nothing);
        self.deliver();
        self.turn();
    }

    /// Writes a reply that is not delivered yet.
    pub(crate) fn write_reply(&mut self, xid: i32, err: ErrorCode, record: &impl Jute) {
        self.frame(|out| {
            out.put(&ReplyHeader { xid, zxid: Zxid(100), err });
            out.put(record);
        });
    }

    /// Writes a watch event that is not delivered yet.
    pub(crate) fn write_event(&mut self, event_type: EventType, path: &str) {
        self.frame(|out| {
            out.put(&ReplyHeader { xid: -1, zxid: Zxid(-1), err: ErrorCode::Ok });
            out.put(&WatcherEvent { event_type, state: KeeperState::SyncConnected, path: Some(path.into()) });
        });
    }

    /// Sends a watch event.
    pub(crate) fn fire(&mut self, event_type: EventType, path: &str) {
        self.write_event(event_type, path);
        self.deliver();
        self.turn();
    }

    /// Breaks the link.
    pub(crate) fn cut(&mut self) {
        let link = self.link.take().expect("there is a link to cut");
        self.asked.clear();
        self.driver.handle_disconnected(link, self.now);
    }

    /// Lets the session expire: the next server says so.
    pub(crate) fn expire(&mut self) {
        self.cut();
        self.dial();
        self.greet(SessionId(0), Duration::ZERO);
    }

    pub(crate) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.turn();
    }

    /// Returns the paths of the requests that have arrived and are unanswered.
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.asked.iter().map(|asked| asked.path.as_str()).collect()
    }

    /// Returns their operations.
    pub(crate) fn ops(&self) -> Vec<OpCode> {
        self.asked.iter().map(|asked| asked.op).collect()
    }
}

/// A record of no bytes.
pub(crate) struct Nothing;

impl Jute for Nothing {
    const MIN_BYTES: usize = 0;

    fn encode(&self, _: &mut Encoder<'_>) {}

    fn decode(_: &mut Decoder) -> Result<Self, zk_proto::wire::DecodeError> {
        Ok(Self)
    }
}

pub(crate) fn data(bytes: &'static str) -> GetDataResponse {
    GetDataResponse { data: Some(bytes.into()), stat: Stat::default() }
}

/// Counts wake-ups.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    /// Returns how many wake-ups there were since the last call.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// A future as a task of its own: polled by hand, and it knows when it was woken.
pub(crate) struct Task<F: Future> {
    future: Pin<Box<F>>,
    pub(crate) wakes: Arc<Count>,
}

impl<F: Future> Task<F> {
    pub(crate) fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Self { future: Box::pin(future.into_future()), wakes: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls a task that must be complete, and that must have been told.
    pub(crate) fn result(&mut self) -> F::Output {
        assert!(self.wakes.take() > 0, "nobody has woken it");
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it was woken in vain"),
        }
    }

    pub(crate) fn is_pending(&mut self) -> bool {
        self.poll().is_pending()
    }
}

/// Polls a future once; it must be complete.
pub(crate) fn now<F: IntoFuture>(future: F) -> F::Output {
    match Task::new(future).poll() {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not complete yet"),
    }
}
