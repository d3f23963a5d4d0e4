//! Barriers: gates that some close and others wait at, and rooms that are entered and left together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use zk_proto::{
    SessionId, Zxid,
    client::{Builder, Client, Error, OnExpiry},
    path,
    recipes::{Barrier, DoubleBarrier, DoubleBarrierLayout, Inside},
    session::WatchedEventKind,
};

use super::common::{Wishes, for_some_polls, is_over};
use crate::sim::{Application, Change, Dice, Phase, Process, Truth, Violation, Workload};

/// Gates to wait at.
const GATES: [&str; 2] = ["/gates/a", "/gates/b"];

/// Rooms, and how many it takes to open one.
const ROOMS: [(&str, usize); 2] = [("/rooms/two", 2), ("/rooms/three", 3)];

const LAYOUTS: [DoubleBarrierLayout; 2] = [DoubleBarrierLayout::Curator, DoubleBarrierLayout::Kazoo];

/// Barriers, single and double.
#[derive(Clone, Copy, Debug, Default)]
pub struct Barriers;

impl Workload for Barriers {
    fn name(&self) -> &'static str {
        "barriers"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Doors::default())
    }
}

const COUNTERS: &[&str] = &[
    "barrier set",
    "barrier removed",
    "nothing to remove",
    "passed at once",
    "passed after waiting",
    "gave up waiting",
    "entered",
    "entered late",
    "withdrew",
    "gave up entering",
    "left",
    "left by a drop",
    "gave up leaving",
    "entered behind an earlier round",
];

/// Members of a room: since when and until when each was there.
type Members = BTreeMap<Arc<str>, (Zxid, Option<Zxid>)>;

#[derive(Default)]
struct Room {
    members: Members,
    /// When it was opened.
    openings: BTreeSet<Zxid>,
}

impl Room {
    fn present(&self, at: Zxid) -> usize {
        self.members.values().filter(|(since, until)| *since <= at && until.is_none_or(|until| at < until)).count()
    }
}

