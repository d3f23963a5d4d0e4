//! The loop and the dialling, on a network that a test holds in its hand.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use zk_proto::{
    Config, Instant, Server, Zxid,
    client::{Builder, Client, Driver, Io, Runtime, dial, drive},
    code::{ErrorCode, EventType, KeeperState, OpCode},
    record::{ConnectResponse, GetDataResponse, ReplyHeader, RequestHeader, Stat, WatcherEvent},
    session::{End, State},
    wire::{Decoder, Encoder},
};

use crate::support::{SESSION, TIMEOUT, Task, config, now};

/// What becomes of an attempt to connect to an address.
#[derive(Clone, Copy)]
enum Door {
    Open,
    Refusing,
    Silent,
}

/// One connection, seen from the middle.
#[derive(Default)]
struct Pipe {
    address: Option<SocketAddr>,
    to_client: BytesMut,
    to_server: BytesMut,
    is_greeted: bool,
    /// The server has hung up.
    is_cut: bool,
    /// The client has.
    is_dropped: bool,
    reads: usize,
    writes: usize,
}

struct Net {
    now: Instant,
    names: HashMap<String, Vec<SocketAddr>>,
    doors: HashMap<SocketAddr, Door>,
    dialled: Vec<SocketAddr>,
    pipes: Vec<Rc<RefCell<Pipe>>>,
    /// How many bytes one read or write moves at most.
    at_once: usize,
    read_only: bool,
    deadlines: Vec<Instant>,
    data: bytes::Bytes,
    closed: usize,
}

#[derive(Clone)]
struct Fake(Rc<RefCell<Net>>);

