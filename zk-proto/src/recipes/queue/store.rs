//! The node below which entries are, and what all queues do with it.

use std::{future::Future, sync::Arc};

use super::{
    super::{
        janitor::child,
        parents::ensure_path_as,
        session::{Trouble, session},
        together::both,
    },
    form::{Entry, Form},
    item::{Item, WhenFull},
};
use crate::{
    SessionId,
    client::{Client, Error, Watcher},
    code::{CreateMode, ErrorCode},
    path,
    record::{Acl, Stat},
    request::Children,
};

/// Where entries are. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) client: Client,
    pub(super) path: Arc<str>,
    pub(super) form: Form,
    pub(super) acl: Option<Arc<[Acl]>>,
    /// Where every write leaves a receipt, if it is to do so.
    pub(super) receipts: Option<Arc<str>>,
    /// Whether to put something again that may be there already.
    pub(super) puts_again: bool,
    pub(super) limit: Option<(usize, WhenFull)>,
}

impl Store {
    pub(super) fn new(client: &Client, path: &str, form: Form) -> Result<Self, Error> {
        path::validate(path)?;
        let (client, path) = (client.clone(), path.into());
        Ok(Self { client, path, form, acl: None, receipts: None, puts_again: false, limit: None })
    }

    pub(super) fn child(&self, name: &str) -> String {
        child(&self.path, name)
    }

    pub(super) fn acl(&self) -> Option<&[Acl]> {
        self.acl.as_deref()
    }

    /// Makes sure that there is a node at that path: ours, that of receipts, or that of claims.
    pub(super) async fn ensure(&self, path: &str) -> Result<(), Error> {
        let mode = if self.receipts.as_deref() == Some(path) { CreateMode::Container } else { self.form.above() };
        ensure_path_as(&self.client, path, self.acl(), mode).await
    }

