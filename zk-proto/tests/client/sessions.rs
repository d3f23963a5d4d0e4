//! How sessions begin, follow each other and end.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    time::Duration,
};

use zk_proto::{
    AuthInfo, Config, LinkId, Machine, SessionId, Wants,
    client::{Builder, Client, Error, OnExpiry, Runtime},
    code::{ErrorCode, OpCode},
    sasl::{Factory, Mechanism, SaslFailure, Step, Work},
    session::{AuthFailure, Cause, End, Sent, State},
};

use crate::support::{Nothing, SESSION, TIMEOUT, Task, World, config, data, now};

const NEXT: SessionId = SessionId(0x99);

fn ended(end: End, sent: Sent) -> Error {
    Error::Ended { end, sent }
}

#[test]
fn connected_waits_for_the_first_session() {
    let (mut world, client) = World::new();
    let mut connected = Task::new(client.connected());
    assert!(connected.is_pending());
    assert_eq!((client.state(), client.session()), (State::Connecting, None));

    world.connect(SESSION);

    assert_eq!(connected.result(), Ok(()));
    assert_eq!(now(client.connected()), Ok(()));
    assert_eq!(client.session(), Some(SESSION));
    assert!(client.valid_until().is_some() && client.credentials().is_some() && client.server().is_some());
}

#[test]
fn states_are_told_from_the_present_one_on() {
    let (mut world, client) = World::connected();
    let mut states = client.states();
    assert!(matches!(now(states.next()), Some(State::Connected { session: SESSION, resumed: false, .. })));
    assert!(Task::new(states.next()).is_pending());

    world.cut();
    let suspended = now(states.next());
    world.connect(SESSION);

    assert!(matches!(suspended, Some(State::Suspended { cause: Cause::Hangup, .. })));
    assert!(matches!(now(states.next()), Some(State::Connected { resumed: true, .. })));
}

#[test]
fn a_slow_reader_of_states_sees_the_newest() {
    let (mut world, client) = World::connected();
    let mut states = client.states();
    for _ in 0..100 {
        world.cut();
        world.connect(SESSION);
    }
    world.cut();

    let mut seen = Vec::new();
    while let Poll::Ready(state) = Task::new(states.next()).poll() {
        seen.push(state.unwrap());
    }

    assert!(seen.len() <= 64, "{} states were kept", seen.len());
    assert!(matches!(seen.last(), Some(State::Suspended { .. })));
}

#[test]
fn an_expired_session_is_followed_by_a_new_one() {
    let (mut world, client) = World::connected();
    let mut states = client.states();
    now(states.next());
    let below = client.chroot("/below").unwrap();
    let mut sent = Task::new(client.get_data("/sent").resend());
    assert!(sent.is_pending());
    world.turn();
    world.cut();
    let mut unsent = Task::new(client.get_data("/unsent"));
    assert!(unsent.is_pending());

    world.dial();
    world.greet(SessionId(0), Duration::ZERO);

    assert_eq!(sent.result(), Err(ended(End::Expired, Sent::Perhaps)));
    assert_eq!(unsent.result(), Err(ended(End::Expired, Sent::No)));
    let mut later = Task::new(below.get_data("/later"));
    assert!(later.is_pending());
    world.connect(NEXT);
    assert_eq!(world.paths(), ["/below/later"]);
    world.answer(&data("x"));
    assert!(later.result().is_ok());

    let told: Vec<State> = (0..4).map(|_| now(states.next()).unwrap()).collect();
    assert!(matches!(
        &told[..],
        [
            State::Suspended { .. },
            State::Ended(End::Expired),
            State::Connecting,
            State::Connected { session: NEXT, resumed: false, .. },
        ]
    ));
}

#[test]
fn by_the_policy_end_an_expired_session_is_the_last() {
    let builder = Builder::from_config(config()).on_expiry(OnExpiry::End);
    let (mut world, client) = World::connected_with(builder);
    let mut states = client.states();
    now(states.next());

    world.expire();

    assert_eq!(world.driver.wants(), Wants::Nothing(End::Expired));
    assert!(matches!(now(states.next()), Some(State::Suspended { .. })));
    assert_eq!(now(states.next()), Some(State::Ended(End::Expired)));
    assert_eq!(now(states.next()), None);
    assert_eq!(now(client.get_data("/a")), Err(ended(End::Expired, Sent::No)));
    assert_eq!(now(client.get_data("/a").send()), Err(ended(End::Expired, Sent::No)));
    assert_eq!(now(client.connected()), Err(ended(End::Expired, Sent::No)));
    assert_eq!(now(client.sleep(Duration::from_secs(1))), Err(ended(End::Expired, Sent::No)));
    now(client.close());
}

