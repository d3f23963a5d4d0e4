//! Numbers and other nodes that everybody changes on the strength of what they contain.
//!
//! Each process makes one change at a time, so the history of the ensemble shows for each of them how often it was carried out: that
//! is held against what the client has said.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use zk_proto::{
    SessionId, Zxid,
    client::{Builder, Client, Error, OnExpiry, States},
    code::ErrorCode,
    recipes::{
        AtomicNumber, Change, Effect, Ids, NumberError, NumberLayout, Outcome, Reason, RetryPolicy, Transaction,
        Update, transact,
    },
    session::State,
};

use super::common::{Wishes, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// The numbers, how each is written, and whether a change may be carried out twice.
const NUMBERS: [(&str, NumberLayout, bool); 3] = [
    ("/numbers/long", NumberLayout::CuratorLong, false),
    ("/numbers/text", NumberLayout::Decimal, false),
    ("/numbers/twice", NumberLayout::CuratorInt, true),
];

/// Where blocks of ids come from.
const IDS: &str = "/numbers/ids";

/// A node that is changed in every way, and deleted.
const LOG: &str = "/logs/log";

/// Two accounts, between which is transferred: together they have nothing.
const ACCOUNTS: [&str; 2] = ["/accounts/a", "/accounts/b"];

/// A node that is read and never made, except to see that it is not there.
const NOBODY: &str = "/accounts/nobody/at/all";

/// How long the log may become.
const LOG_LIMIT: usize = 60;

/// Numbers that everybody counts with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers;

impl Workload for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Counting::default())
    }
}

const COUNTERS: &[&str] = &[
    "added",
    "added once",
    "added twice",
    "not added: gave up",
    "not added: declined",
    "unknown, and added",
    "unknown, and not added",
    "unknown, of what was to be once",
    "change dropped",
    "id taken",
    "transferred",
    "not transferred: gave up",
    "unknown, and transferred",
    "unknown, and not transferred",
    "logged",
    "logged by a telling write",
    "log deleted",
    "not logged: gave up",
    "not logged: declined",
    "unknown, and logged",
    "unknown, and not logged",
];

/// What is known about one number.
#[derive(Default)]
struct Book {
    applied: i64,
    /// Perhaps applied: nobody knows, or it goes on.
    perhaps: i64,
    results: BTreeSet<i64>,
}

#[derive(Default)]
struct Books {
    numbers: [Book; NUMBERS.len()],
    ids: BTreeSet<i64>,
}

#[derive(Default)]
struct Counting {
    wishes: Wishes,
    books: Rc<RefCell<Books>>,
}

impl Application for Counting {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        let (wishes, books) = (self.wishes.clone(), self.books.clone());
        process.clone().spawn(count(process, client, wishes, books));
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let books = self.books.borrow();
        for ((path, layout, is_twice), book) in NUMBERS.iter().zip(&books.numbers) {
            let data = truth.node(path).and_then(|node| node.data.clone()).unwrap_or_default();
            let value = read(*layout, &data);
            let least = value.is_some_and(|value| value >= book.applied);
            let most = value.is_some_and(|value| *is_twice || value <= book.applied + book.perhaps);
            if !least || !most {
                let what = format!("{path} is {value:?}: {} and perhaps {} were added", book.applied, book.perhaps);
                return Err(Violation::new("sum", what));
            }
        }
        let balance = |path| {
            let data = truth.node(path).and_then(|node| node.data.clone()).unwrap_or_default();
            read(NumberLayout::Decimal, &data)
        };
        let balances = ACCOUNTS.map(balance);
        match balances {
            [Some(a), Some(b)] if a + b == 0 => Ok(()),
            _ => Err(Violation::new("sum", format!("the accounts have {balances:?}"))),
        }
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        let markers = NUMBERS.iter().map(|(path, ..)| format!("{path}-ops")).chain([format!("{LOG}-ops")]);
        match markers.flat_map(|ops| truth.children(&ops).map(str::to_owned).collect::<Vec<_>>()).next() {
            Some(left) => Err(Violation::new("clean-up", format!("{left} is left although nothing is changed"))),
            None => Ok(()),
        }
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
    }
}

fn read(layout: NumberLayout, data: &[u8]) -> Option<i64> {
    match layout {
        _ if data.is_empty() => Some(0),
        NumberLayout::CuratorLong => Some(i64::from_be_bytes(data.try_into().ok()?)),
        NumberLayout::CuratorInt => Some(i32::from_be_bytes(data.try_into().ok()?).into()),
        NumberLayout::Decimal => std::str::from_utf8(data).ok()?.parse().ok(),
        _ => None,
    }
}

