//! The caller's handle of a session.

use core::{
    fmt,
    future::{Future, poll_fn},
    time::Duration,
};
use std::sync::Arc;

use super::{
    Background, Challenge, Error,
    exchange::Exchange,
    shared::{Hold, Holder},
    states::States,
    timer::{Sleep, When, limited},
};
use crate::{
    Credentials, Instant, LinkId, Root, Server, Servers, SessionId, Zxid,
    metrics::Metrics,
    sasl::Step,
    session::{AuthFailure, End, Sent, State},
};

/// A handle of a session: cheap to clone, and to be used from any thread or task.
///
/// Its operations ([`create`](Self::create), [`get_data`](Self::get_data) and so on) are the protocol's own. All clones share
/// one session, and so do the clients below a [`chroot`](Self::chroot). When the session expires, the client goes on with a new
/// one, unless it was made with [`OnExpiry::End`](super::OnExpiry): everything that was left to the old one (ephemeral nodes,
/// watches, unanswered requests) is over, which their owners are told, and [`states`](Self::states) tells of the new one.
///
/// The session stays open while there is a client, a [`Watcher`](super::Watcher) or an unfinished request, and is closed when
/// the last of them has gone. [`close`](Self::close) does so earlier, and tells when it is done.
#[derive(Clone)]
pub struct Client {
    pub(super) hold: Arc<Hold>,
    pub(super) root: Root,
}

impl Client {
    pub(super) fn new(hold: Arc<Hold>, root: Root) -> Self {
        Self { hold, root }
    }

