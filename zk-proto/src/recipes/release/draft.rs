//! A release that is written in several steps.
//!
//! As long as it is written, an ephemeral node shows that somebody is at it. Whoever condemns a release that is not complete does so
//! in a transaction that shows that there is no such node; and whoever writes does so in transactions that show that it was not condemned,
//! pinned to the session of that node.

use bytes::Bytes;

use super::{
    super::{
        janitor::{self, Remains},
        parents::ensure_path,
        retry::Tries,
        session::{Trouble, session},
        together::both,
        update::settle::Before,
    },
    layout::{Part, Standing},
    store::{Step, Store, Switch, Witness},
};
use crate::{
    SessionId,
    broken::broken,
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    request::{Delete, Op, SetData, Version},
};

/// How often what is above may vanish again.
const PATIENCE: usize = 16;

/// The node that shows that somebody is at it. Dropping it has it deleted in the background.
struct Marker {
    client: Client,
    session: SessionId,
    path: String,
    may_be_there: bool,
}

impl Drop for Marker {
    fn drop(&mut self) {
        if self.may_be_there {
            janitor::clean_up(&self.client, self.session, Remains::Node { path: self.path.clone() });
        }
    }
}

pub(super) struct Draft<'a> {
    store: &'a Store,
    release: String,
    marker: Marker,
}

impl Draft<'_> {
    /// Writes a release, and points to it when all of it is there.
    pub(super) async fn publish(
        store: &Store,
        tries: &Tries<'_>,
        before: Before,
        name: &str,
        published: Bytes,
        batches: &[Vec<Part<'_>>],
    ) -> Result<Step, Error> {
        let Some(session) = tries.in_time(session(&store.client)).await? else { return Ok(Step::Late) };
        let path = store.paths.marker(name);
        let marker = Marker { client: store.client.clone(), session, path, may_be_there: true };
        let mut draft = Draft { store, release: store.paths.release(name), marker };
        let is_hasty = broken!("releases: points to a release before all of it is written");
        let written = if is_hasty { &batches[1..] } else { batches };
        match tries.in_time(draft.write(written)).await {
            Ok(Some(())) => {}
            Ok(None) => return Ok(Step::Late),
            Err(error) => return draft.failed(tries, error).await,
        }
        let marker = draft.marker.path.clone();
        let set = SetData { path: &draft.release, data: published.into(), version: Version::Exactly(0) };
        let ops = [Op::SetData(set), Op::Delete(Delete { path: &marker, version: Version::Any })];
        let switch = Switch { before, name, witness: Witness::Published, session: Some(session) };
        let step = store.switch(tries, &switch, &ops).await;
        if matches!(step, Ok(Step::Applied)) {
            draft.marker.may_be_there = false;
        }
        step
    }

    async fn failed(&self, tries: &Tries<'_>, error: Error) -> Result<Step, Error> {
        match (&error, Trouble::of(&error)) {
            (_, Trouble::SessionOver) => {
                let connected = tries.in_time(self.store.client.connected()).await?;
                Ok(if connected.is_some() { Step::Again } else { Step::Late })
            }
            // Somebody has deleted it.
            (Error::Multi(failure), _) if matches!(failure.error, ErrorCode::NoNode | ErrorCode::BadVersion) => {
                Ok(Step::Beaten)
            }
            (Error::Multi(failure), _) => Err(Error::Server(failure.error)),
            (_, _) => Err(error),
        }
    }

    async fn write(&self, batches: &[Vec<Part<'_>>]) -> Result<(), Error> {
        let store = self.store;
        let begin = || {
            let marker = store.create(&self.marker.path, Bytes::new(), CreateMode::Ephemeral);
            vec![marker, store.create(&self.release, Standing::Writing.write(), CreateMode::Persistent)]
        };
        let mut tries = PATIENCE;
        loop {
            match self.surely(begin(), &self.release).await {
                Ok(()) => break,
                Err(Error::Multi(failure)) if failure.error == ErrorCode::NoNode && tries > 0 => {
                    tries -= 1;
                    for above in [&store.paths.writing, &store.paths.releases] {
                        ensure_path(&store.client, above, store.acl.as_deref()).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        for batch in batches {
            let Some((first, _)) = batch.first() else { continue };
            let check = Op::Check { path: &self.release, version: Version::Exactly(0) };
            let ops = core::iter::once(check).chain(batch.iter().map(|part| store.setting(part))).collect();
            self.surely(ops, first).await?;
        }
        Ok(())
    }

    /// Does something once, however often the link breaks: whether it was done is seen by a node that is made with it.
    async fn surely(&self, ops: Vec<Op<'_>>, witness: &str) -> Result<(), Error> {
        let (client, session) = (&self.store.client, self.marker.session);
        loop {
            let multi = ops.iter().cloned().fold(client.multi(), |multi, op| multi.op(op));
            let error = match multi.pin(session).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if Trouble::of(&error) != Trouble::InDoubt {
                return Err(error);
            }
            loop {
                let sync = client.sync(witness).pin(session).resend();
                let exists = client.exists(witness).pin(session).resend();
                let (sync, exists) = both(sync.into_future(), exists.into_future()).await;
                match sync.and(exists) {
                    Ok(Some(_)) => return Ok(()),
                    Ok(None) => break,
                    Err(error) if Trouble::of(&error) == Trouble::InDoubt => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
