//! Queues of work: workers claim items, do the work or do not, lose their claims, and believe too long that they have them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use zk_proto::{
    SessionId, Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    path,
    recipes::{Delivery, IdQueue, Loss, Put, Settled, Tenure, WorkLayout, WorkQueue},
    session::WatchedEventKind,
};

use super::common::{STRANGER, Sessions, content, for_some_polls, is_over, keep, unless_leaving};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// Work, and work with ids.
const QUEUES: [&str; 2] = ["/work/plain", "/work/ids"];

const LAYOUTS: [WorkLayout; 4] =
    [WorkLayout::Native, WorkLayout::Kazoo, WorkLayout::Curator, WorkLayout::CuratorPriority];

const IDS: [&str; 2] = ["one", "two"];

/// Queues of work to be done at least once.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkQueues;

impl Workload for WorkQueues {
    fn name(&self) -> &'static str {
        "work-queues"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, mut dice: Dice) -> Box<dyn Application> {
        let most_claims = dice.once_in(2).then_some(2);
        Box::new(Works { books: Rc::default(), layout: dice.choose(&LAYOUTS), most_claims, looked_at: Zxid(0) })
    }
}

const COUNTERS: &[&str] = &[
    "put",
    "put perhaps",
    "put several",
    "put given up",
    "delivered",
    "delivered again",
    "tried and delivered",
    "tried in vain",
    "not had in time",
    "take given up",
    "acked",
    "ack refused",
    "acked perhaps",
    "acked, but gone",
    "nacked",
    "dropped",
    "requeued",
    "lost: Presumed",
    "lost: SessionOver",
    "lost: Removed",
    "diverted",
    "removed by id",
    "claim deleted by an operator",
    "item deleted by an operator",
];

/// What is known of an item.
#[derive(Default)]
struct Order {
    queue: &'static str,
    id: Option<&'static str>,
    may_repeat: bool,
    outcome: Option<Result<Put, Error>>,
    /// The entries that were made of it, those by requeueing not included.
    puts: usize,
    was_delivered: bool,
    was_diverted: bool,
}

/// A claim in somebody's hand.
struct Active {
    claim: String,
    entry: String,
    session: SessionId,
    delivery: Rc<Delivery>,
}

#[derive(Default)]
struct Books {
    orders: BTreeMap<String, Order>,
    active: BTreeMap<u64, Active>,
    /// What was acked for certain.
    acked: BTreeSet<(String, Zxid)>,
    /// What operators meant to delete: entries and claims.
    condemned: BTreeSet<String>,
    /// The ids that somebody has removed.
    removed: BTreeSet<&'static str>,
    sessions: Sessions,
    waiting: BTreeMap<(u32, &'static str), usize>,
    next: u64,
}

struct Works {
    books: Rc<RefCell<Books>>,
    layout: WorkLayout,
    most_claims: Option<u32>,
    looked_at: Zxid,
}

/// Where the nodes of a queue are.
#[derive(Clone)]
struct Places {
    entries: String,
    claims: String,
    dead: String,
}

impl Places {
    fn new(queue: &str, layout: WorkLayout) -> Self {
        match layout {
            WorkLayout::Native | WorkLayout::Kazoo if queue != "/work/ids" => Self {
                entries: format!("{queue}/entries"),
                claims: format!("{queue}/taken"),
                dead: format!("{queue}-dead/entries"),
            },
            _ => Self { entries: queue.to_owned(), claims: format!("{queue}-claims"), dead: format!("{queue}-dead") },
        }
    }

