//! Whether anything grows.
//!
//! Looked at are the quiet points alone, behind a warm-up of the first three tenths. Through these goes a line by least squares; what it
//! rises by, from its beginning to its end, must stay below a limit that does not depend on how long the run was: what leaks does so for
//! ever, and what is a buffer that has not been as full before does not.

use std::fmt;

use super::gauge::Sample;

/// How much of the run is not looked at.
const WARM_UP: f64 = 0.3;

/// Fewer points are no line.
const POINTS: usize = 4;

/// One quantity, and what it may rise by.
struct Quantity {
    name: &'static str,
    of: fn(&Sample) -> f64,
    limit: f64,
}

const QUANTITIES: [Quantity; 6] = [
    Quantity { name: "allocated bytes", of: |sample| sample.allocated_bytes, limit: 192.0 * 1024.0 },
    Quantity { name: "resident bytes", of: |sample| sample.resident_bytes, limit: 8.0 * 1024.0 * 1024.0 },
    Quantity { name: "descriptors", of: |sample| sample.descriptors, limit: 1.5 },
    Quantity { name: "threads", of: |sample| sample.threads, limit: 1.5 },
    Quantity { name: "watches on the server", of: |sample| sample.watches, limit: 0.5 },
    Quantity { name: "sessions on the server", of: |sample| sample.sessions, limit: 0.5 },
];

/// What became of one quantity.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    points: usize,
    mean: f64,
    rise: f64,
    limit: f64,
}

impl Verdict {
    /// Of too few points nothing can be said, which is no good news.
    pub(crate) fn is_flat(&self) -> bool {
        self.points >= POINTS && self.rise < self.limit
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, points, mean, rise, limit } = self;
        let verdict = match self.is_flat() {
            true => "flat",
            false if *points < POINTS => "TOO FEW POINTS",
            false => "GROWS",
        };
        write!(f, "{name:>24}: {verdict}, {mean:.0} on average, rises by {rise:.1} of {limit:.1} over {points} points")
    }
}

pub(crate) fn judge(samples: &[Sample]) -> Vec<Verdict> {
    let end = samples.last().map_or(0.0, |sample| sample.at);
    let warm: Vec<_> = samples.iter().filter(|sample| sample.is_quiet && sample.at >= WARM_UP * end).collect();
    let verdict = |Quantity { name, of, limit }: &Quantity| {
        let points: Vec<_> = warm.iter().map(|sample| (sample.at, of(sample))).collect();
        let mean = points.iter().map(|(_, value)| value).sum::<f64>() / points.len().max(1) as f64;
        Verdict { name, points: points.len(), mean, rise: rise(&points), limit: *limit }
    };
    QUANTITIES.iter().map(verdict).collect()
}

/// Returns by how much a line through the points rises from the first to the last.
fn rise(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if spread == 0.0 {
        return 0.0;
    }
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    slope * (last.0 - first.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(allocated: impl Fn(usize) -> f64) -> Vec<Sample> {
        let sample = |number: usize| Sample {
            at: number as f64,
            is_quiet: number % 2 == 0,
            resident_bytes: 1e8,
            allocated_bytes: if number % 2 == 0 { allocated(number) } else { 1e9 * number as f64 },
            descriptors: 20.0,
            threads: 9.0,
            watches: 0.0,
            sessions: 0.0,
        };
        (0..100).map(sample).collect()
    }

    fn grown(samples: &[Sample]) -> Vec<&'static str> {
        judge(samples).iter().filter(|verdict| !verdict.is_flat()).map(|verdict| verdict.name).collect()
    }

    #[test]
    fn what_is_warm_and_stays_as_it_is_is_flat() {
        let noisy = |number: usize| 1e6 + if number % 4 == 0 { 1e5 } else { 0.0 };
        assert_eq!(grown(&samples(noisy)), [""; 0]);
        let warming = |number: usize| if number < 30 { number as f64 * 1e6 } else { 3e7 };
        assert_eq!(grown(&samples(warming)), [""; 0]);
    }

    #[test]
    fn what_grows_by_a_little_each_time_is_found() {
        let leaking = |number: usize| 1e6 + number as f64 * 4096.0;
        assert_eq!(grown(&samples(leaking)), ["allocated bytes"]);
    }

    #[test]
    fn of_nothing_nothing_good_is_said() {
        assert_eq!(grown(&[]).len(), QUANTITIES.len());
    }
}
