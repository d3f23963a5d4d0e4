//! Semaphores: clients take leases, one or several at once, give up in every way, and lose what they hold, while operators
//! delete what they find and change how many leases there are.
//!
//! Whoever holds a lease says so to the world, which knows whose nodes are there. So whenever one is given, it can be counted whether
//! there was one to give.

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    recipes::{Lease, Loss, Maximum, Semaphore, SemaphoreError, SemaphoreLayout, Tenure},
};

use super::common::{Beliefs, Wishes, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// The node that says how many leases there are of one of them.
const COUNT: &str = "/count";

/// How many there are of that one while there is peace: enough for whatever anybody wants.
const MOST: u32 = 4;

/// A semaphore of the world.
struct Place {
    path: &'static str,
    layout: SemaphoreLayout,
    /// `None` where the [`COUNT`] says it.
    max: Option<u32>,
    /// What its nodes are below of.
    directories: [&'static str; 2],
}

const PLACES: [Place; 3] = [
    Place {
        path: "/sem/curator",
        layout: SemaphoreLayout::Curator,
        max: Some(2),
        directories: ["/sem/curator/locks", "/sem/curator/leases"],
    },
    Place {
        path: "/sem/kazoo",
        layout: SemaphoreLayout::Kazoo,
        max: Some(3),
        directories: ["/sem/kazoo-__lock__", "/sem/kazoo"],
    },
    Place {
        path: "/sem/shared",
        layout: SemaphoreLayout::Curator,
        max: None,
        directories: ["/sem/shared/locks", "/sem/shared/leases"],
    },
];

/// Semaphores whose leases clients contend for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Semaphores;

impl Workload for Semaphores {
    fn name(&self) -> &'static str {
        "semaphores"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Car::default())
    }
}

const COUNTERS: &[&str] = &[
    "got one",
    "got several",
    "got the last one",
    "tried in vain",
    "not had in time",
    "given up",
    "stayed in its session",
    "changed how many there are",
    "released",
    "dropped",
    "lost: Presumed",
    "lost: SessionOver",
    "lost: Removed",
    "guarded write",
    "guarded write refused",
];

/// A lease that somebody holds.
#[derive(Clone, Copy)]
struct Hold {
    place: usize,
    /// Up to which transaction it had not been asked for.
    asked: Zxid,
}

/// Returns how many leases are held, and how many there may be.
fn count(holds: &[Hold], place: usize, truth: &Truth) -> (u32, u32) {
    let asked: Vec<Zxid> = holds.iter().filter(|hold| hold.place == place).map(|hold| hold.asked).collect();
    let max = PLACES[place].max.unwrap_or_else(|| {
        let since = asked.iter().min().copied().unwrap_or_default();
        // Each of them was given by a number that was right at some time since then.
        let counts = truth.states(COUNT, since, truth.last());
        let bytes = counts.iter().filter_map(|state| state.and_then(|state| state.data.as_deref()));
        bytes.filter_map(|bytes| Some(u32::from_be_bytes(bytes.try_into().ok()?))).max().unwrap_or(0)
    });
    (u32::try_from(asked.len()).unwrap_or(u32::MAX), max)
}

#[derive(Default)]
struct Car {
    wishes: Wishes,
    beliefs: Beliefs<Hold>,
}

impl Application for Car {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        process.spawn(govern(process.clone(), client.clone()));
        for _ in 0..process.dice(|dice| dice.between(1, 3)) {
            let guest = Guest { process: process.clone(), client: client.clone(), beliefs: self.beliefs.clone() };
            process.spawn(guest.stay(self.wishes.clone()));
        }
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        match PLACES.iter().flat_map(|place| place.directories).find_map(|path| truth.children(path).next()) {
            Some(left) => {
                Err(Violation::new("clean-up", format!("{left} is left although nobody has or wants a lease")))
            }
            None => Ok(()),
        }
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
    }
}

/// Changes how many leases there are, and sees to it that there are enough in the end.
async fn govern(process: Process, client: Client) {
    _ = client.create(COUNT, MOST.to_be_bytes().to_vec()).await;
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let pause = process.dice(|dice| dice.millis(500, 10_000));
        if client.sleep(pause).await.is_err() {
            return;
        }
        let count = process.dice(|dice| dice.between(1, MOST as usize));
        let count = u32::try_from(count).unwrap_or(MOST);
        if client.set_data(COUNT, count.to_be_bytes().to_vec()).await.is_ok() {
            process.count("changed how many there are");
        }
    }
    process.reached(Phase::Settling).await;
    while !is_over(&client) && client.set_data(COUNT, MOST.to_be_bytes().to_vec()).await.is_err() {
        if client.create(COUNT, MOST.to_be_bytes().to_vec()).await.is_ok() {
            break;
        }
    }
    process.reached(Phase::Leaving).await;
}

struct Guest {
    process: Process,
    client: Client,
    beliefs: Beliefs<Hold>,
}

