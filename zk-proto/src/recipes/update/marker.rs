//! A node that shows that a transaction was carried out.

use super::super::{
    guid::Guid,
    janitor::{self, Remains, child},
    parents::ensure_path,
    together::both,
};
use crate::{
    SessionId,
    client::{Client, Error},
    code::CreateMode,
    record::Acl,
    request::{Create2, Op},
};

/// An ephemeral node of a name that nobody else uses, made in a transaction together with what it is to prove. Dropping it has
/// it deleted in the background.
#[derive(Debug)]
pub(super) struct Marker {
    client: Client,
    session: SessionId,
    parent: String,
    name: String,
    path: String,
    may_be_there: bool,
}

impl Marker {
    /// Makes one for writes to a node.
    pub(super) fn new(client: &Client, session: SessionId, target: &str) -> Self {
        let parent = parent(target);
        let name = Guid::new(client).plain();
        let path = child(&parent, &name);
        Self { client: client.clone(), session, parent, name, path, may_be_there: true }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Makes the node above the markers of a node.
    pub(super) async fn ensure_parent(client: &Client, target: &str, acl: Option<&[Acl]>) -> Result<(), Error> {
        ensure_path(client, &parent(target), acl).await
    }

    /// Returns the operation that makes it.
    pub(super) fn op<'a>(&'a self, acl: Option<&'a [Acl]>) -> Op<'a> {
        Op::Create(Create2 { mode: CreateMode::Ephemeral, acl, ..Create2::new(&self.path, b"") })
    }

    /// The transaction was certainly not carried out.
    pub(super) fn is_not_there(&mut self) {
        self.may_be_there = false;
    }

    /// Looks for it, behind a sync: if it is not there now, it will not come any more.
    ///
    /// # Errors
    ///
    /// When its session is over, and the server's.
    pub(super) async fn is_there(&self) -> Result<bool, Error> {
        let sync = self.client.sync(&self.parent).pin(self.session).resend();
        let exists = self.client.exists(&self.path).pin(self.session).resend();
        let (sync, exists) = both(sync.into_future(), exists.into_future()).await;
        sync?;
        Ok(exists?.is_some())
    }
}

fn parent(target: &str) -> String {
    format!("{target}-ops")
}

impl Drop for Marker {
    fn drop(&mut self) {
        if self.may_be_there {
            let remains = Remains::Perhaps { parent: self.parent.clone(), prefix: self.name.clone() };
            janitor::clean_up(&self.client, self.session, remains);
        }
    }
}
