//! Deleting a node with all that is below it.

use super::{janitor::child, session::Trouble};
use crate::{
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
    path,
};

/// How many nodes are deleted in one transaction.
const BATCH: usize = 256;

/// How often somebody may make nodes below those that are being deleted.
const PATIENCE: usize = 64;

/// Deletes a node with all that is below it, and returns how many nodes it has deleted, at least. That there is none is fine.
///
/// The nodes are listed, and deleted from below in transactions of some hundreds. That is not one step: others see some of the nodes
/// while others are gone already. Nodes that somebody makes meanwhile are deleted too. When a link breaks, it goes on with the next,
/// and what was made anew by then is deleted as well.
///
/// # Errors
///
/// [`Error::Invalid`] when the path cannot be one, or is `/`, where the server's own nodes are; the server's; and
/// [`NotEmpty`](ErrorCode::NotEmpty) when nodes are made as fast as they are deleted.
pub async fn delete_recursive(client: &Client, path: &str) -> Result<usize, Error> {
    path::validate(path)?;
    let mut deleted = 0;
    for _ in 0..PATIENCE {
        let nodes = match list(client, path).await {
            Ok(nodes) => nodes,
            Err(error) => {
                go_on(client, error).await?;
                continue;
            }
        };
        if nodes.is_empty() {
            return Ok(deleted);
        }
        // Those that were found last are lowest.
        for batch in nodes.rchunks(BATCH) {
            deleted += delete_batch(client, batch).await?;
        }
        if broken!("deletions: does not look whether all of it is gone") {
            return Ok(deleted);
        }
    }
    Err(Error::Server(ErrorCode::NotEmpty))
}

/// Lists a node and all that are below it, each above its children.
async fn list(client: &Client, path: &str) -> Result<Vec<String>, Error> {
    let mut nodes = vec![path.to_string()];
    let mut looked_at = 0;
    while let Some(next) = nodes.get(looked_at) {
        match client.get_children(next).resend().await {
            Ok((names, _)) => {
                let below: Vec<String> = names.iter().map(|name| child(next, name)).collect();
                nodes.extend(below);
                looked_at += 1;
            }
            Err(Error::Server(ErrorCode::NoNode)) => _ = nodes.remove(looked_at),
            Err(error) => return Err(error),
        }
    }
    Ok(nodes)
}

/// Deletes nodes, the last first: all at once, or one by one where somebody else deletes or makes some. Returns how many.
async fn delete_batch(client: &Client, nodes: &[String]) -> Result<usize, Error> {
    let multi = nodes.iter().rev().fold(client.multi(), |multi, path| multi.delete(path, None));
    match multi.await {
        Ok(_) => return Ok(nodes.len()),
        Err(error) if is_race(&error) => {}
        Err(error) => {
            go_on(client, error).await?;
            if broken!("deletions: counts what it was not told of") {
                return Ok(nodes.len());
            }
            return Ok(0);
        }
    }
    let mut deleted = 0;
    for path in nodes.iter().rev() {
        match client.delete(path).await {
            Ok(()) => deleted += 1,
            Err(error) if is_race(&error) => {}
            Err(error) => go_on(client, error).await?,
        }
    }
    Ok(deleted)
}

/// Returns whether somebody else has deleted the node, or made one below it.
fn is_race(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::NoNode | ErrorCode::NotEmpty))
}

/// Waits for the next link after a failure that is about links and sessions.
async fn go_on(client: &Client, error: Error) -> Result<(), Error> {
    match Trouble::of(&error) {
        Trouble::InDoubt | Trouble::SessionOver => client.connected().await,
        Trouble::Definite => Err(error),
    }
}
