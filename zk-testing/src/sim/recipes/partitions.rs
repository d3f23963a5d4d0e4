//! Partitions: members come and go, work on what they are handed, and give it back when they are asked for it, at once or slowly, or
//! without being asked. In some worlds they do not divide the same set.
//!
//! Nobody may be handed a partition that somebody holds, nor one that he has not given back himself; what is written under it bears
//! fencing tokens, which never go back; and at rest, every partition is in one hand and shares are even.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    recipes::{KeptState, Loss, Partition, PartitionEnd, Partitioner, Share, Tenure},
};

use super::common::{Beliefs, Wishes, before, either_of, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

const PATH: &str = "/shared";

/// What can be divided.
const PARTITIONS: [&str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];

/// What each of them guards.
const GUARDED: [&str; PARTITIONS.len()] =
    ["/guarded-0", "/guarded-1", "/guarded-2", "/guarded-3", "/guarded-4", "/guarded-5"];

/// An id that many have.
const COMMON_ID: &str = "common";

/// Partitions that clients divide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Partitions;

impl Workload for Partitions {
    fn name(&self) -> &'static str {
        "partitions"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, mut dice: Dice) -> Box<dyn Application> {
        let sets = if dice.once_in(4) { 2 } else { 1 };
        Box::new(Shop { sets, ..Shop::default() })
    }
}

const COUNTERS: &[&str] = &[
    "handed out",
    "asked for: Reassigned",
    "asked for: Left",
    "lost: Presumed",
    "lost: SessionOver",
    "lost: Removed",
    "in doubt",
    "held after all",
    "given back unasked",
    "released",
    "dropped",
    "guarded write",
    "guarded write refused",
    "lock deleted",
    "member deleted",
    "refused to join twice",
    "blocked",
    "blocked at rest",
    "member at rest",
    "dissent at rest",
    "more members than partitions",
    "share left",
    "share dropped",
];

/// Returns what members divide who follow the one opinion or the other.
fn set(number: usize) -> &'static [&'static str] {
    // As many in both, so that only the names differ.
    &PARTITIONS[number..PARTITIONS.len() - 1 + number]
}

/// A share that is not left.
struct Entry {
    process: u32,
    client: Client,
    id: String,
    set: usize,
    share: Rc<Share>,
}

#[derive(Default)]
struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// What was handed out by which share, and not given back.
    hands: BTreeMap<(u64, usize), u32>,
    next: u64,
}

#[derive(Default)]
struct Shop {
    sets: usize,
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
    /// The partitions that are believed to be had.
    beliefs: Beliefs<usize>,
    /// How far the guarded nodes have been looked at.
    looked_at: Zxid,
    tokens: [u64; PARTITIONS.len()],
}

