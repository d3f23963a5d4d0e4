//! Services: instances of every type register, change and go; directories follow them, and providers pick.
//!
//! What the directories have is held against what was committed, and what is registered in the end is what was set last. No instance may be
//! seen missing without a reason, and a sequential one is there once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use zk_proto::{
    Zxid,
    client::{Builder, Client, OnExpiry},
    path,
    recipes::{
        KeptState,
        discovery::{Discovery, ServiceDirectory, ServiceInstance, ServiceRegistration, ServiceType, Strategy},
    },
    session::WatchedEventKind,
};

use super::common::{Wishes, for_some_polls, is_over};
use super::reasons::Reasons;
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

const BASE: &str = "/services";
const SERVICES: [&str; 2] = ["search", "store"];

/// What no client of any language has written.
const GARBAGE: &str = "garbage";

/// Services that clients register and find.
#[derive(Clone, Copy, Debug, Default)]
pub struct Services;

impl Workload for Services {
    fn name(&self) -> &'static str {
        "discovery"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Market::default())
    }
}

const COUNTERS: &[&str] = &[
    "disturbed",
    "dropped",
    "garbage seen",
    "nothing picked",
    "picked",
    "picked without a connection",
    "registered at rest",
    "type Dynamic",
    "type DynamicSequential",
    "type Permanent",
    "unregistered",
    "updated",
    "updated while away",
];

/// A registration that lasts.
struct Entry {
    process: u32,
    client: Client,
    service: &'static str,
    registration: Rc<ServiceRegistration>,
    wanted: ServiceInstance,
}

