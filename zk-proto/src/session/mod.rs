//! The session: one long-lived conversation with an ensemble, as a machine without IO.
//!
//! Bytes, time and a seed go in; bytes, deadlines and [events](Event) come out. The machine opens nothing, reads no clock and
//! rolls no dice: whoever drives it ([`Machine`] says how) lends a transport and a clock, and the same calls always give the
//! same results.
//!
//! # Promises
//!
//! 1. Any call may come in any order. Not looking at an output costs liveness, never correctness.
//! 2. Nothing that comes from the network panics, allocates far beyond what has arrived, or returns an error: a peer that
//!    breaks the protocol costs it the link.
//! 3. Each accepted tag comes back exactly once, whatever happens, closing and expiry included.
//! 4. Old link names are ignored, inbound and outbound: bytes of one connection never reach another.
//! 5. Time that goes back is taken as standing still. After [`handle_timeout(now)`](Machine::handle_timeout),
//!    [`poll_timeout`](Machine::poll_timeout) is later than `now` or absent, and it is cheap.
//! 6. Everything is bounded, see [`Limits`](crate::Limits). While the event queue is full, whole frames stay in the input
//!    buffer, silence does not count against the server, and pings still go out.
//! 7. Same calls, same seed, same outputs.
//!
//! # Handed out is in doubt
//!
//! A request waits in the session until [`poll_transmit`](Machine::poll_transmit) hands it out. Before that it survives lost
//! links and can be [withdrawn](Session::withdraw); after that, a link that breaks before the reply leaves it in doubt, and it
//! fails with [`RequestError::Lost`] unless it may be [sent again](SubmitOptions::resend). That is why helpings are bounded.
//!
//! # Servers that know less
//!
//! An operation that the server of the link turned out not to know, or that came later than one, is not sent to it: it fails with
//! [`Unimplemented`](crate::code::ErrorCode::Unimplemented) when its turn comes, and the link is kept. A create2 is sent as a create, and its reply
//! completed. That is known of one server only, and forgotten when it could not be reached or was not spoken with for ten minutes.
//!
//! # The phases of a link
//!
#![doc = include_str!("../../docs/session-phases.svg")]
//!
//! [`State`] is the coarser view for callers: `Connecting` until the first `Ready`, then `Connected` in `Ready`, `Suspended`
//! and later `PresumedLost` everywhere else, and `Ended`.

mod clock;
mod deadlines;
#[cfg(test)]
mod diagram_test;
mod event;
mod greeting;
mod input;
mod lacks;
mod life;
mod meter;
mod outbox;
mod output;
mod phase;
mod probe;
mod secure;
mod submit;
mod timing;
mod watches;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::fmt;

use bytes::{Buf, BytesMut};

use crate::{
    AuthInfo, Config, Credentials, Instant, LinkId, Machine, Server, Servers, SessionId, Transmit, Wants, Zxid,
    code::OpCode, hosts::Rotation, metrics::Metrics, rng::Rng,
};
#[cfg(feature = "client")]
pub(crate) use clock::earliest;
use deadlines::Deadlines;
pub use event::{
    Cause, End, Event, Refusal, Refused, Reply, RequestError, Sent, State, TurnedAway, Violation, WatchedEvent,
    WatchedEventKind,
};
use greeting::Identity;
use life::Rejections;
use meter::Meter;
#[cfg(feature = "tracing")]
pub(crate) use meter::Slow;
use outbox::{Internal, Outbox};
use phase::Phase;
#[doc(hidden)]
pub use phase::TRANSITIONS;
use probe::Probe;
pub use secure::AuthFailure;
pub use submit::{RequestId, SubmitOptions};
pub use watches::WatchId;
use watches::Watches;

/// The protocol's own xids.
mod xid {
    pub(super) const NOTIFICATION: i32 = -1;
    pub(super) const PING: i32 = -2;
    pub(super) const AUTH: i32 = -4;
    pub(super) const SET_WATCHES: i32 = -8;
}

