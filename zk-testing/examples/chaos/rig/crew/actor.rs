//! A client, and how what it does is told.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use zk_proto::{
    Instant, SessionId,
    client::{Client, Error},
    code::ErrorCode,
    record::Stat,
    session::State,
};

use super::{Orders, scribe::Scribe};
use crate::rig::clock;
use crate::rig::history::{Call, Mark, OpId, Outcome, Seen, Time, Told};

/// How long an operation may take that nobody is to wait for.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// What a crew is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    #[default]
    Work,
    /// Begin nothing, finish what was begun.
    Rest,
    /// Tell what caches show, for nothing changes any more.
    Compare,
    Leave,
}

/// The phase, and who waits for it.
#[derive(Default)]
pub(super) struct Phases {
    now: Mutex<Phase>,
    changed: Condvar,
}

impl Phases {
    pub(super) fn now(&self) -> Phase {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, phase: Phase) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.changed.notify_all();
    }

    pub(super) fn wait(&self, phase: Phase) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        while *now < phase {
            now = self.changed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A client with its name.
pub(super) struct Actor {
    pub(super) client: Client,
    pub(super) who: u32,
    /// The node that nobody else writes.
    pub(super) own: String,
    /// How long to pause between operations on registers, by and large.
    pub(super) pause: Duration,
    scribe: Arc<Scribe>,
    phases: Arc<Phases>,
    /// What the client's clock is behind the machine's, at most.
    offset: AtomicU64,
}

impl Actor {
    pub(super) fn new(client: (Client, u32), orders: &Orders, scribe: Arc<Scribe>, phases: Arc<Phases>) -> Self {
        let (client, number) = client;
        let tasks = super::work::REGISTER_TASKS * orders.clients;
        Self {
            client,
            who: orders.incarnation * 10_000 + (orders.crew + 1) * 100 + number,
            own: format!("/chaos/own/{}-{number}", orders.crew),
            pause: Duration::from_secs_f64(f64::from(tasks) / f64::from(orders.rate.max(1))),
            scribe,
            phases,
            offset: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn is_working(&self) -> bool {
        self.phases.now() == Phase::Work
    }

    pub(super) fn phase(&self) -> Phase {
        self.phases.now()
    }

    /// Pauses, but not longer than there is work.
    pub(super) async fn pause(&self, pause: Duration) {
        let mut left = pause;
        while self.is_working() && !left.is_zero() {
            let step = left.min(Duration::from_millis(200));
            left -= step;
            if self.client.sleep(step).await.is_err() {
                return;
            }
        }
    }

    /// Waits for a session as long as there is work.
    pub(super) async fn session(&self) -> Option<SessionId> {
        while self.is_working() {
            match self.client.timeout(Duration::from_millis(500), self.client.connected()).await {
                Ok(Ok(())) => return self.client.session(),
                Ok(Err(_)) => return None,
                Err(_) => {}
            }
        }
        None
    }

    /// Returns a name for an operation to come, and the data with which it is to be known.
    pub(super) fn next(&self) -> (OpId, String) {
        let id = self.scribe.next();
        (id, id.to_string())
    }

    /// Does something, and tells of it before and after.
    pub(super) async fn does<T>(
        &self,
        id: OpId,
        session: Option<SessionId>,
        call: Call,
        work: impl Future<Output = Result<T, Error>>,
        seen: impl FnOnce(&T) -> Outcome,
    ) -> Result<T, Error> {
        let is_read = matches!(call, Call::Get { .. });
        self.scribe.begin(id, self.who, session.map_or(0, |session| session.0), call);
        let result = work.await;
        let outcome = match &result {
            Ok(answer) => seen(answer),
            Err(error) if is_read && error.code() == Some(ErrorCode::NoNode) => Outcome::Done(Seen::Nodes(vec![None])),
            Err(error) if error.is_certainly_not_applied() => Outcome::Refused(error.to_string()),
            Err(error) => Outcome::Unknown(error.to_string()),
        };
        self.scribe.end(id, outcome);
        if let Err(Error::Malformed(error)) = &result {
            self.wrong(format!("op {id}: {error}"));
        }
        let behind = clock::now().saturating_sub(self.client.last_seen().as_nanos());
        self.offset.fetch_min(behind, Ordering::Relaxed);
        result
    }

    /// Sets a register. The operation's number is the data.
    pub(super) async fn set(&self, session: SessionId, path: &str, expected: Option<i32>) -> Result<Stat, Error> {
        let (id, data) = self.next();
        let set = crate::rig::history::Set { path: path.to_owned(), expected };
        let call = self.client.set_data(path, data.as_bytes()).pin(session).timeout(LIMIT);
        let call = match expected {
            Some(version) => call.version(version),
            None => call,
        };
        self.does(id, Some(session), Call::Set(vec![set]), call.into_future(), |stat| nodes([mark(stat, id)])).await
    }

    /// Reads a node, behind a sync if asked for.
    pub(super) async fn get(&self, session: SessionId, path: &str, sync: bool) -> Result<Mark, Error> {
        let (id, _) = self.next();
        let work = async {
            if sync {
                self.client.sync(path).pin(session).timeout(LIMIT).await?;
            }
            let (data, stat) = self.client.get_data(path).pin(session).timeout(LIMIT).await?;
            Ok(mark(&stat, value(&data)))
        };
        let call = Call::Get { path: path.to_owned(), sync };
        self.does(id, Some(session), call, work, |mark| nodes([*mark])).await
    }

    /// Reads a node, and gives up at some moment: the reply goes to nobody.
    pub(super) async fn get_impatiently(&self, session: SessionId, path: &str, limit: Duration) {
        let (id, _) = self.next();
        let call = Call::Get { path: path.to_owned(), sync: false };
        let read = self.client.get_data(path).pin(session).into_future();
        let work = async {
            match self.client.timeout(limit, read).await {
                Ok(read) => read.map(|(data, stat)| Some(mark(&stat, value(&data)))),
                Err(_) => Ok(None),
            }
        };
        let seen = |mark: &Option<Mark>| match mark {
            Some(mark) => nodes([*mark]),
            None => Outcome::Refused("given up".to_owned()),
        };
        _ = self.does(id, Some(session), call, work, seen).await;
    }

    pub(super) fn told(&self, told: Told) {
        self.scribe.told(told);
    }

    pub(super) fn wrong(&self, what: String) {
        self.told(Told::Wrong { who: self.who, at: clock::now(), what });
    }

    /// Returns a time of the client's clock as one of the machine's, or somewhat later.
    pub(super) fn time(&self, instant: Instant) -> Option<Time> {
        let offset = self.offset.load(Ordering::Relaxed);
        (offset != u64::MAX).then(|| instant.as_nanos() + offset)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.client.state(), State::Ended(_))
    }
}

/// Returns how a node stands, by its numbers and who wrote it.
pub(super) fn mark(stat: &Stat, value: OpId) -> Mark {
    Mark { czxid: stat.czxid.0, mzxid: stat.mzxid.0, version: stat.version, value }
}

pub(super) fn nodes<const N: usize>(marks: [Mark; N]) -> Outcome {
    Outcome::Done(Seen::Nodes(marks.into_iter().map(Some).collect()))
}

/// Returns the operation that has written this; zero for none.
pub(super) fn value(data: &[u8]) -> OpId {
    std::str::from_utf8(data).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
