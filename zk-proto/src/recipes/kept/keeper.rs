//! The background's side: one loop over everything that may happen.

use core::future::Future;
use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use super::{
    super::{
        cell::Cell,
        session::Trouble,
        together::{Either, either},
    },
    KeptMode, OnChange, Parents, Plan,
    desk::{Desk, Ending},
    handle::{KeptState, Presence},
    judge::{Verdict, View, judge},
    pace::Pace,
    steps::{Attempt, Did, Outcome, Site, Step, Wanted},
};
use crate::{
    SessionId, Zxid,
    broken::broken,
    client::{Background, Error, Sleep, States, WatchEnd, Watcher},
    code::ErrorCode,
    record::Stat,
    session::State,
};

/// How many sessions of the past are remembered.
const REMEMBERED: usize = 16;

/// Tells that the background is over, whatever the way.
pub(super) struct Over(pub(super) Cell<Desk>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.update(|desk| desk.tell(KeptState::Ended, None));
    }
}

/// Keeps the node until that is to end.
pub(super) async fn keep(client: Background, plan: Arc<Plan>, desk: Cell<Desk>, over: Over) {
    let path = (plan.mode != KeptMode::EphemeralSequential).then(|| Arc::from(&*plan.path));
    let former = plan.former.clone();
    let mut keeper = Keeper {
        client,
        plan,
        desk,
        former,
        path,
        session: None,
        perhaps_numbered: false,
        seen: None,
        known: None,
        watcher: None,
        next_touch: None,
        heard: (0, 0),
        pace: Pace::default(),
        has_rested: false,
        phase: Phase::Away,
    };
    if let Some(Ending::Remove) = keeper.run().await {
        let removed = keeper.remove().await;
        keeper.desk.update(|desk| desk.removed.replace(removed).is_none());
    }
    drop(over);
}

/// Returns whether the server would say the same again.
pub(super) fn is_lasting(error: &Error) -> bool {
    match error {
        Error::Server(_) | Error::Multi(_) => matches!(
            error.code(),
            Some(
                ErrorCode::NoAuth
                    | ErrorCode::InvalidAcl
                    | ErrorCode::BadArguments
                    | ErrorCode::NoChildrenForEphemerals
                    | ErrorCode::NodeExists
                    | ErrorCode::NoNode
                    | ErrorCode::NotEmpty
                    | ErrorCode::QuotaExceeded
                    | ErrorCode::Unimplemented
            )
        ),
        Error::Invalid(_) | Error::Modes(..) | Error::TooLarge { .. } => true,
        _ => false,
    }
}

struct Keeper {
    client: Background,
    plan: Arc<Plan>,
    desk: Cell<Desk>,
    /// The sessions of before.
    former: Vec<SessionId>,
    /// Where the node is to be; not known before a sequential one has its number.
    path: Option<Arc<str>>,
    session: Option<SessionId>,
    /// Whether there may be a sequential node whose number is not known.
    perhaps_numbered: bool,
    /// The node as it was when last looked at.
    seen: Option<Stat>,
    /// Which edition of the data the node had, and since which transaction.
    known: Option<(u64, Zxid)>,
    watcher: Option<Watcher>,
    next_touch: Option<Sleep>,
    /// What has been heard of the user's wishes: the edition of the data, and how often he has asked to try again.
    heard: (u64, u64),
    pace: Pace,
    /// Whether the pause before the next repair is over.
    has_rested: bool,
    phase: Phase,
}

/// What the background waits for, besides wishes and states.
enum Phase {
    /// A session.
    Away,
    /// A step.
    Acting(Step),
    /// Something that happens to the node.
    Watching,
    /// The time to try again.
    Resting(Sleep),
}

enum News {
    Ending(Ending),
    /// The user has other wishes.
    Wishes,
    State(Option<State>),
    Done(Outcome),
    Happened(Result<(), WatchEnd>),
    TouchDue,
    Rested,
}

impl Keeper {
    /// Returns how it is to end, if anybody has said so.
    async fn run(&mut self) -> Option<Ending> {
        let mut states = self.client.states();
        loop {
            match self.news(&mut states).await {
                News::Ending(ending) => return Some(ending),
                News::State(None) => return None,
                News::State(Some(state)) => self.hear(&state),
                News::Wishes => self.wish(),
                News::Done(outcome) => self.take_in(outcome),
                News::Happened(Ok(())) => self.look(),
                News::Rested => {
                    self.has_rested = true;
                    self.look();
                }
                // The states tell of it too.
                News::Happened(Err(_)) => self.watcher = None,
                News::TouchDue => {
                    self.next_touch = None;
                    self.act(Site::touch);
                }
            }
        }
    }

