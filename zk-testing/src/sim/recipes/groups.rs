//! Groups: processes join and leave groups of every layout, with ids of their own and ids that others have too, and everybody watches
//! everybody.
//!
//! What the events have told, and what the views show, is held against what was committed; and no member may ever be seen missing without
//! a reason.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    path,
    recipes::{Group, GroupEvent, GroupLayout, KeptState, Member, Members, Membership},
};

use super::common::{Wishes, for_some_polls, is_over};
use super::reasons::Reasons;
use crate::sim::{Application, Dice, NodeState, Phase, Process, Truth, Violation, Workload};

/// The groups, and how their members are named.
const GROUPS: [(&str, GroupLayout); 3] = [
    ("/groups/curator", GroupLayout::Curator),
    ("/groups/party", GroupLayout::KazooParty),
    ("/groups/shallow", GroupLayout::KazooShallowParty),
];

/// An id that many have.
const COMMON_ID: &str = "common";

/// Groups that clients join.
#[derive(Clone, Copy, Debug, Default)]
pub struct Groups;

impl Workload for Groups {
    fn name(&self) -> &'static str {
        "groups"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Societies::default())
    }
}

const COUNTERS: &[&str] = &[
    "conflict",
    "disturbed",
    "dropped",
    "event: Joined",
    "event: Left",
    "event: Rejoined",
    "event: Stale",
    "event: Synced",
    "event: Updated",
    "joined",
    "left",
    "member at rest",
    "payload set",
    "refused to join twice",
    "shown at once",
];

/// A membership that lasts.
struct Entry {
    process: u32,
    client: Client,
    group: usize,
    membership: Rc<Membership>,
    payload: Bytes,
}

/// Somebody who watches a group.
struct Observer {
    process: u32,
    client: Client,
    group: usize,
    members: Members,
    /// What the events have told.
    told: BTreeMap<String, Member>,
    is_synced: bool,
}

#[derive(Default)]
struct Ledger {
    entries: BTreeMap<u64, Entry>,
    observers: BTreeMap<u64, Observer>,
    next: u64,
    reasons: Reasons,
}

impl Ledger {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[derive(Default)]
struct Societies {
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
    /// How far the history has been looked at.
    looked_at: Zxid,
}

impl Application for Societies {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        let group = process.dice(|dice| dice.below(GROUPS.len()));
        let (path, layout) = GROUPS[group];
        let citizen = Rc::new(Citizen {
            group: Group::new(&client, path).expect("the path is fine").layout(layout),
            number: group,
            process: process.clone(),
            client,
            wishes: self.wishes.clone(),
            ledger: self.ledger.clone(),
        });
        process.spawn(citizen.clone().watch());
        for _ in 0..process.dice(|dice| dice.between(1, 3)) {
            process.spawn(citizen.clone().live());
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        for change in truth.changes_since(self.looked_at) {
            if path::parent(&change.path).is_some_and(|parent| GROUPS.iter().any(|(path, _)| *path == parent)) {
                self.ledger.borrow_mut().reasons.check(truth, change)?;
            }
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        let ledger = self.ledger.borrow();
        let living = || ledger.entries.values().filter(|entry| !is_over(&entry.client));
        living().try_for_each(|entry| entry.check_at_rest(truth))?;
        for (group, (path, _)) in GROUPS.iter().enumerate() {
            let wanted = living().filter(|entry| entry.group == group && entry.is_present()).count();
            let there = truth.children(path).count();
            if wanted != there {
                let what = format!("{path} has {there} members, and {wanted} processes want to be one");
                return Err(Violation::new("group", what));
            }
        }
        let watching = ledger.observers.values().filter(|observer| !is_over(&observer.client));
        watching.into_iter().try_for_each(|observer| observer.check_at_rest(truth))
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
        let mut ledger = self.ledger.borrow_mut();
        ledger.entries.retain(|_, entry| entry.process != process);
        ledger.observers.retain(|_, observer| observer.process != process);
    }
}

impl Entry {
    fn is_present(&self) -> bool {
        matches!(self.membership.state(), KeptState::Present(_))
    }

