//! Reading a tree in the background, and listening for changes.

use core::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    sync::Arc,
};

use bytes::Bytes;
use futures_core::Stream;

use super::{
    PAUSES,
    mirror::{Answer, CachedNode, Watching, What},
    view::Shared,
    watches::Watches,
};
use crate::{
    SessionId, Zxid,
    broken::broken,
    client::{Background, Client, Error, Pending, Sleep, States, WatchEnd, Watcher},
    code::{AddWatchMode, ErrorCode},
    recipes::session::Trouble,
    record::Stat,
    session::{State, WatchedEvent, WatchedEventKind},
};

/// After how many steps others have their turn.
const STEPS_A_TURN: u32 = 64;

type Reading = Pin<Box<dyn Future<Output = (Answer, Option<Watcher>)> + Send>>;

/// Keeps what is known up to date, until nobody wants to know or there is nothing more to tell.
pub(super) async fn follow(client: Background, reporter: Reporter) {
    let root = reporter.0.lock().mirror.scope.root.clone();
    let watching = match reporter.0.lock().mirror.watching() {
        Watching::Whole => Watch::Whole { watcher: None, arming: None },
        Watching::Each => Watch::Each(Watches::default()),
    };
    let states = client.states();
    let mut engine = Engine {
        client,
        root,
        states,
        shared: reporter.0.clone(),
        watch: watching,
        readings: VecDeque::new(),
        session: None,
        may_ask: false,
        link: 0,
        pause: PAUSES[0],
        retry: None,
        from: Zxid(0),
        steps: 0,
    };
    while let Some(news) = poll_fn(|cx| engine.poll_news(cx)).await {
        engine.react(news);
        engine.ask();
    }
}

/// Tells that there will be nothing new, when it is dropped.
pub(super) struct Reporter(pub(super) Arc<Shared>);

impl Drop for Reporter {
    fn drop(&mut self) {
        self.0.change(|known| known.set_over());
    }
}

/// What tells of changes.
enum Watch {
    /// One watch on everything below the root.
    Whole { watcher: Option<Watcher>, arming: Option<Pending<Watcher>> },
    /// A watch that each read leaves, on servers that have no other.
    Each(Watches),
}

struct Engine {
    client: Background,
    root: Arc<str>,
    states: States,
    shared: Arc<Shared>,
    watch: Watch,
    /// In the order of their requests, which is that of their replies.
    readings: VecDeque<((Arc<str>, What), u32, Reading)>,
    session: Option<SessionId>,
    /// Whether there is a connection, as far as is known.
    may_ask: bool,
    /// How many connections there were.
    link: u32,
    pause: Duration,
    retry: Option<Sleep>,
    /// The last transaction that was seen before everything was read.
    from: Zxid,
    steps: u32,
}

/// Something to react to.
enum News {
    State(State),
    /// The watch on everything tells something.
    Event(Result<WatchedEvent, WatchEnd>),
    /// The watch that a read has left has fired.
    Fired(Arc<str>, What),
    Armed(Result<Watcher, Error>),
    Answer((Arc<str>, What), u32, Answer, Option<Watcher>),
    Retry,
}

impl Engine {
    /// Waits for the next thing to happen; `None` when it is time to go.
    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<Option<News>> {
        if self.shared.poll_unwanted(cx).is_ready() {
            return Poll::Ready(None);
        }
        self.steps += 1;
        if self.steps % STEPS_A_TURN == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Poll::Ready(state) = pin!(self.states.next_while_open()).poll(cx) {
            return Poll::Ready(state.map(News::State));
        }
        // An event comes before the reply that shows the change, and is taken before it.
        match &mut self.watch {
            Watch::Whole { watcher, arming } => {
                if let Some(Poll::Ready(Some(event))) = watcher.as_mut().map(|watcher| Pin::new(watcher).poll_next(cx))
                {
                    return Poll::Ready(Some(News::Event(event)));
                }
                if let Some(Poll::Ready(armed)) = arming.as_mut().map(|arming| Pin::new(arming).poll(cx)) {
                    *arming = None;
                    return Poll::Ready(Some(News::Armed(armed)));
                }
            }
            Watch::Each(watches) => {
                if let Poll::Ready((path, what)) = watches.poll_next(cx) {
                    return Poll::Ready(Some(News::Fired(path, what)));
                }
            }
        }
        if let Some((_, _, reading)) = self.readings.front_mut() {
            if let Poll::Ready((answer, watcher)) = reading.as_mut().poll(cx) {
                if let Some((question, link, _)) = self.readings.pop_front() {
                    return Poll::Ready(Some(News::Answer(question, link, answer, watcher)));
                }
            }
        }
        if let Some(Poll::Ready(_)) = self.retry.as_mut().map(|retry| Pin::new(retry).poll(cx)) {
            self.retry = None;
            return Poll::Ready(Some(News::Retry));
        }
        Poll::Pending
    }

