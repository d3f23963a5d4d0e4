//! Quotas: what a subtree may hold, and what it holds.
//!
//! A client creates `/zookeeper/quota<path>/zookeeper_limits`, which starts the quota, and `…/zookeeper_stats`, which the
//! server fills in and keeps up to date, silently: neither events nor the node's `Stat` tell. Soft limits are for the logs of
//! real servers, so only the hard ones mean anything here.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{QUOTA_PATH, Tree, parent};

const LIMITS_NODE: &str = "zookeeper_limits";
const STATS_NODE: &str = "zookeeper_stats";

const COUNT: &str = "count";
const BYTES: &str = "bytes";
const COUNT_HARD_LIMIT: &str = "countHardLimit";
const BYTE_HARD_LIMIT: &str = "byteHardLimit";

/// The paths that have a quota.
#[derive(Debug, Default)]
pub(super) struct Quotas(BTreeSet<String>);

impl Quotas {
    /// Returns the nearest path upwards that has a quota.
    fn covering<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        std::iter::successors(Some(path), |path| parent(path))
            .take_while(|path| !path.is_empty())
            .find(|path| self.0.contains(*path))
    }
}

/// What stands in one of a quota's two nodes: counts, limits, and whatever else somebody wrote there. Absent is −1.
#[derive(Debug, Default, PartialEq, Eq)]
struct Track(BTreeMap<String, i64>);

impl Track {
    /// Reads `count=1,bytes=2=;byteHardLimit=3`. What is not understood is absent.
    fn parse(data: Option<&[u8]>) -> Self {
        let text = std::str::from_utf8(data.unwrap_or_default()).unwrap_or_default();
        let pairs = text.split([',', ';']).filter_map(|pair| {
            // Behind a second `=` stands nothing: it keeps old readers from what follows.
            let mut words = pair.split('=');
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        });
        Self(pairs.collect())
    }

    fn value(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    fn add(&mut self, key: &str, more: i64) {
        let value = self.value(key).saturating_add(more);
        self.0.insert(key.to_owned(), value);
    }

    fn to_data(&self) -> Box<[u8]> {
        let mut text = format!("{COUNT}={},{BYTES}={}", self.value(COUNT), self.value(BYTES));
        let others = self.0.iter().filter(|(key, _)| !matches!(key.as_str(), COUNT | BYTES));
        for (position, (key, value)) in others.enumerate() {
            text.push_str(if position == 0 { "=;" } else { ";" });
            text.push_str(&format!("{key}={value}"));
        }
        text.into_bytes().into()
    }
}

impl Tree {
    /// Returns whether a change would exceed a hard limit.
    pub(super) fn exceeds_quota(&self, path: &str, bytes: i64, count: i64) -> bool {
        let Some(covered) = self.quotas.covering(path) else { return false };
        let track = |node| self.get(&quota_node(covered, node)).map(|node| Track::parse(node.data.as_deref()));
        let (Some(limits), Some(now)) = (track(LIMITS_NODE), track(STATS_NODE)) else { return false };
        let exceeds = |limit: i64, now: i64, more: i64| more != 0 && limit > -1 && now.saturating_add(more) > limit;
        exceeds(limits.value(COUNT_HARD_LIMIT), now.value(COUNT), count)
            || exceeds(limits.value(BYTE_HARD_LIMIT), now.value(BYTES), bytes)
    }

    pub(super) fn quota_created(&mut self, path: &str, len: usize) {
        if let Some((covered, node)) = quota_of(path) {
            match node {
                LIMITS_NODE if !covered.is_empty() => _ = self.quotas.0.insert(covered.to_owned()),
                STATS_NODE => self.count_anew(covered),
                _ => {}
            }
        }
        self.count(path, signed(len), 1);
    }

    pub(super) fn quota_deleted(&mut self, path: &str, len: usize) {
        if let Some((covered, LIMITS_NODE)) = quota_of(path) {
            self.quotas.0.remove(covered);
        }
        self.count(path, -signed(len), -1);
    }

    pub(super) fn quota_changed(&mut self, path: &str, before: usize, after: usize) {
        self.count(path, signed(after) - signed(before), 0);
    }

    fn count(&mut self, path: &str, bytes: i64, count: i64) {
        let Some(covered) = self.quotas.covering(path) else { return };
        let Some(node) = self.get_mut(&quota_node(covered, STATS_NODE)) else { return };
        let mut track = Track::parse(node.data.as_deref());
        track.add(COUNT, count);
        track.add(BYTES, bytes);
        node.data = Some(track.to_data());
    }

    fn count_anew(&mut self, covered: &str) {
        let (mut count, mut bytes) = (0, 0);
        if self.get(covered).is_some() && !covered.is_empty() {
            for (_, node) in self.below(covered) {
                count += 1;
                bytes += signed(node.data_len());
            }
        }
        let track = Track([(COUNT.to_owned(), count), (BYTES.to_owned(), bytes)].into());
        if let Some(node) = self.get_mut(&quota_node(covered, STATS_NODE)) {
            node.data = Some(track.to_data());
        }
    }
}

/// Takes the path of a quota's node apart: the path under quota, and the node's name.
fn quota_of(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix(QUOTA_PATH)?.rsplit_once('/')
}

fn quota_node(covered: &str, node: &str) -> String {
    format!("{QUOTA_PATH}{covered}/{node}")
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_shells_write_them() {
        let table: [(&str, [i64; 4]); 5] = [
            ("", [-1, -1, -1, -1]),
            ("count=5,bytes=-1", [5, -1, -1, -1]),
            ("count=1,bytes=2=;byteHardLimit=3;countHardLimit=4", [1, 2, 4, 3]),
            ("countHardLimit=4;byteHardLimit=", [-1, -1, 4, -1]),
            ("nonsense", [-1, -1, -1, -1]),
        ];
        for (text, expected) in table {
            let track = Track::parse(Some(text.as_bytes()));
            let values = [COUNT, BYTES, COUNT_HARD_LIMIT, BYTE_HARD_LIMIT].map(|key| track.value(key));
            assert_eq!(values, expected, "{text}");
        }
    }

    #[test]
    fn what_stands_beside_the_counts_stays_when_they_change() {
        let mut track = Track::parse(Some(b"countHardLimit=4;bytes=2,count=1=;byteHardLimit=3"));

        track.add(COUNT, 1);
        track.add(BYTES, -2);

        assert_eq!(&*track.to_data(), b"count=2,bytes=0=;byteHardLimit=3;countHardLimit=4");
    }

    #[test]
    fn the_nearest_quota_upwards_covers_a_path() {
        let quotas = Quotas(["/a", "/a/b/c"].map(String::from).into());
        let table =
            [("/a", Some("/a")), ("/a/b", Some("/a")), ("/a/b/c/d", Some("/a/b/c")), ("/ab", None), ("/", None)];
        for (path, expected) in table {
            assert_eq!(quotas.covering(path), expected, "{path}");
        }
    }
}
