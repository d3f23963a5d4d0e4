//! What a caller asks for, before it is asked.

use core::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    Client, Error,
    exchange::Exchange,
    pending::{Finish, Outcome, Pending},
    places::{Ticket, Turn},
    requests::{self, Entry},
    shared::Outbox,
    slots::Key,
    timer::{Sleep, When},
};
use crate::{
    SessionId,
    request::{
        Exists, GetAcl, GetAllChildrenNumber, GetChildren, GetChildren2, GetConfig, GetData, GetEphemerals, MultiRead,
        Request, Sync, WhoAmI,
    },
    session::{Refusal, Sent, SubmitOptions},
};

/// A request `R` to be made, which gives a `T`. Made by the operations of [`Client`]; its own methods say how it is to be
/// treated.
///
/// There are two ways to make it. Awaiting it queues it when it is first polled, waits for a place where the session is full,
/// and then for the outcome. [`send`](Self::send) queues it at once and never waits, so that many requests can be on
/// their way together. Either way, requests leave in the order in which they were queued.
///
/// ```
/// # use zk_proto::client::{Client, Error};
/// # async fn example(client: Client) -> Result<(), Error> {
/// let set = client.set_data("/a", b"1").version(3).send(); // is in the queue now
/// let read = client.get_data("/a").send(); // behind it
/// let (data, stat) = read.await?;
/// assert_eq!(stat, set.await?);
/// # Ok(())
/// # }
/// ```
#[must_use = "a call does nothing unless it is awaited or sent"]
pub struct Call<'a, R, T> {
    client: &'a Client,
    pub(super) request: R,
    entry: Entry<R>,
    treatment: Treatment,
    finish: Finish<T>,
}

/// How a request is to be treated, and what is wrong with it already.
#[derive(Default)]
struct Treatment {
    timeout: Option<Duration>,
    pin: Option<SessionId>,
    resend: bool,
    fault: Option<Box<Error>>,
}

/// Requests that may be carried out twice without harm: those that only read.
pub trait Repeatable: Request {}

macro_rules! repeatable {
    ($($request:ty),* $(,)?) => { $(impl Repeatable for $request {})* };
}

repeatable! {
    Exists<'_>, GetData<'_>, GetChildren<'_>, GetChildren2<'_>, GetAcl<'_>, GetAllChildrenNumber<'_>, GetConfig,
    GetEphemerals<'_>, MultiRead<'_>, Sync<'_>, WhoAmI,
}

impl<'a, R: Request, T> Call<'a, R, T> {
    pub(super) fn new(client: &'a Client, request: R, finish: Finish<T>) -> Self {
        Self { client, request, entry: Entry::Plain, treatment: Treatment::default(), finish }
    }

    /// Gives the call another form: with a watch, or with another result.
    pub(super) fn into_form<U>(self, entry: Entry<R>, finish: Finish<U>) -> Call<'a, R, U> {
        Call { client: self.client, request: self.request, entry, treatment: self.treatment, finish }
    }

    /// Makes the call fail, when it is made.
    pub(super) fn spoil(&mut self, error: Error) {
        self.treatment.fault.get_or_insert(Box::new(error));
    }

    /// Limits the time until the outcome is there, waiting for a place included. Without this, it takes as long as it
    /// takes, outages included.
    ///
    /// A request that was not sent by then is taken back; one that was sent may be carried out all the same: see
    /// [`Error::is_certainly_not_applied`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.treatment.timeout = Some(limit);
        self
    }

    /// Makes it fail with [`Error::SessionChanged`] when the session is another one by the time it would be sent: for
    /// requests that rest on something that ends with the session, such as an ephemeral node.
    pub fn pin(mut self, session: SessionId) -> Self {
        self.treatment.pin = Some(session);
        self
    }

    /// Makes the request now, without ever waiting for a place. What cannot be made gives a future that has failed
    /// already; among the reasons is [`Error::Full`].
    pub fn send(mut self) -> Pending<T> {
        if let Some(fault) = self.treatment.fault.take() {
            return Pending::failed(*fault, self.finish);
        }
        let submitted = self.client.hold.shared.with(|exchange, outbox| {
            if !exchange.places.is_empty() {
                return Err(Refusal::Full);
            }
            self.submit(exchange, self.treatment.timeout, outbox)
        });
        match submitted {
            Ok(key) => self.submitted(key),
            Err(refusal) => Pending::failed(refusal.into(), self.finish),
        }
    }

    fn submit(&self, exchange: &mut Exchange, timeout: Option<Duration>, outbox: &mut Outbox) -> Result<Key, Refusal> {
        let Treatment { timeout: _, pin, resend, fault: _ } = self.treatment;
        let options = SubmitOptions { root: Some(self.client.root.clone()), timeout, pin, resend };
        exchange.submit(self.client.hold.by, &self.request, self.entry, options, outbox)
    }

    fn submitted(&self, key: Key) -> Pending<T> {
        Pending::submitted(self.client.hold.clone(), key, self.finish)
    }

    fn outcome(&self, outcome: requests::Outcome) -> Result<T, Error> {
        (self.finish)(Outcome::new(outcome, &self.client.hold))
    }
}

