//! A value that all share, and see change.

mod codec;
mod follow;

use std::sync::Arc;

use super::{
    cache::NodeCache,
    cell::Cell,
    retry::RetryPolicy,
    session::over,
    update::{Change, Found, Outcome, Update},
};
use crate::{
    Zxid,
    broken::broken,
    client::{Client, Error},
    record::{Acl, Stat},
};

pub use codec::{Count, Raw, Unreadable, Utf8, ValueCodec};

use follow::{Reporter, Told};

/// A value in a node that any number of clients see change, and change if it is what they have seen: a setting, an address, a
/// count.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Outcome, SharedValue, Utf8};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let motto = SharedValue::new(&client, "/app/motto", Utf8)?;
/// motto.seed(&"first come, first served".into()).await?;
///
/// // What was read may be older than one's own write: this waits until there is a value.
/// let mut seen = motto.ready().await?;
/// while seen.value().is_none() {
///     seen = motto.changed(&seen).await?;
/// }
/// if let Outcome::Applied(_) = motto.compare_and_set(&seen, &"last come".into()).await? {
///     println!("changed, and nobody has changed it in between");
/// }
/// loop {
///     println!("{:?}", seen.value());
///     seen = motto.changed(&seen).await?;
/// }
/// # }
/// ```
///
/// # What it guarantees
///
/// What is shown was on the server, and within a session never older than what was shown before; when nothing changes any more and
/// there is a connection, it is what is there. Values in between may be left out. What was observed and what is there are the same
/// only if nobody has written in between: a node that was deleted and made anew is another one. (Between a write's own read and the
/// write itself, a few milliseconds, only the versions tell; see [`Update`].)
///
/// | what happens | what is shown | a write |
/// |---|---|---|
/// | connection lost, or session expired | the last value, [stale](SharedView::is_stale), until it was read again | as for an [`Update`] |
/// | the node is deleted | no value, until there is one again (Curator's `SharedValue` shows the old one for ever) | makes it anew |
/// | the node contains what the codec cannot read | the last value that it could, and [why](SharedView::rejected) the new one was rejected | overwrites it if asked to |
/// | the last clone of the handle is dropped | | goes on, or not |
///
/// One's own writes are shown when they come back from the server, like everybody's; what was written is in the outcome.
///
/// Up to 1 MB, as for any node. It costs one watch, and one read for each change.
#[derive(Debug)]
pub struct SharedValue<C: ValueCodec> {
    update: Update,
    codec: Arc<C>,
    handle: Arc<Handle<C::Value>>,
}

/// Its drop ends the work in the background.
#[derive(Debug)]
struct Handle<T: Send + Sync + 'static>(Cell<Told<T>>);

/// A count that all share, as Curator's `SharedCount`.
pub type SharedCount = SharedValue<Count>;

/// What was seen of a value.
#[derive(Debug)]
pub struct SharedView<T> {
    value: Option<Arc<T>>,
    /// What created the node, and what last set it; `None` where there is none.
    revision: Option<(Zxid, Zxid)>,
    rejected: Option<Unreadable>,
    is_stale: bool,
}

impl<T> Clone for SharedView<T> {
    fn clone(&self) -> Self {
        let Self { value, revision, rejected, is_stale } = self;
        Self { value: value.clone(), revision: *revision, rejected: rejected.clone(), is_stale: *is_stale }
    }
}

impl<T> SharedView<T> {
    /// Returns the value: of the node as it was seen, or of the last one that could be read; `None` where there was no
    /// node, or nothing in it could be read so far.
    pub fn value(&self) -> Option<&T> {
        self.value.as_deref()
    }

    /// Returns the value, for others to keep.
    pub fn shared(&self) -> Option<Arc<T>> {
        self.value.clone()
    }

    /// Returns why what the node contains could not be read. The value is an older one then.
    pub fn rejected(&self) -> Option<&Unreadable> {
        self.rejected.as_ref()
    }

    /// Returns whether it may be older than what the client could know: there is no connection, or it was not read again since.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Returns the transaction that has set what the node contains; `None` where there is none.
    pub fn set_by(&self) -> Option<Zxid> {
        self.revision.map(|(_, set_by)| set_by)
    }

    fn is_same_as(&self, other: &Self) -> bool {
        (self.revision, self.is_stale) == (other.revision, other.is_stale)
    }
}