    /// Returns a client of the same session for which the node at `path` is `/`. It does not create that node.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn chroot(&self, path: &str) -> Result<Self, Error> {
        Ok(Self { hold: self.hold.clone(), root: self.root.join(path)? })
    }

    /// Returns the node that this client sees as `/`.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Waits until a server serves the session. Returns at once while one does.
    ///
    /// # Errors
    ///
    /// [`Error::AuthFailed`] when the session has ended by that, with the reason; [`Error::Ended`] when it is over for good
    /// otherwise.
    pub async fn connected(&self) -> Result<(), Error> {
        let mut states = self.states();
        while let Some(state) = states.next().await {
            if matches!(state, State::Connected { .. }) {
                return Ok(());
            }
        }
        match (self.look(Exchange::over), self.auth_failure()) {
            (Some(End::AuthFailed), Some(failure)) => Err(failure.into()),
            (end, _) => Err(Error::Ended { end: end.unwrap_or(End::Closed), sent: Sent::No }),
        }
    }

    /// Returns where the session stands.
    pub fn state(&self) -> State {
        self.look(|exchange| exchange.session.state().clone())
    }

    /// Returns the present state and all that follow, as a stream.
    pub fn states(&self) -> States {
        States::new(&self.hold.shared)
    }

    /// Returns the session; `None` before the first one.
    pub fn session(&self) -> Option<SessionId> {
        self.look(|exchange| exchange.session.id())
    }

    /// Returns the server of the present link, connected or being dialled.
    pub fn server(&self) -> Option<Server> {
        self.look(|exchange| exchange.session.server().cloned())
    }

    /// Returns until when the server cannot have expired the session, as far as this side can tell, by the driver's clock;
    /// `None` where there is no session. [`sleep_until`](Self::sleep_until) waits for it.
    ///
    /// Each answered request or heartbeat moves it. A clock that stands still while the machine is suspended (Linux's
    /// monotonic clock does) cannot see that time pass.
    pub fn valid_until(&self) -> Option<Instant> {
        self.look(|exchange| exchange.session.valid_until())
    }

    /// Returns the latest time that the driver has seen: not the present time, but the clock of
    /// [`valid_until`](Self::valid_until).
    pub fn last_seen(&self) -> Instant {
        self.look(Exchange::now)
    }

    /// Returns what it takes to take up the session in another process; `None` where there is no session. See
    /// [`hand_over`](Self::hand_over).
    pub fn credentials(&self) -> Option<Credentials> {
        self.look(|exchange| exchange.session.credentials())
    }

    /// Returns the last transaction that this session has seen.
    pub fn last_zxid(&self) -> Zxid {
        self.look(|exchange| exchange.session.last_zxid())
    }

    /// Returns how the session has fared, in numbers, and where it stands: counters of all requests, links and sessions of this client
    /// and those that share its session. Copying them takes some hundred bytes for each operation that was ever used, under the lock that
    /// requests take.
    pub fn metrics(&self) -> Metrics {
        self.look(Exchange::metrics)
    }

    /// Replaces the list of servers. Moves to another server where that balances the load, or where the present one is not in the
    /// list any more.
    pub fn set_servers(&self, servers: Servers) {
        self.hold.shared.with(|exchange, outbox| {
            exchange.session.set_servers(servers);
            exchange.rouse(outbox);
        });
    }

    /// Closes the session, for all of its clients: takes no more requests, sends those that were made, gives work in the
    /// background up to [`close_timeout`](crate::Config::close_timeout) to finish, and tells the server, which deletes the
    /// ephemeral nodes.
    ///
    /// This begins with the call. The future completes when the session is over: when the server has confirmed, when the time is
    /// up, or at once where there is no link; in the last two cases, the server lets the session expire.
    pub fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut states = self.states();
        self.hold.shared.with(Exchange::close);
        async move { while states.next().await.is_some() {} }
    }

    /// Ends this client and all others of the session, but leaves the session open for another process, which takes it up with
    /// the credentials. Returns `None` where there is no session.
    ///
    /// Unanswered requests fail. The other process has to be quick: the session expires after its timeout.
    pub fn hand_over(&self) -> Option<Credentials> {
        self.hold.shared.with(Exchange::hand_over)
    }

    /// Completes after `duration`, by the driver's clock. The time begins when the driver next looks at its clock, which is
    /// at once. Fails when the session is over for good: then nobody looks at the clock any more.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(&self.hold.shared, When::In(duration))
    }

    /// Completes when the driver's clock reaches `deadline`.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(&self.hold.shared, When::At(deadline))
    }

    /// Runs `future`, but for no longer than `limit`: then it is dropped, and the result is [`Error::TimedOut`]. Time
    /// runs as for [`sleep`](Self::sleep); when the session is over for good, it stops, and the result is [`Error::Ended`].
    ///
    /// For a single request, [`Call::timeout`](super::Call::timeout) does better: it knows whether the request was sent.
    pub fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Error>> + use<F> {
        limited(self.sleep(limit), future)
    }

    /// Has the driver run a future in the background, with a client that does not keep the session open; see
    /// [`Background`]. Where the session is over, the future is dropped at once.
    ///
    /// It must not block, and not compute for long: IO waits for it.
    pub fn spawn<F>(&self, work: impl FnOnce(Background) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hold = Hold { shared: self.hold.shared.clone(), by: Holder::Background };
        let background = Background(Self::new(Arc::new(hold), self.root.clone()));
        let mut chore: Option<super::background::Chore> = Some(Box::pin(work(background)));
        self.hold.shared.with(|exchange, outbox| {
            if exchange.over().is_none() {
                exchange.chores.add(chore.take().expect("it is added once"));
                exchange.rouse(outbox);
            }
        });
    }

    /// Waits for the next SASL step that the mechanism has put off without [a future](crate::sasl::Mechanism::deferred) that
    /// makes it, to be [answered](Self::answer); `None` when the session is over. One task at a time may wait.
    pub async fn next_challenge(&self) -> Option<Challenge> {
        poll_fn(|cx| {
            self.hold.shared.poll(cx, |exchange, _| match (exchange.challenge.take(), exchange.over()) {
                (Some(challenge), _) => Ok(Some(*challenge)),
                (None, Some(_)) => Ok(None),
                (None, None) => Err(&mut exchange.challenge_waker),
            })
        })
        .await
    }

    /// Continues a SASL exchange that was put off. An answer for a link that is gone is ignored.
    pub fn answer(&self, link: LinkId, step: Step) {
        self.hold.shared.with(|exchange, outbox| exchange.answer_challenge(link, step, outbox));
    }

    /// Returns why authentication failed, after the session has [ended](crate::session::End::AuthFailed) by that.
    pub fn auth_failure(&self) -> Option<AuthFailure> {
        self.look(|exchange| exchange.session.auth_failure().cloned())
    }

    /// Fills bytes from the random stream of the client's seed.
    #[cfg(feature = "recipes")]
    pub(crate) fn fill_random(&self, bytes: &mut [u8]) {
        self.hold.shared.lock().session.fill_random(bytes);
    }

    fn look<T>(&self, question: impl FnOnce(&Exchange) -> T) -> T {
        question(&self.hold.shared.lock())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("root", &self.root).field("state", &self.state()).finish_non_exhaustive()
    }
}
