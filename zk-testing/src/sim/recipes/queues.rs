//! Queues: some put, others take, in every layout; operators delete entries, and futures are dropped anywhere.
//!
//! Each item has data that no other has, so what was committed tells what became of it: who has put it, how often, who has deleted it,
//! and whether he knows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use zk_proto::{
    Instant, SessionId, Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    path,
    recipes::{DelayQueue, Item, PriorityLayout, PriorityQueue, Put, Queue, QueueLayout, Taken, WhenFull},
    session::WatchedEventKind,
};

use super::common::{STRANGER, Sessions, content, for_some_polls, is_over, keep, unless_leaving};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// The queues of a world: each of one kind, and of a layout that is thrown for the world.
const QUEUES: [&str; 3] = ["/queues/fifo", "/queues/priority", "/queues/delay"];

const LAYOUTS: [QueueLayout; 4] = [QueueLayout::Native, QueueLayout::Simple, QueueLayout::Kazoo, QueueLayout::Curator];

const PRIORITY_LAYOUTS: [PriorityLayout; 3] = [PriorityLayout::Native, PriorityLayout::Curator, PriorityLayout::Kazoo];

/// Queues that clients put into and take from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queues;

impl Workload for Queues {
    fn name(&self) -> &'static str {
        "queues"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, mut dice: Dice) -> Box<dyn Application> {
        let (layout, priority_layout) = (dice.choose(&LAYOUTS), dice.choose(&PRIORITY_LAYOUTS));
        Box::new(Market { books: Rc::default(), layout, priority_layout, looked_at: Zxid(0), clock: None })
    }
}

const COUNTERS: &[&str] = &[
    "put",
    "put perhaps",
    "put refused: full",
    "put given up",
    "put twice on demand",
    "taken",
    "taken perhaps",
    "taken after waiting",
    "tried and taken",
    "tried in vain",
    "not had in time",
    "take given up",
    "looked at the first",
    "put back",
    "deleted by an operator",
];

/// What is known of an item that somebody has put, or meant to.
struct Offer {
    queue: &'static str,
    process: u32,
    /// Whether it may be there twice.
    may_repeat: bool,
    rank: i64,
    outcome: Option<Result<Put, Error>>,
    /// How many sessions the process had had by then.
    sessions: usize,
    /// The nodes that were made of it.
    paths: BTreeSet<Arc<str>>,
    /// How often it was put; putting it back does not count.
    puts: usize,
    /// How many say that they have it.
    taken: usize,
}

/// An entry, for ever: the node of that path that was created then.
type Entry = (Arc<str>, Zxid);

