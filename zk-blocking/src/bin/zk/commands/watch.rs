//! What happens to nodes, as it happens: `watch`.

use std::borrow::Cow;

use clap::Args;
use serde_json::json;
use zk_blocking::{AddWatchMode, End, Error, Wait, WaitForEvents, WatchEnd, WatchedEvent, session::WatchedEventKind};

use crate::{
    args::Options,
    failure::{About, Failure},
    output::{Output, note},
    session,
};

const EVENTS: &str = "\
A line is an event and the path of its node:
  NodeCreated, NodeDeleted, NodeDataChanged
  NodeChildrenChanged  a child was created or deleted; not with -R, which tells of the child itself
  Resync               there was no connection for a time, or this side was too slow: what happened
                       meanwhile is not told
  SessionExpired       the server has let the session expire; the watch is set anew in the next
                       session, and what happened in between is not told";

/// Print what happens to a node, until interrupted
///
/// The node need not exist. It is said on standard error when the watch is set.
#[derive(Args, Debug)]
#[command(after_help = EVENTS)]
pub(crate) struct Watch {
    /// The node
    path: String,

    /// The node and all below it
    #[arg(short = 'R', long)]
    recursive: bool,

    /// End after so many events
    #[arg(short = 'n', long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Watch {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let mode = if self.recursive { AddWatchMode::PersistentRecursive } else { AddWatchMode::Persistent };
        let mut left = self.count.unwrap_or(u64::MAX);
        session::run(options, |session| {
            loop {
                // There is no limit of time: an outage is nothing to give up for.
                let mut watcher = match session.client.add_watch(&self.path, mode).wait() {
                    Err(Error::Lost | Error::Ended { end: End::Expired, .. }) => continue,
                    watcher => watcher.about(&self.path)?,
                };
                note(format_args!("zk: watching {}", self.path));
                for event in watcher.events() {
                    match event {
                        Ok(event) => print(&mut session.output, &event)?,
                        Err(WatchEnd::Session(End::Expired)) => print_expiry(&mut session.output, &self.path)?,
                        Err(end) => return Err(Error::from(end)).about(&self.path),
                    }
                    left -= 1;
                    if left == 0 {
                        return Ok(());
                    }
                }
            }
        })
    }
}

fn print(output: &mut Output, event: &WatchedEvent) -> Result<(), Failure> {
    let name = name(event.kind);
    let zxid = event.zxid.map(|zxid| zxid.to_string());
    let value = || json!({ "event": name, "path": event.path.as_str(), "zxid": zxid });
    output.result(value, || format!("{name} {}", event.path))?;
    output.flush()
}

fn name(kind: WatchedEventKind) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        WatchedEventKind::NodeCreated => "NodeCreated",
        WatchedEventKind::NodeDeleted => "NodeDeleted",
        WatchedEventKind::NodeDataChanged => "NodeDataChanged",
        WatchedEventKind::NodeChildrenChanged => "NodeChildrenChanged",
        WatchedEventKind::Resync => "Resync",
        WatchedEventKind::Unsupported => "Unsupported",
        // The kinds to come have names, too.
        other => return Cow::Owned(format!("{other:?}")),
    })
}

fn print_expiry(output: &mut Output, path: &str) -> Result<(), Failure> {
    let value = || json!({ "event": "SessionExpired", "path": path, "zxid": null });
    output.result(value, || format!("SessionExpired {path}"))?;
    output.flush()
}
