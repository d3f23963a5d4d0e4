//! Kept nodes: processes keep nodes of every kind, change their data with and without a connection, and let go of them in every way, while
//! operators delete them and write to them, and heirs take the places of processes that were killed.
//!
//! Every deletion that was ever committed has to have a reason: its session's end, its keeper's wish, an operator, or a successor in
//! the same transaction. So whoever makes his node anew when the link comes back is seen, and whoever deletes another one's.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use zk_proto::{
    SessionId, Zxid,
    client::{Builder, Client, OnExpiry},
    path,
    recipes::{Kept, KeptMode, KeptNode, KeptState, OnChange, OnForeign},
    session::WatchedEventKind,
};

use super::common::{Wishes, for_some_polls, is_over};
use super::reasons::Reasons;
use crate::sim::{Application, Change, Dice, NodeState, Phase, Process, Truth, Violation, Workload};

/// What the nodes are below of: those that go, and those that stay.
const PASSING: &str = "/kept";
const LASTING: &str = "/lasting";

/// What operators write.
const INTRUDED: &[u8] = b"intruded";

/// A place that many want.
const SHARED: &str = "/kept/shared";

/// Nodes that clients keep.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeptNodes;

impl Workload for KeptNodes {
    fn name(&self) -> &'static str {
        "kept-nodes"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Registry::default())
    }
}

const COUNTERS: &[&str] = &[
    "accepted",
    "blocked",
    "disturbed by deletion",
    "disturbed by data",
    "dropped",
    "established",
    "inherited",
    "kept at rest",
    "kept its number",
    "left",
    "made again",
    "refused",
    "removal given up",
    "removed",
    "replaced in one transaction",
    "sequential",
    "set",
    "set while away",
    "stolen",
    "waited until it was free",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A place of its own.
    Own,
    /// The place that many want.
    Shared(OnForeign),
    Sequential,
    Persistent,
}

/// A node that is kept.
struct Entry {
    process: u32,
    client: Client,
    kind: Kind,
    kept: Rc<Kept>,
    /// The path, or what it contains for a sequential node.
    path: String,
    /// The data that the process has set last.
    wanted: String,
    on_change: OnChange,
}

/// The node of a process that was killed.
struct Legacy {
    path: String,
    session: Option<SessionId>,
}

#[derive(Default)]
struct Ledger {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    reasons: Reasons,
    legacies: Vec<Legacy>,
    /// What is sequential: at most one node each.
    numbered: BTreeSet<String>,
}

#[derive(Default)]
struct Registry {
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
    /// How far the history has been looked at.
    looked_at: Zxid,
}

