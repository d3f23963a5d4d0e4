//! Locks: clients contend for a few of them, do what holders do, give up in every way, and lose what they hold.
//!
//! A holder writes its fencing token to a node that the lock guards, in the lock's own transaction. So what was committed shows
//! whether anybody wrote who did not hold the lock any more: the tokens in that node never go back.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    code::ErrorCode,
    recipes::{Held, Lock, LockLayout, Loss, Tenure, revoke},
};

use super::common::{Wishes, either_of, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

/// The locks, and what each guards.
const LOCKS: [(&str, &str); 2] = [("/locks/a", "/guarded-a"), ("/locks/b", "/guarded-b")];

const LAYOUTS: [LockLayout; 3] = [LockLayout::Curator, LockLayout::Kazoo, LockLayout::GoZookeeper];

/// Locks that clients contend for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Locks;

impl Workload for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Contest::default())
    }
}

const COUNTERS: &[&str] = &[
    "acquired",
    "acquired after waiting",
    "tried and taken",
    "tried in vain",
    "not had in time",
    "given up",
    "stayed in its session",
    "released",
    "dropped",
    "in doubt",
    "held after all",
    "lost: Presumed",
    "lost: SessionOver",
    "lost: Removed",
    "revoked",
    "guarded write",
    "guarded write refused",
];

#[derive(Default)]
struct Contest {
    wishes: Wishes,
    /// How far the guarded nodes have been looked at.
    looked_at: Zxid,
    tokens: [u64; LOCKS.len()],
}

