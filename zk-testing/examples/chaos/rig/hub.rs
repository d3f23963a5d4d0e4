//! Where all that crews tell comes together.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::history::{History, Outcome, Record};

/// The history as it comes in, and the ways to the crews.
pub(crate) struct Hub {
    address: SocketAddr,
    history: Mutex<History>,
    crews: Mutex<Vec<Seat>>,
    changed: Condvar,
    pub(crate) counts: Counts,
}

/// What has come in so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) done: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unknown: AtomicU64,
}

/// What is known of a crew.
#[derive(Default)]
struct Seat {
    control: Option<TcpStream>,
    /// How often its present process has said that it rests.
    rested: usize,
    /// How many operations its present process has under way.
    outstanding: i64,
    /// Which process it is.
    generation: u64,
}

impl Hub {
    /// Listens for crews, so many.
    pub(crate) fn start(crews: usize) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let hub = Arc::new(Self {
            address: listener.local_addr()?,
            history: Mutex::default(),
            crews: Mutex::new((0..crews).map(|_| Seat::default()).collect()),
            changed: Condvar::new(),
            counts: Counts::default(),
        });
        let own = hub.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let hub = own.clone();
                // Who breaks off in the middle of a line has been killed.
                thread::spawn(move || drop(hub.listen(stream)));
            }
        });
        Ok(hub)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many operations are under way.
    pub(crate) fn outstanding(&self) -> i64 {
        self.crews().iter().map(|seat| seat.outstanding).sum()
    }

    /// Says something to all crews.
    pub(crate) fn say(&self, word: &str) {
        for control in self.crews().iter_mut().filter_map(|seat| seat.control.as_mut()) {
            // Who is dead need not hear it.
            _ = control.write_all(format!("{word}\n").as_bytes());
        }
    }

    /// Forgets a process that was killed, once all that it has told was read.
    pub(crate) fn forget(&self, crew: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut crews = self.crews();
        while crews[crew].control.is_some() && Instant::now() < deadline {
            let waited = self.changed.wait_timeout(crews, Duration::from_millis(100));
            crews = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let generation = crews[crew].generation + 1;
        crews[crew] = Seat { generation, ..Seat::default() };
    }

    /// Waits until a crew is there.
    pub(crate) fn wait_for(&self, crew: usize, patience: Duration) -> bool {
        self.wait(patience, |crews| crews[crew].control.is_some())
    }

    /// Waits until all crews have said so often that they rest; returns who has not.
    pub(crate) fn wait_rested(&self, times: usize, patience: Duration) -> Vec<usize> {
        self.wait(patience, |crews| crews.iter().all(|seat| seat.rested >= times));
        let crews = self.crews();
        crews.iter().enumerate().filter(|(_, seat)| seat.rested < times).map(|(crew, _)| crew).collect()
    }

    fn wait(&self, patience: Duration, is_met: impl Fn(&[Seat]) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut crews = self.crews();
        while !is_met(&crews) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            crews = self.changed.wait_timeout(crews, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Reads what a crew tells, to its end.
    fn listen(&self, stream: TcpStream) -> io::Result<()> {
        let control = stream.try_clone()?;
        let mut lines = BufReader::with_capacity(1 << 16, stream);
        let mut line = Vec::new();
        lines.by_ref().read_until(b'\n', &mut line)?;
        let crew: usize = String::from_utf8_lossy(&line).trim().parse().map_err(io::Error::other)?;
        let generation = {
            let mut crews = self.crews();
            crews[crew].control = Some(control);
            crews[crew].generation
        };
        self.changed.notify_all();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 || !line.ends_with(b"\n") {
                break;
            }
            let record: Record = serde_json::from_slice(&line)?;
            let (change, rested) = self.take(record);
            let mut crews = self.crews();
            if crews[crew].generation == generation {
                crews[crew].outstanding += change;
                crews[crew].rested += rested;
            }
            drop(crews);
            if rested > 0 {
                self.changed.notify_all();
            }
        }
        let mut crews = self.crews();
        if crews[crew].generation == generation {
            crews[crew].control = None;
            crews[crew].outstanding = 0;
        }
        drop(crews);
        self.changed.notify_all();
        Ok(())
    }

    /// Adds to the history; returns by how much there is more under way, and how often somebody rests.
    fn take(&self, record: Record) -> (i64, usize) {
        match record {
            Record::Began(op) => {
                self.history().ops.insert(op.id, op);
                (1, 0)
            }
            Record::Ended(id, at, outcome) => {
                let counter = match &outcome {
                    Outcome::Done(_) => &self.counts.done,
                    Outcome::Refused(_) => &self.counts.refused,
                    Outcome::Unknown(_) => &self.counts.unknown,
                };
                counter.fetch_add(1, Ordering::Relaxed);
                if let Some(op) = self.history().ops.get_mut(&id) {
                    op.end = Some((at, outcome));
                }
                (-1, 0)
            }
            Record::Told(told) => {
                self.history().told.push(told);
                (0, 0)
            }
            Record::Rested => (0, 1),
        }
    }

    fn crews(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.crews.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
