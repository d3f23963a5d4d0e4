//! A room that is entered together and left together.

mod inside;
mod sight;

use core::time::Duration;
use std::{pin::pin, sync::Arc};

use super::{
    guid::Guid,
    janitor::child,
    protected::{self, OwnNode, Plan},
    session::{Trouble, session},
    together::{Either, both, either},
};
use crate::{
    SessionId, Zxid,
    broken::broken,
    client::{Client, Error, Sleep, Watcher},
    code::{CreateMode, ErrorCode},
    path,
    record::Acl,
    request::{Children, Create2},
};

use sight::{READY, Sight, members, sight};

pub use inside::Inside;

/// How often the own node may vanish, in the same session, before entering ends: somebody deletes them.
const PATIENCE: usize = 16;

/// A room that nobody enters before enough others are at the door, and that nobody has left before everybody leaves.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::DoubleBarrier;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let barrier = DoubleBarrier::new(&client, "/barriers/step-1", 3)?;
/// let inside = barrier.enter().await?;
/// // All three have come; each does its part.
/// inside.leave().await?;
/// // All three are done.
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Nobody enters before that many members were there at one moment: who opens the barrier does so in a transaction that checks that
/// each of them is still there. The number is the least: more may enter, at the same time or later, until all have left.
/// The same path may be used for one round after another.
///
/// Who gives up [in time](Self::enter_timeout) was not counted, and who was counted has entered: giving up is a transaction too, which
/// fails when the barrier has opened (CURATOR-318). A barrier that was left open by a round whose members have all crashed does not
/// let anybody in: the first to come closes it.
///
/// | what happens | while entering | inside | while leaving |
/// |---|---|---|---|
/// | connection lost | looked again when there is another | nothing, if the session survives | looked again |
/// | session expired | begun again in the next session | the others believe that the member has left | the member has left, and waits for the others |
/// | the future, or [`Inside`], is dropped | the node is deleted in the background; it may have been counted | the same | the same |
/// | somebody deletes the node | begun again | as if it had left | it has left |
///
/// # Layout
///
/// A node for each member, ephemeral, named by a UUID; and `ready`, which opens. Each opening and each clearing of the barrier
/// sets the data of the barrier's own node, to nothing, so that its version tells of them. Members of Curator's
/// `DistributedDoubleBarrier` and kazoo's `DoubleBarrier` may take part, but they do not do that, and take an old `ready` for a
/// new one: with them, the guarantees are theirs.
#[derive(Clone, Debug)]
pub struct DoubleBarrier {
    client: Client,
    path: Arc<str>,
    ready: Arc<str>,
    wanted: usize,
    name: fn(Guid) -> String,
    data: Arc<[u8]>,
    acl: Option<Arc<[Acl]>>,
}

/// How members are named. They understand each other either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DoubleBarrierLayout {
    /// By a UUID with dashes, as Curator does.
    #[default]
    Curator,
    /// By 32 hexadecimal digits, as kazoo does.
    Kazoo,
}

/// How an attempt to enter has ended.
enum Entered {
    Inside(OwnNode, Zxid),
    TooLate,
    /// Somebody has deleted the node.
    Removed,
}

/// What was seen at one time.
struct Look {
    sight: Sight,
    names: Children,
    /// Of the barrier's own node.
    version: i32,
    /// Tells when `ready` comes or goes.
    watcher: Watcher,
}

/// Returns whether it was others who were faster, so that looking again helps.
fn is_race(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::BadVersion | ErrorCode::NoNode | ErrorCode::NodeExists))
}

