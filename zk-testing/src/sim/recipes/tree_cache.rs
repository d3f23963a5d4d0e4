//! Tree caches: clients follow a tree, whole or in part, with one watch or with many, while others change it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use zk_proto::{
    client::{Builder, Client, OnExpiry},
    recipes::{CacheEvents, TreeCache},
};

use super::common::{before, for_some_polls, is_over, now_or_never};
use super::edits::edit;
use super::replay::Replay;
use crate::sim::{Application, Dice, Phase, Process, Truth, Violation, Workload};

const ROOT: &str = "/tree";
const NAMES: [&str; 3] = ["a", "b", "c"];
const DEPTH: usize = 3;

/// Trees that clients follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeCaching;

impl Workload for TreeCaching {
    fn name(&self) -> &'static str {
        "tree-cache"
    }

    fn counters(&self) -> &'static [&'static str] {
        COUNTERS
    }

    fn begin(&self, _: Dice) -> Box<dyn Application> {
        Box::new(Following::default())
    }
}

const COUNTERS: &[&str] = &[
    "added",
    "added before everything was read",
    "updated",
    "removed",
    "removed while stale",
    "synced",
    "stale",
    "events given up",
    "compared with the snapshot",
    "waited for everything",
    "watched by one",
    "watched by each",
    "dropped",
    "kept until the end",
];

/// The caches that are there at the end, and what their events amount to.
type Kept = Rc<RefCell<BTreeMap<(u32, usize), (Client, TreeCache, Replay)>>>;

#[derive(Default)]
struct Following {
    kept: Kept,
}

impl Application for Following {
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        // Who cannot keep up is to read again.
        let builder = if process.dice(|dice| dice.once_in(4)) { builder.watcher_queue(2) } else { builder };
        if process.dice(|dice| dice.once_in(8)) { builder.on_expiry(OnExpiry::End) } else { builder }
    }

    fn start(&mut self, process: Process, client: Client) {
        for number in 0..process.dice(|dice| dice.between(1, 2)) {
            process.spawn(follow(process.clone(), client.clone(), number, self.kept.clone()));
        }
        process.clone().spawn(edit(process, client, &[ROOT], &NAMES, DEPTH));
    }

    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        for ((process, _), (client, cache, replay)) in self.kept.borrow().iter() {
            if is_over(client) {
                continue;
            }
            let wrong = |what: String| Violation::new("tree cache", format!("P{process} at rest: {what}"));
            let view = cache.snapshot();
            if view.is_stale() || !view.troubles().is_empty() {
                return Err(wrong(format!("it does not trust its view: {view:?}")));
            }
            replay.check_at_rest(truth).map_err(wrong)?;
            replay.check_against(view.iter())?;
        }
        Ok(())
    }

    fn killed(&mut self, process: u32) {
        self.kept.borrow_mut().retain(|(other, _), _| *other != process);
    }
}

/// Follows the tree with one cache after the other.
async fn follow(process: Process, client: Client, number: usize, kept: Kept) {
    while !is_over(&client) {
        let (cache, mut replay) = start(&process, &client);
        let mut events = cache.events();
        for _ in 0..process.dice(|dice| dice.between(1, 60)) {
            if process.phase() > Phase::Trouble || !step(&process, &client, &cache, &mut events, &mut replay).await {
                break;
            }
        }
        if process.phase() == Phase::Trouble {
            process.count("dropped");
            drop(cache);
            // It ends behind a last one.
            while let Some(Some(event)) = before(&process, Phase::Leaving, events.next()).await {
                replay.apply(&process, event);
            }
            continue;
        }
        process.count("kept until the end");
        let key = (process.number(), number);
        kept.borrow_mut().insert(key, (client.clone(), cache, replay));
        while let Some(Some(event)) = before(&process, Phase::Leaving, events.next()).await {
            if let Some((_, _, replay)) = kept.borrow_mut().get_mut(&key) {
                replay.apply(&process, event);
            }
        }
        kept.borrow_mut().remove(&key);
        break;
    }
    process.reached(Phase::Leaving).await;
}

/// Makes a cache of one kind or another.
fn start(process: &Process, client: &Client) -> (TreeCache, Replay) {
    let depth = process.dice(|dice| dice.choose(&[0, 1, DEPTH, DEPTH]));
    let mut builder = TreeCache::builder(client, ROOT).expect("the path is fine").max_depth(depth);
    builder = builder.window(process.dice(|dice| dice.choose(&[1, 3, 64])));
    if process.dice(|dice| dice.once_in(3)) {
        process.count("watched by each");
        builder = builder.watch_each_node();
    } else {
        process.count("watched by one");
    }
    let has_data = !process.dice(|dice| dice.once_in(4));
    if !has_data {
        builder = builder.numbers_only();
    }
    (builder.start(), Replay::new(ROOT, 0..=depth, has_data))
}

/// Does something with a cache; returns whether there is more to come.
async fn step(
    process: &Process,
    client: &Client,
    cache: &TreeCache,
    events: &mut CacheEvents,
    replay: &mut Replay,
) -> bool {
    match process.dice(|dice| dice.below(12)) {
        0 => {
            // Dropped at any of its awaits.
            let polls = process.dice(|dice| dice.below(3));
            match before(process, Phase::Settling, for_some_polls(events.next(), polls)).await {
                Some(Some(Some(event))) => replay.apply(process, event),
                Some(Some(None)) => return false,
                Some(None) => process.count("events given up"),
                None => {}
            }
        }
        1 => {
            // Slow: much happens meanwhile.
            let pause = process.dice(|dice| dice.millis(0, 5_000));
            return client.sleep(pause).await.is_ok();
        }
        2 => {
            if let Some(Ok(view)) = before(process, Phase::Settling, cache.synced()).await {
                process.count("waited for everything");
                if view.is_stale() || !view.is_initialized() {
                    process.expect(Err(Violation::new("tree cache", "it waits for everything, and is stale")));
                }
            }
        }
        3 => {
            while let Some(event) = now_or_never(events.next()) {
                match event {
                    Some(event) => replay.apply(process, event),
                    None => return false,
                }
            }
            process.count("compared with the snapshot");
            process.expect(replay.check_against(cache.snapshot().iter()));
        }
        _ => match before(process, Phase::Settling, events.next()).await {
            Some(Some(event)) => replay.apply(process, event),
            Some(None) => return false,
            None => {}
        },
    }
    true
}
