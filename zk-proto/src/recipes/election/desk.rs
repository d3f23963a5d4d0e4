//! What a participant is told, and what it says.
//!
//! Its background and its handle meet here. Whether it leads is decided under one lock, so that giving up counts from the moment at
//! which it is asked for, and so that nobody who asks sees two terms without an end between them.

use std::sync::Arc;

use super::super::{
    cell::Cell,
    lock::{FencingToken, Held},
};
use crate::{
    SessionId,
    client::Error,
    request::{Op, Version},
};

/// How it stands with a participant of an election.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leadership {
    /// It stands in line, or is on the way there, and has not led yet.
    Standing,
    /// It leads.
    Leading(Term),
    /// It led, with this token, and does not any more. It stands again, or still.
    Lost(FencingToken, LeadershipLoss),
    /// It cannot stand: [`NoAuth`](crate::code::ErrorCode::NoAuth), for instance. It tries again from time to time.
    Refused(Error),
    /// There is no session any more, nor will there be one.
    Over,
}

impl Leadership {
    /// Returns the term, if it leads.
    pub fn term(&self) -> Option<&Term> {
        match self {
            Self::Leading(term) => Some(term),
            Self::Standing | Self::Lost(..) | Self::Refused(_) | Self::Over => None,
        }
    }

    /// Returns whether it leads.
    pub fn is_leading(&self) -> bool {
        self.term().is_some()
    }
}

/// Why a participant does not lead any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeadershipLoss {
    /// The connection is lost. When a server is reached in time, it leads again, in the same term.
    Suspended,
    /// No server was reached by the time up to which the session was certain to live. Perhaps nobody else leads yet; then it leads
    /// again when a server is reached.
    Presumed,
    /// The session is over.
    SessionOver,
    /// Somebody has deleted the node.
    Removed,
    /// It was [given up](super::Candidacy::relinquish).
    GivenUp,
}

/// A time of being the leader, which lasts as long as one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    token: FencingToken,
    path: Arc<str>,
    session: SessionId,
}

impl Term {
    pub(super) fn of(held: &Held) -> Self {
        Self { token: held.fencing_token(), path: held.path().into(), session: held.session() }
    }

    /// Returns the number that tells this term from every earlier one of any leader.
    pub fn fencing_token(&self) -> FencingToken {
        self.token
    }

    /// Returns the leader's node.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the session of the leader's node.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Returns an operation for a [multi](crate::client::Client::multi) that fails it where the term is over.
    pub fn check(&self) -> Op<'_> {
        Op::Check { path: &self.path, version: Version::Any }
    }
}

/// Where the handle and the background meet. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Desk(Cell<Post>);

#[derive(Clone, Debug)]
struct Post {
    leadership: Leadership,
    /// How the newest term has ended.
    lost: Option<(FencingToken, LeadershipLoss)>,
    /// The node is to go, although it is the first.
    is_given_up: bool,
    /// The handle is gone.
    is_left: bool,
}

impl Post {
    fn lose(&mut self, loss: LeadershipLoss) -> bool {
        let Leadership::Leading(term) = &self.leadership else { return false };
        let token = term.token;
        self.lost = Some((token, loss));
        self.leadership = Leadership::Lost(token, loss);
        true
    }
}

/// The handle's side.
impl Desk {
    pub(super) fn new() -> Self {
        Self(Cell::new(Post { leadership: Leadership::Standing, lost: None, is_given_up: false, is_left: false }))
    }

    pub(super) fn leadership(&self) -> Leadership {
        self.0.get().leadership
    }

    /// Waits until it stands otherwise than known. Between two terms there is always the end of one.
    pub(super) async fn changed(&self, known: &Leadership) -> Leadership {
        self.0
            .find(|post| match (known, &post.leadership) {
                (known, now) if known == now => None,
                (Leadership::Leading(_), Leadership::Leading(_)) => {
                    post.lost.map(|(token, loss)| Leadership::Lost(token, loss))
                }
                (_, now) => Some(now.clone()),
            })
            .await
    }

    /// Waits for the end of a term.
    pub(super) async fn ended(&self, term: &Term) -> LeadershipLoss {
        let ended = |post: &Post| match &post.leadership {
            Leadership::Leading(now) if now == term => None,
            _ => Some(post.lost.map_or(LeadershipLoss::SessionOver, |(_, loss)| loss)),
        };
        self.0.find(ended).await
    }

    /// Gives up the term, if it lasts.
    pub(super) fn give_up(&self, term: &Term) {
        self.0.update(|post| {
            let is_given_up = post.leadership.term() == Some(term) && post.lose(LeadershipLoss::GivenUp);
            post.is_given_up |= is_given_up;
            is_given_up
        });
    }