#[test]
fn refused_credentials_are_the_end_whatever_the_policy() {
    let (mut world, client) = World::connected();
    let mut added = Task::new(client.add_auth(AuthInfo::digest("user", "password")));
    let mut behind = Task::new(client.get_data("/behind"));
    assert!(added.is_pending() && behind.is_pending());
    world.turn();
    assert_eq!(world.ops(), [OpCode::Auth, OpCode::GetData]);

    world.refuse(ErrorCode::AuthFailed);

    assert!(matches!(added.result(), Err(Error::Ended { end: End::AuthFailed, .. })));
    assert_eq!(behind.result(), Err(ended(End::AuthFailed, Sent::Perhaps)));
    assert_eq!(world.driver.wants(), Wants::Nothing(End::AuthFailed));
}

#[test]
fn accepted_credentials_complete_their_request() {
    let (mut world, client) = World::connected();
    let mut added = Task::new(client.add_auth(AuthInfo::digest("user", "password")));
    let dropped = client.add_auth(AuthInfo::new("other", b"x"));
    assert!(added.is_pending());
    world.turn();
    drop(dropped);

    world.answer(&Nothing);
    world.answer(&Nothing);

    assert_eq!(added.result(), Ok(()));
}

#[test]
fn closing_sends_what_was_asked_for_and_then_tells_the_server() {
    let (mut world, client) = World::connected();
    let other = client.clone();
    let mut before = Task::new(client.get_data("/before"));
    assert!(before.is_pending());

    let mut closed = Task::new(client.close());
    assert!(closed.is_pending());
    assert_eq!(now(other.get_data("/after")), Err(ended(End::Closed, Sent::No)));
    world.turn();

    assert_eq!(world.ops(), [OpCode::GetData, OpCode::CloseSession]);
    world.answer(&data("x"));
    world.answer(&Nothing);
    assert!(before.result().is_ok());
    closed.result();
    assert_eq!(world.driver.wants(), Wants::Nothing(End::Closed));
}

#[test]
fn closing_takes_no_longer_than_its_time_limit() {
    let (mut world, client) = World::connected();
    let mut closed = Task::new(client.close());
    assert!(closed.is_pending());
    world.turn();

    world.advance(Duration::from_secs(2));

    closed.result();
    assert_eq!(client.state(), State::Ended(End::Closed));
}

#[test]
fn without_a_link_closing_is_done_at_once() {
    let (_world, client) = World::new();

    let mut closed = Task::new(client.close());

    assert!(!closed.is_pending());
}

#[test]
fn a_session_that_is_being_closed_is_not_renewed() {
    let (mut world, client) = World::connected();
    let mut closed = Task::new(client.close());
    assert!(closed.is_pending());
    world.turn();

    world.cut();
    world.turn();

    closed.result();
    assert!(matches!(world.driver.wants(), Wants::Nothing(_)));
}

#[test]
fn the_last_handle_closes_the_session() {
    let (mut world, client) = World::connected();
    let below = client.chroot("/below").unwrap();
    let mut states = client.states();
    now(states.next());

    drop(client);
    world.turn();
    assert!(world.asked.is_empty(), "there is another client");
    world.task.take();
    drop(below);
    assert_eq!(world.task.take(), 1);
    world.turn();

    assert_eq!(world.ops(), [OpCode::CloseSession]);
    world.answer(&Nothing);
    assert_eq!(now(states.next()), Some(State::Ended(End::Closed)));
    assert_eq!(now(states.next()), None);
}

#[test]
fn an_unfinished_request_or_a_watcher_keeps_the_session_open() {
    let (mut world, client) = World::connected();
    let mut request = Task::new(client.get_data("/a").watch().send());
    assert!(request.is_pending());
    drop(client);
    world.turn();
    assert_eq!(world.ops(), [OpCode::GetData]);

    world.answer(&data("x"));
    let (_, _, watcher) = request.result().unwrap();
    drop(request);
    world.turn();
    assert!(world.asked.is_empty(), "there is a watcher");
    drop(watcher);
    world.turn();

    assert_eq!(world.ops(), [OpCode::RemoveWatches, OpCode::CloseSession]);
}

