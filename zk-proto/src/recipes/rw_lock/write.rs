//! A lock that is held for writing.

use std::ops::Deref;

use super::super::{guid::Guid, janitor::child, line::Line, lock::Held, protected, session::Trouble};
use crate::{
    broken::broken,
    client::Error,
    code::{CreateMode, ErrorCode},
    request::Create2,
};

/// A [readers-writer lock](super::RwLock) that is held for writing. All of [`Held`] goes for it too.
#[derive(Debug)]
#[must_use = "dropping it releases the lock"]
pub struct HeldWrite {
    held: Held,
    /// Where readers stand.
    readers: Line,
}

impl HeldWrite {
    pub(super) fn new(held: Held, readers: Line) -> Self {
        Self { held, readers }
    }

    /// Goes on as a reader, with no other writer in between: those who have waited for this one and want to read, may.
    ///
    /// The reader's node takes the writer's place in one transaction, under the writer's number (CURATOR-621), and keeps its
    /// [fencing token](Held::fencing_token), which is lower than that of every writer who waits.
    ///
    /// # Errors
    ///
    /// [`NoNode`](ErrorCode::NoNode) when somebody has deleted the writer's node, [`Error::SessionChanged`] or [`Error::Ended`] when
    /// its session is over; and the server's others. The lock is given back then, and also when the future is dropped before its
    /// end.
    pub async fn downgrade(self) -> Result<Held, Error> {
        let Self { held, readers } = self;
        let number = held.number();
        let write = held.into_own();
        let prefix = (readers.names.prefix)(Guid::new(&readers.client));
        if broken!("rw lock: a writer that goes on as a reader goes to the end of the line") {
            let read = protected::create(&readers.client, write.session(), &readers.plan(&prefix)).await?;
            write.delete().await?;
            return Ok(Held::new(read, readers.names));
        }
        let name = number.map(|number| format!("{prefix}{}", number.for_successor()));
        let read = write.succeeded_by(child(&readers.path, &name.expect("it stands in line, so it has a number")));
        loop {
            let mut create = Create2::new(read.path(), &*readers.data);
            (create.mode, create.acl) = (CreateMode::Ephemeral, readers.acl.as_deref());
            let multi = readers.client.multi().create_with(create).delete(write.path(), None);
            let Err(error) = multi.pin(write.session()).await else { break };
            match Trouble::of(&error) {
                // Whether it was carried out, the next one tells.
                Trouble::InDoubt => {}
                // The name is nobody else's: an earlier one was carried out.
                Trouble::Definite if error.code() == Some(ErrorCode::NodeExists) => break,
                Trouble::SessionOver | Trouble::Definite => return Err(error),
            }
        }
        write.forget();
        Ok(Held::new(read, readers.names))
    }

    /// Gives the lock back, as [`Held::release`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn release(self) -> Result<(), Error> {
        self.held.release().await
    }
}

impl Deref for HeldWrite {
    type Target = Held;

    fn deref(&self) -> &Held {
        &self.held
    }
}
