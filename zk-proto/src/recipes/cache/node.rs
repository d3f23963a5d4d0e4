//! One node, whether it exists or not.

use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::Bytes;

use super::super::{
    cell::Cell,
    session::over,
    together::{Either, either},
};
use super::PAUSES;
use crate::{
    Zxid,
    broken::broken,
    client::{Background, Client, Error, Sleep, Watcher},
    code::ErrorCode,
    path,
    record::Stat,
    session::State,
};

/// Follows one node, which may come, change, go, and come again.
///
/// ```
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::NodeCache;
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let cache = NodeCache::new(&client, "/app/config")?;
///
/// // Waits until the node is there, now or later.
/// let mut view = cache.when(|view| view.data().is_some().then(|| view.clone())).await?;
/// loop {
///     println!("{:?} of {:?}", view.data(), view.stat().map(|stat| stat.mzxid));
///     view = cache.changed(&view).await?;
/// }
/// # }
/// ```
///
/// # What it guarantees
///
/// What it shows was on the server, and no view is older than the one before within a session. When nothing changes any more and
/// there is a connection, it shows what is there. It shows the newest it has; who looks rarely misses what was in between. A node
/// that was deleted and made anew is another node, whatever its version.
///
/// | what happens | what it shows |
/// |---|---|
/// | connection lost | the last view, [stale](NodeView::is_stale) until the node was read again |
/// | session expired | the same; it reads and watches in the next session |
/// | the node is deleted | [`Absent`](NodeState::Absent), and it waits for the next one; it never creates it (CURATOR-319) |
/// | the server refuses, with [`NoAuth`](ErrorCode::NoAuth) for instance | the last view, stale, with the [error](NodeView::trouble); it asks again when the node changes, after a reconnect, and by and by |
/// | the client is at a server that is cut off from the others, which it was told will do | what that server has |
/// | the last clone of the cache is dropped | its watch is taken off the server |
///
/// It costs one watch on the server, and a read for each change and each reconnect. The session stays open as long as the cache is
/// there. The data is a copy, which keeps no read buffer alive.
#[must_use = "dropping it ends the watch on the node"]
#[derive(Clone, Debug)]
pub struct NodeCache(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    client: Client,
    path: String,
    told: Cell<Told>,
}

/// What the background has found out, and what it is told.
#[derive(Clone, Debug)]
struct Told {
    view: NodeView,
    /// Nobody wants to know any more.
    is_unwanted: bool,
    /// There will be nothing new.
    is_over: bool,
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeView {
    /// The node.
    pub node: NodeState,
    /// Whether it may be older than what the client could know: there is no connection, or it was not read again since, or the
    /// server refused.
    pub is_stale: bool,
    /// Why the server did not show it when it was last asked.
    pub trouble: Option<Error>,
}

/// How a node stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodeState {
    /// It was not read yet.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// There is one.
    Present {
        /// Its data; null is empty.
        data: Bytes,
        /// Its numbers, as of the last read: new children do not show until the data was set, or the connection lost.
        stat: Stat,
    },
}

impl NodeState {
    /// Returns the transactions that created it and last set its data: together they name a state of a node. Versions do not,
    /// because they begin anew with each node.
    pub fn revision(&self) -> Option<(Zxid, Zxid)> {
        match self {
            Self::Present { stat, .. } => Some((stat.czxid, stat.mzxid)),
            Self::Unknown | Self::Absent => None,
        }
    }

    /// Returns whether both are the same state of the same node.
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present { stat: one, .. }, Self::Present { stat: other, .. })
                if broken!("node cache: compares versions") =>
            {
                one.version == other.version
            }
            (Self::Present { .. }, Self::Present { .. }) => self.revision() == other.revision(),
            (Self::Unknown, Self::Unknown) | (Self::Absent, Self::Absent) => true,
            (Self::Unknown | Self::Absent | Self::Present { .. }, _) => false,
        }
    }
}

impl NodeView {
    /// Returns whether the node was read at all.
    pub fn is_initialized(&self) -> bool {
        self.node != NodeState::Unknown
    }

    /// Returns the data, if there is a node.
    pub fn data(&self) -> Option<&Bytes> {
        match &self.node {
            NodeState::Present { data, .. } => Some(data),
            NodeState::Unknown | NodeState::Absent => None,
        }
    }

    /// Returns the numbers of the node, if there is one.
    pub fn stat(&self) -> Option<&Stat> {
        match &self.node {
            NodeState::Present { stat, .. } => Some(stat),
            NodeState::Unknown | NodeState::Absent => None,
        }
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.node.is_same_as(&other.node) && (self.is_stale, &self.trouble) == (other.is_stale, &other.trouble)
    }
}