#[test]
fn a_session_can_be_handed_over() {
    let (mut world, client) = World::connected();
    let mut unanswered = Task::new(client.get_data("/a"));
    assert!(unanswered.is_pending());
    world.turn();

    let credentials = client.hand_over().unwrap();
    world.turn();

    assert_eq!(credentials.session, SESSION);
    assert_eq!(world.ops(), [OpCode::GetData], "no closeSession");
    assert_eq!(unanswered.result(), Err(ended(End::Closed, Sent::Perhaps)));
    assert_eq!(client.hand_over(), None);
    let (mut other, heir) = World::of(Builder::from_config(config()).credentials(credentials));
    other.dial();
    assert_eq!(other.greeting.as_ref().map(|greeting| greeting.session_id), Some(SESSION));
    other.greet(SESSION, TIMEOUT);
    assert!(matches!(heir.state(), State::Connected { resumed: true, .. }));
}

#[test]
fn a_dropped_driver_leaves_nobody_waiting() {
    let (mut world, client) = World::connected();
    let mut request = Task::new(client.get_data("/a"));
    let mut sleep = Task::new(client.sleep(Duration::from_secs(1)));
    let mut states = client.states();
    now(states.next());
    let mut next = Task::new(states.next());
    assert!(request.is_pending() && sleep.is_pending() && next.is_pending());
    world.turn();
    let World { driver, .. } = world;

    drop(driver);

    assert_eq!(request.result(), Err(ended(End::Closed, Sent::Perhaps)));
    assert_eq!(sleep.result(), Err(ended(End::Closed, Sent::No)));
    assert_eq!(next.result(), Some(State::Ended(End::Closed)));
    assert_eq!(now(client.get_data("/a")), Err(ended(End::Closed, Sent::No)));
}

/// A runtime that leaves the driver where a test finds it.
struct Shelf<'a>(&'a std::cell::RefCell<Option<zk_proto::client::Driver>>);

impl Runtime for Shelf<'_> {
    fn seed(&self) -> [u8; 32] {
        [1; 32]
    }

    fn start(&self, driver: zk_proto::client::Driver) {
        *self.0.borrow_mut() = Some(driver);
    }
}

#[test]
fn failing_to_connect_names_the_cause_for_each_server() {
    let shelf = std::cell::RefCell::new(None);
    let mut config = Config::new("h1,h2,h3".parse().unwrap());
    config.link_timeout = Some(Duration::from_secs(100));
    let builder = Builder::from_config(config).with_runtime(Shelf(&shelf)).connect_timeout(Duration::from_secs(5));
    let mut connecting = Task::new(builder.connect());
    assert!(connecting.is_pending());
    let mut driver = shelf.take().unwrap();
    let mut time = zk_proto::Instant::ORIGIN;
    let mut refused = Vec::new();

    while refused.len() < 2 {
        driver.handle_timeout(time);
        if let Wants::Link { id, server } = driver.wants() {
            driver.handle_failure(id, &format_args!("connection refused by {server}"), time);
            refused.push(server);
        }
        time = driver.poll_timeout().unwrap().max(time);
    }
    driver.handle_timeout(time);
    driver.handle_timeout(zk_proto::Instant::ORIGIN + Duration::from_secs(6));

    let Err(Error::Connect(failure)) = connecting.result() else { panic!("it has failed") };
    assert_eq!(failure.servers.len(), 3);
    for (server, cause) in &failure.servers {
        let was_refused = refused.iter().any(|refused| refused.same_place(server));
        assert_eq!(*cause, was_refused.then(|| format!("connection refused by {server}")));
    }
    // Nobody has the client, so the driver is done.
    assert!(matches!(driver.wants(), Wants::Nothing(End::Closed)));
}

#[derive(Debug)]
struct Deferring;

impl Factory for Deferring {
    fn start(&self, _: &zk_proto::Server, _: [u8; 16]) -> Box<dyn Mechanism> {
        Box::new(Self)
    }
}

impl Mechanism for Deferring {
    fn step(&mut self, token: Option<bytes::Bytes>) -> Step {
        if token.is_some() { Step::Done } else { Step::Deferred }
    }
}

#[test]
fn a_sasl_step_that_was_put_off_is_answered_by_way_of_the_client() {
    let builder = Builder::from_config(config()).sasl(Arc::new(Deferring));
    let (mut world, client) = World::of(builder);
    let mut challenge = Task::new(client.next_challenge());
    assert!(challenge.is_pending());
    world.connect(SESSION);

    let challenge = challenge.result().unwrap();
    assert_eq!(challenge.token.0, None);
    client.answer(challenge.link, Step::Send("token".into()));
    world.turn();

    assert_eq!(world.ops(), [OpCode::Sasl]);
    world.answer(&zk_proto::record::SetSaslResponse { token: b"done".to_vec().into() });
    assert!(matches!(client.state(), State::Connected { .. }));
}