impl Application for Shop {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        let set_number = process.dice(|dice| dice.below(self.sets));
        let settle = process.dice(|dice| dice.millis(0, 1_500));
        let partitioner = Partitioner::new(&client, PATH, set(set_number)).expect("the path is fine").settle(settle);
        let worker = Rc::new(Worker {
            process: process.clone(),
            client,
            partitioner,
            set: set_number,
            wishes: self.wishes.clone(),
            ledger: self.ledger.clone(),
            beliefs: self.beliefs.clone(),
        });
        for task in 0..process.dice(|dice| dice.between(1, 2)) {
            process.spawn(worker.clone().live(task));
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let mut had = BTreeSet::new();
        if let Some(twice) = self.beliefs.founded(truth).into_iter().find(|partition| !had.insert(*partition)) {
            return Err(wrong(format!("two have {}", PARTITIONS[twice])));
        }
        for change in truth.changes_since(self.looked_at) {
            let Some(index) = GUARDED.iter().position(|guarded| *guarded == &*change.path) else { continue };
            let state = truth.node_at(&change.path, change.zxid);
            let data = state.and_then(|state| state.data.as_ref()).filter(|data| !data.is_empty());
            let Some(token) = data.and_then(|data| std::str::from_utf8(data).ok()?.parse::<u64>().ok()) else {
                continue;
            };
            if token < self.tokens[index] {
                let what = format!("holder {token} writes {} after holder {}", change.path, self.tokens[index]);
                return Err(Violation::new("fencing", what));
            }
            self.tokens[index] = token;
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        let ledger = self.ledger.borrow();
        let living = || ledger.entries.iter().filter(|(_, entry)| !is_over(&entry.client));
        let is_active = |entry: &Entry| matches!(entry.share.membership().state(), KeptState::Present(_));
        let active: Vec<(&u64, &Entry)> = living().filter(|(_, entry)| is_active(entry)).collect();
        for (_, entry) in living() {
            entry.check_at_rest(&active)?;
        }
        if truth.children(&format!("{PATH}/members")).count() != active.len() {
            return Err(wrong(format!("{} think that they are members", active.len())));
        }
        for (index, name) in PARTITIONS.iter().enumerate() {
            let opinions: BTreeSet<usize> = active.iter().map(|(_, entry)| entry.set).collect();
            let wanting = opinions.into_iter().filter(|number| set(*number).contains(name)).count();
            let waiting = truth.children(&format!("{PATH}/locks/{name}")).count();
            if waiting != wanting {
                return Err(wrong(format!("{waiting} have {name} or wait for it, and {wanting} are to")));
            }
            let in_hands = ledger.hands.keys().filter(|(_, partition)| *partition == index).count();
            let believed = self.beliefs.founded(truth).into_iter().filter(|partition| *partition == index).count();
            if in_hands != usize::from(wanting > 0) || believed != in_hands {
                return Err(wrong(format!("{name} is in {in_hands} hands, with reason in {believed}")));
            }
        }
        if self.sets == 1 {
            let size = |number: u64| ledger.hands.keys().filter(|(share, _)| *share == number).count();
            let sizes: Vec<usize> = active.iter().map(|(number, _)| size(**number)).collect();
            if sizes.iter().max().copied().unwrap_or(0) > sizes.iter().min().copied().unwrap_or(0) + 1 {
                return Err(wrong(format!("the shares are {sizes:?}")));
            }
        }
        Ok(())
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
        let mut ledger = self.ledger.borrow_mut();
        ledger.entries.retain(|_, entry| entry.process != process);
        ledger.hands.retain(|_, other| *other != process);
    }
}

fn wrong(what: String) -> Violation {
    Violation::new("partitions", what)
}

impl Entry {
    fn check_at_rest(&self, active: &[(&u64, &Entry)]) -> Result<(), Violation> {
        let (state, membership) = (self.share.state(), self.share.membership().state());
        let ids = |is_meant: &dyn Fn(&Entry) -> bool| {
            let mut ids: Vec<&str> =
                active.iter().filter(|(_, other)| is_meant(other)).map(|(_, other)| other.id.as_str()).collect();
            ids.sort_unstable();
            ids
        };
        let are = |told: &[std::sync::Arc<str>], ids: &[&str]| told.iter().map(|id| &**id).eq(ids.iter().copied());
        let is_known = are(&state.members, &ids(&|other| other.set == self.set))
            && are(&state.dissenters, &ids(&|other| other.set != self.set))
            && state.refusal.is_none();
        let is_right = match membership {
            KeptState::Present(_) => is_known,
            KeptState::Blocked { .. } => is_known && state.due.is_empty() && self.id == COMMON_ID,
            _ => false,
        };
        let what = || wrong(format!("{} of client P{} is {membership:?}, {state:?}", self.id, self.process));
        if is_right { Ok(()) } else { Err(what()) }
    }
}

/// A process with its partitioner.
struct Worker {
    process: Process,
    client: Client,
    partitioner: Partitioner,
    set: usize,
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
    beliefs: Beliefs<usize>,
}

impl Worker {
    /// Is a member now and then, by the same id mostly.
    async fn live(self: Rc<Self>, task: usize) {
        for guarded in GUARDED {
            _ = self.client.create(guarded, b"").await;
        }
        let process = &self.process;
        while process.phase() == Phase::Trouble && !is_over(&self.client) {
            if let Some((number, share)) = self.join(task) {
                let limit = process.dice(|dice| dice.millis(0, 15_000));
                _ = self.client.timeout(limit, self.clone().belong(number, &share)).await;
                if process.phase() > Phase::Trouble {
                    self.count_at_rest(&share);
                    before(process, Phase::Leaving, self.clone().belong(number, &share)).await;
                    process.reached(Phase::Leaving).await;
                    self.ledger.borrow_mut().entries.remove(&number);
                    return;
                }
                if matches!(share.membership().state(), KeptState::Blocked { .. }) {
                    process.count("blocked");
                }
                self.leave(number, share).await;
            }
            let pause = process.dice(|dice| dice.millis(0, 700));
            if self.client.sleep(pause).await.is_err() {
                break;
            }
        }
        process.reached(Phase::Leaving).await;
    }

