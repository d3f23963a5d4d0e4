//! What caches show once all is calm: what is there.

use std::collections::BTreeMap;

use super::super::history::{History, Told};
use super::Violation;

/// Checks each cache against what was there at the end. A cache is named by the node that it is about.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> usize {
    let Some(rest) = &history.rest else { return 0 };
    let mut looked_at = 0;
    for told in &history.told {
        let Told::Cached { cache, nodes, .. } = told else { continue };
        looked_at += 1;
        let is_below =
            |path: &str| path.strip_prefix(cache.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let there: BTreeMap<&str, (i64, i64)> = rest
            .nodes
            .iter()
            .filter(|(path, _)| is_below(path))
            .map(|(path, mark)| (path.as_str(), (mark.czxid, mark.mzxid)))
            .collect();
        let shown: BTreeMap<&str, (i64, i64)> = nodes.iter().map(|(path, node)| (path.as_str(), *node)).collect();
        let differs = |path: &&&str| there.get(**path) != shown.get(**path);
        let mut paths: Vec<&str> = there.keys().chain(shown.keys()).filter(differs).copied().collect();
        paths.sort_unstable();
        paths.dedup();
        if !paths.is_empty() {
            let lines = paths.iter().map(|path| {
                format!("{path}: it is {:?}, and is shown as {:?} (created, set)", there.get(path), shown.get(path))
            });
            let mut violation = Violation::told("caches", format!("the cache of {cache} is wrong"), told);
            violation.evidence = lines.collect();
            violations.push(violation);
        }
    }
    looked_at
}

#[cfg(test)]
mod tests {
    use super::super::fabricate::{Fabricated, expect, mark};
    use super::*;

    fn cached(nodes: &[(&str, i64)]) -> Fabricated {
        let mut history = Fabricated::default();
        let nodes = nodes.iter().map(|(path, mzxid)| ((*path).to_owned(), (1, *mzxid))).collect();
        history.told(Told::Cached { who: 1, cache: "/tree".to_owned(), nodes });
        history.rest(&[("/tree", mark(1, 0, 0)), ("/tree/a", mark(5, 1, 1)), ("/trees", mark(9, 0, 0))]);
        history
    }

    #[test]
    fn a_cache_of_what_is_there_is_fine() {
        expect(0, check, &cached(&[("/tree", 1), ("/tree/a", 5)]));
    }

    #[test]
    fn a_cache_that_lacks_or_keeps_or_confuses_something_is_noticed() {
        expect(1, check, &cached(&[("/tree", 1)]));
        expect(1, check, &cached(&[("/tree", 1), ("/tree/a", 4)]));
        expect(1, check, &cached(&[("/tree", 1), ("/tree/a", 5), ("/tree/b", 6)]));
    }
}
