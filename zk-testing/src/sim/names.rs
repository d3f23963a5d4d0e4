//! The things that a run must have seen, by name.
//!
//! Where the protocol or the client knows a new one, the tests here ask for a decision: is a world to bring it about, or can it
//! not?

use super::{faults::Fault, workload::Workload, world::STEPS};
use zk_proto::{
    client,
    code::{ErrorCode, OpCode},
    session::{End, Sent, WatchedEventKind},
};

/// What is not named below. It must not be seen.
pub(crate) const UNDECIDED: &str = "undecided";

/// What no client does.
const NEVER: &str = "never";

/// Returns the name of an operation that a client sends.
pub(crate) fn operation(op: OpCode) -> &'static str {
    match op {
        OpCode::Create => "create",
        OpCode::Delete => "delete",
        OpCode::Exists => "exists",
        OpCode::GetData => "getData",
        OpCode::SetData => "setData",
        OpCode::GetAcl => "getACL",
        OpCode::SetAcl => "setACL",
        OpCode::GetChildren => "getChildren",
        OpCode::Sync => "sync",
        OpCode::Ping => "ping",
        OpCode::GetChildren2 => "getChildren2",
        OpCode::Multi => "multi",
        OpCode::Create2 => "create2",
        OpCode::Reconfig => "reconfig",
        OpCode::CheckWatches => "checkWatches",
        OpCode::RemoveWatches => "removeWatches",
        OpCode::CreateContainer => "createContainer",
        OpCode::CreateTtl => "createTTL",
        OpCode::MultiRead => "multiRead",
        OpCode::Auth => "auth",
        OpCode::SetWatches => "setWatches",
        OpCode::Sasl => "sasl",
        OpCode::GetEphemerals => "getEphemerals",
        OpCode::GetAllChildrenNumber => "getAllChildrenNumber",
        OpCode::SetWatches2 => "setWatches2",
        OpCode::AddWatch => "addWatch",
        OpCode::WhoAmI => "whoAmI",
        OpCode::CloseSession => "closeSession",
        OpCode::Unknown(_) => "unknown to servers",
        OpCode::Notification | OpCode::Check | OpCode::DeleteContainer | OpCode::Error | OpCode::CreateSession => NEVER,
        _ => UNDECIDED,
    }
}

/// Returns the name of what an application sees when a call fails.
pub(crate) fn error(error: &client::Error) -> &'static str {
    match error {
        client::Error::Server(_) => "Server",
        client::Error::Multi(_) => "Multi",
        client::Error::Lost => "Lost",
        client::Error::TimedOut { sent: Sent::No } => "TimedOut, not sent",
        client::Error::TimedOut { sent: Sent::Perhaps } => "TimedOut, perhaps carried out",
        client::Error::SessionChanged => "SessionChanged",
        client::Error::Ended { sent: Sent::No, .. } => "Ended, not sent",
        client::Error::Ended { sent: Sent::Perhaps, .. } => "Ended, perhaps carried out",
        client::Error::Full => "Full",
        client::Error::TooManyWatches { .. } => "TooManyWatches",
        client::Error::TooLarge { .. } => "TooLarge",
        client::Error::Invalid(_) => "Invalid",
        client::Error::Modes(..) => "Modes",
        client::Error::Malformed(_) => "Malformed",
        client::Error::Watch(_) => "Watch",
        client::Error::Connect(_) => "Connect",
        client::Error::ConnectString(_) => "ConnectString",
        _ => UNDECIDED,
    }
}

/// Returns the name of a server's error.
pub(crate) fn code(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NoNode => "NoNode",
        ErrorCode::NoAuth => "NoAuth",
        ErrorCode::BadVersion => "BadVersion",
        ErrorCode::NoChildrenForEphemerals => "NoChildrenForEphemerals",
        ErrorCode::NodeExists => "NodeExists",
        ErrorCode::NotEmpty => "NotEmpty",
        ErrorCode::InvalidAcl => "InvalidAcl",
        ErrorCode::NotReadOnly => "NotReadOnly",
        ErrorCode::NoWatcher => "NoWatcher",
        ErrorCode::ReconfigDisabled => "ReconfigDisabled",
        _ => "another",
    }
}