/// How many credentials there may be: each goes out on every link.
const CREDENTIALS: usize = 256;

/// Credentials, and who wants to know whether they were accepted.
struct Auth<T> {
    info: AuthInfo,
    tag: Option<T>,
    /// Whether it was ever handed to a link.
    sent: bool,
    /// The last link on which it was accepted.
    accepted: Option<LinkId>,
}

/// A session that is being closed.
enum Closing {
    /// The time is not known yet.
    Requested,
    Until(Instant),
}

/// One session, over as many links as it takes.
///
/// `T` is the caller's name for a request, `W` its name for a watch; both come back in [events](Event). See the
/// [module](self) for what it promises, and [`Machine`] for how to drive it.
pub struct Session<T, W = T> {
    /// One for all sessions that are made alike, until one is told otherwise.
    config: Arc<Config>,
    rng: Rng,
    rotation: Rotation,
    /// How often a server was dialled since a link was up for a while.
    dials: u32,
    /// The latest time seen.
    now: Instant,
    next_link: u32,
    next_xid: i32,
    next_request: u64,
    /// The session as a server last confirmed it.
    identity: Option<Identity>,
    /// The last transaction seen in a reply.
    last_zxid: Zxid,
    /// When the latest answered request, ping or greeting was handed out.
    proved: Option<Instant>,
    phase: Phase<T>,
    state: State,
    suspended_at: Option<Instant>,
    outbox: Outbox<T>,
    watches: Watches<W>,
    auths: Vec<Auth<T>>,
    deadlines: Deadlines,
    events: VecDeque<Event<T, W>>,
    /// The slot from which on persistent watches are still to be told to resync.
    resync: Option<usize>,
    probe: Option<Box<Probe>>,
    rejections: Option<Box<Rejections>>,
    closing: Option<Closing>,
    /// Why the session has ended, if it was for that.
    auth_failure: Option<Box<AuthFailure>>,
    /// What servers turned out not to know.
    memory: lacks::Memory,
    /// The steps that the link has taken: bits, in the order of [`TRANSITIONS`].
    steps: u32,
    meter: Meter,
}

