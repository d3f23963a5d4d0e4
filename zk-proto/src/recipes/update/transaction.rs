//! Changing several nodes on the strength of what several contain.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    super::{
        retry::{RetryPolicy, Tries},
        session::Trouble,
        together::both,
    },
    Outcome, Reason,
    settle::{self, Before, Children, Content, Now, Verdict},
};
use crate::{
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
    path,
    record::Stat,
    request::{Create2, Delete, Op, SetData, Version},
};

/// Reads nodes, computes, and writes others, all or nothing, if none of those that were read or are written has changed meanwhile; if
/// one has, again.
///
/// The function gets a [`Transaction`] to read and write with. It may be called many times, and has no other effect than what it does with
/// that. Its result is given back with the outcome.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Outcome, RetryPolicy, Transaction, transact};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let moved = transact(&client, RetryPolicy::default(), async |nodes: &mut Transaction| {
///     let Some(job) = nodes.read("/todo/7").await? else { return Ok(false) };
///     nodes.write("/doing/7", job)?;
///     nodes.delete("/todo/7")?;
///     Ok(true)
/// })
/// .await?;
/// assert_eq!(moved, Outcome::Applied(true));
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// When it is [`Applied`](Outcome::Applied), there was one moment at which all that was read was so, and all that was written came to be. The
/// nodes are read one after the other, so the function may see some before and others behind somebody's change; then it is not
/// applied, and called again.
///
/// | what happens | what comes of it |
/// |---|---|
/// | somebody else changes a node in between | called again, as often as the policy says; the second attempt comes at once, later ones after a random pause |
/// | connection lost before the reply, or session expired | what was written is read behind a sync; where that does not tell, the outcome is [`Unknown`](Outcome::Unknown) |
/// | the future is dropped | all was written, or nothing |
///
/// That a node is missing is checked too, by making and deleting it in the transaction: those who watch it, or its parent, are told.
/// Nodes are compared by their versions, so the same holds as for an [`Update`](super::Update). Nothing is made above the nodes that
/// are written, and all must fit in one request, 1 MB by default.
///
/// # Errors
///
/// The function's; and when the client is over, or the server refuses: [`NoNode`](ErrorCode::NoNode) where a node is to be made and there is
/// none above it, [`NotEmpty`](ErrorCode::NotEmpty) where one is to be deleted that has children. Then nothing was done.
pub async fn transact<T>(
    client: &Client,
    retry: RetryPolicy,
    mut compute: impl AsyncFnMut(&mut Transaction) -> Result<T, Error>,
) -> Result<Outcome<T>, Error> {
    let mut tries = Tries::begin(client, retry).await?;
    loop {
        let mut nodes = Transaction { client: client.clone(), nodes: BTreeMap::new() };
        let result = match tries.in_time(compute(&mut nodes)).await {
            Ok(Some(result)) => result,
            Ok(None) => return Ok(Outcome::NotApplied(Reason::GaveUp)),
            Err(error) if Trouble::of(&error) == Trouble::Definite => return Err(error),
            // A read that was under way when the session ended.
            Err(_) => match tries.in_time(client.connected()).await? {
                Some(()) => continue,
                None => return Ok(Outcome::NotApplied(Reason::GaveUp)),
            },
        };
        match nodes.commit(&tries).await? {
            Commit::Applied => return Ok(Outcome::Applied(result)),
            Commit::Unknown => return Ok(Outcome::Unknown),
            Commit::Again => {}
            Commit::Beaten if tries.again().await? => {}
            Commit::Beaten | Commit::Late => return Ok(Outcome::NotApplied(Reason::GaveUp)),
        }
    }
}

/// What a function that [`transact`]s reads and writes.
#[derive(Debug)]
pub struct Transaction {
    client: Client,
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// As it was when it was first read.
    read: Option<State>,
    /// What it is to contain, or that it is to be gone.
    write: Option<Option<Bytes>>,
}

#[derive(Clone, Debug)]
enum State {
    Absent,
    Present(Bytes, Stat),
}

/// How an attempt to commit has ended.
enum Commit {
    Applied,
    Beaten,
    Again,
    Late,
    Unknown,
}