    fn join(&self, task: usize) -> Option<(u64, Rc<Share>)> {
        let process = &self.process;
        let is_common = process.dice(|dice| dice.once_in(5));
        let id = if is_common { COMMON_ID.to_string() } else { format!("host-{}-{task}", process.number()) };
        match self.partitioner.join(&id) {
            Ok(share) => {
                let share = Rc::new(share);
                let mut ledger = self.ledger.borrow_mut();
                ledger.next += 1;
                let number = ledger.next;
                process.note(|| format!("joins as {id}, share {number}"));
                let (client, set) = (self.client.clone(), self.set);
                ledger
                    .entries
                    .insert(number, Entry { process: process.number(), client, id, set, share: share.clone() });
                Some((number, share))
            }
            Err(error) => {
                let is_expected = is_common && error.code() == Some(ErrorCode::NodeExists);
                process.count("refused to join twice");
                process.expect(if is_expected { Ok(()) } else { Err(wrong(format!("{id} cannot join: {error}"))) });
                None
            }
        }
    }

    fn count_at_rest(&self, share: &Share) {
        let (process, state) = (&self.process, share.state());
        process.count("member at rest");
        if !state.dissenters.is_empty() {
            process.count("dissent at rest");
        }
        if state.members.len() > set(self.set).len() {
            process.count("more members than partitions");
        }
        if matches!(share.membership().state(), KeptState::Blocked { .. }) {
            process.count("blocked at rest");
        }
    }