/// An addition that goes on. Whoever drops it before it is settled will never know.
struct Entry {
    books: Rc<RefCell<Books>>,
    number: usize,
    delta: i64,
}

impl Entry {
    fn begin(books: &Rc<RefCell<Books>>, number: usize, delta: i64) -> Self {
        books.borrow_mut().numbers[number].perhaps += delta;
        Self { books: books.clone(), number, delta }
    }

    fn settle(self, is_applied: bool) {
        let book = &mut self.books.borrow_mut().numbers[self.number];
        book.perhaps -= self.delta;
        if is_applied {
            book.applied += self.delta;
        }
    }
}

/// What a client did, as the ensemble has seen it.
struct Witness {
    process: Process,
    states: States,
    sessions: BTreeSet<SessionId>,
    accounts: BTreeMap<&'static str, Account>,
}

/// What is known of a client's changes to one node.
#[derive(Default)]
struct Account {
    /// Up to where they have been counted.
    counted: Zxid,
    /// How many may still come, because nobody waited for them.
    late: usize,
}

impl Witness {
    fn new(process: &Process, client: &Client) -> Self {
        let (states, sessions, accounts) = (client.states(), BTreeSet::new(), BTreeMap::new());
        Self { process: process.clone(), states, sessions, accounts }
    }

    /// Holds what was said of a change against how often the client's sessions have changed the node since it was last asked. Returns
    /// how often.
    fn judge(&mut self, path: &'static str, said: Said, effect: Effect) -> usize {
        while let Poll::Ready(Some(state)) = pin!(self.states.next()).poll(&mut Context::from_waker(Waker::noop())) {
            if let State::Connected { session, .. } = state {
                self.sessions.insert(session);
            }
        }
        let account = self.accounts.entry(path).or_default();
        let is_own = |truth: &Truth, zxid| truth.deed(zxid).is_some_and(|deed| self.sessions.contains(&deed.session));
        let (changes, last) = self.process.truth(|truth| {
            let changes = truth.changes_since(account.counted).iter().filter(|change| &*change.path == path);
            (changes.filter(|change| is_own(truth, change.zxid)).count(), truth.last())
        });
        self.process.note(|| format!("{said:?} of {path}, changed {changes} times, {} may be late", account.late));
        let is_true = (0..=account.late.min(changes)).any(|late| said.is_true_of(changes - late, effect));
        if !is_true {
            let what = format!("said {said:?} of a change to {path} that was carried out {changes} times");
            self.process.expect(Err(Violation::new("outcome", what)));
        }
        account.counted = last;
        account.late = match said {
            // Requests of one session keep their order, and those of an earlier one are refused.
            Said::Applied => 0,
            Said::NotApplied(_) | Said::Failed => account.late.saturating_sub(changes),
            Said::Unknown | Said::Dropped => (account.late + 1).saturating_sub(changes),
        };
        changes
    }
}

/// What a client has said of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Applied,
    NotApplied(Reason),
    Unknown,
    /// It has failed, which means that nothing was done.
    Failed,
    /// It was dropped on the way.
    Dropped,
}

impl Said {
    fn of<T>(outcome: &Outcome<T>) -> Self {
        match outcome {
            Outcome::Applied(_) => Self::Applied,
            Outcome::NotApplied(reason) => Self::NotApplied(*reason),
            Outcome::Unknown => Self::Unknown,
        }
    }

    /// Returns whether it may be said of what was carried out so often.
    fn is_true_of(self, changes: usize, effect: Effect) -> bool {
        match self {
            Self::Applied => changes == 1 || (effect == Effect::AtLeastOnce && changes > 1),
            Self::NotApplied(_) | Self::Failed => changes == 0,
            Self::Unknown | Self::Dropped => changes <= 1 || effect == Effect::AtLeastOnce,
        }
    }
}

/// Counts until there is peace, or the client is over.
async fn count(process: Process, client: Client, wishes: Wishes, books: Rc<RefCell<Books>>) {
    let mut witness = Witness::new(&process, &client);
    let block = process.dice(|dice| dice.between(1, 4));
    let block = u32::try_from(block).ok().and_then(NonZeroU32::new).expect("it is small and not zero");
    let mut ids = Ids::new(AtomicNumber::new(&client, IDS).expect("the path is fine"), block);
    _ = client.create("/accounts", b"").await;
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let wish = wishes.make(&process, "to count".into());
        match process.dice(|dice| dice.below(9)) {
            8 => transfer(&process, &client, &mut witness).await,
            0 => take(&process, &client, &mut ids, &books).await,
            1..=3 => log(&process, &client, &mut witness).await,
            _ => add(&process, &client, &mut witness, &books).await,
        }
        drop(wish);
        let most = process.dice(|dice| dice.choose(&[0, 20, 400]));
        let pause = process.dice(|dice| dice.millis(0, most));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
    // The client stays until all are asked to leave, so that what is left of its work is seen.
    process.reached(Phase::Leaving).await;
}