#[test]
fn a_sasl_step_may_fail() {
    let builder = Builder::from_config(config()).sasl(Arc::new(Deferring));
    let (mut world, client) = World::of(builder);
    world.connect(SESSION);
    let link: LinkId = now(client.next_challenge()).unwrap().link;

    client.answer(link, Step::Fail(SaslFailure("no ticket".into())));

    let failure = AuthFailure::Mechanism(SaslFailure("no ticket".into()));
    assert_eq!(client.auth_failure(), Some(failure.clone()));
    assert_eq!(now(client.connected()), Err(failure.into()));
    assert_eq!(now(client.next_challenge()), None);
}

/// A mechanism whose steps take time: each is there when the bell has been rung for it.
#[derive(Clone, Debug, Default)]
struct Slow(Arc<Mutex<Bell>>);

#[derive(Debug, Default)]
struct Bell {
    step: Option<Step>,
    waker: Option<Waker>,
}

impl Slow {
    fn ring(&self, step: Step) {
        let mut bell = self.0.lock().unwrap();
        bell.step = Some(step);
        let waker = bell.waker.take();
        drop(bell);
        waker.expect("somebody waits").wake();
    }
}

impl Factory for Slow {
    fn start(&self, _: &zk_proto::Server, _: [u8; 16]) -> Box<dyn Mechanism> {
        Box::new(self.clone())
    }
}

impl Mechanism for Slow {
    fn step(&mut self, _: Option<bytes::Bytes>) -> Step {
        Step::Deferred
    }

    fn deferred(&mut self) -> Option<Work> {
        let bell = self.0.clone();
        Some(Box::pin(poll_fn(move |cx| {
            let mut bell = bell.lock().unwrap();
            match bell.step.take() {
                Some(step) => Poll::Ready(step),
                None => {
                    bell.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })))
    }
}

#[test]
fn a_mechanism_that_takes_time_is_awaited_by_the_driver() {
    let slow = Slow::default();
    let (mut world, client) = World::of(Builder::from_config(config()).sasl(Arc::new(slow.clone())));
    world.connect(SESSION);
    assert_eq!(world.ops(), []);

    slow.ring(Step::Send("first".into()));
    world.turn();
    assert_eq!(world.ops(), [OpCode::Sasl]);
    world.answer(&zk_proto::record::SetSaslResponse { token: b"go on".to_vec().into() });
    world.turn();
    slow.ring(Step::SendLast("last".into()));
    world.turn();
    assert_eq!(world.ops(), [OpCode::Sasl]);
    world.answer(&zk_proto::record::SetSaslResponse::default());

    assert!(matches!(client.state(), State::Connected { .. }), "{:?}", client.state());
}

#[test]
fn what_a_mechanism_brings_after_its_link_is_ignored() {
    let slow = Slow::default();
    let (mut world, client) = World::of(Builder::from_config(config()).sasl(Arc::new(slow.clone())));
    world.connect(SESSION);
    world.cut();

    slow.ring(Step::Fail(SaslFailure("too late".into())));
    world.turn();

    assert_eq!(client.state(), State::Connecting);
    assert_eq!(client.auth_failure(), None);
}

#[test]
fn the_list_of_servers_can_be_replaced() {
    let (mut world, client) = World::connected();

    client.set_servers("other".parse().unwrap());
    world.turn();

    assert_eq!(client.server().map(|server| server.to_string()), Some("other:2181".into()));
}

#[test]
fn what_is_changed_at_one_client_is_nothing_to_others_of_the_same_builder() {
    let builder = Builder::from_config(config());
    let (mut changed, one) = World::of(builder.clone());
    let (mut other, another) = World::of(builder);
    changed.connect(SESSION);

    one.add_auth(AuthInfo::digest("user", "pass-word")).detach();
    changed.turn();
    changed.answer(&Nothing);
    one.set_servers("other".parse().unwrap());
    changed.turn();
    other.connect(SESSION);

    let servers = [one, another].map(|client| client.server().map(|server| server.to_string()));
    assert_eq!(servers, [Some("other:2181".into()), Some("h1:2181".into())]);
    assert!(other.ops().is_empty(), "it has no credentials to show");
}

#[test]
fn debug_shows_no_secrets() {
    let builder = Builder::from_config(config()).auth(AuthInfo::digest("user", "pass-word"));
    let shown = format!("{builder:?}");
    let (world, client): (World, Client) = World::of(builder);

    let shown = format!("{shown} {client:?} {:?} {:?}", world.driver, client.states());

    assert!(!shown.contains("pass-word"));
}