    /// Has somebody work on each partition that is handed out.
    async fn belong(self: Rc<Self>, number: u64, share: &Share) {
        let process = &self.process;
        while let Ok(partition) = share.next().await {
            process.spawn(self.clone().hold(number, partition));
            // Some are slow to take what there is.
            if process.phase() == Phase::Trouble && process.dice(|dice| dice.once_in(4)) {
                let pause = process.dice(|dice| dice.millis(0, 3_000));
                if self.client.sleep(pause).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Works on a partition, does what is done to those who do, and gives it back.
    async fn hold(self: Rc<Self>, number: u64, partition: Partition) {
        let process = &self.process;
        let name = partition.name().to_string();
        let index = PARTITIONS.iter().position(|other| *other == name).unwrap_or_default();
        let earlier = self.ledger.borrow_mut().hands.insert((number, index), process.number());
        let what = || wrong(format!("share {number} is handed {name} and has not given it back"));
        process.expect(if earlier.is_some() { Err(what()) } else { Ok(()) });
        process.note(|| format!("share {number} is handed {name}: {}", partition.held().path()));
        process.count("handed out");
        let belief = self.beliefs.hold(partition.held().path(), index);

        self.work(&partition, GUARDED[index]).await;

        // It takes its time to stop, and counts on the partition meanwhile.
        let pause = process.dice(|dice| dice.millis(0, 2_000));
        if process.phase() < Phase::Leaving {
            _ = self.client.sleep(pause).await;
        }
        drop(belief);
        self.ledger.borrow_mut().hands.remove(&(number, index));
        self.give_back(partition).await;
    }

    async fn work(&self, partition: &Partition, guarded: &str) {
        let (process, held) = (&self.process, partition.held());
        let mut known = Tenure::Held;
        while process.phase() == Phase::Trouble {
            match process.dice(|dice| dice.below(16)) {
                0 => {
                    // An operator deletes the lock's node.
                    if self.client.delete(held.path()).await.is_ok() {
                        process.count("lock deleted");
                    }
                }
                1 => self.delete_member().await,
                2 => return process.count("given back unasked"),
                _ => {
                    let token = held.fencing_token().to_string();
                    match held.transaction().set_data(guarded, token.as_bytes(), None).await {
                        Ok(_) => process.count("guarded write"),
                        Err(error) if error.is_certainly_not_applied() => process.count("guarded write refused"),
                        Err(_) => {}
                    }
                }
            }
            let tenure = held.tenure();
            match tenure {
                Tenure::InDoubt { .. } if known == Tenure::Held => process.count("in doubt"),
                Tenure::Held if known != Tenure::Held => process.count("held after all"),
                _ => {}
            }
            known = tenure;
            let limit = process.dice(|dice| dice.millis(0, 4_000));
            match self.client.timeout(limit, partition.ended()).await {
                Ok(end) => return self.heed(end),
                Err(Error::TimedOut { .. }) => {}
                Err(_) => return,
            }
        }
        let mut end = None;
        either_of(process.reached(Phase::Leaving), async { end = Some(partition.ended().await) }).await;
        if let Some(end) = end {
            self.heed(end);
        }
    }

    fn heed(&self, end: PartitionEnd) {
        self.process.count(match end {
            PartitionEnd::Reassigned => "asked for: Reassigned",
            PartitionEnd::Left => "asked for: Left",
            PartitionEnd::Lost(Loss::Presumed) => "lost: Presumed",
            PartitionEnd::Lost(Loss::SessionOver) => "lost: SessionOver",
            PartitionEnd::Lost(Loss::Removed) => "lost: Removed",
            other => return self.process.expect(Err(wrong(format!("an unknown end: {other:?}")))),
        });
    }

    async fn give_back(&self, partition: Partition) {
        let process = &self.process;
        match process.dice(|dice| dice.below(4)) {
            0 => {
                drop(partition);
                process.count("dropped");
            }
            1 => {
                let polls = process.dice(|dice| dice.below(4));
                _ = for_some_polls(partition.release(), polls).await;
            }
            _ => {
                let wish = self.wishes.make(process, format!("{} is to be released", partition.name()));
                let released = partition.release().await;
                drop(wish);
                match released {
                    Ok(()) => process.count("released"),
                    Err(error) => {
                        let what = || wrong(format!("cannot release: {error}"));
                        process.expect(if is_over(&self.client) { Ok(()) } else { Err(what()) });
                    }
                }
            }
        }
    }

    /// An operator deletes the node of some member.
    async fn delete_member(&self) {
        let parent = format!("{PATH}/members");
        let members: Vec<String> = self.process.truth(|truth| truth.children(&parent).map(str::to_string).collect());
        if !members.is_empty() {
            let member = &members[self.process.dice(|dice| dice.below(members.len()))];
            if self.client.delete(member).await.is_ok() {
                self.process.count("member deleted");
            }
        }
    }

    /// Leaves in one way or another.
    async fn leave(&self, number: u64, share: Rc<Share>) {
        let process = &self.process;
        self.ledger.borrow_mut().entries.remove(&number);
        let Ok(share) = Rc::try_unwrap(share) else { return };
        match process.dice(|dice| dice.below(4)) {
            0 => {
                drop(share);
                process.count("share dropped");
            }
            1 => {
                let polls = process.dice(|dice| dice.below(4));
                _ = for_some_polls(share.leave(), polls).await;
            }
            _ => {
                let wish = self.wishes.make(process, format!("share {number} is to be left"));
                let left = share.leave().await;
                drop(wish);
                match left {
                    Ok(()) => process.count("share left"),
                    Err(error) => {
                        let what = || wrong(format!("cannot leave: {error}"));
                        process.expect(if is_over(&self.client) { Ok(()) } else { Err(what()) });
                    }
                }
            }
        }
    }
}