impl Guest {
    /// Takes leases until there is peace, or the client is over.
    async fn stay(self, wishes: Wishes) {
        let Self { process, client, .. } = &self;
        _ = client.create("/guarded", b"").await;
        while process.phase() == Phase::Trouble && !is_over(client) {
            let index = process.dice(|dice| dice.below(PLACES.len()));
            let place = &PLACES[index];
            let max = place.max.map_or_else(|| Maximum::Node(COUNT.into()), Maximum::Fixed);
            let mut semaphore =
                Semaphore::new(client, place.path, max).expect("the paths are fine").layout(place.layout);
            let stays = process.dice(|dice| dice.once_in(5));
            if stays {
                semaphore = semaphore.stay_in_session();
            }
            let asked = process.truth(Truth::last);
            let wish = wishes.make(process, format!("semaphore {}", place.path));
            let acquired = self.acquire(&semaphore, place.max.unwrap_or(MOST)).await;
            drop(wish);
            match acquired {
                Ok(leases) => self.hold(index, asked, leases).await,
                Err(SemaphoreError::Client(Error::SessionChanged)) if stays => process.count("stayed in its session"),
                Err(error) => self.fail("acquiring", &error),
            }
            let pause = process.dice(|dice| dice.millis(0, 500));
            if client.sleep(pause).await.is_err() {
                return;
            }
        }
        // The client stays until all are asked to leave, so that what is left of its work is seen.
        process.reached(Phase::Leaving).await;
    }

    /// Ends the world unless the client is over, or may not write at present.
    fn fail(&self, what: &str, error: &SemaphoreError) {
        self.process.note(|| format!("{what} fails: {error}"));
        let is_expected = match error {
            SemaphoreError::Client(error) => {
                matches!(error, Error::Ended { .. }) || error.code() == Some(ErrorCode::NotReadOnly)
            }
            _ => false,
        };
        if !is_expected && !is_over(&self.client) {
            self.process.expect(Err(Violation::new("semaphore", format!("{what} fails: {error}"))));
        }
    }

    /// Tries to get leases in one way or another.
    async fn acquire(&self, semaphore: &Semaphore, most: u32) -> Result<Vec<Lease>, SemaphoreError> {
        let process = &self.process;
        let count = u32::try_from(process.dice(|dice| dice.between(1, most as usize))).unwrap_or(1);
        let (name, acquired) = match process.dice(|dice| dice.below(9)) {
            0 => ("tried in vain", semaphore.try_acquire_many(count).await?),
            1 => {
                let limit = process.dice(|dice| dice.millis(1, 3_000));
                ("not had in time", semaphore.acquire_many_timeout(count, limit).await?)
            }
            2 => {
                // Dropped at any of its awaits.
                let polls = process.dice(|dice| dice.below(20));
                ("given up", for_some_polls(semaphore.acquire_many(count), polls).await.transpose()?)
            }
            3 => {
                // Meanwhile an operator deletes whatever he finds.
                let path = semaphore.path().to_owned();
                process.spawn(delete_one(process.clone(), self.client.clone(), path));
                ("", Some(semaphore.acquire_many(count).await?))
            }
            _ => ("", Some(semaphore.acquire_many(count).await?)),
        };
        match acquired {
            Some(leases) => {
                process.count(if leases.len() == 1 { "got one" } else { "got several" });
                Ok(leases)
            }
            None => {
                process.count(name);
                Ok(Vec::new())
            }
        }
    }

    /// Does what holders do, and what is done to them.
    async fn hold(&self, place: usize, asked: Zxid, mut leases: Vec<Lease>) {
        let Self { process, client, beliefs } = self;
        for lease in &leases {
            process.note(|| format!("holds {}", lease.path()));
        }
        let mut held: Vec<_> = leases.iter().map(|lease| beliefs.hold(lease.path(), Hold { place, asked })).collect();
        let (count, max) = process.truth(|truth| count(&beliefs.founded(truth), place, truth));
        if count == max {
            process.count("got the last one");
        }
        let what = || format!("{count} leases of {} are held, and there are {max}", PLACES[place].path);
        process.expect(if count <= max { Ok(()) } else { Err(Violation::new("too many", what())) });
        while let Some(lease) = leases.pop() {
            let limit = process.dice(|dice| dice.millis(0, 3_000));
            // Others wait, and are to have their turn while there is peace.
            if process.phase() == Phase::Trouble {
                match process.dice(|dice| dice.below(8)) {
                    // An operator deletes the node.
                    0 => _ = client.delete(lease.path()).await,
                    1..3 => match lease.transaction().set_data("/guarded", b"", None).await {
                        Ok(_) => process.count("guarded write"),
                        Err(error) if error.is_certainly_not_applied() => process.count("guarded write refused"),
                        Err(_) => {}
                    },
                    _ => {}
                }
                _ = client.timeout(limit, lease.lost()).await;
            }
            match lease.tenure() {
                Tenure::Lost(Loss::Presumed) => process.count("lost: Presumed"),
                Tenure::Lost(Loss::SessionOver) => process.count("lost: SessionOver"),
                Tenure::Lost(Loss::Removed) => process.count("lost: Removed"),
                Tenure::Lost(other) => {
                    process.expect(Err(Violation::new("semaphore", format!("an unknown loss: {other:?}"))));
                }
                Tenure::Held | Tenure::InDoubt { .. } => {}
            }
            held.pop();
            if process.dice(|dice| dice.once_in(2)) {
                drop(lease);
                process.count("dropped");
                continue;
            }
            match lease.release().await {
                Ok(()) => process.count("released"),
                Err(error) => self.fail("releasing", &error.into()),
            }
        }
    }
}

/// Deletes the first node of a semaphore that there is, after a while.
async fn delete_one(process: Process, client: Client, path: String) {
    let pause = process.dice(|dice| dice.millis(0, 500));
    if client.sleep(pause).await.is_err() || process.phase() > Phase::Trouble {
        return;
    }
    let Some(place) = PLACES.iter().find(|place| place.path == path) else { return };
    let found = process.truth(|truth| {
        let mut all = place.directories.iter().flat_map(|directory| truth.children(directory));
        all.next().map(str::to_owned)
    });
    if let Some(found) = found {
        process.note(|| format!("deletes {found}"));
        _ = client.delete(&found).await;
    }
}
