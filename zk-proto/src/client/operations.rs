//! ZooKeeper's operations by their names, and what can be said about each.

use core::time::Duration;

use bytes::Bytes;

use super::{
    Call, Client, Error, Watcher,
    pending::{Outcome, Pending},
    requests::Entry,
};
use crate::{
    AuthInfo, Zxid,
    code::{AddWatchMode, CreateMode, ErrorCode},
    record::{Acl, ClientInfo, Stat},
    request::{
        AddWatch, Children, Create2, Delete, Exists, GetAcl, GetAllChildrenNumber, GetChildren2, GetConfig, GetData,
        GetEphemerals, NodeData, Reconfig, Request, SetAcl, SetData, Sync, Version, Watched, WhoAmI,
    },
    session::RequestError,
    wire::Payload,
};

/// The operations. Each makes a [`Call`]: await it, or [`send`](Call::send) it.
impl Client {
    /// Creates a node and gives its path (with the number of a sequential node) and [`Stat`].
    ///
    /// The node is persistent and open to everybody unless the call is told otherwise. Servers before 3.5 do not know this
    /// operation; for them there is [`request`](Self::request) with [`Create`](crate::request::Create).
    pub fn create<'a>(&'a self, path: &'a str, data: impl Into<Payload<'a>>) -> Call<'a, Create2<'a>, (String, Stat)> {
        Call::new(self, Create2::new(path, data), |outcome| {
            let created = outcome.reply::<Create2<'_>>()?;
            Ok((created.path, created.stat))
        })
    }

    /// Deletes a node that has no children.
    pub fn delete<'a>(&'a self, path: &'a str) -> Call<'a, Delete<'a>, ()> {
        self.request(Delete { path, version: Version::Any })
    }

    /// Asks for a node's [`Stat`]; `None` where there is no such node.
    pub fn exists<'a>(&'a self, path: &'a str) -> Call<'a, Exists<'a>, Option<Stat>> {
        Call::new(self, Exists::new(path), |outcome| Ok(found(outcome)?.0))
    }

    /// Reads a node's data.
    ///
    /// The data is a slice of the read buffer, which it keeps alive: copy what is small and kept for long. Null reads as
    /// empty; [`request`](Self::request) with [`GetData`] tells them apart.
    pub fn get_data<'a>(&'a self, path: &'a str) -> Call<'a, GetData<'a>, (Bytes, Stat)> {
        Call::new(self, GetData::new(path), |outcome| Ok(data(outcome.reply::<GetData<'_>>()?)))
    }

    /// Replaces a node's data.
    pub fn set_data<'a>(&'a self, path: &'a str, data: impl Into<Payload<'a>>) -> Call<'a, SetData<'a>, Stat> {
        self.request(SetData { path, data: data.into(), version: Version::Any })
    }

    /// Lists a node's children, and gives the node's own [`Stat`].
    pub fn get_children<'a>(&'a self, path: &'a str) -> Call<'a, GetChildren2<'a>, (Children, Stat)> {
        self.request(GetChildren2::new(path))
    }

    /// Reads a node's access control list.
    pub fn get_acl<'a>(&'a self, path: &'a str) -> Call<'a, GetAcl<'a>, (Vec<Acl>, Stat)> {
        self.request(GetAcl::new(path))
    }

    /// Replaces a node's access control list.
    pub fn set_acl<'a>(&'a self, path: &'a str, acl: &'a [Acl]) -> Call<'a, SetAcl<'a>, Stat> {
        self.request(SetAcl { path, acl, version: Version::Any })
    }

    /// Waits until the server has caught up with what the leader had committed when it got the request: a read that is made
    /// behind it sees every earlier write, whoever made it.
    pub fn sync<'a>(&'a self, path: &'a str) -> Call<'a, Sync<'a>, ()> {
        self.request(Sync::new(path))
    }

    /// Sets a persistent watch. Since 3.6.0. The node need not exist.
    pub fn add_watch<'a>(&'a self, path: &'a str, mode: AddWatchMode) -> Call<'a, AddWatch<'a>, Watcher> {
        let add_watch = self.request(AddWatch { path, mode });
        add_watch.into_form(Entry::watched(), |outcome| Ok(outcome.watched::<AddWatch<'_>>()?.1))
    }

    /// Lists the paths of this session's ephemeral nodes that begin with `prefix`, a string: `/a` matches `/ab/c`. Since
    /// 3.6.0.
    pub fn get_ephemerals<'a>(&'a self, prefix: &'a str) -> Call<'a, GetEphemerals<'a>, Vec<String>> {
        self.request(GetEphemerals { prefix })
    }

    /// Counts a node's descendants, the node itself not included. Since 3.6.0.
    pub fn get_all_children_number<'a>(&'a self, path: &'a str) -> Call<'a, GetAllChildrenNumber<'a>, i32> {
        self.request(GetAllChildrenNumber::new(path))
    }

    /// Asks for the credentials of the connection. Since 3.7.0.
    pub fn who_am_i(&self) -> Call<'_, WhoAmI, Vec<ClientInfo>> {
        self.request(WhoAmI)
    }

    /// Reads the ensemble's configuration, the data of `/zookeeper/config`, whatever the chroot. Since 3.5.0.
    pub fn get_config(&self) -> Call<'_, GetConfig, (Bytes, Stat)> {
        Call::new(self, GetConfig, |outcome| Ok(data(outcome.reply::<GetConfig>()?)))
    }

    /// Changes the members of the ensemble, and gives the new configuration. Since 3.5.0; mostly for the super user only.
    pub fn reconfig(&self) -> Call<'_, Reconfig<'_>, (Bytes, Stat)> {
        Call::new(self, Reconfig::default(), |outcome| Ok(data(outcome.reply::<Reconfig<'_>>()?)))
    }

    /// Makes any request, and gives its reply as it is.
    ///
    /// For requests of your own: [`Request::op`], [`Request::validate`] and [`Request::encode`] are called while the client is
    /// locked, so they must not use the client: that would wait for the lock for ever. Should one of them panic, that
    /// request alone is lost.
    pub fn request<R: Request>(&self, request: R) -> Call<'_, R, R::Reply> {
        Call::new(self, request, |outcome| outcome.reply::<R>())
    }

    /// Makes any request that can leave a watch, and gives its reply as it is, with the watcher. Where there is no reply
    /// but an error, there is no watcher either; see [`exists`](Self::exists) for the exception.
    ///
    /// For requests of your own, the same holds as for [`request`](Self::request), and for the methods of [`Watched`] too.
    pub fn request_watched<R: Watched>(&self, request: R) -> Call<'_, R, (R::Reply, Watcher)> {
        self.request(request).into_form(Entry::watched(), |outcome| outcome.watched::<R>())
    }

    /// Adds credentials to this and every later link, whatever the chroot. They come into effect before every request that is
    /// made later.
    ///
    /// A server that refuses them ends the session with [`AuthFailed`](crate::session::End::AuthFailed).
    pub fn add_auth(&self, auth: AuthInfo) -> Pending<()> {
        let finish = |outcome: Outcome<'_>| Ok(outcome.into_parts().0.map(|_| ())?);
        let taken = self.hold.shared.with(|exchange, outbox| exchange.add_auth(self.hold.by, auth, outbox));
        match taken {
            Ok(key) => Pending::submitted(self.hold.clone(), key, finish),
            Err(refusal) => Pending::failed(refusal.into(), finish),
        }
    }
}

