//! The steps by which a node gets to be as it should: one write, or none, and a look at the node right behind it.
//!
//! Write and look leave together, so a step costs one round trip, and the look sees what the write has done. It leaves a watch, which
//! the write of a later step may use up: every step that writes looks again (CURATOR-258).

use core::future::Future;
use std::{future::IntoFuture, pin::Pin, sync::Arc};

use bytes::Bytes;

use super::{
    super::{
        janitor::{child, find},
        line::Number,
        parents::ensure_path,
        session::Trouble,
        together::both,
    },
    KeptMode, Parents, Plan, TOUCH,
};
use crate::{
    SessionId, Zxid,
    client::{Background, Error, Watcher},
    code::{CreateMode, ErrorCode},
    path,
    record::Stat,
    request::{Create2, OpResult, Version},
};

/// How often the parent may vanish again before a sequential node is made below it.
const PATIENCE: usize = 16;

/// A step under way.
pub(super) type Step = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The node, or its absence, and a watch on it.
pub(super) type Looked = Result<(Option<Stat>, Watcher), Error>;

/// What came of a step.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) did: Did,
    pub(super) looked: Option<Looked>,
}

/// What a step did, besides looking.
#[derive(Debug)]
pub(super) enum Did {
    Nothing,
    /// The node has the data of this edition since that transaction, where the server has said which.
    Wrote {
        edition: u64,
        set: Option<Zxid>,
    },
    /// A sequential node was made, with the data of this edition.
    Numbered {
        path: String,
        stat: Stat,
        edition: u64,
    },
    Read {
        data: Bytes,
        stat: Stat,
    },
    /// The child that keeps a TTL node alive was written to.
    Touched,
    Failed {
        error: Error,
        of: Attempt,
    },
}

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Create,
    /// To find the sequential node whose creation is in doubt.
    Find,
    TakeOver,
    Write,
    Read,
    Touch,
}

/// What there is to write.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) data: Bytes,
    pub(super) edition: u64,
}

/// Where the steps are taken.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) client: Background,
    pub(super) plan: Arc<Plan>,
    pub(super) session: SessionId,
    pub(super) path: Arc<str>,
}

/// Returns the version that a node must still have.
pub(super) fn version(stat: &Stat) -> Version {
    // Before ZOOKEEPER-4743 a version could come to be -1, which cannot be asked for.
    if stat.version == -1 { Version::Any } else { Version::Exactly(stat.version) }
}

impl Site {
    /// Looks at the node.
    pub(super) async fn look(self) -> Outcome {
        Outcome { did: Did::Nothing, looked: Some(self.looked().await) }
    }

    async fn looked(&self) -> Looked {
        self.client.exists(&self.path).watch().pin(self.session).resend().await
    }

    /// Makes the node, and those above it if they are missing.
    pub(super) async fn create(self, wanted: Wanted) -> Outcome {
        let (created, looked) = both(self.created(&wanted), self.looked()).await;
        let is_parent_missing = matches!(&created, Err(error) if error.code() == Some(ErrorCode::NoNode));
        if !is_parent_missing || self.plan.parents == Parents::Expected {
            return wrote(created, looked, &wanted, Attempt::Create);
        }
        let parent = path::parent(&self.path).unwrap_or("/");
        if let Err(error) = ensure_path(&self.client, parent, self.plan.acl.as_deref()).await {
            return Outcome { did: Did::Failed { error, of: Attempt::Create }, looked: Some(looked) };
        }
        let (created, looked) = both(self.created(&wanted), self.looked()).await;
        wrote(created, looked, &wanted, Attempt::Create)
    }

    async fn created(&self, wanted: &Wanted) -> Result<Option<Zxid>, Error> {
        if let KeptMode::Ttl(_) = self.plan.mode {
            let touch = child(&self.path, TOUCH);
            let both = self.client.multi().create_with(self.node(&self.path, &wanted.data));
            let results = both.create_with(self.node(&touch, b"")).pin(self.session).await?;
            return Ok(results.first().and_then(created_by));
        }
        let Create2 { path, data, mode, .. } = self.node(&self.path, &wanted.data);
        let mut create = self.client.create(path, data).mode(mode);
        if let Some(acl) = &self.plan.acl {
            create = create.acl(acl);
        }
        let (_, stat) = create.pin(self.session).await?;
        Ok(Some(stat.czxid))
    }

