//! A lock in its holder's hand.

use core::fmt;
use std::{
    future::{Future, pending},
    pin::{Pin, pin},
};

use bytes::Bytes;

use super::super::{
    cell::Cell,
    line::{Names, Number},
    protected::OwnNode,
    session::Trouble,
    together::{Either, either},
};
use crate::{
    Instant, SessionId, Zxid,
    broken::broken,
    client::{Background, Call, Error, Sleep, Watcher},
    code::ErrorCode,
    record::Stat,
    request::{Multi, Op, OpResult, Version},
    session::{State, WatchedEventKind},
};

/// What a holder may ask another one by writing it to his node, as Curator's clients do.
const REVOKE: &[u8] = b"__REVOKE__";

/// A lock that is held, until it is [released](Self::release) or dropped; or [lost](Self::lost).
///
/// Dropping it releases it too, in the background. The session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it releases the lock"]
pub struct Held {
    /// `None` only while it is being released.
    own: Option<OwnNode>,
    /// Where it stands in line, for nodes that have a number.
    number: Option<Number>,
    standing: Cell<Standing>,
}

/// A number that grows with every holder of a lock, for resources outside of ZooKeeper: they refuse a lower one than they have seen.
///
/// It is the transaction that has created the holder's node, so it goes on growing when the lock's path is deleted and made anew.
/// Those who [read](super::super::RwLock::read) at the same time have different ones; a reader is late only if his is lower than one
/// that was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(pub u64);

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How it stands with a lock, as far as its holder can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// Held.
    Held,
    /// The connection is lost. It is held until then at least, by the clock of
    /// [`Client::last_seen`](crate::client::Client::last_seen), and perhaps longer: when a server is reached in time, it is
    /// [`Held`](Self::Held) again.
    InDoubt {
        /// When the server could expire the session at the earliest, less a margin.
        valid_until: Instant,
    },
    /// Not held any more, whatever comes.
    Lost(Loss),
}

/// Why a lock is not held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// No server was reached by the time up to which the session was certain to live. It may be that the server still counts it
    /// as held.
    Presumed,
    /// The session is over, and its ephemeral nodes with it.
    SessionOver,
    /// Somebody has deleted the node.
    Removed,
}

/// What the background knows, and tells the holder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    tenure: Tenure,
    is_revoked: bool,
    /// Nobody wants to know any more.
    is_over: bool,
}

/// Whether there is hope when the session is presumed lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hope {
    /// It is over then.
    None,
    /// [`Loss::Presumed`] is followed by [`Tenure::Held`] when a server is reached in time after all.
    Some,
}

impl Held {
    pub(crate) fn new(own: OwnNode, names: Names) -> Self {
        let number = (names.contender)(own.name()).map(|own| own.number);
        let mut held = Self::out_of_line(own);
        held.number = number;
        held
    }

    /// Watches over a node that stands in no line.
    pub(crate) fn out_of_line(own: OwnNode) -> Self {
        Self::begin(own, Tenure::Held, Hope::None)
    }

    /// As [`out_of_line`](Self::out_of_line), but in doubt until the server has shown the node as this session's; and what is presumed
    /// lost may be held again.
    pub(crate) fn hoping(own: OwnNode) -> Self {
        let valid_until = own.client().last_seen();
        Self::begin(own, Tenure::InDoubt { valid_until }, Hope::Some)
    }

    fn begin(own: OwnNode, tenure: Tenure, hope: Hope) -> Self {
        let standing = Cell::new(Standing { tenure, is_revoked: false, is_over: false });
        let (told, node) = (standing.clone(), Node::of(&own));
        own.client().spawn(|client| watch_over(client, node, hope, told));
        Self { own: Some(own), number: None, standing }
    }

    /// Lets nobody watch over it any more, and returns the node.
    pub(crate) fn into_own(mut self) -> OwnNode {
        self.own.take().expect("it is there until it is released, which takes it")
    }

    /// Returns its place in line.
    pub(crate) fn number(&self) -> Option<Number> {
        self.number
    }

    /// Returns whether this is how its node stands.
    pub(crate) fn is_shown_by(&self, stat: &Stat) -> bool {
        Node::of(self.own()).is_shown_by(stat)
    }

    fn own(&self) -> &OwnNode {
        self.own.as_ref().expect("it is there until it is released, which takes it")
    }

    /// Returns the number that tells this holder from every earlier one.
    pub fn fencing_token(&self) -> FencingToken {
        if broken!("lock: counts with the number of its node") {
            return FencingToken(
                self.path().rsplit(|c: char| !c.is_ascii_digit()).next().map_or(0, |end| end.parse().unwrap_or(0)),
            );
        }
        FencingToken(u64::try_from(self.own().created().0).unwrap_or(0))
    }

    /// Returns the transaction that the token tells.
    pub(crate) fn created(&self) -> Zxid {
        self.own().created()
    }