impl DoubleBarrier {
    /// Makes a barrier of a path, for at least so many members. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str, members: usize) -> Result<Self, Error> {
        path::validate(path)?;
        Ok(Self {
            client: client.clone(),
            path: path.into(),
            ready: child(path, READY).into(),
            wanted: members,
            name: Guid::dashed,
            data: Arc::new([]),
            acl: None,
        })
    }

    /// Sets how members are named. Default: as Curator does.
    pub fn layout(mut self, layout: DoubleBarrierLayout) -> Self {
        self.name = match layout {
            DoubleBarrierLayout::Curator => Guid::dashed,
            DoubleBarrierLayout::Kazoo => Guid::plain,
        };
        self
    }

    /// Sets what the member's node contains: who it is, for people to read. Default: nothing.
    pub fn data(mut self, data: &[u8]) -> Self {
        self.data = data.into();
        self
    }

    /// Sets the access control list of the nodes. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Waits until there are enough members, and enters.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn enter(&self) -> Result<Inside, Error> {
        match self.enter_before(&mut None).await? {
            Some(inside) => Ok(inside),
            None => unreachable!("it is waited for"),
        }
    }

    /// Waits for enough members for so long, and enters; `None` when it has withdrawn without having been counted.
    ///
    /// Only the server can tell whether it was counted, so this takes longer while there is no connection. When the session ends in
    /// that time, it gives up too, and nobody can tell.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    pub async fn enter_timeout(&self, limit: Duration) -> Result<Option<Inside>, Error> {
        self.enter_before(&mut Some(self.client.sleep(limit))).await
    }

    async fn enter_before(&self, end: &mut Option<Sleep>) -> Result<Option<Inside>, Error> {
        let mut tries = PATIENCE;
        let mut is_late = false;
        while !is_late {
            let session = session(&self.client).await?;
            match self.enter_once(session, end, &mut is_late).await {
                Ok(Entered::Inside(own, round)) => {
                    let name = own.name().to_string();
                    return Ok(Some(Inside { barrier: self.clone(), own: Some(own), name, session, round }));
                }
                Ok(Entered::TooLate) => return Ok(None),
                Ok(Entered::Removed) if tries > 0 => tries -= 1,
                Ok(Entered::Removed) => return Err(Error::Server(ErrorCode::NoNode)),
                Err(error) if Trouble::of(&error) == Trouble::SessionOver => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn enter_once(
        &self,
        session: SessionId,
        end: &mut Option<Sleep>,
        is_late: &mut bool,
    ) -> Result<Entered, Error> {
        let name = (self.name)(Guid::new(&self.client));
        let (acl, mode) = (self.acl.as_deref(), CreateMode::Ephemeral);
        let plan = Plan { parent: &self.path, prefix: &name, data: &self.data, acl, mode };
        let own = protected::create(&self.client, session, &plan).await?;
        loop {
            let mut look = match self.look(session, &own).await {
                Ok(look) => look,
                Err(Error::Server(ErrorCode::NoNode)) => {
                    own.forget();
                    return Ok(Entered::Removed);
                }
                Err(error) => return Err(error),
            };
            let step = match look.sight {
                Sight::Gone => {
                    own.forget();
                    return Ok(Entered::Removed);
                }
                Sight::Open(round) => return Ok(Entered::Inside(own, round)),
                Sight::Earlier(round) => match self.is_going_on(session, &look.names, round).await {
                    Ok(true) => return Ok(Entered::Inside(own, round)),
                    Ok(false) => self.close(session, look.version).await,
                    Err(error) => Err(error),
                },
                Sight::Full => self.open(session, &look).await,
                Sight::Waiting if *is_late => match self.withdraw(session, &own, look.version).await {
                    Ok(()) => {
                        own.forget();
                        return Ok(Entered::TooLate);
                    }
                    Err(error) => Err(error),
                },
                Sight::Waiting => {
                    // Whatever wakes it up: it looks again.
                    match end {
                        Some(end) => match either(pin!(look.watcher.changed()), end).await {
                            Either::First(_) => {}
                            Either::Second(_) => *is_late = true,
                        },
                        None => _ = look.watcher.changed().await,
                    }
                    Ok(())
                }
            };
            match step {
                Ok(()) => {}
                Err(error) if is_race(&error) || Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn look(&self, session: SessionId, own: &OwnNode) -> Result<Look, Error> {
        loop {
            // In this order: where `ready` is not the one that was there with these names, the version is another one too.
            let list = self.client.get_children(&self.path).pin(session).resend();
            let ready = self.client.exists(&self.ready).watch().pin(session).resend();
            match both(list.into_future(), ready.into_future()).await {
                (Ok((names, stat)), Ok((ready, watcher))) => {
                    let ready = ready.map(|ready| ready.czxid);
                    let sight = sight((own.name(), own.created()), names.iter(), ready, self.wanted);
                    return Ok(Look { sight, version: stat.version, names, watcher });
                }
                (Err(error), _) | (_, Err(error)) if Trouble::of(&error) == Trouble::InDoubt => {}
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
    }

    /// Returns whether a member is there who came before the barrier was opened.
    async fn is_going_on(&self, session: SessionId, names: &Children, round: Zxid) -> Result<bool, Error> {
        if broken!("barriers: takes a ready of an earlier round for its own") {
            return Ok(true);
        }
        for name in members(names.iter()) {
            let path = child(&self.path, name);
            let stat = self.client.exists(&path).pin(session).resend().await?;
            if stat.is_some_and(|stat| stat.czxid < round) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets everybody in who is there, if those who were seen still are.
    async fn open(&self, session: SessionId, look: &Look) -> Result<(), Error> {
        let checked: Vec<String> =
            members(look.names.iter()).take(self.wanted).map(|name| child(&self.path, name)).collect();
        let mut multi = self.client.multi().set_data(&self.path, b"", look.version);
        for path in &checked {
            multi = multi.check(path, None);
        }
        let ready = Create2 { acl: self.acl.as_deref(), ..Create2::new(&self.ready, b"") };
        multi.create_with(ready).pin(session).await.map(|_| ())
    }

    /// Closes a barrier that was left open.
    async fn close(&self, session: SessionId, version: i32) -> Result<(), Error> {
        let multi = self.client.multi().set_data(&self.path, b"", version).delete(&self.ready, None);
        multi.pin(session).await.map(|_| ())
    }

    /// Deletes the own node, unless the barrier was opened since it was looked at.
    async fn withdraw(&self, session: SessionId, own: &OwnNode, version: i32) -> Result<(), Error> {
        let multi = if broken!("barriers: withdraws without looking whether it has opened") {
            self.client.multi()
        } else {
            self.client.multi().check(&self.path, version)
        };
        multi.delete(own.path(), None).pin(session).await.map(|_| ())
    }

    /// Waits for the next session after a failure that is about links and sessions.
    async fn go_on(&self, error: Error) -> Result<(), Error> {
        match Trouble::of(&error) {
            Trouble::InDoubt | Trouble::SessionOver => self.client.connected().await,
            Trouble::Definite => Err(error),
        }
    }
}