impl<T, W: Clone> Session<T, W> {
    /// Makes a session: offline, and due at once.
    ///
    /// The seed decides the order of the servers and the jitter of waits, and nothing that must be secret but the nonces of
    /// SASL and how watched paths are hashed: give each client another one.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self::with_shared(Arc::new(config), seed)
    }

    /// As [`new`](Self::new), for sessions that are made alike.
    pub(crate) fn with_shared(mut config: Arc<Config>, seed: [u8; 32]) -> Self {
        // With none at all, nothing would ever move.
        let least = config.limits.at_least_one();
        if config.limits != least {
            Arc::make_mut(&mut config).limits = least;
        }
        let mut rng = Rng::new(seed);
        let rotation = Rotation::new(&config.servers, &mut rng);
        let (mut identity, mut last_zxid) = (None, Zxid(0));
        if let Some(Credentials { session, password, timeout, last_zxid: seen }) = config.credentials.clone() {
            identity = Some(Identity { id: session, password, timeout, global: true });
            last_zxid = seen;
        }
        let meter = Meter::new(config.slow_request);
        let auths = config
            .auth
            .iter()
            .map(|info| Auth { info: info.clone(), tag: None, sent: false, accepted: None })
            .collect();
        Self {
            config,
            rng,
            rotation,
            dials: 0,
            now: Instant::ORIGIN,
            next_link: 0,
            next_xid: 1,
            next_request: 0,
            identity,
            last_zxid,
            proved: None,
            phase: Phase::Offline { until: None },
            state: State::Connecting,
            suspended_at: None,
            outbox: Outbox::new(),
            // Dice of its own, so that what is thrown elsewhere does not depend on it.
            watches: Watches::new(Rng::new(seed.map(|byte| !byte))),
            auths,
            deadlines: Deadlines::default(),
            events: VecDeque::new(),
            resync: None,
            probe: None,
            rejections: None,
            closing: None,
            auth_failure: None,
            memory: lacks::Memory::default(),
            steps: 0,
            meter,
        }
    }

    /// Replaces the list of servers.
    ///
    /// The session moves to another server where the balance of all clients over the new list asks for it (by the rule of
    /// ZOOKEEPER-1355): as soon as what is in flight has been answered.
    pub fn set_servers(&mut self, servers: Servers) {
        let moves = self.rotation.replace(&servers, &mut self.rng);
        Arc::make_mut(&mut self.config).servers = servers;
        self.rejections = None;
        self.dials = self.dials.min(1);
        if let Phase::Offline { until } = &mut self.phase {
            *until = None;
        }
        if moves {
            self.leave();
        }
    }

    /// Adds credentials to this link, in the order of requests, and to every later one. The reply has no body.
    ///
    /// Credentials that are there already go out once all the same.
    ///
    /// Credentials that a server refuses end the session with [`End::AuthFailed`]; [`auth_failure`](Self::auth_failure) says
    /// which.
    ///
    /// # Errors
    ///
    /// When the session is over or about to be closed, the credentials are larger than a frame, or there are 256 already.
    pub fn add_auth(&mut self, info: AuthInfo, tag: T) -> Result<(), Refused<T>> {
        let known = self.auths.iter().position(|auth| auth.info == info && auth.tag.is_none());
        if let (Some(index), None) = (known, self.over()) {
            self.add_known_auth(index, tag);
            return Ok(());
        }
        let (bytes, limit) =
            (info.scheme.len() + info.secret.as_bytes().len() + 20, self.config.limits.send_frame_bytes);
        let full = (self.auths.len() >= CREDENTIALS).then_some(Refusal::Full);
        let refused = self.over().map(Refusal::Ended).or(full);
        if let Some(reason) = refused.or((bytes > limit).then_some(Refusal::TooLarge { bytes, limit })) {
            return Err(Refused { tag, reason });
        }
        let auth = Auth { info, tag: Some(tag), sent: false, accepted: None };
        if matches!(self.phase, Phase::Ready(_)) {
            let packet = auth.packet();
            self.submit_internal(OpCode::Auth, Internal::Auth(self.auths.len()), |out| out.put(&packet));
        }
        Arc::make_mut(&mut self.config).auth.push(auth.info.clone());
        self.auths.push(auth);
        Ok(())
    }

    /// Ends the session in order: what was submitted goes out, then the server is told, for at most
    /// [`close_timeout`](Config::close_timeout). Without a link, the session ends at once and the server lets it expire; with
    /// one that is being greeted, it ends as soon as the server can be told.
    ///
    /// Nothing more is taken from now on.
    pub fn close(&mut self) {
        self.begin_closing();
    }

    /// Ends this machine but not the session, and returns what it takes to take it up elsewhere; `None` if there is no session
    /// yet. What is unanswered fails as with [`End::Closed`].
    pub fn detach(&mut self) -> Option<Credentials> {
        let credentials = self.credentials();
        if !matches!(self.phase, Phase::Ended(_)) {
            self.end(End::Closed);
        }
        credentials
    }

    /// Begins a new session in place of one that has [expired](End::Expired) or was [rejected](End::Rejected). Returns false,
    /// and does nothing, in any other state.
    ///
    /// Servers and credentials as changed at run time, the place in the list of servers, the back-off and the random stream
    /// are kept; the session's id, its watches and the last transaction seen are not. Events that were not fetched stay.
    pub fn renew(&mut self) -> bool {
        let Phase::Ended(End::Expired | End::Rejected) = self.phase else { return false };
        let pause = self.pause();
        self.enter(Phase::Offline { until: Some(self.now + pause) });
        if self.config.credentials.is_some() {
            Arc::make_mut(&mut self.config).credentials = None;
        }
        (self.identity, self.last_zxid, self.proved) = (None, Zxid(0), None);
        self.set_state(State::Connecting);
        true
    }

    /// Returns where the session stands. The same is told by [`Event::State`], in order with other events.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns until when the server cannot have expired the session; `None` before the first link and after the end.
    ///
    /// It counts from the moment when the latest answered request, ping or greeting was handed to the transport, less a
    /// [margin](Config::validity_margin). Whoever holds something on the strength of this session, a lock for instance, must
    /// stop by then. It is only as good as the clock: Linux's monotonic clock, for one, stands still while the system is
    /// suspended, and the server's does not.
    ///
    /// And it rests on the word of whichever server answers. A follower that is cut off from its leader answers heartbeats for a
    /// while, and one that passes on a sign of life too late, after a client was silent for nearly its timeout, does not know that the
    /// leader has decided already; the [margin](Config::validity_margin) says what it takes to be safe against the first.
    pub fn valid_until(&self) -> Option<Instant> {
        let timeout = self.identity.as_ref()?.timeout;
        if matches!(self.phase, Phase::Ended(_)) {
            return None;
        }
        self.proved.map(|proved| timing::valid_until(&self.config, timeout, proved))
    }

    /// Returns what it takes to take up the session elsewhere; `None` before there is one.
    pub fn credentials(&self) -> Option<Credentials> {
        Identity::to_ask_for(self.identity.as_ref()).map(|identity| Credentials {
            session: identity.id,
            password: identity.password.clone(),
            timeout: identity.timeout,
            last_zxid: self.last_zxid,
        })
    }

    /// Returns the session's id; `None` before a server gave one.
    pub fn id(&self) -> Option<SessionId> {
        self.identity.as_ref().map(|identity| identity.id)
    }

    /// Returns the server of the present link, ready or not.
    pub fn server(&self) -> Option<&Server> {
        self.phase.link().map(|(_, server)| server)
    }

    /// Returns the configuration, as changed at run time.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the last transaction that this session has seen.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Returns how many requests wait to be handed out.
    pub fn backlog_len(&self) -> usize {
        self.outbox.len()
    }

    /// Returns how many requests were handed out and are unanswered.
    pub fn in_flight_len(&self) -> usize {
        if let Phase::Ready(ready) = &self.phase { ready.in_flight.len() } else { 0 }
    }

    /// Returns how many watches are set or on their way.
    pub fn watch_count(&self) -> usize {
        self.watches.len()
    }

    /// Returns the session's counters, and where it stands.
    pub fn metrics(&self) -> Metrics {
        let meter = &self.meter;
        Metrics {
            at: self.now,
            state: self.state.clone(),
            session: self.id(),
            server: self.server().cloned(),
            last_zxid: self.last_zxid,
            operations: meter.operations(),
            slow: meter.slow,
            heartbeats: (&meter.heartbeats).into(),
            bytes_sent: meter.bytes_sent,
            bytes_received: meter.bytes_received,
            queued: self.outbox.len(),
            queued_bytes: self.outbox.bytes(),
            in_flight: self.in_flight_len(),
            waiting: 0,
            watches: self.watches.len(),
            watch_events: meter.watch_events,
            dials: meter.dials,
            links_failed: meter.links_failed,
            links_lost: meter.links_lost,
            sessions: meter.sessions,
            resumed: meter.resumed,
            expired: meter.expired,
            disconnected: meter.disconnected_by(self.now),
        }
    }

    /// Returns the latest time that the session was told.
    #[cfg(all(feature = "tracing", feature = "client"))]
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Takes out what answers took long since the last call: the first few of them.
    #[cfg(all(feature = "tracing", feature = "client"))]
    pub(crate) fn take_slow_answers(&mut self) -> Vec<Slow> {
        core::mem::take(&mut self.meter.slow_answers)
    }

    /// Fills bytes from the random stream of the session's seed: evenly spread, but not secret.
    pub fn fill_random(&mut self, bytes: &mut [u8]) {
        self.rng.fill(bytes);
    }

    /// Returns whether [`poll_transmit`](Machine::poll_transmit) has something for the present link. Cheap.
    pub fn has_output(&self) -> bool {
        self.has_helping()
    }

    /// Returns the steps that the link has ever taken, for tests that want to have seen them all: bits, in the order of
    /// `TRANSITIONS`.
    #[doc(hidden)]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<Event<T, W>> {
        self.events.pop_front().or_else(|| self.next_resync())
    }

    /// Returns whether there is something to be told.
    #[cfg(feature = "client")]
    pub(crate) fn has_news(&self) -> bool {
        #[cfg(feature = "tracing")]
        if !self.meter.slow_answers.is_empty() {
            return true;
        }
        !self.events.is_empty() || self.resync.is_some()
    }

    /// Returns whether there is room for what a frame may tell.
    fn has_room(&self) -> bool {
        self.events.len() < self.config.limits.events && self.resync.is_none()
    }

    /// Returns how the session has ended, or is about to.
    fn over(&self) -> Option<End> {
        match (&self.phase, &self.closing) {
            (Phase::Ended(end), _) => Some(*end),
            (_, Some(_)) => Some(End::Closed),
            (_, None) => None,
        }
    }
}

