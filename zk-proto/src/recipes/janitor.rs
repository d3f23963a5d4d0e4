//! Cleaning up behind callers that are gone.
//!
//! Dropping a future cancels it, at any await, and a destructor cannot wait for the network. So what is left to be deleted goes to
//! the background: it is tried until it is certain, over lost links too, and forgotten when the session is over, because then
//! the server deletes what is ephemeral.

use super::session::Trouble;
use crate::{
    SessionId,
    client::{Client, Error},
    code::ErrorCode,
};

/// What is left of somebody's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remains {
    /// A node.
    Node { path: String },
    /// A node that was made, or not: its name begins so.
    Perhaps { parent: String, prefix: String },
}

/// Has ephemeral nodes of a session deleted in the background.
pub(crate) fn clean_up(client: &Client, session: SessionId, remains: Remains) {
    client.spawn(|client| async move {
        let path = match remains {
            Remains::Node { path } => Some(path),
            Remains::Perhaps { parent, prefix } => search(&client, session, &parent, &prefix).await.ok().flatten(),
        };
        if let Some(path) = path {
            // What cannot be deleted, for lack of rights, goes with the session.
            _ = delete(&client, session, &path).await;
        }
    });
}

/// Deletes a node of one's own, however often the link breaks. That it is gone already is fine, and so is that its session is
/// over.
///
/// # Errors
///
/// The server's, such as [`NoAuth`](ErrorCode::NoAuth).
pub(crate) async fn delete(client: &Client, session: SessionId, path: &str) -> Result<(), Error> {
    loop {
        match client.delete(path).pin(session).await {
            Ok(()) | Err(Error::Server(ErrorCode::NoNode)) => return Ok(()),
            Err(error) => match Trouble::of(&error) {
                // Its name is nobody else's, so deleting it twice does no harm.
                Trouble::InDoubt => {}
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

/// Returns the path of a child.
pub(crate) fn child(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}
