//! What all connections share.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

#[derive(Default)]
pub(crate) struct State {
    sessions: AtomicI64,
    pub(crate) pings: AtomicU64,
    rewatch: Mutex<Rewatch>,
}

/// The watches that were lost with a connection.
#[derive(Default)]
enum Rewatch {
    #[default]
    Nothing,
    Since {
        began: Instant,
        watches: usize,
    },
    Took(Duration),
}

impl State {
    pub(crate) fn new_session(&self) -> i64 {
        self.sessions.fetch_add(1, Relaxed) + 0x1000
    }

    /// A connection with so many watches is about to be cut.
    pub(crate) fn lost(&self, watches: usize) {
        self.with(|rewatch| *rewatch = Rewatch::Since { began: Instant::now(), watches });
    }

    /// A connection has so many watches again.
    pub(crate) fn has_set(&self, watches: usize) {
        self.with(|rewatch| match rewatch {
            Rewatch::Since { began, watches: lost } if *lost <= watches => *rewatch = Rewatch::Took(began.elapsed()),
            Rewatch::Since { .. } | Rewatch::Nothing | Rewatch::Took(_) => {}
        });
    }

    /// Returns how long it took until all watches were set again.
    pub(crate) fn rewatched(&self) -> Option<Duration> {
        self.with(|rewatch| match rewatch {
            Rewatch::Took(time) => Some(*time),
            Rewatch::Since { .. } | Rewatch::Nothing => None,
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Rewatch) -> T) -> T {
        work(&mut self.rewatch.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