fn policy(dice: &mut Dice) -> RetryPolicy {
    let policy = if dice.once_in(2) { RetryPolicy::default() } else { RetryPolicy::fixed(dice.millis(0, 50)) };
    match dice.below(8) {
        0 => RetryPolicy::never(),
        1 => policy.attempts(2),
        2 => policy.deadline(dice.millis(1, 5_000)),
        _ => policy,
    }
}

fn is_expected(client: &Client, error: &Error) -> bool {
    matches!(error, Error::Ended { .. }) || is_over(client)
}

/// Adds something to a number.
async fn add(process: &Process, client: &Client, witness: &mut Witness, books: &Rc<RefCell<Books>>) {
    let index = process.dice(|dice| dice.below(NUMBERS.len()));
    let (path, layout, is_twice) = NUMBERS[index];
    let effect = if is_twice {
        Effect::AtLeastOnce
    } else {
        process.dice(|dice| dice.choose(&[Effect::AtMostOnce, Effect::ExactlyOnce]))
    };
    let retry = process.dice(policy);
    let number = AtomicNumber::new(client, path).expect("the path is fine").layout(layout).effect(effect).retry(retry);
    let delta = process.dice(|dice| dice.choose(&[1, 1, 1, 2]));
    let declines = process.dice(|dice| dice.once_in(20));
    let polls = process.dice(|dice| if dice.once_in(8) { dice.below(8) } else { usize::MAX });

    let session = client.session();
    let entry = Entry::begin(books, index, delta);
    let adding = number.update(|before| if declines { None } else { before.checked_add(delta) });
    let outcome = for_some_polls(adding, polls).await;

    let said = match &outcome {
        None => Said::Dropped,
        Some(Ok(outcome)) => Said::of(outcome),
        Some(Err(error)) => {
            let is_expected = matches!(error, NumberError::Client(error) if is_expected(client, error));
            let what = || format!("adding to {path} fails: {error}");
            process.expect(if is_expected { Ok(()) } else { Err(Violation::new("number", what())) });
            Said::Failed
        }
    };
    let changes = witness.judge(path, said, effect);
    match said {
        Said::Applied => entry.settle(true),
        Said::NotApplied(_) | Said::Failed => entry.settle(false),
        Said::Unknown | Said::Dropped => {}
    }
    match said {
        Said::Applied => process.count(match (effect, changes) {
            (Effect::ExactlyOnce, _) => "added once",
            (_, 2..) => "added twice",
            _ => "added",
        }),
        Said::NotApplied(Reason::Declined) => process.count("not added: declined"),
        Said::NotApplied(_) => process.count("not added: gave up"),
        Said::Unknown => {
            process.count(if changes > 0 { "unknown, and added" } else { "unknown, and not added" });
            if effect == Effect::ExactlyOnce {
                process.count("unknown, of what was to be once");
                let had_no_time = retry.pause(1, std::time::Duration::MAX, 0).is_none();
                if !had_no_time && client.session() == session && !is_over(client) {
                    let what = format!("nobody knows about {path}, in the same session and with time enough");
                    process.expect(Err(Violation::new("exactly once", what)));
                }
            }
        }
        Said::Dropped => process.count("change dropped"),
        Said::Failed => {}
    }
    if let Some(Ok(Outcome::Applied(counted))) = outcome {
        let is_new = books.borrow_mut().numbers[index].results.insert(counted.after);
        let is_sum = counted.after == counted.before + delta;
        if !is_new || !is_sum {
            let what = format!("adding {delta} to {path} gives {counted:?}, which somebody else has had");
            process.expect(Err(Violation::new("number", what)));
        }
    }
}

/// Takes an id.
async fn take(process: &Process, client: &Client, ids: &mut Ids, books: &Rc<RefCell<Books>>) {
    let polls = process.dice(|dice| if dice.once_in(8) { dice.below(8) } else { usize::MAX });
    match for_some_polls(ids.take(), polls).await {
        Some(Ok(id)) => {
            process.count("id taken");
            if !books.borrow_mut().ids.insert(id) {
                process.expect(Err(Violation::new("ids", format!("{id} was taken twice"))));
            }
        }
        Some(Err(error)) => {
            let is_expected = matches!(&error, NumberError::Client(error) if is_expected(client, error));
            let what = || format!("taking an id fails: {error}");
            process.expect(if is_expected { Ok(()) } else { Err(Violation::new("ids", what())) });
        }
        None => {}
    }
}

