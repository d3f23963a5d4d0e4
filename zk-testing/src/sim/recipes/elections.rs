//! Elections: clients stand for a few of them, lead, and do what leaders do; others look on; operators meddle.
//!
//! A leader writes its fencing token to a node that the election guards, in a transaction of its term: the tokens in that node never go
//! back. When there is peace, whoever stands goes on standing, so that at rest each election has one leader, the first in line, and
//! everybody who looks on sees it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use zk_proto::{
    Zxid,
    client::{Builder, Client, OnExpiry},
    code::ErrorCode,
    recipes::{
        Candidacy, ElectionLayout, EpochError, LeaderLatch, LeaderObserver, Leadership, LeadershipLoss, Led,
        Observation, Observed, OnSuspend, Term,
    },
    session::State,
};

use super::common::{for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// An election, the node that its leader writes to, and the one that counts its terms.
#[derive(Clone, Copy)]
struct Election {
    path: &'static str,
    guarded: &'static str,
    epoch: &'static str,
    layouts: [ElectionLayout; 2],
}

const ELECTIONS: [Election; 2] = [
    Election {
        path: "/elections/a",
        guarded: "/guarded-a",
        epoch: "/epoch-a",
        layouts: [ElectionLayout::Curator, ElectionLayout::Curator],
    },
    Election {
        path: "/elections/b",
        guarded: "/guarded-b",
        epoch: "/epochs/b",
        layouts: [ElectionLayout::CuratorSelector, ElectionLayout::Kazoo],
    },
];

const POLICIES: [OnSuspend; 4] =
    [OnSuspend::GiveUpNow, OnSuspend::GiveUpNow, OnSuspend::UntilPresumedLost, OnSuspend::UntilExpired];

/// Longer than it takes to tell somebody of what the client knows already.
const A_MOMENT: Duration = Duration::from_millis(20);

/// Elections that clients stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elections;

impl Workload for Elections {
    fn name(&self) -> &'static str {
        "elections"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Republic::default())
    }
}

const COUNTERS: &[&str] = &[
    "leads",
    "leads again in the same term",
    "leads without a link",
    "lost: Suspended",
    "lost: Presumed",
    "lost: SessionOver",
    "lost: Removed",
    "lost: GivenUp",
    "refused",
    "over",
    "withdrawn",
    "withdrawn at once",
    "led to the end of the work",
    "work cut short",
    "work given up",
    "guarded write",
    "guarded write refused",
    "epoch",
    "epoch refused",
    "proclaimed",
    "participants",
    "observed a leader",
    "observed nobody",
];

/// Who takes part when there is peace.
#[derive(Clone, Default)]
struct Citizens(Rc<RefCell<Vec<Citizen>>>);

struct Citizen {
    process: u32,
    election: usize,
    role: Role,
}

enum Role {
    Participant(Rc<Candidacy>),
    Observer(Rc<Observation>),
}

impl Citizens {
    fn add(&self, process: &Process, election: usize, role: Role) {
        self.0.borrow_mut().push(Citizen { process: process.number(), election, role });
    }

    fn remove(&self, process: u32) {
        let (gone, left): (Vec<_>, Vec<_>) = self.0.take().into_iter().partition(|citizen| citizen.process == process);
        self.0.replace(left);
        // Outside of the borrow: whoever goes may have much to do.
        drop(gone);
    }
}

#[derive(Default)]
struct Republic {
    citizens: Citizens,
    /// How far the guarded nodes have been looked at.
    looked_at: Zxid,
    tokens: [u64; ELECTIONS.len()],
    epochs: [(u64, u64); ELECTIONS.len()],
}

