//! Releases: everybody publishes, goes back, and deletes what is old, while everybody follows. Nobody ever sees parts of two.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use zk_proto::{
    Zxid,
    client::{Builder, Client, Error, OnExpiry},
    recipes::{FollowedRelease, Outcome, Reason, ReleaseCodec, ReleaseView, Releases, Settings, Unreadable},
};

use super::common::{Wishes, for_some_polls, is_over};
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

const PATH: &str = "/config";
const CURRENT: &str = "/config/current";
const RELEASES: &str = "/config/releases";
const WRITING: &str = "/config/writing";

/// The version that nobody wants to have published.
const UNWANTED: u64 = 13;

/// Releases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publishing;

impl Workload for Publishing {
    fn name(&self) -> &'static str {
        "releases"
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
    "published",
    "published in several steps",
    "published as expected",
    "not published: it was not as expected",
    "switched",
    "not switched",
    "outcome unknown",
    "dropped",
    "pruned",
    "damaged",
    "pointer deleted",
    "newest at rest",
];

/// A number, and as many settings as it says, which all tell it, and which publication they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    publication: u64,
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Versions;

impl ReleaseCodec for Versions {
    type Value = Version;

    fn read(&self, settings: &Settings) -> Result<Version, Unreadable> {
        let first = settings.values().next().and_then(version).ok_or_else(|| Unreadable::new("nothing"))?;
        if size(first.number) != settings.len() as u64 || settings.values().any(|data| version(data) != Some(first)) {
            // Everything is to be a whole release, so that is no reason to reject it, but to show that it is none.
            return Ok(Version { publication: 0, number: 0 });
        }
        if first.number == UNWANTED { Err(Unreadable::new("unwanted")) } else { Ok(first) }
    }

    fn write(&self, version: &Version) -> Settings {
        let Version { publication, number } = version;
        let text: Bytes = format!("{publication} {number}").into();
        (0..size(*number)).map(|index| (format!("db/{index}"), text.clone())).collect()
    }
}

/// Returns how many settings a version has.
fn size(number: u64) -> u64 {
    1 + number % 6
}

#[derive(Clone, Default)]
struct Known(Rc<RefCell<Facts>>);

#[derive(Default)]
struct Facts {
    publications: u64,
    /// What somebody has damaged, by the names of releases.
    damaged: Vec<String>,
    /// What publications have brought: `true` for applied, `false` for not.
    outcomes: BTreeMap<u64, bool>,
    checked: Zxid,
}

#[derive(Default)]
struct Shared {
    wishes: Wishes,
    known: Known,
}

impl Application for Shared {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        if process.dice(|dice| dice.once_in(6)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for _ in 0..2 {
            let (wishes, known) = (self.wishes.clone(), self.known.clone());
            process.spawn(write(process.clone(), client.clone(), wishes, known));
        }
        process.spawn(watch(process.clone(), client, self.wishes.clone(), self.known.clone()));
    }

    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let mut facts = self.known.0.borrow_mut();
        let since = std::mem::replace(&mut facts.checked, truth.last());
        if truth.last() <= since {
            return Ok(());
        }
        let is_concerned = truth.changes_since(since).iter().any(|change| change.path.starts_with(PATH));
        if !is_concerned {
            return Ok(());
        }
        check_condemned(truth, since)?;
        check_pointed(truth, &facts)?;
        check_outcomes(truth, &facts)
    }

    fn check_at_rest(&mut self, _: &Truth) -> Result<(), Violation> {
        self.wishes.check_at_rest()
    }

    fn killed(&mut self, process: u32) {
        self.wishes.killed(process);
    }
}

/// What somebody is writing is not about to be deleted.
fn check_condemned(truth: &Truth, since: Zxid) -> Result<(), Violation> {
    for change in truth.changes_since(since) {
        let Some(name) = change.path.strip_prefix(RELEASES).and_then(|name| name.strip_prefix('/')) else { continue };
        let state = truth.node_at(&change.path, change.zxid);
        let is_leaving = state.and_then(|state| state.data.as_deref()).is_some_and(|data| data.starts_with(b"leaving"));
        if is_leaving && truth.node_at(&format!("{WRITING}/{name}"), change.zxid).is_some() {
            return Err(Violation::new("releases", format!("{name} is to be deleted, and somebody writes it")));
        }
    }
    Ok(())
}

