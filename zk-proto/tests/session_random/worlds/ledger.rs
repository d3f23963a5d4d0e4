//! What a caller knows, and what a session may and must tell accordingly.

use std::collections::{BTreeMap, BTreeSet};

use zk_proto::{
    code::ErrorCode,
    path,
    request::{Exists, GetChildren2, GetData, WatchKind},
    session::{Cause, Event, Reply, RequestError, RequestId, State, WatchId, WatchedEvent, WatchedEventKind},
};

/// A request that was taken and has not come back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    /// None for credentials, whose answers may overtake others.
    pub(crate) id: Option<RequestId>,
    /// What it reads, by the path as the server names it.
    pub(crate) read: Option<(Read, String)>,
    pub(crate) watch: Option<u32>,
}

/// A read whose reply shows a node's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Data,
    Exists,
    Children,
}

/// The transactions that last changed a node's data and its children.
type Seen = (i64, i64);

#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) id: WatchId,
    pub(crate) path: String,
    pub(crate) kind: WatchKind,
    /// Whether its request has succeeded.
    is_set: bool,
    /// What its owner knows of nodes, none where there is none. Whatever is different was to be told.
    known: BTreeMap<String, Option<Seen>>,
}

impl Watch {
    fn covers(&self, path: &str) -> bool {
        let above =
            self.kind == WatchKind::PersistentRecursive && path::ancestors(path).any(|above| above == self.path);
        self.is_set && (above || self.path == path)
    }

    /// Returns what it is for.
    fn view(&self, seen: Option<Seen>) -> (Option<i64>, Option<i64>) {
        let (data, children) = seen.unzip();
        match self.kind {
            WatchKind::Data | WatchKind::Exist | WatchKind::PersistentRecursive => (data, None),
            WatchKind::Child => (None, children),
            WatchKind::Persistent => (data, children),
        }
    }
}

#[derive(Default)]
pub(crate) struct Ledger {
    /// Whether what servers say makes sense.
    honest: bool,
    pub(crate) open: BTreeMap<u32, Open>,
    pub(crate) watches: BTreeMap<u32, Watch>,
    /// Given up; events may be in the queue until it was empty once.
    given_up: BTreeSet<u32>,
    /// Given up, and the queue was empty since.
    silent: BTreeSet<u32>,
    /// Persistent watches that must hear of a resync before anything else.
    resync: BTreeSet<u32>,
    last_answered: Option<RequestId>,
    pub(crate) ended: bool,
    /// Whether a request was lost since the state last changed.
    has_lost: bool,
    /// Names of watches that fired, were given up, or ended with their session.
    pub(crate) over: Vec<WatchId>,
}

impl Ledger {
    pub(crate) fn new(honest: bool) -> Self {
        Self { honest, ..Self::default() }
    }

    pub(crate) fn took(&mut self, tag: u32, open: Open) {
        assert!(self.open.insert(tag, open).is_none(), "tags are unique");
    }

    pub(crate) fn set(&mut self, watch: u32, id: WatchId, path: String, kind: WatchKind) {
        self.watches.insert(watch, Watch { id, path, kind, is_set: false, known: BTreeMap::new() });
    }

    /// A request was taken back, and its watch with it.
    pub(crate) fn withdrew(&mut self, tag: u32) {
        let open = self.open.remove(&tag).expect("what is taken back was open");
        open.watch.map(|watch| self.watches.remove(&watch));
    }

    pub(crate) fn gave_up(&mut self, watch: u32) {
        self.over.extend(self.watches.remove(&watch).map(|watch| watch.id));
        self.resync.remove(&watch);
        self.given_up.insert(watch);
    }

    pub(crate) fn drained(&mut self) {
        self.silent.append(&mut self.given_up);
        assert!(self.resync.is_empty() || !self.honest, "no resync for {:?}", self.resync);
    }