    async fn news(&mut self, states: &mut States) -> News {
        let (edition, pokes) = self.heard;
        let (hears_data, hears_pokes) = match self.phase {
            Phase::Away | Phase::Acting(_) => (false, false),
            Phase::Watching => (true, true),
            Phase::Resting(_) => (false, true),
        };
        let wishes = pin!(self.desk.find(|desk| match desk.ending {
            Some(ending) => Some(News::Ending(ending)),
            None =>
                (hears_data && desk.edition != edition || hears_pokes && desk.pokes != pokes).then_some(News::Wishes),
        }));
        let states = pin!(states.next_while_open());
        let (phase, watcher, touch) = (&mut self.phase, &mut self.watcher, &mut self.next_touch);
        let inside = pin!(async {
            match phase {
                Phase::Away => pending().await,
                Phase::Acting(step) => News::Done(step.as_mut().await),
                Phase::Resting(sleep) => {
                    elapsed(sleep).await;
                    News::Rested
                }
                Phase::Watching => watching(watcher, touch).await,
            }
        });
        match either(wishes, pin!(either(states, inside))).await {
            Either::First(news) => news,
            Either::Second(Either::First(state)) => News::State(state),
            Either::Second(Either::Second(news)) => news,
        }
    }

    fn hear(&mut self, state: &State) {
        match state {
            State::Connected { session, .. } if self.session == Some(*session) => {
                if broken!("kept: makes the node anew at every reconnect") {
                    if let Some(path) = &self.path {
                        self.client.delete(path).pin(*session).send().detach();
                    }
                }
                match self.phase {
                    // It is pinned to this session, and goes on or says that it is in doubt.
                    Phase::Acting(_) => {}
                    Phase::Away | Phase::Watching | Phase::Resting(_) => self.look(),
                }
            }
            State::Connected { session, .. } => self.begin(*session),
            State::PresumedLost => self.tell(KeptState::Pending),
            State::Connecting | State::Ended(_) => {
                self.tell(KeptState::Pending);
                self.phase = Phase::Away;
            }
            State::Suspended { .. } => {}
        }
    }

    /// Begins in a new session.
    fn begin(&mut self, session: SessionId) {
        if let Some(last) = self.session.replace(session) {
            self.former.push(last);
            if self.former.len() > REMEMBERED {
                self.former.remove(0);
            }
        }
        if self.plan.mode.is_ephemeral() {
            self.known = None;
        }
        self.perhaps_numbered = false;
        (self.seen, self.watcher, self.next_touch) = (None, None, None);
        (self.pace, self.has_rested) = (Pace::default(), false);
        self.tell(KeptState::Pending);
        if self.plan.mode.is_ephemeral() || self.known.is_none() { self.create() } else { self.look() }
    }

    /// Hears what the user wants.
    fn wish(&mut self) {
        match self.desk.get().state {
            // The last look still holds: whatever has happened since will be told.
            KeptState::Present(_) if matches!(self.phase, Phase::Watching) => self.decide(),
            _ => self.look(),
        }
    }

    fn wanted(&mut self) -> Wanted {
        let desk = self.desk.get();
        self.heard = (desk.edition, desk.pokes);
        Wanted { data: desk.data, edition: desk.edition }
    }

    fn site(&self, session: SessionId) -> Site {
        let path = self.path.clone().unwrap_or_else(|| self.plan.path.as_str().into());
        Site { client: self.client.clone(), plan: self.plan.clone(), session, path }
    }