impl<'a, T> Call<'a, Create2<'a>, T> {
    /// Makes it a node that the server deletes when the session ends.
    pub fn ephemeral(self) -> Self {
        self.combine(CreateMode::Ephemeral)
    }

    /// Lets the server append a number to the name, ten digits that count up.
    pub fn sequential(self) -> Self {
        self.combine(CreateMode::PersistentSequential)
    }

    /// Makes it a container, which the server deletes some time after its last child was. Since 3.5.1.
    pub fn container(self) -> Self {
        self.combine(CreateMode::Container)
    }

    /// Makes it a node that the server deletes when it has no children and was not changed for so long: 1 ms to a good 34
    /// years. Since 3.5.3, and only on servers that have extended types enabled.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.request.ttl = Some(ttl);
        self.combine(CreateMode::PersistentWithTtl)
    }

    /// Sets the create mode, instead of what was said about it before.
    pub fn mode(mut self, mode: CreateMode) -> Self {
        self.request.mode = mode;
        self
    }

    /// Gives the node that access control list, instead of one that lets everybody do everything.
    pub fn acl(mut self, acl: &'a [Acl]) -> Self {
        self.request.acl = Some(acl);
        self
    }

    fn combine(mut self, with: CreateMode) -> Self {
        match combined(self.request.mode, with) {
            Some(mode) => self.request.mode = mode,
            None => self.spoil(Error::Modes(self.request.mode, with)),
        }
        self
    }
}

/// Returns the mode that is both, if there is one.
fn combined(mode: CreateMode, with: CreateMode) -> Option<CreateMode> {
    let kind = match (without_number(mode), without_number(with)) {
        (one, other) if one == other => one,
        (CreateMode::Persistent, other) | (other, CreateMode::Persistent) => other,
        _ => return None,
    };
    if !mode.is_sequential() && !with.is_sequential() {
        return Some(kind);
    }
    match kind {
        CreateMode::Persistent => Some(CreateMode::PersistentSequential),
        CreateMode::Ephemeral => Some(CreateMode::EphemeralSequential),
        CreateMode::PersistentWithTtl => Some(CreateMode::PersistentSequentialWithTtl),
        _ => None,
    }
}

fn without_number(mode: CreateMode) -> CreateMode {
    match mode {
        CreateMode::PersistentSequential => CreateMode::Persistent,
        CreateMode::EphemeralSequential => CreateMode::Ephemeral,
        CreateMode::PersistentSequentialWithTtl => CreateMode::PersistentWithTtl,
        other => other,
    }
}

