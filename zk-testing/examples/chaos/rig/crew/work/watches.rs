//! Watches, held against what is read beside them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use zk_proto::{
    SessionId,
    client::{Error, WatchEnd, Watcher},
    code::AddWatchMode,
    session::{WatchedEvent, WatchedEventKind},
};
use zk_testing::sim::Dice;

use super::{Actor, registers::register, tree::node};
use crate::rig::clock;
use crate::rig::crew::actor::LIMIT;
use crate::rig::history::Told;

/// Follows a register by a persistent watch, or by one on all registers, for as long as its session lives or for a while.
pub(super) async fn follow(actor: Arc<Actor>, mut dice: Dice) {
    while let Some(session) = actor.session().await {
        let (path, recursive) = (register(&mut dice), dice.once_in(2));
        let watched = if recursive { "/chaos/reg" } else { path.as_str() };
        let mode = if recursive { AddWatchMode::PersistentRecursive } else { AddWatchMode::Persistent };
        match actor.client.add_watch(watched, mode).pin(session).timeout(LIMIT).await {
            Ok(mut watcher) => {
                let rounds = dice.between(20, 200);
                count(&actor, session, &path, recursive, &mut watcher, rounds, &mut dice).await;
            }
            Err(_) => actor.pause(dice.millis(100, 500)).await,
        }
    }
}

/// Counts what a watch tells between reads.
async fn count(
    actor: &Actor,
    session: SessionId,
    path: &str,
    recursive: bool,
    watcher: &mut Watcher,
    rounds: usize,
    dice: &mut Dice,
) {
    // The version from which on everything was told, and how many changes since.
    let mut known: Option<(i32, i32)> = None;
    for _ in 0..rounds {
        // What has come so far is of changes before the read, or else the read would show less than was told.
        let (before, reading) = (drain(watcher, path), actor.get(session, path, false).await);
        let after = drain(watcher, path);
        let Ok(mark) = reading else {
            if before.is_over || after.is_over || !actor.is_working() {
                return;
            }
            known = None;
            actor.pause(dice.millis(50, 200)).await;
            continue;
        };
        if before.has_gap || after.has_gap {
            known = None;
        } else if let Some((from, events)) = &mut known {
            let before = *events + before.changes;
            *events = before + after.changes;
            actor.told(Told::Watched {
                who: actor.who,
                at: clock::now(),
                session: session.0,
                path: path.to_owned(),
                recursive,
                from: *from,
                to: mark.version,
                before,
                events: *events,
            });
        } else if after.changes == 0 {
            known = Some((mark.version, 0));
        }
        if before.is_over || after.is_over || !actor.is_working() {
            return;
        }
        actor.pause(dice.millis(20, 300)).await;
    }
}

/// What a watcher had to tell.
#[derive(Default)]
struct Drained {
    changes: i32,
    has_gap: bool,
    is_over: bool,
}

/// Takes what a watcher has to tell, without waiting.
fn drain(watcher: &mut Watcher, path: &str) -> Drained {
    let mut drained = Drained::default();
    loop {
        match pin!(watcher.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(event))) => match event.kind {
                WatchedEventKind::NodeDataChanged if event.path.as_str() == path => drained.changes += 1,
                WatchedEventKind::Resync => (drained.changes, drained.has_gap) = (0, true),
                _ => {}
            },
            Poll::Ready(Some(Err(_)) | None) => {
                drained.is_over = true;
                return drained;
            }
            Poll::Pending => return drained,
        }
    }
}

/// Leaves one-shot watches, and looks whether they have fired when what they are about has changed.
pub(super) async fn once(actor: Arc<Actor>, mut dice: Dice) {
    while let Some(session) = actor.session().await {
        let (path, what) = match dice.below(4) {
            0 | 1 => (register(&mut dice), What::Data),
            2 => (node(&mut dice), What::Presence),
            _ => (format!("/chaos/tree/{}", dice.below(3)), What::Children),
        };
        let Ok((left, mut watcher)) = leave(&actor, session, &path, what).await else {
            actor.pause(dice.millis(50, 300)).await;
            continue;
        };
        let limit = dice.millis(20, 3_000);
        let mut heard = actor.client.timeout(limit, watcher.changed()).await.ok();
        let Ok(read) = look(&actor, session, &path, what).await else { continue };
        // Events come before the replies that show their cause.
        if heard.is_none() {
            heard = match pin!(watcher.changed()).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(heard) => Some(heard),
                Poll::Pending => None,
            };
        }
        let fired = match heard {
            Some(Ok(WatchedEvent { .. })) => true,
            Some(Err(WatchEnd::Session(_))) => continue,
            Some(Err(end)) => {
                actor.wrong(format!("a one-shot watch on {path} has ended: {end}"));
                continue;
            }
            None => false,
        };
        let (who, session, what) = (actor.who, session.0, what.name().to_owned());
        actor.told(Told::Once { who, at: clock::now(), session, path, what, left, read, fired });
        actor.pause(dice.millis(10, 200)).await;
    }
}

/// What a one-shot watch is about.
#[derive(Clone, Copy)]
enum What {
    Data,
    Presence,
    Children,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Presence => "presence",
            Self::Children => "children",
        }
    }
}

/// Leaves a watch, and returns how the node stands, in two numbers that change with what is watched.
async fn leave(actor: &Actor, session: SessionId, path: &str, what: What) -> Result<((i64, i64), Watcher), Error> {
    let client = &actor.client;
    Ok(match what {
        What::Data => {
            let (_, stat, watcher) = client.get_data(path).pin(session).timeout(LIMIT).watch().await?;
            ((stat.czxid.0, stat.mzxid.0), watcher)
        }
        What::Presence => {
            let (stat, watcher) = client.exists(path).pin(session).timeout(LIMIT).watch().await?;
            (stat.map_or((0, 0), |stat| (stat.czxid.0, stat.mzxid.0)), watcher)
        }
        What::Children => {
            let (_, stat, watcher) = client.get_children(path).pin(session).timeout(LIMIT).watch().await?;
            ((stat.czxid.0, stat.pzxid.0), watcher)
        }
    })
}

async fn look(actor: &Actor, session: SessionId, path: &str, what: What) -> Result<(i64, i64), Error> {
    let stat = actor.client.exists(path).pin(session).timeout(LIMIT).await?;
    Ok(match (what, stat) {
        (What::Data | What::Presence, Some(stat)) => (stat.czxid.0, stat.mzxid.0),
        (What::Children, Some(stat)) => (stat.czxid.0, stat.pzxid.0),
        (_, None) => (0, 0),
    })
}