/// What is pointed to is there, all of it, and of one publication.
fn check_pointed(truth: &Truth, facts: &Facts) -> Result<(), Violation> {
    let Some(name) = pointed(truth, truth.last()) else { return Ok(()) };
    if facts.damaged.contains(&name) {
        return Ok(());
    }
    let release = format!("{RELEASES}/{name}");
    let wrong = |what: &str| Err(Violation::new("releases", format!("{name} is pointed to and {what}")));
    let Some(node) = truth.node(&release) else { return wrong("not there") };
    let said = node.data.as_deref().unwrap_or_default();
    if !said.starts_with(b"published ") {
        return wrong(&format!("says {:?}", String::from_utf8_lossy(said)));
    }
    let found: Vec<_> =
        truth.children(&release).map(|path| truth.node(path).and_then(|node| node.data.clone())).collect();
    let Some(version) = found.first().and_then(|data| version(data.as_ref()?)) else { return wrong("is empty") };
    let is_whole = u64::try_from(found.len()) == Ok(size(version.number));
    if is_whole && found.iter().all(|data| data == &found[0]) { Ok(()) } else { wrong(&format!("has {found:?}")) }
}

/// What was published was pointed to, once, and what was not never was, and never is.
fn check_outcomes(truth: &Truth, facts: &Facts) -> Result<(), Violation> {
    let pointed_to = truth.changes_since(Zxid(truth.last().0 - 1)).iter().any(|change| &*change.path == CURRENT);
    if !pointed_to {
        return Ok(());
    }
    let Some(version) = pointed(truth, truth.last()).and_then(|name| published(truth, &name)) else { return Ok(()) };
    if facts.outcomes.get(&version.publication) == Some(&false) {
        let what = format!("{version:?} was not published, and is pointed to");
        return Err(Violation::new("releases", what));
    }
    Ok(())
}

/// Returns the release that was pointed to then.
fn pointed(truth: &Truth, at: Zxid) -> Option<String> {
    let data = truth.node_at(CURRENT, at)?.data.clone()?;
    std::str::from_utf8(&data).ok()?.split(' ').next().map(str::to_string)
}

fn version(data: &Bytes) -> Option<Version> {
    let (publication, number) = std::str::from_utf8(data).ok()?.split_once(' ')?;
    Some(Version { publication: publication.parse().ok()?, number: number.parse().ok()? })
}

/// Returns the transactions that have set the pointer, and to what.
fn switches(truth: &Truth) -> impl Iterator<Item = (Zxid, String)> {
    let sets = truth.changes_since(Zxid(0)).iter().filter(|change| &*change.path == CURRENT);
    sets.filter_map(|change| Some((change.zxid, pointed(truth, change.zxid)?)))
}

/// Returns what a release contains, or has contained.
fn published(truth: &Truth, name: &str) -> Option<Version> {
    let setting = format!("{RELEASES}/{name}/db%2F0");
    let states = truth.states(&setting, Zxid(0), truth.last());
    states.into_iter().flatten().find_map(|state| version(state.data.as_ref()?))
}

/// How many settings are written at once.
const BATCH: usize = 3;

fn releases(process: &Process, client: &Client) -> Releases<Versions> {
    let keep = process.dice(|dice| 1 + dice.below(3));
    Releases::new(client, PATH, Versions).expect("the path is fine").keep(keep).batch(BATCH)
}