    fn react(&mut self, news: News) {
        match news {
            News::State(State::Connected { session, .. }) => self.connected(session),
            News::State(State::Connecting | State::Suspended { .. } | State::PresumedLost | State::Ended(_)) => {
                self.may_ask = false;
                self.shared.change(|known| {
                    known.set_stale();
                    known.mirror.doubt();
                });
            }
            News::Event(Ok(event)) => self.hear(&event),
            News::Event(Err(WatchEnd::Unsupported)) => self.watch_each(),
            News::Event(Err(_)) => {
                self.watch = Watch::Whole { watcher: None, arming: None };
                self.arm();
            }
            News::Armed(Ok(watcher)) => {
                self.watch = Watch::Whole { watcher: Some(watcher), arming: None };
                self.rescan();
            }
            News::Armed(Err(Error::Server(ErrorCode::Unimplemented))) => self.watch_each(),
            News::Armed(Err(error)) => match Trouble::of(&error) {
                // Otherwise a link will tell that it is there.
                Trouble::InDoubt | Trouble::SessionOver if self.may_ask => self.arm(),
                Trouble::InDoubt | Trouble::SessionOver => {}
                Trouble::Definite => self.retry_later(),
            },
            News::Fired(path, what) => self.shared.change(|known| match what {
                What::Children => known.mirror.touch_list(&path),
                What::Node | What::Presence => known.mirror.touch(&path, What::Node),
            }),
            News::Answer(question, link, answer, watcher) => self.learn(question, link, answer, watcher),
            News::Retry => {
                self.arm();
                self.shared.change(|known| known.mirror.retry());
            }
        }
    }

    fn connected(&mut self, session: SessionId) {
        let is_other = self.session.replace(session) != Some(session);
        (self.may_ask, self.pause) = (true, PAUSES[0]);
        self.link += 1;
        match &mut self.watch {
            // Where the watch is set again, it says so itself.
            Watch::Whole { .. } => self.arm(),
            Watch::Each(watches) => {
                if is_other {
                    watches.clear();
                    self.shared.lock().mirror.forget_watches();
                }
                self.rescan();
            }
        }
    }

    /// Sets the watch on everything, if it is not.
    fn arm(&mut self) {
        if let Watch::Whole { watcher: None, arming: arming @ None } = &mut self.watch {
            *arming = Some(self.client.add_watch(&self.root, AddWatchMode::PersistentRecursive).send());
        }
    }

    /// The server knows no watch on everything: goes on with those that reads leave.
    fn watch_each(&mut self) {
        self.watch = Watch::Each(Watches::default());
        self.shared.change(|known| known.mirror.watch_by(Watching::Each));
        self.rescan();
    }

    /// Reads everything again.
    fn rescan(&mut self) {
        self.from = self.client.last_zxid();
        self.shared.change(|known| {
            known.set_stale();
            known.mirror.rescan();
        });
    }

    fn hear(&mut self, event: &WatchedEvent) {
        let path: &str = &event.path;
        match event.kind {
            WatchedEventKind::Resync if broken!("tree cache: trusts what it had before the link broke") => {
                self.shared.change(|known| known.set_synced(self.from));
            }
            WatchedEventKind::Resync => self.rescan(),
            WatchedEventKind::NodeCreated | WatchedEventKind::NodeDataChanged => {
                self.shared.change(|known| known.mirror.touch(path, What::Node));
            }
            WatchedEventKind::NodeDeleted => self.shared.change(|known| known.mirror.kill(path)),
            // Recursive watches do not tell of lists, and the last one ends the watch.
            WatchedEventKind::NodeChildrenChanged | WatchedEventKind::Unsupported => {}
        }
    }

