//! Knowing who leads, without standing.

use core::time::Duration;
use std::{future::pending, pin::pin};

use super::{
    super::{
        cell::Cell,
        line::Line,
        session::{Trouble, leaving, session},
        together::either,
    },
    ElectionLayout,
    participants::{self, Participant},
};
use crate::{
    broken::broken,
    client::{Background, Client, Error, Watcher},
    code::ErrorCode,
    session::WatchedEventKind,
};

/// How long to wait before reading again, where the server has refused, and how long at most after many times.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Who leads an election, for those who want to know and do not stand.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{LeaderObserver, Observed};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let observation = LeaderObserver::new(&client, "/elections/report")?.observe();
/// let mut known = observation.now();
/// loop {
///     known = observation.changed(&known).await;
///     match &known {
///         Observed::Leader(leader) => println!("{} leads, with token {}", leader.id(), leader.token),
///         Observed::Over => return Ok(()),
///         other => println!("nobody to turn to: {other:?}"),
///     }
/// }
/// # }
/// ```
///
/// # What it guarantees
///
/// It tells who is the first in line, as soon as the server that it is connected to has heard of it; and always the newest, not all
/// that came between. While there is no election, not even a node, that is [nobody](Observed::Nobody), and it waits for one to
/// begin. It makes no nodes.
///
/// The first in line leads, or will in a moment, or did until a moment ago: only the leader's [transactions](super::Candidacy::transaction)
/// and [token](Participant::token) are proof.
///
/// | what happens | what an observer is told |
/// |---|---|
/// | connection lost | nothing: it is shown the leader of before ([`Client::state`] tells how old that may be), and what has changed when it is connected again |
/// | session expired | the same |
/// | the leader [proclaims](super::Candidacy::proclaim) something | the leader, with other data |
/// | the leader goes, or somebody deletes its node | the next one, or nobody |
/// | the server refuses | [`Observed::Refused`]; it tries again from time to time |
/// | the [`Observation`] is dropped | its watches are taken from the server |
///
/// While somebody leads, there is one watch, on the leader's node, so who stands and withdraws behind him wakes nobody.
#[derive(Clone, Debug)]
pub struct LeaderObserver(Line);

/// What an observer sees.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observed {
    /// No server has told yet.
    Unknown,
    /// Nobody stands.
    Nobody,
    /// This one is the first.
    Leader(Participant),
    /// The server refuses to tell: [`NoAuth`](ErrorCode::NoAuth), for instance.
    Refused(Error),
    /// There is no session any more, nor will there be one.
    Over,
}

impl Observed {
    /// Returns who leads, if that is known and somebody does.
    pub fn leader(&self) -> Option<&Participant> {
        match self {
            Self::Leader(leader) => Some(leader),
            Self::Unknown | Self::Nobody | Self::Refused(_) | Self::Over => None,
        }
    }
}

/// Watching who leads, until it is dropped. The session stays open as long as it is there.
#[derive(Debug)]
#[must_use = "dropping it ends the observation"]
pub struct Observation {
    _client: Client,
    view: Cell<View>,
}

#[derive(Clone, Debug)]
struct View {
    observed: Observed,
    /// Nobody wants to know any more.
    is_left: bool,
}

impl LeaderObserver {
    /// Makes an observer of the election at a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        Line::new(client, path, ElectionLayout::default().names()).map(Self)
    }

    /// Sets how the participants' nodes are named. Default: as Curator's `LeaderLatch` does.
    pub fn layout(mut self, layout: ElectionLayout) -> Self {
        self.0.names = layout.names();
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Lists who stands, the first first: what they say of themselves, and their nodes. It is no transaction: who goes
    /// meanwhile is left out.
    ///
    /// # Errors
    ///
    /// The server's, but none where there is no election yet.
    pub async fn participants(&self) -> Result<Vec<Participant>, Error> {
        participants::list(&self.0).await
    }

    /// Begins to watch, in the background.
    pub fn observe(&self) -> Observation {
        let view = Cell::new(View { observed: Observed::Unknown, is_left: false });
        let (line, told) = (self.0.clone(), Teller(view.clone()));
        self.0.client.spawn(|client| watch(client, line, told));
        Observation { _client: self.0.client.clone(), view }
    }
}

