//! Shared maps: everybody sees entries change, changes them if they are what was seen, removes them, and writes what nobody can read.

use std::time::Duration;

use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    recipes::{MapEntry, Outcome, SharedMap, SharedMapView, ValueCodec},
};

use super::common::{Wishes, for_some_polls, is_over};
use super::values::{Decimal, NONSENSE};
use crate::sim::{Application, Dice, NodeState, Phase, Process, Truth, Violation, Workload};

const ROOT: &str = "/settings";

/// One of them is above another.
const KEYS: [&str; 3] = ["a", "a/b", "c"];

/// Shared maps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maps;

impl Workload for Maps {
    fn name(&self) -> &'static str {
        "maps"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Shared::default())
    }
}

const COUNTERS: &[&str] = &[
    "seen",
    "seen stale",
    "seen rejected, with an older value",
    "seen rejected, without a value",
    "seen to go",
    "seeded",
    "set",
    "set as expected",
    "not set: it was not as expected",
    "removed",
    "removed, with another below it",
    "emptied",
    "deleted",
    "made anew",
    "spoilt",
    "outcome unknown",
    "dropped",
    "newest at rest",
];

#[derive(Default)]
struct Shared {
    wishes: Wishes,
}

impl Application for Shared {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        process.spawn(watch(process.clone(), client.clone(), self.wishes.clone()));
        for _ in 0..2 {
            process.spawn(write(process.clone(), client.clone(), self.wishes.clone()));
        }
    }

    fn check_at_rest(&mut self, _: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
    }
}

fn path(key: &str) -> String {
    format!("{ROOT}/{key}")
}

fn map(client: &Client) -> SharedMap<Decimal> {
    SharedMap::new(client, ROOT, Decimal).expect("the path is fine")
}

fn wrong(what: String) -> Result<(), Violation> {
    Err(Violation::new("maps", what))
}

/// Returns whether a node is an entry.
fn is_entry(node: &NodeState) -> bool {
    node.data.as_ref().is_some_and(|data| !data.is_empty())
}

