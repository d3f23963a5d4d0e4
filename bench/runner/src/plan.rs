//! What is measured, with how many operations and on which cores.

use bench_harness::Workload;

use crate::{Outcome, clients::Pace, options::Options};

/// One row of the benchmark.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) workload: Workload,
    /// For clients at full speed.
    operations: usize,
    /// How many operations clients make that are a hundred times slower; they are not what takes the time.
    slow_operations: usize,
    pub(crate) placement: Placement,
    /// What it is judged by, and what else is shown.
    pub(crate) metrics: &'static [Metric],
}

/// A number that clients tell.
#[derive(Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) decimals: usize,
}

/// Which cores are whose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Both ends on one core: waking another one costs many times what a client does.
    Together,
    /// The server has a core of its own, and so has the client, unless it is made for several.
    Apart,
    /// The server has a core; the client may use all.
    Free,
}

const fn metric(key: &'static str, title: &'static str, decimals: usize) -> Metric {
    Metric { key, title, decimals }
}

const CPU: Metric = metric("cpu_us_per_op", "CPU µs/op", 3);
const RATE: Metric = metric("ops_per_s", "ops/s", 0);
const HALF: Metric = metric("p50_us", "p50 µs", 1);
const WORST: Metric = metric("p99_us", "p99 µs", 1);
const MEGABYTE: Metric = metric("cpu_us_per_mb", "CPU µs/MB", 0);
const MEGABYTES: Metric = metric("mb_per_s", "MB/s", 0);

const WINDOWED: &[Metric] = &[CPU, RATE];
const PAYLOADS: &[Metric] = &[MEGABYTE, MEGABYTES];
const REWATCHED: &[Metric] = &[
    metric("rewatch_ms", "ms until all are set", 2),
    metric("rewatch_cpu_ms", "CPU ms", 1),
    metric("events", "events", 0),
];

