//! What every run must have seen.

use zk_testing::server::Version;

use crate::coverage::{Coverage, DAMAGES, EVENTS, GREETINGS, OPERATIONS, PARTS, REMOVALS};

/// What is seen less often than this could be missing from another run.
const RARE: u64 = 12;

/// Every outcome of every operation that one server can give.
///
/// Out of reach are what takes an ensemble (reconfiguration, sessions that move), a read-only server, which has a run of its
/// own, local sessions, and throttling.
const OUTCOMES: [(&str, &[&str]); 28] = [
    ("create", &CREATE),
    ("create2", &CREATE),
    ("createContainer", &CREATE),
    ("createTTL", &CREATE),
    ("delete", &["Ok", MALFORMED, "BadArguments", "NoNode", "NoAuth", "BadVersion", "NotEmpty", UNKNOWN]),
    ("setData", &["Ok", MALFORMED, "BadArguments", "NoNode", "NoAuth", "BadVersion", "QuotaExceeded", UNKNOWN]),
    ("setACL", &["Ok", MALFORMED, "BadArguments", "NoNode", "NoAuth", "BadVersion", "InvalidAcl", UNKNOWN]),
    ("exists", &["Ok", MALFORMED, "BadArguments", "NoNode", UNKNOWN]),
    ("getData", &["Ok", MALFORMED, "NoNode", "NoAuth", UNKNOWN]),
    ("getChildren", &["Ok", MALFORMED, "NoNode", "NoAuth", UNKNOWN]),
    ("getChildren2", &["Ok", MALFORMED, "NoNode", "NoAuth", UNKNOWN]),
    ("getACL", &["Ok", MALFORMED, "NoNode", "NoAuth", UNKNOWN]),
    ("getAllChildrenNumber", &["Ok", MALFORMED, "NoNode", "NoAuth", UNKNOWN]),
    ("getEphemerals", &["Ok", MALFORMED, UNKNOWN]),
    ("sync", &["Ok", MALFORMED, UNKNOWN]),
    ("whoAmI", &["Ok", UNKNOWN]),
    ("ping", &["Ok", UNKNOWN]),
    ("multi", &["Ok", MALFORMED, UNKNOWN]),
    ("multiRead", &["Ok", MALFORMED, UNKNOWN]),
    ("addWatch", &["Ok", MALFORMED, UNKNOWN]),
    ("checkWatches", &["Ok", MALFORMED, "NoWatcher", UNKNOWN]),
    ("removeWatches", &["Ok", MALFORMED, "NoWatcher", UNKNOWN]),
    ("setWatches", &["Ok", MALFORMED, UNKNOWN]),
    ("setWatches2", &["Ok", MALFORMED, UNKNOWN]),
    ("auth", &["Ok", "AuthFailed"]),
    ("sasl", &["Ok"]),
    ("closeSession", &["Ok", UNKNOWN]),
    ("reconfig", &["ReconfigDisabled", "Unimplemented", MALFORMED]),
];

const MALFORMED: &str = "MarshallingError";
/// What those are told who should have authenticated.
const UNKNOWN: &str = "SessionClosedRequireSaslAuth";

const CREATE: [&str; 11] = [
    "Ok",
    MALFORMED,
    "BadArguments",
    "Unimplemented",
    "NoNode",
    "NoAuth",
    "NodeExists",
    "NoChildrenForEphemerals",
    "InvalidAcl",
    "QuotaExceeded",
    UNKNOWN,
];

/// The outcomes within a multi and a multiRead.
const PART_OUTCOMES: [(&str, &[&str]); 9] = [
    ("create", &CREATE_PART),
    ("create2", &CREATE_PART),
    ("createContainer", &["Ok", "BadArguments", "NoNode", "NoAuth", "NodeExists", "InvalidAcl", "undone", SKIPPED]),
    ("createTTL", &["Ok", "BadArguments", "NoNode", "NoAuth", "NodeExists", "InvalidAcl", "undone", SKIPPED]),
    ("delete", &["Ok", "BadArguments", "NoNode", "NoAuth", "BadVersion", "NotEmpty", "undone", SKIPPED]),
    ("setData", &["Ok", "BadArguments", "NoNode", "NoAuth", "BadVersion", "undone", SKIPPED]),
    ("check", &["Ok", "BadArguments", "NoNode", "NoAuth", "BadVersion", "undone", SKIPPED]),
    ("getData", &["Ok", "NoNode", "NoAuth"]),
    ("getChildren", &["Ok", "NoNode", "NoAuth"]),
];

const SKIPPED: &str = "RuntimeInconsistency";

const CREATE_PART: [&str; 9] = [
    "Ok",
    "BadArguments",
    "NoNode",
    "NoAuth",
    "NodeExists",
    "NoChildrenForEphemerals",
    "InvalidAcl",
    "undone",
    SKIPPED,
];

/// Which events each kind of watch can hear.
const HEARD: [(&str, &[&str]); 5] = [
    ("data", &["node created", "node deleted", "node data changed"]),
    ("children", &["node deleted", "node children changed"]),
    ("persistent", &["node created", "node deleted", "node data changed", "node children changed"]),
    ("persistent recursive", &["node created", "node deleted", "node data changed"]),
    ("catching up", &["node created", "node deleted", "node data changed", "node children changed"]),
];

const KINDS: [&str; 6] = ["children", "data", "any", "persistent", "persistent recursive", "unknown"];

/// Returns what was hardly ever seen, or never.
pub(crate) fn rare(coverage: &Coverage, version: Version) -> Vec<(String, u64)> {
    let mut wanted: Vec<(&str, String, &str)> = Vec::new();
    for (table, rows) in [(OPERATIONS, &OUTCOMES[..]), (PARTS, &PART_OUTCOMES), (EVENTS, &HEARD)] {
        wanted
            .extend(rows.iter().flat_map(|(row, cells)| cells.iter().map(move |cell| (table, row.to_string(), *cell))));
    }
    for kind in KINDS {
        let outcomes: &[&str] = match kind {
            "unknown" => &[MALFORMED],
            "persistent" | "persistent recursive" if version < Version::V3_9 => &[MALFORMED],
            _ => &["Ok", "NoWatcher"],
        };
        for verb in ["checked", "removed"] {
            wanted.extend(outcomes.iter().map(|outcome| (REMOVALS, format!("{verb}: {kind}"), *outcome)));
        }
    }
    let of_version: &[(&str, &str)] = if version < Version::V3_9 {
        &[("check", "BadVersion"), ("check", "NoNode"), ("check", "BadArguments"), ("check", "NoAuth")]
    } else {
        &[("check", "Unimplemented"), ("exists", "NoAuth")]
    };
    wanted.extend(of_version.iter().map(|(op, outcome)| (OPERATIONS, op.to_string(), *outcome)));
    for op in ["notification", "error", "unknown (99)"] {
        wanted.push((OPERATIONS, op.to_owned(), "Unimplemented"));
    }
    for damage in ["cut", "lengthened"] {
        let damaged =
            OUTCOMES.iter().map(|(op, _)| op).filter(|op| !matches!(**op, "whoAmI" | "ping" | "closeSession"));
        wanted.extend(damaged.map(|op| (DAMAGES, op.to_string(), damage)));
    }
    wanted.extend(["accepted", "refused", "hung up"].map(|outcome| (GREETINGS, "greeting".to_owned(), outcome)));
    let seen = wanted.into_iter().map(|(table, row, cell)| {
        let count = coverage.seen(table, &row, cell);
        (format!("{table}: {row}: {cell}"), count)
    });
    seen.filter(|(_, count)| *count < RARE).collect()
}
