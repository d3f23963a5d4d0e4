//! Sets of settings that are published as one.

mod draft;
mod follow;
mod layout;
mod prune;
mod read;
mod store;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    cache::NodeCache,
    cell::Cell,
    retry::{RetryPolicy, Tries},
    session::over,
    update::{Outcome, Reason},
    value::Unreadable,
};
use crate::{
    Zxid,
    client::{Client, Error},
    path,
    record::Acl,
};

use follow::{Follower, Reporter, Told};
use layout::Paths;
use store::{Expected, Store};

/// Settings by their keys, which may be any text.
pub type Settings = BTreeMap<String, Bytes>;

/// What stands between a value and the settings of a release.
///
/// It is called in the background too, where it must not block, and not compute for long.
pub trait ReleaseCodec: Send + Sync + 'static {
    /// The value.
    type Value: Send + Sync + 'static;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// When the settings are none, or not ones to be used together.
    fn read(&self, settings: &Settings) -> Result<Self::Value, Unreadable>;

    /// Writes a value.
    fn write(&self, value: &Self::Value) -> Settings;
}

/// Settings as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawSettings;

impl ReleaseCodec for RawSettings {
    type Value = Settings;

    fn read(&self, settings: &Settings) -> Result<Settings, Unreadable> {
        Ok(settings.clone())
    }

    fn write(&self, settings: &Settings) -> Settings {
        settings.clone()
    }
}

/// Settings that are published together: whoever reads them sees all of a release or nothing of it, and can go back to an earlier one.
///
/// ```
/// use bytes::Bytes;
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Outcome, RawSettings, Releases, Settings};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let releases = Releases::new(&client, "/app/config", RawSettings)?.keep(5);
///
/// let settings = Settings::from([
///     ("db/host".to_string(), Bytes::from("db-7")),
///     ("db/port".to_string(), Bytes::from("5432")),
/// ]);
/// if let Outcome::Applied(name) = releases.publish(&settings).await? {
///     println!("{name} counts now");
/// }
///
/// // Everybody else, and this process too:
/// let followed = releases.follow()?;
/// let mut seen = followed.ready().await?;
/// loop {
///     println!("{:?}: {:?}", seen.name(), seen.value());
///     seen = followed.changed(&seen).await?;
/// }
/// # }
/// ```
///
/// # What it guarantees
///
/// A release is written first, all of it, and then pointed to, in one compare-and-set. What it contains does not change any more. Readers
/// follow the pointer, read what is there, and show it when it is complete: as many settings as there should be, with the same checksum.
/// They show one release or another, never parts of both.
///
/// | what happens | what comes of it |
/// |---|---|
/// | somebody else publishes at the same time | [`publish`](Self::publish) begins again, behind the other's; [`publish_after`](Self::publish_after) is not applied |
/// | connection lost before a reply | what is there is read behind a sync, and tells whether it was carried out; where others have set the pointer since, and the release has been deleted too, the outcome is [`Unknown`](Outcome::Unknown) |
/// | session expired while a release is written | it is written anew; what was left is deleted by the next [`prune`](Self::prune) |
/// | the future is dropped | the release counts, or not; one that is half written is never pointed to, and deleted by the next [`prune`](Self::prune) |
/// | a release is deleted while somebody reads it | the pointer has moved on: that is followed |
/// | somebody damages the release that counts, or points to what is none | readers go on with the last one, and are told [why](ReleaseView::rejected) |
/// | the pointer is deleted | readers show nothing; the next release makes it anew |
/// | the pointer is deleted, made anew, and set until it has the same version, all between a write's own read and the write | it is overwritten unseen: the server can compare versions, and nothing else |
///
/// A release that is pointed to or being written is not deleted: each is condemned first, in a transaction that fails if it was pointed to
/// since it was looked at, or if somebody is at it; and what is condemned cannot be pointed to, or written on. Only who sets the pointer by
/// hand, and not by [`switch_to`](Self::switch_to), can point to a release that has gone.
///
/// # On the server
///
/// Below the path: `current`, whose data begins with the name of a release; `releases`, with a node for each, and below that a node for
/// each setting; and `writing`, with ephemeral nodes that show who is at it. What a release says of itself is `published`, the number of
/// its settings and a checksum (FNV-1a). The name of a setting's node is its key, percent-encoded. Names of releases begin with a number that
/// grows. No other client has releases; they can read these.
///
/// Small ones (up to 256 settings and 256 KB) are written in the very transaction that points to them; larger ones in several. A setting
/// has up to 1 MB, as any node.
#[derive(Debug)]
pub struct Releases<C: ReleaseCodec> {
    store: Store,
    codec: Arc<C>,
}

