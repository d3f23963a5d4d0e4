//! Answers that are a list of names and values.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

/// Names and values in the server's order. Each has a line: `name=value`, or a tab between them in `mntr`, or `name: value` in
/// `dirs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads an answer; `None` when a line has another form. Empty lines and headings are left out.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pairs = Vec::new();
        for line in text.lines() {
            if line.is_empty() || is_heading(line) {
                continue;
            }
            let (name, value) = split(line)?;
            pairs.push((name.to_string(), value.to_string()));
        }
        (!pairs.is_empty()).then_some(Self(pairs))
    }

    /// Returns all names with their values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns a value that is a whole number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }
}

/// Returns whether a line names what follows, as `Environment:` does, or `membership: ` above the members of an ensemble.
fn is_heading(line: &str) -> bool {
    line.trim_end().ends_with(':') && !line.contains('=')
}

fn split(line: &str) -> Option<(&str, &str)> {
    // The tab comes first, because names of `mntr` may contain `=`. Values may contain anything, so the first separator counts.
    let pair = line.split_once('\t').or_else(|| line.split_once('=')).or_else(|| line.split_once(": "));
    pair.filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monitored_figures_are_numbers_where_they_are() {
        let text = "zk_version\t3.8.0-in-memory, built on 2022-02-25\nzk_server_state\tleader\nzk_avg_latency\t0.5\n\
                    zk_znode_count\t5\nzk_write_batch{quantile=\"0.5\"}\t-1\n";

        let pairs = Pairs::parse(text).unwrap();

        assert_eq!(pairs.number("zk_znode_count"), Some(5));
        assert_eq!(pairs.get("zk_server_state"), Some("leader"));
        assert_eq!((pairs.get("zk_avg_latency"), pairs.number("zk_avg_latency")), (Some("0.5"), None));
        assert_eq!(pairs.number("zk_nothing"), None);
        assert_eq!(pairs.number("zk_write_batch{quantile=\"0.5\"}"), Some(-1));
        assert_eq!(pairs.iter().len(), 5);
    }

    #[test]
    fn sizes_of_directories_are_pairs_too() {
        let pairs = Pairs::parse("datadir_size: 67108880\nlogdir_size: 4\n").unwrap();

        assert_eq!((pairs.number("datadir_size"), pairs.number("logdir_size")), (Some(67_108_880), Some(4)));
    }

    #[test]
    fn headings_are_left_out() {
        let environment = Pairs::parse("Environment:\nzookeeper.version=3.8.0\njava.class.path=a=b:c\n").unwrap();
        let configuration =
            Pairs::parse("clientPort=2181\nsecureClientPort=-1\nmembership: \nserver.1=a:1:2:participant\nversion=0\n")
                .unwrap();

        assert_eq!(environment.get("java.class.path"), Some("a=b:c"));
        assert_eq!(environment.iter().next(), Some(("zookeeper.version", "3.8.0")));
        assert_eq!(configuration.number("secureClientPort"), Some(-1));
        assert_eq!(configuration.get("server.1"), Some("a:1:2:participant"));
        assert_eq!(configuration.iter().len(), 4);
    }
}
