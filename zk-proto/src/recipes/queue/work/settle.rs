//! Ending a claim together with what it was for, in one transaction.

use super::super::{
    super::{guid::Guid, janitor::child, lock::Held, session::Trouble, together::both},
    item::Item,
    store::Store,
};
use crate::{
    broken::broken,
    client::Error,
    code::{CreateMode, ErrorCode},
    request::{Create2, Version},
};

/// What came of settling a [`Delivery`](super::Delivery).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "somebody else may be working on it"]
#[non_exhaustive]
pub enum Settled {
    /// It was done, and the claim is given back.
    Done,
    /// The claim was lost before: somebody else works on the item, or will. Nothing was done.
    ClaimLost,
    /// The session ended before the reply, and the item is gone: this was done, or somebody else has settled it since.
    Unknown,
    /// Somebody has deleted the item although it was claimed. Nothing was done.
    Gone,
}

/// What is to become of an item.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim<'a> {
    /// It is deleted.
    Delete,
    /// It goes to the end of the entries below this node.
    Move { to: &'a str },
}

/// A claimed item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) store: &'a Store,
    pub(super) held: &'a Held,
    pub(super) item: &'a Item,
    /// Whether each claim changes the entry's version.
    pub(super) is_counted: bool,
}

impl Case<'_> {
    /// Does what is to be done with the item, and gives the claim back, if it is still held.
    pub(super) async fn settle(&self, aim: Aim<'_>) -> Result<Settled, Error> {
        let Self { store, held, item, is_counted } = *self;
        if broken!("work queue: acks without asking whether it has the claim") {
            return store.client.delete(item.path()).await.map(|()| Settled::Done);
        }
        let version = if is_counted { item.version() } else { Version::Any };
        // Another entry of that name can come, when somebody has deleted this one and the numbers have begun anew. It has not been
        // claimed, and is not to go with this one; and where claims are counted, its version tells it from this one.
        let may_be_another = !is_counted && !store.form.is_unique();
        let guid = Guid::new(&store.client).dashed();
        loop {
            if may_be_another && !store.is_there(item).await? {
                return Ok(self.without_item().await);
            }
            let moved = match aim {
                Aim::Delete => None,
                Aim::Move { to } => Some(child(to, &store.form.prefix(item.label(), &guid))),
            };
            let mut multi = held.transaction().delete(item.path(), version);
            if let Some(path) = &moved {
                let mut create = Create2::new(path, item.raw()).mode(CreateMode::PersistentSequential);
                create.acl = store.acl();
                multi = multi.create_with(create);
            }
            let Err(error) = multi.delete(held.path(), None).await else { return Ok(Settled::Done) };
            if let Error::Multi(failure) = &error {
                match (failure.index, failure.error, aim) {
                    (0, ErrorCode::NoNode, _) => return Ok(Settled::ClaimLost),
                    (1, ErrorCode::BadVersion, _) => {
                        let is_gone = matches!(store.is_there(item).await, Ok(false));
                        return Ok(if is_gone { self.without_item().await } else { Settled::ClaimLost });
                    }
                    (1, ErrorCode::NoNode, _) => return Ok(Settled::Gone),
                    (2, ErrorCode::NoNode, Aim::Move { to }) => store.ensure(to).await?,
                    _ => return Err(error),
                }
            } else if !error.is_certainly_not_applied() {
                if let Some(settled) = self.find_out().await {
                    return Ok(settled);
                }
            } else if Trouble::of(&error) == Trouble::SessionOver {
                return Ok(Settled::ClaimLost);
            } else {
                return Err(error);
            }
        }
    }

    /// Finds out whether a transaction without a reply was carried out; nothing where it was not, and may be tried again.
    async fn find_out(&self) -> Option<Settled> {
        let if_gone = match self.has_claim().await {
            // It would be gone with the item.
            Ok(true) => return None,
            Ok(false) => Settled::Done,
            // The claim is gone with the session, so it does not tell any more.
            Err(_) => Settled::Unknown,
        };
        match self.store.is_there(self.item).await {
            Ok(true) => Some(Settled::ClaimLost),
            Ok(false) => Some(if_gone),
            Err(_) => Some(Settled::Unknown),
        }
    }

    /// Finds out why the item is not there: whoever has claimed it since may have settled it.
    async fn without_item(&self) -> Settled {
        if matches!(self.has_claim().await, Ok(true)) { Settled::Gone } else { Settled::ClaimLost }
    }

    /// Asks whether the claim is held, whatever was written by now.
    ///
    /// # Errors
    ///
    /// When the session is over, and the server's.
    async fn has_claim(&self) -> Result<bool, Error> {
        let (client, held) = (&self.store.client, self.held);
        loop {
            let sync = client.sync(held.path()).pin(held.session()).resend();
            let claim = client.exists(held.path()).pin(held.session()).resend();
            match both(sync.into_future(), claim.into_future()).await {
                (Ok(()), Ok(stat)) => return Ok(stat.is_some_and(|stat| held.is_shown_by(&stat))),
                (Err(error), _) | (_, Err(error)) if Trouble::of(&error) == Trouble::InDoubt => {}
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
    }
}
