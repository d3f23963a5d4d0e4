//! Keeping a node in place: what every registration stands on.
//!
//! The user's side says what is wanted, the background compares it with what the server shows, again after whatever happens, and does
//! the one thing that is next. Nothing is inferred from an event: a look at the node decides.

mod desk;
mod handle;
mod judge;
mod keeper;
mod pace;
mod removal;
mod steps;

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;

use super::{guid::Guid, janitor::child};
use crate::{
    SessionId,
    client::{Client, Error},
    path,
    record::Acl,
};

pub(super) use handle::Observer;
pub use handle::{Kept, KeptState, Presence};

/// The name of the child that keeps a node with a [TTL](KeptNode::ttl) alive, as in Curator's `PersistentTtlNode`.
const TOUCH: &str = "touch";

/// A node that is to be there, with the data that it is to have, whenever this client has a session: how a process registers itself.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::KeptNode;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let kept = KeptNode::new(&client, "/workers/w-17")?.data(b"10.0.0.7:9000").keep();
/// let presence = kept.established().await?;
/// println!("{} was created by {}", presence.path, presence.created);
///
/// kept.set_data(b"10.0.0.7:9001"); // Written now, or as soon as there is a connection.
///
/// kept.remove().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// While it is kept, the node is made again whenever it is found missing, and the data that was wanted last is what it has in the
/// end. A connection that breaks and comes back in the same session costs one question to the server and changes nothing: nobody who
/// watches sees the node vanish. A new session that still finds the node of the one before replaces it in one transaction, so that
/// whoever lists the parent never sees it missing.
///
/// | what happens | what comes of it |
/// |---|---|
/// | connection lost | [`Present`](KeptState::Present) still, and looked at after reconnecting; [`Pending`](KeptState::Pending) once the session may be over |
/// | session expired | made again in the next one, at once; a sequential node keeps its number |
/// | [`Kept`] dropped, or the future of [`Kept::remove`] | deleted in the background if it is ephemeral and this session's, also when its creation is under way; others stay |
/// | somebody deletes the node | made again, after a growing pause if that goes on |
/// | somebody writes to the node | overwritten, or taken over: [`OnChange`] |
/// | somebody else's node is there | waited for, replaced, or a failure: [`OnForeign`] |
/// | the server refuses: no rights, a parent that is ephemeral | [`Failed`](KeptState::Failed), until [`Kept::retry`], new data or a new connection |
/// | the server fails otherwise | tried again after 50 ms, and up to 10 s |
/// | reply lost | the node is looked at, and the write repeated only where it has had no effect |
/// | the counter of the parent is at its end | a sequential node cannot be made: `Failed` with `NodeExists` |
///
/// # Limits
///
/// The server does not say who in a session has made a node. So two of the same client on the same path both count it as theirs; and so
/// do sequential ones with the same name, after a lost reply: let these be [`protected`](Self::protected). For the same reason one that
/// is dropped while its creation waits for a connection is made first, to learn its number, and then deleted, unless it is protected.
///
/// Between the look at a node and its deletion somebody may have deleted it and made another of the same name and version: that one
/// would go then. ZooKeeper has no deletion on condition of the creation.
///
/// # Layout
///
/// The path itself; `_c_<uuid>-name` when protected; followed by ten digits when sequential: as Curator's `PersistentNode`.
#[derive(Clone, Debug)]
#[must_use = "nothing is kept before `keep`"]
pub struct KeptNode {
    client: Client,
    plan: Plan,
    data: Bytes,
}

/// What is kept, and how. The data is not part of it, because it may change.
#[derive(Clone, Debug)]
struct Plan {
    /// The path, or its beginning for a sequential node.
    path: String,
    /// Whether the path is to have a name that nobody else has.
    is_protected: bool,
    mode: KeptMode,
    acl: Option<Arc<[Acl]>>,
    on_foreign: OnForeign,
    on_change: OnChange,
    parents: Parents,
    former: Vec<SessionId>,
}

/// What kind of node is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeptMode {
    /// Gone with the session.
    #[default]
    Ephemeral,
    /// Gone with the session, and numbered by the server when it is first made. It keeps the number.
    EphemeralSequential,
    /// Stays when the session is over, and when it is not kept any more.
    Persistent,
    /// Stays when the session is over, and is deleted by the server so long after it is not kept any more: see
    /// [`KeptNode::ttl`].
    Ttl(Duration),
}

