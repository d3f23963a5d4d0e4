//! What a run has seen, in numbers, so that a tame world cannot pass for a wild one.

use std::collections::BTreeMap;
use std::fmt;

/// How often what was seen: by a class of things, and a name in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Coverage {
    /// Counts one.
    pub fn count(&mut self, class: &'static str, name: &'static str) {
        *self.counts.entry((class, name)).or_default() += 1;
    }

    /// Returns how many were counted.
    pub fn get(&self, class: &str, name: &str) -> u64 {
        self.counts.iter().find(|((a, b), _)| *a == class && *b == name).map_or(0, |(_, count)| *count)
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// Returns which of these were not seen.
    pub fn missing(
        &self,
        expected: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Vec<(&'static str, &'static str)> {
        expected.into_iter().filter(|key| !self.counts.contains_key(key)).collect()
    }

    /// Returns whether something was seen of which nobody has decided whether it is to be.
    pub fn has_undecided(&self) -> bool {
        self.counts.keys().any(|(_, name)| *name == super::names::UNDECIDED)
    }

    /// Returns all counts, by class and name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.counts.iter().map(|((class, name), count)| (*class, *name, *count))
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (class, name, count) in self.iter() {
            writeln!(f, "{class:<12} {name:<44} {count:>12}")?;
        }
        Ok(())
    }
}
