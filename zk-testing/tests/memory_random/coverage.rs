//! What has happened in a run, counted; and what must have, for the run to mean anything.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use zk_proto::{
    code::{ErrorCode, EventType, OpCode, WatcherType},
    record::{MultiResponse, MultiResult, WatcherEvent},
    wire::Decoder,
};
use zk_testing::server::{WatchInfo, WatchList, WatchMode};

use crate::{
    memory_client::Frame,
    step::{Body, Damage},
};

#[derive(Debug, Default)]
pub(crate) struct Coverage {
    tables: BTreeMap<&'static str, BTreeMap<String, BTreeMap<String, u64>>>,
}

pub(crate) const OPERATIONS: &str = "operation and outcome";
pub(crate) const PARTS: &str = "operation of a multi and outcome";
pub(crate) const EVENTS: &str = "watch and event";
pub(crate) const REMOVALS: &str = "kind of watch asked for and outcome";
pub(crate) const DAMAGES: &str = "damaged request and outcome";
pub(crate) const GREETINGS: &str = "greetings";

impl Coverage {
    fn count(&mut self, table: &'static str, row: impl fmt::Display, column: impl fmt::Display) {
        *self
            .tables
            .entry(table)
            .or_default()
            .entry(row.to_string())
            .or_default()
            .entry(column.to_string())
            .or_default() += 1;
    }

    /// Returns how often this was seen.
    pub(crate) fn seen(&self, table: &str, row: &str, column: &str) -> u64 {
        let row = self.tables.get(table).and_then(|table| table.get(row));
        row.and_then(|row| row.get(column)).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (table, rows) in other.tables {
            for (row, cells) in rows {
                for (column, count) in cells {
                    *self
                        .tables
                        .entry(table)
                        .or_default()
                        .entry(row.clone())
                        .or_default()
                        .entry(column)
                        .or_default() += count;
                }
            }
        }
    }

    pub(crate) fn greeted(&mut self, answer: Option<&Bytes>) {
        let outcome = match answer {
            None => "hung up",
            Some(answer) if answer.len() == 16 => "not read-only",
            Some(answer) if answer[4..8] == [0; 4] => "refused",
            Some(_) => "accepted",
        };
        self.count(GREETINGS, "greeting", outcome);
    }

    pub(crate) fn called(&mut self, op: OpCode, damage: &Damage) {
        self.count(OPERATIONS, op, "sent");
        let damage = match damage {
            Damage::None => return,
            Damage::Cut(_) => "cut",
            Damage::Flip(..) => "flipped",
            Damage::More(_) => "lengthened",
        };
        self.count(DAMAGES, op, damage);
    }

    /// Counts a reply to a request.
    pub(crate) fn answered(&mut self, op: OpCode, body: &Body, frame: &Frame) {
        self.count(OPERATIONS, op, outcome(frame.header.err));
        match body {
            Body::Watches(request) => {
                let verb = if op == OpCode::CheckWatches { "checked" } else { "removed" };
                self.count(REMOVALS, format!("{verb}: {}", kind(request.watcher_type)), outcome(frame.header.err));
            }
            Body::Multi(parts) if frame.header.err == ErrorCode::Ok => {
                let results: Result<MultiResponse, _> = Decoder::new(frame.body.clone()).get();
                let results = results.map(|results| results.entries).unwrap_or_default();
                for ((part, _), result) in parts.iter().zip(results) {
                    let err = match result.body {
                        MultiResult::Error(error) => error.err,
                        _ => ErrorCode::Ok,
                    };
                    // What was fine before another operation failed is told apart from what was done.
                    let is_undone = result.header.op == OpCode::Error && err == ErrorCode::Ok;
                    self.count(PARTS, part, if is_undone { "undone".into() } else { outcome(err) });
                }
            }
            _ => {}
        }
    }

    /// Counts an event by the watches that a connection had before.
    pub(crate) fn heard<'a>(&mut self, op: OpCode, watches: impl Iterator<Item = &'a WatchInfo>, frame: &Frame) {
        let event: WatcherEvent = Decoder::new(frame.body.clone()).get().expect("an event is sent whole");
        let path = event.path.as_deref().unwrap_or_default();
        if matches!(op, OpCode::SetWatches | OpCode::SetWatches2) {
            self.count(EVENTS, "catching up", event.event_type);
            return;
        }
        for watch in watches {
            let is_child_event = event.event_type == EventType::NodeChildrenChanged;
            let is_here = watch.path == path;
            let row = match (watch.mode, watch.list) {
                (WatchMode::PersistentRecursive, _) if is_child_event => continue,
                (WatchMode::PersistentRecursive, _) if is_here || is_below(path, &watch.path) => "persistent recursive",
                (WatchMode::PersistentRecursive, _) => continue,
                (_, list) if !is_here || !tells(list, event.event_type) => continue,
                (WatchMode::Persistent, _) => "persistent",
                (WatchMode::OneShot, WatchList::Data) => "data",
                (WatchMode::OneShot, WatchList::Children) => "children",
            };
            self.count(EVENTS, row, event.event_type);
        }
    }
}

fn tells(list: WatchList, event: EventType) -> bool {
    match list {
        WatchList::Data => event != EventType::NodeChildrenChanged,
        WatchList::Children => matches!(event, EventType::NodeChildrenChanged | EventType::NodeDeleted),
    }
}

fn is_below(path: &str, above: &str) -> bool {
    let above = above.trim_end_matches('/');
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

fn outcome(err: ErrorCode) -> String {
    if matches!(err, ErrorCode::Unknown(_)) { err.to_string() } else { format!("{err:?}") }
}

fn kind(kind: WatcherType) -> String {
    if matches!(kind, WatcherType::Unknown(_)) { "unknown".into() } else { kind.to_string() }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, rows) in &self.tables {
            writeln!(f, "{name}:")?;
            for (row, cells) in rows {
                let cells: Vec<_> = cells.iter().map(|(column, count)| format!("{column} {count}")).collect();
                writeln!(f, "  {row:<22} {}", cells.join(", "))?;
            }
        }
        Ok(())
    }
}
