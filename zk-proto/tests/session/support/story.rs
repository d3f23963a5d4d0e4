//! Events as short lines, so that a test shows what a session told, and in which order.

use std::fmt::Debug;

use zk_proto::session::{Event, State};

/// One line.
pub(crate) type Step = String;

/// Renders events: `a: Ok`, `a: Lost`, `w: NodeCreated /a`, `Connected resumed`, `Suspended(Hangup)`.
pub(crate) fn story<T: Debug, W: Debug>(events: &[Event<T, W>]) -> Vec<Step> {
    events.iter().map(line).collect()
}

fn line<T: Debug, W: Debug>(event: &Event<T, W>) -> Step {
    match event {
        Event::Reply { tag, result: Ok(_) } => format!("{}: Ok", name(tag)),
        Event::Reply { tag, result: Err(error) } => format!("{}: {error:?}", name(tag)),
        Event::Watch { watch, event } => format!("{}: {:?} {}", name(watch), event.kind, event.path),
        Event::State(State::Connected { resumed, read_only, .. }) => {
            let (which, only) = (if *resumed { "resumed" } else { "new" }, if *read_only { " read-only" } else { "" });
            format!("Connected {which}{only}")
        }
        Event::State(State::Suspended { cause, .. }) => format!("Suspended({cause:?})"),
        Event::State(state) => format!("{state:?}"),
        Event::LinkFailed { server, cause } => format!("LinkFailed {server} {cause:?}"),
        Event::Challenge { server, .. } => format!("Challenge {server}"),
        other => format!("{other:?}"),
    }
}

/// A tag without quotation marks.
fn name(tag: &impl Debug) -> String {
    format!("{tag:?}").trim_matches(['\'', '"']).to_owned()
}