/// Returns the name of what a watch tells.
pub(crate) fn event(kind: WatchedEventKind) -> &'static str {
    match kind {
        WatchedEventKind::NodeCreated => "NodeCreated",
        WatchedEventKind::NodeDeleted => "NodeDeleted",
        WatchedEventKind::NodeDataChanged => "NodeDataChanged",
        WatchedEventKind::NodeChildrenChanged => "NodeChildrenChanged",
        WatchedEventKind::Resync => "Resync",
        WatchedEventKind::Unsupported => "Unsupported",
        _ => UNDECIDED,
    }
}

/// Returns the name of how a session ends.
pub(crate) fn end(end: End) -> &'static str {
    match end {
        End::Closed => "Closed",
        End::Expired => "Expired",
        End::AuthFailed => "AuthFailed",
        End::Rejected => "Rejected",
    }
}

/// Returns what a run of many worlds must have seen: by class and name.
///
/// What worlds cannot bring about stands at the end of each class, with the reason.
pub fn expected(workload: &dyn Workload) -> Vec<(&'static str, &'static str)> {
    const ONE_SHOT_END: &str = "its session is over";
    let mut expected = Vec::new();
    let mut class =
        |class: &'static str, names: &[&'static str]| expected.extend(names.iter().map(|name| (class, *name)));
    class("fault", &Fault::ALL.map(Fault::name));
    class("workload", workload.counters());
    if !workload.is_thorough() {
        return expected;
    }
    class("link", &STEPS.iter().map(|(_, _, name)| *name).collect::<Vec<_>>());
    let operations: Vec<_> = OpCode::NAMED.iter().map(|op| operation(*op)).filter(|name| *name != NEVER).collect();
    class("operation", &operations);
    class("operation", &["unknown to servers"]);
    // Not `Malformed`: servers are honest. Not `Watch`, `Connect` and `ConnectString`: no call of a client fails with them.
    class(
        "error",
        &["Server", "Multi", "Lost", "TimedOut, not sent", "TimedOut, perhaps carried out", "SessionChanged"],
    );
    class(
        "error",
        &["Ended, not sent", "Ended, perhaps carried out", "Full", "TooManyWatches", "TooLarge", "Invalid", "Modes"],
    );
    class(
        "code",
        &["NoNode", "NoAuth", "BadVersion", "NoChildrenForEphemerals", "NodeExists", "NotEmpty", "InvalidAcl"],
    );
    class("code", &["NotReadOnly", "NoWatcher", "ReconfigDisabled"]);
    class("greeting", &["new", "resumed", "refused", "read-only", "turned away"]);
    class("word", &["isro", "srvr"]);
    class(
        "state",
        &[
            "Connecting",
            "Connected",
            "Connected, resumed",
            "Connected, read-only",
            "Suspended",
            "PresumedLost",
            "Ended",
        ],
    );
    // Not `Rejected`: no ensemble loses what it has committed.
    class("end", &["Closed", "Expired", "AuthFailed"]);
    // Not `Unsupported`: all servers know persistent watches.
    class("data", &["NodeDataChanged", "NodeDeleted", ONE_SHOT_END]);
    class("exists", &["NodeCreated", ONE_SHOT_END]);
    class("children", &["NodeChildrenChanged", "NodeDeleted", ONE_SHOT_END]);
    let changes = ["NodeCreated", "NodeDeleted", "NodeDataChanged", "Resync", ONE_SHOT_END];
    class("persistent", &changes);
    class("persistent", &["NodeChildrenChanged"]);
    class("recursive", &changes);
    expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_decided_of_every_operation_whether_a_client_sends_it() {
        for op in OpCode::NAMED {
            assert_ne!(operation(*op), UNDECIDED, "{op}");
        }
    }
}
