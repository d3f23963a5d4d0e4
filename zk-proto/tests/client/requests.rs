//! Making requests: order, cancelling, waiting for a place, errors.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use allocation_counter::measure;
use zk_proto::{
    Config, SessionId,
    client::{Builder, Client, Error, Pending},
    code::{CreateMode, ErrorCode, OpCode},
    record::{Create2Response, ExistsResponse, SetDataResponse, Stat},
    request::{GetData, InvalidRequest, Request, WatchKind, Watched},
    session::{End, Sent},
    wire::{DecodeError, Decoder, Encoder},
};

use crate::support::{Nothing, SESSION, Task, World, config, data, now};

#[test]
fn requests_leave_in_the_order_of_the_calls_awaited_or_not() {
    let (mut world, client) = World::connected();

    let first = client.get_data("/1").send();
    let mut second = Task::new(client.get_data("/2"));
    assert!(second.is_pending());
    let third = client.set_data("/3", b"x").send();
    let not_polled = client.get_data("/4");
    let fifth = client.exists("/5").send();
    world.turn();

    assert_eq!(world.paths(), ["/1", "/2", "/3", "/5"]);
    drop((first, third, not_polled, fifth));
}

#[test]
fn the_replies_of_one_read_complete_all_their_requests() {
    let (mut world, client) = World::connected();
    let mut tasks: Vec<_> = (0..10).map(|_| Task::new(client.get_data("/a"))).collect();
    assert!(tasks.iter_mut().all(Task::is_pending));
    world.turn();

    for asked in std::mem::take(&mut world.asked) {
        world.write_reply(asked.xid, ErrorCode::Ok, &data("x"));
    }
    world.deliver();

    for task in &mut tasks {
        assert_eq!(task.result().unwrap().0, "x");
    }
}

#[test]
fn the_driver_is_woken_once_while_it_sleeps() {
    let (mut world, client) = World::connected();
    world.turn();
    world.task.take();

    let requests = ["/a", "/b", "/c"].map(|path| client.get_data(path).send());

    assert_eq!(world.task.take(), 1);
    world.turn();
    assert_eq!(world.paths(), ["/a", "/b", "/c"]);
    drop(requests);
}

#[test]
fn outcomes_have_the_forms_that_the_operations_promise() {
    let (mut world, client) = World::connected();

    let mut created = Task::new(client.create("/job-", b"").ephemeral().sequential());
    assert!(created.is_pending());
    world.turn();
    assert_eq!(world.asked[0].op, OpCode::Create2);
    let stat = Stat { version: 3, ..Stat::default() };
    world.answer(&Create2Response { path: Some("/job-0000000007".into()), stat });
    assert_eq!(created.result(), Ok(("/job-0000000007".into(), stat)));

    let mut missing = Task::new(client.exists("/a"));
    assert!(missing.is_pending());
    world.turn();
    world.refuse(ErrorCode::NoNode);
    assert_eq!(missing.result(), Ok(None));

    let mut found = Task::new(client.exists("/a"));
    assert!(found.is_pending());
    world.turn();
    world.answer(&ExistsResponse { stat });
    assert_eq!(found.result(), Ok(Some(stat)));

    let mut set = Task::new(client.set_data("/a", b"x").version(2));
    assert!(set.is_pending());
    world.turn();
    world.refuse(ErrorCode::BadVersion);
    let error = set.result().unwrap_err();
    assert_eq!((error.code(), error.is_certainly_not_applied()), (Some(ErrorCode::BadVersion), true));
}

#[test]
fn a_reply_that_cannot_be_read_is_its_callers_problem_alone() {
    let (mut world, client) = World::connected();
    let (mut bad, mut good) = (Task::new(client.set_data("/a", b"")), Task::new(client.set_data("/b", b"")));
    assert!(bad.is_pending() && good.is_pending());
    world.turn();

    world.answer(&Nothing);
    world.answer(&SetDataResponse { stat: Stat::default() });

    let error = bad.result().unwrap_err();
    assert!(matches!(error, Error::Malformed(_)) && !error.is_certainly_not_applied());
    assert!(good.result().is_ok());
}

