//! Making an ephemeral node that is never lost sight of.
//!
//! A create whose reply is lost may have been carried out. Making another one would leave the first behind, alive as long as the session
//! and ahead of everybody in line (CURATOR-45). So the name has a part that nobody else uses, and after a loss the client looks for
//! it. The node belongs to its [`OwnNode`] from before the request is sent, so that whoever drops the future at any moment leaves
//! nothing.

use super::{
    janitor::{self, Remains, child},
    parents::ensure_path,
    session::Trouble,
};
use crate::{
    SessionId, Zxid,
    broken::broken,
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    path,
    record::Acl,
    wire::Payload,
};

/// How often the parent may vanish again before the node is made below it.
const PATIENCE: usize = 16;

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) parent: &'a str,
    /// What the name begins with, given what makes it our own; all of it where no number follows.
    pub(crate) prefix: &'a str,
    pub(crate) data: &'a [u8],
    pub(crate) acl: Option<&'a [Acl]>,
    /// Ephemeral, and sequential or not.
    pub(crate) mode: CreateMode,
}

/// An ephemeral node of this client's. Dropping it has it deleted in the background.
#[derive(Debug)]
pub(crate) struct OwnNode {
    client: Client,
    session: SessionId,
    /// `None` when there is nothing to clean up.
    remains: Option<Remains>,
    path: String,
    created: Zxid,
}

impl OwnNode {
    /// Expects a node of that path, which takes the place of this one: what follows from its creation follows for it.
    pub(crate) fn succeeded_by(&self, path: String) -> Self {
        let remains = Some(Remains::Node { path: path.clone() });
        Self { client: self.client.clone(), session: self.session, remains, path, created: self.created }
    }

    /// Takes charge of a node that is about to be made, of a name that others give, too: it is ours if its data is `token`,
    /// which nobody else writes.
    pub(crate) fn shared(client: &Client, session: SessionId, path: String, token: String) -> Self {
        let remains = Some(Remains::Shared { path: path.clone(), token });
        Self { client: client.clone(), session, remains, path, created: Zxid(0) }
    }

    /// Returns whether others give that name, too.
    pub(crate) fn has_shared_name(&self) -> bool {
        matches!(self.remains, Some(Remains::Shared { .. }))
    }

    /// Notes that it was made.
    pub(crate) fn was_created(&mut self, created: Zxid) {
        self.created = created;
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        path::name(&self.path)
    }

    /// Returns the transaction that has created it, or the first one whose place it has taken: greater than that of every node
    /// created before, anywhere.
    pub(crate) fn created(&self) -> Zxid {
        self.created
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Leaves it to its fate: it is gone, or goes with its session.
    pub(crate) fn forget(mut self) {
        self.remains = None;
    }

    /// Deletes it.
    ///
    /// # Errors
    ///
    /// The server's, such as [`NoAuth`](ErrorCode::NoAuth).
    pub(crate) async fn delete(mut self) -> Result<(), Error> {
        // It stays in charge until that is done, however far the caller lets it come.
        let result = match &self.remains {
            Some(remains) => janitor::remove(&self.client, self.session, remains).await,
            None => Ok(()),
        };
        self.remains = None;
        result
    }

    fn is_here(&mut self, path: String, created: Zxid) {
        self.remains = Some(Remains::Node { path: path.clone() });
        (self.path, self.created) = (path, created);
    }
}

impl Drop for OwnNode {
    fn drop(&mut self) {
        if broken!("lock: leaves the node of who gives up") {
            return;
        }
        if let Some(remains) = self.remains.take() {
            janitor::clean_up(&self.client, self.session, remains);
        }
    }
}

/// Makes an ephemeral node in this session, and its parents where they are missing.
///
/// # Errors
///
/// When the session is over ([`Trouble::SessionOver`]); [`NodeExists`](ErrorCode::NodeExists) where there is a node of that name,
/// as there may be when the parent's counter is at its end, and prefixes are not one's own; and the server's others.
pub(crate) async fn create(client: &Client, session: SessionId, plan: &Plan<'_>) -> Result<OwnNode, Error> {
    let path = child(plan.parent, plan.prefix);
    let remains = Some(Remains::Perhaps { parent: plan.parent.to_string(), prefix: plan.prefix.to_string() });
    let mut own = OwnNode { client: client.clone(), session, remains, path: String::new(), created: Zxid(0) };
    let mut tries = PATIENCE;
    loop {
        let mut create = client.create(&path, Payload::from(plan.data)).mode(plan.mode);
        if let Some(acl) = plan.acl {
            create = create.acl(acl);
        }
        let error = match create.pin(session).await {
            Ok((path, stat)) => {
                own.is_here(path, stat.czxid);
                return Ok(own);
            }
            Err(error) => error,
        };
        match Trouble::of(&error) {
            Trouble::InDoubt => {
                let is_skipped = broken!("lock: does not look for a node whose reply was lost");
                let found = if is_skipped {
                    None
                } else {
                    janitor::find(client, session, plan.parent, plan.prefix, |_| true).await?
                };
                if let Some((path, stat)) = found {
                    own.is_here(path, stat.czxid);
                    return Ok(own);
                }
            }
            Trouble::SessionOver => {
                own.forget();
                return Err(error);
            }
            Trouble::Definite if error.code() == Some(ErrorCode::NoNode) && tries > 0 => {
                tries -= 1;
                ensure_path(client, plan.parent, plan.acl).await?;
            }
            Trouble::Definite => {
                if error.is_certainly_not_applied() {
                    own.forget();
                }
                return Err(error);
            }
        }
    }
}