    fn check_at_rest(&self, truth: &Truth) -> Result<(), Violation> {
        let state = self.membership.state();
        let session = self.client.session().unwrap_or_default();
        let found = match &state {
            KeptState::Present(presence) => {
                let node = truth.node(&presence.path);
                presence.is_current
                    && node.is_some_and(|node| node.owner == session && node.data.as_ref() == Some(&self.payload))
            }
            KeptState::Blocked { owner } => *owner != session && self.membership.id() == COMMON_ID,
            _ => false,
        };
        if found {
            return Ok(());
        }
        let (id, payload) = (self.membership.id(), &self.payload);
        let what = format!("client P{} of {session} is {id} with {payload:?}: {state:?}", self.process);
        Err(Violation::new("group", what))
    }
}

impl Observer {
    fn check_at_rest(&self, truth: &Truth) -> Result<(), Violation> {
        let (path, layout) = GROUPS[self.group];
        let is_same = |member: &Member, name: &str, node: &NodeState| {
            let data = node.data.clone().unwrap_or_default();
            let id_and_payload = match layout {
                GroupLayout::Curator => (name.to_string(), data),
                GroupLayout::KazooParty => (String::from_utf8_lossy(&data).into_owned(), Bytes::new()),
                _ => (name.split_once('-').map(|(_, id)| id.to_string()).unwrap_or_default(), data),
            };
            id_and_payload == (member.id.clone(), member.payload.clone())
                && (member.joined, member.updated) == (Some(node.czxid), Some(node.mzxid))
        };
        let wrong =
            |what: String| Err(Violation::new("group", format!("client P{} watches {path}: {what}", self.process)));
        let view = self.members.snapshot();
        if view.is_stale() || !self.is_synced {
            return wrong("it is not up to date at rest".to_string());
        }
        let seen: BTreeMap<String, Member> =
            view.iter().map(|member| (member.name.to_string(), member.clone())).collect();
        for (source, members) in [("the view", &seen), ("what the events have told", &self.told)] {
            let there = truth.children(path).count();
            let is_right = |(name, member): (&String, &Member)| {
                truth.node(&format!("{path}/{name}")).is_some_and(|node| is_same(member, name, node))
            };
            if members.len() != there || !members.iter().all(is_right) {
                let there: Vec<&str> = truth.children(path).collect();
                return wrong(format!("{source} is {members:?}, and there are {there:?}"));
            }
        }
        Ok(())
    }
}

/// A process with its group.
struct Citizen {
    process: Process,
    client: Client,
    group: Group,
    number: usize,
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
}

impl Citizen {
    /// Listens to all events, and holds them against the grammar.
    async fn watch(self: Rc<Self>) {
        let Ok(members) = self.group.members() else { return };
        let mut events = members.events();
        let number = self.ledger.borrow_mut().number();
        let observer = Observer {
            process: self.process.number(),
            client: self.client.clone(),
            group: self.number,
            members,
            told: BTreeMap::new(),
            is_synced: false,
        };
        self.ledger.borrow_mut().observers.insert(number, observer);
        let listening = async {
            while let Some(event) = events.next().await {
                let mut ledger = self.ledger.borrow_mut();
                let Some(observer) = ledger.observers.get_mut(&number) else { return };
                let text = format!("{event:?}");
                let (name, was_there) = match event {
                    GroupEvent::Joined(member) => {
                        ("event: Joined", observer.told.insert(member.name.to_string(), member).is_none())
                    }
                    GroupEvent::Updated(member) => {
                        ("event: Updated", observer.told.insert(member.name.to_string(), member).is_some())
                    }
                    GroupEvent::Rejoined(member) => {
                        ("event: Rejoined", observer.told.insert(member.name.to_string(), member).is_some())
                    }
                    GroupEvent::Left(member) => ("event: Left", observer.told.remove(&*member.name).is_some()),
                    GroupEvent::Synced => ("event: Synced", !std::mem::replace(&mut observer.is_synced, true)),
                    GroupEvent::Stale => ("event: Stale", std::mem::replace(&mut observer.is_synced, false)),
                    _ => ("event: Joined", false),
                };
                self.process.count(name);
                let what = || Violation::new("group", format!("out of turn: {text}"));
                self.process.expect(if was_there { Ok(()) } else { Err(what()) });
            }
        };
        super::common::either_of(self.process.reached(Phase::Leaving), listening).await;
        self.process.reached(Phase::Leaving).await;
        self.ledger.borrow_mut().observers.remove(&number);
    }

    /// Is a member now and then.
    async fn live(self: Rc<Self>) {
        while self.process.phase() == Phase::Trouble && !is_over(&self.client) {
            if let Some((number, membership)) = self.join() {
                self.belong(number, &membership).await;
                if self.process.phase() > Phase::Trouble {
                    self.process.count("member at rest");
                    self.process.reached(Phase::Leaving).await;
                    self.let_go(number, &membership);
                    return;
                }
                self.leave(number, membership).await;
            }
            let pause = self.process.dice(|dice| dice.millis(0, 700));
            if self.client.sleep(pause).await.is_err() {
                return;
            }
        }
        self.process.reached(Phase::Leaving).await;
    }