    /// Lists the names of the entries, or below another node of the queue's; nothing where there is no such node.
    ///
    /// # Errors
    ///
    /// When the session is over ([`Trouble::SessionOver`]), and the server's.
    pub(super) async fn names(&self, session: SessionId, path: &str) -> Result<Option<Children>, Error> {
        loop {
            match self.client.get_children(path).pin(session).resend().await {
                Ok((names, _)) => return Ok(Some(names)),
                Err(Error::Server(ErrorCode::NoNode)) => return Ok(None),
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads an entry; nothing where it has gone.
    ///
    /// # Errors
    ///
    /// When the session is over ([`Trouble::SessionOver`]), and the server's.
    pub(super) async fn read(&self, session: SessionId, name: &str) -> Result<Option<Item>, Error> {
        let path = self.child(name);
        loop {
            match self.client.get_data(&path).pin(session).resend().await {
                Ok((data, stat)) => return Ok(Some(Item::new(path, self.form, data, &stat))),
                Err(Error::Server(ErrorCode::NoNode)) => return Ok(None),
                Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the entry that comes first.
    pub(super) async fn first(&self) -> Result<Option<Item>, Error> {
        in_one_session(&self.client, |session| self.first_in(session)).await.map(|(_, first)| first)
    }

    async fn first_in(&self, session: SessionId) -> Result<Option<Item>, Error> {
        loop {
            let Some(names) = self.names(session, &self.path).await? else { return Ok(None) };
            let entries = self.form.in_order(names.iter());
            let Some(first) = entries.first() else { return Ok(None) };
            // Otherwise it has been taken, and another one is the first.
            if let Some(item) = self.read(session, first.name).await? {
                return Ok(Some(item));
            }
        }
    }

    /// Counts the children.
    pub(super) async fn len(&self) -> Result<usize, Error> {
        let stat = self.stat().await?;
        Ok(stat.map_or(0, |stat| usize::try_from(stat.num_children).unwrap_or(0)))
    }

    /// Reads the `Stat` of the queue's node; nothing where there is none.
    pub(super) async fn stat(&self) -> Result<Option<Stat>, Error> {
        loop {
            match self.client.exists(&self.path).resend().await {
                Ok(stat) => return Ok(stat),
                Err(error) => go_on(&self.client, error).await?,
            }
        }
    }

    /// Asks whether an entry is still there, whatever was written by now and by whom.
    pub(super) async fn is_there(&self, item: &Item) -> Result<bool, Error> {
        loop {
            let sync = self.client.sync(item.path()).resend();
            let exists = self.client.exists(item.path()).resend();
            match both(sync.into_future(), exists.into_future()).await {
                (Ok(()), Ok(stat)) => return Ok(stat.is_some_and(|stat| stat.czxid == item.id())),
                (Err(error), _) | (_, Err(error)) => go_on(&self.client, error).await?,
            }
        }
    }

    /// Asks whether there is an entry whose name begins so, whatever was written by now.
    pub(super) async fn has(&self, prefix: &str) -> Result<bool, Error> {
        loop {
            let sync = self.client.sync(&self.path).resend();
            let list = self.client.get_children(&self.path).resend();
            match both(sync.into_future(), list.into_future()).await {
                (Ok(()), Ok((names, _))) => return Ok(names.iter().any(|name| name.starts_with(prefix))),
                (Ok(()), Err(Error::Server(ErrorCode::NoNode))) => return Ok(false),
                (Err(error), _) | (_, Err(error)) => go_on(&self.client, error).await?,
            }
        }
    }
}

/// Reads something in one session, and anew in the next where that one has ended; returns what was read, and in which.
///
/// The server of the next session may be behind what was read before, or far ahead of it. So an entry is looked for in the session
/// of the list that it is from: elsewhere, it may seem to be gone, or be another one of the same name.
pub(super) async fn in_one_session<T, F>(
    client: &Client,
    read: impl Fn(SessionId) -> F,
) -> Result<(SessionId, T), Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        let session = session(client).await?;
        match read(session).await {
            Err(error) if Trouble::of(&error) == Trouble::SessionOver => {}
            read => return read.map(|read| (session, read)),
        }
    }
}

/// Lists the children of a node that is to be there, and watches the list.
///
/// # Errors
///
/// When the session is over ([`Trouble::SessionOver`]), and the server's.
pub(super) async fn watched(store: &Store, session: SessionId, path: &str) -> Result<(Children, Watcher), Error> {
    loop {
        match store.client.get_children(path).watch().pin(session).resend().await {
            Ok((names, _, watcher)) => return Ok((names, watcher)),
            // A container goes when it is empty (CURATOR-308), and a queue may not have been used yet.
            Err(Error::Server(ErrorCode::NoNode)) => store.ensure(path).await?,
            Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits for the next session where that is what the error is about.
///
/// # Errors
///
/// The same otherwise, and when there will be no other session.
pub(super) async fn go_on(client: &Client, error: Error) -> Result<(), Error> {
    if Trouble::of(&error) == Trouble::Definite { Err(error) } else { client.connected().await }
}

/// Begins with one of the first few, by the dice: whoever takes from the same queue is likely to begin with another one.
pub(super) fn shuffled<'a, 'b>(
    client: &Client,
    entries: &'a [Entry<'b>],
    among: usize,
) -> impl Iterator<Item = &'a Entry<'b>> {
    let few = among.clamp(1, entries.len().max(1));
    let mut bytes = [0; 8];
    if few > 1 {
        client.fill_random(&mut bytes);
    }
    // Less than `few`, which is a usize.
    let start = usize::try_from(u64::from_be_bytes(bytes) % few as u64).unwrap_or(0);
    let (head, tail) = entries.split_at(few.min(entries.len()));
    let (skipped, chosen) = head.split_at(start.min(head.len()));
    chosen.iter().chain(skipped).chain(tail)
}

/// Returns a path beside that of a queue.
pub(super) fn beside(path: &str, what: &str) -> Arc<str> {
    format!("{path}-{what}").into()
}
