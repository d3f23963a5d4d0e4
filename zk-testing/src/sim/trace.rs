//! What happened in a world, line by line, and what went wrong.

use std::fmt;

use zk_proto::Instant;

/// Something that must never be, and was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check that noticed.
    pub check: &'static str,
    /// What is wrong, and with whom.
    pub what: String,
}

impl Violation {
    /// Says what is wrong.
    pub fn new(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

impl std::error::Error for Violation {}

/// A record of everything that happened, kept where somebody wants to read it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
    /// The hash of all lines, so that two runs can be compared without keeping them.
    digest: u64,
}

impl Trace {
    pub(crate) fn new(is_kept: bool) -> Self {
        Self { lines: is_kept.then(Vec::new), digest: 0xCBF2_9CE4_8422_2325 }
    }

    /// Notes a line.
    pub(crate) fn note(&mut self, at: Instant, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.6} {}", at.as_nanos() as f64 / 1e9, line()));
        }
    }

    /// Notes a few numbers that tell this run from another one.
    pub(crate) fn mix(&mut self, numbers: [u64; 4]) {
        for number in numbers {
            self.digest = (self.digest ^ number).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(17);
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
