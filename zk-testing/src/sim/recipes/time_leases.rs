//! Leases by the clock on the wall: clients whose clocks differ obtain, renew and give up, and leave it to others when their time is up.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    recipes::{Leased, TimeLease},
};

use super::common::{Wishes, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

const LEASES: [&str; 2] = ["/leases/a", "/leases/b"];

/// How far a clock may be ahead of the world's, or behind.
const SKEW: Duration = Duration::from_secs(2);

/// When worlds begin, on the wall: an hour past midnight, so that no clock shows the day before.
const BEGIN: Duration = MIDNIGHT.saturating_add(Duration::from_secs(3_600));

const MIDNIGHT: Duration = Duration::from_secs(11_574 * 86_400);

/// Leases that end at a time of day.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeLeases;

impl Workload for TimeLeases {
    fn name(&self) -> &'static str {
        "time-leases"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Calendar::default())
    }
}

const COUNTERS: &[&str] = &[
    "obtained",
    "obtained while another holder's clock says that it is his",
    "renewed",
    "held by somebody else",
    "given up",
    "not given up: it was not ours",
    "dropped",
    "taken over when its time was up",
    "taken over before that, by a clock that is ahead",
    "obtained at rest",
];

#[derive(Default)]
struct Calendar {
    wishes: Wishes,
    beliefs: Beliefs,
    time: Time,
    /// What is to be counted.
    seen: Rc<RefCell<Vec<&'static str>>>,
    /// How far the leases have been looked at.
    looked_at: Zxid,
}