impl Application for Republic {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        match process.dice(|dice| dice.below(6)) {
            0 => builder.on_expiry(OnExpiry::End),
            1 => builder.read_only(),
            _ => builder,
        }
    }

    fn start(&mut self, process: Process, client: Client) {
        for _ in 0..process.dice(|dice| dice.between(1, 3)) {
            let (process, client, citizens) = (process.clone(), client.clone(), self.citizens.clone());
            if process.dice(|dice| dice.once_in(4)) {
                process.clone().spawn(look_on(process, client, citizens));
            } else {
                process.clone().spawn(take_part(process, client, citizens));
            }
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        for change in truth.changes_since(self.looked_at) {
            let numbers = || -> Option<(u64, u64)> {
                let data = truth.node_at(&change.path, change.zxid)?.data.as_ref()?;
                let mut numbers = std::str::from_utf8(data).ok()?.split(' ').map(|number| number.parse().ok());
                Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
            };
            if let Some(index) = ELECTIONS.iter().position(|election| election.guarded == &*change.path) {
                let Some((token, _)) = numbers() else { continue };
                if token < self.tokens[index] {
                    let what = format!("leader {token} writes {} after leader {}", change.path, self.tokens[index]);
                    return Err(Violation::new("fencing", what));
                }
                self.tokens[index] = token;
            } else if let Some(index) = ELECTIONS.iter().position(|election| election.epoch == &*change.path) {
                let (epoch, token) = numbers().unwrap_or_default();
                let (last, before) = self.epochs[index];
                if epoch != last + 1 || token <= before {
                    let what = format!("epoch {epoch} of {token} follows epoch {last} of {before}");
                    return Err(Violation::new("epoch", what));
                }
                self.epochs[index] = (epoch, token);
            }
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        for (index, election) in ELECTIONS.iter().enumerate() {
            let wrong = |what: String| Err(Violation::new("election", format!("{}: {what}", election.path)));
            let mut line: Vec<(Zxid, &str)> = Vec::new();
            line.extend(truth.children(election.path).filter_map(|path| Some((truth.node(path)?.czxid, path))));
            line.sort_unstable();
            let first = line.first().map(|(_, path)| *path);
            let (mut standing, mut leading) = (0, Vec::new());
            for citizen in self.citizens.0.borrow().iter().filter(|citizen| citizen.election == index) {
                match &citizen.role {
                    Role::Participant(candidacy) => match candidacy.leadership() {
                        Leadership::Over => {}
                        Leadership::Leading(term) => {
                            standing += 1;
                            leading.push((citizen.process, term.path().to_owned()));
                        }
                        Leadership::Refused(error) => {
                            return wrong(format!("P{} is refused: {error}", citizen.process));
                        }
                        _ => standing += 1,
                    },
                    Role::Observer(observation) => match observation.now() {
                        Observed::Over => {}
                        Observed::Leader(leader) if Some(leader.path.as_str()) == first => {
                            let data = truth.node(&leader.path).and_then(|node| node.data.clone());
                            if data.as_ref() != Some(&leader.data) {
                                return wrong(format!("P{} sees {leader:?}, the data are {data:?}", citizen.process));
                            }
                        }
                        Observed::Nobody if first.is_none() => {}
                        seen => return wrong(format!("P{} sees {seen:?}, the first is {first:?}", citizen.process)),
                    },
                }
            }
            if line.len() != standing {
                return wrong(format!("{standing} stand, and the nodes are {line:?}"));
            }
            match (&leading[..], first) {
                ([], None) => {}
                ([(_, path)], Some(first)) if path == first => {}
                _ => return wrong(format!("the first is {first:?}, and these lead: {leading:?}")),
            }
        }
        Ok(())
    }

    fn killed(&mut self, process: u32) {
        self.citizens.remove(process);
    }
}

/// Looks on until all are asked to leave.
async fn look_on(process: Process, client: Client, citizens: Citizens) {
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let index = process.dice(|dice| dice.below(ELECTIONS.len()));
        let observation = observe(&process, &client, index);
        let mut known = observation.now();
        for _ in 0..process.dice(|dice| dice.between(1, 8)) {
            let limit = process.dice(|dice| dice.millis(0, 4_000));
            if let Ok(now) = client.timeout(limit, observation.changed(&known)).await {
                match &now {
                    Observed::Leader(_) => process.count("observed a leader"),
                    Observed::Nobody => process.count("observed nobody"),
                    _ => {}
                }
                known = now;
            }
        }
    }
    for index in 0..ELECTIONS.len() {
        citizens.add(&process, index, Role::Observer(Rc::new(observe(&process, &client, index))));
    }
    drop(client);
    process.reached(Phase::Leaving).await;
    citizens.remove(process.number());
}

fn observe(process: &Process, client: &Client, index: usize) -> Observation {
    let Election { path, layouts, .. } = ELECTIONS[index];
    let layout = process.dice(|dice| dice.choose(&layouts));
    LeaderObserver::new(client, path).expect("the path is fine").layout(layout).observe()
}

