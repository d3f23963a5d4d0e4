//! Several locks at once: clients want some of a few locks, in any order, while others want one of them alone.
//!
//! Holders write all their fencing tokens in one transaction to what the locks guard, where they never go back.

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    recipes::{HeldAll, Lock, MultiLock, Tenure},
};

use super::common::{Wishes, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

const LOCKS: [&str; 4] = ["/locks/a", "/locks/b", "/locks/c", "/locks/d"];

/// What each of them guards.
const GUARDED: [&str; LOCKS.len()] = ["/guarded-a", "/guarded-b", "/guarded-c", "/guarded-d"];

/// Locks of which clients want several at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct MultiLocks;

impl Workload for MultiLocks {
    fn name(&self) -> &'static str {
        "multi-locks"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Table::default())
    }
}

const COUNTERS: &[&str] = &[
    "got several",
    "got one alone",
    "tried in vain",
    "not had in time",
    "given up",
    "stayed in its session",
    "released",
    "dropped",
    "lost one of them",
    "guarded write",
    "guarded write refused",
];

#[derive(Default)]
struct Table {
    wishes: Wishes,
    /// How far the guarded nodes have been looked at.
    looked_at: Zxid,
    tokens: [u64; LOCKS.len()],
}

impl Application for Table {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for _ in 0..process.dice(|dice| dice.between(1, 3)) {
            process.spawn(dine(process.clone(), client.clone(), self.wishes.clone()));
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
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
        match LOCKS.iter().find_map(|lock| truth.children(lock).next()) {
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

/// Acquires locks until there is peace, or the client is over.
async fn dine(process: Process, client: Client, wishes: Wishes) {
    for guarded in GUARDED {
        _ = client.create(guarded, b"").await;
    }
    while process.phase() == Phase::Trouble && !is_over(&client) {
        if process.dice(|dice| dice.once_in(4)) {
            let path = process.dice(|dice| dice.choose(&LOCKS));
            let lock = Lock::new(&client, path).expect("the path is fine");
            let _wish = wishes.make(&process, format!("lock {path}"));
            match lock.acquire().await {
                Ok(held) => {
                    process.count("got one alone");
                    let pause = process.dice(|dice| dice.millis(0, 1_000));
                    _ = client.sleep(pause).await;
                    drop(held);
                }
                Err(error) => fail(&process, &client, "locking one", &error),
            }
        } else {
            let paths: Vec<&str> = (0..process.dice(|dice| dice.between(1, 5)))
                .map(|_| process.dice(|dice| dice.choose(&LOCKS)))
                .collect();
            let mut locks = MultiLock::new(&client, &paths).expect("the paths are fine");
            let stays = process.dice(|dice| dice.once_in(5));
            if stays {
                locks = locks.stay_in_session();
            }
            let wish = wishes.make(&process, format!("locks {paths:?}"));
            let acquired = acquire(&process, &client, &locks).await;
            drop(wish);
            match acquired {
                Ok(Some(all)) => hold(&process, &client, all).await,
                Ok(None) => {}
                Err(Error::SessionChanged) if stays => process.count("stayed in its session"),
                Err(error) => fail(&process, &client, "locking", &error),
            }
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
fn fail(process: &Process, client: &Client, what: &str, error: &Error) {
    process.note(|| format!("{what} fails: {error}"));
    let is_expected = matches!(error, Error::Ended { .. }) || error.code() == Some(ErrorCode::NotReadOnly);
    if !is_expected && !is_over(client) {
        process.expect(Err(Violation::new("multi-lock", format!("{what} fails: {error}"))));
    }
}

/// Tries to get locks in one way or another.
async fn acquire(process: &Process, client: &Client, locks: &MultiLock) -> Result<Option<HeldAll>, Error> {
    let (name, acquired) = match process.dice(|dice| dice.below(8)) {
        0 => ("tried in vain", locks.try_acquire().await?),
        1 => {
            let limit = process.dice(|dice| dice.millis(1, 3_000));
            ("not had in time", locks.acquire_timeout(limit).await?)
        }
        2 => {
            // Dropped at any of its awaits.
            let polls = process.dice(|dice| dice.below(20));
            ("given up", for_some_polls(locks.acquire(), polls).await.transpose()?)
        }
        3 | 4 => {
            // Meanwhile an operator deletes whatever comes first.
            process.spawn(delete_one(process.clone(), client.clone()));
            ("", Some(locks.acquire().await?))
        }
        _ => ("", Some(locks.acquire().await?)),
    };
    if acquired.is_none() {
        process.count(name);
    }
    Ok(acquired)
}

/// Does what holders do, and what is done to them.
async fn hold(process: &Process, client: &Client, all: HeldAll) {
    process.note(|| format!("holds {:?}", all.iter().map(|(_, held)| held.path()).collect::<Vec<_>>()));
    process.count("got several");
    let is_held = |held: &zk_proto::recipes::Held| {
        held.session() == all.session()
            && !matches!(held.tenure(), Tenure::Lost(_))
            && held.path().starts_with("/locks/")
    };
    let what = || format!("not all are held: {all:?}");
    let are_held = all.iter().all(|(_, held)| is_held(held));
    process.expect(if are_held { Ok(()) } else { Err(Violation::new("multi-lock", what())) });
    for _ in 0..process.dice(|dice| dice.between(1, 3)) {
        // Others wait, and are to have their turn while there is peace.
        if process.phase() > Phase::Trouble {
            break;
        }
        let mut writes = all.transaction();
        let tokens: Vec<(&str, String)> = all
            .iter()
            .filter_map(|(path, held)| {
                let index = LOCKS.iter().position(|lock| *lock == path)?;
                Some((GUARDED[index], held.fencing_token().to_string()))
            })
            .collect();
        for (guarded, token) in &tokens {
            writes = writes.set_data(guarded, token.as_bytes(), None);
        }
        match writes.await {
            Ok(_) => process.count("guarded write"),
            Err(error) if error.is_certainly_not_applied() => process.count("guarded write refused"),
            Err(_) => {}
        }
        let limit = process.dice(|dice| dice.millis(0, 2_000));
        if client.timeout(limit, all.lost()).await.is_ok() {
            process.count("lost one of them");
            break;
        }
    }
    if process.dice(|dice| dice.once_in(2)) {
        drop(all);
        return process.count("dropped");
    }
    match all.release().await {
        Ok(()) => process.count("released"),
        Err(error) => fail(process, client, "releasing", &error),
    }
}

/// Deletes the first node of a lock that there is, after a while.
async fn delete_one(process: Process, client: Client) {
    let pause = process.dice(|dice| dice.millis(0, 1_000));
    if client.sleep(pause).await.is_err() || process.phase() > Phase::Trouble {
        return;
    }
    let lock = process.dice(|dice| dice.choose(&LOCKS));
    if let Some(found) = process.truth(|truth| truth.children(lock).next().map(str::to_owned)) {
        process.note(|| format!("deletes {found}"));
        _ = client.delete(&found).await;
    }
}