impl Application for Registry {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for task in 0..process.dice(|dice| dice.between(1, 3)) {
            let keeper = Keeper {
                process: process.clone(),
                client: client.clone(),
                wishes: self.wishes.clone(),
                ledger: self.ledger.clone(),
                may_share: task == 0,
            };
            process.spawn(keeper.work());
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        for change in truth.changes_since(self.looked_at) {
            if matches!(path::parent(&change.path), Some(PASSING)) {
                self.check_change(truth, change)?;
            }
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        let ledger = self.ledger.borrow();
        let mut claimed = BTreeSet::new();
        for entry in ledger.entries.values().filter(|entry| !is_over(&entry.client)) {
            claimed.extend(entry.check_at_rest(truth)?);
        }
        match truth.children(PASSING).find(|path| !claimed.contains(*path)) {
            Some(left) => Err(Violation::new("clean-up", format!("{left} is left although nobody keeps it"))),
            None => Ok(()),
        }
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
        let mut ledger = self.ledger.borrow_mut();
        let killed: Vec<u64> =
            ledger.entries.iter().filter(|(_, entry)| entry.process == process).map(|(number, _)| *number).collect();
        for number in killed {
            let Some(entry) = ledger.entries.remove(&number) else { continue };
            if entry.kind == Kind::Own {
                ledger.legacies.push(Legacy { path: entry.path, session: entry.client.session() });
            }
        }
    }
}

impl Registry {
    fn check_change(&self, truth: &Truth, change: &Change) -> Result<(), Violation> {
        let mut ledger = self.ledger.borrow_mut();
        if change.kind == WatchedEventKind::NodeCreated {
            for name in ledger.numbered.iter().filter(|name| change.path.contains(name.as_str())) {
                let all: Vec<&str> = truth.children(PASSING).filter(|path| path.contains(name.as_str())).collect();
                if all.len() > 1 {
                    return Err(Violation::new("kept", format!("there are two of one: {all:?}")));
                }
            }
        }
        ledger.reasons.check(truth, change)
    }
}

impl Entry {
    /// Checks that all is as it should be, and returns which node is this one's.
    fn check_at_rest(&self, truth: &Truth) -> Result<Option<String>, Violation> {
        let state = self.kept.state();
        let session = self.client.session().unwrap_or_default();
        let wrong = |what: &str, node: Option<&NodeState>| {
            let what =
                format!("client P{} of {session} keeps {}: {what}; {state:?}, {node:?}", self.process, self.path);
            Err(Violation::new("kept", what))
        };
        match &state {
            KeptState::Present(presence) => {
                let node = truth.node(&presence.path);
                let Some(found) = node else { return wrong("it is not there", None) };
                let owner = if self.kind == Kind::Persistent { SessionId(0) } else { session };
                if found.owner != owner || found.czxid != presence.created {
                    return wrong("it is another one", node);
                }
                let data = found.data.clone().unwrap_or_default();
                // A late write of who had the place before meets the version that it expects, and is somebody else's.
                let may_be_foreign = data == INTRUDED || matches!(self.kind, Kind::Shared(_));
                let is_accepted = self.on_change == OnChange::Accept && may_be_foreign;
                let is_wanted = data == self.wanted.as_bytes() || is_accepted;
                if !presence.is_current || data != self.kept.data() || !is_wanted {
                    return wrong(&format!("it has other data, and was to have {}", self.wanted), node);
                }
                if !presence.path.contains(&self.path) {
                    return wrong("it is somewhere else", node);
                }
                Ok(Some(presence.path.to_string()))
            }
            KeptState::Blocked { owner } if matches!(self.kind, Kind::Shared(_)) => match truth.node(&self.path) {
                Some(node) if node.owner == *owner && *owner != session => Ok(None),
                node => wrong("it waits for somebody who is not there", node),
            },
            KeptState::Failed(_) if self.kind == Kind::Shared(OnForeign::Fail) => Ok(None),
            _ => wrong("it is not at rest", truth.node(&self.path)),
        }
    }
}

/// Somebody who keeps one node after the other.
struct Keeper {
    process: Process,
    client: Client,
    wishes: Wishes,
    ledger: Rc<RefCell<Ledger>>,
    may_share: bool,
}

impl Keeper {
    async fn work(self) {
        while self.process.phase() == Phase::Trouble && !is_over(&self.client) {
            let (number, kept) = self.keep();
            let is_to_stay = self.live(number, &kept).await;
            if is_to_stay && self.process.phase() > Phase::Trouble {
                self.process.count("kept at rest");
                self.process.reached(Phase::Leaving).await;
                self.let_go(number);
                return;
            }
            self.end(number, kept).await;
            let pause = self.process.dice(|dice| dice.millis(0, 500));
            if self.client.sleep(pause).await.is_err() {
                return;
            }
        }
        self.process.reached(Phase::Leaving).await;
    }

