//! One attempt to write, up to the certainty about what came of it.

use bytes::Bytes;

use super::{
    super::{
        parents::ensure_path_as,
        retry::Tries,
        session::{Trouble, session},
    },
    Effect, Found, Update,
    marker::Marker,
    settle::{self, Before, Children, Now, Verdict},
};
use crate::{
    broken::broken,
    client::Error,
    code::ErrorCode,
    path,
    record::Stat,
    request::{Create2, Delete, Op, OpResult, SetData, Version},
};

/// How an attempt has ended.
pub(super) enum Attempt {
    Applied(Option<Stat>),
    /// Somebody else was faster.
    Beaten,
    /// Not carried out, for reasons that have nothing to do with anybody's writes.
    Again,
    /// The time is up, and nothing was done.
    Late,
    Unknown,
}

impl Update {
    /// Writes data over what was found, or deletes it.
    pub(super) async fn write(
        &self,
        tries: &Tries<'_>,
        found: Option<&Found>,
        data: Option<&Bytes>,
    ) -> Result<Attempt, Error> {
        let before = match found {
            Some(found) => Before::Present { created: found.stat.czxid, version: found.stat.version },
            None => match tries.repeat(|| self.parent()).await? {
                Some(Some(parent)) => Before::Absent(parent),
                Some(None) => return Ok(Attempt::Beaten),
                None => return Ok(Attempt::Late),
            },
        };
        let mut marker = match self.effect {
            Effect::AtMostOnce | Effect::AtLeastOnce => None,
            Effect::ExactlyOnce => match tries.in_time(session(&self.client)).await? {
                Some(session) => Some(Marker::new(&self.client, session, &self.path)),
                None => return Ok(Attempt::Late),
            },
        };
        let written = self.send(tries, before, data, marker.as_ref()).await;
        if let (Err(error), Some(marker)) = (&written, &mut marker) {
            if error.is_certainly_not_applied() {
                marker.is_not_there();
            }
        }
        let error = match written {
            Ok(stat) => return Ok(Attempt::Applied(stat)),
            Err(error) => error,
        };
        if !error.is_certainly_not_applied() {
            if broken!("numbers: adds again after a lost reply") {
                return Ok(Attempt::Again);
            }
            return Ok(match self.settle(tries, before, data, marker.as_ref()).await {
                (Verdict::Applied, stat) => Attempt::Applied(stat),
                (Verdict::NotApplied, _) => Attempt::Again,
                (Verdict::Unknown, _) => Attempt::Unknown,
            });
        }
        match &error {
            Error::TimedOut { .. } => Ok(Attempt::Late),
            // What the marker is put below vanishes like every empty container.
            Error::Multi(failure) if failure.error == ErrorCode::NoNode => {
                let acl = self.acl.as_deref();
                let ensured = tries.repeat(|| Marker::ensure_parent(&self.client, &self.path, acl));
                Ok(if ensured.await?.is_some() { Attempt::Again } else { Attempt::Late })
            }
            Error::Server(ErrorCode::BadVersion | ErrorCode::NoNode | ErrorCode::NodeExists) => Ok(Attempt::Beaten),
            _ if Trouble::of(&error) == Trouble::SessionOver => {
                let connected = tries.in_time(self.client.connected()).await?;
                Ok(if connected.is_some() { Attempt::Again } else { Attempt::Late })
            }
            _ => Err(error),
        }
    }

    /// Looks at the node above, and makes it if it is missing. `None` when it has vanished again.
    async fn parent(&self) -> Result<Option<Children>, Error> {
        // A root has nothing above, and is always there.
        let Some(parent) = path::parent(&self.path) else { return Ok(None) };
        let exists = || self.client.exists(parent).resend();
        let stat = match exists().await? {
            Some(stat) => Some(stat),
            None => {
                ensure_path_as(&self.client, parent, self.acl.as_deref(), self.above).await?;
                exists().await?
            }
        };
        Ok(stat.as_ref().map(Children::of))
    }

    /// Sends the write, and what marks it.
    async fn send(
        &self,
        tries: &Tries<'_>,
        before: Before,
        data: Option<&Bytes>,
        marker: Option<&Marker>,
    ) -> Result<Option<Stat>, Error> {
        let mut multi = self.client.multi().op(self.op(before, data));
        if let Some(marker) = marker {
            multi = multi.op(marker.op(self.acl.as_deref())).pin(marker.session());
        }
        if let Some(limit) = tries.limit() {
            multi = multi.timeout(limit);
        }
        match multi.await {
            Ok(results) => Ok(results.into_iter().next().and_then(|result| match result {
                OpResult::Created { stat, .. } => stat,
                OpResult::DataSet(stat) => Some(stat),
                OpResult::Deleted | OpResult::Checked => None,
            })),
            Err(Error::Multi(failure)) if failure.index == 0 => Err(Error::Server(failure.error)),
            Err(error) => Err(error),
        }
    }

    fn op<'a>(&'a self, before: Before, data: Option<&'a Bytes>) -> Op<'a> {
        let path = &*self.path;
        match (before, data) {
            (Before::Absent(_), data) => {
                let data = data.cloned().unwrap_or_default();
                Op::Create(Create2 { acl: self.acl.as_deref(), ..Create2::new(path, data) })
            }
            (Before::Present { version, .. }, Some(data)) => {
                Op::SetData(SetData { path, data: data.into(), version: Version::Exactly(version) })
            }
            (Before::Present { version, .. }, None) => Op::Delete(Delete { path, version: Version::Exactly(version) }),
        }
    }

    /// Finds out what became of a write whose reply was lost. Where it was applied, also how the node stands now, if it is as it was
    /// written.
    async fn settle(
        &self,
        tries: &Tries<'_>,
        before: Before,
        data: Option<&Bytes>,
        marker: Option<&Marker>,
    ) -> (Verdict, Option<Stat>) {
        match tries.repeat(|| self.look_back(before, data, marker)).await {
            Ok(Some(verdict)) => verdict,
            // The time is up, or it cannot be read, or the client is over.
            Ok(None) | Err(_) => (Verdict::Unknown, None),
        }
    }

    async fn look_back(
        &self,
        before: Before,
        data: Option<&Bytes>,
        marker: Option<&Marker>,
    ) -> Result<(Verdict, Option<Stat>), Error> {
        if let Some(marker) = marker {
            match marker.is_there().await {
                Ok(true) => return Ok((Verdict::Applied, None)),
                Ok(false) => return Ok((Verdict::NotApplied, None)),
                // It went with its session.
                Err(error) if Trouble::of(&error) == Trouble::SessionOver => {}
                Err(error) => return Err(error),
            }
        }
        let now = self.find(true).await?;
        let parent = match (before, path::parent(&self.path)) {
            (Before::Absent(_), Some(parent)) => self.client.exists(parent).resend().await?,
            (Before::Absent(_) | Before::Present { .. }, _) => None,
        };
        let now_is = Now {
            node: now.as_ref().map(|now| (now.stat.czxid, now.stat.version, &*now.data)),
            parent: parent.as_ref().map(Children::of),
        };
        let verdict = settle::verdict(before, data.map(|data| &**data), self.content, now_is);
        Ok((verdict, now.map(|now| now.stat)))
    }
}