impl Transaction {
    /// Reads a node: what this transaction has written, what it has read before, or else what is there.
    ///
    /// # Errors
    ///
    /// The client's and the server's. They are to be passed on.
    pub async fn read(&mut self, path: &str) -> Result<Option<Bytes>, Error> {
        if let Some(Node { write: Some(data), .. }) = self.nodes.get(path) {
            return Ok(data.clone());
        }
        match self.state(path).await? {
            State::Present(data, _) => Ok(Some(data)),
            State::Absent => Ok(None),
        }
    }

    async fn state(&mut self, path: &str) -> Result<State, Error> {
        if let Some(Node { read: Some(state), .. }) = self.nodes.get(path) {
            return Ok(state.clone());
        }
        let state = find(&self.client, path).await?;
        self.nodes.entry(path.to_string()).or_default().read = Some(state.clone());
        Ok(state)
    }

    /// Lets a node contain this, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn write(&mut self, path: &str, data: impl Into<Bytes>) -> Result<(), Error> {
        path::validate(path)?;
        self.nodes.entry(path.to_string()).or_default().write = Some(Some(data.into()));
        Ok(())
    }

    /// Lets a node be gone. That there is none is fine.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn delete(&mut self, path: &str) -> Result<(), Error> {
        path::validate(path)?;
        self.nodes.entry(path.to_string()).or_default().write = Some(None);
        Ok(())
    }

    async fn commit(mut self, tries: &Tries<'_>) -> Result<Commit, Error> {
        let unread: Vec<String> =
            self.nodes.iter().filter(|(_, node)| node.read.is_none()).map(|(path, _)| path.clone()).collect();
        let client = self.client.clone();
        for path in unread {
            match tries.repeat(|| find(&client, &path)).await? {
                Some(state) => self.nodes.entry(path).or_default().read = Some(state),
                None => return Ok(Commit::Late),
            }
        }
        let Some((absences, befores)) = tries.repeat(|| self.prepare()).await? else { return Ok(Commit::Late) };
        let (ops, checks) = self.ops(&absences);
        if ops.is_empty() {
            return Ok(Commit::Applied);
        }
        let mut multi = ops.into_iter().fold(client.multi(), |multi, op| multi.op(op));
        if let Some(limit) = tries.limit() {
            multi = multi.timeout(limit);
        }
        let error = match multi.await {
            Ok(_) => return Ok(Commit::Applied),
            Err(error) => error,
        };
        if !error.is_certainly_not_applied() {
            if broken!("numbers: transacts again after a lost reply") {
                return Ok(Commit::Again);
            }
            return Ok(match tries.repeat(|| self.look_back(&befores)).await {
                // Where nothing was written, nothing was done.
                _ if befores.is_empty() => Commit::Again,
                Ok(Some(Verdict::Applied)) => Commit::Applied,
                Ok(Some(Verdict::NotApplied)) => Commit::Again,
                Ok(Some(Verdict::Unknown) | None) | Err(_) => Commit::Unknown,
            });
        }
        match &error {
            Error::TimedOut { .. } => Ok(Commit::Late),
            // What is checked comes first. Behind that, what fails on a missing node has none above.
            Error::Multi(failure) => match failure.error {
                ErrorCode::BadVersion | ErrorCode::NodeExists => Ok(Commit::Beaten),
                ErrorCode::NoNode if failure.index < checks => Ok(Commit::Beaten),
                ErrorCode::NoNode if !self.is_creation(failure.index - checks) => Ok(Commit::Beaten),
                _ => Err(Error::Server(failure.error)),
            },
            _ if Trouble::of(&error) == Trouble::SessionOver => {
                let connected = tries.in_time(client.connected()).await?;
                Ok(if connected.is_some() { Commit::Again } else { Commit::Late })
            }
            _ => Err(error),
        }
    }

    /// Returns the missing nodes whose absence is to be checked, each the highest one missing, and how the nodes that will be written
    /// stand.
    async fn prepare(&self) -> Result<(BTreeSet<String>, Vec<(&str, Before)>), Error> {
        let (mut absences, mut befores) = (BTreeSet::new(), Vec::new());
        for (path, node) in &self.nodes {
            match (&node.read, &node.write) {
                (Some(State::Absent), Some(Some(_))) => {
                    // A root is always there.
                    let parent = path::parent(path).unwrap_or("/");
                    if let Some(stat) = self.client.exists(parent).resend().await? {
                        befores.push((&**path, Before::Absent(Children::of(&stat))));
                    }
                }
                (Some(State::Absent), None | Some(None)) => {
                    if let Some(highest) = self.highest_missing(path).await? {
                        absences.insert(highest);
                    }
                }
                (Some(State::Present(_, stat)), Some(_)) => {
                    befores.push((path, Before::Present { created: stat.czxid, version: stat.version }));
                }
                (Some(State::Present(..)), None) | (None, _) => {}
            }
        }
        Ok((absences, befores))
    }

    /// Returns the highest node that is missing; `None` where this transaction makes it, which is check enough.
    async fn highest_missing(&self, path: &str) -> Result<Option<String>, Error> {
        let mut highest = path;
        loop {
            if matches!(self.nodes.get(highest), Some(Node { write: Some(Some(_)), .. })) {
                return Ok(None);
            }
            match path::parent(highest) {
                Some(parent) if self.client.exists(parent).resend().await?.is_none() => highest = parent,
                Some(_) | None => return Ok(Some(highest.to_string())),
            }
        }
    }

    /// Returns the operations: so many checks, then what is made and set, from above, and then what is deleted, from below.
    fn ops<'a>(&'a self, absences: &'a BTreeSet<String>) -> (Vec<Op<'a>>, usize) {
        let mut ops = Vec::new();
        for path in absences {
            ops.push(Op::Create(Create2::new(path, b"")));
            ops.push(Op::Delete(Delete { path, version: Version::Any }));
        }
        for (path, node) in &self.nodes {
            if let (Some(State::Present(_, stat)), None) = (&node.read, &node.write) {
                ops.push(Op::Check { path, version: Version::Exactly(stat.version) });
            }
        }
        let checks = ops.len();
        ops.extend(self.writes().map(|(path, state, data)| match state {
            State::Present(_, stat) => {
                Op::SetData(SetData { path, data: data.into(), version: Version::Exactly(stat.version) })
            }
            State::Absent => Op::Create(Create2::new(path, data)),
        }));
        for (path, node) in self.nodes.iter().rev() {
            if let (Some(State::Present(_, stat)), Some(None)) = (&node.read, &node.write) {
                ops.push(Op::Delete(Delete { path, version: Version::Exactly(stat.version) }));
            }
        }
        (ops, checks)
    }

    /// Returns what is written, in order of the paths.
    fn writes(&self) -> impl Iterator<Item = (&str, &State, &Bytes)> {
        self.nodes.iter().filter_map(|(path, node)| match (&node.read, &node.write) {
            (Some(state), Some(Some(data))) => Some((&**path, state, data)),
            _ => None,
        })
    }

    /// Returns whether the operation of this number, behind the checks, makes a node.
    fn is_creation(&self, number: usize) -> bool {
        self.writes().nth(number).is_some_and(|(_, state, _)| matches!(state, State::Absent))
    }

    /// Looks at what was to be written: all of it was, or nothing, so one node that tells is enough.
    async fn look_back(&self, befores: &[(&str, Before)]) -> Result<Verdict, Error> {
        for (path, before) in befores {
            let sync = self.client.sync(path).resend();
            let (sync, state) = both(sync.into_future(), find(&self.client, path)).await;
            sync?;
            let parent = match (before, path::parent(path)) {
                (Before::Absent(_), Some(parent)) => self.client.exists(parent).resend().await?,
                (Before::Absent(_) | Before::Present { .. }, _) => None,
            };
            let state = state?;
            let node = match &state {
                State::Present(data, stat) => Some((stat.czxid, stat.version, &**data)),
                State::Absent => None,
            };
            let wrote = self.nodes.get(*path).and_then(|node| node.write.as_ref()?.as_deref());
            let now = Now { node, parent: parent.as_ref().map(Children::of) };
            match settle::verdict(*before, wrote, Content::Common, now) {
                Verdict::Unknown => {}
                verdict => return Ok(verdict),
            }
        }
        Ok(Verdict::Unknown)
    }
}

async fn find(client: &Client, path: &str) -> Result<State, Error> {
    match client.get_data(path).resend().await {
        Ok((data, stat)) => Ok(State::Present(data, stat)),
        Err(Error::Server(ErrorCode::NoNode)) => Ok(State::Absent),
        Err(error) => Err(error),
    }
}