#[test]
fn paths_are_those_below_the_clients_root() {
    let builder = Builder::new("h1/app").unwrap();
    let (mut world, client) = World::connected_with(builder);
    let jobs = client.chroot("/jobs").unwrap();

    let requests = (client.get_data("/a").send(), jobs.get_data("/a").send(), jobs.get_data("/").send());
    let mut created = Task::new(jobs.create("/b", b""));
    assert!(created.is_pending());
    world.turn();

    assert_eq!(world.paths(), ["/app/a", "/app/jobs/a", "/app/jobs", "/app/jobs/b"]);
    drop(requests);
    world.asked.drain(..3).for_each(drop);
    assert!(client.chroot("a").is_err());
}

#[test]
fn what_cannot_be_right_fails_with_the_offending_value() {
    let (mut world, client) = World::connected();

    let path = now(client.get_data("/a/").send()).unwrap_err();
    let version = now(client.delete("/a").version(-1)).unwrap_err();
    let ttl = now(client.create("/a", b"").ttl(Duration::ZERO)).unwrap_err();
    let acl = now(client.create("/a", b"").acl(&[]).send()).unwrap_err();
    let modes = now(client.create("/a", b"").container().sequential()).unwrap_err();
    world.turn();

    assert_eq!(path.to_string(), "invalid path \"/a/\": it ends with '/' at byte 2");
    assert_eq!(version, Error::Invalid(Box::new(InvalidRequest::Version)));
    assert_eq!(ttl, Error::Invalid(Box::new(InvalidRequest::Ttl(Duration::ZERO))));
    assert_eq!(acl, Error::Invalid(Box::new(InvalidRequest::EmptyAcl)));
    assert_eq!(modes, Error::Modes(CreateMode::Container, CreateMode::PersistentSequential));
    assert!(world.asked.is_empty());
}

#[test]
fn a_request_that_is_dropped_before_it_was_sent_is_taken_back() {
    let (mut world, client) = World::connected();

    let dropped = client.get_data("/dropped").send();
    let mut polled = Task::new(client.get_data("/polled"));
    assert!(polled.is_pending());
    drop((dropped, polled));
    let _kept = client.get_data("/kept").send();
    world.turn();

    assert_eq!(world.paths(), ["/kept"]);
}

#[test]
fn a_request_that_is_dropped_in_flight_leaves_no_trace_on_the_others() {
    let (mut world, client) = World::connected();
    let mut dropped = Task::new(client.get_data("/dropped"));
    let mut kept = Task::new(client.get_data("/kept"));
    assert!(dropped.is_pending() && kept.is_pending());
    world.turn();

    drop(dropped);
    world.answer(&data("dropped"));
    world.answer(&data("kept"));

    assert_eq!(kept.result().unwrap().0, "kept");
}

#[test]
fn a_detached_request_is_sent_all_the_same() {
    let (mut world, client) = World::connected();

    client.set_data("/a", b"x").send().detach();
    world.turn();

    assert_eq!(world.paths(), ["/a"]);
    world.answer(&SetDataResponse { stat: Stat::default() });
}

#[test]
fn a_lost_link_leaves_what_was_sent_in_doubt_and_keeps_the_rest() {
    let (mut world, client) = World::connected();
    let mut sent = Task::new(client.set_data("/sent", b""));
    assert!(sent.is_pending());
    world.turn();
    let mut again = Task::new(client.get_data("/again").resend());
    assert!(again.is_pending());
    world.turn();
    let mut unsent = Task::new(client.set_data("/unsent", b""));
    assert!(unsent.is_pending());

    world.cut();
    world.connect(SESSION);

    assert_eq!(sent.result(), Err(Error::Lost));
    assert_eq!(world.paths(), ["/again", "/unsent"]);
    world.answer(&data("x"));
    assert!(again.result().is_ok() && unsent.is_pending());
}