const PLANS: &[Plan] = &[
    Plan {
        name: "w1",
        title: "W1: one read of 100 bytes at a time",
        workload: Workload::OneByOne,
        operations: 20_000,
        slow_operations: 3000,
        placement: Placement::Together,
        metrics: &[HALF, WORST, CPU],
    },
    Plan {
        name: "w2",
        title: "W2: 1000 reads of 100 bytes in flight",
        workload: Workload::Reads,
        operations: 1_000_000,
        slow_operations: 20_000,
        placement: Placement::Apart,
        metrics: WINDOWED,
    },
    Plan {
        name: "w3",
        title: "W3: 1000 writes of 100 bytes in flight",
        workload: Workload::Writes,
        operations: 1_000_000,
        slow_operations: 20_000,
        placement: Placement::Apart,
        metrics: WINDOWED,
    },
    Plan {
        name: "w4",
        title: "W4: 256 tasks or threads share a session, each reads one by one",
        workload: Workload::Crowd,
        operations: 512_000,
        slow_operations: 20_480,
        placement: Placement::Free,
        metrics: &[CPU, RATE, HALF, WORST],
    },
    Plan {
        name: "w5",
        title: "W5: reads of 512 kB, 8 in flight, dropped at once",
        workload: Workload::BigReads,
        operations: 800,
        slow_operations: 200,
        placement: Placement::Apart,
        metrics: PAYLOADS,
    },
    Plan {
        name: "w5-kept",
        title: "W5: the same, every payload kept",
        workload: Workload::BigReadsKept,
        operations: 800,
        slow_operations: 200,
        placement: Placement::Apart,
        metrics: PAYLOADS,
    },
    Plan {
        name: "w5-writes",
        title: "W5: writes of 512 kB, 8 in flight",
        workload: Workload::BigWrites,
        operations: 800,
        slow_operations: 200,
        placement: Placement::Apart,
        metrics: PAYLOADS,
    },
    Plan {
        name: "w6",
        title: "W6: 100,000 one-shot watches, which all fire",
        workload: Workload::Watches,
        operations: 100_000,
        slow_operations: 20_000,
        placement: Placement::Apart,
        metrics: &[
            metric("event_cpu_us", "CPU µs/event", 3),
            metric("register_cpu_us", "CPU µs/watch set", 3),
            metric("bytes_per_watch", "bytes/watch", 0),
            metric("events", "events", 0),
        ],
    },
    Plan {
        name: "w7",
        title: "W7: 1000 idle sessions in one process",
        workload: Workload::Idle,
        operations: 1000,
        slow_operations: 200,
        placement: Placement::Free,
        metrics: &[
            metric("cpu_us_per_ping", "CPU µs/ping", 1),
            metric("bytes_per_session", "bytes/session", 0),
            metric("threads", "threads", 0),
        ],
    },
    Plan {
        name: "w8",
        title: "W8: 100,000 watches, the server hangs up",
        workload: Workload::Rewatch,
        operations: 100_000,
        slow_operations: 20_000,
        placement: Placement::Apart,
        metrics: REWATCHED,
    },
    Plan {
        name: "w8-5000",
        title: "W8: 5000 watches, the server hangs up",
        workload: Workload::Rewatch,
        operations: 5000,
        slow_operations: 5000,
        placement: Placement::Apart,
        metrics: REWATCHED,
    },
    Plan {
        name: "w9-reads",
        title: "W9: W2 over TLS",
        workload: Workload::TlsReads,
        operations: 500_000,
        slow_operations: 20_000,
        placement: Placement::Apart,
        metrics: WINDOWED,
    },
    Plan {
        name: "w9-big",
        title: "W9: W5 over TLS",
        workload: Workload::TlsBigReads,
        operations: 3000,
        slow_operations: 200,
        placement: Placement::Apart,
        metrics: PAYLOADS,
    },
    Plan {
        name: "w9-big-writes",
        title: "W9: W5's writes over TLS",
        workload: Workload::TlsBigWrites,
        operations: 3000,
        slow_operations: 200,
        placement: Placement::Apart,
        metrics: PAYLOADS,
    },
    Plan {
        name: "w10",
        title: "W10: an uncontended lock; the server answers 5 ms late",
        workload: Workload::Lock,
        operations: 50,
        slow_operations: 20,
        placement: Placement::Free,
        metrics: &[
            metric("acquire_round_trips", "round trips to acquire", 2),
            metric("release_round_trips", "round trips to release", 2),
        ],
    },
    Plan {
        name: "w10-chain",
        title: "W10: 100 contenders pass a lock on; the server answers 5 ms late",
        workload: Workload::LockChain,
        operations: 100,
        slow_operations: 100,
        placement: Placement::Free,
        metrics: &[metric("handover_round_trips", "round trips to pass it on", 2)],
    },
];

impl Plan {
    pub(crate) fn operations(&self, pace: Pace, options: &Options) -> usize {
        // What is divided by the number of watches depends on it; so these are as many for all but the slowest.
        let is_fixed = matches!(self.workload, Workload::Watches | Workload::Rewatch | Workload::Idle);
        let operations = match (pace, options.is_real) {
            (Pace::Fast, false) => self.operations,
            (Pace::Middling, _) if is_fixed => self.operations,
            // A real server is the slower end.
            (Pace::Fast | Pace::Middling, _) => (self.operations / 5).max(self.slow_operations),
            (Pace::Slow, _) => self.slow_operations,
        };
        if is_fixed { operations } else { ((operations as f64 * options.scale) as usize).max(16) }
    }
}

/// Returns what is to be measured.
///
/// # Errors
///
/// When something is asked for that cannot be.
pub(crate) fn plans(options: &Options) -> Outcome<Vec<&'static Plan>> {
    let is_possible = |plan: &&Plan| !options.is_real || matches!(plan.name, "w1" | "w2" | "w3" | "w4");
    let mut plans: Vec<_> = PLANS.iter().filter(is_possible).collect();
    if let Some(unknown) = options.workloads.iter().find(|name| plans.iter().all(|plan| plan.name != **name)) {
        let known: Vec<_> = plans.iter().map(|plan| plan.name).collect();
        return Err(format!("no workload {unknown:?}; there are {}", known.join(", ")).into());
    }
    plans.retain(|plan| options.workloads.is_empty() || options.workloads.iter().any(|name| name == plan.name));
    Ok(plans)
}

/// Returns a row by its name.
pub(crate) fn find(name: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.name == name)
}
