//! What ZooKeeper is used for: coordination among processes.
//!
//! | recipe | what for |
//! |---|---|
//! | [`Lock`] | one holder at a time, in order of arrival |
//! | [`RwLock`] | many readers or one writer |
//! | [`Semaphore`] | at most so many holders at a time |
//! | [`MultiLock`] | several locks, all or none |
//! | [`TimeLease`], [`MultiTimeLease`] | the right to do something for the next hour, by the clock on the wall |
//! | [`LeaderLatch`] | one leader at a time, who is told when he leads and when no more |
//! | [`LeaderObserver`] | who leads, for those who do not stand |
//! | [`Barrier`] | a gate that one closes and others wait at |
//! | [`DoubleBarrier`] | a room that is entered together and left together |
//! | [`Queue`], [`PriorityQueue`], [`DelayQueue`] | what some put, others take: in order of arrival, by urgency, or in due time |
//! | [`WorkQueue`], [`IdQueue`] | the same for work, which is done by another when its worker dies |
//! | [`KeptNode`] | a node that is there as long as this process is: a registration |
//! | [`Group`] | members that see each other |
//! | [`Partitioner`] | a set that is divided among all members |
//! | `discovery` (with the feature of that name) | services: their instances, and how to find one |
//! | [`NodeCache`], [`ChildrenCache`], [`TreeCache`] | the newest state of a node, its children, a tree, at hand |
//! | [`SharedValue`] | a value that all see change, such as a setting |
//! | [`SharedMap`] | values by their keys, that all see change: a directory of settings |
//! | [`Releases`] | settings that are published together, and taken back together |
//! | [`AtomicNumber`], [`Ids`] | a number that everybody counts with, and numbers that nobody else gets |
//! | [`update`], [`transact`] | a node, or several, changed on the strength of what they contain |
//! | [`ensure_path`] | a node with all that are above it |
//! | [`delete_recursive`] | a node deleted with all that are below it |
//!
//! A recipe is a type over a [`Client`](crate::client::Client), and its operations are futures. It does no IO, reads no clock and
//! rolls no dice but the client's, so it is the same under every runtime: awaited, waited for in a thread, polled by a loop of
//! one's own, or run by a simulator.
//!
//! # Dropping
//!
//! Every future may be dropped at any moment, and so may everything that is held. What that leaves on the server is deleted in
//! the background, by the client's driver; nothing waits in a destructor, and nothing is left when the last client of the
//! session has gone, because then the session is closed.
//!
//! # When replies are lost
//!
//! A node that a recipe makes has a name that nobody else uses. When the link breaks before the reply, the client looks for it before
//! it makes another (CURATOR-45), in the same session (CURATOR-498), behind a sync.

mod barrier;
mod cache;
mod cell;
mod delete;
#[cfg(feature = "discovery")]
pub mod discovery;
mod double_barrier;
mod election;
mod group;
mod guid;
mod janitor;
mod kept;
mod line;
mod lock;
mod map;
mod multi_lock;
mod number;
mod parents;
mod partitioner;
mod protected;
mod queue;
mod release;
mod retry;
mod rw_lock;
mod semaphore;
mod session;
mod time_lease;
mod together;
mod update;
mod value;

pub use barrier::Barrier;
pub use cache::{
    CacheEvent, CacheEvents, CacheView, CachedNode, ChildrenCache, ChildrenView, NodeCache, NodeState, NodeView,
    TreeCache, TreeCacheBuilder,
};
pub use delete::delete_recursive;
pub use double_barrier::{DoubleBarrier, DoubleBarrierLayout, Inside};
pub use election::{
    Candidacy, ElectionLayout, EpochError, LeaderLatch, LeaderObserver, Leadership, LeadershipLoss, Led, Observation,
    Observed, OnSuspend, Participant, Term,
};
pub use group::{Group, GroupEvent, GroupEvents, GroupLayout, GroupView, Member, Members, Membership};
pub use kept::{Kept, KeptMode, KeptNode, KeptState, OnChange, OnForeign, Presence};
pub use lock::{FencingToken, Held, Lock, LockLayout, Loss, Tenure, revoke};
pub use map::{MapEntry, SharedMap, SharedMapView};
pub use multi_lock::{HeldAll, MultiLock};
pub use number::{AtomicNumber, Counted, Ids, NumberError, NumberLayout};
pub use parents::ensure_path;
pub use partitioner::{Partition, PartitionEnd, Partitioner, Share, ShareState};
pub use queue::{
    DelayQueue, Delivery, IdQueue, Item, PriorityLayout, PriorityQueue, Put, Queue, QueueLayout, Settled, Taken,
    WhenFull, WorkLayout, WorkQueue,
};
pub use release::{FollowedRelease, RawSettings, ReleaseCodec, ReleaseView, Releases, Settings};
pub use retry::RetryPolicy;
pub use rw_lock::{HeldWrite, RwLock, RwLockLayout};
pub use semaphore::{Lease, Maximum, Semaphore, SemaphoreError, SemaphoreLayout};
pub use time_lease::{Leased, MultiTimeLease, TimeLease};
pub use update::{Change, Effect, Found, Outcome, Reason, Transaction, Update, transact, update};
pub use value::{Count, Raw, SharedCount, SharedValue, SharedView, Unreadable, Utf8, ValueCodec};
