//! Reading whichever release is pointed to.

use std::{pin::pin, sync::Arc};

use super::{
    super::{
        cache::{NodeCache, NodeView},
        cell::Cell,
        session::Trouble,
        together::{Either, either},
        value::Unreadable,
    },
    ReleaseCodec, ReleaseView, Settings,
    layout::{self, Paths},
    read,
};
use crate::{
    client::{Background, Error},
    code::ErrorCode,
};

/// What the background has found out, and what it is told.
#[derive(Debug)]
pub(super) struct Told<T> {
    pub(super) observed: ReleaseView<T>,
    pub(super) is_initialized: bool,
    /// There will be nothing new.
    pub(super) is_over: bool,
    /// Nobody wants to know any more.
    pub(super) is_unwanted: bool,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        let observed = ReleaseView { value: None, name: None, revision: None, rejected: None, is_stale: true };
        Self { observed, is_initialized: false, is_over: false, is_unwanted: false }
    }
}

impl<T> Clone for Told<T> {
    fn clone(&self) -> Self {
        Self { observed: self.observed.clone(), ..*self }
    }
}

/// Tells what was read. When it is dropped, with the driver perhaps, there will be nothing new.
pub(super) struct Reporter<T>(pub(super) Cell<Told<T>>);

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        self.0.update(|told| {
            told.observed.is_stale = true;
            !std::mem::replace(&mut told.is_over, true)
        });
    }
}

/// What reads in the background. It holds the cache, which keeps the session open, so it ends when the last handle is dropped.
pub(super) struct Follower<C: ReleaseCodec> {
    pub(super) client: Background,
    pub(super) cache: NodeCache,
    pub(super) paths: Arc<Paths>,
    pub(super) codec: Arc<C>,
    pub(super) reporter: Reporter<C::Value>,
}

/// What came of following the pointer.
enum Followed {
    Release(Arc<str>, Settings),
    Broken(Unreadable),
    /// The pointer points elsewhere by now.
    MovedOn,
}

impl<C: ReleaseCodec> Follower<C> {
    /// Reads until nobody wants to know, or there is nothing more to know.
    pub(super) async fn run(self) {
        let unwanted = pin!(self.reporter.0.find(|told| told.is_unwanted.then_some(())));
        either(unwanted, pin!(self.follow())).await;
    }

    async fn follow(&self) {
        let mut view = self.cache.current();
        loop {
            let Ok(newest) = self.take_in(&view).await else { return };
            view = if newest.node.revision() == view.node.revision() && newest.is_stale == view.is_stale {
                let Ok(newer) = self.cache.changed(&newest).await else { return };
                newer
            } else {
                newest
            };
        }
    }

    /// Tells what a pointer points to, and returns the newest pointer.
    async fn take_in(&self, view: &NodeView) -> Result<NodeView, Error> {
        let known = self.reporter.0.get().observed;
        let is_known = known.revision == view.node.revision() && (known.rejected.is_none() || view.is_stale);
        let Some(pointer) = view.data().filter(|_| !is_known) else {
            self.tell(view, view, None);
            return Ok(view.clone());
        };
        let mut following = pin!(self.read(view, pointer));
        let mut newest = view.clone();
        loop {
            // A pointer that moves on and on is no reason to show nothing: what was begun is read to its end.
            let next = either(&mut following, pin!(self.cache.changed(&newest))).await;
            match next {
                Either::First(followed) => {
                    self.tell(view, &newest, Some(followed?));
                    return Ok(newest);
                }
                Either::Second(newer) => {
                    newest = newer?;
                    self.reporter.0.update(|told| {
                        let was_stale = std::mem::replace(&mut told.observed.is_stale, newest.is_stale);
                        was_stale != newest.is_stale
                    });
                }
            }
        }
    }

    /// Reads what a pointer points to.
    async fn read(&self, view: &NodeView, pointer: &[u8]) -> Result<Followed, Error> {
        let name = match layout::pointed(pointer) {
            Ok(name) => name,
            Err(why) => return Ok(Followed::Broken(why)),
        };
        loop {
            match self.read_once(view, name).await {
                Err(error) if Trouble::of(&error) != Trouble::Definite => self.client.connected().await?,
                Err(Error::Server(code)) => return Ok(Followed::Broken(Unreadable::new(code))),
                followed => return followed,
            }
        }
    }

    async fn read_once(&self, view: &NodeView, name: &str) -> Result<Followed, Error> {
        let why = match read::read(&self.client, &self.paths.release(name)).await? {
            Ok(settings) => return Ok(Followed::Release(name.into(), settings)),
            Err(why) => why,
        };
        // It may be old by now, and deleted.
        match self.client.exists(&self.paths.current).resend().await {
            Ok(Some(stat)) if Some((stat.czxid, stat.mzxid)) == view.node.revision() => Ok(Followed::Broken(why)),
            Ok(_) | Err(Error::Server(ErrorCode::NoNode)) => Ok(Followed::MovedOn),
            Err(error) => Err(error),
        }
    }

    /// Tells what was found where a pointer points; nothing where that is known already.
    fn tell(&self, view: &NodeView, newest: &NodeView, followed: Option<Followed>) {
        // Read outside the lock.
        let read = followed.map(|followed| match followed {
            Followed::Release(name, settings) => Some(self.codec.read(&settings).map(|value| (name, Arc::new(value)))),
            Followed::Broken(why) => Some(Err(why)),
            Followed::MovedOn => None,
        });
        self.reporter.0.update(|told| {
            let observed = &mut told.observed;
            observed.is_stale = newest.is_stale;
            match read {
                // The next pointer is about to be told.
                Some(None) => return true,
                Some(Some(Ok((name, value)))) => {
                    (observed.name, observed.value, observed.rejected) = (Some(name), Some(value), None);
                }
                Some(Some(Err(why))) => observed.rejected = Some(why),
                None if view.node.revision().is_none() => {
                    (observed.name, observed.value, observed.rejected) = (None, None, None);
                }
                None => {}
            }
            observed.revision = view.node.revision();
            told.is_initialized |= view.is_initialized();
            true
        });
    }
}