/// Follows the map, for a while at a time.
async fn watch(process: Process, client: Client, wishes: Wishes) {
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let map = map(&client);
        let mut known = map.current();
        for _ in 0..process.dice(|dice| dice.between(1, 60)) {
            let limit = process.dice(|dice| dice.millis(0, 3_000));
            match client.timeout(limit, map.changed(&known)).await {
                Ok(Ok(seen)) => {
                    process.expect(judge(&process, &known, &seen));
                    known = seen;
                }
                Ok(Err(error)) | Err(error) => {
                    if !matches!(error, Error::TimedOut { .. }) {
                        process.expect(expected(&client, &error));
                        break;
                    }
                }
            }
            if process.phase() > Phase::Trouble {
                break;
            }
        }
        if process.phase() > Phase::Trouble {
            settle(&process, &client, &map, wishes.clone()).await;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Waits until all entries are the newest, when nobody writes any more.
async fn settle(process: &Process, client: &Client, map: &SharedMap<Decimal>, wishes: Wishes) {
    // Writers are slow to stop.
    if client.sleep(Duration::from_secs(10)).await.is_err() {
        return;
    }
    let _wish = wishes.make(process, format!("to see the newest entries of {ROOT}"));
    let mut seen = map.current();
    loop {
        let newest: Vec<_> = process.truth(|truth| {
            let set_by = |key| Some((key, truth.node(&path(key)).filter(|node| is_entry(node))?.mzxid));
            KEYS.into_iter().filter_map(set_by).collect()
        });
        if !seen.is_stale() && seen.entries().map(|(key, entry)| (key, entry.set_by())).eq(newest) {
            return process.count("newest at rest");
        }
        match map.changed(&seen).await {
            Ok(newer) => seen = newer,
            Err(error) => return process.expect(expected(client, &error)),
        }
    }
}

/// Holds what is shown against what was there.
fn judge(process: &Process, known: &SharedMapView<u64>, seen: &SharedMapView<u64>) -> Result<(), Violation> {
    if seen.is_stale() {
        process.count("seen stale");
    }
    if let Some((key, _)) = seen.entries().find(|(key, _)| !KEYS.contains(key)) {
        return wrong(format!("there is no {key}"));
    }
    for key in KEYS {
        match (known.entry(key), seen.entry(key)) {
            (Some(known), Some(seen)) if known.set_by() == seen.set_by() => {}
            (known, Some(seen)) => judge_entry(process, key, known, seen)?,
            (Some(_), None) => process.count("seen to go"),
            (None, None) => {}
        }
    }
    Ok(())
}

fn judge_entry(
    process: &Process,
    key: &str,
    known: Option<&MapEntry<u64>>,
    seen: &MapEntry<u64>,
) -> Result<(), Violation> {
    let wrong = |what: &str| wrong(format!("{key}: {what}: {seen:?} behind {known:?}"));
    let (path, set_by) = (path(key), seen.set_by());
    let Some(data) = process.truth(|truth| truth.node_at(&path, set_by).and_then(|node| node.data.clone())) else {
        return wrong("an entry that was not there");
    };
    match (data == NONSENSE, seen.rejected()) {
        (true, None) => return wrong("nonsense that was not rejected"),
        (false, Some(_)) => return wrong("a good value that was rejected"),
        // Where there was a value, it stays: another one may have been read since.
        (true, Some(_)) if seen.value().is_some() => process.count("seen rejected, with an older value"),
        (true, Some(_)) => {
            process.count("seen rejected, without a value");
            if known.is_some_and(|known| known.value().is_some() && !was_absent(process, &path, known.set_by(), set_by))
            {
                return wrong("an older value that was lost");
            }
        }
        (false, None) => {
            process.count("seen");
            if seen.value().map(|value| Decimal.write(value)) != Some(data) {
                return wrong("a value that was not there");
            }
        }
    }
    // Within a session a server never shows less than before, and the next session begins where the last one ended.
    if known.is_some_and(|known| set_by < known.set_by()) {
        return wrong("an older value");
    }
    Ok(())
}

/// Returns whether there was no entry at some time.
fn was_absent(process: &Process, path: &str, since: Zxid, until: Zxid) -> bool {
    let is_absent = |node: Option<&NodeState>| !node.is_some_and(is_entry);
    process.truth(|truth| truth.states(path, since, until).into_iter().any(is_absent))
}

/// Looks whether what was there before an entry was set is what was expected.
fn judge_swap(process: &Process, key: &str, seen: &SharedMapView<u64>, before: Zxid) -> Result<(), Violation> {
    let (path, expected) = (path(key), seen.entry(key).map(MapEntry::set_by));
    process.truth(|truth| {
        let Some(over) = truth.node_at(&path, before) else {
            return if expected.is_none() {
                Ok(())
            } else {
                wrong(format!("{key} was set over nothing, not {expected:?}"))
            };
        };
        let set_by = is_entry(over).then_some(over.mzxid);
        // The server compares versions, which do not tell a node from another one of that name.
        let is_another = |node: &NodeState| {
            node.czxid != over.czxid && node.version == over.version && is_entry(node).then_some(node.mzxid) == expected
        };
        let states = truth.states(&path, Zxid(0), before);
        if set_by == expected || states.into_iter().flatten().any(is_another) {
            Ok(())
        } else {
            wrong(format!("{key} was set over {over:?}, where {expected:?} was expected"))
        }
    })
}

fn expected(client: &Client, error: &Error) -> Result<(), Violation> {
    if matches!(error, Error::Ended { .. }) || is_over(client) { Ok(()) } else { wrong(format!("it fails: {error}")) }
}

/// Writes entries in one way or another.
async fn write(process: Process, client: Client, wishes: Wishes) {
    let map = map(&client);
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let (key, new) = process.dice(|dice| (dice.choose(&KEYS), dice.number() % 5));
        let wish = wishes.make(&process, format!("to write {key}"));
        match process.dice(|dice| dice.below(12)) {
            0 | 1 => interfere(&process, &client, key, &Decimal.write(&new)).await,
            2 => said(&process, &client, "seeded", &map.seed(key, &new).await),
            3 => said(&process, &client, "set", &map.set(key, &new).await),
            4 => {
                let polls = process.dice(|dice| dice.below(8));
                if for_some_polls(map.set(key, &new), polls).await.is_none() {
                    process.count("dropped");
                }
            }
            5 | 6 => {
                let removed = map.remove(key).await;
                said(&process, &client, "removed", &removed);
                if let Ok(Outcome::Applied(Some(_))) = removed {
                    process.count("removed, with another below it");
                }
            }
            _ => {
                let seen = map.current();
                // Others have their chance.
                let pause = process.dice(|dice| dice.millis(0, 300));
                _ = client.sleep(pause).await;
                let outcome = map.compare_and_set(&seen, key, &new).await;
                match &outcome {
                    Ok(Outcome::Applied(Some(stat))) => {
                        process.expect(judge_swap(&process, key, &seen, Zxid(stat.mzxid.0 - 1)));
                    }
                    Ok(Outcome::NotApplied(_)) => process.count("not set: it was not as expected"),
                    Ok(Outcome::Applied(None) | Outcome::Unknown) | Err(_) => {}
                }
                said(&process, &client, "set as expected", &outcome);
            }
        }
        drop(wish);
        let pause = process.dice(|dice| dice.millis(0, 800));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Does by hand what somebody may do.
async fn interfere(process: &Process, client: &Client, key: &str, data: &[u8]) {
    let path = path(key);
    let (is_done, what) = match process.dice(|dice| dice.below(5)) {
        0 => (client.set_data(&path, b"").await.is_ok(), "emptied"),
        1 => (client.delete(&path).await.is_ok(), "deleted"),
        2 => (client.multi().delete(&path, None).create(&path, data).await.is_ok(), "made anew"),
        _ => (client.set_data(&path, NONSENSE).await.is_ok(), "spoilt"),
    };
    if is_done {
        process.count(what);
    }
}

fn said<T>(process: &Process, client: &Client, what: &'static str, outcome: &Result<Outcome<T>, Error>) {
    match outcome {
        Ok(Outcome::Applied(_)) => process.count(what),
        Ok(Outcome::Unknown) => process.count("outcome unknown"),
        Ok(Outcome::NotApplied(_)) => {}
        Err(error) => process.expect(expected(client, error)),
    }
}