#[test]
fn a_time_limit_says_whether_the_request_was_sent() {
    let (mut world, client) = World::connected();
    let mut sent = Task::new(client.get_data("/sent").timeout(Duration::from_secs(1)));
    assert!(sent.is_pending());
    world.turn();
    world.cut();
    world.connect(SESSION);
    assert_eq!(sent.result(), Err(Error::Lost));

    let mut sent = Task::new(client.get_data("/sent").timeout(Duration::from_secs(1)));
    assert!(sent.is_pending());
    world.turn();
    world.advance(Duration::from_secs(1));
    assert_eq!(sent.result(), Err(Error::TimedOut { sent: Sent::Perhaps }));

    world.cut();
    let mut unsent = Task::new(client.get_data("/unsent").timeout(Duration::from_millis(1)));
    assert!(unsent.is_pending());
    world.turn();
    world.advance(Duration::from_millis(1));
    assert_eq!(unsent.result(), Err(Error::TimedOut { sent: Sent::No }));
}

#[test]
fn a_pinned_request_fails_under_another_session() {
    let (mut world, client) = World::connected();

    let right = client.get_data("/right").pin(SESSION).send();
    let wrong = now(client.get_data("/wrong").pin(SessionId(1)).send());
    world.turn();

    assert_eq!(world.paths(), ["/right"]);
    assert_eq!(wrong, Err(Error::SessionChanged));
    drop(right);
}

fn small(places: usize) -> Config {
    let mut config = config();
    config.limits.backlog_requests = places;
    config.limits.in_flight_requests = 1;
    config
}

/// A session with room for one request in flight, which is taken, and so many behind it.
fn full(places: usize) -> (World, Client, Vec<Pending<(bytes::Bytes, Stat)>>) {
    let (mut world, client) = World::connected_with(Builder::from_config(small(places)));
    let mut taken = vec![client.get_data("/0").send()];
    world.turn();
    taken.extend((0..places).map(|_| client.get_data("/x").send()));
    (world, client, taken)
}

#[test]
fn a_full_session_refuses_what_is_sent_and_lets_wait_what_is_awaited() {
    let (mut world, client, taken) = full(1);

    let refused = now(client.get_data("/refused").send());
    let mut waiting = Task::new(client.get_data("/waiting"));
    assert!(waiting.is_pending());
    world.answer(&data("0"));

    assert_eq!(refused, Err(Error::Full));
    assert_eq!(waiting.wakes.take(), 1);
    assert!(waiting.is_pending());
    world.answer(&data("x"));
    assert_eq!(world.paths(), ["/waiting"]);
    drop(taken);
}

#[test]
fn places_are_given_first_come_first_served() {
    let (mut world, client, taken) = full(1);
    let mut waiting: Vec<_> = ["/1", "/2", "/3"].into_iter().map(|path| Task::new(client.get_data(path))).collect();
    assert!(waiting.iter_mut().all(Task::is_pending));

    let mut order = Vec::new();
    while order.len() < 5 {
        order.push(world.asked[0].path.clone());
        world.answer(&data(""));
        if order.len() < 3 {
            // A newcomer must not slip in before those who wait.
            assert_eq!(now(client.get_data("/newcomer").send()), Err(Error::Full));
        }
        for task in waiting.iter_mut().rev().filter(|task| task.wakes.take() > 0) {
            _ = task.poll();
        }
        world.turn();
    }

    assert_eq!(order, ["/0", "/x", "/1", "/2", "/3"]);
    drop(taken);
}

#[test]
fn who_leaves_the_queue_makes_room_for_the_next() {
    let (mut world, client, taken) = full(1);
    let mut first = Task::new(client.get_data("/1"));
    let mut second = Task::new(client.get_data("/2"));
    assert!(first.is_pending() && second.is_pending());
    world.answer(&data("0"));
    assert!(first.wakes.take() > 0 && second.wakes.take() == 0);

    drop(first);

    assert!(second.wakes.take() > 0 && second.is_pending());
    world.answer(&data("x"));
    assert_eq!(world.paths(), ["/2"]);
    drop(taken);
}

#[test]
fn a_request_taken_back_makes_room_too() {
    let (mut world, client, mut taken) = full(1);
    let mut waiting = Task::new(client.get_data("/waiting"));
    assert!(waiting.is_pending());

    taken.pop();

    assert!(waiting.wakes.take() > 0 && waiting.is_pending());
    world.answer(&data("0"));
    assert_eq!(world.paths(), ["/waiting"]);
}

