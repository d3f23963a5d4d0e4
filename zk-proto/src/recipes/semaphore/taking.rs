//! Getting leases: a turn at a lock, then a look at how many leases there are.
//!
//! Whoever has his turn makes the nodes of his leases, and has them when there are not too many. He holds the lock until then, for as
//! many as he wants, so that of those who wait only one watches the leases, and no two wait for each other with a part of what
//! they want. That there are never too many does not rest on the lock, which may be taken away: of those who count, the one who
//! counts last counts all.

use std::{future::pending, pin::pin};

use super::{
    super::{
        guid::Guid,
        line::Patience,
        protected::{self, OwnNode, Plan},
        session::{Trouble, session},
        together::{Either, all, both, either},
    },
    Semaphore, SemaphoreError,
};
use crate::{
    SessionId,
    broken::broken,
    client::{Error, Watcher},
    code::ErrorCode,
    request::Children,
};

/// How often one's own nodes may vanish, in the same session, before it ends: somebody deletes them.
const PATIENCE: usize = 16;

/// How it ended.
enum Taken {
    All(Vec<OwnNode>),
    /// Others have what is wanted, and are not waited for.
    Engaged,
    /// Somebody has deleted one of the nodes.
    Disturbed,
}

/// What was seen at one moment.
struct Sight {
    /// The leases of all.
    leases: Children,
    max: u32,
}

/// What tells that it may look different by now.
struct Watchers {
    leases: Option<Watcher>,
    max: Option<Watcher>,
    turn: Option<Watcher>,
}

impl Sight {
    /// Returns whether so many more may be there.
    fn has_room(&self, more: usize) -> bool {
        u64::try_from(self.leases.len() + more).is_ok_and(|all| all <= u64::from(self.max))
    }

    fn shows(&self, own: &[OwnNode]) -> bool {
        own.iter().all(|own| self.leases.iter().any(|name| name == own.name()))
    }
}

impl Watchers {
    async fn changed(&mut self) -> Result<(), Error> {
        async fn told(watcher: Option<&mut Watcher>) -> Result<(), Error> {
            match watcher {
                Some(watcher) => watcher.changed().await.map(drop).map_err(|_| Error::SessionChanged),
                None => pending().await,
            }
        }
        let (leases, max, turn) = (told(self.leases.as_mut()), told(self.max.as_mut()), told(self.turn.as_mut()));
        let (leases, max, turn) = (pin!(leases), pin!(max), pin!(turn));
        match either(pin!(either(leases, max)), turn).await {
            Either::First(Either::First(told) | Either::Second(told)) | Either::Second(told) => told,
        }
    }
}

