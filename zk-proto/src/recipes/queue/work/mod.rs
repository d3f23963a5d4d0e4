//! Queues of work, which is done at least once.

mod claim;
mod delivery;
mod settle;

use core::time::Duration;
use std::{collections::BTreeSet, sync::Arc};

use super::{
    super::{
        janitor::child,
        lock::Held,
        protected::OwnNode,
        session::Trouble,
        together::{Either, both, either},
    },
    Put, beside,
    form::{Form, Label},
    putting,
    store::{Store, in_one_session, shuffled, watched},
};
use crate::{
    SessionId,
    broken::broken,
    client::{Client, Error, Watcher},
    path,
    request::Children,
};

use claim::{Claimed, Wanted};
use settle::Aim;

pub use delivery::Delivery;
pub use settle::Settled;

/// A queue of work: an item stays in it until somebody says that the work is done, and is done by another when its worker dies.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Put, Settled, WorkQueue};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let queue = WorkQueue::new(&client, "/queues/orders")?;
/// assert_eq!(queue.put(b"42").await?, Put::Done);
///
/// let delivery = queue.take().await?;
/// println!("working on {:?}", delivery.item().data());
/// match delivery.ack().await? {
///     Settled::Done => {}
///     Settled::ClaimLost | _ => println!("somebody else may do it again"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Whoever takes an item makes an ephemeral node of its name, which nobody else can make then: the claim. It vanishes with the
/// session, and the item is taken again. An [`ack`](Delivery::ack) deletes the item in one transaction that fails when the claim is lost, so
/// no item goes that somebody else works on (CURATOR-605).
///
/// Work may be done twice: by one who has lost his claim and does not know yet, and by the next one. Who is told in time
/// [stops](Delivery::lost); for the rest, work is to be such that doing it again does no harm, or is to be remembered by the item's
/// [`path`](super::Item::path) and [`id`](super::Item::id).
///
/// | what happens | while taking | while working |
/// |---|---|---|
/// | connection lost | goes on; a claim whose reply was lost is found again | [`Tenure::InDoubt`](crate::recipes::Tenure::InDoubt), then held again, or [lost](crate::recipes::Loss) |
/// | the same, while settling | | found out |
/// | session expired | goes on in the next | the claim is lost, and an ack changes nothing: [`Settled::ClaimLost`], or [`Settled::Unknown`] if it was on its way |
/// | the future, or the [`Delivery`], is dropped | the claim is deleted in the background | the same |
/// | somebody deletes the claim | the next one is taken | [`Loss::Removed`](crate::recipes::Loss::Removed). Until that is heard, an ack passes if somebody else has claimed the item since; unless claims are [counted](Self::divert_after) |
/// | somebody deletes the item | the next one is taken | [`Settled::Gone`], also where another one has come to bear its name since |
/// | somebody deletes the node of the queue, as the server does with an empty container (native: others are made to stay) | it is made anew, with numbers from zero. Others than native, with claims [counted](Self::divert_after): a new entry may get an old one's data | [`Settled::Gone`]. Others than native: a new entry of the same name that comes in the moment of the ack goes with it |
/// | the counter of the path is at its end | nothing; as for putting into a [`Queue`](super::Queue) | the same for requeueing |
///
/// Putting is as for a [`Queue`](super::Queue), with the same limits. Each new entry and each claim that is given up wakes everybody who
/// waits; [`among`](Self::among) lets them begin with different items.
///
/// # Items that are too much for anybody
///
/// An item that kills its worker comes again, and kills the next. [`divert_after`](Self::divert_after) counts claims, and puts what was
/// claimed too often into another queue, the [`dead_letters`](Self::dead_letters). What cannot be read as the layout has it is delivered
/// [as it is](super::Item::parts).
///
/// # What it costs
///
/// Taking is two lists, one read and one write; an ack is one write. In layouts of others, where another entry can come to have the
/// same name, an ack asks before whether it is still the same, unless claims are [counted](Self::divert_after).
#[derive(Clone, Debug)]
pub struct WorkQueue {
    pub(super) store: Store,
    path: Arc<str>,
    layout: WorkLayout,
    claims: Arc<str>,
    among: usize,
    most_claims: Option<u32>,
}