impl NodeCache {
    /// Begins to follow a node, in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(client: &Client, path: &str) -> Result<Self, Error> {
        path::validate(path)?;
        let view = NodeView { node: NodeState::Unknown, is_stale: true, trouble: None };
        let told = Cell::new(Told { view, is_unwanted: false, is_over: false });
        let (reporter, followed) = (Reporter(told.clone()), path.to_string());
        client.spawn(|client| follow(client, followed, reporter));
        Ok(Self(Arc::new(Handle { client: client.clone(), path: path.to_string(), told })))
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns what is known of the node.
    pub fn current(&self) -> NodeView {
        self.0.told.get().view
    }

    /// Waits until the view is another one than `known`, and returns it: another state of the node, stale or not stale any more, or
    /// other trouble. May be cancelled at any moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn changed(&self, known: &NodeView) -> Result<NodeView, Error> {
        let news = |told: &Told| match &told.view {
            view if !view.is_same_as(known) => Some(Some(view.clone())),
            _ if told.is_over => Some(None),
            _ => None,
        };
        match self.0.told.find(news).await {
            Some(view) => Ok(view),
            None => Err(over(&self.0.client)),
        }
    }

    /// Waits until the function finds something in a view, the present one or a later one, and returns that. May be cancelled at any
    /// moment.
    ///
    /// # Errors
    ///
    /// When the client is over, so that nothing new can come.
    pub async fn when<T>(&self, mut look: impl FnMut(&NodeView) -> Option<T>) -> Result<T, Error> {
        let mut view = self.current();
        loop {
            if let Some(found) = look(&view) {
                return Ok(found);
            }
            view = self.changed(&view).await?;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.told.update(|told| !std::mem::replace(&mut told.is_unwanted, true));
    }
}

/// Tells what was found. When it is dropped, there will be nothing new.
struct Reporter(Cell<Told>);

impl Reporter {
    fn show(&self, change: impl FnOnce(&mut NodeView)) {
        self.0.update(|told| {
            let before = told.view.clone();
            change(&mut told.view);
            !told.view.is_same_as(&before)
        });
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.0.update(|told| {
            told.view.is_stale = true;
            !std::mem::replace(&mut told.is_over, true)
        });
    }
}

type Look = Pin<Box<dyn Future<Output = Result<Found, Error>> + Send>>;

/// What was found, with a watch on it.
enum Found {
    Node(NodeState, Watcher),
    /// It may not be seen, but it may be watched.
    Hidden(Error, Watcher),
}

/// What is waited for besides the session's states.
enum Waiting {
    /// What the server says of the node.
    Looking(Look),
    /// Something that happens to it, or time that passes.
    Resting(Option<Watcher>, Option<Sleep>),
}

/// Something to react to.
enum News {
    Outside(Either<(), Option<State>>),
    Found(Result<Found, Error>),
    /// It is time to look again.
    Due,
    /// The watch is over. A later session has to be waited for.
    SessionOver,
}

/// Reads the node again and again, until nobody wants to know or there is nothing more to tell.
async fn follow(client: Background, path: String, reporter: Reporter) {
    // The first of them is the present one: where that is connected, the first look begins with it.
    let mut states = client.states();
    let mut is_connected = false;
    let mut pause = PAUSES[0];
    let mut waiting = Waiting::Resting(None, None);
    loop {
        let news = {
            let unwanted = pin!(reporter.0.find(|told| told.is_unwanted.then_some(())));
            let state = pin!(states.next_while_open());
            let outside = pin!(either(unwanted, state));
            match &mut waiting {
                Waiting::Looking(look) => match either(outside, look).await {
                    Either::First(outside) => News::Outside(outside),
                    Either::Second(found) => News::Found(found),
                },
                Waiting::Resting(watcher, sleep) => match either(outside, pin!(rest(watcher, sleep))).await {
                    Either::First(outside) => News::Outside(outside),
                    Either::Second(news) => news,
                },
            }
        };
        match news {
            News::Outside(Either::First(()) | Either::Second(None)) => return,
            News::Outside(Either::Second(Some(State::Connected { .. }))) => {
                let is_first = !reporter.0.get().view.is_initialized();
                (is_connected, pause) = (true, PAUSES[0]);
                if broken!("node cache: trusts what it had before the link broke") && !is_first {
                    reporter.show(|view| view.is_stale = false);
                    continue;
                }
                // A watch tells what has become of a node, but not when it was set again in vain.
                waiting = look_again(&client, &path, waiting);
            }
            News::Outside(Either::Second(Some(
                State::Connecting | State::Suspended { .. } | State::PresumedLost | State::Ended(_),
            ))) => {
                is_connected = false;
                reporter.show(|view| view.is_stale = true);
            }
            News::Due => waiting = look_again(&client, &path, waiting),
            News::SessionOver => waiting = Waiting::Resting(None, None),
            News::Found(Ok(Found::Node(node, watcher))) => {
                pause = PAUSES[0];
                reporter.show(|view| {
                    let keeps = broken!("node cache: compares versions") && view.node.is_same_as(&node);
                    let node = if keeps { view.node.clone() } else { node };
                    *view = NodeView { node, is_stale: !is_connected, trouble: None };
                });
                waiting = Waiting::Resting(Some(watcher), None);
            }
            News::Found(Ok(Found::Hidden(error, watcher))) => {
                reporter.show(|view| (view.is_stale, view.trouble) = (true, Some(error)));
                waiting = Waiting::Resting(Some(watcher), Some(client.sleep(pause)));
                pause = PAUSES[1].min(pause * 2);
            }
            // A link will tell that it is there.
            News::Found(Err(Error::Lost | Error::Ended { .. })) => waiting = Waiting::Resting(None, None),
            News::Found(Err(error)) => {
                reporter.show(|view| (view.is_stale, view.trouble) = (true, Some(error)));
                waiting = Waiting::Resting(None, Some(client.sleep(pause)));
                pause = PAUSES[1].min(pause * 2);
            }
        }
    }
}

