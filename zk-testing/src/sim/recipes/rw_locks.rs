//! Readers and writers: clients read and write under a lock, go on as readers after writing, give up in every way, and lose what
//! they hold.
//!
//! Whoever holds a lock says so to the world, which knows whose nodes are there. So at every moment it can be seen whether a writer
//! is alone. Besides, writers note their fencing tokens in a node that the lock guards, also when they have gone on as readers:
//! there they never go back.

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    recipes::{Held, HeldWrite, Loss, RwLock, RwLockLayout, Tenure},
};

use super::common::{Beliefs, Wishes, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// The locks, and what each guards.
const LOCKS: [(&str, &str); 2] = [("/rw/a", "/guarded-a"), ("/rw/b", "/guarded-b")];

const LAYOUTS: [RwLockLayout; 2] = [RwLockLayout::Curator, RwLockLayout::Kazoo];

/// Readers-writer locks that clients contend for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RwLocks;

impl Workload for RwLocks {
    fn name(&self) -> &'static str {
        "rw-locks"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Library::default())
    }
}

const COUNTERS: &[&str] = &[
    "reads",
    "writes",
    "several read at once",
    "tried in vain",
    "not had in time",
    "given up",
    "stayed in its session",
    "went on as reader",
    "could not go on as reader",
    "gave up going on as reader",
    "released",
    "dropped",
    "lost: Presumed",
    "lost: SessionOver",
    "lost: Removed",
    "guarded write",
    "guarded write refused",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Intent {
    Read,
    Write,
}

/// A lock that somebody holds.
#[derive(Clone, Copy)]
struct Hold {
    lock: usize,
    intent: Intent,
}

/// Returns how many hold a lock, and how many of them write.
fn count(holds: &[Hold], lock: usize) -> (usize, usize) {
    let of_lock = || holds.iter().filter(|hold| hold.lock == lock);
    (of_lock().count(), of_lock().filter(|hold| hold.intent == Intent::Write).count())
}

#[derive(Default)]
struct Library {
    wishes: Wishes,
    beliefs: Beliefs<Hold>,
    /// How far the guarded nodes have been looked at.
    looked_at: Zxid,
    tokens: [u64; LOCKS.len()],
}

impl Application for Library {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for _ in 0..process.dice(|dice| dice.between(1, 4)) {
            let visit = Visitor { process: process.clone(), client: client.clone(), beliefs: self.beliefs.clone() }
                .visit(self.wishes.clone());
            process.spawn(visit);
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let holds = self.beliefs.founded(truth);
        for (lock, (path, _)) in LOCKS.iter().enumerate() {
            let (all, writers) = count(&holds, lock);
            if writers > 0 && all > 1 {
                return Err(Violation::new("exclusion", format!("{all} hold {path}, {writers} of them for writing")));
            }
        }
        for change in truth.changes_since(self.looked_at) {
            let Some(lock) = LOCKS.iter().position(|(_, guarded)| *guarded == &*change.path) else { continue };
            let state = truth.node_at(&change.path, change.zxid);
            let data = state.and_then(|state| state.data.as_ref()).filter(|data| !data.is_empty());
            let Some(token) = data.and_then(|data| std::str::from_utf8(data).ok()?.parse::<u64>().ok()) else {
                continue;
            };
            if token < self.tokens[lock] {
                let what = format!("holder {token} writes {} after holder {}", change.path, self.tokens[lock]);
                return Err(Violation::new("fencing", what));
            }
            self.tokens[lock] = token;
        }
        self.looked_at = truth.last();
        Ok(())
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()?;
        match LOCKS.iter().find_map(|(lock, _)| truth.children(lock).next()) {
            Some(left) => {
                Err(Violation::new("clean-up", format!("{left} is left although nobody holds or wants the lock")))
            }
            None => Ok(()),
        }
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
    }
}

/// What is held.
enum Holding {
    Read(Held),
    Write(HeldWrite),
}

impl Holding {
    fn held(&self) -> &Held {
        match self {
            Self::Read(held) => held,
            Self::Write(held) => held,
        }
    }

    fn intent(&self) -> Intent {
        match self {
            Self::Read(_) => Intent::Read,
            Self::Write(_) => Intent::Write,
        }
    }
}

struct Visitor {
    process: Process,
    client: Client,
    beliefs: Beliefs<Hold>,
}

impl Visitor {
    /// Reads and writes until there is peace, or the client is over.
    async fn visit(self, wishes: Wishes) {
        let Self { process, client, .. } = &self;
        for (_, guarded) in LOCKS {
            _ = client.create(guarded, b"").await;
        }
        while process.phase() == Phase::Trouble && !is_over(client) {
            let index = process.dice(|dice| dice.below(LOCKS.len()));
            let (path, guarded) = LOCKS[index];
            let layout = process.dice(|dice| dice.choose(&LAYOUTS));
            let mut lock = RwLock::new(client, path).expect("the path is fine").layout(layout);
            let stays = process.dice(|dice| dice.once_in(5));
            if stays {
                lock = lock.stay_in_session();
            }
            let wish = wishes.make(process, format!("lock {path}"));
            let acquired = self.acquire(&lock).await;
            drop(wish);
            match acquired {
                Ok(Some(holding)) => self.hold(index, guarded, holding).await,
                Ok(None) => {}
                Err(Error::SessionChanged) if stays => process.count("stayed in its session"),
                Err(error) => self.fail("locking", &error),
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
    fn fail(&self, what: &str, error: &Error) {
        self.process.note(|| format!("{what} fails: {error}"));
        let is_expected = matches!(error, Error::Ended { .. }) || error.code() == Some(ErrorCode::NotReadOnly);
        if !is_expected && !is_over(&self.client) {
            self.process.expect(Err(Violation::new("rw lock", format!("{what} fails: {error}"))));
        }
    }

    /// Tries to get a lock in one way or another.
    async fn acquire(&self, lock: &RwLock) -> Result<Option<Holding>, Error> {
        let (process, reads) = (&self.process, self.process.dice(|dice| dice.below(3)) > 0);
        match (process.dice(|dice| dice.below(8)), reads) {
            (0, true) => self.in_vain("tried in vain", lock.try_read().await?.map(Holding::Read)),
            (0, false) => self.in_vain("tried in vain", lock.try_write().await?.map(Holding::Write)),
            (1, _) => {
                let limit = process.dice(|dice| dice.millis(1, 3_000));
                let acquired = if reads {
                    lock.read_timeout(limit).await?.map(Holding::Read)
                } else {
                    lock.write_timeout(limit).await?.map(Holding::Write)
                };
                self.in_vain("not had in time", acquired)
            }
            (2, _) => {
                // Dropped at any of its awaits.
                let polls = process.dice(|dice| dice.below(12));
                let acquired = if reads {
                    for_some_polls(lock.read(), polls).await.transpose()?.map(Holding::Read)
                } else {
                    for_some_polls(lock.write(), polls).await.transpose()?.map(Holding::Write)
                };
                self.in_vain("given up", acquired)
            }
            (_, true) => Ok(Some(Holding::Read(lock.read().await?))),
            (_, false) => Ok(Some(Holding::Write(lock.write().await?))),
        }
    }

    fn in_vain(&self, name: &'static str, acquired: Option<Holding>) -> Result<Option<Holding>, Error> {
        if acquired.is_none() {
            self.process.count(name);
        }
        Ok(acquired)
    }

    /// Does what holders do, and what is done to them.
    async fn hold(&self, lock: usize, guarded: &str, mut holding: Holding) {
        let Self { process, client, beliefs } = self;
        process.note(|| format!("holds {} with token {}", holding.held().path(), holding.held().fencing_token()));
        let mut belief = beliefs.hold(holding.held().path(), Hold { lock, intent: holding.intent() });
        process.count(if holding.intent() == Intent::Read { "reads" } else { "writes" });
        if count(&process.truth(|truth| beliefs.founded(truth)), lock).0 > 1 {
            process.count("several read at once");
        }
        let mut was_writer = holding.intent() == Intent::Write;
        for _ in 0..process.dice(|dice| dice.between(1, 4)) {
            // Others wait, and are to have their turn while there is peace.
            if process.phase() > Phase::Trouble {
                break;
            }
            match process.dice(|dice| dice.below(10)) {
                0 => {
                    // An operator deletes the node.
                    _ = client.delete(holding.held().path()).await;
                }
                1..=3 => {
                    if let Holding::Write(write) = holding {
                        // Whatever comes of it, it is not held for writing any more.
                        drop(belief);
                        let Some(read) = self.go_on_as_reader(write).await else { return };
                        belief = beliefs.hold(read.path(), Hold { lock, intent: Intent::Read });
                        holding = Holding::Read(read);
                        was_writer = true;
                    }
                }
                _ if was_writer => {
                    let token = holding.held().fencing_token().to_string();
                    match holding.held().transaction().set_data(guarded, token.as_bytes(), None).await {
                        Ok(_) => process.count("guarded write"),
                        Err(error) if error.is_certainly_not_applied() => process.count("guarded write refused"),
                        Err(_) => {}
                    }
                }
                _ => {}
            }
            let limit = process.dice(|dice| dice.millis(0, 3_000));
            match client.timeout(limit, holding.held().lost()).await {
                Ok(Loss::Presumed) => process.count("lost: Presumed"),
                Ok(Loss::SessionOver) => process.count("lost: SessionOver"),
                Ok(Loss::Removed) => process.count("lost: Removed"),
                Ok(other) => process.expect(Err(Violation::new("rw lock", format!("an unknown loss: {other:?}")))),
                Err(_) => {}
            }
            if matches!(holding.held().tenure(), Tenure::Lost(_)) {
                break;
            }
        }
        drop(belief);
        if process.dice(|dice| dice.once_in(2)) {
            drop(holding);
            return process.count("dropped");
        }
        let released = match holding {
            Holding::Read(held) => held.release().await,
            Holding::Write(held) => held.release().await,
        };
        match released {
            Ok(()) => process.count("released"),
            Err(error) => self.fail("releasing", &error),
        }
    }

    /// Tries to go on as a reader, unless it is given up.
    async fn go_on_as_reader(&self, write: HeldWrite) -> Option<Held> {
        let process = &self.process;
        let (token, writer) = (write.fencing_token(), write.path().to_owned());
        if process.dice(|dice| dice.once_in(8)) {
            // An operator was faster.
            _ = self.client.delete(&writer).await;
        }
        let polls = process.dice(|dice| if dice.once_in(4) { dice.below(4) } else { usize::MAX });
        match for_some_polls(write.downgrade(), polls).await {
            None => process.count("gave up going on as reader"),
            Some(Ok(read)) => {
                process.count("went on as reader");
                process.note(|| format!("goes on as {}", read.path()));
                let swapped = process.truth(|truth| {
                    let created = truth.node(read.path()).map(|node| node.czxid);
                    // It may be gone by now, with its session.
                    created.and_then(|created| truth.deed(created)).is_none_or(|deed| deed.paths.contains(&*writer))
                });
                let is_right = swapped && token == read.fencing_token();
                let what =
                    || format!("{} takes the place of {writer} with token {}", read.path(), read.fencing_token());
                process.expect(if is_right { Ok(()) } else { Err(Violation::new("downgrade", what())) });
                return Some(read);
            }
            Some(Err(Error::SessionChanged)) => process.count("could not go on as reader"),
            Some(Err(error)) if error.code() == Some(ErrorCode::NoNode) => process.count("could not go on as reader"),
            Some(Err(error)) => self.fail("going on as reader", &error),
        }
        None
    }
}