    fn claim(&self, entry: &str) -> String {
        format!("{}/{}", self.claims, path::name(entry))
    }
}

impl Application for Works {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(8)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        let sessions = self.books.borrow().sessions.clone();
        process.spawn(sessions.note(process.number(), client.states()));
        for name in QUEUES {
            let places = Places::new(name, self.layout);
            for container in [places.entries, places.claims] {
                process.spawn(keep(process.clone(), client.clone(), container));
            }
            let person = Person {
                process: process.clone(),
                client: client.clone(),
                books: self.books.clone(),
                name,
                places: Places::new(name, self.layout),
                queue: self.queue(name, &client),
            };
            if process.dice(|dice| dice.once_in(2)) {
                process.spawn(put(person.clone()));
            }
            for _ in 0..process.dice(|dice| dice.below(3)) {
                process.spawn(work(person.clone()));
            }
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let mut books = self.books.borrow_mut();
        for change in truth.changes_since(self.looked_at) {
            let places = QUEUES.map(|queue| Places::new(queue, self.layout));
            let parent = path::parent(&change.path).unwrap_or("/");
            let before = Zxid(change.zxid.0 - 1);
            match change.kind {
                WatchedEventKind::NodeCreated => {
                    let Some(state) = truth.node_at(&change.path, change.zxid) else { continue };
                    let Some(order) = books.orders.get_mut(&content(state.data.as_deref().unwrap_or_default())) else {
                        continue;
                    };
                    let deed = truth.deed(change.zxid);
                    let gone = deed.into_iter().flat_map(|deed| &deed.paths).find(|path| {
                        truth.node_at(path, before).is_some()
                            && truth.node_at(path, change.zxid).is_none()
                            && places.iter().any(|places| path::parent(path) == Some(places.entries.as_str()))
                    });
                    if places.iter().any(|places| places.dead == parent) {
                        order.was_diverted = true;
                        let claims = gone.and_then(|path| truth.node_at(path, before)).map(|entry| entry.version);
                        if claims.is_none_or(|claims| {
                            claims <= self.most_claims.map_or(0, |most| i32::try_from(most).unwrap_or(0))
                        }) {
                            let what = format!("{} is there after {claims:?} claims", change.path);
                            return Err(Violation::new("diverted", what));
                        }
                    } else if gone.is_none() && places.iter().any(|places| places.entries == parent) {
                        order.puts += 1;
                        if order.puts > 1 && !order.may_repeat {
                            return Err(Violation::new("put twice", format!("{} has been put before", change.path)));
                        }
                    }
                }
                WatchedEventKind::NodeDeleted => {
                    let Some(places) = places.iter().find(|places| places.entries == parent) else { continue };
                    let is_entry = truth
                        .node_at(&change.path, before)
                        .and_then(|state| state.data.as_ref())
                        .is_some_and(|data| books.orders.contains_key(&content(data)));
                    let Some(deed) = truth.deed(change.zxid).filter(|_| is_entry) else { continue };
                    let claim = truth.node_at(&places.claim(&change.path), before);
                    // Where a claim was deleted and claims are not counted, a new one passes for it.
                    let is_condemned = books.condemned.contains(&*change.path)
                        || self.most_claims.is_none() && books.condemned.contains(&places.claim(&change.path));
                    if claim.is_none_or(|claim| claim.owner != deed.session) && !is_condemned {
                        let owner = claim.map(|claim| claim.owner);
                        let what = format!("{} deletes {}, claimed by {owner:?}", deed.session, change.path);
                        return Err(Violation::new("without a claim", what));
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
        for queue in QUEUES {
            let places = Places::new(queue, self.layout);
            let texts: BTreeMap<String, &str> = truth
                .children(&places.entries)
                .map(|path| (content(truth.node(path).and_then(|node| node.data.as_deref()).unwrap_or_default()), path))
                .filter(|(text, _)| books.orders.contains_key(text))
                .collect();
            let waits = books.waiting.iter().find(|((_, name), count)| *name == queue && **count > 0);
            if let (Some(((process, _), _)), Some((text, path))) = (waits, texts.first_key_value()) {
                let what = format!("client P{process} waits at {queue}, where {text} is: {path}");
                return Err(Violation::new("liveness", what));
            }
            if let Some(claim) = truth.children(&places.claims).find(|claim| path::name(claim) != STRANGER) {
                return Err(Violation::new("clean-up", format!("{claim} is left, and nobody works")));
            }
            for (text, order) in books.orders.iter().filter(|(_, order)| order.queue == queue) {
                let is_removed = order.id.is_some_and(|id| books.removed.contains(id));
                let is_done = order.was_delivered || order.was_diverted || is_removed || texts.contains_key(text);
                if order.puts > 0 && !is_done {
                    let what = format!("{text} was put, and nobody has ever worked on it");
                    return Err(Violation::new("lost", what));
                }
                let is_wrong = match &order.outcome {
                    Some(Ok(Put::Done)) => order.puts == 0,
                    Some(Err(error)) => error.is_certainly_not_applied() && !order.may_repeat && order.puts > 0,
                    Some(Ok(_)) | None => false,
                };
                if is_wrong {
                    let what =
                        format!("{text} was put {} times, he who put it knows of {:?}", order.puts, order.outcome);
                    return Err(Violation::new("put", what));
                }
            }
        }
        Ok(())
    }

    fn killed(&mut self, process: u32) {
        let mut books = self.books.borrow_mut();
        books.waiting.retain(|(other, _), _| *other != process);
        let sessions = books.sessions.of(process);
        books.active.retain(|_, active| !sessions.contains(&active.session));
    }
}

impl Works {
    fn queue(&self, name: &str, client: &Client) -> Kind {
        let fine = "the path is fine";
        let most = self.most_claims;
        if name == "/work/ids" {
            let queue = IdQueue::new(client, name).expect(fine);
            Kind::Ids(if let Some(most) = most { queue.divert_after(most) } else { queue })
        } else {
            let queue = WorkQueue::new(client, name).expect(fine).layout(self.layout);
            Kind::Plain(if let Some(most) = most { queue.divert_after(most) } else { queue })
        }
    }
}

#[derive(Clone)]
enum Kind {
    Plain(WorkQueue),
    Ids(IdQueue),
}

impl Kind {
    fn exact(self) -> Self {
        match self {
            Self::Plain(queue) => Self::Plain(queue.exact()),
            Self::Ids(queue) => Self::Ids(queue.exact()),
        }
    }

    fn put_again(self) -> Self {
        match self {
            Self::Plain(queue) => Self::Plain(queue.put_again()),
            Self::Ids(queue) => Self::Ids(queue.put_again()),
        }
    }

    fn among(self, first: usize) -> Self {
        match self {
            Self::Plain(queue) => Self::Plain(queue.among(first)),
            Self::Ids(queue) => Self::Ids(queue.among(first)),
        }
    }

    async fn take(&self) -> Result<Delivery, Error> {
        match self {
            Self::Plain(queue) => queue.take().await,
            Self::Ids(queue) => queue.take().await,
        }
    }

    async fn try_take(&self) -> Result<Option<Delivery>, Error> {
        match self {
            Self::Plain(queue) => queue.try_take().await,
            Self::Ids(queue) => queue.try_take().await,
        }
    }

    async fn take_timeout(&self, limit: std::time::Duration) -> Result<Option<Delivery>, Error> {
        match self {
            Self::Plain(queue) => queue.take_timeout(limit).await,
            Self::Ids(queue) => queue.take_timeout(limit).await,
        }
    }
}

/// What the tasks of a process at one queue have.
#[derive(Clone)]
struct Person {
    process: Process,
    client: Client,
    books: Rc<RefCell<Books>>,
    name: &'static str,
    places: Places,
    queue: Kind,
}

impl Person {
    /// Complains, unless the client is over or has met a server that only reads.
    fn allows(&self, what: &str, error: &Error) {
        let is_expected = matches!(error, Error::Ended { .. }) || error.code() == Some(ErrorCode::NotReadOnly);
        let found = Violation::new("queue", format!("{what} fails: {error}"));
        self.process.expect(if is_expected || is_over(&self.client) { Ok(()) } else { Err(found) });
    }

    /// Notes that something is about to be put, and returns its text.
    fn offer(&self, id: Option<&'static str>, may_repeat: bool) -> String {
        let mut books = self.books.borrow_mut();
        books.next += 1;
        let text = format!("<{}-{}>", self.process.number(), books.next);
        books.orders.insert(text.clone(), Order { queue: self.name, id, may_repeat, ..Order::default() });
        text
    }
}

/// Puts items until there is peace, or the client is over.
async fn put(person: Person) {
    let process = &person.process;
    while process.phase() == Phase::Trouble && !is_over(&person.client) {
        let mut queue = person.queue.clone();
        if process.dice(|dice| dice.once_in(3)) {
            queue = queue.exact();
        }
        let may_repeat = process.dice(|dice| dice.once_in(5));
        if may_repeat {
            queue = queue.put_again();
        }
        let polls = process.dice(|dice| if dice.once_in(10) { dice.below(10) } else { usize::MAX });
        let (texts, outcome) = match &queue {
            Kind::Ids(queue) => {
                let id = process.dice(|dice| dice.choose(&IDS));
                let text = person.offer(Some(id), may_repeat);
                let put = for_some_polls(queue.put(id, text.as_bytes()), polls);
                let outcome = unless_leaving(process, put).await.flatten();
                (vec![text], outcome)
            }
            Kind::Plain(queue) if process.dice(|dice| dice.once_in(4)) => {
                // In one entry or in two.
                let is_framed = !person.places.entries.ends_with("/entries");
                let first = person.offer(None, may_repeat);
                let second = if is_framed { "besides".to_owned() } else { person.offer(None, may_repeat) };
                let both = [first.as_bytes(), second.as_bytes()];
                let outcome = unless_leaving(process, for_some_polls(queue.put_all(&both), polls)).await.flatten();
                if let Some(Ok(Put::Done)) = outcome {
                    process.count("put several");
                }
                (vec![first, second], outcome)
            }
            Kind::Plain(queue) => {
                let text = person.offer(None, may_repeat);
                let priority = process.dice(|dice| dice.choose(&[1, 5, 200]));
                let put = for_some_polls(queue.put_with_priority(priority, text.as_bytes()), polls);
                let outcome = unless_leaving(process, put).await.flatten();
                (vec![text], outcome)
            }
        };
        match &outcome {
            Some(Ok(Put::Done)) => process.count("put"),
            Some(Ok(Put::Unknown)) => process.count("put perhaps"),
            Some(Ok(_)) => {}
            Some(Err(error)) => person.allows("putting", error),
            None => process.count("put given up"),
        }
        for text in texts {
            if let Some(order) = person.books.borrow_mut().orders.get_mut(&text) {
                order.outcome.clone_from(&outcome);
            }
        }
        let pause = process.dice(|dice| dice.millis(0, 1_000));
        if person.client.sleep(pause).await.is_err() {
            break;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Works until all are to leave, or the client is over.
async fn work(mut person: Person) {
    if person.process.dice(|dice| dice.once_in(4)) {
        person.queue = person.queue.among(3);
    }
    let process = &person.process;
    while process.phase() < Phase::Leaving && !is_over(&person.client) {
        match take_somehow(&person).await {
            Some(Ok(Some(delivery))) => {
                if !deal_with(&person, delivery).await {
                    break;
                }
            }
            Some(Ok(None)) | None => {}
            Some(Err(error)) => person.allows("taking", &error),
        }
        if process.phase() == Phase::Trouble {
            if let (Kind::Ids(queue), true) = (&person.queue, process.dice(|dice| dice.once_in(20))) {
                let id = process.dice(|dice| dice.choose(&IDS));
                person.books.borrow_mut().removed.insert(id);
                if let Ok(1..) = queue.remove(id).await {
                    process.count("removed by id");
                }
            }
            if let (Kind::Plain(queue), true) = (&person.queue, process.dice(|dice| dice.once_in(10))) {
                if let Ok(Some(dead)) = queue.dead_letters().try_take().await {
                    process.count("diverted");
                    _ = dead.ack().await;
                }
            }
            let pause = process.dice(|dice| dice.millis(0, 500));
            if person.client.sleep(pause).await.is_err() {
                break;
            }
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Takes in one way or another; nothing where it was given up.
async fn take_somehow(person: &Person) -> Option<Result<Option<Delivery>, Error>> {
    let (process, queue) = (&person.process, &person.queue);
    let way = if process.phase() == Phase::Trouble { process.dice(|dice| dice.below(8)) } else { 7 };
    match way {
        0 | 1 => {
            let (seen, session) = (person.client.last_zxid(), person.client.session());
            let taken = queue.try_take().await;
            match &taken {
                Ok(Some(_)) => process.count("tried and delivered"),
                Ok(None) => {
                    process.count("tried in vain");
                    if session.is_some() && person.client.session() == session {
                        check_nothing_was_free(person, seen);
                    }
                }
                Err(_) => {}
            }
            Some(taken)
        }
        2 => {
            let taken = queue.take_timeout(process.dice(|dice| dice.millis(1, 2_000))).await;
            if let Ok(None) = &taken {
                process.count("not had in time");
            }
            Some(taken)
        }
        3 => {
            let polls = process.dice(|dice| dice.below(14));
            let taken = unless_leaving(process, for_some_polls(queue.take(), polls)).await.flatten();
            if taken.is_none() {
                process.count("take given up");
            }
            taken.map(|taken| taken.map(Some))
        }
        _ => {
            let key = (process.number(), person.name);
            *person.books.borrow_mut().waiting.entry(key).or_default() += 1;
            let taken = unless_leaving(process, queue.take()).await;
            if let Some(waiting) = person.books.borrow_mut().waiting.get_mut(&key) {
                *waiting -= 1;
            }
            taken.map(|taken| taken.map(Some))
        }
    }
}

/// Who finds nothing had nothing to find: no item that he must have seen was free all the time.
fn check_nothing_was_free(person: &Person, seen: Zxid) {
    let books = person.books.borrow();
    let free = person.process.truth(|truth| {
        let was_free = |entry: &&str| {
            let is_entry = truth.node(entry).is_some_and(|node| {
                node.czxid <= seen && books.orders.contains_key(&content(node.data.as_deref().unwrap_or_default()))
            });
            let is_there = truth.states(entry, seen, truth.last()).iter().all(Option::is_some);
            let claims = truth.states(&person.places.claim(entry), seen, truth.last());
            is_entry && is_there && claims.iter().all(Option::is_none)
        };
        truth.children(&person.places.entries).find(was_free).map(str::to_owned)
    });
    if let Some(free) = free {
        let what = format!("nothing is found in {}, where {free} was free all the time", person.name);
        person.process.expect(Err(Violation::new("gives up", what)));
    }
}

/// Works on an item, or does not. Returns whether to go on.
async fn deal_with(person: &Person, delivery: Delivery) -> bool {
    let process = &person.process;
    process.note(|| format!("has {} by {}", delivery.item().path(), delivery.session()));
    let (entry, claim) = (delivery.item().path().to_owned(), delivery.claim().to_owned());
    let delivery = Rc::new(delivery);
    let number = receive(person, &delivery, &entry, &claim);

    let is_peace = process.phase() > Phase::Trouble;
    if !is_peace {
        match process.dice(|dice| dice.below(25)) {
            0 => {
                person.books.borrow_mut().condemned.insert(claim.clone());
                if person.client.delete(&claim).await.is_ok() {
                    process.count("claim deleted by an operator");
                }
            }
            1 => {
                person.books.borrow_mut().condemned.insert(entry.clone());
                if person.client.delete(&entry).await.is_ok() {
                    process.count("item deleted by an operator");
                }
            }
            _ => {}
        }
        let limit = process.dice(|dice| if dice.once_in(4) { dice.millis(0, 12_000) } else { dice.millis(0, 800) });
        if let Ok(loss) = person.client.timeout(limit, delivery.lost()).await {
            match loss {
                Loss::Presumed => process.count("lost: Presumed"),
                Loss::SessionOver => process.count("lost: SessionOver"),
                Loss::Removed => process.count("lost: Removed"),
                other => process.expect(Err(Violation::new("claim", format!("an unknown loss: {other:?}")))),
            }
        }
    }
    person.books.borrow_mut().active.remove(&number);
    let Some(delivery) = Rc::into_inner(delivery) else { return false };
    settle(person, delivery, is_peace).await
}

/// Notes a delivery, of which there may be no other.
fn receive(person: &Person, delivery: &Rc<Delivery>, entry: &str, claim: &str) -> u64 {
    let process = &person.process;
    process.count("delivered");
    let mut books = person.books.borrow_mut();
    // One whose session is over may not have heard of it, be it this one or the other.
    let is_alive = |session| process.truth(|truth| truth.session(session).is_some_and(|life| life.ended.is_none()));
    // Where a claim was deleted and claims are not counted, he who had it acks by that of the next one.
    let is_fenced = delivery.count().is_some() || !books.condemned.contains(claim);
    // Where names come again and claims are counted, a new entry may get the data of an old one: then it is the new one that is had.
    let is_another = delivery.count().is_some()
        && process.truth(|truth| truth.node(entry).is_some_and(|node| node.czxid != delivery.item().id()));
    let is_acked = is_alive(delivery.session())
        && is_fenced
        && !is_another
        && books.acked.contains(&(entry.to_owned(), delivery.item().id()));
    let what = || format!("{entry} was acked");
    process.expect(if is_acked { Err(Violation::new("delivered again", what())) } else { Ok(()) });
    let other = books.active.values().filter(|_| is_alive(delivery.session())).find(|other| {
        other.entry == entry && is_alive(other.session) && !matches!(other.delivery.tenure(), Tenure::Lost(_))
    });
    let is_wrong = other.filter(|other| !books.condemned.contains(&other.claim));
    let what = || format!("{entry} has two who work on it in good faith, one of them in {}", delivery.session());
    process.expect(if is_wrong.is_some() { Err(Violation::new("two claims", what())) } else { Ok(()) });
    let text = content(&delivery.item().data());
    match books.orders.get_mut(&text) {
        Some(order)
            if order.queue == person.name && order.id == order.id.filter(|_| delivery.item().key() == order.id) =>
        {
            if std::mem::replace(&mut order.was_delivered, true) {
                process.count("delivered again");
            }
        }
        _ => {
            process.expect(Err(Violation::new("content", format!("{entry} has {text:?}, which nobody has put there"))))
        }
    }
    books.next += 1;
    let number = books.next;
    let (claim, entry, session) = (claim.to_owned(), entry.to_owned(), delivery.session());
    books.active.insert(number, Active { claim, entry, session, delivery: delivery.clone() });
    number
}

/// Ends it in one way or another.
async fn settle(person: &Person, delivery: Delivery, is_peace: bool) -> bool {
    let process = &person.process;
    let key = (delivery.item().path().to_owned(), delivery.item().id());
    let (claim, session) = (delivery.claim().to_owned(), delivery.session());
    let way = if is_peace { 9 } else { process.dice(|dice| dice.below(10)) };
    match way {
        0 => {
            drop(delivery);
            process.count("dropped");
        }
        1 | 2 => match delivery.nack().await {
            Ok(()) => process.count("nacked"),
            Err(error) => person.allows("giving back", &error),
        },
        3 => match delivery.requeue_at_tail().await {
            Ok(Settled::Done) => process.count("requeued"),
            Ok(_) => {}
            Err(error) => person.allows("requeueing", &error),
        },
        4 => {
            let polls = process.dice(|dice| dice.below(6));
            _ = for_some_polls(delivery.ack(), polls).await;
        }
        _ => match delivery.ack().await {
            Ok(Settled::Done) => {
                process.count("acked");
                let is_there = process.truth(|truth| truth.node(&key.0).is_some_and(|node| node.czxid == key.1));
                let what = || format!("{} was acked, and is there", key.0);
                process.expect(if is_there { Err(Violation::new("acked", what())) } else { Ok(()) });
                person.books.borrow_mut().acked.insert(key);
            }
            Ok(refused) => check_refusal(person, &refused, &key.0, &claim, session),
            Err(error) => person.allows("acking", &error),
        },
    }
    !is_over(&person.client)
}

/// An ack is refused for a reason: the session is over, or somebody meddles. Whether there is peace by then does not matter: the session
/// may have ended before, unheard.
fn check_refusal(person: &Person, refused: &Settled, entry: &str, claim: &str, session: SessionId) {
    let process = &person.process;
    let books = person.books.borrow();
    let is_over = process.truth(|truth| truth.session(session).is_none_or(|life| life.ended.is_some()));
    let is_claim_condemned = books.condemned.contains(claim);
    let (counter, is_allowed) = match refused {
        Settled::ClaimLost => ("ack refused", is_over || is_claim_condemned),
        Settled::Unknown => ("acked perhaps", is_over),
        // Whoever has claimed it since has deleted it, or an operator.
        Settled::Gone => ("acked, but gone", is_over || is_claim_condemned || books.condemned.contains(entry)),
        other => return process.expect(Err(Violation::new("settled", format!("{other:?}")))),
    };
    process.count(counter);
    let what = || format!("{entry}: {refused:?}, with {claim} in hand and {session} alive");
    process.expect(if is_allowed { Ok(()) } else { Err(Violation::new("refused", what())) });
}