#[derive(Default)]
struct Doors {
    wishes: Wishes,
    /// How many are at each door, as far as the processes know.
    at_door: Rc<RefCell<BTreeMap<(&'static str, u32), usize>>>,
    rooms: Rc<RefCell<[Room; ROOMS.len()]>>,
    looked_at: Zxid,
}

impl Application for Doors {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        process.spawn(tend(process.clone(), client.clone()));
        process.spawn(wait_at_gates(process.clone(), client.clone(), self.wishes.clone()));
        for index in 0..ROOMS.len() {
            let visitor = Visitor {
                process: process.clone(),
                client: client.clone(),
                wishes: self.wishes.clone(),
                at_door: self.at_door.clone(),
                rooms: self.rooms.clone(),
                index,
            };
            process.spawn(visitor.come_and_go());
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let mut rooms = self.rooms.borrow_mut();
        for change in truth.changes_since(self.looked_at) {
            let (parent, name) = (path::parent(&change.path).unwrap_or_default(), path::name(&change.path));
            let Some(index) = ROOMS.iter().position(|(room, _)| *room == parent) else { continue };
            let room = &mut rooms[index];
            match (name, change.kind) {
                ("ready", WatchedEventKind::NodeCreated) => {
                    room.openings.insert(change.zxid);
                }
                ("ready", _) => {}
                (_, WatchedEventKind::NodeCreated) => {
                    room.members.insert(change.path.clone(), (change.zxid, None));
                }
                (_, WatchedEventKind::NodeDeleted) => {
                    if let Some((_, until)) = room.members.get_mut(&change.path) {
                        *until = Some(change.zxid);
                    }
                }
                _ => {}
            }
        }
        for (room, (path, wanted)) in rooms.iter().zip(ROOMS) {
            for opening in room.openings.range(self.looked_at..).filter(|opening| **opening > self.looked_at) {
                let present = room.present(*opening);
                if present < wanted {
                    return Err(Violation::new("barrier", format!("{path} is opened for {present} of {wanted}")));
                }
            }
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        for (room, wanted) in ROOMS {
            let members = truth.children(room).filter(|path| !path.ends_with("/ready")).count();
            let waiting: usize =
                self.at_door.borrow().iter().filter(|((at, _), _)| *at == room).map(|(_, count)| count).sum();
            if members != waiting {
                let what = format!("{room} has {members} members although {waiting} wait");
                return Err(Violation::new("clean-up", what));
            }
            if waiting >= wanted {
                return Err(Violation::new("liveness", format!("{waiting} wait at {room} for {wanted}")));
            }
        }
        Ok(())
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
        self.at_door.borrow_mut().retain(|(_, other), _| *other != process);
    }
}

/// Sets and removes gates, and startles those who wait there.
async fn tend(process: Process, client: Client) {
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let path = process.dice(|dice| dice.choose(&GATES));
        let mut gate = Barrier::new(&client, path).expect("the path is fine");
        if process.dice(|dice| dice.once_in(4)) {
            gate = gate.ephemeral();
        }
        match process.dice(|dice| dice.below(8)) {
            0..=2 => {
                if expect(&process, &client, gate.set().await).is_some() {
                    process.count("barrier set");
                }
            }
            3..=4 => remove(&process, &client, &gate).await,
            5 => {
                let polls = process.dice(|dice| dice.below(6));
                _ = for_some_polls(gate.set(), polls).await;
            }
            _ => _ = client.set_data(path, b"boo").await,
        }
        let pause = process.dice(|dice| dice.millis(0, 1_500));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
    // Those who wait are to pass in the end. What was set and given up may come a little later.
    for _ in 0..4 {
        for path in GATES {
            remove(&process, &client, &Barrier::new(&client, path).expect("the path is fine")).await;
        }
        if client.sleep(Duration::from_millis(500)).await.is_err() {
            return;
        }
    }
    process.reached(Phase::Leaving).await;
}

async fn remove(process: &Process, client: &Client, gate: &Barrier) {
    let (began, session) = (process.truth(Truth::last), client.session());
    match expect(process, client, gate.remove().await) {
        Some(true) => process.count("barrier removed"),
        Some(false) => process.count("nothing to remove"),
        None => return,
    }
    let removed = process.truth(|truth| {
        let is_own = |zxid| truth.deed(zxid).map(|deed| deed.session) == session;
        let is_removal = |change: &&Change| {
            &*change.path == gate.path() && change.kind == WatchedEventKind::NodeDeleted && is_own(change.zxid)
        };
        truth.changes_since(began).iter().filter(is_removal).count()
    });
    // The other work of this process does not remove gates. An ephemeral one goes with its session, but that is over then.
    if removed > 1 && client.session() == session {
        let what = format!("{} was removed {removed} times by one call", gate.path());
        process.expect(Err(Violation::new("barrier", what)));
    }
}

/// Notes an error that nobody could expect.
fn expect<T>(process: &Process, client: &Client, result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(done) => Some(done),
        Err(error) => {
            let is_expected = matches!(error, Error::Ended { .. }) || is_over(client);
            let what = || format!("it fails: {error}");
            process.expect(if is_expected { Ok(()) } else { Err(Violation::new("barrier", what())) });
            None
        }
    }
}

async fn wait_at_gates(process: Process, client: Client, wishes: Wishes) {
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let path = process.dice(|dice| dice.choose(&GATES));
        let gate = Barrier::new(&client, path).expect("the path is fine");
        let began = process.truth(Truth::last);
        let wish = wishes.make(&process, format!("to pass {path}"));
        let polls = process.dice(|dice| if dice.once_in(6) { dice.below(10) } else { usize::MAX });
        let passed = for_some_polls(gate.wait(), polls).await;
        drop(wish);
        let Some(passed) = passed else {
            process.count("gave up waiting");
            continue;
        };
        if expect(&process, &client, passed).is_none() {
            return;
        }
        let states = process.truth(|truth| {
            let states = truth.states(path, began, truth.last());
            (states.len(), states.iter().any(Option::is_none))
        });
        match states {
            (1, true) => process.count("passed at once"),
            (_, true) => process.count("passed after waiting"),
            (_, false) => {
                let what = format!("{path} was passed although it was closed all the time");
                process.expect(Err(Violation::new("barrier", what)));
            }
        }
        let pause = process.dice(|dice| dice.millis(0, 500));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Who enters and leaves a room, one time after the other.
struct Visitor {
    process: Process,
    client: Client,
    wishes: Wishes,
    at_door: Rc<RefCell<BTreeMap<(&'static str, u32), usize>>>,
    rooms: Rc<RefCell<[Room; ROOMS.len()]>>,
    index: usize,
}

/// Somebody at a door, until it is dropped.
struct AtDoor<'a>(&'a Visitor);

impl<'a> AtDoor<'a> {
    fn new(visitor: &'a Visitor) -> Self {
        *visitor.at_door.borrow_mut().entry(visitor.door()).or_default() += 1;
        Self(visitor)
    }
}

impl Drop for AtDoor<'_> {
    fn drop(&mut self) {
        self.0.at_door.borrow_mut().remove(&self.0.door());
    }
}

impl Visitor {
    fn path(&self) -> &'static str {
        ROOMS[self.index].0
    }

    fn door(&self) -> (&'static str, u32) {
        (self.path(), self.process.number())
    }

    async fn come_and_go(self) {
        let Self { process, client, .. } = &self;
        while process.phase() == Phase::Trouble && !is_over(client) {
            let (path, wanted) = ROOMS[self.index];
            let layout = process.dice(|dice| dice.choose(&LAYOUTS));
            let barrier = DoubleBarrier::new(client, path, wanted).expect("the path is fine").layout(layout);
            if let Some(inside) = self.enter(&barrier).await {
                if process.dice(|dice| dice.once_in(20)) {
                    // An operator deletes the node.
                    _ = client.delete(&format!("{path}/{}", inside.name())).await;
                }
                let pause = process.dice(|dice| dice.millis(0, 600));
                _ = client.sleep(pause).await;
                self.leave(inside).await;
            }
            let pause = process.dice(|dice| dice.millis(0, 600));
            if client.sleep(pause).await.is_err() {
                return;
            }
        }
        process.reached(Phase::Leaving).await;
    }