struct Stream(Rc<RefCell<Pipe>>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.borrow_mut().is_dropped = true;
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Fake {
    fn new(names: &[(&str, &[&str])]) -> Self {
        let names = names.iter().map(|(name, list)| ((*name).to_owned(), list.iter().map(|a| address(a)).collect()));
        Self(Rc::new(RefCell::new(Net {
            now: Instant::from_nanos(1),
            names: names.collect(),
            doors: HashMap::new(),
            dialled: Vec::new(),
            pipes: Vec::new(),
            at_once: usize::MAX,
            read_only: false,
            deadlines: Vec::new(),
            data: "hello".into(),
            closed: 0,
        })))
    }

    fn set(&self, addresses: &[&str], door: Door) {
        self.0.borrow_mut().doors.extend(addresses.iter().map(|text| (address(text), door)));
    }

    fn advance(&self, duration: Duration) {
        let mut net = self.0.borrow_mut();
        net.now = net.now + duration;
    }

    fn dialled(&self) -> Vec<String> {
        self.0.borrow().dialled.iter().map(ToString::to_string).collect()
    }

    fn pipe(&self, index: usize) -> Rc<RefCell<Pipe>> {
        self.0.borrow().pipes[index].clone()
    }

    /// Lets all servers answer what has arrived. Returns whether anything has.
    fn serve(&self) -> bool {
        let (pipes, read_only, data) = {
            let net = self.0.borrow();
            (net.pipes.clone(), net.read_only, net.data.clone())
        };
        let mut is_busy = false;
        for pipe in &pipes {
            let mut pipe = pipe.borrow_mut();
            if pipe.to_server.starts_with(b"isro") {
                pipe.to_server.clear();
                pipe.to_client.extend_from_slice(b"rw");
                pipe.is_cut = true;
            }
            while let Some(frame) = zk_proto::wire::split_frame(&mut pipe.to_server, 1 << 20).unwrap() {
                is_busy = true;
                let mut answer = BytesMut::new();
                let mut out = Encoder::new(&mut answer);
                if !std::mem::replace(&mut pipe.is_greeted, true) {
                    let is_second = pipe.address.is_some_and(|address| address.port() == 2);
                    out.put(&ConnectResponse {
                        protocol_version: 0,
                        timeout_ms: TIMEOUT.as_millis().try_into().unwrap(),
                        session_id: SESSION,
                        passwd: vec![7; 16].into(),
                        read_only: Some(read_only && !is_second),
                    });
                } else {
                    let RequestHeader { xid, op } = Decoder::new(frame).get().unwrap();
                    out.put(&ReplyHeader { xid, zxid: Zxid(1), err: ErrorCode::Ok });
                    if op == OpCode::GetData {
                        out.put(&GetDataResponse { data: Some(data.clone()), stat: Stat::default() });
                    }
                    if op == OpCode::CloseSession {
                        self.0.borrow_mut().closed += 1;
                    }
                }
                pipe.to_client.extend_from_slice(&u32::try_from(answer.len()).unwrap().to_be_bytes());
                pipe.to_client.extend_from_slice(&answer);
            }
        }
        is_busy
    }
}

impl Io for Fake {
    type Stream = Stream;
    type Timer = ();

    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.borrow().names.get(host).cloned().ok_or_else(|| io::Error::other("no such host"))
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Stream>> {
        self.0.borrow_mut().dialled.push(address);
        poll_fn(move |_| {
            let mut net = self.0.borrow_mut();
            match net.doors.get(&address).copied().unwrap_or(Door::Open) {
                Door::Open => {
                    let pipe = Rc::new(RefCell::new(Pipe { address: Some(address), ..Pipe::default() }));
                    net.pipes.push(pipe.clone());
                    Poll::Ready(Ok(Stream(pipe)))
                }
                Door::Refusing => Poll::Ready(Err(io::Error::other("connection refused"))),
                Door::Silent => Poll::Pending,
            }
        })
    }

    fn poll_read(&self, stream: &mut Stream, _: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let room = input.capacity() - input.len();
        assert!(room > 0, "there is no room to read into");
        let mut pipe = stream.0.borrow_mut();
        let count = pipe.to_client.len().min(room).min(self.0.borrow().at_once);
        if count == 0 && !pipe.is_cut {
            return Poll::Pending;
        }
        pipe.reads += 1;
        input.extend_from_slice(&pipe.to_client.split_to(count));
        Poll::Ready(Ok(count))
    }

    fn poll_write(&self, stream: &mut Stream, _: &mut Context<'_>, chunks: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut pipe = stream.0.borrow_mut();
        pipe.writes += 1;
        let mut left = self.0.borrow().at_once;
        for chunk in chunks {
            let count = chunk.len().min(left);
            pipe.to_server.extend_from_slice(&chunk[..count]);
            left -= count;
        }
        Poll::Ready(Ok(self.0.borrow().at_once - left))
    }

    fn timer(&self) {}

    fn poll_timer(&self, (): &mut (), _: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let mut net = self.0.borrow_mut();
        if net.deadlines.last() != Some(&deadline) {
            net.deadlines.push(deadline);
        }
        if net.now >= deadline { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A client whose driver runs on the fake network.
struct World {
    net: Fake,
    client: Option<Client>,
    driving: Pin<Box<dyn Future<Output = End>>>,
    end: Option<End>,
}

impl World {
    fn new(net: Fake, config: Config) -> Self {
        let (client, driver) = Builder::from_config(config).build([3; 32]);
        Self { client: Some(client), driving: Box::pin(drive(driver, net.clone())), net, end: None }
    }

    fn client(&self) -> Client {
        self.client.clone().unwrap()
    }

    /// Polls the loop, and lets the servers answer, until nothing happens.
    fn run(&mut self) {
        loop {
            self.poll();
            if self.end.is_some() || !self.net.serve() {
                return self.poll();
            }
        }
    }

    /// Polls the loop alone, as often as it wants to be polled.
    fn poll(&mut self) {
        while self.end.is_none() {
            let mut task = Task::new(poll_fn(|cx| self.driving.as_mut().poll(cx)));
            match task.poll() {
                Poll::Ready(end) => self.end = Some(end),
                Poll::Pending if task.wakes.take() > 0 => {}
                Poll::Pending => return,
            }
        }
    }

    fn advance(&mut self, duration: Duration) {
        self.net.advance(duration);
        self.run();
    }
}

fn one_host() -> Fake {
    Fake::new(&[("h1", &["10.0.0.1:1"])])
}

#[test]
fn the_loop_dials_greets_asks_and_closes() {
    let mut world = World::new(one_host(), config());
    world.run();
    assert!(matches!(world.client().state(), State::Connected { session: SESSION, .. }));

    let mut read = Task::new(world.client().get_data("/a").send());
    assert!(read.is_pending());
    world.run();
    assert_eq!(read.result().unwrap().0, "hello");

    world.client = None;
    drop(read);
    world.run();
    assert_eq!((world.end, world.net.0.borrow().closed), (Some(End::Closed), 1));
    drop(world.driving);
    assert!(world.net.pipe(0).borrow().is_dropped);
}

#[test]
fn everything_works_at_one_byte_a_time() {
    let mut world = World::new(one_host(), config());
    world.net.0.borrow_mut().at_once = 1;
    world.run();
    let mut reads: Vec<_> = (0..20).map(|_| Task::new(world.client().get_data("/a").send())).collect();
    assert!(reads.iter_mut().all(Task::is_pending));

    world.run();

    assert!(reads.iter_mut().all(|read| read.result().unwrap().0 == "hello"));
}

#[test]
fn all_that_is_queued_leaves_in_one_write() {
    let mut world = World::new(one_host(), config());
    world.run();
    let before = world.net.pipe(0).borrow().writes;

    let requests: Vec<_> = (0..100).map(|_| world.client().get_data("/a").send()).collect();
    world.poll();

    assert_eq!(world.net.pipe(0).borrow().writes, before + 1);
    drop(requests);
}

#[test]
fn many_who_were_answered_ask_again_before_the_loop_goes_on() {
    let mut world = World::new(one_host(), config());
    world.run();
    let mut reads: Vec<_> = (0..100).map(|_| Task::new(world.client().get_data("/a").send())).collect();
    assert!(reads.iter_mut().all(Task::is_pending));
    world.poll();
    world.net.serve();
    let before = world.net.pipe(0).borrow().writes;

    let mut turn = Task::new(poll_fn(|cx| world.driving.as_mut().poll(cx)));
    assert!(turn.poll().is_pending() && turn.wakes.take() > 0, "the loop lets others go first, and comes back");
    let client = world.client.clone().unwrap();
    let more: Vec<_> = reads.iter_mut().map(|read| read.result().map(|_| client.get_data("/a").send())).collect();
    assert!(turn.poll().is_pending());
    assert_eq!(turn.wakes.take(), 0, "nobody had to wake it");

    assert_eq!(world.net.pipe(0).borrow().writes, before + 1);
    assert!(more.iter().all(Result::is_ok));
}

#[test]
fn a_server_that_never_stops_talking_hears_an_answer() {
    let mut world = World::new(one_host(), config());
    world.run();
    let request = world.client().get_data("/a").send();

    for _ in 0..3 {
        // An event of a watch that nobody has.
        let mut event = BytesMut::new();
        let mut out = Encoder::new(&mut event);
        out.put(&ReplyHeader { xid: -1, zxid: Zxid(-1), err: ErrorCode::Ok });
        out.put(&WatcherEvent {
            event_type: EventType::NodeDataChanged,
            state: KeeperState::SyncConnected,
            path: Some(format!("/{}", "a".repeat(2000)).as_str().into()),
        });
        let pipe = world.net.pipe(0);
        pipe.borrow_mut().to_client.extend_from_slice(&u32::try_from(event.len()).unwrap().to_be_bytes());
        pipe.borrow_mut().to_client.extend_from_slice(&event);
        let mut turn = Task::new(poll_fn(|cx| world.driving.as_mut().poll(cx)));
        assert!(turn.poll().is_pending());
    }

    assert!(!world.net.pipe(0).borrow().to_server.is_empty(), "the request has left");
    drop(request);
}

#[test]
fn a_large_payload_is_written_from_where_it_lies() {
    let mut world = World::new(one_host(), config());
    world.run();
    let payload = bytes::Bytes::from(vec![1; 1_000_000]);
    let request = world.client().set_data("/a", payload).send();

    world.poll();

    assert!(world.net.pipe(0).borrow().to_server.len() > 1_000_000);
    drop(request);
}

#[test]
fn a_large_reply_takes_few_reads() {
    let mut world = World::new(one_host(), config());
    world.run();
    world.net.0.borrow_mut().data = vec![1; 1_000_000].into();
    let before = world.net.pipe(0).borrow().reads;

    let mut read = Task::new(world.client().get_data("/a").send());
    assert!(read.is_pending());
    world.run();

    assert_eq!(read.result().unwrap().0.len(), 1_000_000);
    let reads = world.net.pipe(0).borrow().reads - before;
    assert!(reads <= 8, "{reads} reads");
}

#[test]
fn a_busy_session_does_not_set_its_timer_anew_for_every_request() {
    let mut world = World::new(one_host(), config());
    world.run();
    let before = world.net.0.borrow().deadlines.len();

    for _ in 0..100 {
        let mut read = Task::new(world.client().get_data("/a").send());
        assert!(read.is_pending());
        world.advance(Duration::from_millis(1));
        assert!(read.result().is_ok());
    }

    let set = world.net.0.borrow().deadlines.len() - before;
    assert!(set <= 1, "set {set} times");
    world.advance(TIMEOUT / 3);
    world.advance(TIMEOUT / 3);
    assert!(matches!(world.client().state(), State::Connected { .. }), "the heartbeat goes on");
}

#[test]
fn a_connection_that_is_cut_is_dialled_anew() {
    let mut world = World::new(one_host(), config());
    world.run();
    let mut states = world.client().states();
    now(states.next());
    // Only a server that has answered something, and stayed for a while, counts as one that works.
    world.client().get_data("/a").send().detach();
    world.run();
    world.net.advance(Duration::from_secs(1));

    world.net.pipe(0).borrow_mut().is_cut = true;
    world.run();

    assert!(world.net.pipe(0).borrow().is_dropped);
    assert!(matches!(now(states.next()), Some(State::Suspended { .. })));
    assert!(matches!(now(states.next()), Some(State::Connected { resumed: true, .. })));
}

#[test]
fn a_silent_server_is_left() {
    let mut world = World::new(one_host(), config());
    world.run();
    for _ in 0..10 {
        world.net.advance(TIMEOUT / 10);
        world.poll();
    }

    assert!(world.net.pipe(0).borrow().is_dropped);
    assert_eq!(world.net.dialled().len(), 2);
}

#[test]
fn a_writable_server_is_looked_for_beside_a_read_only_one() {
    let net = Fake::new(&[("h1", &["10.0.0.1:1"]), ("h2", &["10.0.0.1:2"])]);
    net.0.borrow_mut().read_only = true;
    let mut config = Config::new("h1,h2".parse().unwrap());
    config.read_only = true;
    let mut world = World::new(net, config);
    world.net.set(&["10.0.0.1:2"], Door::Refusing);
    while !matches!(world.client().state(), State::Connected { .. }) {
        world.advance(Duration::from_millis(10));
    }
    assert!(matches!(world.client().state(), State::Connected { read_only: true, .. }));

    world.net.set(&["10.0.0.1:2"], Door::Open);
    for _ in 0..600 {
        world.advance(Duration::from_millis(100));
    }

    assert!(matches!(world.client().state(), State::Connected { read_only: false, .. }));
    let open = world.net.0.borrow().pipes.iter().filter(|pipe| !pipe.borrow().is_dropped).count();
    assert_eq!(open, 1, "the link that was left and the one that asked are closed");
}

/// A runtime that leaves the driver where a test finds it.
struct Shelf(Rc<RefCell<Option<Driver>>>);

impl Runtime for Shelf {
    fn seed(&self) -> [u8; 32] {
        [1; 32]
    }

    fn start(&self, driver: Driver) {
        *self.0.borrow_mut() = Some(driver);
    }
}

#[test]
fn the_reason_why_a_server_cannot_be_reached_is_kept_in_words() {
    let net = Fake::new(&[("h1", &["10.0.0.1:1", "10.0.0.2:1"])]);
    net.set(&["10.0.0.1:1", "10.0.0.2:1"], Door::Refusing);
    let shelf = Rc::new(RefCell::new(None));
    let builder = Builder::new("h1,h2").unwrap().with_runtime(Shelf(shelf.clone()));
    let mut connecting = Task::new(builder.connect_timeout(Duration::from_secs(3)).connect());
    assert!(connecting.is_pending());
    let mut driving = Task::new(drive(shelf.take().unwrap(), net.clone()));

    let error = loop {
        _ = driving.poll();
        net.advance(Duration::from_millis(100));
        if let Poll::Ready(result) = connecting.poll() {
            break result.unwrap_err().to_string();
        }
    };

    assert!(error.starts_with("no session within 3s: h1:2181: connection refused ("), "{error}");
    assert!(error.ends_with("; h2:2181: name does not resolve: no such host"), "{error}");
}

fn dialled(net: &Fake, attempt: u32, steps: u32) -> (Vec<String>, Option<Result<SocketAddr, String>>) {
    let mut server = Server::new("h1", 1);
    server.attempt = attempt;
    let mut task = Task::new(dial(net, &server));
    for _ in 0..=steps {
        if let Poll::Ready(result) = task.poll() {
            let outcome = result.map(|stream| stream.0.borrow().address.unwrap()).map_err(|error| error.to_string());
            return (net.dialled(), Some(outcome));
        }
        net.advance(Duration::from_millis(250));
    }
    (net.dialled(), None)
}

const THREE: (&str, &[&str]) = ("h1", &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);

#[test]
fn each_attempt_begins_with_another_address() {
    for (attempt, first) in [(0, "10.0.0.1:1"), (1, "10.0.0.2:1"), (2, "10.0.0.3:1"), (3, "10.0.0.1:1")] {
        let (dialled, outcome) = dialled(&Fake::new(&[THREE]), attempt, 0);
        assert_eq!((dialled, outcome), (vec![first.into()], Some(Ok(address(first)))));
    }
}

#[test]
fn a_refusal_leads_to_the_next_address_at_once() {
    let net = Fake::new(&[THREE]);
    net.set(&["10.0.0.1:1", "10.0.0.2:1"], Door::Refusing);

    let (dialled, outcome) = dialled(&net, 0, 0);

    assert_eq!((dialled.len(), outcome), (3, Some(Ok(address("10.0.0.3:1")))));
}

#[test]
fn a_silent_address_gets_a_head_start() {
    let net = Fake::new(&[THREE]);
    net.set(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"], Door::Silent);

    assert_eq!(dialled(&net, 0, 0).0.len(), 1);
    net.0.borrow_mut().dialled.clear();
    let (dialled, outcome) = dialled(&net, 0, 10);

    assert_eq!((dialled.len(), outcome), (3, None));
}

#[test]
fn an_address_that_is_slow_may_still_win() {
    let net = Fake::new(&[THREE]);
    net.set(&["10.0.0.1:1", "10.0.0.2:1"], Door::Silent);
    let server = Server::new("h1", 1);
    net.set(&["10.0.0.3:1"], Door::Silent);
    let mut task = Task::new(dial(&net, &server));
    for _ in 0..5 {
        assert!(task.is_pending());
        net.advance(Duration::from_millis(250));
    }

    net.set(&["10.0.0.1:1"], Door::Open);

    let Poll::Ready(Ok(stream)) = task.poll() else { panic!("it is open") };
    assert_eq!(stream.0.borrow().address, Some(address("10.0.0.1:1")));
}

#[test]
fn a_failure_names_every_address() {
    let net = Fake::new(&[("h1", &["10.0.0.1:1", "10.0.0.2:1"])]);
    net.set(&["10.0.0.1:1", "10.0.0.2:1"], Door::Refusing);
    let both = "connection refused (10.0.0.1:1), connection refused (10.0.0.2:1)";
    assert_eq!(dialled(&net, 0, 0).1, Some(Err(both.into())));

    assert_eq!(dialled(&Fake::new(&[]), 0, 0).1, Some(Err("name does not resolve: no such host".into())));
    assert_eq!(dialled(&Fake::new(&[("h1", &[])]), 0, 0).1, Some(Err("name has no address".into())));
}