    /// Takes a step.
    fn act<F: Future<Output = Outcome> + Send + 'static>(&mut self, step: impl FnOnce(Site) -> F) {
        self.phase = match self.session {
            Some(session) => Phase::Acting(Box::pin(step(self.site(session)))),
            None => Phase::Away,
        };
    }

    fn look(&mut self) {
        if self.path.is_some() { self.act(Site::look) } else { self.create() }
    }

    fn create(&mut self) {
        let wanted = self.wanted();
        if self.path.is_some() {
            return self.act(|site| site.create(wanted));
        }
        self.perhaps_numbered = true;
        self.act(|site| site.create_numbered(wanted));
    }

    /// Takes a step at once, or looks again after a while where it comes too often.
    fn repair(&mut self, step: impl FnOnce(&mut Self)) {
        if std::mem::take(&mut self.has_rested) {
            return step(self);
        }
        match self.pace.repair(self.client.last_seen()) {
            Duration::ZERO => step(self),
            delay => self.rest(delay),
        }
    }

    fn rest(&mut self, delay: Duration) {
        let desk = self.desk.get();
        self.heard = (desk.edition, desk.pokes);
        self.phase = Phase::Resting(self.client.sleep(delay));
    }

    fn take_in(&mut self, Outcome { did, looked }: Outcome) {
        let has_looked = match looked {
            Some(Ok((seen, watcher))) => {
                self.seen = seen;
                let is_lost =
                    matches!(did, Did::Wrote { .. }) && broken!("kept: does not look again after a write of its own");
                self.watcher = if is_lost { None } else { Some(watcher) };
                Ok(true)
            }
            Some(Err(error)) => Err(error),
            None => Ok(false),
        };
        match did {
            Did::Nothing => {}
            Did::Wrote { edition, set } => {
                // Servers before 3.9 do not tell what a multi has made. What nobody has written to since is it.
                let made = || self.seen.filter(|seen| seen.version == 0).map(|seen| seen.mzxid);
                self.known = set.or_else(made).map(|set| (edition, set));
            }
            Did::Numbered { path, stat, edition } => {
                self.path = Some(path.into());
                self.perhaps_numbered = false;
                self.known = Some((edition, stat.mzxid));
                return self.look();
            }
            Did::Read { data, stat } => return self.compare(data, stat),
            Did::Touched => {
                if let KeptMode::Ttl(ttl) = self.plan.mode {
                    self.next_touch = Some(self.client.sleep(ttl / 2));
                }
                return self.decide();
            }
            Did::Failed { error, of } => return self.handle_failure(error, of, has_looked),
        }
        match has_looked {
            Ok(_) => self.decide(),
            Err(error) => self.handle_failure(error, Attempt::Read, Ok(false)),
        }
    }

    /// Compares what the node has with what it is to have.
    fn compare(&mut self, data: bytes::Bytes, stat: Stat) {
        let wanted = self.wanted();
        let is_written = self.known.is_some_and(|(edition, _)| edition == wanted.edition);
        self.seen = Some(stat);
        if data == wanted.data {
            self.known = Some((wanted.edition, stat.mzxid));
            return self.decide();
        }
        if self.plan.on_change == OnChange::Accept && is_written {
            self.known = Some((wanted.edition, stat.mzxid));
            // Not what the read buffer is a part of: that would be kept alive for as long as the node is.
            let data = bytes::Bytes::copy_from_slice(&data);
            self.desk.update(|desk| {
                let is_wanted = desk.edition == wanted.edition;
                if is_wanted {
                    desk.data = data;
                }
                is_wanted
            });
            return self.decide();
        }
        self.tell_present(stat, None);
        self.repair(|keeper| keeper.write(stat));
    }

    fn write(&mut self, there: Stat) {
        let wanted = self.wanted();
        self.act(|site| site.write(there, wanted));
    }

    /// Decides what is next, by the last look.
    fn decide(&mut self) {
        let Some(session) = self.session else { return };
        let wanted = self.wanted();
        let view = View {
            session,
            former: &self.former,
            is_ephemeral: self.plan.mode.is_ephemeral(),
            on_foreign: self.plan.on_foreign,
            edition: wanted.edition,
            known: self.known,
        };
        let verdict = judge(self.seen.as_ref(), &view);
        match (verdict, self.seen) {
            (Verdict::Create, _) | (_, None) => {
                self.known = None;
                self.tell(KeptState::Pending);
                self.repair(Self::create);
            }
            (Verdict::Settled, Some(stat)) => {
                self.has_rested = false;
                self.tell_present(stat, Some(wanted.edition));
                match (self.plan.mode, &self.next_touch) {
                    (KeptMode::Ttl(_), None) => self.act(Site::touch),
                    _ => self.phase = Phase::Watching,
                }
            }
            (Verdict::Read, Some(stat)) => {
                self.tell_present(stat, None);
                self.act(Site::read);
            }
            (Verdict::Write, Some(stat)) => {
                self.tell_present(stat, None);
                self.write(stat);
            }
            (Verdict::TakeOver, Some(stat)) => self.repair(|keeper| {
                let wanted = keeper.wanted();
                keeper.act(|site| site.take_over(stat, wanted));
            }),
            (Verdict::Wait | Verdict::Refuse, Some(_)) if self.plan.mode == KeptMode::EphemeralSequential => {
                // The numbers have begun anew, and somebody else has ours.
                self.path = None;
                self.repair(Self::create);
            }
            (Verdict::Wait, Some(stat)) => {
                self.tell(KeptState::Blocked { owner: stat.ephemeral_owner });
                self.phase = Phase::Watching;
            }
            (Verdict::Refuse, Some(_)) => {
                self.fail(Error::Server(ErrorCode::NodeExists));
                self.watcher = None;
            }
        }
    }

    fn handle_failure(&mut self, error: Error, of: Attempt, has_looked: Result<bool, Error>) {
        self.perhaps_numbered = of == Attempt::Find;
        match Trouble::of(&error) {
            Trouble::InDoubt if has_looked == Ok(true) => self.decide(),
            Trouble::InDoubt => match of {
                Attempt::Touch => self.act(Site::touch),
                Attempt::Create | Attempt::Find | Attempt::TakeOver | Attempt::Write | Attempt::Read => self.look(),
            },
            Trouble::SessionOver => {
                self.tell(KeptState::Pending);
                self.phase = Phase::Away;
            }
            Trouble::Definite => match (error.code(), of) {
                (Some(ErrorCode::NodeExists), Attempt::Create | Attempt::TakeOver) if self.path.is_some() => {
                    self.resume(has_looked);
                }
                (
                    Some(ErrorCode::NoNode | ErrorCode::BadVersion),
                    Attempt::TakeOver | Attempt::Write | Attempt::Read,
                ) => {
                    self.resume(has_looked);
                }
                // The node has gone.
                (Some(ErrorCode::NoNode), Attempt::Touch) => self.look(),
                // Made for it, the nodes above have vanished again.
                (Some(ErrorCode::NoNode), Attempt::Create) if self.plan.parents == Parents::Ensured => {
                    self.try_later(error)
                }
                // It may be written to, but not read.
                (Some(ErrorCode::NoAuth), Attempt::Read) => match self.seen {
                    Some(stat) => self.repair(|keeper| keeper.write(stat)),
                    None => self.look(),
                },
                _ if is_lasting(&error) => self.fail(error),
                _ => self.try_later(error),
            },
        }
    }

    /// Goes on with what a look has shown, or else looks.
    fn resume(&mut self, has_looked: Result<bool, Error>) {
        match has_looked {
            Ok(true) => self.decide(),
            Ok(false) | Err(_) => self.look(),
        }
    }

    /// Gives up, until something changes.
    fn fail(&mut self, error: Error) {
        self.tell(KeptState::Failed(error));
        self.phase = Phase::Watching;
    }

    fn try_later(&mut self, error: Error) {
        self.tell(KeptState::Failed(error));
        let delay = self.pace.failure(self.client.last_seen());
        self.rest(delay);
    }

    fn tell(&self, state: KeptState) {
        self.desk.update(|desk| desk.tell(state, None));
    }

    /// Tells that the node is there, with the data of this edition.
    fn tell_present(&self, stat: Stat, edition: Option<u64>) {
        let Some(path) = self.path.clone() else { return };
        let presence = Presence { path, created: stat.czxid, is_current: false };
        self.desk.update(|desk| desk.tell(KeptState::Present(presence), edition));
    }

    /// Deletes the node.
    async fn remove(&mut self) -> Result<(), Error> {
        if self.perhaps_numbered && !self.plan.is_protected {
            self.learn_number().await;
        }
        // What was not sent yet is taken back.
        self.phase = Phase::Away;
        let Some(session) = self.session else {
            return match self.plan.mode.is_ephemeral() {
                true => Ok(()),
                false => self.remove_in(super::super::session::session(&self.client).await?).await,
            };
        };
        self.remove_in(session).await
    }

    /// Waits until the number is known of a node that is being made. Who looked for it by its name could find another one that this
    /// client keeps.
    async fn learn_number(&mut self) {
        if let Phase::Acting(step) = &mut self.phase {
            match step.await.did {
                Did::Numbered { path, .. } => self.path = Some(path.into()),
                Did::Failed { of, .. } => self.perhaps_numbered = of == Attempt::Find,
                Did::Nothing | Did::Wrote { .. } | Did::Read { .. } | Did::Touched => {}
            }
        }
    }

    async fn remove_in(&mut self, session: SessionId) -> Result<(), Error> {
        if broken!("kept: leaves what is being made when it is removed")
            && !matches!(self.desk.get().state, KeptState::Present(_))
        {
            return Ok(());
        }
        let is_numbered = self.path.is_some();
        if !is_numbered && !self.perhaps_numbered {
            return Ok(());
        }
        self.site(session).remove(is_numbered).await
    }
}

/// Waits until something happens to the node, or it is time to touch it.
async fn watching(watcher: &mut Option<Watcher>, touch: &mut Option<Sleep>) -> News {
    let happened = pin!(async {
        match watcher {
            Some(watcher) => watcher.changed().await.map(|_| ()),
            None => pending().await,
        }
    });
    let due = pin!(async {
        match touch {
            Some(sleep) => elapsed(sleep).await,
            None => pending().await,
        }
    });
    match either(happened, due).await {
        Either::First(happened) => News::Happened(happened),
        Either::Second(()) => News::TouchDue,
    }
}

/// Waits until it is time. When the client is over, that is never.
async fn elapsed(sleep: &mut Sleep) {
    if sleep.await.is_err() {
        pending().await
    }
}