#[test]
fn the_time_limit_counts_the_wait_for_a_place() {
    let (mut world, client, taken) = full(1);
    let mut early = Task::new(client.get_data("/early").timeout(Duration::from_secs(1)));
    let mut late = Task::new(client.get_data("/late").timeout(Duration::from_secs(2)));
    assert!(early.is_pending() && late.is_pending());
    world.turn();

    world.advance(Duration::from_secs(1));
    assert_eq!(early.result(), Err(Error::TimedOut { sent: Sent::No }));
    drop(early);

    world.answer(&data("0"));
    assert!(late.wakes.take() > 0 && late.is_pending());
    world.turn();
    world.advance(Duration::from_millis(999));
    assert!(late.is_pending());
    world.advance(Duration::from_millis(1));
    assert_eq!(late.result(), Err(Error::TimedOut { sent: Sent::No }));
    drop(taken);
}

#[test]
fn who_waits_for_a_place_when_the_session_ends_has_to_decide_anew() {
    let (mut world, client, taken) = full(1);
    let mut waiting = Task::new(client.get_data("/waiting"));
    assert!(waiting.is_pending());

    world.expire();

    // Who has not noticed yet does not stand in the way of others.
    let next = client.get_data("/next").send();
    assert_eq!(waiting.result(), Err(Error::Ended { end: End::Expired, sent: Sent::No }));
    drop(taken);
    world.connect(SessionId(0x99));
    assert_eq!(world.paths(), ["/next"]);
    drop(next);
}

/// A waker that uses the client, and that owns a request.
struct Reentrant {
    client: Client,
    made: Mutex<Vec<Pending<(bytes::Bytes, Stat)>>>,
}

impl Wake for Reentrant {
    fn wake(self: Arc<Self>) {
        let request = self.client.get_data("/from-the-waker").send();
        self.made.lock().unwrap().push(request);
    }
}

