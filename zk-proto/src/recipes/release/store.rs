//! Writing releases, and pointing to them.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    super::{
        guid::Guid,
        janitor::child,
        parents::ensure_path,
        retry::{RetryPolicy, Tries},
        session::Trouble,
        together::both,
        update::{
            Found, Outcome, Reason,
            settle::{self, Before, Children, Content, Now, Verdict},
        },
    },
    Settings,
    draft::Draft,
    layout::{self, Manifest, Part, Paths, Standing},
};
use crate::{
    SessionId, Zxid,
    broken::broken,
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    record::Acl,
    request::{Create2, Op, SetData, Version},
};

/// Where releases are, and how they are written.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) client: Client,
    pub(super) paths: Arc<Paths>,
    pub(super) acl: Option<Arc<[Acl]>>,
    pub(super) retry: RetryPolicy,
    pub(super) batch: usize,
    pub(super) keep: usize,
}

/// What the pointer must be for it to be set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    Anything,
    /// What created it, and what set it last; `None` for no pointer.
    Exactly(Option<(Zxid, Zxid)>),
}

impl Expected {
    fn is_met_by(self, found: Option<&Found>) -> bool {
        match self {
            Self::Anything => true,
            Self::Exactly(revision) => found.map(|found| (found.stat.czxid, found.stat.mzxid)) == revision,
        }
    }
}

/// How an attempt has ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Applied,
    /// Somebody else was faster.
    Beaten,
    /// Not carried out, for reasons that have nothing to do with anybody's writes.
    Again,
    /// The time is up, and nothing was done.
    Late,
    Unknown,
}

/// How the release that is pointed to shows whether that was done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Witness {
    /// It was published in the same step.
    Published,
    /// It was set in the same step, and had this version before.
    Set(i32),
}

/// How the pointer is to be set.
pub(super) struct Switch<'a> {
    pub(super) before: Before,
    pub(super) name: &'a str,
    pub(super) witness: Witness,
    /// The session in which it is to be done, where that matters.
    pub(super) session: Option<SessionId>,
}