    async fn enter(&self, barrier: &DoubleBarrier) -> Option<Inside> {
        let Self { process, client, .. } = self;
        let (began, session) = (process.truth(Truth::last), client.session());
        let at_door = AtDoor::new(self);
        let entered = match process.dice(|dice| dice.below(6)) {
            0 => {
                let polls = process.dice(|dice| dice.below(12));
                let entered = or_leaving(process, for_some_polls(barrier.enter(), polls)).await?;
                if entered.is_none() {
                    process.count("gave up entering");
                }
                entered?.map(Some)
            }
            1..=3 => {
                let limit = process.dice(|dice| dice.millis(1, 2_500));
                barrier.enter_timeout(limit).await
            }
            // Where too few come, it is waited for until the end.
            _ => or_leaving(process, barrier.enter()).await?.map(Some),
        };
        drop(at_door);
        match expect(process, client, entered)? {
            Some(inside) => {
                process.expect(self.has_entered(&inside, began));
                Some(inside)
            }
            None => {
                process.count("withdrew");
                // With the session, the node goes, counted or not.
                let is_alive = |session: &SessionId| {
                    process.truth(|truth| truth.session(*session).is_some_and(|life| life.ended.is_none()))
                };
                if let Some(session) = session.filter(is_alive) {
                    process.expect(self.has_withdrawn(session, began));
                }
                None
            }
        }
    }

    /// Looks whether the room was open, for the member's own round or one that went on, while it was being entered.
    fn has_entered(&self, inside: &Inside, began: Zxid) -> Result<(), Violation> {
        let Self { process, .. } = self;
        let (path, ready) = (self.path(), format!("{}/ready", self.path()));
        let own = format!("{path}/{}", inside.name());
        let rooms = self.rooms.borrow();
        let room = &rooms[self.index];
        let created = room.members.get(own.as_str()).map(|(since, _)| *since);
        let (is_own_round, is_late) = process.truth(|truth| {
            let opened_at = |zxid| truth.node_at(&ready, zxid).map(|ready| ready.czxid);
            let moments: Vec<Zxid> =
                [began].into_iter().chain(truth.changes_since(began).iter().map(|change| change.zxid)).collect();
            let is_own = moments.iter().any(|at| opened_at(*at).is_some_and(|opened| created < Some(opened)));
            let is_late = moments.iter().any(|at| {
                let is_older = |opened: Zxid, (since, until): &(Zxid, Option<Zxid>)| {
                    *since < opened && until.is_none_or(|until| *at < until)
                };
                opened_at(*at).is_some_and(|opened| room.members.values().any(|member| is_older(opened, member)))
            });
            (is_own, is_late)
        });
        match (created, is_own_round, is_late) {
            (Some(_), true, _) => process.count("entered"),
            (Some(_), false, true) => process.count("entered late"),
            (Some(_), false, false) | (None, ..) => {
                return Err(Violation::new("barrier", format!("{own} has entered an empty room before its time")));
            }
        }
        let was_open = process.truth(|truth| truth.node_at(&ready, began).is_some());
        if was_open && is_own_round {
            process.count("entered behind an earlier round");
        }
        Ok(())
    }

    /// Looks whether the room was not opened while the member who has withdrawn was there.
    fn has_withdrawn(&self, session: SessionId, began: Zxid) -> Result<(), Violation> {
        let rooms = self.rooms.borrow();
        let room = &rooms[self.index];
        let is_own = |at: Zxid, path: &str| {
            self.process.truth(|truth| truth.node_at(path, at).is_some_and(|node| node.owner == session))
        };
        for (path, (since, until)) in &room.members {
            if *since <= began || !is_own(*since, path) {
                continue;
            }
            let counted = room.openings.range(*since..).find(|opening| until.is_none_or(|until| **opening < until));
            if let Some(opening) = counted {
                let what = format!("{path} has withdrawn although it was there when the room was opened by {opening}");
                return Err(Violation::new("barrier", what));
            }
        }
        Ok(())
    }

    async fn leave(&self, inside: Inside) {
        let Self { process, client, .. } = self;
        let wish = self.wishes.make(process, format!("to leave {}", self.path()));
        match process.dice(|dice| dice.below(6)) {
            0 => {
                drop(inside);
                process.count("left by a drop");
            }
            1 => {
                let polls = process.dice(|dice| dice.below(12));
                if for_some_polls(inside.leave(), polls).await.is_none() {
                    process.count("gave up leaving");
                }
            }
            _ => {
                let own = format!("{}/{}", self.path(), inside.name());
                if expect(process, client, inside.leave().await).is_some() {
                    process.count("left");
                    let is_here = process.truth(|truth| truth.node(&own).is_some());
                    let what = || format!("{own} has left and is still there");
                    process.expect(if is_here { Err(Violation::new("barrier", what())) } else { Ok(()) });
                }
            }
        }
        drop(wish);
    }
}

/// Drops a future when the world comes to its end.
async fn or_leaving<T>(process: &Process, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut leaving) = (pin!(future), pin!(process.reached(Phase::Leaving)));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        leaving.as_mut().poll(cx).map(|()| None)
    })
    .await
}