/// The world's time on the wall, or a moment before. Cheap to clone, and sendable as the clocks of leases must be.
#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn set(&self, process: &Process) {
        self.0.store(process.now().as_nanos(), Ordering::Relaxed);
    }

    fn get(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + BEGIN + Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// A process's clock on the wall.
#[derive(Clone)]
struct Clock {
    time: Time,
    /// How far it is ahead of one that is as far behind as may be.
    ahead: Duration,
}

impl Clock {
    fn get(&self) -> SystemTime {
        self.time.get() + self.ahead - SKEW
    }
}

/// What processes have been told, by lease and process. Cheap to clone.
#[derive(Clone, Default)]
struct Beliefs(Rc<RefCell<BTreeMap<(&'static str, u32), Belief>>>);

/// That a lease is one's own.
struct Belief {
    until: SystemTime,
    clock: Clock,
}

impl Application for Calendar {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        process.spawn(tick(process.clone(), client.clone(), self.time.clone(), self.seen.clone()));
        let ahead = process.dice(|dice| dice.duration(Duration::ZERO, 2 * SKEW));
        let clock = Clock { time: self.time.clone(), ahead };
        for path in LEASES {
            let holder = Holder {
                process: process.clone(),
                client: client.clone(),
                clock: clock.clone(),
                path,
                beliefs: self.beliefs.clone(),
                wishes: self.wishes.clone(),
            };
            process.spawn(holder.work());
            process.spawn(delete_places(process.clone(), client.clone(), path));
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        for change in truth.changes_since(self.looked_at) {
            let Some(path) = change.path.strip_suffix("/lease_holder") else { continue };
            let record = |zxid| truth.node_at(&change.path, zxid).and_then(|node| record(node.data.as_ref()?));
            let (Some((before, end)), Some((after, _))) = (record(Zxid(change.zxid.0 - 1)), record(change.zxid)) else {
                continue;
            };
            if before == after {
                continue;
            }
            let now = self.time.get();
            if end > now + SKEW {
                let what = format!("{after} takes {path} at {now:?}, which {before} has until {end:?}");
                return Err(Violation::new("time-leases", what));
            }
            self.seen.borrow_mut().push(if end <= now {
                "taken over when its time was up"
            } else {
                "taken over before that, by a clock that is ahead"
            });
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        let mut places = LEASES.into_iter().flat_map(|lease| truth.children(lease));
        match places.find(|path| !path.ends_with("/lease_holder")) {
            Some(left) => Err(Violation::new("clean-up", format!("{left} is left although nobody obtains the lease"))),
            None => Ok(()),
        }
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
        self.beliefs.0.borrow_mut().retain(|(_, holder), _| *holder != process);
    }
}

/// Lets the time pass, and counts what was seen.
async fn tick(process: Process, client: Client, time: Time, seen: Rc<RefCell<Vec<&'static str>>>) {
    while process.phase() < Phase::Leaving {
        time.set(&process);
        seen.take().into_iter().for_each(|name| process.count(name));
        if client.sleep(Duration::from_millis(200)).await.is_err() {
            return;
        }
    }
}

/// Reads who has a lease, and until when.
fn record(data: &[u8]) -> Option<(String, SystemTime)> {
    let text = std::str::from_utf8(data).ok()?;
    let field = |name: &str| Some(text.split_once(&format!("\"{name}\": \""))?.1.split_once('"')?.0);
    let time = field("end")?.split_once('T')?.1;
    let since_midnight = time.split(':').try_fold(0, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?))?;
    Some((field("holder")?.to_owned(), SystemTime::UNIX_EPOCH + MIDNIGHT + Duration::from_secs(since_midnight)))
}

/// One who wants a lease again and again.
struct Holder {
    process: Process,
    client: Client,
    clock: Clock,
    path: &'static str,
    beliefs: Beliefs,
    wishes: Wishes,
}

impl Holder {
    async fn work(self) {
        let (process, client) = (&self.process, &self.client);
        let (name, clock) = (format!("P{}", process.number()), self.clock.clone());
        let lease = TimeLease::new(client, self.path, &name, move || clock.get()).expect("the path is fine");
        while process.phase() == Phase::Trouble && !is_over(client) {
            let wish = self.wishes.make(process, format!("what becomes of {}", self.path));
            match process.dice(|dice| dice.below(6)) {
                0 => {
                    self.doubt();
                    match lease.give_up().await {
                        Ok(true) => process.count("given up"),
                        Ok(false) => process.count("not given up: it was not ours"),
                        Err(error) => self.fail("giving up", &error),
                    }
                }
                1 => {
                    self.doubt();
                    let polls = process.dice(|dice| dice.below(20));
                    if for_some_polls(lease.try_obtain(Duration::from_secs(1)), polls).await.is_none() {
                        process.count("dropped");
                    }
                }
                _ => _ = self.obtain(&lease).await,
            }
            drop(wish);
            let pause = process.dice(|dice| dice.millis(0, 3_000));
            if client.sleep(pause).await.is_err() {
                return;
            }
        }
        self.settle(&lease).await;
        // The client stays until all are asked to leave, so that what is left of its work is seen.
        process.reached(Phase::Leaving).await;
    }

    /// Asks until it obtains the lease, for a moment: when nobody gives up in time, when his time is up.
    async fn settle(&self, lease: &TimeLease) {
        let _wish = self.wishes.make(&self.process, format!("{} in the end", self.path));
        while !is_over(&self.client) {
            if self.obtain(lease).await {
                self.process.count("obtained at rest");
                self.doubt();
                if let Err(error) = lease.give_up().await {
                    self.fail("giving up", &error);
                }
                return;
            }
            if self.client.sleep(Duration::from_secs(1)).await.is_err() {
                return;
            }
        }
    }

    async fn obtain(&self, lease: &TimeLease) -> bool {
        let duration = self.process.dice(|dice| dice.millis(0, 8_000));
        self.clock.time.set(&self.process);
        let key = (self.path, self.process.number());
        // Whoever asks for less has less from some time on, perhaps before he is told.
        let is_less =
            self.beliefs.0.borrow().get(&key).is_some_and(|belief| self.clock.get() + duration < belief.until);
        if is_less {
            self.doubt();
        }
        match lease.try_obtain(duration).await {
            Ok(Leased::Obtained { until }) => {
                self.process.expect(self.judge(until));
                let was_ours =
                    self.beliefs.0.borrow_mut().insert(key, Belief { until, clock: self.clock.clone() }).is_some();
                self.process.count(if was_ours { "renewed" } else { "obtained" });
                true
            }
            Ok(Leased::Held { .. }) => {
                self.doubt();
                self.process.count("held by somebody else");
                false
            }
            Ok(other) => {
                self.process.expect(Err(Violation::new("time-leases", format!("{}: {other:?}", self.path))));
                false
            }
            Err(error) => {
                self.doubt();
                self.fail("obtaining", &error);
                false
            }
        }
    }

    /// Looks whether others have it still, by more than clocks may differ: whoever has taken it from them, this one or one who has given
    /// it up since, saw their time up by his clock.
    fn judge(&self, ours: SystemTime) -> Result<(), Violation> {
        if ours <= self.clock.time.get() + SKEW {
            // By the time that this was told, others may have it again.
            return Ok(());
        }
        for ((path, holder), Belief { until, clock }) in &*self.beliefs.0.borrow() {
            if *path != self.path || *holder == self.process.number() {
                continue;
            }
            let now = self.clock.time.get();
            if *until > now + SKEW {
                let what = format!("{path} is had at {now:?}, and by P{holder} until {until:?}");
                return Err(Violation::new("time-leases", what));
            }
            if *until > clock.get() {
                self.process.count("obtained while another holder's clock says that it is his");
            }
        }
        Ok(())
    }

    /// Does not count on the lease any more.
    fn doubt(&self) {
        self.beliefs.0.borrow_mut().remove(&(self.path, self.process.number()));
    }

    /// Ends the world unless the client is over, or may not write at present.
    fn fail(&self, what: &str, error: &Error) {
        let is_expected = matches!(error, Error::Ended { .. }) || error.code() == Some(ErrorCode::NotReadOnly);
        if !is_expected && !is_over(&self.client) {
            self.process.expect(Err(Violation::new("time-leases", format!("{what} fails: {error}"))));
        }
    }
}

/// Deletes places in the line for the lock under which the lease is written, as an operator might.
async fn delete_places(process: Process, client: Client, path: &'static str) {
    while process.phase() == Phase::Trouble {
        let pause = process.dice(|dice| dice.millis(0, 10_000));
        if client.sleep(pause).await.is_err() || process.phase() > Phase::Trouble {
            return;
        }
        let is_place = |child: &&str| !child.ends_with("/lease_holder");
        if let Some(found) = process.truth(|truth| truth.children(path).find(is_place).map(str::to_owned)) {
            process.note(|| format!("deletes {found}"));
            _ = client.delete(&found).await;
        }
    }
}