#[test]
fn a_waker_may_use_the_client() {
    let (mut world, client) = World::connected();
    let reentrant = Arc::new(Reentrant { client: client.clone(), made: Mutex::default() });
    let waker = Waker::from(reentrant.clone());
    let mut request = Box::pin(client.get_data("/a").into_future());
    assert!(request.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    world.turn();

    world.answer(&data("x"));

    assert_eq!(world.paths(), ["/from-the-waker"]);
    assert!(matches!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
    reentrant.made.lock().unwrap().clear();
}

/// A waker whose end is the end of a request.
struct Owner(#[expect(dead_code, reason = "it is there to be dropped")] Mutex<Pending<(bytes::Bytes, Stat)>>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_may_own_a_request_and_be_dropped_by_the_client() {
    let (mut world, client) = World::connected();
    let mut request = Box::pin(client.get_data("/a").into_future());
    let mut poll_with = |waker: &Waker| request.as_mut().poll(&mut Context::from_waker(waker)).is_pending();

    // Replaced by another waker, called, and dropped with its request.
    assert!(poll_with(&Waker::from(Arc::new(Owner(Mutex::new(client.get_data("/1").send()))))));
    assert!(poll_with(&Waker::from(Arc::new(Owner(Mutex::new(client.get_data("/2").send()))))));
    world.turn();
    assert_eq!(world.paths(), ["/a", "/2"]);
    world.answer(&data("x"));
    let mut other = Box::pin(client.get_data("/b").into_future());
    let waker = Waker::from(Arc::new(Owner(Mutex::new(client.get_data("/3").send()))));
    assert!(other.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(other);

    world.turn();
    assert_eq!(world.paths(), ["/2"]);
}

#[test]
fn any_request_can_be_made_as_it_is() {
    let (mut world, client) = World::connected();
    let mut null = Task::new(client.request(GetData::new("/a")));
    assert!(null.is_pending());
    world.turn();

    world.answer(&zk_proto::record::GetDataResponse { data: None, stat: Stat::default() });

    assert_eq!(null.result().unwrap().data, None);
}

#[test]
fn a_failed_multi_names_the_operation() {
    use zk_proto::{
        record::{ErrorResponse, MultiHeader},
        wire::Jute,
    };
    let (mut world, client) = World::connected();
    let mut multi = Task::new(client.multi().check("/a", 4).create("/b", b"").delete("/c", None));
    assert!(multi.is_pending());
    world.turn();
    assert_eq!(world.ops(), [OpCode::Multi]);

    struct Failed;
    impl Jute for Failed {
        const MIN_BYTES: usize = 0;

        fn encode(&self, out: &mut Encoder<'_>) {
            for err in [ErrorCode::Ok, ErrorCode::NodeExists, ErrorCode::RuntimeInconsistency] {
                out.put(&MultiHeader { op: OpCode::Error, done: false, err });
                out.put(&ErrorResponse { err });
            }
            out.put(&MultiHeader::END);
        }

        fn decode(_: &mut Decoder) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }
    world.answer(&Failed);

    let Err(Error::Multi(failure)) = multi.result() else { panic!("it has failed") };
    assert_eq!((failure.index, failure.error), (1, ErrorCode::NodeExists));
}

/// A request whose author made a mistake.
#[derive(Clone, Copy)]
enum Panicking {
    InPath,
    InEncode,
}

impl Request for Panicking {
    type Reply = ();

    fn op(&self) -> OpCode {
        OpCode::Sync
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        Ok(())
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.text("/half");
        // A panic without a message.
        resume_unwind(Box::new(()));
    }

    fn decode(_: &mut Decoder) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Watched for Panicking {
    fn kind(&self) -> WatchKind {
        WatchKind::Persistent
    }

    fn path(&self) -> &str {
        match self {
            Self::InPath => resume_unwind(Box::new(())),
            Self::InEncode => "/half",
        }
    }
}

#[test]
fn a_request_that_panics_harms_no_other() {
    let (mut world, client) = World::connected();
    let before = client.get_data("/before").send();

    let panicked = catch_unwind(AssertUnwindSafe(|| client.request(Panicking::InEncode).send().detach()));
    let mut behind = Task::new(client.get_data("/behind"));
    assert!(panicked.is_err() && behind.is_pending());
    world.turn();

    assert_eq!(world.paths(), ["/before", "/behind"]);
    drop(before);
    world.answer(&data("before"));
    world.answer(&data("behind"));
    assert_eq!(behind.result().unwrap().0, "behind");
}

#[test]
fn a_request_that_panics_leaves_nothing_behind() {
    let (_world, client) = World::connected();
    let plain = |_| client.request(Panicking::InEncode).send().detach();
    let watched = |panicking| client.request_watched(panicking).send().detach();
    let attempts: [(&dyn Fn(Panicking), _); 3] =
        [(&plain, Panicking::InEncode), (&watched, Panicking::InPath), (&watched, Panicking::InEncode)];

    for (index, (make, panicking)) in attempts.into_iter().enumerate() {
        let panic = || assert!(catch_unwind(AssertUnwindSafe(|| make(panicking))).is_err());
        panic();
        let kept = measure(|| (0..1000).for_each(|_| panic())).bytes_current;
        assert!(kept <= 0, "attempt {index}: {kept} bytes are kept");
    }
}

#[test]
fn a_watch_too_many_fails_at_once_and_keeps_nobody_waiting() {
    let mut config = config();
    config.limits.watches = 1;
    let (mut world, client) = World::connected_with(Builder::from_config(config));
    let first = client.exists("/first").watch().send();

    let mut second = Task::new(client.exists("/second").watch());
    assert_eq!(second.poll().map(|result| result.map(|_| ())), Poll::Ready(Err(Error::TooManyWatches { limit: 1 })));
    let third = client.get_data("/third").send();
    world.turn();

    assert_eq!(world.paths(), ["/first", "/third"]);
    drop((first, third));
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_called() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a bad waker");
        }
    }
    let (mut world, client) = World::connected();
    let mut bad = Box::pin(client.get_data("/a").send());
    let mut good = Task::new(client.get_data("/b").send());
    let waker = Waker::from(Arc::new(Bad));
    assert!(bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(good.is_pending());
    world.turn();
    for asked in std::mem::take(&mut world.asked) {
        world.write_reply(asked.xid, ErrorCode::Ok, &data("x"));
    }

    let told = catch_unwind(AssertUnwindSafe(|| world.deliver()));

    assert!(told.is_err(), "the panic goes on to whoever drives");
    assert_eq!(good.result().map(|(data, _)| data), Ok("x".into()));
}
