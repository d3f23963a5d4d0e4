//! A participant's handle.

use std::{future::Future, pin::pin};

use super::{
    super::{
        session::Trouble,
        together::{Either, either},
    },
    LeaderLatch,
    campaign::{Clerk, campaign},
    desk::{Desk, Leadership, LeadershipLoss, Term},
    participants::Participant,
};
use crate::{
    Instant,
    client::{Call, Client, Error},
    request::{Multi, OpResult},
    session::{End, Sent},
};

/// Standing for election, made by [`LeaderLatch::stand`]: as long as it is there, its participant stands, or leads.
///
/// Dropping it withdraws, in the background: nothing is left, not even where the node is being made at that moment (CURATOR-18). The
/// session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it withdraws from the election"]
pub struct Candidacy {
    latch: LeaderLatch,
    desk: Desk,
}

/// What came of the work of a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Led<T> {
    /// It was done, in one term.
    Done(T),
    /// The term ended first, and the work was dropped.
    Lost(LeadershipLoss),
}

impl Candidacy {
    pub(super) fn begin(latch: LeaderLatch) -> Self {
        let desk = Desk::new();
        let (clerk, line, on_suspend) = (Clerk(desk.clone()), latch.line.clone(), latch.on_suspend);
        latch.line.client.spawn(|client| campaign(client, line, on_suspend, clerk));
        Self { latch, desk }
    }

    fn client(&self) -> &Client {
        &self.latch.line.client
    }

    /// Returns how it stands now.
    pub fn leadership(&self) -> Leadership {
        self.desk.leadership()
    }

    /// Returns whether it leads now.
    pub fn is_leading(&self) -> bool {
        self.leadership().is_leading()
    }

    /// Waits until it stands otherwise than `known`, and returns how. May be cancelled at any moment.
    ///
    /// Who goes from one answer to the next hears of gaining and losing in turns: between two terms there is always something that
    /// is none, however slowly one listens. Terms that came and went meanwhile are not told.
    pub async fn changed(&self, known: &Leadership) -> Leadership {
        self.desk.changed(known).await
    }

    /// Waits until it leads.
    ///
    /// # Errors
    ///
    /// When it [cannot stand](Leadership::Refused) at the moment, though it goes on trying; and when there is no session any more.
    pub async fn gained(&self) -> Result<Term, Error> {
        let mut known = self.leadership();
        loop {
            known = match known {
                Leadership::Leading(term) => return Ok(term),
                Leadership::Refused(error) => return Err(error),
                Leadership::Over => {
                    let over = Error::Ended { end: End::Closed, sent: Sent::No };
                    return Err(self.client().connected().await.err().unwrap_or(over));
                }
                Leadership::Standing | Leadership::Lost(..) => self.changed(&known).await,
            }
        }
    }

    /// Waits until the term is over or interrupted, and returns why.
    pub async fn lost(&self, term: &Term) -> LeadershipLoss {
        self.desk.ended(term).await
    }

    /// Waits until it leads, does the work as long as it does, and [gives up](Self::relinquish) when the work is done: the
    /// next in line leads, and this one stands at the end of the line again.
    ///
    /// Called in a loop, this is Curator's `LeaderSelector` with `autoRequeue`, and kazoo's `Election.run`. When the term ends before
    /// the work, the work is dropped where it is. Dropping this future drops the work and gives up the term.
    ///
    /// # Errors
    ///
    /// As [`gained`](Self::gained); then the work was not begun.
    pub async fn lead<T, F: Future<Output = T>>(&self, work: impl FnOnce(Term) -> F) -> Result<Led<T>, Error> {
        let term = self.gained().await?;
        let turn = Turn { desk: &self.desk, term: &term };
        let lost = pin!(self.lost(&term));
        let work = pin!(work(term.clone()));
        // Work is not touched any more when the term is over.
        let led = match either(lost, work).await {
            Either::First(loss) => Led::Lost(loss),
            Either::Second(done) => Led::Done(done),
        };
        drop(turn);
        Ok(led)
    }

    /// Gives up the term, and goes to the end of the line. That counts at once: from now on it does not lead, and the others hear
    /// of it when the server has deleted the node.
    ///
    /// Where that term is over already, or interrupted, this does nothing: it never costs a later one.
    pub fn relinquish(&self, term: &Term) {
        self.desk.give_up(term);
    }

    /// Returns until when it certainly leads, unless somebody deletes its node: see
    /// [`Client::valid_until`](crate::client::Client::valid_until). `None` when it does not lead.
    pub fn valid_until(&self) -> Option<Instant> {
        let leadership = self.leadership();
        let term = leadership.term().filter(|term| self.client().session() == Some(term.session()));
        term.and_then(|_| self.client().valid_until())
    }

    /// Begins a list of writes that are carried out only if the term lasts at that moment: a
    /// [multi](crate::client::Client::multi) with a [check](Term::check) of the leader's node, in its session.
    ///
    /// When it does not, it fails with [`NoNode`](crate::code::ErrorCode::NoNode) for the first operation, or with
    /// [`Error::SessionChanged`].
    pub fn transaction<'a>(&'a self, term: &'a Term) -> Call<'a, Multi<'a>, Vec<OpResult>> {
        self.client().multi().op(term.check()).pin(term.session())
    }

    /// Announces something else than the [data](LeaderLatch::data) that it stood with, for the rest of the term: replaces the data of
    /// the leader's node. [Observers](super::LeaderObserver) see it.
    ///
    /// Not where a Curator `LeaderLatch` may be next in line: it watches the leader's data, takes a change of it as no concern of its own, and
    /// does not watch again, so that it sleeps through the end of the term. Those of this crate and kazoo's go on watching.
    ///
    /// # Errors
    ///
    /// The server's; [`NoNode`](crate::code::ErrorCode::NoNode) or [`Error::SessionChanged`] when the term is over.
    pub async fn proclaim(&self, term: &Term, data: &[u8]) -> Result<(), Error> {
        loop {
            match self.client().set_data(term.path(), data).pin(term.session()).await {
                Ok(_) => return Ok(()),
                // Nobody else writes there, so twice is as good as once.
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lists who stands, the leader first; see [`LeaderLatch::participants`].
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn participants(&self) -> Result<Vec<Participant>, Error> {
        self.latch.participants().await
    }

    /// Returns what it stands for, and with what.
    pub fn latch(&self) -> &LeaderLatch {
        &self.latch
    }
}

impl Drop for Candidacy {
    fn drop(&mut self) {
        self.desk.leave();
    }
}

/// A leader's turn, which ends with his work, however that ends.
struct Turn<'a> {
    desk: &'a Desk,
    term: &'a Term,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.desk.give_up(self.term);
    }
}