    /// Returns how many nodes can be made below the lock's path after this one before the server's counter is at its end.
    ///
    /// Numbers have 31 bits, and each contender takes one: a lock that is taken a thousand times a second has used them up after 24
    /// days. Locks of this crate go on working then, by the order of creation, and cost some reads more. Those of Curator and kazoo
    /// do not: two hold it at once (ZOOKEEPER-3249, ZOOKEEPER-4706). Deleting the lock's path while nobody contends begins
    /// again at zero, and the server does so by itself with the containers that are made here, when they are empty for a while.
    pub fn remaining_sequence(&self) -> u32 {
        self.number.map_or(u32::MAX, Number::remaining)
    }

    /// Returns the holder's node.
    pub fn path(&self) -> &str {
        self.own().path()
    }

    /// Returns the session that holds it. What is done with the lock may be [pinned](crate::client::Call::pin) to it.
    pub fn session(&self) -> SessionId {
        self.own().session()
    }

    /// Returns until when it is certainly held, unless somebody deletes its node: see
    /// [`Client::valid_until`](crate::client::Client::valid_until). `None` when it is lost.
    pub fn valid_until(&self) -> Option<Instant> {
        let client = self.own().client();
        let is_lost = matches!(self.tenure(), Tenure::Lost(_)) || client.session() != Some(self.session());
        if is_lost { None } else { client.valid_until() }
    }

    /// Returns an operation for a [multi](crate::client::Client::multi) that fails it where the lock is gone.
    pub fn check(&self) -> Op<'_> {
        Op::Check { path: self.path(), version: Version::Any }
    }

    /// Begins a list of writes that are carried out only if the lock is held at that moment: a
    /// [multi](crate::client::Client::multi) with a [`check`](Self::check), in this session.
    ///
    /// When it is not, it fails with [`NoNode`](ErrorCode::NoNode) for the first operation, or with [`Error::SessionChanged`].
    pub fn transaction(&self) -> Call<'_, Multi<'_>, Vec<OpResult>> {
        if broken!("lock: writes what it guards without asking whether it is held") {
            return self.own().client().multi();
        }
        self.own().client().multi().op(self.check()).pin(self.session())
    }

    /// Returns how it stands.
    pub fn tenure(&self) -> Tenure {
        self.standing.get().tenure
    }

    /// Waits until it stands otherwise than `known`, and returns how. May be cancelled at any moment.
    pub async fn changed(&self, known: Tenure) -> Tenure {
        self.standing.find(|standing| (standing.tenure != known).then_some(standing.tenure)).await
    }

    /// Waits until it is lost, and returns why.
    pub async fn lost(&self) -> Loss {
        let lost = |standing: &Standing| match standing.tenure {
            Tenure::Lost(loss) => Some(loss),
            Tenure::Held | Tenure::InDoubt { .. } => None,
        };
        self.standing.find(lost).await
    }

    /// Waits until somebody asks for the lock back, by [`revoke`]: it is up to the holder to
    /// [release](Self::release) it.
    pub async fn revoked(&self) {
        self.standing.find(|standing| standing.is_revoked.then_some(())).await;
    }

    /// Gives the lock back, and waits until the server has done so, over lost connections too. Where the session is over by then, it
    /// is given back already.
    ///
    /// # Errors
    ///
    /// The server's, such as [`NoAuth`](ErrorCode::NoAuth); then it is held until the session ends.
    pub async fn release(mut self) -> Result<(), Error> {
        match self.own.take() {
            Some(own) => own.delete().await,
            None => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.standing.update(|standing| !std::mem::replace(&mut standing.is_over, true));
    }
}

/// Asks the holder, or the contender, whose node this is to give up, as Curator's `Revoker` does: he hears it by
/// [`Held::revoked`], and does as he likes.
///
/// # Errors
///
/// The server's; [`NoNode`](ErrorCode::NoNode) where it is gone by now.
pub async fn revoke(client: &crate::client::Client, path: &str) -> Result<(), Error> {
    client.set_data(path, REVOKE).await.map(|_| ())
}

type Look = Pin<Box<dyn Future<Output = Result<(Bytes, Stat, Watcher), Error>> + Send>>;

/// Which node it is about.
struct Node {
    session: SessionId,
    path: String,
    /// When it was created, where another one of that path could be the session's, too.
    created: Option<Zxid>,
}

impl Node {
    fn of(own: &OwnNode) -> Self {
        let created = own.has_shared_name().then(|| own.created());
        Self { session: own.session(), path: own.path().to_string(), created }
    }

    fn is_shown_by(&self, stat: &Stat) -> bool {
        stat.ephemeral_owner == self.session && self.created.is_none_or(|created| created == stat.czxid)
    }
}