impl<C: ReleaseCodec> Clone for Releases<C> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), codec: self.codec.clone() }
    }
}

impl<C: ReleaseCodec> Releases<C> {
    /// Makes releases below a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str, codec: C) -> Result<Self, Error> {
        path::validate(path)?;
        let store = Store {
            client: client.clone(),
            paths: Arc::new(Paths::new(path)),
            acl: None,
            retry: RetryPolicy::default(),
            batch: 256,
            keep: 10,
        };
        Ok(Self { store, codec: Arc::new(codec) })
    }

    /// Sets how many releases are kept when old ones are deleted: so many of the highest numbers, and the one that counts. Default 10.
    pub fn keep(mut self, releases: usize) -> Self {
        self.store.keep = releases;
        self
    }

    /// Sets how many settings are written in one transaction at most. Default 256.
    pub fn batch(mut self, settings: usize) -> Self {
        self.store.batch = settings;
        self
    }

    /// Sets how often to try when others publish at the same time, and for how long in all. Default: [`RetryPolicy::default`],
    /// which never gives up.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.store.retry = retry;
        self
    }

    /// Sets the access control list of all nodes that are made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.store.acl = Some(acl.into());
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.store.paths.root
    }

    /// Publishes a release, whichever counts now, and returns its name. Then old ones are [deleted](Self::prune) in the background.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses; [`Error::TooLarge`] when a setting is. Then it does not count, and will not.
    pub async fn publish(&self, value: &C::Value) -> Result<Outcome<String>, Error> {
        self.publish_if(Expected::Anything, value).await
    }

    /// Publishes a release if nobody has set the pointer since `observed`, not even to the same; otherwise the outcome is
    /// [`NotApplied`](Outcome::NotApplied).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_after(
        &self,
        observed: &ReleaseView<C::Value>,
        value: &C::Value,
    ) -> Result<Outcome<String>, Error> {
        self.publish_if(Expected::Exactly(observed.revision), value).await
    }

    async fn publish_if(&self, expected: Expected, value: &C::Value) -> Result<Outcome<String>, Error> {
        let outcome = self.store.publish(expected, &self.codec.write(value)).await?;
        if let Outcome::Applied(_) = outcome {
            let store = self.store.clone();
            self.store.client.spawn(move |client| async move {
                let store = Store { client: (*client).clone(), ..store };
                // What cannot be deleted now, the next one tries.
                _ = store.prune().await;
            });
        }
        Ok(outcome)
    }

    /// Goes back, or forth, to another release, whichever counts now. Where it is not there, or not complete, the outcome is
    /// [`NotApplied`](Outcome::NotApplied) ([`Declined`](Reason::Declined)).
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses. Then nothing was done.
    pub async fn switch_to(&self, name: &str) -> Result<Outcome<()>, Error> {
        self.switch_if(Expected::Anything, name).await
    }

    /// Goes back, or forth, to another release if nobody has set the pointer since `observed`.
    ///
    /// # Errors
    ///
    /// As [`switch_to`](Self::switch_to).
    pub async fn switch_after(&self, observed: &ReleaseView<C::Value>, name: &str) -> Result<Outcome<()>, Error> {
        self.switch_if(Expected::Exactly(observed.revision), name).await
    }

    async fn switch_if(&self, expected: Expected, name: &str) -> Result<Outcome<()>, Error> {
        match layout::number(name) {
            Some(_) => self.store.point_to(expected, name).await,
            None => Ok(Outcome::NotApplied(Reason::Declined)),
        }
    }

    /// Returns the names of all releases that can be switched to, the oldest first; fewer when the time is up.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn list(&self) -> Result<Vec<String>, Error> {
        let tries = Tries::begin(&self.store.client, self.store.retry).await?;
        let published = tries.repeat(|| self.store.published()).await?;
        Ok(published.into_iter().flatten().map(|(_, name, _)| name).collect())
    }

    /// Deletes all releases but those to [keep](Self::keep), and what was left of some that were never complete. Returns how many were
    /// deleted. It does nothing as long as none counts.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn prune(&self) -> Result<usize, Error> {
        self.store.prune().await
    }

    /// Begins to follow the release that counts, in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn follow(&self) -> Result<FollowedRelease<C::Value>, Error> {
        let Store { client, paths, .. } = &self.store;
        let (cache, told) = (NodeCache::new(client, &paths.current)?, Cell::new(Told::default()));
        let (paths, codec, reporter) = (paths.clone(), self.codec.clone(), Reporter(told.clone()));
        client.spawn(|client| Follower { client, cache, paths, codec, reporter }.run());
        Ok(FollowedRelease(Arc::new(Handle { client: client.clone(), told })))
    }
}

