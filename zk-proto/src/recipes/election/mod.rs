//! Electing a leader, first come first served.

mod campaign;
mod candidacy;
mod desk;
mod epoch;
mod layout;
mod observer;
mod participants;

use super::line::Line;
use crate::{
    client::{Client, Error},
    record::Acl,
};

pub use campaign::OnSuspend;
pub use candidacy::{Candidacy, Led};
pub use desk::{Leadership, LeadershipLoss, Term};
pub use epoch::EpochError;
pub use layout::ElectionLayout;
pub use observer::{LeaderObserver, Observation, Observed};
pub use participants::Participant;

/// An election, in which clients on any machine stand: one of them leads at a time, in the order in which they came, and each is told
/// when it leads and when no more.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{LeaderLatch, Leadership};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let latch = LeaderLatch::new(&client, "/elections/report")?.data(b"host-7:8080");
/// let candidacy = latch.stand();
///
/// let mut known = candidacy.leadership();
/// loop {
///     known = candidacy.changed(&known).await;
///     match &known {
///         Leadership::Leading(term) => {
///             // Writes that are carried out only if this is still the leader when the server gets to them.
///             candidacy.transaction(term).set_data("/report", b"mine", None).await?;
///         }
///         Leadership::Refused(error) => eprintln!("cannot stand: {error}"),
///         Leadership::Over => return Ok(()),
///         _ => println!("not the leader"),
///     }
/// }
/// # }
/// ```
///
/// Or, for work that ends, and is to be done by one at a time and by each in turn:
///
/// ```
/// # use zk_proto::client::{Client, Error};
/// # use zk_proto::recipes::{LeaderLatch, Led};
/// # async fn example(client: Client) -> Result<(), Error> {
/// # async fn rotate_logs() {}
/// let candidacy = LeaderLatch::new(&client, "/elections/logs")?.stand();
/// while let Led::Lost(why) = candidacy.lead(|_term| rotate_logs()).await? {
///     println!("did not get to the end of it: {why:?}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Whoever leads has the node with the lowest number below the election's path, and the server has shown that node as one of this session.
/// Gaining and losing take turns. Somebody leads as soon as anybody can, and the end of a leader wakes exactly one of those who
/// stand.
///
/// Between the end of one leader and the beginning of the next, nobody leads. And no election can stop a leader that was paused for
/// longer than its session lived, and wakes up believing. So:
///
/// * What is written to ZooKeeper itself goes into a [`transaction`](Candidacy::transaction), which fails as a whole when the term is over.
/// * What is written elsewhere carries the [fencing token](Term::fencing_token), and the other side refuses lower ones than it has
///   seen; or the [epoch](Candidacy::epoch), where the numbers must be dense.
/// * What can be neither stops by [`valid_until`](Candidacy::valid_until), and listens to [`changed`](Candidacy::changed).
///
/// | what happens | while standing | while leading |
/// |---|---|---|
/// | connection lost | the place is kept | [`OnSuspend`] says; the node is kept, and when the connection is back in time the same term goes on, with the same token |
/// | session expired | to the end of the line, in the next session | [`LeadershipLoss::SessionOver`], then the same |
/// | [`Candidacy`] is dropped | the node is deleted in the background, also when it is just being made | the same |
/// | somebody deletes the node, or all of the election | to the end of the line | [`LeadershipLoss::Removed`], then the same |
/// | [`relinquish`](Candidacy::relinquish) | nothing | [`LeadershipLoss::GivenUp`] at once, then to the end of the line |
/// | the server refuses (`NoAuth`, a quota) | [`Leadership::Refused`]; tries again after 0.5 s, and then less and less often, every 30 s in the end | |
/// | the client is closed | [`Leadership::Over`] | the same |
/// | the counter of the path is at its end (2³¹ nodes were made below it) | in order of creation | nothing |
///
/// The node of the election is made when it is missing, as a container, which the server deletes some time after the last participant.
/// Put nothing else below it: other clients may take part for whatever they find there.
///
/// A participant's node contains its [data](Self::data), an id as a rule, which Curator's `LeaderLatch.getParticipants` and kazoo's
/// `Election.contenders` show as text. [`ElectionLayout`] says whose elections these are.
#[derive(Clone, Debug)]
pub struct LeaderLatch {
    line: Line,
    on_suspend: OnSuspend,
}

impl LeaderLatch {
    /// Makes an election of a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        let line = Line::new(client, path, ElectionLayout::default().names())?;
        Ok(Self { line, on_suspend: OnSuspend::default() })
    }

    /// Sets how the nodes are named. Default: as Curator's `LeaderLatch` does.
    pub fn layout(mut self, layout: ElectionLayout) -> Self {
        self.line.names = layout.names();
        self
    }

    /// Sets what the nodes contain: who stands. Default: nothing.
    pub fn data(mut self, data: &[u8]) -> Self {
        self.line.data = data.into();
        self
    }

    /// Sets the access control list of the nodes, of the election's own too if it is made. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.line.acl = Some(acl.into());
        self
    }

    /// Sets when leadership counts as lost while there is no connection. Default: [at once](OnSuspend::GiveUpNow).
    pub fn on_suspend(mut self, on_suspend: OnSuspend) -> Self {
        self.on_suspend = on_suspend;
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.line.path
    }

    /// Stands for election, in the background, until what it returns is dropped. Called again, another participant stands beside it.
    pub fn stand(&self) -> Candidacy {
        Candidacy::begin(self.clone())
    }

    /// Lists who stands, the leader first: what they say of themselves, and their nodes. It is no transaction: who goes meanwhile is
    /// left out.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no election yet.
    pub async fn participants(&self) -> Result<Vec<Participant>, Error> {
        participants::list(&self.line).await
    }
}
