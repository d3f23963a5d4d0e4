//! Changing a node on the strength of what it contains.

mod attempt;
mod marker;
mod outcome;
pub(super) mod settle;
mod transaction;

use std::sync::Arc;

use super::{
    retry::{RetryPolicy, Tries},
    together::both,
};
use crate::{
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    path,
    record::{Acl, Stat},
};

use attempt::Attempt;
use settle::Content;

pub use outcome::{Change, Effect, Found, Outcome, Reason};
pub use transaction::{Transaction, transact};

/// Reads a node, computes what is to become of it, and writes that if nobody else has written meanwhile; if somebody has, again.
///
/// The function gets what is there, or `None`, and says what to do about it. It may be called many times, and has no other
/// effect than what it returns.
///
/// Shorthand for [`Update`] with its defaults.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Change, Outcome, update};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let added = update(&client, "/hosts", |found| {
///     let hosts = found.map_or("", |found| std::str::from_utf8(&found.data).unwrap_or_default());
///     if hosts.lines().any(|host| host == "db-7") { Change::None } else { Change::set(format!("{hosts}db-7\n")) }
/// })
/// .await?;
/// match added {
///     Outcome::Applied(_) => println!("added"),
///     Outcome::NotApplied(reason) => println!("not added: {reason}"),
///     Outcome::Unknown => println!("the connection broke, and others have written since: look for it"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`Update::run`].
pub async fn update(
    client: &Client,
    path: &str,
    change: impl FnMut(Option<&Found>) -> Change,
) -> Result<Outcome<Option<Stat>>, Error> {
    Update::new(client, path)?.run(change).await
}

/// An [`update`] with settings. Cheap to clone.
///
/// # What it guarantees
///
/// What was [`Applied`](Outcome::Applied) was computed from what was there the moment before: nobody's write is overwritten unseen.
/// What was [`NotApplied`](Outcome::NotApplied), or has failed, has had no effect and will have none.
///
/// | what happens | what comes of it |
/// |---|---|
/// | somebody else writes in between | read and computed anew, as often as the [policy](Self::retry) says; the second attempt comes at once, later ones after a random pause |
/// | connection lost before the reply | what is there is read behind a sync. Where that tells whether the write was carried out, it goes on; otherwise see [`Effect`] |
/// | session expired | the same in the next session |
/// | the future is dropped | a write that is on its way is carried out, or not |
/// | the node is deleted | the function gets `None` |
/// | the node is deleted, made anew, and set until it has the same version, all between the read and the write | it is overwritten unseen: the server can compare versions, and nothing else |
/// | the node's version is −1, after 2³² writes on servers without ZOOKEEPER-4743 | [`Error::Invalid`]: versions cannot be compared |
///
/// A write of bytes that others write too (a count, for instance) cannot always be told from theirs when its reply is lost; bytes
/// that [tell who wrote them](Self::telling) can.
///
/// Missing nodes above are made, as [`ensure_path`](super::ensure_path) does. Creating the node costs one round trip more than
/// changing it.
#[derive(Clone, Debug)]
pub struct Update {
    client: Client,
    path: Arc<str>,
    acl: Option<Arc<[Acl]>>,
    retry: RetryPolicy,
    effect: Effect,
    content: Content,
    above: CreateMode,
}

impl Update {
    /// Makes an update of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        path::validate(path)?;
        Ok(Self {
            client: client.clone(),
            path: path.into(),
            acl: None,
            retry: RetryPolicy::default(),
            effect: Effect::default(),
            content: Content::Common,
            above: CreateMode::Container,
        })
    }

    /// Sets how often to compute anew, and for how long in all. Default: [`RetryPolicy::default`], which never gives up.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets what to do when it cannot be told whether the write was carried out. Default: [`Effect::AtMostOnce`].
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Says that nobody else writes the same bytes, because they contain a name or a random number of the writer's. Then it is known in
    /// more cases whether a write was carried out.
    pub fn telling(mut self) -> Self {
        self.content = Content::Telling;
        self
    }

    /// Makes missing nodes above as ones that stay: containers go with their last child, whatever they contain by then.
    pub(super) fn below_lasting(mut self) -> Self {
        self.above = CreateMode::Persistent;
        self
    }

    /// Sets the access control list of the node if it is made, and of those above. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Returns the client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Does it. When it is applied, gives the node's new [`Stat`]: `None` when it was deleted, or made by a server
    /// that does not tell (ZOOKEEPER-4026).
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses. Then nothing was done.
    pub async fn run(&self, change: impl FnMut(Option<&Found>) -> Change) -> Result<Outcome<Option<Stat>>, Error> {
        let mut is_in_doubt = false;
        let result = self.attempts(change, &mut is_in_doubt).await;
        match result {
            // The last attempt has come to nothing, but not perhaps an earlier one.
            Ok(Outcome::NotApplied(_)) | Err(_) if is_in_doubt => Ok(Outcome::Unknown),
            result => result,
        }
    }

    async fn attempts(
        &self,
        mut change: impl FnMut(Option<&Found>) -> Change,
        is_in_doubt: &mut bool,
    ) -> Result<Outcome<Option<Stat>>, Error> {
        let mut tries = Tries::begin(&self.client, self.retry).await?;
        let mut is_fresh = false;
        loop {
            let Some(found) = tries.repeat(|| self.find(is_fresh)).await? else {
                return Ok(Outcome::NotApplied(Reason::GaveUp));
            };
            let wanted = match (change(found.as_ref()), &found) {
                // A server may be behind. Whoever wants no change is to know that he wants none of what is there.
                (Change::None, _) | (Change::Delete, None) if is_fresh => {
                    return Ok(Outcome::NotApplied(Reason::Declined));
                }
                (Change::None, _) | (Change::Delete, None) => {
                    is_fresh = true;
                    continue;
                }
                (Change::Set(data), _) => Some(data),
                (Change::Delete, Some(_)) => None,
            };
            is_fresh = false;
            match self.write(&tries, found.as_ref(), wanted.as_ref()).await? {
                Attempt::Applied(stat) => return Ok(Outcome::Applied(stat)),
                Attempt::Again => {}
                Attempt::Beaten if tries.again().await? => {}
                Attempt::Beaten | Attempt::Late => return Ok(Outcome::NotApplied(Reason::GaveUp)),
                Attempt::Unknown => {
                    *is_in_doubt = true;
                    if self.effect != Effect::AtLeastOnce || !tries.again().await? {
                        return Ok(Outcome::Unknown);
                    }
                }
            }
        }
    }

    /// Reads what is there, behind a sync; `None` when the time is up.
    pub(super) async fn look(&self) -> Result<Option<Option<Found>>, Error> {
        let tries = Tries::begin(&self.client, self.retry).await?;
        tries.repeat(|| self.find(true)).await
    }

    /// Reads what is there; behind a sync, where it must be what everybody sees.
    async fn find(&self, is_fresh: bool) -> Result<Option<Found>, Error> {
        let read = self.client.get_data(&self.path).resend();
        let found = if is_fresh {
            let sync = self.client.sync(&self.path).resend();
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
}
