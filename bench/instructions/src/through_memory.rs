//! From the call to the outcome, with memory for a network: the server's bytes are prepared, but for the numbers in them.

use std::{
    collections::VecDeque,
    future::Future,
    hint::black_box,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use bytes::{Buf, BytesMut};
use zk_proto::{
    Config, ConnectString, Instant, LinkId, Machine, Session, Wants,
    client::{Builder, Client, Driver, Pending},
    request::{GetData, Request, SetData, Version},
    session::{Event, SubmitOptions},
};

use crate::codec::{DATA, PATH, event, get_data_reply, greeting, set_data_reply};

/// So many requests are on their way together.
const WINDOW: usize = 1000;

/// Where a frame's number is.
const XID: std::ops::Range<usize> = 4..8;

pub(crate) fn session_one_by_one(iterations: usize) {
    session(iterations, 1, &GetData::new(PATH), &get_data_reply(1));
}

pub(crate) fn session_batch(iterations: usize) {
    session(iterations, WINDOW, &GetData::new(PATH), &get_data_reply(1));
}

pub(crate) fn session_writes(iterations: usize) {
    let request = SetData { path: PATH, data: (&DATA).into(), version: Version::Any };
    session(iterations, WINDOW, &request, &set_data_reply(1));
}

/// Sets a watch and hears its event.
pub(crate) fn session_watches(iterations: usize) {
    let (mut session, link) = connected();
    let mut server = Server::new(&get_data_reply(1));
    let mut input = BytesMut::new();
    let paths: Vec<String> = (0..WINDOW).map(|number| format!("/watched/{number:09}")).collect();
    for _ in 0..iterations.div_ceil(WINDOW) {
        for (number, path) in paths.iter().enumerate() {
            let request = GetData::new(path);
            session.submit_watched(&request, number, number, SubmitOptions::default()).expect("there is room");
        }
        server.exchange(&mut session, link, WINDOW, &mut input);
        paths.iter().for_each(|path| input.extend_from_slice(&event(path)));
        session.handle_input(link, &mut input, Instant::ORIGIN);
        let mut events = 0;
        while let Some(event) = session.poll_event() {
            events += usize::from(matches!(black_box(event), Event::Watch { .. }));
        }
        assert_eq!(events, WINDOW);
    }
}

fn session<R: Request>(iterations: usize, window: usize, request: &R, reply: &[u8]) {
    let (mut session, link) = connected();
    let mut server = Server::new(reply);
    let mut input = BytesMut::new();
    for _ in 0..iterations.div_ceil(window) {
        for number in 0..window {
            session.submit(black_box(request), number, SubmitOptions::default()).expect("there is room");
        }
        server.exchange(&mut session, link, window, &mut input);
        for number in 0..window {
            let Some(Event::Reply { tag, result: Ok(reply) }) = session.poll_event() else { panic!("a reply is due") };
            assert_eq!(tag, number);
            assert!(black_box(reply.decode::<R>()).is_ok(), "the reply is good");
        }
    }
}

fn connected() -> (Session<usize>, LinkId) {
    let servers: ConnectString = "server".parse().expect("a good name");
    let mut session = Session::new(Config::from(servers), [7; 32]);
    let link = greet(&mut session);
    while session.poll_event().is_some() {}
    (session, link)
}

pub(crate) fn client_one_by_one(iterations: usize) {
    client(iterations, 1, &get_data_reply(1), |client| client.get_data(PATH).send());
}

pub(crate) fn client_batch(iterations: usize) {
    client(iterations, WINDOW, &get_data_reply(1), |client| client.get_data(PATH).send());
}

pub(crate) fn client_writes(iterations: usize) {
    client(iterations, WINDOW, &set_data_reply(1), |client| client.set_data(PATH, &DATA).send());
}

/// As a task on an executor that does nothing.
fn client<T>(iterations: usize, window: usize, reply: &[u8], call: impl Fn(&Client) -> Pending<T>) {
    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    let (client, mut driver): (Client, Driver) = Builder::new("server").expect("a good name").build([7; 32]);
    let link = greet(&mut driver);
    let mut server = Server::new(reply);
    let mut input = BytesMut::new();
    let waker = Waker::from(Arc::new(Nobody));
    let cx = &mut Context::from_waker(&waker);
    let mut calls = VecDeque::with_capacity(window);
    for _ in 0..iterations.div_ceil(window) {
        for _ in 0..window {
            calls.push_back(call(black_box(&client)));
        }
        let first = calls.front_mut().expect("there is one");
        assert!(Pin::new(first).poll(cx).is_pending(), "nothing was sent yet");
        server.exchange(&mut driver, link, window, &mut input);
        // As a loop does before it waits.
        while driver.poll_work(cx, Instant::ORIGIN).is_ready() {}
        for mut call in calls.drain(..) {
            let Poll::Ready(Ok(reply)) = Pin::new(&mut call).poll(cx) else { panic!("the reply is there") };
            black_box(reply);
        }
    }
}

fn greet(machine: &mut impl Machine) -> LinkId {
    machine.handle_timeout(Instant::ORIGIN);
    let Wants::Link { id, .. } = machine.wants() else { panic!("a new session wants a link") };
    machine.handle_connected(id, Instant::ORIGIN);
    machine.poll_transmit(id, Instant::ORIGIN).expect("the greeting");
    machine.handle_input(id, &mut BytesMut::from(&greeting()[..]), Instant::ORIGIN);
    id
}

/// Answers in order, with replies that differ in their numbers alone.
struct Server {
    replies: Vec<u8>,
    reply_bytes: usize,
    next: i32,
}

impl Server {
    fn new(reply: &[u8]) -> Self {
        Self { replies: reply.repeat(WINDOW), reply_bytes: reply.len(), next: 1 }
    }

    /// Takes what the machine sends, and hands the replies in.
    fn exchange(&mut self, machine: &mut impl Machine, link: LinkId, count: usize, input: &mut BytesMut) {
        while let Some(sent) = machine.poll_transmit(link, Instant::ORIGIN) {
            assert!(black_box(sent).has_remaining());
        }
        for reply in self.replies.chunks_mut(self.reply_bytes).take(count) {
            reply[XID].copy_from_slice(&self.next.to_be_bytes());
            self.next += 1;
        }
        input.extend_from_slice(&self.replies[..count * self.reply_bytes]);
        machine.handle_input(link, input, Instant::ORIGIN);
    }
}
