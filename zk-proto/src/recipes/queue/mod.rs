//! Queues: what is put by some is taken by others.

mod delay;
mod form;
mod frame;
mod grab;
mod ids;
mod item;
mod number;
mod priority;
mod put;
mod receipt;
mod settings;
mod store;
mod take;
mod work;

use crate::client::{Client, Error};

use form::{Form, Label};
use settings::{putting, taking};
use store::{Store, beside};
use take::{Manner, Patience};

pub use delay::DelayQueue;
pub use ids::IdQueue;
pub use item::{Item, Put, Taken, WhenFull};
pub use priority::{PriorityLayout, PriorityQueue};
pub use work::{Delivery, Settled, WorkLayout, WorkQueue};

/// A queue: what was put first is taken first, by one of those who take.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Put, Queue, Taken};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let queue = Queue::new(&client, "/queues/mail")?.exact();
/// match queue.put(b"to whom it may concern").await? {
///     Put::Done => {}
///     Put::Unknown | _ => println!("perhaps it is there"),
/// }
///
/// match queue.take().await? {
///     Taken::Item(item) => println!("{:?}", item.data()),
///     Taken::Unknown(item) => println!("perhaps somebody else has it: {:?}", item.data()),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Whoever deletes the node of an item has the item, so nobody else gets it; and it is gone when he dies the moment after. Where that
/// must not be, there is the [`WorkQueue`]. One who takes alone gets the items in the order in which they were put.
///
/// A reply may be lost behind a write that was carried out. No other client of ZooKeeper gets over that: Curator puts such an item
/// twice, and what was deleted so is lost. Here it is found out where it can be, and said where it cannot:
///
/// | what happens | while putting | while taking |
/// |---|---|---|
/// | connection lost | native: looked for, [`Put::Unknown`] where it is not found; others: [`Put::Unknown`] | still there: taken again; gone: [`Taken::Unknown`] |
/// | the same, [`exact`](Self::exact) | found out | found out |
/// | session expired in such a moment | as without `exact` | as without `exact` |
/// | session expired otherwise | goes on in the next | goes on in the next |
/// | the future is dropped | it may be put all the same | what was taken is lost; `exact`: put back to its place, if the session lives |
/// | somebody deletes the entry | it is gone | the next one is taken |
/// | somebody deletes the node of the queue | it is made anew, with numbers from zero | the same; others than native: who is about to take an entry in that moment may take the new one of the same name for it |
/// | the counter of the path is at its end (2³¹ entries were put) | native: goes on, the order of newcomers is lost; others: `NodeExists` | nothing |
///
/// The counter begins anew when the queue's node is deleted. That node is made when it is missing: as a container, which the server
/// deletes some time after its last entry, where the layout is native. In other layouts, whose names would come again then, it is made to
/// stay. What another client has made of it, it is.
///
/// What cannot be read as the layout has it is taken [as it is](Item::parts). What cannot be taken at all stays, and who takes is told
/// why each time, until somebody sees to it: an entry that one may not read, or that has children.
///
/// # Limits
///
/// Who takes lists all entries. At 10,000 to 20,000 of them, by the length of their names, the list comes near to 1 MiB, the most that
/// servers and clients take in one packet unless told otherwise; beyond it nobody can list the queue any more, and it is stuck. So set a
/// [`limit`](Self::limit), and see to it that more is taken than put. An item must fit into a packet too.
///
/// Each entry wakes everybody who waits: [`in_turn`](Self::in_turn) and [`among`](Self::among) are for many who take.
#[derive(Clone, Debug)]
pub struct Queue {
    store: Store,
    manner: Manner,
}

/// The names of the entries of a [`Queue`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueLayout {
    /// `e-<uuid>-<number>`. No other client knows it.
    #[default]
    Native,
    /// `qn-<number>`, as Curator's `SimpleDistributedQueue` and ZooKeeper's own `DistributedQueue`.
    Simple,
    /// `entry-<priority>-<number>`, as kazoo's `Queue`. What is put has its usual priority, 100; what is taken is of the lowest first.
    Kazoo,
    /// `queue-<number>`, with the data in frames, as Curator's `DistributedQueue` without a lock path.
    Curator,
}

impl Queue {
    /// Makes a queue of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        Ok(Self { store: Store::new(client, path, Form::Native)?, manner: Manner::new() })
    }

    /// Sets how the entries are named. Entries of other names are not seen.
    pub fn layout(mut self, layout: QueueLayout) -> Self {
        self.store.form = match layout {
            QueueLayout::Native => Form::Native,
            QueueLayout::Simple => Form::Simple,
            QueueLayout::Kazoo => Form::Kazoo,
            QueueLayout::Curator => Form::Curator,
        };
        self
    }

    /// Puts something at the end of the queue.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses: [`NoAuth`](crate::code::ErrorCode::NoAuth), for instance. It was not put
    /// then.
    pub async fn put(&self, data: &[u8]) -> Result<Put, Error> {
        self.store.put(Label::Nothing, &[data]).await
    }
}

putting!(Queue);
taking!(Queue);