/// Follows what is pointed to, for a while at a time.
async fn watch(process: Process, client: Client, wishes: Wishes, known: Known) {
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let followed = releases(&process, &client).follow().expect("the path is fine");
        let mut before = followed.current();
        for _ in 0..process.dice(|dice| dice.between(1, 30)) {
            let limit = process.dice(|dice| dice.millis(0, 3_000));
            match client.timeout(limit, followed.changed(&before)).await {
                Ok(Ok(seen)) => {
                    process.expect(judge(&process, &before, &seen, &known));
                    before = seen;
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
            settle(&process, &client, &followed, wishes.clone()).await;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// Waits until the newest is seen, when nobody publishes any more.
async fn settle(process: &Process, client: &Client, followed: &FollowedRelease<Version>, wishes: Wishes) {
    // Writers are slow to stop.
    if client.sleep(Duration::from_secs(10)).await.is_err() {
        return;
    }
    let _wish = wishes.make(process, "to see the newest release".to_string());
    let mut seen = followed.current();
    loop {
        let newest = process.truth(|truth| truth.node(CURRENT).map(|node| node.mzxid));
        if seen.set_by() == newest && !seen.is_stale() {
            return process.count("newest at rest");
        }
        match followed.changed(&seen).await {
            Ok(newer) => seen = newer,
            Err(error) => return process.expect(expected(client, &error)),
        }
    }
}

/// Holds what is shown against what was there.
fn judge(
    process: &Process,
    before: &ReleaseView<Version>,
    seen: &ReleaseView<Version>,
    known: &Known,
) -> Result<(), Violation> {
    let wrong = |what: &str| Err(Violation::new("releases", format!("{what}: {seen:?} behind {before:?}")));
    if seen.is_stale() {
        process.count("seen stale");
    }
    let Some(set_by) = seen.set_by() else {
        process.count("seen absent");
        return if seen.value().is_some() || seen.rejected().is_some() {
            wrong("something of nothing")
        } else {
            Ok(())
        };
    };
    // Within a session a server never shows less than before, and the next session begins where the last one ended.
    if before.set_by().is_some_and(|before| set_by < before) {
        return wrong("an older release");
    }
    let (name, version) = process.truth(|truth| {
        let name = pointed(truth, set_by);
        (name.clone(), name.and_then(|name| published(truth, &name)))
    });
    let (Some(name), Some(version)) = (name, version) else { return wrong("a pointer to nothing") };
    let is_damaged = known.0.borrow().damaged.contains(&name);
    match seen.rejected() {
        Some(_) if version.number == UNWANTED || is_damaged => {
            if seen.value().is_some() {
                process.count("seen rejected, with an older value");
            }
            Ok(())
        }
        Some(_) => wrong("a good release that was rejected"),
        None if version.number == UNWANTED => wrong("an unwanted release"),
        None if seen.name() != Some(&*name) || seen.value() != Some(&version) => wrong("not what was pointed to"),
        None => {
            process.count("seen");
            Ok(())
        }
    }
}

fn expected(client: &Client, error: &Error) -> Result<(), Violation> {
    if matches!(error, Error::Ended { .. }) || is_over(client) {
        Ok(())
    } else {
        Err(Violation::new("releases", format!("it fails: {error}")))
    }
}

/// Publishes in one way or another, goes back, deletes, and damages.
async fn write(process: Process, client: Client, wishes: Wishes, known: Known) {
    let followed = releases(&process, &client).follow().expect("the path is fine");
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let releases = releases(&process, &client);
        let wish = wishes.make(&process, "to write releases".to_string());
        match process.dice(|dice| dice.below(20)) {
            0 => damage(&process, &client, &followed, &known).await,
            1 => {
                if client.delete(CURRENT).await.is_ok() {
                    process.count("pointer deleted");
                }
            }
            2..=5 => switch(&process, &client, &releases, &followed).await,
            6 | 7 => match releases.prune().await {
                Ok(0) => {}
                Ok(_) => process.count("pruned"),
                Err(error) => process.expect(expected(&client, &error)),
            },
            8 => {
                let polls = process.dice(|dice| dice.below(12));
                let version = next(&process, &known);
                if for_some_polls(releases.publish(&version), polls).await.is_none() {
                    process.count("dropped");
                }
            }
            9..=13 => publish_after(&process, &client, &releases, &followed, &known).await,
            _ => {
                let version = next(&process, &known);
                let outcome = releases.publish(&version).await;
                said(&process, &client, version, "published", outcome, &known);
            }
        }
        drop(wish);
        let pause = process.dice(|dice| dice.millis(0, 2_000));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
    drop(followed);
    process.reached(Phase::Leaving).await;
}

/// Returns a version that nobody has published.
fn next(process: &Process, known: &Known) -> Version {
    let mut facts = known.0.borrow_mut();
    facts.publications += 1;
    let number = if process.dice(|dice| dice.once_in(8)) { UNWANTED } else { process.dice(|dice| dice.number() % 12) };
    Version { publication: facts.publications, number }
}

async fn publish_after(
    process: &Process,
    client: &Client,
    releases: &Releases<Versions>,
    followed: &FollowedRelease<Version>,
    known: &Known,
) {
    let (seen, version) = (followed.current(), next(process, known));
    let outcome = releases.publish_after(&seen, &version).await;
    if matches!(outcome, Ok(Outcome::NotApplied(_))) {
        process.count("not published: it was not as expected");
    }
    if let Ok(Outcome::Applied(name)) = &outcome {
        process.expect(process.truth(|truth| judge_order(truth, &seen, name)));
    }
    said(process, client, version, "published as expected", outcome, known);
}

/// Looks whether what was pointed to before a release was published is what was expected.
fn judge_order(truth: &Truth, seen: &ReleaseView<Version>, name: &str) -> Result<(), Violation> {
    let first = switches(truth).find(|(_, pointed)| pointed == name);
    let Some((at, _)) = first else {
        return Err(Violation::new("releases", format!("{name} was published, and never pointed to")));
    };
    let before = truth.node_at(CURRENT, Zxid(at.0 - 1));
    let expected = seen.set_by().and_then(|set_by| truth.node_at(CURRENT, set_by));
    match (before, expected) {
        _ if before.map(|node| node.mzxid) == seen.set_by() => Ok(()),
        // The server compares versions, which do not tell a node from another one of that name.
        (Some(before), Some(expected)) if before.czxid != expected.czxid && before.version == expected.version => {
            Ok(())
        }
        _ => Err(Violation::new(
            "releases",
            format!("{name} was published over {before:?}, where {seen:?} was expected"),
        )),
    }
}

async fn switch(
    process: &Process,
    client: &Client,
    releases: &Releases<Versions>,
    followed: &FollowedRelease<Version>,
) {
    let names = match releases.list().await {
        Ok(names) => names,
        Err(error) => return process.expect(expected(client, &error)),
    };
    if names.is_empty() {
        return;
    }
    // The oldest is the one that somebody else may be about to delete.
    let index = process.dice(|dice| if dice.once_in(2) { 0 } else { dice.below(names.len()) });
    // It may have been deleted since.
    let pause = process.dice(|dice| dice.millis(0, 100));
    if client.sleep(pause).await.is_err() {
        return;
    }
    let seen = followed.current();
    let outcome = match process.dice(|dice| dice.once_in(2)) {
        true => releases.switch_after(&seen, &names[index]).await,
        false => releases.switch_to(&names[index]).await,
    };
    match outcome {
        Ok(Outcome::Applied(())) => process.count("switched"),
        Ok(Outcome::NotApplied(Reason::Declined)) => process.count("not switched"),
        Ok(Outcome::NotApplied(_)) => {}
        Ok(Outcome::Unknown) => process.count("outcome unknown"),
        Err(error) => process.expect(expected(client, &error)),
    }
}

/// Deletes a setting of the release that counts.
async fn damage(process: &Process, client: &Client, followed: &FollowedRelease<Version>, known: &Known) {
    let seen = followed.current();
    let Some(name) = seen.name().filter(|_| process.dice(|dice| dice.once_in(2))) else { return };
    known.0.borrow_mut().damaged.push(name.to_string());
    if client.delete(&format!("{RELEASES}/{name}/db%2F0")).await.is_ok() {
        process.count("damaged");
    }
}

fn said(
    process: &Process,
    client: &Client,
    version: Version,
    what: &'static str,
    outcome: Result<Outcome<String>, Error>,
    known: &Known,
) {
    let was_pointed_to = process
        .truth(|truth| switches(truth).any(|(_, name)| published(truth, &name).is_some_and(|found| found == version)));
    let wrong = |what: &str| process.expect(Err(Violation::new("releases", format!("{version:?} {what}"))));
    match outcome {
        Ok(Outcome::Applied(_)) => {
            process.count(what);
            if size(version.number) > BATCH as u64 {
                process.count("published in several steps");
            }
            if !was_pointed_to {
                wrong("was published, and never pointed to");
            }
            known.0.borrow_mut().outcomes.insert(version.publication, true);
        }
        Ok(Outcome::Unknown) => process.count("outcome unknown"),
        Ok(Outcome::NotApplied(_)) => {
            if was_pointed_to {
                wrong("was not published, and pointed to");
            }
            known.0.borrow_mut().outcomes.insert(version.publication, false);
        }
        Err(error) => process.expect(expected(client, &error)),
    }
}