/// What to do about a node of somebody else's where ours is to be: one of another session, or one of another kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnForeign {
    /// Wait until it goes: [`KeptState::Blocked`].
    #[default]
    Wait,
    /// Replace it, in one transaction. It fails where the node has children.
    Steal,
    /// Give up: [`KeptState::Failed`] with [`NodeExists`](crate::code::ErrorCode::NodeExists).
    Fail,
}

/// What to do when somebody else has written to the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnChange {
    /// Write what is wanted over it.
    #[default]
    Restore,
    /// Take it as what is wanted from now on, also for when the node is made again. What is
    /// [set](Kept::set_data) here and not written yet prevails.
    Accept,
}

/// What to do when the node above is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parents {
    Ensured,
    Expected,
}

impl KeptNode {
    /// Makes a plan to keep a node. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        path::validate(path)?;
        let plan = Plan {
            path: path.to_string(),
            is_protected: false,
            mode: KeptMode::default(),
            acl: None,
            on_foreign: OnForeign::default(),
            on_change: OnChange::default(),
            parents: Parents::Ensured,
            former: Vec::new(),
        };
        Ok(Self { client: client.clone(), plan, data: Bytes::new() })
    }

    /// Sets what kind of node it is. Default: ephemeral.
    pub fn mode(mut self, mode: KeptMode) -> Self {
        self.plan.mode = mode;
        self
    }

    /// Makes it a node that outlives the session, but not for longer than `ttl` the process that keeps it: between 1 ms and a
    /// good 34 years. Since 3.5.3, and only on servers that have extended types enabled.
    ///
    /// A child called `touch` is written to every half of that time, so that who watches the node or its parent hears nothing of it, as
    /// Curator's `PersistentTtlNode` does. Both are made in one transaction: a crash in between would leave a node that never goes
    /// (ZOOKEEPER-3546). The server looks for what is due once a minute.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.mode(KeptMode::Ttl(ttl))
    }

    /// Puts a UUID before the name that nobody else has, so that it can be told from all others: for sequential nodes of which one
    /// session has several by the same name.
    pub fn protected(mut self) -> Self {
        self.plan.is_protected = true;
        self
    }

    /// Sets the data. Default: none.
    pub fn data(mut self, data: impl AsRef<[u8]>) -> Self {
        self.data = Bytes::copy_from_slice(data.as_ref());
        self
    }

    /// Sets the access control list of the node, and of those above it that are made for it. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.plan.acl = Some(acl.into());
        self
    }

    /// Sets what is done about a node of somebody else's at the path. Default: it is waited for. A sequential node takes another
    /// number instead.
    pub fn on_foreign(mut self, policy: OnForeign) -> Self {
        self.plan.on_foreign = policy;
        self
    }

    /// Sets what is done when somebody else writes to the node. Default: it is overwritten.
    pub fn on_change(mut self, policy: OnChange) -> Self {
        self.plan.on_change = policy;
        self
    }

    /// Makes it [fail](KeptState::Failed) when the node above is missing (CURATOR-590), instead of making it.
    pub fn below_existing(mut self) -> Self {
        self.plan.parents = Parents::Expected;
        self
    }

    /// Names a session that this process has had before, whose node is replaced as one of its own: for who has not the
    /// [credentials](crate::client::Builder::credentials) to take it up, but knows that it will not come back.
    pub fn succeeds(mut self, session: SessionId) -> Self {
        self.plan.former.push(session);
        self
    }

    /// Begins to keep it, in the background. A connection is not needed yet.
    pub fn keep(self) -> Kept {
        let Self { client, mut plan, data } = self;
        if plan.is_protected {
            let parent = path::parent(&plan.path).unwrap_or("/");
            let name = format!("_c_{}-{}", Guid::new(&client).dashed(), path::name(&plan.path));
            plan.path = child(parent, &name);
        }
        Kept::new(client, plan, data)
    }
}

impl KeptMode {
    /// Returns whether the node belongs to a session.
    fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }
}