    fn learn(&mut self, question: (Arc<str>, What), link: u32, answer: Answer, watcher: Option<Watcher>) {
        if matches!(answer, Answer::Lost) && link == self.link {
            // There will be another connection, and it is not to be asked for what cannot be answered until then.
            self.may_ask = false;
        }
        let is_refused = matches!(answer, Answer::Refused(_));
        let may_ask = self.may_ask;
        let from = self.from;
        let (path, what) = question.clone();
        let watch = &mut self.watch;
        let has_troubles = self.shared.change(|known| {
            known.mirror.answer(question, answer);
            if let Watch::Each(watches) = watch {
                for removed in known.mirror.take_removed() {
                    if !known.mirror.knows(&removed) {
                        watches.remove(&removed);
                    }
                }
                if let Some(watcher) = watcher.filter(|_| what == What::Presence || known.mirror.knows(&path)) {
                    watches.insert(path, what, watcher);
                }
            } else {
                known.mirror.take_removed();
            }
            if may_ask && known.mirror.is_complete() {
                known.set_synced(from);
            }
            !known.mirror.troubles().is_empty()
        });
        if is_refused && has_troubles {
            self.retry_later();
        }
    }

    fn retry_later(&mut self) {
        if self.retry.is_none() {
            self.retry = Some(self.client.sleep(self.pause));
            self.pause = PAUSES[1].min(self.pause * 2);
        }
    }

    /// Asks for as much as the window takes.
    fn ask(&mut self) {
        if !self.may_ask {
            return;
        }
        loop {
            let next = {
                let mut known = self.shared.lock();
                let (watching, keeps_data) = (known.mirror.watching(), known.mirror.scope.keeps_data);
                known.mirror.next().map(|question| (question, watching, keeps_data))
            };
            let Some(((path, what), watching, keeps_data)) = next else { return };
            let reading = read(&self.client, &path, what, watching, keeps_data);
            self.readings.push_back(((path, what), self.link, reading));
        }
    }
}

/// Sends a request.
fn read(client: &Client, path: &str, what: What, watching: Watching, keeps_data: bool) -> Reading {
    match (what, watching) {
        (What::Node, Watching::Whole) if keeps_data => {
            let node = client.get_data(path).send();
            Box::pin(async { (answer(node.await, |(data, stat)| Answer::Node(cached(&data, stat))), None) })
        }
        (What::Node, Watching::Each) if keeps_data => {
            let node = client.get_data(path).watch().send();
            Box::pin(async {
                with_watch(node.await, |(data, stat, watcher)| (Answer::Node(cached(&data, stat)), watcher))
            })
        }
        (What::Node, Watching::Whole) => {
            let stat = client.exists(path).send();
            Box::pin(async { (answer(stat.await, numbers), None) })
        }
        (What::Node, Watching::Each) => {
            let stat = client.exists(path).watch().send();
            Box::pin(async { with_watch(stat.await, |(stat, watcher)| (numbers(stat), watcher)) })
        }
        (What::Children, Watching::Whole) => {
            let list = client.get_children(path).send();
            Box::pin(async {
                let names = |(names, stat)| Answer::Children(strings(&names), stat);
                (answer(list.await, names), None)
            })
        }
        (What::Children, Watching::Each) => {
            let list = client.get_children(path).watch().send();
            Box::pin(async {
                with_watch(list.await, |(names, stat, watcher)| (Answer::Children(strings(&names), stat), watcher))
            })
        }
        (What::Presence, _) => {
            let stat = client.exists(path).watch().send();
            Box::pin(async {
                with_watch(stat.await, |(stat, watcher)| {
                    (if stat.is_some() { Answer::Present } else { Answer::Absent }, watcher)
                })
            })
        }
    }
}

fn cached(data: &[u8], stat: Stat) -> CachedNode {
    // A copy, which keeps no read buffer alive.
    CachedNode { data: Bytes::copy_from_slice(data), stat }
}

fn numbers(stat: Option<Stat>) -> Answer {
    stat.map_or(Answer::Absent, |stat| Answer::Node(cached(b"", stat)))
}

fn strings(names: &crate::request::Children) -> Vec<String> {
    names.iter().map(String::from).collect()
}

fn answer<T>(outcome: Result<T, Error>, read: impl FnOnce(T) -> Answer) -> Answer {
    match outcome {
        Ok(found) => read(found),
        Err(Error::Server(ErrorCode::NoNode)) => Answer::Absent,
        Err(Error::Lost | Error::Ended { .. } | Error::SessionChanged) => Answer::Lost,
        Err(error) => Answer::Refused(error),
    }
}

fn with_watch<T>(outcome: Result<T, Error>, read: impl FnOnce(T) -> (Answer, Watcher)) -> (Answer, Option<Watcher>) {
    let mut watcher = None;
    let answer = answer(outcome, |found| {
        let (answer, watch) = read(found);
        watcher = Some(watch);
        answer
    });
    (answer, watcher)
}