/// Versions: a request with one fails with `BadVersion` where the node has another.
macro_rules! versioned {
    ($($(#[$meta:meta])* $request:ident)*) => {$(
        impl<'a, T> Call<'a, $request<'a>, T> {
            $(#[$meta])*
            pub fn version(mut self, version: impl Into<Version>) -> Self {
                self.request.version = version.into();
                self
            }
        }
    )*};
}

versioned! {
    /// Deletes the node only if it has this version.
    Delete
    /// Sets the data only if the node has this version.
    SetData
    /// Sets the access control list only if the node has this *ACL* version (`aversion`).
    SetAcl
}

impl<'a> Call<'a, Exists<'a>, Option<Stat>> {
    /// Leaves a one-shot watch, on the node or on its absence, and adds its watcher to the result.
    pub fn watch(self) -> Call<'a, Exists<'a>, (Option<Stat>, Watcher)> {
        self.into_form(Entry::watched(), |outcome| {
            let (stat, watcher) = found(outcome)?;
            Ok((stat, watcher.expect("the request was made with a watch")))
        })
    }
}

impl<'a> Call<'a, GetData<'a>, (Bytes, Stat)> {
    /// Leaves a one-shot watch on the node's data, and adds its watcher to the result.
    pub fn watch(self) -> Call<'a, GetData<'a>, (Bytes, Stat, Watcher)> {
        self.into_form(Entry::watched(), |outcome| {
            let (node, watcher) = outcome.watched::<GetData<'_>>()?;
            let (data, stat) = data(node);
            Ok((data, stat, watcher))
        })
    }
}

impl<'a> Call<'a, GetChildren2<'a>, (Children, Stat)> {
    /// Leaves a one-shot watch on the list of children, and adds its watcher to the result.
    pub fn watch(self) -> Call<'a, GetChildren2<'a>, (Children, Stat, Watcher)> {
        self.into_form(Entry::watched(), |outcome| {
            let ((children, stat), watcher) = outcome.watched::<GetChildren2<'_>>()?;
            Ok((children, stat, watcher))
        })
    }
}

impl<'a> Call<'a, GetConfig, (Bytes, Stat)> {
    /// Leaves a one-shot watch on the configuration, and adds its watcher to the result.
    pub fn watch(self) -> Call<'a, GetConfig, (Bytes, Stat, Watcher)> {
        self.into_form(Entry::watched(), |outcome| {
            let (node, watcher) = outcome.watched::<GetConfig>()?;
            let (data, stat) = data(node);
            Ok((data, stat, watcher))
        })
    }
}

impl<'a, T> Call<'a, Reconfig<'a>, T> {
    /// Adds or changes servers: `server.3=host:quorum:election:role;clientport`, separated by commas.
    pub fn joining(mut self, servers: &'a str) -> Self {
        self.request.joining = Some(servers);
        self
    }

    /// Takes servers out: their numbers, separated by commas.
    pub fn leaving(mut self, servers: &'a str) -> Self {
        self.request.leaving = Some(servers);
        self
    }

    /// Sets the whole list of members, instead of servers that join and leave.
    pub fn members(mut self, servers: &'a str) -> Self {
        self.request.members = Some(servers);
        self
    }

    /// Changes the configuration only if the present one has this version.
    pub fn from_config(mut self, version: Zxid) -> Self {
        self.request.from_config = Some(version);
        self
    }
}

/// Reads the outcome of an exists: that there is no node is an answer.
fn found(outcome: Outcome<'_>) -> Result<(Option<Stat>, Option<Watcher>), Error> {
    let (result, watcher) = outcome.into_parts();
    match result {
        Ok(reply) => Ok((Some(reply.decode::<Exists<'_>>()?), watcher)),
        Err(RequestError::Server(ErrorCode::NoNode)) => Ok((None, watcher)),
        Err(error) => Err(error.into()),
    }
}

fn data(node: NodeData) -> (Bytes, Stat) {
    (node.data.unwrap_or_default(), node.stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_combine_in_any_order_or_not_at_all() {
        use CreateMode::*;
        let table = [
            (Persistent, Ephemeral, Some(Ephemeral)),
            (Ephemeral, PersistentSequential, Some(EphemeralSequential)),
            (PersistentWithTtl, PersistentSequential, Some(PersistentSequentialWithTtl)),
            (EphemeralSequential, PersistentSequential, Some(EphemeralSequential)),
            (PersistentSequentialWithTtl, PersistentWithTtl, Some(PersistentSequentialWithTtl)),
            (Container, PersistentSequential, None),
            (Container, Ephemeral, None),
            (Container, PersistentWithTtl, None),
            (Ephemeral, PersistentWithTtl, None),
        ];

        for (mode, with, both) in table {
            assert_eq!(combined(mode, with), both, "{mode} and {with}");
            assert_eq!(combined(with, mode), both, "{with} and {mode}");
        }
    }
}
