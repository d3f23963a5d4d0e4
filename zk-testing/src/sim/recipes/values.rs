//! Shared values: everybody sees them change, changes them if they are what was seen, writes what nobody can read, and deletes them.

use std::time::Duration;

use bytes::Bytes;
use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    recipes::{Outcome, SharedValue, SharedView, Unreadable, ValueCodec},
};

use super::common::{Wishes, for_some_polls, is_over};
use crate::sim::{Application, Dice, NodeState, Phase, Process, Truth, Violation, Workload};

const VALUES: [&str; 2] = ["/values/a", "/values/b"];

/// What no codec reads.
pub(super) const NONSENSE: &[u8] = b"?";

/// Shared values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values;

impl Workload for Values {
    fn name(&self) -> &'static str {
        "values"
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
    "seen absent",
    "seen rejected, with an older value",
    "seeded",
    "set",
    "set as expected",
    "not set: it was not as expected",
    "deleted",
    "spoilt",
    "outcome unknown",
    "dropped",
    "newest at rest",
];

/// Numbers in decimal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal;

impl ValueCodec for Decimal {
    type Value = u64;

    fn read(&self, data: &Bytes) -> Result<u64, Unreadable> {
        let text = std::str::from_utf8(data).map_err(Unreadable::new)?;
        text.parse().map_err(Unreadable::new)
    }

    fn write(&self, value: &u64) -> Bytes {
        value.to_string().into()
    }
}

#[derive(Default)]
struct Shared {
    wishes: Wishes,
}

impl Application for Shared {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for path in VALUES {
            process.spawn(watch(process.clone(), client.clone(), path, self.wishes.clone()));
            process.spawn(write(process.clone(), client.clone(), path, self.wishes.clone()));
        }
    }

    fn check_at_rest(&mut self, _: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
    }
}