/// Transfers something from one account to the other.
async fn transfer(process: &Process, client: &Client, witness: &mut Witness) {
    let [from, to] = ACCOUNTS;
    let retry = process.dice(policy);
    let amount = process.dice(|dice| dice.choose(&[-1, 1]));
    let looks_elsewhere = process.dice(|dice| dice.once_in(4));
    let polls = process.dice(|dice| if dice.once_in(8) { dice.below(12) } else { usize::MAX });
    let transferring = transact(client, retry, async |nodes: &mut Transaction| {
        if looks_elsewhere {
            nodes.read(NOBODY).await?;
        }
        for (path, amount) in [(from, -amount), (to, amount)] {
            let balance = nodes.read(path).await?.unwrap_or_default();
            let balance = read(NumberLayout::Decimal, &balance).unwrap_or(i64::MAX / 2);
            nodes.write(path, (balance + amount).to_string())?;
        }
        Ok(())
    });
    let outcome = for_some_polls(transferring, polls).await;

    let said = match &outcome {
        None => Said::Dropped,
        Some(Ok(outcome)) => Said::of(outcome),
        // Where nobody has made the node above yet, there is nothing to transfer.
        Some(Err(Error::Server(ErrorCode::NoNode))) => Said::Failed,
        Some(Err(error)) => {
            let what = || format!("a transfer fails: {error}");
            process.expect(if is_expected(client, error) {
                Ok(())
            } else {
                Err(Violation::new("transaction", what()))
            });
            Said::Failed
        }
    };
    let changes = witness.judge(from, said, Effect::AtMostOnce);
    match said {
        Said::Applied => process.count("transferred"),
        Said::NotApplied(_) => process.count("not transferred: gave up"),
        Said::Unknown if changes > 0 => process.count("unknown, and transferred"),
        Said::Unknown => process.count("unknown, and not transferred"),
        Said::Failed | Said::Dropped => {}
    }
}

/// Changes the log in one way or another.
async fn log(process: &Process, client: &Client, witness: &mut Witness) {
    let is_telling = process.dice(|dice| dice.once_in(2));
    let line = if is_telling { format!("{}.{}\n", process.number(), process.dice(Dice::number)) } else { "x\n".into() };
    let effect = process
        .dice(|dice| dice.choose(&[Effect::AtMostOnce, Effect::AtMostOnce, Effect::AtLeastOnce, Effect::ExactlyOnce]));
    let retry = process.dice(policy);
    let mut update = Update::new(client, LOG).expect("the path is fine").effect(effect).retry(retry);
    if is_telling {
        update = update.telling();
    }
    let what = process.dice(|dice| dice.below(12));
    let polls = process.dice(|dice| if dice.once_in(8) { dice.below(8) } else { usize::MAX });

    let mut is_deletion = false;
    let changing = update.run(|found| {
        let change = match (what, found) {
            (0..=2, _) => Change::Delete,
            (3, _) => Change::None,
            (_, Some(found)) if found.data.len() < LOG_LIMIT => Change::set([&*found.data, line.as_bytes()].concat()),
            (_, Some(_) | None) => Change::Set(Bytes::from(line.clone())),
        };
        is_deletion = change == Change::Delete;
        change
    });
    let outcome = for_some_polls(changing, polls).await;

    let said = match &outcome {
        None => Said::Dropped,
        Some(Ok(outcome)) => Said::of(outcome),
        Some(Err(error)) => {
            let found = if is_expected(client, error) {
                Ok(())
            } else {
                Err(Violation::new("update", format!("changing {LOG} fails: {error}")))
            };
            process.expect(found);
            Said::Failed
        }
    };
    let changes = witness.judge(LOG, said, effect);
    match said {
        Said::Applied if is_deletion => process.count("log deleted"),
        Said::Applied => process.count(if is_telling { "logged by a telling write" } else { "logged" }),
        Said::NotApplied(Reason::Declined) => process.count("not logged: declined"),
        Said::NotApplied(_) => process.count("not logged: gave up"),
        Said::Unknown => process.count(if changes > 0 { "unknown, and logged" } else { "unknown, and not logged" }),
        Said::Failed | Said::Dropped => {}
    }
}
