//! Results as tables.

use std::fmt::Write;

use crate::{
    clients::FLOOR,
    plan::{Metric, find},
    results::Results,
};

/// In the order in which they are told of.
const ORDER: &[&str] = &[
    "w1",
    "w2",
    "w3",
    "w4",
    "w5",
    "w5-kept",
    "w5-writes",
    "w6",
    "w7",
    "w8",
    "w8-5000",
    "w9-reads",
    "w9-big",
    "w9-big-writes",
    "w10",
    "w10-chain",
];

const COUNTS: &[Metric] = &[
    Metric { key: "syscalls_per_op", title: "system calls/op", decimals: 3 },
    Metric { key: "allocations_per_op", title: "allocations/op", decimals: 2 },
    Metric { key: "instructions_per_op", title: "instructions/op", decimals: 0 },
];

/// Returns all of it in Markdown.
pub(crate) fn render(results: &Results) -> String {
    let mut text = format!("Measured on {}. Medians, with the least and the most in brackets.\n", results.machine);
    for missing in &results.missing {
        _ = writeln!(text, "\nNot measured: {missing}.");
    }
    for name in ORDER {
        if results.clients(name).next().is_some() {
            workload(results, name, &mut text);
        }
    }
    text
}

fn workload(results: &Results, name: &str, text: &mut String) {
    let Some(plan) = find(name) else { return };
    let judged = plan.metrics[0];
    let best = results.best_peer(name, judged.key);
    let is_known =
        |metric: &&Metric| results.clients(name).any(|client| results.spread(name, client, metric.key).is_some());
    let metrics: Vec<&Metric> =
        plan.metrics.iter().chain(COUNTS.iter().filter(|count| count.key != judged.key)).filter(is_known).collect();

    _ = writeln!(text, "\n### {}\n", plan.title);
    if let Some((peer, _)) = best {
        _ = writeln!(text, "The best peer is {peer}.\n");
    }
    _ = write!(text, "| client |");
    for (index, metric) in metrics.iter().enumerate() {
        _ = write!(text, " {} |", metric.title);
        if index == 0 {
            _ = write!(text, " × floor | × best peer |");
        }
    }
    _ = writeln!(text, "\n|---|{}", "---:|".repeat(metrics.len() + 2));
    for client in results.clients(name) {
        _ = write!(text, "| {client} |");
        for (index, metric) in metrics.iter().enumerate() {
            let decimals = metric.decimals;
            match results.spread(name, client, metric.key) {
                Some(spread) if index == 0 => {
                    let (median, least, most) = (spread.median, spread.least, spread.most);
                    _ = write!(text, " {median:.decimals$} ({least:.decimals$}–{most:.decimals$}) |");
                }
                Some(spread) => _ = write!(text, " {:.decimals$} |", spread.median),
                None => _ = write!(text, " – |"),
            }
            if index == 0 {
                let times = (client != FLOOR || name == "w5-kept")
                    .then(|| results.times_floor(name, client, metric.key))
                    .flatten();
                let own = results.spread(name, client, metric.key);
                let to_best = own.zip(best).map(|(own, (_, best))| own.median / best);
                _ = write!(text, " {} | {} |", ratio(times), ratio(to_best));
            }
        }
        _ = writeln!(text);
    }
}

fn ratio(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) if ratio < 10.0 => format!("{ratio:.2}"),
        Some(ratio) => format!("{ratio:.0}"),
        None => "–".to_owned(),
    }
}