#[derive(Default)]
struct Books {
    offers: BTreeMap<String, Offer>,
    /// Who has deleted what.
    deleted: BTreeMap<Entry, SessionId>,
    /// Who says that he has taken what.
    taken: BTreeMap<Entry, u32>,
    /// What somebody says to have taken perhaps.
    perhaps: BTreeSet<Entry>,
    /// What operators meant to delete.
    condemned: BTreeSet<String>,
    /// The sessions of each process, in their order.
    sessions: Sessions,
    /// In which sessions somebody has given up taking, and whether he would have left a receipt.
    given_up: BTreeSet<(SessionId, bool)>,
    killed: BTreeSet<u32>,
    /// Who waits at which queue.
    waiting: BTreeMap<(u32, &'static str), usize>,
    next: u64,
}

struct Market {
    books: Rc<RefCell<Books>>,
    layout: QueueLayout,
    priority_layout: PriorityLayout,
    looked_at: Zxid,
    clock: Option<Process>,
}

impl Application for Market {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(8)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        self.clock.get_or_insert_with(|| process.clone());
        process.spawn(self.books.borrow().sessions.clone().note(process.number(), client.states()));
        let person =
            Person { process: process.clone(), client, books: self.books.clone(), wall: Arc::new(AtomicU64::new(0)) };
        for name in QUEUES {
            process.spawn(keep(process.clone(), person.client.clone(), name.to_owned()));
            let stall = |person: &Person| Stall { name, queue: self.queue(name, person) };
            if process.dice(|dice| dice.once_in(2)) {
                process.spawn(put(person.clone(), stall(&person)));
            }
            for _ in 0..process.dice(|dice| dice.below(3)) {
                process.spawn(take(person.clone(), stall(&person)));
            }
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let mut books = self.books.borrow_mut();
        for change in truth.changes_since(self.looked_at) {
            if !path::parent(&change.path).is_some_and(|parent| QUEUES.contains(&parent)) {
                continue;
            }
            match change.kind {
                WatchedEventKind::NodeCreated => {
                    let state = truth.node_at(&change.path, change.zxid);
                    let Some(data) = state.and_then(|state| state.data.as_ref()) else { continue };
                    let Some(offer) = books.offers.get_mut(&content(data)) else { continue };
                    offer.paths.insert(change.path.clone());
                    // Whoever puts it back deletes his receipt with that.
                    let deed = truth.deed(change.zxid);
                    let is_put = deed.is_none_or(|deed| {
                        let before = Zxid(change.zxid.0 - 1);
                        !deed
                            .paths
                            .iter()
                            .any(|path| path.contains("-receipts/") && truth.node_at(path, before).is_some())
                    });
                    offer.puts += usize::from(is_put);
                    if offer.puts > 1 && !offer.may_repeat {
                        let what = format!("{} is there for the second time: {:?}", content(data), offer.paths);
                        return Err(Violation::new("put twice", what));
                    }
                }
                WatchedEventKind::NodeDeleted => {
                    let before = truth.node_at(&change.path, Zxid(change.zxid.0 - 1));
                    let deed = truth.deed(change.zxid);
                    if let (Some(before), Some(deed)) = (before, deed) {
                        books.deleted.insert((change.path.clone(), before.czxid), deed.session);
                    }
                }
                _ => {}
            }
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        let books = self.books.borrow();
        for (data, offer) in &books.offers {
            let is_wrong = match &offer.outcome {
                Some(Ok(Put::Done)) => offer.paths.is_empty(),
                Some(Ok(Put::Full)) => !offer.paths.is_empty(),
                Some(Err(error)) => error.is_certainly_not_applied() && !offer.may_repeat && !offer.paths.is_empty(),
                Some(Ok(_)) | None => false,
            };
            if is_wrong {
                let what = format!("{data} was put: {:?}, and was there as {:?}", offer.outcome, offer.paths);
                return Err(Violation::new("put", what));
            }
        }
        for (entry, process) in &books.taken {
            if !books.deleted.iter().any(|(deleted, by)| books.is_taken_by(entry, *process, deleted, *by)) {
                let what = format!("P{process} has taken {entry:?}, which it has not deleted");
                return Err(Violation::new("taken", what));
            }
        }
        for (entry, session) in &books.deleted {
            if !books.is_accounted_for(entry, *session, truth) {
                let what = format!("{entry:?} was deleted in {session}, and nobody has it");
                return Err(Violation::new("lost", what));
            }
        }
        self.check_liveness(&books, truth)?;
        let receipts = QUEUES.iter().flat_map(|queue| truth.children(&format!("{queue}-receipts")).collect::<Vec<_>>());
        match receipts.into_iter().next() {
            Some(left) => Err(Violation::new("clean-up", format!("{left} is left"))),
            None => Ok(()),
        }
    }

    fn killed(&mut self, process: u32) {
        let mut books = self.books.borrow_mut();
        books.killed.insert(process);
        books.waiting.retain(|(other, _), _| *other != process);
    }
}

impl Market {
    fn queue(&self, name: &'static str, person: &Person) -> Kind {
        let client = &person.client;
        let fine = "the path is fine";
        match name {
            "/queues/fifo" => Kind::Fifo(Queue::new(client, name).expect(fine).layout(self.layout)),
            "/queues/priority" => {
                Kind::Priority(PriorityQueue::new(client, name).expect(fine).layout(self.priority_layout))
            }
            _ => {
                let wall = person.wall.clone();
                let clock = move || SystemTime::UNIX_EPOCH + Duration::from_nanos(wall.load(Ordering::Relaxed));
                Kind::Delay(DelayQueue::new(client, name, clock).expect(fine))
            }
        }
    }

