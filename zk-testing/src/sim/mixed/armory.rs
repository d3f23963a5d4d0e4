//! The watches of one process, and whether they tell what they should.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use zk_proto::{
    Root, SessionId, Zxid,
    client::{Client, WatchEnd, Watcher},
    record::Stat,
    session::{WatchedEvent, WatchedEventKind},
};

use super::stream::Stream;
use crate::sim::{Process, Truth, Violation, names};

/// What the owner of a watch knows of what it watches.
#[derive(Debug)]
pub(super) enum Knows {
    /// A node's data, by the transaction that last set them.
    Data(Zxid),
    /// That there is no such node, as of then.
    Missing(Zxid),
    /// A node's children, by the transactions that created the node, and changed the list.
    Children(Zxid, Zxid),
    /// All that happens.
    Everything(Stream),
}

impl Knows {
    const fn name(&self) -> &'static str {
        match self {
            Self::Data(_) => "data",
            Self::Missing(_) => "exists",
            Self::Children(..) => "children",
            Self::Everything(stream) if stream.is_recursive() => "recursive",
            Self::Everything(_) => "persistent",
        }
    }
}

/// A watch that was set, and has not come to its end.
struct Armed {
    watcher: Watcher,
    root: Root,
    /// As the server names it.
    path: String,
    session: Option<SessionId>,
    knows: Knows,
}

/// All watches of a process.
#[derive(Default)]
pub(super) struct Armory {
    armed: BTreeMap<u64, Armed>,
    /// Of whoever listens.
    pub(super) waker: Option<Waker>,
    /// Watches to be read again: which, and for which time.
    pub(super) to_read: Vec<(u64, u64)>,
    /// Nobody listens any more.
    pub(super) is_closed: bool,
    next: u64,
}

impl Armory {
    pub(super) fn len(&self) -> usize {
        self.armed.len()
    }

    /// Adds a watch.
    pub(super) fn arm(&mut self, client: &Client, path: &str, watcher: Watcher, knows: Knows) {
        if self.is_closed {
            return drop(watcher);
        }
        let root = client.root().clone();
        self.next += 1;
        let path = root.to_server(path).into_owned();
        self.armed.insert(self.next, Armed { watcher, root, path, session: client.session(), knows });
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Gives up the oldest watch.
    pub(super) fn disarm_oldest(&mut self) -> Option<Watcher> {
        self.armed.pop_first().map(|(_, armed)| armed.watcher)
    }

    /// Lets nobody listen any more, when next there is an occasion.
    pub(super) fn ask_to_close(&mut self) {
        self.is_closed = true;
        self.waker.iter().for_each(Waker::wake_by_ref);
    }

    /// Gives up all watches, and takes no more.
    pub(super) fn close(&mut self) -> Vec<Watcher> {
        self.is_closed = true;
        self.waker = None;
        self.take_all()
    }

    /// Gives up all watches.
    pub(super) fn take_all(&mut self) -> Vec<Watcher> {
        std::mem::take(&mut self.armed).into_values().map(|armed| armed.watcher).collect()
    }

    /// Returns the path of a watch, as its owner names it, and its root.
    pub(super) fn path(&self, watch: u64) -> Option<(Root, String)> {
        let armed = self.armed.get(&watch)?;
        Some((armed.root.clone(), armed.root.to_client(&armed.path)?.to_owned()))
    }

    /// The owner of a persistent watch has read again.
    pub(super) fn read_again(&mut self, watch: u64, time: u64, covered: Zxid, truth: &Truth) {
        if let Some(Armed { knows: Knows::Everything(stream), .. }) = self.armed.get_mut(&watch) {
            if stream.resyncs == time {
                stream.read_again(covered, truth);
            }
        }
    }

    /// Hears all that there is to be heard.
    pub(super) fn hear(&mut self, process: &Process, client: Option<SessionId>) -> Result<(), Violation> {
        let Some(waker) = self.waker.clone() else { return Ok(()) };
        let mut cx = Context::from_waker(&waker);
        let mut over = Vec::new();
        for (watch, armed) in &mut self.armed {
            loop {
                let told = pin!(armed.watcher.changed()).poll(&mut cx);
                match told {
                    Poll::Pending => break,
                    Poll::Ready(Ok(event)) => {
                        process.count_in(armed.knows.name(), names::event(event.kind));
                        process.note(|| format!("hears {:?} of {}", event.kind, event.path));
                        process.truth(|truth| armed.tell(&event, truth))?;
                        match &armed.knows {
                            Knows::Everything(stream) => {
                                if event.kind == WatchedEventKind::Resync {
                                    self.to_read.push((*watch, stream.resyncs));
                                }
                            }
                            Knows::Data(_) | Knows::Missing(_) | Knows::Children(..) => {
                                over.push(*watch);
                                break;
                            }
                        }
                    }
                    Poll::Ready(Err(end)) => {
                        process.count_in(armed.knows.name(), end_name(end));
                        process.note(|| format!("hears of {}: {end}", armed.path));
                        over.push(*watch);
                        break;
                    }
                }
            }
            if !over.contains(watch) && client.is_some() && armed.session != client {
                // The watches of a session that a read-only server began by itself go over to the one that follows it.
                if armed.session.is_none_or(|session| process.truth(|truth| truth.session(session).is_none())) {
                    armed.session = client;
                    continue;
                }
                let what = format!("the watch on {} of an old session is not told that this is over", armed.path);
                return Err(Violation::new("watches", what));
            }
        }
        for watch in over {
            self.armed.remove(&watch);
        }
        Ok(())
    }

    /// A read has shown a node: whatever was armed on an older state must have told so by now.
    pub(super) fn check_shown(&mut self, path: &str, stat: &Stat, truth: &Truth) -> Result<(), Violation> {
        for armed in self.armed.values_mut() {
            let is_late = match &mut armed.knows {
                Knows::Data(mzxid) => armed.path == path && stat.mzxid > *mzxid,
                Knows::Missing(zxid) => armed.path == path && stat.czxid > *zxid,
                Knows::Children(_, pzxid) => armed.path == path && stat.pzxid > *pzxid,
                Knows::Everything(stream) => {
                    if stream.is_about(path) {
                        stream.check(stat.mzxid, truth)?;
                    }
                    false
                }
            };
            if is_late {
                let what =
                    format!("{path} is shown as {stat:?}, and a watch that knows {:?} did not tell", armed.knows);
                return Err(Violation::new("watch order", what));
            }
        }
        Ok(())
    }

    /// Everything is at rest: what is armed has nothing to tell.
    pub(super) fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        for armed in self.armed.values_mut() {
            let node = truth.node(&armed.path);
            let is_so = match &mut armed.knows {
                Knows::Data(mzxid) => node.is_some_and(|node| node.mzxid == *mzxid),
                Knows::Missing(_) => node.is_none(),
                Knows::Children(czxid, pzxid) => node.is_some_and(|node| (node.czxid, node.pzxid) == (*czxid, *pzxid)),
                Knows::Everything(stream) => {
                    stream.check(truth.last(), truth)?;
                    stream.is_covered()
                }
            };
            if !is_so {
                let what = format!("the watch on {} knows {:?}, and does not tell {node:?}", armed.path, armed.knows);
                return Err(Violation::new("watches", what));
            }
        }
        Ok(())
    }
}