    fn join(&self) -> Option<(u64, Rc<Membership>)> {
        let process = &self.process;
        let number = self.ledger.borrow_mut().number();
        let id = if process.dice(|dice| dice.once_in(3)) { COMMON_ID.to_string() } else { format!("member-{number}") };
        let is_taken = {
            let ledger = self.ledger.borrow();
            let mut entries = ledger.entries.values();
            entries.any(|entry| entry.process == process.number() && entry.membership.id() == id)
        };
        let payload = format!("first of {number}");
        let joined = self.group.join(&id, &payload);
        let is_unique = GROUPS[self.number].1 == GroupLayout::Curator;
        match joined {
            Ok(membership) => {
                let what = || Violation::new("group", format!("{id} has joined twice"));
                process.expect(if is_taken && is_unique { Err(what()) } else { Ok(()) });
                process.note(|| format!("joins {} as {id}", self.group.path()));
                process.count("joined");
                let membership = Rc::new(membership);
                let mut ledger = self.ledger.borrow_mut();
                if let Some(observer) = ledger.observers.values().find(|one| one.process == process.number()) {
                    let is_shown = observer.members.snapshot().by_id(&id).next().is_some();
                    // A client that is over knows nothing.
                    if is_shown {
                        process.count("shown at once");
                    } else if !is_over(&self.client) {
                        let what = format!("{id} has joined and is not shown: {:?}", membership.state());
                        process.expect(Err(Violation::new("group", what)));
                    }
                }
                let entry = Entry {
                    process: process.number(),
                    client: self.client.clone(),
                    group: self.number,
                    membership: membership.clone(),
                    payload: self.data(&id, &payload),
                };
                ledger.entries.insert(number, entry);
                Some((number, membership))
            }
            Err(Error::Server(ErrorCode::NodeExists)) if is_unique => {
                process.count("refused to join twice");
                None
            }
            Err(error) => {
                process.expect(Err(Violation::new("group", format!("{id} cannot join: {error}"))));
                None
            }
        }
    }

    /// Returns what the node of a member has.
    fn data(&self, id: &str, payload: &str) -> Bytes {
        let is_party = GROUPS[self.number].1 == GroupLayout::KazooParty;
        Bytes::from(if is_party { id.to_string() } else { payload.to_string() })
    }

    /// Does what members do, and what is done to them.
    async fn belong(&self, number: u64, membership: &Membership) {
        let process = &self.process;
        for turn in 0..process.dice(|dice| dice.between(0, 8)) {
            if process.phase() > Phase::Trouble {
                return;
            }
            match process.dice(|dice| dice.below(6)) {
                0 | 1 => {
                    let payload = format!("{turn} of {number}");
                    membership.set_payload(&payload);
                    if let Some(entry) = self.ledger.borrow_mut().entries.get_mut(&number) {
                        entry.payload = self.data(membership.id(), &payload);
                    }
                    process.count("payload set");
                }
                2 => self.disturb().await,
                _ => {}
            }
            if matches!(membership.state(), KeptState::Blocked { .. }) {
                process.count("conflict");
            }
            let pause = process.dice(|dice| dice.millis(0, 4_000));
            if self.client.sleep(pause).await.is_err() {
                return;
            }
        }
    }

    /// Does what operators do to a member of another process.
    async fn disturb(&self) {
        let others: Vec<String> = {
            let ledger = self.ledger.borrow();
            let others = ledger.entries.values().filter(|entry| entry.process != self.process.number());
            let path = |entry: &Entry| match entry.membership.state() {
                KeptState::Present(presence) if entry.membership.id() != COMMON_ID => Some(presence.path.to_string()),
                _ => None,
            };
            others.filter_map(path).collect()
        };
        if others.is_empty() {
            return;
        }
        let path = &others[self.process.dice(|dice| dice.below(others.len()))];
        self.ledger.borrow_mut().reasons.disturb(path);
        if self.client.delete(path).await.is_ok() {
            self.process.count("disturbed");
        }
    }

    /// Notes that a membership is not wanted any more.
    fn let_go(&self, number: u64, membership: &Membership) {
        let mut ledger = self.ledger.borrow_mut();
        ledger.entries.remove(&number);
        let path = format!("{}/{}", self.group.path(), membership.name());
        ledger.reasons.leave(&path, self.client.session());
    }

    /// Leaves in one way or another.
    async fn leave(&self, number: u64, membership: Rc<Membership>) {
        self.let_go(number, &membership);
        let Ok(membership) = Rc::try_unwrap(membership) else { return };
        let id = membership.id().to_string();
        match self.process.dice(|dice| dice.below(4)) {
            0 => {
                drop(membership);
                self.process.count("dropped");
            }
            1 => {
                let polls = self.process.dice(|dice| dice.below(6));
                _ = for_some_polls(membership.leave(), polls).await;
            }
            _ => {
                let wish = self.wishes.make(&self.process, format!("{id} wants to leave"));
                let left = membership.leave().await;
                drop(wish);
                match left {
                    Ok(()) => self.process.count("left"),
                    Err(error) => {
                        let what = || Violation::new("group", format!("{id} cannot leave: {error}"));
                        self.process.expect(if is_over(&self.client) { Ok(()) } else { Err(what()) });
                    }
                }
            }
        }
    }
}