#[derive(Default)]
struct Ledger {
    entries: BTreeMap<u64, Entry>,
    directories: Vec<(u32, Client, &'static str, ServiceDirectory)>,
    next: u64,
    reasons: Reasons,
    /// Ids of sequential instances: each is there once.
    numbered: BTreeSet<String>,
}

#[derive(Default)]
struct Market {
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
    /// How far the history has been looked at.
    looked_at: Zxid,
}

impl Application for Market {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        let trader = Rc::new(Trader {
            discovery: Discovery::new(&client, BASE).expect("the path is fine"),
            process: process.clone(),
            client,
            wishes: self.wishes.clone(),
            ledger: self.ledger.clone(),
        });
        process.spawn(trader.clone().buy());
        for _ in 0..process.dice(|dice| dice.between(1, 3)) {
            process.spawn(trader.clone().sell());
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let mut ledger = self.ledger.borrow_mut();
        for change in truth.changes_since(self.looked_at) {
            let Some(parent) = path::parent(&change.path).filter(|parent| path::parent(parent) == Some(BASE)) else {
                continue;
            };
            if path::name(&change.path) == GARBAGE {
                continue;
            }
            if change.kind == WatchedEventKind::NodeCreated {
                for id in ledger.numbered.iter().filter(|id| change.path.contains(id.as_str())) {
                    let all: Vec<&str> = truth.children(parent).filter(|path| path.contains(id.as_str())).collect();
                    if all.len() > 1 {
                        return Err(Violation::new("discovery", format!("there are two of one: {all:?}")));
                    }
                }
            }
            ledger.reasons.check(truth, change)?;
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        let ledger = self.ledger.borrow();
        let mut wanted = BTreeSet::new();
        for entry in ledger.entries.values().filter(|entry| !is_over(&entry.client)) {
            wanted.insert(entry.check_at_rest(truth)?);
        }
        for service in SERVICES {
            let path = format!("{BASE}/{service}");
            let is_passing = |path: &&str| truth.node(path).is_some_and(|node| node.owner.0 != 0);
            if let Some(left) = truth.children(&path).filter(is_passing).find(|path| !wanted.contains(*path)) {
                return Err(Violation::new("clean-up", format!("{left} is left although nobody has registered it")));
            }
        }
        let following = ledger.directories.iter().filter(|(_, client, ..)| !is_over(client));
        following.into_iter().try_for_each(|(process, _, service, directory)| {
            check_directory(truth, &format!("{BASE}/{service}"), directory)
                .map_err(|what| Violation::new("discovery", format!("client P{process} follows {service}: {what}")))
        })
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
        let mut ledger = self.ledger.borrow_mut();
        ledger.entries.retain(|_, entry| entry.process != process);
        ledger.directories.retain(|(other, ..)| *other != process);
    }
}

impl Entry {
    /// Checks that what is registered is what was set last, and returns where.
    fn check_at_rest(&self, truth: &Truth) -> Result<String, Violation> {
        let state = self.registration.state();
        let session = self.client.session().unwrap_or_default();
        let is_dynamic = matches!(self.wanted.service_type, ServiceType::Dynamic | ServiceType::DynamicSequential);
        if let KeptState::Present(presence) = &state {
            if let Some(node) = truth.node(&presence.path) {
                let data = node.data.clone().unwrap_or_default();
                let is_same = ServiceInstance::from_json(&data).is_ok_and(|found| found == self.wanted);
                let is_own = !is_dynamic || node.owner == session;
                if is_same && is_own && presence.created == node.czxid {
                    return Ok(presence.path.to_string());
                }
            }
        }
        let what = format!("client P{} of {session} offers {:?}: {state:?}", self.process, self.wanted);
        Err(Violation::new("discovery", what))
    }
}

/// Holds what a directory has against what there is.
fn check_directory(truth: &Truth, path: &str, directory: &ServiceDirectory) -> Result<(), String> {
    let view = directory.snapshot();
    if view.is_stale() {
        return Err("it is not up to date at rest".to_string());
    }
    let mut count = 0;
    for found in view.iter() {
        let node =
            truth.node(&format!("{path}/{}", found.node)).ok_or_else(|| format!("{} is not there", found.node))?;
        let data = node.data.clone().unwrap_or_default();
        let is_same = ServiceInstance::from_json(&data).is_ok_and(|there| there == found.instance);
        if !is_same || found.created != node.czxid {
            return Err(format!("{found:?} is {node:?}"));
        }
        count += 1;
    }
    for (path, error) in view.unreadable() {
        let data = truth.node(path).map(|node| node.data.clone().unwrap_or_default());
        if data.as_ref().and_then(|data| ServiceInstance::from_json(data).err()).as_ref() != Some(error) {
            return Err(format!("{path} is said to be wrong: {error}, and is {data:?}"));
        }
    }
    let there: Vec<&str> = truth.children(path).collect();
    if count + view.unreadable().len() != there.len() {
        return Err(format!("it has {count} instances and {:?}, and there are {there:?}", view.unreadable()));
    }
    Ok(())
}

/// A process that offers and uses services.
struct Trader {
    process: Process,
    client: Client,
    discovery: Discovery,
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
}

impl Trader {
    /// Picks instances now and then.
    async fn buy(self: Rc<Self>) {
        let process = &self.process;
        let service = process.dice(|dice| dice.choose(&SERVICES));
        let directory = self.discovery.directory(service).expect("the name is fine");
        let entry = (process.number(), self.client.clone(), service, directory.clone());
        self.ledger.borrow_mut().directories.push(entry);
        let strategies = [
            Strategy::Random,
            Strategy::RoundRobin,
            Strategy::Sticky,
            Strategy::Weighted(|instance| u32::from(instance.port.unwrap_or(1))),
            Strategy::RendezvousHash,
        ];
        let provider = directory.provider(process.dice(|dice| dice.choose(&strategies)));
        while process.phase() == Phase::Trouble && !is_over(&self.client) {
            let view = directory.snapshot();
            if !view.unreadable().is_empty() {
                process.count("garbage seen");
            }
            let usable = view.iter().filter(|instance| instance.enabled).count();
            match provider.pick_for("key") {
                Some(picked) => {
                    process.count(if view.is_stale() { "picked without a connection" } else { "picked" });
                    let what = || Violation::new("discovery", format!("{picked:?} is disabled"));
                    process.expect(if picked.enabled { Ok(()) } else { Err(what()) });
                    if process.dice(|dice| dice.once_in(3)) {
                        provider.note_error(&picked);
                    }
                }
                None => {
                    process.count("nothing picked");
                    let what = || Violation::new("discovery", format!("none of {usable} is picked of {view:?}"));
                    process.expect(if usable == 0 { Ok(()) } else { Err(what()) });
                }
            }
            if process.dice(|dice| dice.once_in(10)) {
                let garbage = format!("{BASE}/{service}/{GARBAGE}");
                if self.client.create(&garbage, b"{").await.is_err() {
                    _ = self.client.delete(&garbage).await;
                }
            }
            let pause = process.dice(|dice| dice.millis(10, 1_500));
            if self.client.sleep(pause).await.is_err() {
                break;
            }
        }
        self.process.reached(Phase::Leaving).await;
        self.ledger.borrow_mut().directories.retain(|(other, ..)| *other != self.process.number());
    }

    /// Offers one instance after the other.
    async fn sell(self: Rc<Self>) {
        while self.process.phase() == Phase::Trouble && !is_over(&self.client) {
            let (number, registration) = self.register();
            self.offer(number, &registration).await;
            if self.process.phase() > Phase::Trouble {
                self.process.count("registered at rest");
                self.process.reached(Phase::Leaving).await;
                self.let_go(number);
                return;
            }
            self.unregister(number, registration).await;
            let pause = self.process.dice(|dice| dice.millis(0, 700));
            if self.client.sleep(pause).await.is_err() {
                return;
            }
        }
        self.process.reached(Phase::Leaving).await;
    }