impl<C: ValueCodec> Clone for SharedValue<C> {
    fn clone(&self) -> Self {
        Self { update: self.update.clone(), codec: self.codec.clone(), handle: self.handle.clone() }
    }
}

impl<C: ValueCodec> SharedValue<C> {
    /// Begins to follow a value, in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str, codec: C) -> Result<Self, Error> {
        let (update, cache) = (Update::new(client, path)?, NodeCache::new(client, path)?);
        let (codec, told) = (Arc::new(codec), Cell::new(Told::default()));
        let handle = Arc::new(Handle(told.clone()));
        let follower = follow::follow(cache, codec.clone(), Reporter::new(told));
        client.spawn(|_| follower);
        Ok(Self { update, codec, handle })
    }

    /// Sets how often to try when others write at the same time, and for how long in all. Default: [`RetryPolicy::default`],
    /// which never gives up.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.update = self.update.retry(retry);
        self
    }

    /// Sets the access control list of the node if it is made, and of those above. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.update = self.update.acl(acl);
        self
    }

    /// Says that nobody else writes the same bytes: see [`Update::telling`].
    pub fn telling(mut self) -> Self {
        self.update = self.update.telling();
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        self.update.path()
    }

    /// Returns what is known of the value.
    pub fn current(&self) -> SharedView<C::Value> {
        self.handle.0.get().observed
    }

    /// Waits until it was read, and returns what was there, or that there was nothing: perhaps from before a write of one's own that
    /// is answered already, which [`changed`](Self::changed) tells a moment later. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn ready(&self) -> Result<SharedView<C::Value>, Error> {
        self.find(|told| told.is_initialized).await
    }

    /// Waits until it is another one than `known`, and returns it: another write, even of the same value; or stale, or not stale any
    /// more. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &SharedView<C::Value>) -> Result<SharedView<C::Value>, Error> {
        self.find(|told| !told.observed.is_same_as(known)).await
    }

    async fn find(&self, is_it: impl Fn(&Told<C::Value>) -> bool) -> Result<SharedView<C::Value>, Error> {
        let look = |told: &Told<C::Value>| match told.is_over {
            _ if is_it(told) => Some(Ok(told.observed.clone())),
            true => Some(Err(over(self.update.client()))),
            false => None,
        };
        self.handle.0.find(look).await
    }

    /// Writes the value if there is no node yet; otherwise the outcome is [`NotApplied`](Outcome::NotApplied). Whoever seeds first
    /// wins.
    ///
    /// # Errors
    ///
    /// As [`Update::run`].
    pub async fn seed(&self, value: &C::Value) -> Result<Outcome<Option<Stat>>, Error> {
        self.write_if(value, |found| found.is_none()).await
    }

    /// Writes the value, whatever is there.
    ///
    /// # Errors
    ///
    /// As [`Update::run`].
    pub async fn set(&self, value: &C::Value) -> Result<Outcome<Option<Stat>>, Error> {
        self.write_if(value, |_| true).await
    }

    /// Writes the value if nobody has written since `observed`; otherwise the outcome is [`NotApplied`](Outcome::NotApplied), and
    /// [`changed`](Self::changed) tells what is there.
    ///
    /// # Errors
    ///
    /// As [`Update::run`].
    pub async fn compare_and_set(
        &self,
        observed: &SharedView<C::Value>,
        value: &C::Value,
    ) -> Result<Outcome<Option<Stat>>, Error> {
        let is_expected = |found: Option<&Found>| {
            if broken!("values: expects the same value, not the same write") {
                return found.map(|found| found.data.clone()) == observed.value().map(|value| self.codec.write(value));
            }
            found.map(|found| (found.stat.czxid, found.stat.mzxid)) == observed.revision
        };
        self.write_if(value, is_expected).await
    }

    async fn write_if(
        &self,
        value: &C::Value,
        is_wanted: impl Fn(Option<&Found>) -> bool,
    ) -> Result<Outcome<Option<Stat>>, Error> {
        let data = self.codec.write(value);
        self.update.run(|found| if is_wanted(found) { Change::Set(data.clone()) } else { Change::None }).await
    }
}

impl<T: Send + Sync + 'static> Drop for Handle<T> {
    fn drop(&mut self) {
        self.0.update(|told| !std::mem::replace(&mut told.is_unwanted, true));
    }
}
