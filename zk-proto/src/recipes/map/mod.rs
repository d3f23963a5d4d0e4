//! Values by their keys, that all share and see change.

mod follow;
mod view;

use std::sync::Arc;

use super::{
    cache::TreeCache,
    cell::Cell,
    janitor::child,
    retry::RetryPolicy,
    session::over,
    update::{Change, Found, Outcome, Update},
    value::ValueCodec,
};
use crate::{
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
    record::{Acl, Stat},
};

use follow::{Reporter, Told};
pub use view::{MapEntry, SharedMapView};

/// Values by their keys, which any number of clients see change, and change one by one: a directory of settings.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Outcome, SharedMap, Utf8};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let settings = SharedMap::new(&client, "/app/settings", Utf8)?;
/// // Unless somebody has set it already. This is the node /app/settings/db/host.
/// settings.seed("db/host", &"db-7".into()).await?;
///
/// let mut seen = settings.ready().await?;
/// if let Outcome::Applied(_) = settings.compare_and_set(&seen, "db/port", &"5432".into()).await? {
///     println!("set, and nobody has set that one in between");
/// }
/// loop {
///     for (key, value) in seen.iter() {
///         println!("{key}: {value}");
///     }
///     for (key, why) in seen.rejected() {
///         println!("somebody has spoilt {key}: {why}");
///     }
///     seen = settings.changed(&seen).await?;
/// }
/// # }
/// ```
///
/// # What it guarantees
///
/// Each entry is what a [`SharedValue`](super::SharedValue) is: what is shown was on the server, and within a session never older than what was
/// shown before; when nothing changes any more and there is a connection, it is what is there. But entries are set one by one, and seen
/// one by one: what was set in this order may be seen in another. Settings that are to be used together are better
/// [published together](super::Releases).
///
/// | what happens | what is shown | a write |
/// |---|---|---|
/// | connection lost, or session expired | the last values, [stale](SharedMapView::is_stale), until all were read again | as for an [`Update`] |
/// | a node is deleted, or its data emptied | the entry no more | makes it anew |
/// | a node contains what the codec cannot read | the last value of the entry that it could, and [why](SharedMapView::rejected) the new one was rejected; the other entries as they are | overwrites it if asked to |
/// | a node may not be read | the entry as it was last seen, or not at all, and the [error](SharedMapView::troubles) | is refused, or not |
/// | the path itself is missing, or deleted | nothing | makes it anew |
/// | the last clone of the handle is dropped | | goes on, or not |
///
/// One's own writes are shown when they come back from the server, like everybody's; what was written is in the outcome.
///
/// # On the server
///
/// The key of an entry is its node's path, without that of the map: any path may be one. A node may be an entry and have others below it. One
/// without data is no entry, but only there for those below; so a value that the codec writes as no bytes is none, and setting it is as
/// good as removing it. Missing nodes above are made as persistent ones, which stay when what is below them is removed.
///
/// Each value has up to 1 MB, as any node. It costs what a [`TreeCache`] does, which holds everything in memory; and behind a change, the codec
/// reads what was set, and a map of all entries is made anew.
#[derive(Debug)]
pub struct SharedMap<C: ValueCodec> {
    client: Client,
    root: Arc<str>,
    acl: Option<Arc<[Acl]>>,
    retry: RetryPolicy,
    is_telling: bool,
    codec: Arc<C>,
    handle: Arc<Handle<C::Value>>,
}

/// Its drop ends the work in the background.
#[derive(Debug)]
struct Handle<T: Send + Sync + 'static>(Cell<Told<T>>);

impl<C: ValueCodec> Clone for SharedMap<C> {
    fn clone(&self) -> Self {
        let Self { client, root, acl, retry, is_telling, codec, handle } = self;
        let (client, root, acl) = (client.clone(), root.clone(), acl.clone());
        Self { client, root, acl, retry: *retry, is_telling: *is_telling, codec: codec.clone(), handle: handle.clone() }
    }
}

