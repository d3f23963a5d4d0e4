//! Standing in line, below a node that all who want something know.
//!
//! Each makes a sequential node of its own, and waits for those that are ahead and matter to it: one at a time, so that whoever
//! goes wakes one other. What the nodes are called, and who matters to whom, is for the recipe to say.

mod order;

use std::sync::Arc;

use super::{
    guid::Guid,
    janitor::child,
    protected::{self, OwnNode, Plan},
    session::{Trouble, session},
    together::both,
};
use crate::{
    SessionId,
    broken::broken,
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    path,
    record::Acl,
    request::Children,
};

use order::Place;
pub(crate) use order::{Contender, Number, head};

/// How often one's own node may vanish, in the same session, before standing in line ends: somebody deletes them.
const PATIENCE: usize = 16;

/// What the nodes of a line are called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    /// Returns the beginning of a name of our own, which ends with the number.
    pub(crate) prefix: fn(Guid) -> String,
    /// Reads a name as that of somebody in line.
    pub(crate) contender: fn(&str) -> Option<Contender<'_>>,
    /// Returns whether we wait for somebody of that name who is ahead.
    pub(crate) is_awaited: fn(&str) -> bool,
}

/// Waits for everybody who is ahead.
pub(crate) fn everybody(_: &str) -> bool {
    true
}

/// A line to stand in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) client: Client,
    /// What the nodes are below of.
    pub(crate) path: Arc<str>,
    pub(crate) names: Names,
    /// What the nodes contain.
    pub(crate) data: Arc<[u8]>,
    pub(crate) acl: Option<Arc<[Acl]>>,
    /// Whether to fail with [`Error::SessionChanged`] when the session ends while waiting, instead of getting in line again.
    pub(crate) stays_in_session: bool,
}

/// Whether to wait for those who came earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Endless,
    None,
}

/// How it ended.
enum Stood {
    First(OwnNode),
    /// Others are ahead, and are not waited for.
    Engaged,
    /// Somebody has deleted the node.
    Removed,
}

fn gone(own: OwnNode) -> Stood {
    own.forget();
    Stood::Removed
}

