//! A member who is inside.

use std::pin::pin;

use super::{
    super::{
        janitor::child,
        protected::OwnNode,
        session::Trouble,
        together::{both, either},
    },
    DoubleBarrier, is_race,
    sight::{Way, members, way},
};
use crate::{
    SessionId, Zxid,
    client::{Error, Watcher},
    code::ErrorCode,
    request::Children,
};

/// A place inside a [`DoubleBarrier`], until it is [left](Self::leave) or dropped.
///
/// Dropping it takes the node away in the background, without waiting for the others. The session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it leaves the barrier without waiting for the others"]
pub struct Inside {
    pub(super) barrier: DoubleBarrier,
    /// `None` when it is gone.
    pub(super) own: Option<OwnNode>,
    pub(super) name: String,
    pub(super) session: SessionId,
    /// What has opened the barrier.
    pub(super) round: Zxid,
}

impl Inside {
    /// Returns the name of the member's node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the session whose end makes everybody believe that this member has left.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Leaves, and waits until everybody who was inside has left. Where the session is over, the member has left already, and only
    /// waits.
    ///
    /// To wait for so long at most, run it in [`Client::timeout`](crate::client::Client::timeout): when that drops it, the node is
    /// taken away in the background.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn leave(mut self) -> Result<(), Error> {
        let (client, path) = (self.barrier.client.clone(), self.barrier.path.clone());
        loop {
            let list = client.get_children(&path).resend();
            let ready = client.exists(&self.barrier.ready).watch().resend();
            let (list, ready) = both(list.into_future(), ready.into_future()).await;
            let ((names, stat), (ready, mut cleared)) = match (list, ready) {
                (Ok(list), Ok(ready)) => (list, ready),
                (Err(Error::Server(ErrorCode::NoNode)), _) => return self.take_away().await,
                (Err(error), _) | (_, Err(error)) => {
                    self.barrier.go_on(error).await?;
                    continue;
                }
            };
            let is_this_round = ready.is_some_and(|ready| ready.czxid == self.round);
            let inside = if is_this_round {
                names.iter().collect()
            } else {
                // The last one to leave has cleared up; or a member of kazoo's has begun to leave, which deletes `ready` first of all.
                match self.still_inside(&names).await {
                    Ok(inside) => inside,
                    Err(error) => {
                        self.barrier.go_on(error).await?;
                        continue;
                    }
                }
            };
            if !is_this_round && inside.iter().all(|name| *name == self.name) {
                return self.take_away().await;
            }
            let (next, goes_first) = match way(&self.name, inside.into_iter()) {
                Way::Last => match self.clear_up(stat.version, names.iter().any(|name| name == self.name)).await {
                    Ok(()) => return Ok(()),
                    Err(error) if is_race(&error) => continue,
                    Err(error) => {
                        self.barrier.go_on(error).await?;
                        continue;
                    }
                },
                Way::Behind(next) => (child(&path, next), false),
                Way::Without(next) => (child(&path, next), true),
            };
            if goes_first {
                self.take_away().await?;
            }
            let mut gone: Watcher = match client.get_data(&next).watch().resend().await {
                Ok((_, _, watcher)) => watcher,
                Err(Error::Server(ErrorCode::NoNode)) => continue,
                Err(error) => {
                    self.barrier.go_on(error).await?;
                    continue;
                }
            };
            // What has happened, the next look tells: that the session is over, for instance.
            _ = either(pin!(gone.changed()), pin!(cleared.changed())).await;
        }
    }

    /// Finds who has been here since before the barrier was opened. Who came later may be at the door of the next round.
    async fn still_inside<'a>(&self, names: &'a Children) -> Result<Vec<&'a str>, Error> {
        let mut inside = Vec::new();
        for name in members(names.iter()) {
            let path = child(&self.barrier.path, name);
            let found = self.barrier.client.exists(&path).resend().await?;
            if found.is_some_and(|stat| stat.czxid < self.round) {
                inside.push(name);
            }
        }
        Ok(inside)
    }

    /// Deletes the own node, if it is still there.
    async fn take_away(&mut self) -> Result<(), Error> {
        match self.own.take() {
            Some(own) => own.delete().await,
            None => Ok(()),
        }
    }

    /// Deletes the own node and `ready` at one stroke, unless the barrier has been opened, cleared or left since.
    async fn clear_up(&mut self, version: i32, is_here: bool) -> Result<(), Error> {
        let barrier = &self.barrier;
        let mut multi = barrier.client.multi().set_data(&barrier.path, b"", version);
        let own = self.own.take().filter(|_| is_here);
        if let Some(own) = &own {
            multi = multi.delete(own.path(), None).pin(own.session());
        }
        let result = multi.delete(&barrier.ready, None).await;
        match (&result, own) {
            (Ok(_), Some(own)) => own.forget(),
            (Err(error), Some(own)) if Trouble::of(error) == Trouble::SessionOver => own.forget(),
            (_, own) => self.own = own,
        }
        result.map(|_| ())
    }
}
