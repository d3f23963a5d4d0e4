//! Who tells what a crew does.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Orders;
use crate::rig::clock;
use crate::rig::history::{Call, Op, OpId, Outcome, Record, Told};

/// Writes lines to who ordered the crew.
pub(super) struct Scribe {
    stream: Mutex<TcpStream>,
    next: AtomicU64,
}

impl Scribe {
    pub(super) fn new(stream: TcpStream, orders: &Orders) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let scribe = Self {
            stream: Mutex::new(stream),
            next: AtomicU64::new((u64::from(orders.crew) + 1) << 48 | u64::from(orders.incarnation) << 32 | 1),
        };
        scribe.write(format!("{}\n", orders.crew).as_bytes());
        Ok(scribe)
    }

    /// Returns a name for an operation to come.
    pub(super) fn next(&self) -> OpId {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells that an operation begins. When this returns, it is told, whatever becomes of this process.
    pub(super) fn begin(&self, id: OpId, who: u32, session: i64, call: Call) {
        self.tell(&Record::Began(Op { id, who, session, call, began: clock::now(), end: None }));
    }

    pub(super) fn end(&self, id: OpId, outcome: Outcome) {
        self.tell(&Record::Ended(id, clock::now(), outcome));
    }

    pub(super) fn told(&self, told: Told) {
        self.tell(&Record::Told(told));
    }

    pub(super) fn tell(&self, record: &Record) {
        let mut line = serde_json::to_vec(record).expect("a record is text and numbers");
        line.push(b'\n');
        self.write(&line);
    }

    fn write(&self, line: &[u8]) {
        if self.stream.lock().unwrap_or_else(PoisonError::into_inner).write_all(line).is_err() {
            // Nobody is left to tell.
            std::process::exit(0);
        }
    }
}