    /// Nobody waits where there is something.
    fn check_liveness(&self, books: &Books, truth: &Truth) -> Result<(), Violation> {
        let now = self.clock.as_ref().map_or(0, |process| millis(process.now()));
        for ((process, queue), count) in &books.waiting {
            let left = truth.children(queue).find(|left| {
                let data = truth.node(left).and_then(|node| node.data.as_ref()).map(|data| content(data));
                let offer = data.and_then(|data| books.offers.get(&data));
                // A clock is looked at by the process now and then.
                offer.is_some_and(|offer| *queue != "/queues/delay" || offer.rank + 1_000 < now)
            });
            if let (Some(left), true) = (left, *count > 0) {
                let what = format!("client P{process} waits at {queue}, where {left} is");
                return Err(Violation::new("liveness", what));
            }
        }
        Ok(())
    }
}

impl Books {
    /// Returns whether this may be the deletion by which something was taken. It may have been put back since it was read, at the same
    /// place and with the same data.
    fn is_taken_by(&self, entry: &Entry, process: u32, deleted: &Entry, by: SessionId) -> bool {
        let is_own = self.sessions.of(process).contains(&by);
        entry.0 == deleted.0 && entry.1 <= deleted.1 && is_own
    }

    /// Returns whether somebody knows what has become of a deleted entry, or cannot know.
    fn is_accounted_for(&self, entry: &Entry, session: SessionId, truth: &Truth) -> bool {
        let is_taken = self.taken.iter().any(|(taken, process)| self.is_taken_by(taken, *process, entry, session));
        let is_perhaps = self.perhaps.iter().any(|perhaps| perhaps.0 == entry.0 && perhaps.1 <= entry.1);
        if is_taken || is_perhaps || self.condemned.contains(&*entry.0) {
            return true;
        }
        // It was put back.
        if truth.states(&entry.0, entry.1, truth.last()).into_iter().flatten().any(|state| state.czxid > entry.1) {
            return true;
        }
        let is_dead = self.sessions.owner(session).is_none_or(|process| self.killed.contains(&process));
        let is_over = truth.session(session).is_none_or(|life| life.ended.is_some());
        let without_receipt = self.given_up.contains(&(session, false));
        is_dead || without_receipt || is_over && self.given_up.contains(&(session, true))
    }
}

/// What all tasks of a process have.
#[derive(Clone)]
struct Person {
    process: Process,
    client: Client,
    books: Rc<RefCell<Books>>,
    /// The clock on its wall, in nanoseconds since 1970.
    wall: Arc<AtomicU64>,
}

struct Stall {
    name: &'static str,
    queue: Kind,
}

#[derive(Clone)]
enum Kind {
    Fifo(Queue),
    Priority(PriorityQueue),
    Delay(DelayQueue),
}

/// Does something with the queue of whichever kind.
macro_rules! each {
    ($kind:expr, $queue:ident => $do:expr) => {
        match $kind {
            Kind::Fifo($queue) => $do,
            Kind::Priority($queue) => $do,
            Kind::Delay($queue) => $do,
        }
    };
}

/// The same, for what makes another queue of it.
macro_rules! with {
    ($kind:expr, $queue:ident => $do:expr) => {
        match $kind {
            Kind::Fifo($queue) => Kind::Fifo($do),
            Kind::Priority($queue) => Kind::Priority($do),
            Kind::Delay($queue) => Kind::Delay($do),
        }
    };
}

impl Kind {
    async fn put(&self, rank: i64, data: &[u8]) -> Result<Put, Error> {
        match self {
            Self::Fifo(queue) => queue.put(data).await,
            Self::Priority(queue) => queue.put(i32::try_from(rank).unwrap_or(0), data).await,
            Self::Delay(queue) => {
                let due = Duration::from_millis(u64::try_from(rank).unwrap_or(0));
                queue.put(SystemTime::UNIX_EPOCH + due, data).await
            }
        }
    }
}

fn millis(at: Instant) -> i64 {
    i64::try_from(at.as_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

impl Person {
    fn note_time(&self) {
        self.wall.store(self.process.now().as_nanos(), Ordering::Relaxed);
    }

    fn sessions(&self) -> usize {
        self.books.borrow().sessions.of(self.process.number()).len()
    }

    /// Notes that taking was given up, in one of the sessions since then.
    fn gives_up(&self, since: usize, has_receipt: bool) {
        let mut books = self.books.borrow_mut();
        let sessions = books.sessions.of(self.process.number());
        books.given_up.extend(sessions.into_iter().skip(since.saturating_sub(1)).map(|id| (id, has_receipt)));
    }

    fn rank(&self, name: &str) -> i64 {
        match name {
            "/queues/fifo" => 0,
            // Those that kazoo has, too.
            "/queues/priority" => self.process.dice(|dice| dice.choose(&[-2, -1, 0, 1, 5, 700])),
            _ => millis(self.process.now() + self.process.dice(|dice| dice.millis(0, 4_000))),
        }
    }

    /// Complains, unless the client is over or has met a server that only reads.
    fn allows(&self, what: &str, error: &Error) {
        let is_expected = matches!(error, Error::Ended { .. }) || error.code() == Some(ErrorCode::NotReadOnly);
        let found = Violation::new("queue", format!("{what} fails: {error}"));
        self.process.expect(if is_expected || is_over(&self.client) { Ok(()) } else { Err(found) });
    }
}

/// Puts items until there is peace, or the client is over.
async fn put(person: Person, stall: Stall) {
    let process = &person.process;
    while process.phase() == Phase::Trouble && !is_over(&person.client) {
        let rank = person.rank(stall.name);
        let mut queue = stall.queue.clone();
        if process.dice(|dice| dice.once_in(3)) {
            queue = with!(queue, queue => queue.exact());
        }
        let may_repeat = process.dice(|dice| dice.once_in(5));
        if may_repeat {
            queue = with!(queue, queue => queue.put_again());
        }
        if process.dice(|dice| dice.once_in(3)) {
            let when_full = process.dice(|dice| dice.choose(&[WhenFull::Wait, WhenFull::Refuse, WhenFull::Refuse]));
            queue = with!(queue, queue => queue.limit(2, when_full));
        }
        let data = {
            let mut books = person.books.borrow_mut();
            books.next += 1;
            let (process, sessions) = (process.number(), 0);
            let (queue, outcome, paths) = (stall.name, None, BTreeSet::new());
            let offer = Offer { queue, process, may_repeat, rank, outcome, sessions, paths, puts: 0, taken: 0 };
            let data = format!("<{process}-{}>", books.next);
            books.offers.insert(data.clone(), offer);
            data
        };
        let polls = process.dice(|dice| if dice.once_in(8) { dice.below(12) } else { usize::MAX });
        let put = for_some_polls(queue.put(rank, data.as_bytes()), polls);
        let outcome = unless_leaving(process, put).await.flatten();
        match &outcome {
            Some(Ok(Put::Done)) => process.count("put"),
            Some(Ok(Put::Unknown)) => process.count("put perhaps"),
            Some(Ok(Put::Full)) => process.count("put refused: full"),
            Some(Ok(_)) => {}
            Some(Err(error)) => person.allows("putting", error),
            None => process.count("put given up"),
        }
        let sessions = person.sessions();
        if let Some(offer) = person.books.borrow_mut().offers.get_mut(&data) {
            if offer.puts > 1 {
                process.count("put twice on demand");
            }
            (offer.outcome, offer.sessions) = (outcome, sessions);
        }
        let pause = process.dice(|dice| dice.millis(0, 800));
        if person.client.sleep(pause).await.is_err() {
            break;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Takes items until all are to leave, or the client is over.
async fn take(person: Person, stall: Stall) {
    let process = &person.process;
    // The last that was taken in order: its number, and when it was put there.
    let mut last: Option<(i64, Zxid)> = None;
    while process.phase() < Phase::Leaving && !is_over(&person.client) {
        person.note_time();
        let mut queue = stall.queue.clone();
        let is_exact = process.dice(|dice| dice.once_in(2));
        if is_exact {
            queue = with!(queue, queue => queue.exact());
        }
        let is_ordered = !process.dice(|dice| dice.once_in(6));
        if !is_ordered {
            queue = with!(queue, queue => queue.among(3));
        }
        if process.dice(|dice| dice.once_in(6)) {
            queue = with!(queue, queue => queue.in_turn());
        }
        let (began, sessions) = (process.truth(Truth::last), person.sessions());
        let taken = take_somehow(&person, stall.name, &queue).await;
        if taken.is_none() {
            person.gives_up(sessions, is_exact);
        }
        match taken {
            Some(Ok(Some(Taken::Item(item)))) => {
                receive(&person, &stall, &item);
                if is_ordered && stall.name == "/queues/fifo" {
                    check_order(process, &item, &mut last);
                }
                if is_ordered && stall.name == "/queues/priority" {
                    check_urgency(&person, &item, began, sessions);
                }
            }
            Some(Ok(Some(Taken::Unknown(item)))) => {
                process.count("taken perhaps");
                person.books.borrow_mut().perhaps.insert((item.path().into(), item.id()));
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => person.allows("taking", &error),
        }
        // While there is peace, nobody does anything but wait and take.
        if process.phase() == Phase::Trouble {
            meddle(&person, &stall).await;
            let pause = process.dice(|dice| dice.millis(0, 600));
            if person.client.sleep(pause).await.is_err() {
                break;
            }
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Takes in one way or another; nothing where it was given up.
async fn take_somehow(person: &Person, name: &'static str, queue: &Kind) -> Option<Result<Option<Taken>, Error>> {
    let process = &person.process;
    let way = if process.phase() == Phase::Trouble { process.dice(|dice| dice.below(8)) } else { 7 };
    match way {
        0 | 1 => {
            let taken = each!(queue, queue => queue.try_take().await);
            match &taken {
                Ok(Some(_)) => process.count("tried and taken"),
                Ok(None) => process.count("tried in vain"),
                Err(_) => {}
            }
            Some(taken)
        }
        2 => {
            let limit = process.dice(|dice| dice.millis(1, 2_000));
            let sessions = person.sessions();
            let taken = each!(queue, queue => queue.take_timeout(limit).await);
            if let Ok(None) = &taken {
                process.count("not had in time");
                // If it was taken in that moment, it is put back, as it is when this is dropped.
                person.gives_up(sessions, true);
            }
            Some(taken)
        }
        3 => {
            let polls = process.dice(|dice| dice.below(14));
            let taken = each!(queue, queue => unless_leaving(process, for_some_polls(queue.take(), polls)).await);
            let taken = taken.flatten();
            if taken.is_none() {
                process.count("take given up");
            }
            taken.map(|taken| taken.map(Some))
        }
        _ => {
            let key = (process.number(), name);
            *person.books.borrow_mut().waiting.entry(key).or_default() += 1;
            let mut polls = 0;
            let taken = each!(queue, queue => {
                let mut take = pin!(queue.take());
                let counted = poll_fn(|cx| {
                    polls += 1;
                    person.note_time();
                    take.as_mut().poll(cx)
                });
                unless_leaving(process, counted).await
            });
            if polls > 6 && taken.is_some() {
                process.count("taken after waiting");
            }
            if let Some(waiting) = person.books.borrow_mut().waiting.get_mut(&key) {
                *waiting -= 1;
            }
            taken.map(|taken| taken.map(Some))
        }
    }
}

/// Notes what was taken, which nobody else may have.
fn receive(person: &Person, stall: &Stall, item: &Item) {
    let process = &person.process;
    process.count("taken");
    process.note(|| format!("has taken {} of {}", item.path(), item.id()));
    let mut books = person.books.borrow_mut();
    let entry = (Arc::from(item.path()), item.id());
    let text = content(&item.data());
    books.taken.insert(entry, process.number());
    if let Some(offer) = books.offers.get_mut(&text) {
        offer.taken += 1;
        let what = || format!("{text} is taken {} times, and was put {} times", offer.taken, offer.puts);
        let is_wrong = offer.taken > offer.puts;
        process.expect(if is_wrong { Err(Violation::new("taken twice", what())) } else { Ok(()) });
    }
    let offer = books.offers.get(&text);
    let is_offered = offer.is_some_and(|offer| offer.queue == stall.name);
    let what = || format!("{} has {text:?}, which nobody has put there", item.path());
    process.expect(if is_offered { Ok(()) } else { Err(Violation::new("content", what())) });
    if let Some(offer) = offer {
        let is_due = stall.name != "/queues/delay" || offer.rank <= millis(process.now());
        let what = || format!("{} is taken before its time, {}", item.path(), offer.rank);
        process.expect(if is_due { Ok(()) } else { Err(Violation::new("due", what())) });
    }
    let is_back = process.truth(|truth| {
        let first = offer.and_then(|offer| offer.paths.first());
        first.is_some_and(|first| truth.states(first, Zxid(0), item.id()).iter().flatten().any(|s| s.czxid < item.id()))
    });
    if is_back {
        process.count("put back");
    }
}

/// One who takes alone gets what was put first, unless it was put back in between.
fn check_order(process: &Process, item: &Item, last: &mut Option<(i64, Zxid)>) {
    let digits = item.path().len() - 10;
    let number: i64 = item.path()[digits..].parse().unwrap_or(-1);
    if let Some((before, created)) = *last {
        let what = || format!("{} comes behind number {before}, which was put later", item.path());
        let is_wrong = number < before && item.id() < created;
        process.expect(if is_wrong { Err(Violation::new("order", what())) } else { Ok(()) });
    }
    *last = Some((number, item.id()));
}

/// Whatever the same client has put before, and was there all the time, is not more urgent.
fn check_urgency(person: &Person, item: &Item, began: Zxid, sessions: usize) {
    let books = person.books.borrow();
    let until = person.process.truth(Truth::last);
    let Some(priority) = item.priority() else { return };
    for (data, offer) in &books.offers {
        let is_known = offer.process == person.process.number()
            && offer.queue == "/queues/priority"
            && matches!(offer.outcome, Some(Ok(Put::Done)))
            && (offer.sessions, person.sessions()) == (sessions, sessions)
            && !offer.may_repeat;
        let written = offer.rank.max(if item.path().contains("/entry-") { 0 } else { i64::MIN });
        if !is_known || written >= i64::from(priority) {
            continue;
        }
        let was_there = |path: &Arc<str>| {
            person.process.truth(|truth| truth.states(path, began, until).iter().all(Option::is_some))
        };
        if offer.paths.iter().any(was_there) {
            let what = format!("{} is taken although {data} is more urgent: {:?}", item.path(), offer.paths);
            person.process.expect(Err(Violation::new("urgency", what)));
        }
    }
}

/// Does what others than those who take do with a queue.
async fn meddle(person: &Person, stall: &Stall) {
    let process = &person.process;
    match process.dice(|dice| dice.below(12)) {
        0 => {
            if let Ok(Some(item)) = each!(&stall.queue, queue => queue.peek().await) {
                process.count("looked at the first");
                if process.dice(|dice| dice.once_in(3)) {
                    person.books.borrow_mut().condemned.insert(item.path().to_owned());
                    if person.client.delete(item.path()).await.is_ok() {
                        process.count("deleted by an operator");
                    }
                }
            }
        }
        1 => {
            // Not an entry, and nobody's business.
            _ = person.client.create(&format!("{}/{STRANGER}", stall.name), b"").await;
        }
        _ => {}
    }
}