    fn register(&self) -> (u64, Rc<ServiceRegistration>) {
        let process = &self.process;
        let mut ledger = self.ledger.borrow_mut();
        ledger.next += 1;
        let number = ledger.next;
        let service = process.dice(|dice| dice.choose(&SERVICES));
        let (service_type, name) = match process.dice(|dice| dice.below(4)) {
            0 => (ServiceType::DynamicSequential, "type DynamicSequential"),
            1 => (ServiceType::Permanent, "type Permanent"),
            _ => (ServiceType::Dynamic, "type Dynamic"),
        };
        let id = format!("instance-{number}-");
        let instance = ServiceInstance::new(service, &id).port(process.dice(|dice| dice.between(1, 9)) as u16);
        let instance = instance.service_type(service_type.clone());
        process.count(name);
        process.note(|| format!("registers {id} of {service} as {service_type:?}"));
        let registration = Rc::new(self.discovery.register(&instance).expect("the names are fine"));
        if service_type == ServiceType::DynamicSequential {
            ledger.numbered.insert(id);
        }
        let entry = Entry {
            process: process.number(),
            client: self.client.clone(),
            service,
            registration: registration.clone(),
            wanted: instance,
        };
        ledger.entries.insert(number, entry);
        (number, registration)
    }

    /// Does what instances do, and what is done to them.
    async fn offer(&self, number: u64, registration: &ServiceRegistration) {
        let process = &self.process;
        for turn in 0..process.dice(|dice| dice.between(0, 8)) {
            if process.phase() > Phase::Trouble {
                return;
            }
            match process.dice(|dice| dice.below(6)) {
                0 | 1 => {
                    let is_away = !matches!(registration.state(), KeptState::Present(_));
                    let is_enabled = process.dice(|dice| dice.once_in(2));
                    let change = |instance: &mut ServiceInstance| {
                        instance.payload = Some(turn.into());
                        instance.enabled = is_enabled;
                    };
                    registration.update(change);
                    if let Some(entry) = self.ledger.borrow_mut().entries.get_mut(&number) {
                        change(&mut entry.wanted);
                    }
                    process.count(if is_away { "updated while away" } else { "updated" });
                }
                2 => self.disturb().await,
                _ => {}
            }
            let pause = process.dice(|dice| dice.millis(0, 4_000));
            if self.client.sleep(pause).await.is_err() {
                return;
            }
        }
    }

    /// Does what operators do to an instance of another process.
    async fn disturb(&self) {
        let others: Vec<String> = {
            let ledger = self.ledger.borrow();
            let others = ledger.entries.values().filter(|entry| entry.process != self.process.number());
            let path = |entry: &Entry| match entry.registration.state() {
                KeptState::Present(presence) => Some(presence.path.to_string()),
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

    /// Notes that an instance is not to be registered any more.
    fn let_go(&self, number: u64) -> Option<Entry> {
        let mut ledger = self.ledger.borrow_mut();
        let entry = ledger.entries.remove(&number)?;
        let session = self.client.session();
        match entry.wanted.service_type {
            ServiceType::DynamicSequential => ledger.reasons.leave_numbered(&entry.wanted.id, session),
            _ => ledger.reasons.leave(&format!("{BASE}/{}/{}", entry.service, entry.wanted.id), session),
        }
        Some(entry)
    }

    async fn unregister(&self, number: u64, registration: Rc<ServiceRegistration>) {
        let process = &self.process;
        let Some(Entry { wanted, service, .. }) = self.let_go(number) else { return };
        let Ok(registration) = Rc::try_unwrap(registration) else { return };
        let id = &wanted.id;
        let is_lasting = wanted.service_type == ServiceType::Permanent;
        match process.dice(|dice| dice.below(4)) {
            // What is permanent would stay for ever, and nobody would know whose it is.
            0 if !is_lasting => {
                drop(registration);
                process.count("dropped");
            }
            1 if !is_lasting => {
                let polls = process.dice(|dice| dice.below(6));
                _ = for_some_polls(registration.unregister(), polls).await;
            }
            _ => {
                let wish = self.wishes.make(process, format!("{id} is to be unregistered"));
                let unregistered = registration.unregister().await;
                drop(wish);
                match unregistered {
                    Ok(()) => {
                        process.count("unregistered");
                        let path = format!("{BASE}/{service}/{id}");
                        let is_left = process.truth(|truth| truth.node(&path).is_some());
                        let what = || Violation::new("discovery", format!("{id} was unregistered, and is there"));
                        process.expect(if is_left { Err(what()) } else { Ok(()) });
                    }
                    Err(error) => {
                        let what = || Violation::new("discovery", format!("{id} cannot be unregistered: {error}"));
                        process.expect(if is_over(&self.client) { Ok(()) } else { Err(what()) });
                    }
                }
            }
        }
    }
}