    /// Begins to keep a node of some kind.
    fn keep(&self) -> (u64, Rc<Kept>) {
        let (process, client) = (&self.process, &self.client);
        let mut ledger = self.ledger.borrow_mut();
        if ledger.reasons.take_replaced() {
            process.count("replaced in one transaction");
        }
        ledger.next += 1;
        let number = ledger.next;
        let policies = [OnForeign::Wait, OnForeign::Wait, OnForeign::Steal, OnForeign::Fail];
        let kind = match process.dice(|dice| dice.below(8)) {
            0 | 1 if self.may_share => Kind::Shared(process.dice(|dice| dice.choose(&policies))),
            2 | 3 => Kind::Sequential,
            4 => Kind::Persistent,
            _ => Kind::Own,
        };
        let mut legacy = None;
        let path = match kind {
            Kind::Own => {
                legacy = ledger.legacies.pop();
                legacy.as_ref().map_or_else(|| format!("{PASSING}/own-{number}"), |legacy| legacy.path.clone())
            }
            Kind::Shared(_) => SHARED.to_string(),
            Kind::Sequential => format!("{PASSING}/seq-{number}-"),
            Kind::Persistent => format!("{LASTING}/{number}"),
        };
        let policy = if process.dice(|dice| dice.once_in(3)) { OnChange::Accept } else { OnChange::Restore };
        let mut plan = KeptNode::new(client, &path).expect("the path is fine").on_change(policy);
        let wanted = format!("first of {number}");
        plan = plan.data(&wanted);
        match kind {
            Kind::Own => {}
            Kind::Shared(policy) => plan = plan.on_foreign(policy),
            Kind::Sequential => {
                process.count("sequential");
                plan = plan.mode(KeptMode::EphemeralSequential);
                if process.dice(|dice| dice.once_in(2)) {
                    plan = plan.protected();
                }
            }
            Kind::Persistent => plan = plan.mode(KeptMode::Persistent),
        }
        if let Some(session) = legacy.and_then(|legacy| legacy.session) {
            process.count("inherited");
            if process.dice(|dice| dice.once_in(2)) {
                plan = plan.succeeds(session);
            }
        }
        let kept = Rc::new(plan.keep());
        process.note(|| format!("keeps {path}: {kind:?}, {policy:?}"));
        let path = if kind == Kind::Sequential { path::name(&path).to_string() } else { path };
        if kind == Kind::Sequential {
            ledger.numbered.insert(path.clone());
        }
        let (process, client) = (process.number(), client.clone());
        let entry = Entry { process, client, kind, kept: kept.clone(), path, wanted, on_change: policy };
        ledger.entries.insert(number, entry);
        (number, kept)
    }

    /// Does what keepers do. Returns whether the node may be kept for good.
    async fn live(&self, number: u64, kept: &Rc<Kept>) -> bool {
        let (process, client) = (&self.process, &self.client);
        let kind = self.ledger.borrow().entries[&number].kind;
        let mut known = KeptState::Pending;
        let (mut last, mut was_blocked) = (None, false);
        for turn in 0..process.dice(|dice| dice.between(0, 8)) {
            if process.phase() > Phase::Trouble {
                break;
            }
            match process.dice(|dice| dice.below(8)) {
                0 | 1 => {
                    let is_away = kept.presence().is_none();
                    let data = format!("{turn} of {number}");
                    kept.set_data(&data);
                    if let Some(entry) = self.ledger.borrow_mut().entries.get_mut(&number) {
                        entry.wanted = data;
                    }
                    process.count(if is_away { "set while away" } else { "set" });
                }
                2 => self.disturb().await,
                3 if kind == Kind::Own => {
                    let polls = process.dice(|dice| dice.below(12));
                    if let Some(Ok(_)) = for_some_polls(kept.established(), polls).await {
                        process.count("established");
                    }
                }
                4 => kept.retry(),
                _ => {}
            }
            let limit = process.dice(|dice| dice.millis(0, 4_000));
            let Ok(state) = client.timeout(limit, kept.changed(&known)).await else { continue };
            match &state {
                KeptState::Present(presence) => {
                    if std::mem::take(&mut was_blocked) {
                        process.count("waited until it was free");
                    }
                    match last.replace((presence.path.clone(), presence.created)) {
                        Some((path, created)) if created != presence.created => {
                            process.count("made again");
                            if kind == Kind::Sequential && path == presence.path {
                                process.count("kept its number");
                            }
                        }
                        _ => {}
                    }
                    if kind == Kind::Shared(OnForeign::Steal) {
                        process.count("stolen");
                    }
                }
                KeptState::Blocked { .. } => {
                    was_blocked = true;
                    process.count("blocked");
                }
                KeptState::Failed(error) if kind == Kind::Shared(OnForeign::Fail) => {
                    process.note(|| format!("is refused: {error}"));
                    process.count("refused");
                }
                KeptState::Failed(error) => process.note(|| format!("fails: {error}")),
                KeptState::Pending | KeptState::Ended => {}
                other => process.expect(Err(Violation::new("kept", format!("an unknown state: {other:?}")))),
            }
            let ours = format!(" of {number}");
            if !kept.data().ends_with(ours.as_bytes()) {
                process.count("accepted");
            }
            known = state;
        }
        // Two who steal from each other never come to rest.
        kind != Kind::Shared(OnForeign::Steal)
    }