impl Semaphore {
    /// Takes so many leases, or none where they are not waited for.
    pub(super) async fn take(&self, count: usize, patience: Patience) -> Result<Option<Vec<OwnNode>>, SemaphoreError> {
        let (mut tries, mut before) = (PATIENCE, None);
        loop {
            let session = session(&self.line.client).await?;
            if before.replace(session) != Some(session) {
                tries = PATIENCE;
            }
            match self.take_once(session, count, patience).await {
                Ok(Taken::All(leases)) => return Ok(Some(leases)),
                Ok(Taken::Engaged) => return Ok(None),
                Ok(Taken::Disturbed) if tries > 0 => tries -= 1,
                Ok(Taken::Disturbed) => return Err(Error::Server(ErrorCode::NoNode).into()),
                Err(SemaphoreError::Client(error)) if Trouble::of(&error) == Trouble::SessionOver => {
                    if self.line.stays_in_session {
                        return Err(Error::SessionChanged.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn take_once(&self, session: SessionId, count: usize, patience: Patience) -> Result<Taken, SemaphoreError> {
        self.agree().await?;
        if patience == Patience::None && !self.glance(session).await?.has_room(count) {
            return Ok(Taken::Engaged);
        }
        let Some(turn) = self.line.take_in(session, patience).await? else { return Ok(Taken::Engaged) };
        let taken = self.take_in_turn(session, &turn, count, patience).await?;
        turn.delete().await?;
        Ok(taken)
    }

    async fn take_in_turn(
        &self,
        session: SessionId,
        turn: &OwnNode,
        count: usize,
        patience: Patience,
    ) -> Result<Taken, SemaphoreError> {
        loop {
            if self.layout.wants_room_first() && !self.glance(session).await?.has_room(count) {
                if patience == Patience::None {
                    return Ok(Taken::Engaged);
                }
                if !self.wait_for_room(session, turn, &[], count).await? {
                    return Ok(Taken::Disturbed);
                }
            }
            // All in one write: where there is room, that is all there is to it.
            let (leases, sight) = both(self.make(session, count), self.glance(session)).await;
            let (leases, mut sight) = (leases?, sight?);
            if !sight.shows(&leases) {
                // Some of them were made later than the list.
                sight = self.glance(session).await?;
            }
            let is_disturbed = !sight.shows(&leases);
            if !is_disturbed && sight.has_room(0) {
                return Ok(Taken::All(leases));
            }
            if is_disturbed || patience == Patience::None {
                give_back(leases).await?;
                return Ok(if is_disturbed { Taken::Disturbed } else { Taken::Engaged });
            }
            if self.layout.wants_room_first() {
                // Somebody has made one who had no turn, or not any more.
                give_back(leases).await?;
                continue;
            }
            if self.wait_for_room(session, turn, &leases, 0).await? {
                return Ok(Taken::All(leases));
            }
            give_back(leases).await?;
            return Ok(Taken::Disturbed);
        }
    }

    /// Makes the nodes of leases.
    async fn make(&self, session: SessionId, count: usize) -> Result<Vec<OwnNode>, Error> {
        let mut leases = Vec::with_capacity(count);
        for _ in 0..count {
            leases.push(self.make_one(session));
        }
        all(leases).await.into_iter().collect()
    }

    async fn make_one(&self, session: SessionId) -> Result<OwnNode, Error> {
        let (prefix, mode) = self.layout.lease(Guid::new(&self.line.client));
        let (data, acl) = (&*self.data, self.line.acl.as_deref());
        let plan = Plan { parent: &self.leases, prefix: &prefix, data, acl, mode };
        protected::create(&self.line.client, session, &plan).await
    }

    /// Looks how it is now.
    async fn glance(&self, session: SessionId) -> Result<Sight, SemaphoreError> {
        loop {
            match self.glance_once(session).await {
                Err(SemaphoreError::Client(error)) if Trouble::of(&error) == Trouble::InDoubt => {}
                seen => return seen,
            }
        }
    }

    async fn glance_once(&self, session: SessionId) -> Result<Sight, SemaphoreError> {
        let client = &self.line.client;
        let list = client.get_children(&self.leases).pin(session).resend();
        let (list, max) = both(list.into_future(), self.max.read(client, session)).await;
        let leases = match list {
            Ok((leases, _)) => leases,
            Err(Error::Server(ErrorCode::NoNode)) => Children::default(),
            Err(error) => return Err(error.into()),
        };
        Ok(Sight { leases, max: max? })
    }

    /// Waits until so many more leases may be there. False when somebody has deleted one's own, or ended one's turn.
    async fn wait_for_room(
        &self,
        session: SessionId,
        turn: &OwnNode,
        own: &[OwnNode],
        more: usize,
    ) -> Result<bool, SemaphoreError> {
        let mut watchers: Option<Watchers> = None;
        loop {
            let Some((sight, anew)) = self.watch(session, turn).await? else { return Ok(false) };
            if !sight.shows(own) {
                return Ok(false);
            }
            if sight.has_room(more) {
                return Ok(true);
            }
            // The old ones are let go behind that, so what did not fire is not taken off the server in between.
            watchers.insert(anew).changed().await?;
        }
    }

    /// Looks how it is now, with watches; `None` when one's turn is over.
    async fn watch(&self, session: SessionId, turn: &OwnNode) -> Result<Option<(Sight, Watchers)>, SemaphoreError> {
        loop {
            match self.watch_once(session, turn).await {
                Err(SemaphoreError::Client(error)) if Trouble::of(&error) == Trouble::InDoubt => {}
                seen => return seen,
            }
        }
    }

    async fn watch_once(
        &self,
        session: SessionId,
        turn: &OwnNode,
    ) -> Result<Option<(Sight, Watchers)>, SemaphoreError> {
        let client = &self.line.client;
        let list = client.get_children(&self.leases).watch().pin(session).resend();
        let own = client.get_data(turn.path()).watch().pin(session).resend();
        let reads = both(list.into_future(), own.into_future());
        let ((list, own), max) = both(reads, self.max.watch(client, session)).await;
        let turn = match own {
            Ok((_, _, watcher)) => Some(watcher),
            Err(Error::Server(ErrorCode::NoNode)) if broken!("semaphore: waits on when its turn was taken away") => {
                None
            }
            Err(Error::Server(ErrorCode::NoNode)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (leases, watcher) = match list {
            Ok((leases, _, watcher)) => (leases, Some(watcher)),
            Err(Error::Server(ErrorCode::NoNode)) => (Children::default(), None),
            Err(error) => return Err(error.into()),
        };
        let (max, max_watcher) = max?;
        Ok(Some((Sight { leases, max }, Watchers { leases: watcher, max: max_watcher, turn })))
    }
}

async fn give_back(leases: Vec<OwnNode>) -> Result<(), Error> {
    all(leases.into_iter().map(OwnNode::delete)).await.into_iter().collect()
}