/// The names of the nodes of a [`WorkQueue`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkLayout {
    /// `entries/e-<priority>-<uuid>-<number>` below the path, and claims `taken/<the same>`. No other client knows it.
    #[default]
    Native,
    /// `entries/entry-<priority>-<number>` below the path, and claims `taken/<the same>`, as kazoo's `LockingQueue`. Priorities are
    /// 0 to 999, and 100 for who names none.
    Kazoo,
    /// `queue-<number>`, with the data in frames, as Curator's `DistributedQueue` with a lock path, which is to be the same
    /// [here](WorkQueue::claims_below). There are no priorities.
    Curator,
    /// `queue-<priority><number>`, as Curator's `DistributedPriorityQueue` with a lock path.
    CuratorPriority,
}

impl WorkLayout {
    fn form(self) -> Form {
        match self {
            Self::Native => Form::NativePriority,
            Self::Kazoo => Form::Kazoo,
            Self::Curator => Form::Curator,
            Self::CuratorPriority => Form::CuratorPriority,
        }
    }

    /// Returns where the entries are, and where the claims are unless told otherwise.
    fn paths(self, path: &str) -> (Arc<str>, Arc<str>) {
        match self {
            Self::Native | Self::Kazoo => (child(path, "entries").into(), child(path, "taken").into()),
            Self::Curator | Self::CuratorPriority => (path.into(), beside(path, "claims")),
        }
    }
}