impl Armed {
    fn tell(&mut self, event: &WatchedEvent, truth: &Truth) -> Result<(), Violation> {
        let path = self.root.to_server(event.path.as_str()).into_owned();
        let wrong = |what: String| Err(Violation::new("events", what));
        if let Knows::Everything(stream) = &mut self.knows {
            if event.kind == WatchedEventKind::Resync {
                stream.resync();
                return if path == self.path {
                    Ok(())
                } else {
                    wrong(format!("{path} is to be read again, not {}", self.path))
                };
            }
            return stream.tell(event.kind, &path, event.zxid, truth);
        }
        if path != self.path {
            return wrong(format!("the watch on {} tells of {path}", self.path));
        }
        let is_plausible = match (&self.knows, event.kind) {
            (Knows::Data(mzxid), WatchedEventKind::NodeDataChanged | WatchedEventKind::NodeDeleted) => truth
                .states(&path, *mzxid, truth.last())
                .iter()
                .any(|state| state.is_none_or(|state| state.mzxid > *mzxid)),
            (Knows::Children(_, pzxid), WatchedEventKind::NodeChildrenChanged | WatchedEventKind::NodeDeleted) => truth
                .states(&path, *pzxid, truth.last())
                .iter()
                .any(|state| state.is_none_or(|state| state.pzxid > *pzxid)),
            (Knows::Missing(_), WatchedEventKind::NodeCreated) => {
                truth.states(&path, Zxid(0), truth.last()).iter().any(Option::is_some)
            }
            _ => false,
        };
        if is_plausible {
            return Ok(());
        }
        wrong(format!("the watch on {} knows {:?} and tells {:?}", self.path, self.knows, event.kind))
    }
}

fn end_name(end: WatchEnd) -> &'static str {
    match end {
        WatchEnd::Session(_) => "its session is over",
        WatchEnd::Unsupported => "unsupported",
        WatchEnd::Fired => "fired already",
        _ => names::UNDECIDED,
    }
}