/// Waits until something happens to the node, or it is time to ask again.
async fn rest(watcher: &mut Option<Watcher>, sleep: &mut Option<Sleep>) -> News {
    let happening = pin!(async {
        match watcher {
            Some(watcher) => watcher.changed().await,
            None => pending().await,
        }
    });
    let pause = pin!(async {
        match sleep {
            Some(sleep) => sleep.await,
            None => pending().await,
        }
    });
    match either(happening, pause).await {
        Either::First(Ok(_)) | Either::Second(Ok(())) => News::Due,
        Either::First(Err(_)) | Either::Second(Err(_)) => News::SessionOver,
    }
}

/// Looks again. The watch that there is goes when the next one is set, so that the server keeps one all the time.
fn look_again(client: &Background, path: &str, before: Waiting) -> Waiting {
    let (client, path) = (client.clone(), path.to_string());
    let watcher = match before {
        Waiting::Resting(watcher, _) => watcher,
        Waiting::Looking(_) => None,
    };
    Waiting::Looking(Box::pin(async move {
        let found = look(&client, &path).await;
        drop(watcher);
        found
    }))
}

async fn look(client: &Client, path: &str) -> Result<Found, Error> {
    loop {
        let hidden = match client.get_data(path).watch().await {
            Ok((data, stat, watcher)) => {
                let data = Bytes::copy_from_slice(&data);
                return Ok(Found::Node(NodeState::Present { data, stat }, watcher));
            }
            // Only exists leaves a watch on a node that is not there.
            Err(Error::Server(ErrorCode::NoNode)) => None,
            Err(error @ Error::Server(ErrorCode::NoAuth)) => Some(error),
            Err(error) => return Err(error),
        };
        match (client.exists(path).watch().await?, hidden) {
            ((None, watcher), _) => return Ok(Found::Node(NodeState::Absent, watcher)),
            ((Some(_), watcher), Some(error)) => return Ok(Found::Hidden(error, watcher)),
            // It was made in between.
            ((Some(_), _), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(czxid: i64, mzxid: i64, version: i32) -> NodeState {
        let stat = Stat { czxid: Zxid(czxid), mzxid: Zxid(mzxid), version, ..Stat::default() };
        NodeState::Present { data: Bytes::new(), stat }
    }

    #[test]
    fn a_node_made_anew_is_another_one_and_versions_mean_nothing() {
        let table = [
            (NodeState::Unknown, NodeState::Unknown, true),
            (NodeState::Unknown, NodeState::Absent, false),
            (NodeState::Absent, NodeState::Absent, true),
            (NodeState::Absent, present(1, 1, 0), false),
            (present(1, 1, 0), present(1, 1, 0), true),
            (present(1, 1, 0), present(1, 2, 1), false),
            (present(1, 2, 1), present(1, 3, 1), false),
            (present(1, 1, 0), present(2, 2, 0), false),
            (present(1, 1, 0), present(1, 1, 7), true),
        ];
        for (one, other, is_same) in table {
            assert_eq!(one.is_same_as(&other), is_same, "{one:?} and {other:?}");
            assert_eq!(other.is_same_as(&one), is_same, "{other:?} and {one:?}");
        }
    }

    #[test]
    fn being_stale_and_being_refused_are_news() {
        let view = NodeView { node: NodeState::Absent, is_stale: false, trouble: None };
        assert!(view.is_same_as(&view.clone()));
        assert!(!view.is_same_as(&NodeView { is_stale: true, ..view.clone() }));
        let trouble = Some(Error::Server(ErrorCode::NoAuth));
        assert!(!view.is_same_as(&NodeView { trouble, ..view.clone() }));
    }
}