impl Store {
    /// Publishes settings.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub(super) async fn publish(&self, expected: Expected, settings: &Settings) -> Result<Outcome<String>, Error> {
        let mut tries = Tries::begin(&self.client, self.retry).await?;
        loop {
            let before = match self.expect(&tries, expected).await? {
                Outcome::Applied(before) => before,
                other => return Ok(other.map(|_| String::new())),
            };
            let Some(names) = tries.repeat(|| self.names()).await? else { return Ok(late()) };
            let name = layout::next_name(&names, Guid::new(&self.client));
            let batches = layout::batches(&self.paths.release(&name), settings, self.batch);
            let step = match before {
                None => Step::Beaten,
                Some(before) => self.publish_as(&tries, before, &name, Manifest::of(settings), &batches).await?,
            };
            match step {
                Step::Applied => return Ok(Outcome::Applied(name)),
                Step::Unknown => return Ok(Outcome::Unknown),
                Step::Again => {}
                Step::Beaten if tries.again().await? => {}
                Step::Beaten | Step::Late => return Ok(late()),
            }
        }
    }

    /// Points to a release that is there.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub(super) async fn point_to(&self, expected: Expected, name: &str) -> Result<Outcome<()>, Error> {
        let mut tries = Tries::begin(&self.client, self.retry).await?;
        loop {
            let before = match self.expect(&tries, expected).await? {
                Outcome::Applied(before) => before,
                other => return Ok(other.map(|_| ())),
            };
            let path = self.paths.release(name);
            let Some(found) = tries.repeat(|| self.find(&path, true)).await? else { return Ok(late()) };
            let found = found.filter(|found| matches!(Standing::read(&found.data), Some(Standing::Published(_))));
            let Some(Found { data, stat }) = found else { return Ok(Outcome::NotApplied(Reason::Declined)) };
            // Whoever has found it old, and is about to delete it, is to find that it was set since.
            let op = Op::SetData(SetData { path: &path, data: data.into(), version: Version::Exactly(stat.version) });
            let step = match before {
                None => Step::Beaten,
                Some(before) => {
                    let switch = Switch { before, name, witness: Witness::Set(stat.version), session: None };
                    self.switch(&tries, &switch, &[op]).await?
                }
            };
            match step {
                Step::Applied => return Ok(Outcome::Applied(())),
                Step::Unknown => return Ok(Outcome::Unknown),
                Step::Again => {}
                Step::Beaten if tries.again().await? => {}
                Step::Beaten | Step::Late => return Ok(late()),
            }
        }
    }

    /// Looks whether the pointer is as expected; `None` where what it is to be made below is missing.
    async fn expect(&self, tries: &Tries<'_>, expected: Expected) -> Result<Outcome<Option<Before>>, Error> {
        for is_fresh in [false, true] {
            // A server may be behind. Whoever is told that something else is there is to know that it is.
            let Some(found) = tries.repeat(|| self.find(&self.paths.current, is_fresh)).await? else {
                return Ok(late());
            };
            if !expected.is_met_by(found.as_ref()) {
                continue;
            }
            if let Some(found) = found {
                let before = Before::Present { created: found.stat.czxid, version: found.stat.version };
                return Ok(Outcome::Applied(Some(before)));
            }
            let parent = || async {
                ensure_path(&self.client, &self.paths.releases, self.acl.as_deref()).await?;
                self.client.exists(&self.paths.root).resend().await
            };
            let Some(stat) = tries.repeat(parent).await? else { return Ok(late()) };
            return Ok(Outcome::Applied(stat.as_ref().map(|stat| Before::Absent(Children::of(stat)))));
        }
        Ok(Outcome::NotApplied(Reason::Declined))
    }

    async fn publish_as(
        &self,
        tries: &Tries<'_>,
        before: Before,
        name: &str,
        manifest: Manifest,
        batches: &[Vec<Part<'_>>],
    ) -> Result<Step, Error> {
        let path = self.paths.release(name);
        let published = Standing::Published(manifest).write();
        if batches.len() > 1 {
            return Draft::publish(self, tries, before, name, published, batches).await;
        }
        let release = self.create(&path, published, CreateMode::Persistent);
        let settings = batches.iter().flatten().map(|part| self.setting(part));
        let ops: Vec<_> = core::iter::once(release).chain(settings).collect();
        let switch = Switch { before, name, witness: Witness::Published, session: None };
        self.switch(tries, &switch, &ops).await
    }

    pub(super) fn create<'a>(&'a self, path: &'a str, data: Bytes, mode: CreateMode) -> Op<'a> {
        Op::Create(Create2 { mode, acl: self.acl.as_deref(), ..Create2::new(path, data) })
    }

    pub(super) fn setting<'a>(&'a self, (path, data): &'a Part<'_>) -> Op<'a> {
        self.create(path, Bytes::clone(data), CreateMode::Persistent)
    }

    /// Sets the pointer, and does what belongs to that, at one stroke.
    pub(super) async fn switch(&self, tries: &Tries<'_>, switch: &Switch<'_>, ops: &[Op<'_>]) -> Result<Step, Error> {
        let pointer = layout::pointer(switch.name, Guid::new(&self.client));
        loop {
            let current = &*self.paths.current;
            let set = match switch.before {
                Before::Absent(_) => self.create(current, pointer.clone(), CreateMode::Persistent),
                Before::Present { version, .. } => {
                    let version = Version::Exactly(version);
                    Op::SetData(SetData { path: current, data: pointer.clone().into(), version })
                }
            };
            let mut multi = ops.iter().cloned().fold(self.client.multi().op(set), |multi, op| multi.op(op));
            if let Some(session) = switch.session {
                multi = multi.pin(session);
            }
            if let Some(limit) = tries.limit() {
                multi = multi.timeout(limit);
            }
            let error = match multi.await {
                Ok(_) => return Ok(Step::Applied),
                Err(error) => error,
            };
            if !error.is_certainly_not_applied() {
                if broken!("releases: publishes again after a lost reply") {
                    return Ok(Step::Again);
                }
                match tries.repeat(|| self.look_back(switch, &pointer)).await {
                    Ok(Some(Verdict::Applied)) => return Ok(Step::Applied),
                    Ok(Some(Verdict::NotApplied)) => continue,
                    // Or the time is up, or it cannot be read, or the client is over.
                    Ok(Some(Verdict::Unknown) | None) | Err(_) => return Ok(Step::Unknown),
                }
            }
            return match &error {
                Error::TimedOut { .. } => Ok(Step::Late),
                // What is above may vanish, like every empty container.
                Error::Multi(failure)
                    if matches!(failure.error, ErrorCode::BadVersion | ErrorCode::NodeExists | ErrorCode::NoNode) =>
                {
                    Ok(Step::Beaten)
                }
                _ if Trouble::of(&error) == Trouble::SessionOver => {
                    let connected = tries.in_time(self.client.connected()).await?;
                    Ok(if connected.is_some() { Step::Again } else { Step::Late })
                }
                Error::Multi(failure) => Err(Error::Server(failure.error)),
                _ => Err(error),
            };
        }
    }

    /// Finds out whether the pointer was set, when the reply was lost.
    async fn look_back(&self, switch: &Switch<'_>, pointer: &Bytes) -> Result<Verdict, Error> {
        let release = self.paths.release(switch.name);
        let reads = both(self.find(&self.paths.current, true), self.find(&release, true));
        let (current, release) = reads.await;
        let (current, release) = (current?, release?);
        if let Some(release) = release {
            // The release and the pointer were written at one stroke, or not at all.
            match (switch.witness, Standing::read(&release.data)) {
                (Witness::Published, Some(Standing::Published(_))) => return Ok(Verdict::Applied),
                (Witness::Published, Some(Standing::Writing)) => return Ok(Verdict::NotApplied),
                (Witness::Set(version), _) if release.stat.version == version => return Ok(Verdict::NotApplied),
                (Witness::Published | Witness::Set(_), _) => {}
            }
        }
        let parent = match switch.before {
            Before::Absent(_) => self.client.exists(&self.paths.root).resend().await?,
            Before::Present { .. } => None,
        };
        let node = current.as_ref().map(|current| (current.stat.czxid, current.stat.version, &*current.data));
        let now = Now { node, parent: parent.as_ref().map(Children::of) };
        Ok(settle::verdict(switch.before, Some(pointer), Content::Telling, now))
    }

    /// Reads a node; behind a sync, where it must be what everybody sees.
    pub(super) async fn find(&self, path: &str, is_fresh: bool) -> Result<Option<Found>, Error> {
        let read = self.client.get_data(path).resend();
        let found = if is_fresh {
            let sync = self.client.sync(path).resend();
            let (sync, found) = both(sync.into_future(), read.into_future()).await;
            sync?;
            found
        } else {
            read.await
        };
        match found {
            Ok((data, stat)) => Ok(Some(Found { data, stat })),
            Err(Error::Server(ErrorCode::NoNode)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the names of all releases, complete or not, and makes the node above them if it is missing.
    pub(super) async fn names(&self) -> Result<Vec<String>, Error> {
        match self.client.get_children(&self.paths.releases).resend().await {
            Ok((names, _)) => {
                Ok(names.iter().filter(|name| layout::number(name).is_some()).map(str::to_string).collect())
            }
            Err(Error::Server(ErrorCode::NoNode)) => {
                ensure_path(&self.client, &self.paths.releases, self.acl.as_deref()).await?;
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the releases that can be pointed to, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// The client's and the server's.
    pub(super) async fn published(&self) -> Result<Vec<(u64, String, Found)>, Error> {
        let mut published = self.standings().await?;
        published.retain(|(_, _, found)| matches!(Standing::read(&found.data), Some(Standing::Published(_))));
        Ok(published)
    }

    /// Returns all releases, complete or not, in the order of their numbers.
    pub(super) async fn standings(&self) -> Result<Vec<(u64, String, Found)>, Error> {
        let (names, _) = match self.client.get_children(&self.paths.releases).resend().await {
            Err(Error::Server(ErrorCode::NoNode)) => return Ok(Vec::new()),
            names => names?,
        };
        let mut standings = Vec::new();
        for name in &names {
            let Some(number) = layout::number(name) else { continue };
            if let Some(found) = self.find(&child(&self.paths.releases, name), false).await? {
                standings.push((number, name.to_string(), found));
            }
        }
        standings.sort_unstable_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        Ok(standings)
    }
}

fn late<T>() -> Outcome<T> {
    Outcome::NotApplied(Reason::GaveUp)
}