    pub(crate) fn told(&mut self, event: Event<u32, u32>) {
        match event {
            Event::Reply { tag, result } => {
                assert!(!self.ended, "a reply after the end");
                let open = self.open.remove(&tag).unwrap_or_else(|| panic!("{tag} came back although it was not open"));
                self.replied(&open, result);
            }
            Event::Watch { watch, event } => self.fired(watch, &event),
            Event::State(State::Connected { .. }) => {
                self.has_lost = false;
                let stays = |watch: &Watch| watch.is_set && watch.kind.is_persistent();
                self.resync = self.watches.iter().filter(|(_, watch)| stays(watch)).map(|(name, _)| *name).collect();
                // What they missed they are not told.
                self.watches.values_mut().filter(|watch| stays(watch)).for_each(|watch| watch.known.clear());
            }
            Event::State(State::Suspended { cause, .. }) => {
                assert!(cause != Cause::Left || !self.has_lost, "left with requests in flight");
                self.resync.clear();
                self.has_lost = false;
            }
            Event::State(State::Ended(_)) => {
                assert!(self.open.is_empty(), "open at the end: {:?}", self.open);
                let Self { honest, silent, given_up, mut over, watches, .. } = std::mem::take(self);
                over.extend(watches.values().map(|watch| watch.id));
                *self = Self { honest, silent, given_up, over, ended: true, ..Self::default() };
            }
            Event::State(State::Connecting) => self.ended = false,
            Event::State(_) | Event::LinkFailed { .. } | Event::Challenge { .. } => {}
            other => panic!("what is {other:?}?"),
        }
    }

    fn replied(&mut self, open: &Open, result: Result<Reply, RequestError>) {
        let answered = matches!(result, Ok(_) | Err(RequestError::Server(_)));
        let overtakes = matches!(result, Err(RequestError::Server(ErrorCode::Unimplemented))) || open.id.is_none();
        if answered && !overtakes {
            assert!(self.last_answered < open.id || !self.honest, "{open:?} was answered out of order");
            self.last_answered = open.id;
        }
        self.has_lost |= matches!(result, Err(RequestError::Lost));
        let missing = matches!(result, Err(RequestError::Server(ErrorCode::NoNode)));
        let is_set = match open.read {
            Some((Read::Exists, _)) => missing || result.is_ok(),
            _ => result.is_ok(),
        };
        let shown = open.read.as_ref().filter(|_| self.honest && (missing || result.is_ok()));
        let shown = shown.map(|(read, path)| (path.clone(), result.ok().map(|reply| seen(*read, reply))));
        if let Some((path, seen)) = &shown {
            self.assert_nothing_was_missed(path, *seen);
        }
        let Some(name) = open.watch else { return };
        if !is_set {
            self.watches.remove(&name);
        } else if let Some(watch) = self.watches.get_mut(&name) {
            watch.is_set = true;
            watch.known.extend(shown);
        }
    }

    /// Whatever a reply shows to be different from what was known must have been told to those who watch it.
    fn assert_nothing_was_missed(&mut self, path: &str, seen: Option<Seen>) {
        for watch in self.watches.values_mut().filter(|watch| watch.covers(path)) {
            match watch.known.get(path) {
                Some(known) => assert_eq!(watch.view(*known), watch.view(seen), "{watch:?} was not told of {path}"),
                None => _ = watch.known.insert(path.to_owned(), seen),
            }
        }
    }

    fn fired(&mut self, name: u32, event: &WatchedEvent) {
        let kind = event.kind;
        assert!(!self.silent.contains(&name), "{name} was given up");
        if self.given_up.contains(&name) {
            return;
        }
        let Some(watch) = self.watches.get_mut(&name) else { panic!("{name} is over, or never was") };
        assert!(watch.is_set, "{name} fired before its reply");
        assert_eq!(self.resync.remove(&name), kind == WatchedEventKind::Resync, "{name} heard {kind:?}");
        if !watch.kind.is_persistent() || kind == WatchedEventKind::Unsupported {
            self.over.extend(self.watches.remove(&name).map(|watch| watch.id));
        } else {
            // Which root it was seen from does not matter here.
            watch.known.retain(|path, _| !path.ends_with(event.path.trim_end_matches('/')));
        }
    }

    /// Returns the paths of watches that are set.
    pub(crate) fn watched(&self) -> BTreeSet<&str> {
        self.watches.values().filter(|watch| watch.is_set).map(|watch| watch.path.as_str()).collect()
    }
}

/// Returns what a read shows.
fn seen(read: Read, reply: Reply) -> Seen {
    let stat = match read {
        Read::Data => reply.decode::<GetData<'_>>().map(|node| node.stat),
        Read::Exists => reply.decode::<Exists<'_>>(),
        Read::Children => reply.decode::<GetChildren2<'_>>().map(|(_, stat)| stat),
    };
    let stat = stat.expect("an honest server");
    (stat.mzxid.0, stat.pzxid.0)
}