/// What is seen of [`Releases`]. When the last clone is dropped, its watch is taken off the server.
#[derive(Debug)]
pub struct FollowedRelease<T: Send + Sync + 'static>(Arc<Handle<T>>);

/// Its drop ends the work in the background.
#[derive(Debug)]
struct Handle<T: Send + Sync + 'static> {
    client: Client,
    told: Cell<Told<T>>,
}

impl<T: Send + Sync + 'static> Clone for FollowedRelease<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> FollowedRelease<T> {
    /// Returns what is known.
    pub fn current(&self) -> ReleaseView<T> {
        self.0.told.get().observed
    }

    /// Waits until it was read, and returns what was there, or that there was nothing. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over.
    pub async fn ready(&self) -> Result<ReleaseView<T>, Error> {
        self.find(|told| told.is_initialized).await
    }

    /// Waits until something else than `known` is to be seen, and returns it: the pointer was set, even to the same; or it is stale, or
    /// not stale any more; or what was rejected is there. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &ReleaseView<T>) -> Result<ReleaseView<T>, Error> {
        self.find(|told| !told.observed.is_same_as(known)).await
    }

    async fn find(&self, is_it: impl Fn(&Told<T>) -> bool) -> Result<ReleaseView<T>, Error> {
        let look = |told: &Told<T>| match told.is_over {
            _ if is_it(told) => Some(Ok(told.observed.clone())),
            true => Some(Err(over(&self.0.client))),
            false => None,
        };
        self.0.told.find(look).await
    }
}

impl<T: Send + Sync + 'static> Drop for Handle<T> {
    fn drop(&mut self) {
        self.told.update(|told| !std::mem::replace(&mut told.is_unwanted, true));
    }
}

/// What was seen of [`Releases`].
#[derive(Debug)]
pub struct ReleaseView<T> {
    value: Option<Arc<T>>,
    name: Option<Arc<str>>,
    /// What created the pointer, and what last set it; `None` where there is none.
    revision: Option<(Zxid, Zxid)>,
    rejected: Option<Unreadable>,
    is_stale: bool,
}

impl<T> Clone for ReleaseView<T> {
    fn clone(&self) -> Self {
        let Self { value, name, revision, rejected, is_stale } = self;
        let (value, name, rejected) = (value.clone(), name.clone(), rejected.clone());
        Self { value, name, revision: *revision, rejected, is_stale: *is_stale }
    }
}

impl<T> ReleaseView<T> {
    /// Returns the value: of the release that was pointed to, or of the last one that could be read; `None` where there was no pointer, or
    /// nothing could be read so far.
    pub fn value(&self) -> Option<&T> {
        self.value.as_deref()
    }

    /// Returns the value, for others to keep.
    pub fn shared(&self) -> Option<Arc<T>> {
        self.value.clone()
    }

    /// Returns the name of the release that the value is of.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns why what is pointed to could not be read: it is not there, or not complete, or the codec has rejected it. The value is an
    /// older one then. It is looked at again when the pointer is set, and after a reconnect.
    pub fn rejected(&self) -> Option<&Unreadable> {
        self.rejected.as_ref()
    }

    /// Returns whether it may be older than what the client could know: there is no connection, or the pointer was not read again since.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Returns the transaction that has set the pointer; `None` where there is none.
    pub fn set_by(&self) -> Option<Zxid> {
        self.revision.map(|(_, set_by)| set_by)
    }

    fn is_same_as(&self, other: &Self) -> bool {
        (self.revision, self.is_stale, &self.rejected) == (other.revision, other.is_stale, &other.rejected)
    }
}
