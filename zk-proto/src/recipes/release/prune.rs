//! Deleting releases that are not needed any more.
//!
//! A release is condemned first, in a transaction that fails if it has been pointed to, or set, since it was looked at. From then on nobody
//! can point to it, and it can be deleted node by node.

use super::{
    super::{delete::delete_recursive, parents::ensure_path, retry::Tries, session::Trouble, update::Found},
    layout::{self, Standing},
    store::Store,
};
use crate::{
    broken::broken,
    client::Error,
    code::{CreateMode, ErrorCode},
    request::{Delete, Op, SetData, Version},
};

impl Store {
    /// Deletes what is old, and what was never completed, and returns how many releases.
    ///
    /// # Errors
    ///
    /// The client's and the server's.
    pub(super) async fn prune(&self) -> Result<usize, Error> {
        let tries = Tries::begin(&self.client, self.retry).await?;
        let mut deleted = 0;
        loop {
            // It may be done as often as one likes.
            match tries.in_time(self.prune_once(&mut deleted)).await {
                Ok(_) => return Ok(deleted),
                Err(error) if Trouble::of(&error) == Trouble::Definite => return Err(error),
                Err(_) => _ = tries.in_time(self.client.connected()).await?,
            }
        }
    }

    async fn prune_once(&self, deleted: &mut usize) -> Result<(), Error> {
        let standings = self.standings().await?;
        // The pointer is read behind the releases: what is pointed to between the two is seen here, what is pointed to later has
        // another version by then.
        let Some(current) = self.find(&self.paths.current, false).await? else { return Ok(()) };
        let pointed = layout::pointed(&current.data).unwrap_or_default();
        let mut kept = 0;
        for (_, name, found) in standings.iter().rev() {
            let is_to_go = match Standing::read(&found.data) {
                Some(Standing::Published(_)) => {
                    kept += 1;
                    name != pointed && kept > self.keep && self.condemn(name, found, &current, false).await?
                }
                Some(Standing::Writing) => name != pointed && self.condemn(name, found, &current, true).await?,
                Some(Standing::Leaving) => name != pointed,
                // It is somebody else's.
                None => false,
            };
            if is_to_go {
                delete_recursive(&self.client, &self.paths.release(name)).await?;
                *deleted += 1;
            }
        }
        Ok(())
    }

    /// Condemns a release, unless it is pointed to or being written. Returns whether it did.
    async fn condemn(&self, name: &str, found: &Found, current: &Found, is_draft: bool) -> Result<bool, Error> {
        let (release, marker) = (self.paths.release(name), self.paths.marker(name));
        let is_blind = broken!("releases: deletes what was pointed to since it was looked at");
        let exactly = |found: &Found| if is_blind { Version::Any } else { Version::Exactly(found.stat.version) };
        let leaving = SetData { path: &release, data: Standing::Leaving.write().into(), version: exactly(found) };
        let mut ops = vec![Op::Check { path: &self.paths.current, version: exactly(current) }, Op::SetData(leaving)];
        if is_draft && !broken!("releases: deletes what is being written") {
            // There is none while this is done.
            ops.push(self.create(&marker, bytes::Bytes::new(), CreateMode::Ephemeral));
            ops.push(Op::Delete(Delete { path: &marker, version: Version::Any }));
        }
        for is_last in [false, true] {
            let multi = ops.iter().cloned().fold(self.client.multi(), |multi, op| multi.op(op));
            match multi.await {
                Ok(_) => return Ok(true),
                // What markers are made below is missing.
                Err(Error::Multi(failure)) if failure.error == ErrorCode::NoNode && failure.index == 2 && !is_last => {
                    ensure_path(&self.client, &self.paths.writing, self.acl.as_deref()).await?;
                }
                Err(Error::Multi(failure)) => match failure.error {
                    ErrorCode::BadVersion | ErrorCode::NoNode | ErrorCode::NodeExists => return Ok(false),
                    error => return Err(Error::Server(error)),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