impl Application for Contest {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for _ in 0..process.dice(|dice| dice.between(1, 3)) {
            process.spawn(contend(process.clone(), client.clone(), self.wishes.clone()));
        }
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        for change in truth.changes_since(self.looked_at) {
            let Some(index) = LOCKS.iter().position(|(_, guarded)| *guarded == &*change.path) else { continue };
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

/// Acquires locks until there is peace, or the client is over.
async fn contend(process: Process, client: Client, wishes: Wishes) {
    for (_, guarded) in LOCKS {
        _ = client.create(guarded, b"").await;
    }
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let (path, guarded) = process.dice(|dice| dice.choose(&LOCKS));
        let mut lock =
            Lock::new(&client, path).expect("the path is fine").layout(process.dice(|dice| dice.choose(&LAYOUTS)));
        let stays = process.dice(|dice| dice.once_in(5));
        if stays {
            lock = lock.stay_in_session();
        }
        let wish = wishes.make(&process, format!("lock {path}"));
        let held = acquire(&process, &client, &lock, stays).await;
        drop(wish);
        if let Some(held) = held {
            hold(&process, &client, held, guarded).await;
        }
        let pause = process.dice(|dice| dice.millis(0, 500));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
    // The client stays until all are asked to leave, so that what is left of its work is seen.
    process.reached(Phase::Leaving).await;
}

/// Tries to get a lock in one way or another.
async fn acquire(process: &Process, client: &Client, lock: &Lock, stays: bool) -> Option<Held> {
    let acquired = match process.dice(|dice| dice.below(8)) {
        0 => match lock.try_acquire().await {
            Ok(Some(held)) => {
                process.count("tried and taken");
                Ok(Some(held))
            }
            Ok(None) => {
                process.count("tried in vain");
                Ok(None)
            }
            Err(error) => Err(error),
        },
        1 => {
            let limit = process.dice(|dice| dice.millis(1, 3_000));
            let acquired = lock.acquire_timeout(limit).await;
            if matches!(acquired, Ok(None)) {
                process.count("not had in time");
            }
            acquired
        }
        2 => {
            // Dropped at any of its awaits.
            let polls = process.dice(|dice| dice.below(12));
            let given = for_some_polls(lock.acquire(), polls).await;
            if given.is_none() {
                process.count("given up");
            }
            given.transpose()
        }
        _ => {
            let mut waited = false;
            let acquired = note_waiting(lock.acquire(), &mut waited).await;
            if waited && acquired.is_ok() {
                process.count("acquired after waiting");
            }
            acquired.map(Some)
        }
    };
    match acquired {
        Ok(held) => {
            if held.is_some() {
                process.count("acquired");
            }
            held
        }
        Err(Error::SessionChanged) if stays => {
            process.count("stayed in its session");
            None
        }
        Err(error) => {
            process.note(|| format!("cannot lock {}: {error}", lock.path()));
            // The client is over, or an operator has been at it.
            let is_expected = matches!(error, Error::Ended { .. }) || error.code() == Some(ErrorCode::NotReadOnly);
            let what = || format!("locking {} fails: {error}", lock.path());
            process.expect(if is_expected || is_over(client) { Ok(()) } else { Err(Violation::new("lock", what())) });
            None
        }
    }
}

/// Does what holders do, and what is done to them.
async fn hold(process: &Process, client: &Client, held: Held, guarded: &str) {
    process.note(|| format!("holds {} with token {}", held.path(), held.fencing_token()));
    let created = process.truth(|truth| truth.node(held.path()).map(|node| node.czxid));
    if let Some(created) = created {
        let is_own = u64::try_from(created.0) == Ok(held.fencing_token().0);
        let what = || format!("{} has token {}, and was created by {created}", held.path(), held.fencing_token());
        process.expect(if is_own { Ok(()) } else { Err(Violation::new("token", what())) });
    }
    let mut known = Tenure::Held;
    for _ in 0..process.dice(|dice| dice.between(1, 4)) {
        // Others wait, and are to have their turn while there is peace.
        if process.phase() > Phase::Trouble {
            break;
        }
        match process.dice(|dice| dice.below(12)) {
            0 => {
                // An operator deletes the node.
                _ = client.delete(held.path()).await;
            }
            1 => {
                if revoke(client, held.path()).await.is_ok() {
                    let limit = Duration::from_secs(3);
                    let asked = pin!(client.timeout(limit, either_of(held.revoked(), held.lost()))).await;
                    if let Ok(true) = asked {
                        process.count("revoked");
                    }
                }
            }
            _ => {
                let token = held.fencing_token().to_string();
                match held.transaction().set_data(guarded, token.as_bytes(), None).await {
                    Ok(_) => process.count("guarded write"),
                    Err(error) if error.is_certainly_not_applied() => process.count("guarded write refused"),
                    Err(_) => {}
                }
            }
        }
        let limit = process.dice(|dice| dice.millis(0, 4_000));
        if let Ok(tenure) = client.timeout(limit, held.changed(known)).await {
            match tenure {
                Tenure::Held => process.count("held after all"),
                Tenure::InDoubt { .. } => process.count("in doubt"),
                Tenure::Lost(Loss::Presumed) => process.count("lost: Presumed"),
                Tenure::Lost(Loss::SessionOver) => process.count("lost: SessionOver"),
                Tenure::Lost(Loss::Removed) => process.count("lost: Removed"),
                Tenure::Lost(other) => {
                    process.expect(Err(Violation::new("lock", format!("an unknown loss: {other:?}"))))
                }
            }
            known = tenure;
            if matches!(tenure, Tenure::Lost(_)) {
                break;
            }
        }
    }
    if process.dice(|dice| dice.once_in(2)) {
        match held.release().await {
            Ok(()) => process.count("released"),
            Err(error) => {
                let found =
                    if is_over(client) { Ok(()) } else { Err(Violation::new("lock", format!("release: {error}"))) };
                process.expect(found);
            }
        }
    } else {
        drop(held);
        process.count("dropped");
    }
}

/// Notes whether a future was not ready for a while: for more than the round trip of who is alone.
async fn note_waiting<T>(future: impl Future<Output = T>, waited: &mut bool) -> T {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        *waited = polls > 4;
        future.as_mut().poll(cx)
    })
    .await
}
