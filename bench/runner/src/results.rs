//! What was measured, in memory and as JSON.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::{Outcome, clients::FLOOR, round::Told};

#[derive(Default)]
pub(crate) struct Results {
    pub(crate) machine: String,
    pub(crate) missing: Vec<String>,
    /// By workload, then by client in the order in which they were run.
    rows: BTreeMap<String, Vec<(String, Told)>>,
}

/// The middle of some values, and how far they lie apart.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Results {
    /// Replaces what was measured for these clients.
    pub(crate) fn take(&mut self, workload: &str, measured: Vec<(String, Told)>) {
        for (client, told) in measured {
            let row = self.rows.entry(workload.to_owned()).or_default();
            match row.iter_mut().find(|(name, _)| *name == client) {
                // Counts are not taken each time.
                Some((_, old)) if !told.is_empty() => {
                    old.retain(|name, _| name.ends_with("_per_op") && !told.contains_key(name));
                    old.extend(told);
                }
                Some((_, old)) => old.clear(),
                None => row.push((client, told)),
            }
        }
    }

    /// Adds what was counted.
    pub(crate) fn add(&mut self, workload: &str, client: &str, counts: Told) {
        let row = self.rows.entry(workload.to_owned()).or_default();
        if let Some((_, told)) = row.iter_mut().find(|(name, _)| name == client) {
            told.extend(counts);
        }
    }

    /// Returns the clients of a workload.
    pub(crate) fn clients(&self, workload: &str) -> impl Iterator<Item = &str> {
        self.rows.get(workload).into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Returns a number of a client, if it told any.
    pub(crate) fn spread(&self, workload: &str, client: &str, metric: &str) -> Option<Spread> {
        let (_, told) = self.rows.get(workload)?.iter().find(|(name, _)| name == client)?;
        let mut values: Vec<f64> = told.get(metric)?.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Spread { median: f64::midpoint(low, high), least, most })
    }

    /// Returns how many times the floor's median a client's is.
    pub(crate) fn times_floor(&self, workload: &str, client: &str, metric: &str) -> Option<f64> {
        // What payloads take that are kept is seen beside what they take that are not, by the floor itself too.
        let floor_of = if workload == "w5-kept" { "w5" } else { workload };
        let floor = self.spread(floor_of, FLOOR, metric)?.median;
        let own = self.spread(workload, client, metric)?.median;
        (floor > 0.0).then_some(own / floor)
    }

    /// Returns the client that is not of this project and has the least of a metric.
    pub(crate) fn best_peer(&self, workload: &str, metric: &str) -> Option<(&str, f64)> {
        let peers = self.clients(workload).filter(|client| !is_ours(client) && !is_floor(client));
        let numbers = peers.filter_map(|client| Some((client, self.spread(workload, client, metric)?.median)));
        numbers.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let value: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut results = Self {
            machine: text(&value["machine"]),
            missing: value["missing"].as_array().into_iter().flatten().map(text).collect(),
            rows: BTreeMap::new(),
        };
        for (workload, clients) in value["workloads"].as_object().into_iter().flatten() {
            let row = clients.as_object().into_iter().flatten().map(|(client, told)| {
                let told = told.as_object().into_iter().flatten();
                let numbers =
                    |values: &Value| values.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
                (client.clone(), told.map(|(metric, values)| (metric.clone(), numbers(values))).collect())
            });
            results.rows.insert(workload.clone(), row.collect());
        }
        Ok(results)
    }

    pub(crate) fn write(&self, path: &Path) -> Outcome<()> {
        let workloads: Map<String, Value> = self
            .rows
            .iter()
            .map(|(workload, row)| {
                let row: Map<String, Value> = row.iter().map(|(client, told)| (client.clone(), json!(told))).collect();
                (workload.clone(), Value::Object(row))
            })
            .collect();
        let value = json!({ "machine": self.machine, "missing": self.missing, "workloads": workloads });
        fs::write(path, serde_json::to_string_pretty(&value)?)?;
        Ok(())
    }
}

/// Returns whether it is no client at all, but a program that does with less.
pub(crate) fn is_floor(client: &str) -> bool {
    matches!(client, FLOOR | "bare-threads")
}

/// Returns whether a client is of this project.
pub(crate) fn is_ours(client: &str) -> bool {
    client.starts_with("zk-")
}
