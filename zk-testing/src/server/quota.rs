//! Quotas: what a subtree may hold, and what it holds.
//!
//! A client creates `/zookeeper/quota<path>/zookeeper_limits`, which starts the quota, and `…/zookeeper_stats`, which the
//! server fills in and keeps up to date, silently: neither events nor the node's `Stat` tell. Soft limits are for the logs of
//! real servers, so only the hard ones mean anything here.

use std::collections::BTreeSet;

use super::tree::{QUOTA_PATH, Tree, parent};

const LIMITS_NODE: &str = "zookeeper_limits";
const STATS_NODE: &str = "zookeeper_stats";

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

/// A quota's counts or limits, as they stand in its two nodes. Absent is −1.
#[derive(Debug, PartialEq, Eq)]
struct Track {
    count: i64,
    bytes: i64,
    count_hard_limit: i64,
    byte_hard_limit: i64,
}

impl Track {
    /// Reads `count=1,bytes=2=;byteHardLimit=3`. What is not understood is absent.
    fn parse(data: Option<&[u8]>) -> Self {
        let text = std::str::from_utf8(data.unwrap_or_default()).unwrap_or_default();
        let value = |key: &str| {
            let mut pairs = text.split([',', ';']).map(|pair| pair.split('=').collect::<Vec<_>>());
            // The last one counts. Behind a second `=` stands nothing: it keeps old readers from what follows.
            pairs.rfind(|pair| pair[0] == key).and_then(|pair| pair.get(1)?.parse().ok()).unwrap_or(-1)
        };
        Self {
            count: value("count"),
            bytes: value("bytes"),
            count_hard_limit: value("countHardLimit"),
            byte_hard_limit: value("byteHardLimit"),
        }
    }

    fn to_data(&self) -> Box<[u8]> {
        format!("count={},bytes={}", self.count, self.bytes).into_bytes().into()
    }
}

impl Tree {
    /// Returns whether a change would exceed a hard limit.
    pub(super) fn exceeds_quota(&self, path: &str, bytes: i64, count: i64) -> bool {
        let Some(covered) = self.quotas.covering(path) else { return false };
        let track = |node| self.get(&quota_node(covered, node)).map(|node| Track::parse(node.data.as_deref()));
        let (Some(limits), Some(now)) = (track(LIMITS_NODE), track(STATS_NODE)) else { return false };
        let exceeds = |limit: i64, now: i64, more: i64| more != 0 && limit > -1 && now.saturating_add(more) > limit;
        exceeds(limits.count_hard_limit, now.count, count) || exceeds(limits.byte_hard_limit, now.bytes, bytes)
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
        track.count = track.count.saturating_add(count);
        track.bytes = track.bytes.saturating_add(bytes);
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
        let track = Track { count, bytes, count_hard_limit: -1, byte_hard_limit: -1 };
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
        let track =
            |count, bytes, count_hard_limit, byte_hard_limit| Track { count, bytes, count_hard_limit, byte_hard_limit };
        let table = [
            ("", track(-1, -1, -1, -1)),
            ("count=5,bytes=-1", track(5, -1, -1, -1)),
            ("count=1,bytes=2=;byteHardLimit=3;countHardLimit=4", track(1, 2, 4, 3)),
            ("countHardLimit=4;byteHardLimit=", track(-1, -1, 4, -1)),
            ("nonsense", track(-1, -1, -1, -1)),
        ];
        for (text, expected) in table {
            assert_eq!(Track::parse(Some(text.as_bytes())), expected, "{text}");
        }
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
