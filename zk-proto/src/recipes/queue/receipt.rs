//! Proofs of having written.
//!
//! A transaction whose reply is lost was carried out, or not, and what it did to a queue does not tell: an entry that is not there may
//! have been taken by anybody. So a transaction that must be known makes a node besides, whose name nobody else uses. It is
//! ephemeral: whatever happens to the client, nothing is left.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    super::{
        janitor::{Remains, child, clean_up},
        parents::ensure_path_as,
        session::Trouble,
        together::both,
    },
    number::pass_over,
};
use crate::{
    SessionId,
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    path,
    record::Acl,
    request::{Create2, Op},
};

/// How many numbers that are taken are passed over before an entry is put back.
const PATIENCE: usize = 16;

/// What is to become of a receipt, and of what it stands for, when it is dropped.
#[derive(Debug)]
pub(super) enum Fate {
    /// It was not made, or is gone with its session.
    Nothing,
    /// It is deleted.
    Delete,
    /// If it was made, an entry was deleted that nobody got: that is put back.
    PutBack(Entry),
}

/// An entry as it was.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: String,
    /// What a path begins with if that one is taken: by an entry of another parent, which had the same number.
    pub(super) prefix: String,
    /// How the queue is made where it has gone.
    pub(super) above: CreateMode,
    pub(super) data: Bytes,
    pub(super) acl: Option<Arc<[Acl]>>,
}

/// A node that is made if, and only if, something else is done.
#[derive(Debug)]
pub(super) struct Receipt {
    client: Client,
    session: SessionId,
    path: String,
    pub(super) fate: Fate,
}

impl Receipt {
    /// Prepares one; nothing is sent.
    pub(super) fn new(client: &Client, session: SessionId, parent: &str, guid: &str, fate: Fate) -> Self {
        Self { client: client.clone(), session, path: child(parent, guid), fate }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the operation that makes it.
    pub(super) fn op(&self) -> Op<'_> {
        Op::Create(Create2::new(&self.path, b"").mode(CreateMode::Ephemeral))
    }

    /// Asks whether it was made. If not, it will not be made any more.
    ///
    /// # Errors
    ///
    /// When the session is over, and the server's.
    pub(super) async fn is_there(&self) -> Result<bool, Error> {
        is_there(&self.client, self.session, &self.path).await
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let (client, session) = (&self.client, self.session);
        match std::mem::replace(&mut self.fate, Fate::Nothing) {
            Fate::Nothing => {}
            Fate::Delete => clean_up(client, session, Remains::Node { path: std::mem::take(&mut self.path) }),
            Fate::PutBack(entry) => {
                let path = std::mem::take(&mut self.path);
                client.spawn(move |client| async move {
                    // Where the session is over, it cannot be known any more whether there is anything to put back.
                    _ = put_back(&client, session, &path, &entry).await;
                });
            }
        }
    }
}

/// As [`janitor::search`](super::super::janitor::search), for a whole name: a sync goes first, so what is not there will not come.
async fn is_there(client: &Client, session: SessionId, path: &str) -> Result<bool, Error> {
    loop {
        let sync = client.sync(path).pin(session).resend();
        let exists = client.exists(path).pin(session).resend();
        match both(sync.into_future(), exists.into_future()).await {
            (Ok(()), Ok(stat)) => return Ok(stat.is_some()),
            (Err(error), _) | (_, Err(error)) if Trouble::of(&error) == Trouble::InDoubt => {}
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
    }
}

/// Puts an entry back to where it was, if it was deleted against this receipt.
async fn put_back(client: &Client, session: SessionId, receipt: &str, entry: &Entry) -> Result<(), Error> {
    let (mut mode, mut taken) = (CreateMode::Persistent, 0);
    let placeholder = format!("{}-placeholder", entry.path);
    while is_there(client, session, receipt).await? {
        let path = if mode.is_sequential() { &entry.prefix } else { &entry.path };
        let mut create = Create2::new(path, &entry.data).mode(mode);
        create.acl = entry.acl.as_deref();
        let back =
            pass_over(client.multi(), &placeholder, taken).create_with(create).delete(receipt, None).pin(session).await;
        match back {
            Err(error) if error.code() == Some(ErrorCode::NoNode) => {
                let queue = path::parent(&entry.path).unwrap_or("/");
                ensure_path_as(client, queue, entry.acl.as_deref(), entry.above).await?;
            }
            Err(error) if error.code() == Some(ErrorCode::NodeExists) && !mode.is_sequential() => {
                mode = CreateMode::PersistentSequential;
            }
            Err(error) if error.code() == Some(ErrorCode::NodeExists) && taken < PATIENCE => taken += 1,
            Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
            outcome => return outcome.map(|_| ()),
        }
    }
    Ok(())
}
