//! Deleting a node that is not wanted any more, whatever is under way for it.

use super::{
    super::{janitor::child, session::Trouble},
    KeptMode, TOUCH,
    steps::{Site, version},
};
use crate::{SessionId, broken::broken, client::Error, code::ErrorCode, request::Version};

impl Site {
    /// Deletes the node, if it is ours: one of this session, if it is ephemeral.
    ///
    /// What was sent before and has not been answered is done or refused by now: it is ahead of the sync that comes first, or it came
    /// by a link that the session has left.
    ///
    /// # Errors
    ///
    /// The server's. That the session is over is fine.
    pub(super) async fn remove(mut self, is_numbered: bool) -> Result<(), Error> {
        loop {
            let error = match self.try_to_remove(is_numbered).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match Trouble::of(&error) {
                Trouble::InDoubt => {}
                Trouble::SessionOver if self.plan.mode.is_ephemeral() => return Ok(()),
                Trouble::SessionOver => {
                    self.client.connected().await?;
                    self.session = self.client.session().unwrap_or(self.session);
                }
                // Somebody has written to it, or another one is there: look again.
                Trouble::Definite if error.code() == Some(ErrorCode::BadVersion) => {}
                Trouble::Definite => return Err(error),
            }
        }
    }

    async fn try_to_remove(&mut self, is_numbered: bool) -> Result<(), Error> {
        if !is_numbered {
            return match self.find_numbered().await? {
                Some((path, _)) => self.delete(&path, Version::Any).await,
                None => Ok(()),
            };
        }
        let Some(stat) = self.exists_now().await? else { return Ok(()) };
        let owner = if self.plan.mode.is_ephemeral() { self.session } else { SessionId(0) };
        if stat.ephemeral_owner != owner && !broken!("kept: deletes a node of another session when it is dropped") {
            return Ok(());
        }
        if let KeptMode::Ttl(_) = self.plan.mode {
            self.delete(&child(&self.path, TOUCH), Version::Any).await?;
        }
        self.delete(&self.path, version(&stat)).await
    }

    async fn delete(&self, path: &str, version: Version) -> Result<(), Error> {
        match self.client.delete(path).version(version).pin(self.session).await {
            Err(Error::Server(ErrorCode::NoNode)) => Ok(()),
            result => result,
        }
    }
}
