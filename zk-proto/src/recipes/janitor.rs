//! Cleaning up behind callers that are gone.
//!
//! Dropping a future cancels it, at any await, and a destructor cannot wait for the network. So what is left to be deleted goes to
//! the background: it is tried until it is certain, over lost links too, and forgotten when the session is over, because then
//! the server deletes what is ephemeral.

use super::session::Trouble;
use crate::{
    SessionId, Zxid,
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
    record::Stat,
};

/// What is left of somebody's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remains {
    /// A node.
    Node { path: String },
    /// A node that was made, or not: its name begins so.
    Perhaps { parent: String, prefix: String },
    /// A node of a name that others give, too. It is ours if it has this data, which nobody else writes.
    Shared { path: String, token: String },
}

/// Has ephemeral nodes of a session deleted in the background.
pub(crate) fn clean_up(client: &Client, session: SessionId, remains: Remains) {
    client.spawn(|client| async move {
        // What cannot be deleted, for lack of rights, goes with the session.
        _ = remove(&client, session, &remains).await;
    });
}

/// Deletes what is left, however often the link breaks. That it is gone already is fine, and so is that its session is over.
///
/// # Errors
///
/// The server's, such as [`NoAuth`](ErrorCode::NoAuth).
pub(crate) async fn remove(client: &Client, session: SessionId, remains: &Remains) -> Result<(), Error> {
    let mut is_repeated = false;
    loop {
        let path = match remains {
            Remains::Node { path } => Ok(Some(path.clone())),
            Remains::Perhaps { parent, prefix } => search(client, session, parent, prefix).await,
            Remains::Shared { path, .. }
                if is_repeated && broken!("work queue: gives a claim back without looking") =>
            {
                Ok(Some(path.clone()))
            }
            // Each time: once ours is gone, the next one of that name is somebody else's.
            Remains::Shared { path, token } => {
                search_shared(client, session, path, token).await.map(|found| found.map(|_| path.clone()))
            }
        };
        let deleted = match path {
            Ok(Some(path)) => client.delete(&path).pin(session).await,
            Ok(None) => return Ok(()),
            Err(error) => Err(error),
        };
        match deleted {
            Ok(()) | Err(Error::Server(ErrorCode::NoNode)) => return Ok(()),
            Err(error) => match Trouble::of(&error) {
                Trouble::InDoubt => is_repeated = true,
                Trouble::SessionOver => return Ok(()),
                Trouble::Definite => return Err(error),
            },
        }
    }
}

/// Looks for an ephemeral node of this session whose name begins so. What is not there now will not come any more.
///
/// A server may be behind what the session has written, when the link broke before the reply. So a sync goes first, in the same write:
/// the leader has moved the session to the new link by then, so a create that is still on its way from the old one is refused,
/// and one that was accepted is ahead of the sync.
///
/// # Errors
///
/// When the session is over, and the server's.
pub(crate) async fn search(
    client: &Client,
    session: SessionId,
    parent: &str,
    prefix: &str,
) -> Result<Option<String>, Error> {
    search_for(client, session, parent, prefix, |_| true).await
}

/// As [`search`], for a prefix that others' names may have too: the function is given what follows it, and says whether the name is
/// meant.
///
/// # Errors
///
/// As [`search`].
pub(crate) async fn search_for(
    client: &Client,
    session: SessionId,
    parent: &str,
    prefix: &str,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Option<String>, Error> {
    let beginning = child(parent, prefix);
    loop {
        let sync = client.sync(parent).pin(session).resend();
        let list = client.get_ephemerals(&beginning).pin(session).resend();
        let found = match super::together::both(sync.into_future(), list.into_future()).await {
            (Ok(()), Ok(paths)) => {
                Ok(paths.into_iter().find(|path| path.strip_prefix(&*beginning).is_some_and(&is_meant)))
            }
            (Ok(()), Err(Error::Server(ErrorCode::Unimplemented))) => {
                search_list(client, session, parent, prefix, &is_meant).await
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        match found {
            Err(Error::Server(ErrorCode::NoNode)) => return Ok(None),
            Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
            found => return found,
        }
    }
}

/// As [`search_for`], and looks at what it has found, however often the link breaks in between: to look no further would be to forget
/// that it is there.
///
/// # Errors
///
/// As [`search`].
pub(crate) async fn find(
    client: &Client,
    session: SessionId,
    parent: &str,
    prefix: &str,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Option<(String, Stat)>, Error> {
    loop {
        let found = search_for(client, session, parent, prefix, &is_meant).await?;
        let Some(path) = found else { return Ok(None) };
        match client.exists(&path).pin(session).resend().await {
            // It was there a moment ago; whoever has deleted it has deleted ours.
            Ok(stat) => return Ok(stat.map(|stat| (path, stat))),
            // Whether the session is over, the next search tells.
            Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
            Err(error) => return Err(error),
        }
    }
}

/// As [`search`], for servers before 3.6, which cannot list the nodes of a session.
async fn search_list(
    client: &Client,
    session: SessionId,
    parent: &str,
    prefix: &str,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Option<String>, Error> {
    let sync = client.sync(parent).pin(session).resend();
    let list = client.get_children(parent).pin(session).resend();
    let (sync, list) = super::together::both(sync.into_future(), list.into_future()).await;
    sync?;
    let (names, _) = list?;
    // A node of that name may be one of an earlier session, which is about to vanish.
    for name in names.iter().filter(|name| name.strip_prefix(prefix).is_some_and(&is_meant)) {
        let path = child(parent, name);
        let stat = client.exists(&path).pin(session).resend().await?;
        if stat.is_some_and(|stat| stat.ephemeral_owner == session) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Looks whether a node of a name that others give, too, is ours, and when it was created. What is not there now will not come any
/// more, as for [`search`].
///
/// # Errors
///
/// When the session is over, and the server's.
pub(crate) async fn search_shared(
    client: &Client,
    session: SessionId,
    path: &str,
    token: &str,
) -> Result<Option<Zxid>, Error> {
    loop {
        let sync = client.sync(path).pin(session).resend();
        let read = client.get_data(path).pin(session).resend();
        match super::together::both(sync.into_future(), read.into_future()).await {
            (Ok(()), Ok((data, stat))) => {
                let is_ours = stat.ephemeral_owner == session && data == token;
                return Ok(is_ours.then_some(stat.czxid));
            }
            (Ok(()), Err(Error::Server(ErrorCode::NoNode))) => return Ok(None),
            (Err(error), _) | (_, Err(error)) if Trouble::of(&error) == Trouble::InDoubt => {}
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
    }
}

/// Returns the path of a child.
pub(crate) fn child(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}