/// Follows a value, for a while at a time.
async fn watch(process: Process, client: Client, path: &'static str, wishes: Wishes) {
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let value = SharedValue::new(&client, path, Decimal).expect("the path is fine");
        let mut known = value.current();
        for _ in 0..process.dice(|dice| dice.between(1, 30)) {
            let limit = process.dice(|dice| dice.millis(0, 3_000));
            match client.timeout(limit, value.changed(&known)).await {
                Ok(Ok(seen)) => {
                    process.expect(judge(&process, path, &known, &seen));
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
            settle(&process, &client, &value, wishes.clone()).await;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Waits until the value is the newest, when nobody writes any more.
async fn settle(process: &Process, client: &Client, value: &SharedValue<Decimal>, wishes: Wishes) {
    // Writers are slow to stop.
    if client.sleep(Duration::from_secs(10)).await.is_err() {
        return;
    }
    let _wish = wishes.make(process, format!("to see the newest value of {}", value.path()));
    let mut seen = value.current();
    loop {
        let newest = process.truth(|truth| truth.node(value.path()).map(|node| node.mzxid));
        if seen.set_by() == newest && !seen.is_stale() {
            return process.count("newest at rest");
        }
        match value.changed(&seen).await {
            Ok(newer) => seen = newer,
            Err(error) => return process.expect(expected(client, &error)),
        }
    }
}

/// Holds what is shown against what was there.
fn judge(process: &Process, path: &str, known: &SharedView<u64>, seen: &SharedView<u64>) -> Result<(), Violation> {
    let wrong = |what: &str| Err(Violation::new("values", format!("{path}: {what}: {seen:?} behind {known:?}")));
    if seen.is_stale() {
        process.count("seen stale");
    }
    let Some(set_by) = seen.set_by() else {
        process.count("seen absent");
        return if seen.value().is_some() || seen.rejected().is_some() { wrong("a value of nothing") } else { Ok(()) };
    };
    let data = process.truth(|truth| truth.node_at(path, set_by).and_then(|node| node.data.clone()));
    let is_nonsense = data.as_deref() == Some(NONSENSE);
    match (is_nonsense, seen.rejected()) {
        (true, None) => return wrong("nonsense that was not rejected"),
        (false, Some(_)) => return wrong("a good value that was rejected"),
        // Where there was a value, it stays: another one may have been read since.
        (true, Some(_)) => {
            if seen.value().is_some() {
                process.count("seen rejected, with an older value");
            } else if known.value().is_some() && !was_absent(process, path, known, set_by) {
                return wrong("an older value that was lost");
            }
        }
        (false, None) => {
            process.count("seen");
            let shown = seen.value().map(|value| Decimal.write(value));
            if shown != data {
                return wrong("a value that was not there");
            }
        }
    }
    // Within a session a server never shows less than before, and the next session begins where the last one ended.
    if known.set_by().is_some_and(|known| set_by < known) {
        return wrong("an older value");
    }
    Ok(())
}

/// Returns whether there was no node at some time between what was known and what was set then.
fn was_absent(process: &Process, path: &str, known: &SharedView<u64>, until: Zxid) -> bool {
    let since = known.set_by().unwrap_or_default();
    process.truth(|truth| truth.states(path, since, until).iter().any(Option::is_none))
}

/// Looks whether what was there before a value was set is what was expected.
fn judge_swap(process: &Process, path: &str, seen: &SharedView<u64>, before: Zxid) -> Result<(), Violation> {
    let (before, expected) = process.truth(|truth| {
        let expected = seen.set_by().and_then(|set_by| truth.node_at(path, set_by));
        (truth.node_at(path, before).cloned(), expected.cloned())
    });
    // The server compares versions, which do not tell a node from another one of that name.
    let is_made_anew =
        |before: &NodeState, expected: &NodeState| before.czxid != expected.czxid && before.version == expected.version;
    match (&before, &expected) {
        _ if before.as_ref().map(|node| node.mzxid) == seen.set_by() => Ok(()),
        (Some(before), Some(expected)) if is_made_anew(before, expected) => {
            process.note(|| format!("{path} was set over a node made anew"));
            Ok(())
        }
        _ => Err(Violation::new("values", format!("{path}: set over {before:?}, where {seen:?} was expected"))),
    }
}

fn expected(client: &Client, error: &Error) -> Result<(), Violation> {
    if matches!(error, Error::Ended { .. }) || is_over(client) {
        Ok(())
    } else {
        Err(Violation::new("values", format!("it fails: {error}")))
    }
}

/// Writes a value in one way or another.
async fn write(process: Process, client: Client, path: &'static str, wishes: Wishes) {
    let value = SharedValue::new(&client, path, Decimal).expect("the path is fine");
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let seen = value.current();
        let new = process.dice(|dice| dice.number() % 5);
        let wish = wishes.make(&process, format!("to write {path}"));
        match process.dice(|dice| dice.below(10)) {
            0 => {
                if client.set_data(path, NONSENSE).await.is_ok() {
                    process.count("spoilt");
                }
            }
            1 => {
                if client.delete(path).await.is_ok() {
                    process.count("deleted");
                }
            }
            2 => said(&process, &client, "seeded", value.seed(&new).await),
            3 => said(&process, &client, "set", value.set(&new).await),
            4 => {
                let polls = process.dice(|dice| dice.below(8));
                if for_some_polls(value.set(&new), polls).await.is_none() {
                    process.count("dropped");
                }
            }
            _ => {
                let outcome = value.compare_and_set(&seen, &new).await;
                match &outcome {
                    Ok(Outcome::Applied(Some(stat))) => {
                        process.expect(judge_swap(&process, path, &seen, Zxid(stat.mzxid.0 - 1)));
                    }
                    Ok(Outcome::NotApplied(_)) => process.count("not set: it was not as expected"),
                    Ok(Outcome::Applied(None) | Outcome::Unknown) | Err(_) => {}
                }
                said(&process, &client, "set as expected", outcome);
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

fn said<T>(process: &Process, client: &Client, what: &'static str, outcome: Result<Outcome<T>, Error>) {
    match outcome {
        Ok(Outcome::Applied(_)) => process.count(what),
        Ok(Outcome::Unknown) => process.count("outcome unknown"),
        Ok(Outcome::NotApplied(_)) => {}
        Err(error) => process.expect(expected(client, &error)),
    }
}