impl Line {
    /// Makes a line of a path, in which everybody waits for everybody who is ahead unless the names say otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub(crate) fn new(client: &Client, path: &str, names: Names) -> Result<Self, Error> {
        path::validate(path)?;
        Ok(Self {
            client: client.clone(),
            path: path.into(),
            names,
            data: Arc::new([]),
            acl: None,
            stays_in_session: false,
        })
    }

    /// Waits until nobody who matters is ahead, and returns the node that stands there.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub(crate) async fn wait(&self) -> Result<OwnNode, Error> {
        match self.stand(Patience::Endless).await? {
            Some(own) => Ok(own),
            None => unreachable!("it is waited for"),
        }
    }

    /// As [`wait`](Self::wait), but returns nothing when anybody who matters is in line. Looks before it gets in line itself.
    pub(crate) async fn try_now(&self) -> Result<Option<OwnNode>, Error> {
        if self.is_engaged().await? { Ok(None) } else { self.stand(Patience::None).await }
    }

    /// Does the one or the other, but in this session only.
    ///
    /// # Errors
    ///
    /// When the session is over, or the server refuses.
    pub(crate) async fn take_in(&self, session: SessionId, patience: Patience) -> Result<Option<OwnNode>, Error> {
        match patience {
            Patience::None if self.is_engaged().await? => Ok(None),
            Patience::None | Patience::Endless => self.stand_in(session, patience).await,
        }
    }

    async fn is_engaged(&self) -> Result<bool, Error> {
        let is_ahead = |name: &str| (self.names.contender)(name).is_some() && (self.names.is_awaited)(name);
        match self.client.get_children(&self.path).resend().await {
            Ok((names, _)) => Ok(names.iter().any(is_ahead)),
            Err(Error::Server(ErrorCode::NoNode) | Error::Lost) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns what a node of such a name is to be like.
    pub(crate) fn plan<'a>(&'a self, prefix: &'a str) -> Plan<'a> {
        let (parent, mode) = (&*self.path, CreateMode::EphemeralSequential);
        Plan { parent, prefix, data: &self.data, acl: self.acl.as_deref(), mode }
    }

    /// Lists the names of all who are in line, in their order.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no line yet.
    pub(crate) async fn contenders(&self) -> Result<Vec<String>, Error> {
        match self.client.get_children(&self.path).await {
            Ok((names, _)) => {
                let line = order::in_order(names.iter().filter_map(self.names.contender));
                Ok(line.into_iter().map(|contender| contender.name.to_string()).collect())
            }
            Err(Error::Server(ErrorCode::NoNode)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Gets in line, in one session after the other.
    async fn stand(&self, patience: Patience) -> Result<Option<OwnNode>, Error> {
        loop {
            let session = session(&self.client).await?;
            match self.stand_in(session, patience).await {
                Err(error) if Trouble::of(&error) == Trouble::SessionOver => {
                    if self.stays_in_session {
                        return Err(Error::SessionChanged);
                    }
                }
                stood => return stood,
            }
        }
    }

    /// Gets in line in this session, as often as that is needed.
    async fn stand_in(&self, session: SessionId, patience: Patience) -> Result<Option<OwnNode>, Error> {
        for _ in 0..=PATIENCE {
            match self.stand_once(session, patience).await? {
                Stood::First(own) => return Ok(Some(own)),
                Stood::Engaged => return Ok(None),
                Stood::Removed => {}
            }
        }
        Err(Error::Server(ErrorCode::NoNode))
    }

    /// Makes a node in this session, and waits until it is the first.
    async fn stand_once(&self, session: SessionId, patience: Patience) -> Result<Stood, Error> {
        let prefix = (self.names.prefix)(Guid::new(&self.client));
        let plan = self.plan(&prefix);
        // Both in one write: where nothing is in the way, that is all there is to it.
        let create = protected::create(&self.client, session, &plan);
        let list = self.client.get_children(&self.path).pin(session);
        let (own, list) = both(create, list.into_future()).await;
        let own = own?;
        let mut names = match list {
            Ok((names, _)) if names.iter().any(|name| name == own.name()) => names,
            // It was made later than the list, if there is one.
            Ok(_) | Err(_) => match self.list(session).await? {
                Some(names) => names,
                None => return Ok(gone(own)),
            },
        };
        loop {
            match self.place(session, &own, &names).await? {
                None => return Ok(gone(own)),
                Some(Place::First) => return Ok(Stood::First(own)),
                Some(_) if patience == Patience::None => {
                    own.delete().await?;
                    return Ok(Stood::Engaged);
                }
                Some(Place::After(ahead)) => {
                    self.wait_for(session, ahead).await?;
                    if broken!("lock: takes it when the one ahead is gone, without looking again") {
                        return Ok(Stood::First(own));
                    }
                }
                Some(Place::Missing | Place::Tied(_)) => unreachable!("these were resolved"),
            }
            // Who was ahead may have given up while somebody before him still has what is waited for.
            names = match self.list(session).await? {
                Some(names) => names,
                None => return Ok(gone(own)),
            };
        }
    }

    async fn list(&self, session: SessionId) -> Result<Option<Children>, Error> {
        loop {
            match self.client.get_children(&self.path).pin(session).resend().await {
                Ok((names, _)) => return Ok(Some(names)),
                Err(Error::Server(ErrorCode::NoNode)) => return Ok(None),
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Finds the place of our node, or nothing where it is gone.
    async fn place<'a>(
        &self,
        session: SessionId,
        own: &OwnNode,
        names: &'a Children,
    ) -> Result<Option<Place<'a>>, Error> {
        let matters = |other: &Contender<'_>| other.name == own.name() || (self.names.is_awaited)(other.name);
        let line = names.iter().filter_map(self.names.contender).filter(matters);
        match order::place(own.name(), line.clone()) {
            Place::Missing => Ok(None),
            Place::Tied(equals) => {
                let mut created = Vec::with_capacity(equals.len());
                for name in equals {
                    let path = child(&self.path, name);
                    if let Some(stat) = self.client.exists(&path).pin(session).resend().await? {
                        created.push((name, stat.czxid.0));
                    }
                }
                let number = (self.names.contender)(own.name()).map(|own| own.number);
                let before = number.and_then(|number| order::before_equals(number, line));
                Ok(Some(order::place_among_equals(own.created().0, &created, before)))
            }
            place => Ok(Some(place)),
        }
    }

    /// Waits until something happens to a node.
    async fn wait_for(&self, session: SessionId, name: &str) -> Result<(), Error> {
        let path = child(&self.path, name);
        // Not exists: that would leave a watch on a name that never comes back.
        match self.client.get_data(&path).watch().pin(session).resend().await {
            Ok((_, _, mut watcher)) => match watcher.changed().await {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::SessionChanged),
            },
            Err(Error::Server(ErrorCode::NoNode)) => Ok(()),
            Err(error) if Trouble::of(&error) == Trouble::InDoubt => Ok(()),
            Err(error) => Err(error),
        }
    }
}
