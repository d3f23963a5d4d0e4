//! Nodes to put others below.

use super::session::Trouble;
use crate::{
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    path,
    record::Acl,
};

/// How often, for each level, a node may vanish again while others are made below it.
const PATIENCE: usize = 16;

/// Makes sure that a node exists, with all that are above it.
///
/// Missing ones are made as containers, which the server deletes when their last child has gone, or as persistent nodes on servers
/// before 3.5.3. It begins at the end of the path and goes up only as far as it must, so rights on upper nodes are not needed
/// where these exist.
///
/// # Errors
///
/// The server's, such as [`NoAuth`](ErrorCode::NoAuth); or [`NoNode`](ErrorCode::NoNode) when the nodes vanish as fast as they are
/// made.
pub async fn ensure_path(client: &Client, path: &str, acl: Option<&[Acl]>) -> Result<(), Error> {
    ensure_path_as(client, path, acl, CreateMode::Container).await
}

/// Makes sure that a node exists, with all that are above it. Missing ones are made in this mode; persistent where the server knows no
/// containers.
pub(super) async fn ensure_path_as(
    client: &Client,
    path: &str,
    acl: Option<&[Acl]>,
    mode: CreateMode,
) -> Result<(), Error> {
    let mut missing = vec![path];
    let mut tries = PATIENCE * path::ancestors(path).count().max(1);
    while let Some(next) = missing.last().copied() {
        match create(client, next, acl, mode).await {
            Ok(()) => _ = missing.pop(),
            Err(error) if error.code() == Some(ErrorCode::NoNode) && tries > 0 => {
                tries -= 1;
                let Some(parent) = path::parent(next) else { return Err(error) };
                missing.push(parent);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn create(client: &Client, path: &str, acl: Option<&[Acl]>, mut mode: CreateMode) -> Result<(), Error> {
    loop {
        let mut create = client.create(path, b"").mode(mode);
        if let Some(acl) = acl {
            create = create.acl(acl);
        }
        match create.await {
            Ok(_) => return Ok(()),
            Err(Error::Server(ErrorCode::NodeExists)) => return Ok(()),
            Err(Error::Server(ErrorCode::Unimplemented)) if mode == CreateMode::Container => {
                mode = CreateMode::Persistent
            }
            // It is the same whoever made it, and when. Where there will be no other session, that is the end of it.
            Err(error) if Trouble::of(&error) != Trouble::Definite => client.connected().await?,
            Err(error) => return Err(error),
        }
    }
}