impl<R: Repeatable, T> Call<'_, R, T> {
    /// Sends it again when the link breaks before the reply and the session is resumed, instead of failing with
    /// [`Error::Lost`].
    pub fn resend(mut self) -> Self {
        self.treatment.resend = true;
        self
    }
}

impl<R: fmt::Debug, T> fmt::Debug for Call<'_, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("request", &self.request).finish_non_exhaustive()
    }
}

impl<'a, R: Request, T> IntoFuture for Call<'a, R, T> {
    type Output = Result<T, Error>;
    type IntoFuture = Calling<'a, R, T>;

    fn into_future(self) -> Calling<'a, R, T> {
        Calling(Step::Unmade(Unmade { call: self, place: None, sleep: None }))
    }
}

/// The future of a [`Call`] that is awaited: it waits for a place, then for the outcome.
#[must_use = "futures do nothing unless polled"]
pub struct Calling<'a, R, T>(Step<'a, R, T>);

enum Step<'a, R, T> {
    /// Not polled yet, or waiting for a place.
    Unmade(Unmade<'a, R, T>),
    Made(Pending<T>),
    Over,
}

struct Unmade<'a, R, T> {
    call: Call<'a, R, T>,
    /// Where the session was full.
    place: Option<Place<'a>>,
    /// The time limit, while there is a place in the queue.
    sleep: Option<Sleep>,
}

/// A place in the queue for places, given up on drop.
struct Place<'a> {
    client: &'a Client,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.client.hold.shared.with(|exchange, outbox| exchange.places.leave(self.ticket, outbox));
    }
}

// Nothing in it is ever pinned.
impl<R, T> Unpin for Calling<'_, R, T> {}

impl<R: Request, T> Future for Calling<'_, R, T> {
    type Output = Result<T, Error>;

    /// # Panics
    ///
    /// When it is polled again after it has completed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Step::Unmade(unmade) => match unmade.attempt(cx) {
                Attempt::Queued => Poll::Pending,
                Attempt::Made(pending) => {
                    self.0 = Step::Made(pending);
                    Poll::Pending
                }
                Attempt::Over(result) => {
                    self.0 = Step::Over;
                    Poll::Ready(result)
                }
            },
            Step::Made(pending) => Pin::new(pending).poll(cx),
            Step::Over => panic!("a call is not polled again after its outcome"),
        }
    }
}

/// What came of an attempt to make a request. Where there is something to wait for, the waker was left there.
enum Attempt<T> {
    /// There is no place yet.
    Queued,
    Made(Pending<T>),
    Over(Result<T, Error>),
}

impl<R: Request, T> Unmade<'_, R, T> {
    fn attempt(&mut self, cx: &mut Context<'_>) -> Attempt<T> {
        if let Some(fault) = self.call.treatment.fault.take() {
            return Attempt::Over(Err(*fault));
        }
        if let Some(sleep) = &mut self.sleep {
            if let Poll::Ready(elapsed) = Pin::new(sleep).poll(cx) {
                return Attempt::Over(Err(elapsed.err().unwrap_or(Error::TimedOut { sent: Sent::No })));
            }
        }

        let Self { call, place, sleep } = self;
        let mut ticket = place.as_ref().map(|place| place.ticket);
        let mut made = None;
        let polled = call.client.hold.shared.poll_first(cx, |exchange, outbox| {
            if made.is_none() {
                let turn = match ticket {
                    Some(ticket) => exchange.places.turn(ticket),
                    None if exchange.places.is_empty() => Turn::Now,
                    None => Turn::Later,
                };
                let timeout = sleep.as_ref().map(|sleep| sleep.remaining(exchange)).or(call.treatment.timeout);
                made = match turn {
                    Turn::Later => None,
                    Turn::Never(end) => return Ok(Err(Refusal::Ended(end))),
                    Turn::Now => match call.submit(exchange, timeout, outbox) {
                        Ok(key) => Some(key),
                        Err(Refusal::Full) => None,
                        Err(refusal) => return Ok(Err(refusal)),
                    },
                };
            }
            match made {
                Some(key) => exchange.collect(key).map(Ok),
                None => {
                    let ticket = *ticket.get_or_insert_with(|| exchange.places.join());
                    Err(exchange.places.waker(ticket))
                }
            }
        });

        match (polled, made) {
            (Poll::Ready(Ok(outcome)), _) => Attempt::Over(call.outcome(outcome)),
            (Poll::Ready(Err(refusal)), _) => Attempt::Over(Err(refusal.into())),
            (Poll::Pending, Some(key)) => Attempt::Made(call.submitted(key)),
            (Poll::Pending, None) => {
                if let (None, Some(ticket)) = (&place, ticket) {
                    *place = Some(Place { client: call.client, ticket });
                    if let Some(limit) = call.treatment.timeout {
                        *sleep = Some(Sleep::new(&call.client.hold.shared, When::In(limit)));
                        return self.attempt(cx);
                    }
                }
                Attempt::Queued
            }
        }
    }
}