    /// The handle goes.
    pub(super) fn leave(&self) {
        self.0.update(|post| !std::mem::replace(&mut post.is_left, true));
    }
}

/// The background's side.
impl Desk {
    /// Waits until the handle is gone.
    pub(super) async fn left(&self) {
        self.0.find(|post| post.is_left.then_some(())).await;
    }

    /// Waits until the term is given up.
    pub(super) async fn given_up(&self) {
        self.0.find(|post| post.is_given_up.then_some(())).await;
    }

    /// Tells that it leads, unless that was given up.
    pub(super) fn gain(&self, term: &Term) {
        self.0.update(|post| {
            let is_news = !post.is_given_up && post.leadership.term() != Some(term);
            if is_news {
                post.leadership = Leadership::Leading(term.clone());
            }
            is_news
        });
    }

    /// Tells that it does not lead, if it did.
    pub(super) fn lose(&self, loss: LeadershipLoss) {
        self.0.update(|post| post.lose(loss));
    }

    /// Notes that the node of the term is gone, or goes: whatever comes is another term.
    pub(super) fn turn_over(&self) {
        self.0.update(|post| std::mem::replace(&mut post.is_given_up, false));
    }

    /// Tells that it cannot stand.
    pub(super) fn refuse(&self, error: Error) {
        self.0.update(|post| {
            post.leadership = Leadership::Refused(error);
            true
        });
    }

    /// Tells that it stands again, if it could not.
    pub(super) fn stand(&self) {
        self.0.update(|post| {
            let is_news = matches!(post.leadership, Leadership::Refused(_));
            if is_news {
                post.leadership = Leadership::Standing;
            }
            is_news
        });
    }

    /// Tells that nothing more will come.
    pub(super) fn close(&self) {
        self.0.update(|post| {
            post.lose(LeadershipLoss::SessionOver);
            post.leadership = Leadership::Over;
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn term(token: u64) -> Term {
        Term { token: FencingToken(token), path: format!("/e/latch-{token}").into(), session: SessionId(1) }
    }

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn between_two_terms_there_is_the_end_of_one_however_slow_the_listener() {
        let desk = Desk::new();
        desk.gain(&term(1));
        let known = desk.leadership();
        assert_eq!(now(desk.changed(&known)), None);

        desk.lose(LeadershipLoss::Removed);
        desk.gain(&term(2));

        let lost = now(desk.changed(&known)).unwrap();
        assert_eq!(lost, Leadership::Lost(FencingToken(1), LeadershipLoss::Removed));
        assert_eq!(now(desk.changed(&lost)), Some(Leadership::Leading(term(2))));
        assert_eq!(now(desk.ended(&term(1))), Some(LeadershipLoss::Removed));
        assert_eq!(now(desk.ended(&term(2))), None);
    }

    #[test]
    fn who_gives_up_leads_no_more_whatever_the_background_knows() {
        let desk = Desk::new();
        desk.gain(&term(1));
        desk.give_up(&term(1));
        let given_up = Leadership::Lost(FencingToken(1), LeadershipLoss::GivenUp);
        assert_eq!(desk.leadership(), given_up);

        desk.lose(LeadershipLoss::Suspended);
        desk.gain(&term(1));

        assert_eq!(desk.leadership(), given_up);
        assert_eq!(now(desk.given_up()), Some(()));
        desk.turn_over();
        assert_eq!(now(desk.given_up()), None);
        desk.gain(&term(2));
        assert_eq!(desk.leadership(), Leadership::Leading(term(2)));
    }

    #[test]
    fn only_the_term_that_lasts_can_be_given_up() {
        let desk = Desk::new();
        desk.give_up(&term(1));
        desk.gain(&term(2));
        desk.give_up(&term(1));
        assert_eq!(desk.leadership(), Leadership::Leading(term(2)));
        desk.lose(LeadershipLoss::Suspended);

        desk.give_up(&term(2));

        assert_eq!(now(desk.given_up()), None);
        assert_eq!(desk.leadership(), Leadership::Lost(FencingToken(2), LeadershipLoss::Suspended));
    }

    #[test]
    fn the_end_of_everything_is_the_end_of_the_term() {
        let desk = Desk::new();
        desk.gain(&term(1));

        desk.close();

        assert_eq!(desk.leadership(), Leadership::Over);
        assert_eq!(now(desk.ended(&term(1))), Some(LeadershipLoss::SessionOver));
    }
}
