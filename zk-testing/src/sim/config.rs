//! What a world is to be like.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::faults::Faults;

/// What the worlds of a run are to be like. The seed decides the rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How many clients there are at a time. Default 1 to 4.
    pub clients: RangeInclusive<usize>,
    /// How many servers there are. Default 1 to 5.
    pub servers: RangeInclusive<usize>,
    /// How long things go wrong, in the time of the world; then everything heals, and must come to rest. Default 40 s.
    pub trouble: Duration,
    /// What can go wrong. Default everything.
    pub faults: Faults,
    /// After how many faults it stops, before its time. Default never.
    pub fault_limit: Option<usize>,
    /// Whether to keep a record of everything that happens. Default no.
    pub trace: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            clients: 1..=4,
            servers: 1..=5,
            trouble: Duration::from_secs(40),
            faults: Faults::ALL,
            fault_limit: None,
            trace: false,
        }
    }
}