/// Stands in one election after the other until there is peace, and then in one until all are asked to leave.
async fn take_part(process: Process, client: Client, citizens: Citizens) {
    for election in ELECTIONS {
        _ = client.create(election.guarded, b"").await;
    }
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let participant = Participant::new(&process, &client);
        let candidacy = participant.latch.stand();
        match process.dice(|dice| dice.below(6)) {
            0 => {
                // Withdrawn at any moment, that of the create included.
                let polls = process.dice(|dice| dice.below(12));
                let limit = process.dice(|dice| dice.millis(1, 3_000));
                let led = for_some_polls(candidacy.lead(|_| async {}), polls);
                if let Ok(None) = client.timeout(limit, led).await {
                    process.count("withdrawn at once");
                }
            }
            1 | 2 => participant.lead(&candidacy).await,
            _ => participant.follow(&candidacy).await,
        }
        if process.phase() > Phase::Trouble {
            break;
        }
        drop(candidacy);
        process.count("withdrawn");
        let pause = process.dice(|dice| dice.millis(0, 500));
        if client.sleep(pause).await.is_err() {
            break;
        }
    }
    let last = Participant::new(&process, &client);
    citizens.add(&process, last.index, Role::Participant(Rc::new(last.latch.stand())));
    drop(last);
    drop(client);
    process.reached(Phase::Leaving).await;
    citizens.remove(process.number());
}

/// Somebody who stands in an election.
struct Participant<'a> {
    process: &'a Process,
    client: &'a Client,
    index: usize,
    on_suspend: OnSuspend,
    latch: LeaderLatch,
}

impl<'a> Participant<'a> {
    fn new(process: &'a Process, client: &'a Client) -> Self {
        let index = process.dice(|dice| dice.below(ELECTIONS.len()));
        let Election { path, layouts, .. } = ELECTIONS[index];
        let layout = process.dice(|dice| dice.choose(&layouts));
        let on_suspend = process.dice(|dice| dice.choose(&POLICIES));
        let latch = LeaderLatch::new(client, path).expect("the path is fine").layout(layout);
        let latch = latch.on_suspend(on_suspend).data(format!("P{}", process.number()).as_bytes());
        Self { process, client, index, on_suspend, latch }
    }

    /// Listens to what it is told for a while, and acts as a leader.
    async fn follow(&self, candidacy: &Candidacy) {
        let mut known = candidacy.leadership();
        let mut newest = None;
        for _ in 0..self.process.dice(|dice| dice.between(1, 12)) {
            if self.process.phase() > Phase::Trouble {
                return;
            }
            let limit = self.process.dice(|dice| dice.millis(0, 6_000));
            if let Ok(now) = self.client.timeout(limit, candidacy.changed(&known)).await {
                self.hear(&known, &now, &mut newest);
                known = now;
            }
            self.expect_policy(candidacy).await;
            match &known {
                Leadership::Leading(term) => self.act(candidacy, term).await,
                Leadership::Over => return,
                _ => {}
            }
        }
    }

    /// Checks that gaining and losing take turns, and that tokens grow.
    fn hear(&self, known: &Leadership, now: &Leadership, newest: &mut Option<Term>) {
        let wrong = |what: &str| {
            let what = format!("{what}: {known:?}, then {now:?}");
            self.process.expect(Err(Violation::new("alternation", what)));
        };
        match now {
            Leadership::Leading(term) => {
                if known.is_leading() {
                    wrong("gains what it has");
                }
                match newest.replace(term.clone()) {
                    Some(before) if before == *term => self.process.count("leads again in the same term"),
                    Some(before) if before.fencing_token() >= term.fencing_token() => wrong("the token does not grow"),
                    Some(_) | None => self.process.count("leads"),
                }
                let created = self.process.truth(|truth| truth.node(term.path()).map(|node| node.czxid));
                if created.is_some_and(|created| u64::try_from(created.0) != Ok(term.fencing_token().0)) {
                    wrong("the token is not that of the node");
                }
            }
            Leadership::Lost(token, loss) => {
                if newest.as_ref().is_some_and(|term| *token < term.fencing_token()) {
                    wrong("loses an old term");
                }
                self.process.count(match loss {
                    LeadershipLoss::Suspended => "lost: Suspended",
                    LeadershipLoss::Presumed => "lost: Presumed",
                    LeadershipLoss::SessionOver => "lost: SessionOver",
                    LeadershipLoss::Removed => "lost: Removed",
                    LeadershipLoss::GivenUp => "lost: GivenUp",
                    _ => return wrong("an unknown loss"),
                });
            }
            Leadership::Refused(error) if error.code() == Some(ErrorCode::NotReadOnly) => {
                self.process.count("refused");
            }
            Leadership::Refused(_) => wrong("is refused"),
            Leadership::Over => self.process.count("over"),
            _ => {}
        }
    }

