//! Who stands, and who of them is the first.

use bytes::Bytes;

use super::super::{
    janitor::child,
    line::{Line, head},
    lock::FencingToken,
};
use crate::{
    client::{Client, Error, Pending, Watcher},
    code::ErrorCode,
    record::Stat,
    request::Children,
};

/// Somebody who stands for election, or leads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// What it says of itself: its id, or what it has [proclaimed](super::Candidacy::proclaim).
    pub data: Bytes,
    /// Its node.
    pub path: String,
    /// The token with which it leads, or will.
    pub token: FencingToken,
}

impl Participant {
    fn new(path: String, data: Bytes, stat: &Stat) -> Self {
        Self { data, path, token: FencingToken(u64::try_from(stat.czxid.0).unwrap_or(0)) }
    }

    /// Returns what it says of itself as text, as far as it is text.
    pub fn id(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

/// Lists all, in their order. Who goes meanwhile is left out (CURATOR-358), and where there is no election there is nobody
/// (CURATOR-436).
pub(super) async fn list(line: &Line) -> Result<Vec<Participant>, Error> {
    let paths: Vec<String> = line.contenders().await?.iter().map(|name| child(&line.path, name)).collect();
    let client = &line.client;
    let reads: Vec<Pending<(Bytes, Stat)>> = paths.iter().map(|path| client.get_data(path).resend().send()).collect();
    let mut participants = Vec::with_capacity(paths.len());
    for (path, read) in paths.into_iter().zip(reads) {
        let read = match read.await {
            // There are more than may be on their way at once.
            Err(Error::Full) => client.get_data(&path).resend().await,
            read => read,
        };
        match read {
            Ok((data, stat)) => participants.push(Participant::new(path, data, &stat)),
            Err(Error::Server(ErrorCode::NoNode)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(participants)
}

/// Finds the first, and watches its node; `None` where it has gone meanwhile.
pub(super) async fn watch_first(line: &Line, names: &Children) -> Result<Option<(Participant, Watcher)>, Error> {
    let client = &line.client;
    let Some(path) = first(client, line, names).await? else { return Ok(None) };
    match client.get_data(&path).watch().resend().await {
        Ok((data, stat, watcher)) => Ok(Some((Participant::new(path, data, &stat), watcher))),
        Err(Error::Server(ErrorCode::NoNode)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Finds who is the first of these.
async fn first(client: &Client, line: &Line, names: &Children) -> Result<Option<String>, Error> {
    let head = head(names.iter().filter_map(line.names.contender));
    let mut paths: Vec<String> = head.into_iter().map(|name| child(&line.path, name)).collect();
    if paths.len() <= 1 {
        return Ok(paths.pop());
    }
    // Several have the same number, where the parent's counter is at its end.
    let mut created = Vec::with_capacity(paths.len());
    for path in paths {
        if let Some(stat) = client.exists(&path).resend().await? {
            created.push((stat.czxid, path));
        }
    }
    Ok(created.into_iter().min().map(|(_, path)| path))
}