impl<C: ValueCodec> SharedMap<C> {
    /// Begins to follow all that is below a path, in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, root: &str, codec: C) -> Result<Self, Error> {
        let cache = TreeCache::new(client, root)?;
        let (codec, told) = (Arc::new(codec), Cell::new(Told::default()));
        let handle = Arc::new(Handle(told.clone()));
        let follower = follow::follow(cache, codec.clone(), Reporter::new(told));
        client.spawn(|_| follower);
        let (client, root, retry) = (client.clone(), root.into(), RetryPolicy::default());
        Ok(Self { client, root, acl: None, retry, is_telling: false, codec, handle })
    }

    /// Sets how often to try when others write the same entry at the same time, and for how long in all. Default:
    /// [`RetryPolicy::default`], which never gives up.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the access control list of all nodes that are made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.acl = Some(acl.into());
        self
    }

    /// Says that nobody else writes the same bytes: see [`Update::telling`].
    pub fn telling(mut self) -> Self {
        self.is_telling = true;
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.root
    }

    /// Returns what is known.
    pub fn current(&self) -> SharedMapView<C::Value> {
        self.handle.0.get().observed
    }

    /// Waits until everything was read, and returns what was there: perhaps from before a write of one's own that is answered already,
    /// which [`changed`](Self::changed) tells a moment later. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn ready(&self) -> Result<SharedMapView<C::Value>, Error> {
        self.find(|told| told.is_initialized).await
    }

    /// Waits until something else than `known` is to be seen, and returns it: another write, even of the same value; or it is stale, or not
    /// stale any more. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &SharedMapView<C::Value>) -> Result<SharedMapView<C::Value>, Error> {
        self.find(|told| !told.observed.is_same_as(known)).await
    }

    async fn find(&self, is_it: impl Fn(&Told<C::Value>) -> bool) -> Result<SharedMapView<C::Value>, Error> {
        let look = |told: &Told<C::Value>| match told.is_over {
            _ if is_it(told) => Some(Ok(told.observed.clone())),
            true => Some(Err(over(&self.client))),
            false => None,
        };
        self.handle.0.find(look).await
    }

    /// Sets an entry if it is not there yet; otherwise the outcome is [`NotApplied`](Outcome::NotApplied). Whoever seeds first wins.
    ///
    /// # Errors
    ///
    /// As [`Update::run`]; [`Error::Invalid`] when the key cannot be a path.
    pub async fn seed(&self, key: &str, value: &C::Value) -> Result<Outcome<Option<Stat>>, Error> {
        self.write_if(key, value, |found| found.is_none()).await
    }

    /// Sets an entry, whatever is there.
    ///
    /// # Errors
    ///
    /// As [`seed`](Self::seed).
    pub async fn set(&self, key: &str, value: &C::Value) -> Result<Outcome<Option<Stat>>, Error> {
        self.write_if(key, value, |_| true).await
    }

    /// Sets an entry if nobody has set or removed it since `observed`; otherwise the outcome is [`NotApplied`](Outcome::NotApplied), and
    /// [`changed`](Self::changed) tells what is there. Other entries do not count.
    ///
    /// # Errors
    ///
    /// As [`seed`](Self::seed).
    pub async fn compare_and_set(
        &self,
        observed: &SharedMapView<C::Value>,
        key: &str,
        value: &C::Value,
    ) -> Result<Outcome<Option<Stat>>, Error> {
        let expected = observed.entry(key);
        let is_expected = |found: Option<&Found>| {
            if broken!("maps: expects the same value, not the same write") {
                let expected = expected.and_then(MapEntry::value).map(|value| self.codec.write(value));
                return found.map(|found| found.data.clone()) == expected;
            }
            found.map(|found| (found.stat.czxid, found.stat.mzxid)) == expected.map(MapEntry::revision)
        };
        self.write_if(key, value, is_expected).await
    }

    /// Removes an entry, but none of those below it. Where there is none, the outcome is [`NotApplied`](Outcome::NotApplied)
    /// ([`Declined`](super::Reason::Declined)).
    ///
    /// # Errors
    ///
    /// As [`seed`](Self::seed).
    pub async fn remove(&self, key: &str) -> Result<Outcome<Option<Stat>>, Error> {
        let update = self.update(key)?;
        let or_none = |change: Change| {
            move |found: Option<&Found>| match found.filter(|found| is_entry(found)) {
                Some(_) => change.clone(),
                None => Change::None,
            }
        };
        match update.run(or_none(Change::Delete)).await {
            // There are others below it.
            Err(error) if error.code() == Some(ErrorCode::NotEmpty) => update.run(or_none(Change::set(""))).await,
            removed => removed,
        }
    }

    async fn write_if(
        &self,
        key: &str,
        value: &C::Value,
        is_wanted: impl Fn(Option<&Found>) -> bool,
    ) -> Result<Outcome<Option<Stat>>, Error> {
        let data = self.codec.write(value);
        let change = |found: Option<&Found>| {
            let found = found.filter(|found| is_entry(found));
            if is_wanted(found) { Change::Set(data.clone()) } else { Change::None }
        };
        self.update(key)?.run(change).await
    }

    fn update(&self, key: &str) -> Result<Update, Error> {
        // Those above may become entries.
        let update = Update::new(&self.client, &child(&self.root, key))?.retry(self.retry).below_lasting();
        let update = if self.is_telling { update.telling() } else { update };
        Ok(match &self.acl {
            Some(acl) => update.acl(acl),
            None => update,
        })
    }
}

/// Returns whether a node is more than the place of those below it.
fn is_entry(found: &Found) -> bool {
    !found.data.is_empty()
}

impl<T: Send + Sync + 'static> Drop for Handle<T> {
    fn drop(&mut self) {
        self.0.update(|told| !std::mem::replace(&mut told.is_unwanted, true));
    }
}