impl<T, W: Clone> Machine for Session<T, W> {
    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.see(now);
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.id == link) {
            return probe.connected();
        }
        if let Phase::Dialing(attempt) = &self.phase {
            if attempt.id == link {
                let attempt = attempt.clone();
                self.enter(Phase::Greeting { attempt, sent: None });
            }
        }
    }

    fn handle_input(&mut self, link: LinkId, input: &mut BytesMut, now: Instant) {
        self.see(now);
        if self.phase.is(link) {
            return self.take_frames(input);
        }
        let probe = self.probe.as_ref().filter(|probe| probe.id == link);
        if let Some(answer) = probe.and_then(|probe| probe.read(input)) {
            self.probed(answer);
        }
    }

    fn handle_disconnected(&mut self, link: LinkId, now: Instant) {
        self.see(now);
        if self.phase.is(link) {
            self.drop_link(Cause::Hangup);
        } else if self.probe.as_ref().is_some_and(|probe| probe.id == link) {
            self.probed(probe::Answer::Useless);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.see(now);
        self.run_deadlines();
    }

    fn wants(&self) -> Wants {
        match (&self.phase, self.phase.link()) {
            (Phase::Ended(end), _) => Wants::Nothing(*end),
            (_, Some((id, server))) => Wants::Link { id, server: server.clone() },
            (_, None) => Wants::Offline,
        }
    }

    fn wants_probe(&self) -> Option<(LinkId, Server)> {
        self.probe.as_ref().map(|probe| (probe.id, probe.server.clone()))
    }

    fn wants_input(&self) -> bool {
        self.has_room()
    }

    fn is_content_with(&self, link: Option<LinkId>, probe: Option<LinkId>) -> bool {
        let is_over = matches!(self.phase, Phase::Ended(_));
        !is_over && self.phase.link().map(|(id, _)| id) == link && self.probe.as_ref().map(|probe| probe.id) == probe
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_deadline()
    }

    fn poll_transmit(&mut self, link: LinkId, now: Instant) -> Option<Transmit> {
        self.see(now);
        let transmit = self.transmit(link);
        if let Some(transmit) = &transmit {
            self.meter.bytes_sent += transmit.remaining() as u64;
        }
        transmit
    }
}

/// Shows where the session stands, and nothing that is secret.
impl<T, W> fmt::Debug for Session<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.identity.as_ref().map(|identity| identity.id))
            .field("phase", &self.phase.name())
            .field("server", &self.phase.link().map(|(_, server)| server))
            .field("state", &self.state)
            .field("last_zxid", &self.last_zxid)
            .finish_non_exhaustive()
    }
}