    /// Does what operators do to the node of another process.
    async fn disturb(&self) {
        let others: Vec<String> = {
            let ledger = self.ledger.borrow();
            let others = ledger.entries.values().filter(|entry| entry.process != self.process.number());
            others.filter_map(|entry| Some(entry.kept.presence()?.path.to_string())).collect()
        };
        if others.is_empty() {
            return;
        }
        let index = self.process.dice(|dice| dice.below(others.len()));
        let path = &others[index];
        // A shared node may come to be this process's own meanwhile.
        if path == SHARED {
            return;
        }
        if self.process.dice(|dice| dice.once_in(2)) {
            self.ledger.borrow_mut().reasons.disturb(path);
            if self.client.delete(path).await.is_ok() {
                self.process.count("disturbed by deletion");
            }
        } else if self.client.set_data(path, INTRUDED).await.is_ok() {
            self.process.count("disturbed by data");
        }
    }

    /// Notes that a node is not to be kept any more.
    fn let_go(&self, number: u64) -> Option<(Kind, String)> {
        let mut ledger = self.ledger.borrow_mut();
        let entry = ledger.entries.remove(&number)?;
        match entry.kind {
            Kind::Sequential => ledger.reasons.leave_numbered(&entry.path, self.client.session()),
            Kind::Own | Kind::Shared(_) | Kind::Persistent => ledger.reasons.leave(&entry.path, self.client.session()),
        }
        Some((entry.kind, entry.path))
    }

    /// Lets go of a node in one way or another.
    async fn end(&self, number: u64, kept: Rc<Kept>) {
        let process = &self.process;
        let Some((kind, path)) = self.let_go(number) else { return };
        let Ok(kept) = Rc::try_unwrap(kept) else { return };
        process.note(|| format!("lets go of {path} in {:?}", kept.state()));
        match process.dice(|dice| dice.below(4)) {
            0 if kind == Kind::Persistent => {
                kept.leave();
                process.count("left");
            }
            0 => {
                let polls = process.dice(|dice| dice.below(6));
                if for_some_polls(kept.remove(), polls).await.is_none() {
                    process.count("removal given up");
                }
            }
            1 | 2 => {
                let wish = self.wishes.make(process, format!("removal of {path}"));
                let removed = kept.remove().await;
                drop(wish);
                match removed {
                    Ok(()) => {
                        process.count("removed");
                        // An operator's write may have been on its way, but nobody makes it again.
                        let is_left = |truth: &Truth| kind == Kind::Persistent && truth.node(&path).is_some();
                        let what = || Violation::new("kept", format!("{path} was removed, and is there"));
                        process.expect(if process.truth(is_left) { Err(what()) } else { Ok(()) });
                    }
                    Err(error) => {
                        let what = || Violation::new("kept", format!("removal of {path} fails: {error}"));
                        process.expect(if is_over(&self.client) { Ok(()) } else { Err(what()) });
                    }
                }
            }
            _ => {
                drop(kept);
                process.count("dropped");
            }
        }
    }
}