impl WorkQueue {
    /// Makes a queue of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        let store = Store::new(client, path, Form::NativePriority)?;
        let (layout, path) = (WorkLayout::default(), store.path.clone());
        let (_, claims) = layout.paths(&path);
        Ok(Self { store, claims, path, layout, among: 1, most_claims: None }.layout(layout))
    }

    /// Makes one of entries with ids.
    pub(super) fn of_ids(client: &Client, path: &str) -> Result<Self, Error> {
        let mut queue = Self::new(client, path)?.layout(WorkLayout::Curator);
        queue.store.form = Form::Id;
        Ok(queue)
    }

    /// Sets how the nodes are named. Entries of other names are not seen.
    pub fn layout(mut self, layout: WorkLayout) -> Self {
        let (_, usual_claims) = self.layout.paths(&self.path);
        let (entries, claims) = layout.paths(&self.path);
        if self.claims == usual_claims {
            self.claims = claims;
        }
        self.layout = layout;
        self.store.form = layout.form();
        self.store.path = entries;
        self
    }

    /// Sets where the claims are: what Curator calls the lock path. Default: `<path>-claims`, and `<path>/taken` in layouts that
    /// have them there.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn claims_below(mut self, path: &str) -> Result<Self, Error> {
        path::validate(path)?;
        self.claims = path.into();
        Ok(self)
    }

    /// Takes one of the first so many items by the dice, instead of the very first: where many take, fewer are in each other's way,
    /// and the order holds only by and large. Default: 1.
    pub fn among(mut self, first: usize) -> Self {
        self.among = first;
        self
    }

    /// Puts an item into the [dead letters](Self::dead_letters) instead of delivering it again when it was claimed so many times
    /// already. Default: never.
    ///
    /// Claims are counted by the versions of the entry: each sets its data anew, to the same. That counts those whose worker died, and no
    /// others' (Curator's and kazoo's clients count nothing); and an ack then fails even if somebody has deleted the claim and
    /// another one has been made.
    ///
    /// In [layouts](WorkLayout) of others, names come again when the node of the queue is deleted and made anew. Where that happens
    /// between the reading of an entry and its claim, which is one round trip unless the link breaks, and a new entry of the same name
    /// is there by then, with the same version, the claim writes what was read into it: what was put there is lost, and the old item is
    /// delivered in its place. Without counting, nothing is written and what is delivered is read behind the claim, so this cannot
    /// happen; neither can it in the native layout.
    pub fn divert_after(mut self, claims: u32) -> Self {
        self.most_claims = Some(claims);
        self
    }

    /// Returns the queue of what was claimed too often, at `<path>-dead`, in the same layout. Its claims are where they usually are.
    pub fn dead_letters(&self) -> Self {
        let path = beside(&self.path, "dead");
        let (entries, claims) = self.layout.paths(&path);
        let store = Store { path: entries, limit: None, ..self.store.clone() };
        Self { store, path, claims, most_claims: None, ..self.clone() }
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Puts an item at the end of the queue, with the usual priority where there are any: 0, or kazoo's 100.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`](super::Queue::put).
    pub async fn put(&self, data: &[u8]) -> Result<Put, Error> {
        self.store.put(Label::Nothing, &[data]).await
    }

    /// Puts an item into the queue: the lower the priority, the earlier it is taken. It does not matter in
    /// [layouts](WorkLayout) without priorities.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub async fn put_with_priority(&self, priority: i32, data: &[u8]) -> Result<Put, Error> {
        self.store.put(Label::Rank(priority.into()), &[data]).await
    }

    /// Puts several items at the end of the queue, all or none. In Curator's layouts they become one entry, and are delivered
    /// together, as [parts](super::Item::parts) of one item.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub async fn put_all(&self, items: &[&[u8]]) -> Result<Put, Error> {
        self.store.put(Label::Nothing, items).await
    }

    pub(super) async fn put_with_id(&self, id: &str, data: &[u8]) -> Result<Put, Error> {
        self.store.put(Label::Id(id), &[data]).await
    }

    /// Takes the first item that nobody works on, and waits for one.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses: [`NoAuth`](crate::code::ErrorCode::NoAuth), for instance.
    pub async fn take(&self) -> Result<Delivery, Error> {
        loop {
            let (store, claims) = (&self.store, &self.claims);
            let lists = in_one_session(&store.client, |session| async move {
                let lists = both(watched(store, session, &store.path), watched(store, session, claims)).await;
                Ok((lists.0?, lists.1?))
            });
            let (session, ((entries, mut new_entry), (claims, mut claim_gone))) = lists.await?;
            match self.claim_one(session, &entries, Some(&claims)).await? {
                Found::Delivery(delivery) => return Ok(*delivery),
                Found::Stale => {}
                Found::Nothing => any_change(&mut new_entry, &mut claim_gone).await,
            }
        }
    }

    /// Takes the first item that nobody works on, and waits for one for so long; `None` when there was none.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub async fn take_timeout(&self, limit: Duration) -> Result<Option<Delivery>, Error> {
        match self.store.client.timeout(limit, self.take()).await {
            Ok(taken) => taken.map(Some),
            Err(Error::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the first item that nobody works on; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take). It does wait for a connection.
    pub async fn try_take(&self) -> Result<Option<Delivery>, Error> {
        loop {
            let (store, claims) = (&self.store, &self.claims);
            let lists = in_one_session(&store.client, |session| async move {
                let lists = both(store.names(session, &store.path), store.names(session, claims)).await;
                Ok((lists.0?, lists.1?))
            });
            let (session, (Some(entries), claims)) = lists.await? else { return Ok(None) };
            match self.claim_one(session, &entries, claims.as_ref()).await? {
                Found::Delivery(delivery) => return Ok(Some(*delivery)),
                Found::Stale => {}
                Found::Nothing => return Ok(None),
            }
        }
    }

    /// Deletes what nobody works on and has this id, and returns how many there were.
    pub(super) async fn remove(&self, id: &str) -> Result<usize, Error> {
        let store = &self.store;
        let mut removed = 0;
        'listed: loop {
            let list = in_one_session(&store.client, |session| store.names(session, &store.path));
            let (session, Some(names)) = list.await? else { return Ok(removed) };
            for entry in store.form.in_order(names.iter()).iter().filter(|entry| entry.label == Label::Id(id)) {
                match self.claim(session, entry.name).await {
                    Ok(Some(delivery)) => removed += usize::from(delivery.ack().await? == Settled::Done),
                    Ok(None) => {}
                    Err(error) if Trouble::of(&error) == Trouble::SessionOver => continue 'listed,
                    Err(error) => return Err(error),
                }
            }
            return Ok(removed);
        }
    }

    /// Claims one of the entries that are not claimed.
    async fn claim_one(
        &self,
        session: SessionId,
        entries: &Children,
        claims: Option<&Children>,
    ) -> Result<Found, Error> {
        let claimed: BTreeSet<&str> = claims.into_iter().flat_map(Children::iter).collect();
        let free = self.store.form.in_order(entries.iter().filter(|name| !claimed.contains(name)));
        if free.is_empty() {
            return Ok(Found::Nothing);
        }
        for entry in shuffled(&self.store.client, &free, self.among) {
            match self.claim(session, entry.name).await {
                Ok(Some(delivery)) if self.is_too_often(&delivery) => {
                    // Whatever came of it, the claim is gone, or the item is.
                    _ = delivery.settle(Aim::Move { to: &self.dead_letters().store.path }).await?;
                }
                Ok(Some(delivery)) => return Ok(Found::Delivery(Box::new(delivery))),
                Ok(None) if broken!("work queue: looks no further when somebody else was faster") => {
                    return Ok(Found::Nothing);
                }
                Ok(None) => {}
                Err(error) if Trouble::of(&error) == Trouble::SessionOver => return Ok(Found::Stale),
                Err(error) => return Err(error),
            }
        }
        // It may be that what was claimed when the list was made is free by now.
        Ok(Found::Stale)
    }

    /// Claims an entry; nothing where somebody else was faster.
    async fn claim(&self, session: SessionId, name: &str) -> Result<Option<Delivery>, Error> {
        let client = &self.store.client;
        let path = self.store.child(name);
        let (above, acl) = (self.store.form.above(), self.store.acl());
        let wanted = Wanted { entry: &path, claims: &self.claims, above, acl, counted: None };
        let (own, item) = if self.most_claims.is_some() {
            let Some(item) = self.store.read(session, name).await? else { return Ok(None) };
            match (Wanted { counted: Some(&item), ..wanted }).claim(client, session).await? {
                Claimed::Ours(own) => (own, item.set_again()),
                Claimed::Theirs | Claimed::Gone | Claimed::Changed => return Ok(None),
            }
        } else {
            let Claimed::Ours(own) = wanted.claim(client, session).await? else { return Ok(None) };
            match self.store.read(session, name).await? {
                Some(item) => (own, item),
                None => return give_back(own).await,
            }
        };
        let held = Held::out_of_line(own);
        Ok(Some(Delivery::new(self.store.clone(), item, held, self.most_claims.is_some())))
    }

    fn is_too_often(&self, delivery: &Delivery) -> bool {
        matches!((self.most_claims, delivery.count()), (Some(most), Some(count)) if count > most)
    }
}

/// What a list was good for.
enum Found {
    Delivery(Box<Delivery>),
    /// It is to be listed again.
    Stale,
    Nothing,
}

/// Gives up a claim to an entry that is not there any more: the next of that name would never be worked on.
async fn give_back(own: OwnNode) -> Result<Option<Delivery>, Error> {
    own.delete().await.map(|()| None)
}

/// Waits until something happens to either; the end of the session does, too.
async fn any_change(first: &mut Watcher, second: &mut Watcher) {
    let (first, second) = (std::pin::pin!(first.changed()), std::pin::pin!(second.changed()));
    match either(first, second).await {
        Either::First(_) | Either::Second(_) => {}
    }
}

putting!(WorkQueue);