/// What is waited for besides the session's states.
enum Waiting {
    /// The answer to whether the node is there, and a watch on it.
    Looking(Look),
    /// Something that happens to it.
    Watching(Watcher),
    /// A server that knows, or the time when it is too late.
    CutOff(Sleep),
}

/// Tells the holder how it stands, until nobody wants to know or there is nothing more to tell.
async fn watch_over(client: Background, node: Node, hope: Hope, standing: Cell<Standing>) {
    // The first of them is the present one: where that is connected, the first look begins with it.
    let mut states = client.states();
    let mut waiting = Waiting::Looking(Box::pin(pending()));
    let tell = |tenure| standing.update(|standing| std::mem::replace(&mut standing.tenure, tenure) != tenure);
    loop {
        let news = {
            let over = pin!(standing.find(|standing| standing.is_over.then_some(())));
            // It ends when the client is to be closed, so that nobody waits for this.
            let state = pin!(states.next_while_open());
            let outside = pin!(either(over, state));
            match &mut waiting {
                Waiting::Looking(look) => match either(outside, look).await {
                    Either::First(outside) => News::Outside(outside),
                    Either::Second(found) => News::Found(found),
                },
                Waiting::Watching(watcher) => match either(outside, pin!(watcher.changed())).await {
                    Either::First(outside) => News::Outside(outside),
                    // That was the node that was looked at when the watch was set, which was ours.
                    Either::Second(Ok(event)) if event.kind == WatchedEventKind::NodeDeleted => News::Removed,
                    Either::Second(Ok(_)) => News::Touched,
                    Either::Second(Err(_)) => News::SessionOver,
                },
                Waiting::CutOff(late) => match either(outside, late).await {
                    Either::First(outside) => News::Outside(outside),
                    Either::Second(Ok(())) => News::Late,
                    Either::Second(Err(_)) => News::SessionOver,
                },
            }
        };
        match news {
            News::Outside(Either::First(())) => return,
            News::Outside(Either::Second(Some(State::Suspended { valid_until, .. }))) => {
                tell(Tenure::InDoubt { valid_until });
                // An answer that came before, and was not looked at yet, says nothing of now.
                waiting = Waiting::Looking(Box::pin(pending()));
            }
            News::Outside(Either::Second(Some(State::PresumedLost))) | News::Late => {
                tell(Tenure::Lost(Loss::Presumed));
                if hope == Hope::None {
                    return;
                }
                waiting = Waiting::Looking(Box::pin(pending()));
            }
            News::Outside(Either::Second(Some(State::Connected { session: now, read_only: true, .. })))
                if now == node.session =>
            {
                // That server is cut off from those who let the session expire, and does not hear of it.
                let valid_until = client.valid_until().unwrap_or(client.last_seen());
                tell(Tenure::InDoubt { valid_until });
                waiting = Waiting::CutOff(client.sleep_until(valid_until));
            }
            News::Outside(Either::Second(Some(State::Connected { session: now, .. }))) if now == node.session => {
                // The server may have let the node go while nobody listened.
                waiting = Waiting::Looking(look(&client, &node));
            }
            News::Outside(Either::Second(
                Some(State::Connecting | State::Connected { .. } | State::Ended(_)) | None,
            ))
            | News::SessionOver => return tell(Tenure::Lost(Loss::SessionOver)),
            News::Touched => waiting = Waiting::Looking(look(&client, &node)),
            News::Found(Ok((data, stat, watcher))) if node.is_shown_by(&stat) => {
                standing.update(|standing| {
                    let is_new = data == REVOKE && !standing.is_revoked;
                    standing.is_revoked |= is_new;
                    is_new
                });
                tell(Tenure::Held);
                waiting = Waiting::Watching(watcher);
            }
            News::Removed | News::Found(Ok(_) | Err(Error::Server(ErrorCode::NoNode))) => {
                return tell(Tenure::Lost(Loss::Removed));
            }
            News::Found(Err(Error::Ended { .. })) => return tell(Tenure::Lost(Loss::SessionOver)),
            News::Found(Err(error)) => match Trouble::of(&error) {
                Trouble::InDoubt => waiting = Waiting::Looking(look(&client, &node)),
                Trouble::SessionOver => return tell(Tenure::Lost(Loss::SessionOver)),
                // It may be that one may not read one's own node. Then the states tell all there is to know: that the session
                // lives, just now.
                Trouble::Definite => {
                    tell(Tenure::Held);
                    waiting = Waiting::Looking(Box::pin(pending()));
                }
            },
        }
    }
}

/// Something to be told.
enum News {
    Outside(Either<(), Option<State>>),
    Found(Result<(Bytes, Stat, Watcher), Error>),
    Touched,
    Removed,
    Late,
    SessionOver,
}

fn look(client: &Background, node: &Node) -> Look {
    let (client, session, path) = (client.clone(), node.session, node.path.clone());
    Box::pin(async move { client.get_data(&path).watch().pin(session).resend().await })
}