    /// Checks that it does not lead for longer than was agreed when there is no link, once it had a moment to hear of that.
    async fn expect_policy(&self, candidacy: &Candidacy) {
        let state = self.client.state();
        let is_connected = matches!(state, State::Connected { read_only: false, .. });
        if is_connected || !candidacy.is_leading() {
            return;
        }
        let is_late = self.client.valid_until().is_none_or(|until| until < self.client.last_seen());
        let may_lead = match self.on_suspend {
            OnSuspend::UntilPresumedLost => !is_late,
            OnSuspend::UntilExpired => true,
            _ => false,
        };
        if self.client.sleep(A_MOMENT).await.is_err() || self.client.state() != state || !candidacy.is_leading() {
            return;
        }
        self.process.count("leads without a link");
        if !may_lead {
            let what = format!("leads while the session is {state:?}, by {:?}", self.on_suspend);
            self.process.expect(Err(Violation::new("policy", what)));
        }
    }

    /// Does something that leaders do, or that is done to them.
    async fn act(&self, candidacy: &Candidacy, term: &Term) {
        let Self { process, client, .. } = self;
        let election = &ELECTIONS[self.index];
        match process.dice(|dice| dice.below(14)) {
            0 => _ = client.delete(term.path()).await,
            1 => wipe(client, election.path).await,
            2 => {
                // Somebody else's node: who waits for that one is to go on waiting.
                if let Ok(all) = candidacy.participants().await {
                    process.count("participants");
                    let other = process.dice(|dice| dice.below(all.len().max(1)));
                    if let Some(other) = all.get(other) {
                        _ = client.set_data(&other.path, b"meddled with").await;
                    }
                }
            }
            3 | 4 => candidacy.relinquish(term),
            5 => {
                if candidacy.proclaim(term, b"proclaimed").await.is_ok() {
                    process.count("proclaimed");
                }
            }
            6 | 7 => match candidacy.epoch(term, election.epoch).await {
                Ok(_) => process.count("epoch"),
                Err(EpochError::Client(error)) if error.is_certainly_not_applied() => process.count("epoch refused"),
                Err(EpochError::Client(_)) => {}
                Err(error) => process.expect(Err(Violation::new("epoch", error.to_string()))),
            },
            _ => {
                let token = term.fencing_token().to_string();
                match candidacy.transaction(term).set_data(election.guarded, token.as_bytes(), None).await {
                    Ok(_) => process.count("guarded write"),
                    Err(error) if error.is_certainly_not_applied() => process.count("guarded write refused"),
                    Err(_) => {}
                }
            }
        }
    }

    /// Leads for a piece of work at a time.
    async fn lead(&self, candidacy: &Candidacy) {
        for _ in 0..self.process.dice(|dice| dice.between(1, 4)) {
            let (length, limit) = self.process.dice(|dice| (dice.millis(0, 3_000), dice.millis(1, 9_000)));
            let work = async |term: Term| {
                self.act(candidacy, &term).await;
                _ = self.client.sleep(length).await;
            };
            match self.client.timeout(limit, candidacy.lead(work)).await {
                Ok(Ok(Led::Done(()))) => self.process.count("led to the end of the work"),
                Ok(Ok(Led::Lost(_))) => self.process.count("work cut short"),
                Ok(Err(_)) if is_over(self.client) => return,
                Ok(Err(error)) if error.code() == Some(ErrorCode::NotReadOnly) => return,
                Ok(Err(error)) => self.process.expect(Err(Violation::new("election", error.to_string()))),
                Err(_) => self.process.count("work given up"),
            }
            if self.process.phase() > Phase::Trouble {
                return;
            }
        }
    }
}

/// Deletes an election with all who stand.
async fn wipe(client: &Client, path: &str) {
    let Ok((names, _)) = client.get_children(path).await else { return };
    let nodes: Vec<String> = names.iter().map(|name| format!("{path}/{name}")).collect();
    let wipe = nodes.iter().fold(client.multi(), |wipe, node| wipe.delete(node, None));
    _ = wipe.delete(path, None).await;
}