impl Observation {
    /// Returns what is seen now.
    pub fn now(&self) -> Observed {
        self.view.get().observed
    }

    /// Returns who leads, as far as it is known.
    pub fn leader(&self) -> Option<Participant> {
        self.now().leader().cloned()
    }

    /// Waits until something else is seen than `known`, and returns it. May be cancelled at any moment.
    pub async fn changed(&self, known: &Observed) -> Observed {
        self.view.find(|view| (view.observed != *known).then(|| view.observed.clone())).await
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.view.update(|view| !std::mem::replace(&mut view.is_left, true));
    }
}

/// Tells what is seen, and that nothing more will be.
#[derive(Debug)]
struct Teller(Cell<View>);

impl Teller {
    fn tell(&self, observed: Observed) {
        self.0.update(|view| {
            let is_news = view.observed != observed;
            view.observed = observed;
            is_news
        });
    }

    async fn left(&self) {
        self.0.find(|view| view.is_left.then_some(())).await;
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell(Observed::Over);
    }
}

async fn watch(client: Background, line: Line, teller: Teller) {
    // The session is not to stay open for its sake.
    let line = Line { client: Client::clone(&client), ..line };
    let left = pin!(teller.left());
    let closing = pin!(leaving(&client));
    let end = pin!(either(left, closing));
    let looks = pin!(look_on(&line, &teller));
    either(end, looks).await;
}

/// Looks again and again, until there is no session any more.
async fn look_on(line: &Line, teller: &Teller) {
    let mut pause = FIRST_PAUSE;
    while session(&line.client).await.is_ok() {
        let error = match look(line).await {
            Ok((observed, mut watcher)) => {
                pause = FIRST_PAUSE;
                if let Some(observed) = observed {
                    teller.tell(observed);
                }
                // What happens is not said by the event, and neither is it when a watch ends with its session.
                if let Some(watcher) = &mut watcher {
                    let event = watcher.changed().await;
                    let is_end = event.is_ok_and(|event| event.kind == WatchedEventKind::NodeDeleted);
                    if !is_end && broken!("election: an observer heeds only that a node is deleted") {
                        return pending().await;
                    }
                }
                continue;
            }
            Err(error) => error,
        };
        match Trouble::of(&error) {
            Trouble::InDoubt | Trouble::SessionOver => {}
            Trouble::Definite => {
                teller.tell(Observed::Refused(error));
                if line.client.sleep(pause).await.is_err() {
                    return;
                }
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Finds what is to be seen, with a watch on that; or nothing where it changes just now.
async fn look(line: &Line) -> Result<(Option<Observed>, Option<Watcher>), Error> {
    let client = &line.client;
    match client.get_children(&line.path).resend().await {
        Ok((names, _)) => {
            if let Some((leader, watcher)) = participants::watch_first(line, &names).await? {
                return Ok((Some(Observed::Leader(leader)), Some(watcher)));
            }
        }
        Err(Error::Server(ErrorCode::NoNode)) => {
            let (stat, watcher) = client.exists(&line.path).watch().resend().await?;
            return Ok(match stat {
                None => (Some(Observed::Nobody), Some(watcher)),
                Some(_) => (None, None),
            });
        }
        Err(error) => return Err(error),
    }
    // Only now is there something to be heard from the node above: while somebody leads, his own is enough.
    let (names, _, watcher) = match client.get_children(&line.path).watch().resend().await {
        Err(Error::Server(ErrorCode::NoNode)) => return Ok((None, None)),
        children => children?,
    };
    let is_anybody = names.iter().any(|name| (line.names.contender)(name).is_some());
    if is_anybody { Ok((None, None)) } else { Ok((Some(Observed::Nobody), Some(watcher))) }
}