    /// Returns the node as it is to be made.
    fn node<'a>(&'a self, path: &'a str, data: &'a [u8]) -> Create2<'a> {
        let mut node = Create2::new(path, data);
        node.acl = self.plan.acl.as_deref();
        match self.plan.mode {
            // Its number is part of the path by now.
            KeptMode::Ephemeral | KeptMode::EphemeralSequential => node.mode = CreateMode::Ephemeral,
            KeptMode::Persistent => node.mode = CreateMode::Persistent,
            KeptMode::Ttl(ttl) => (node.mode, node.ttl) = (CreateMode::PersistentWithTtl, Some(ttl)),
        }
        node
    }

    /// Puts a node of ours in the place of one that is there, at one stroke.
    pub(super) async fn take_over(self, there: Stat, wanted: Wanted) -> Outcome {
        let replace = async {
            let multi = self.client.multi().delete(&self.path, version(&there));
            let touch = child(&self.path, TOUCH);
            let mut multi = multi.create_with(self.node(&self.path, &wanted.data));
            if let KeptMode::Ttl(_) = self.plan.mode {
                multi = multi.create_with(self.node(&touch, b""));
            }
            let results = multi.pin(self.session).await?;
            Ok(results.get(1).and_then(created_by))
        };
        let (replaced, looked) = both(replace, self.looked()).await;
        wrote(replaced, looked, &wanted, Attempt::TakeOver)
    }

    /// Writes to the node, if it is still as it was seen.
    pub(super) async fn write(self, there: Stat, wanted: Wanted) -> Outcome {
        let write = async {
            let write = self.client.set_data(&self.path, &wanted.data).version(version(&there));
            Ok(Some(write.pin(self.session).await?.mzxid))
        };
        let (written, looked) = both(write, self.looked()).await;
        wrote(written, looked, &wanted, Attempt::Write)
    }

    /// Reads the node. The watch of the last look is still there.
    pub(super) async fn read(self) -> Outcome {
        let did = match self.client.get_data(&self.path).pin(self.session).resend().await {
            Ok((data, stat)) => Did::Read { data, stat },
            Err(error) => Did::Failed { error, of: Attempt::Read },
        };
        Outcome { did, looked: None }
    }

    /// Makes a sequential node that has no number yet.
    pub(super) async fn create_numbered(self, wanted: Wanted) -> Outcome {
        let did = match self.numbered(&wanted).await {
            Ok((path, stat)) => Did::Numbered { path, stat, edition: wanted.edition },
            Err((error, of)) => Did::Failed { error, of },
        };
        Outcome { did, looked: None }
    }

    async fn numbered(&self, wanted: &Wanted) -> Result<(String, Stat), (Error, Attempt)> {
        let mut tries = PATIENCE;
        loop {
            let create = self.client.create(&self.path, &wanted.data).mode(CreateMode::EphemeralSequential);
            let create = match &self.plan.acl {
                Some(acl) => create.acl(acl),
                None => create,
            };
            let error = match create.pin(self.session).await {
                Ok(created) => return Ok(created),
                Err(error) => error,
            };
            let is_parent_missing = error.code() == Some(ErrorCode::NoNode);
            if Trouble::of(&error) == Trouble::InDoubt {
                match self.find_numbered().await {
                    Ok(Some(found)) => return Ok(found),
                    Ok(None) => {}
                    Err(error) => return Err((error, Attempt::Find)),
                }
            } else if is_parent_missing && self.plan.parents == Parents::Ensured && tries > 0 {
                tries -= 1;
                let parent = path::parent(&self.path).unwrap_or("/");
                let ensured = ensure_path(&self.client, parent, self.plan.acl.as_deref()).await;
                ensured.map_err(|error| (error, Attempt::Create))?;
            } else {
                return Err((error, Attempt::Create));
            }
        }
    }

    /// Looks for a sequential node of this session's whose number nobody has heard.
    pub(super) async fn find_numbered(&self) -> Result<Option<(String, Stat)>, Error> {
        let (parent, name) = (path::parent(&self.path).unwrap_or("/"), path::name(&self.path));
        let is_number = |rest: &str| Number::parse(rest).is_some();
        find(&self.client, self.session, parent, name, is_number).await
    }

    /// Keeps a node with a TTL alive.
    pub(super) async fn touch(self) -> Outcome {
        let touch = child(&self.path, TOUCH);
        let touched = match self.client.set_data(&touch, b"").pin(self.session).await {
            Err(Error::Server(ErrorCode::NoNode)) => {
                let KeptMode::Ttl(ttl) = self.plan.mode else { return self.look().await };
                let create = self.client.create(&touch, b"").ttl(ttl);
                let create = match &self.plan.acl {
                    Some(acl) => create.acl(acl),
                    None => create,
                };
                create.pin(self.session).await.map(|_| ())
            }
            touched => touched.map(|_| ()),
        };
        let did = match touched {
            Ok(()) | Err(Error::Server(ErrorCode::NodeExists)) => Did::Touched,
            Err(error) => Did::Failed { error, of: Attempt::Touch },
        };
        Outcome { did, looked: None }
    }

    /// Asks for the node as it is now, whatever this server is behind of.
    pub(super) async fn exists_now(&self) -> Result<Option<Stat>, Error> {
        let sync = self.client.sync(&self.path).pin(self.session).resend();
        let exists = self.client.exists(&self.path).pin(self.session).resend();
        let (sync, exists) = both(sync.into_future(), exists.into_future()).await;
        sync?;
        exists
    }
}

fn wrote(written: Result<Option<Zxid>, Error>, looked: Looked, wanted: &Wanted, attempt: Attempt) -> Outcome {
    let did = match written {
        Ok(set) => Did::Wrote { edition: wanted.edition, set },
        Err(error) => Did::Failed { error, of: attempt },
    };
    Outcome { did, looked: Some(looked) }
}

/// Returns the transaction that has created a node, where the server tells it.
fn created_by(result: &OpResult) -> Option<Zxid> {
    match result {
        OpResult::Created { stat, .. } => stat.as_ref().map(|stat| stat.czxid),
        OpResult::Deleted | OpResult::DataSet(_) | OpResult::Checked => None,
    }
}
