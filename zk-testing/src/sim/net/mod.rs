//! The network of a world: names, dials, connections and timers, all of which take their time and can fail.
//!
//! The processes' side of it is [`SimIo`], which they use while they are polled; the servers' side is the [world](super::world),
//! which carries bytes between connections and the ensemble when their time has come. Between the two lies this, and nothing
//! here knows ZooKeeper but the [tap](super::check::wire), through which everything runs that a client writes and reads.

mod io;
mod pipe;
mod weather;

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use zk_proto::Instant;

pub(crate) use io::SimIo;
pub(crate) use pipe::Close;
use pipe::Pipe;
pub(crate) use weather::Weather;

use super::{
    agenda::Agenda,
    check::wire::{Notes, Wire},
    coverage::Coverage,
    dice::Dice,
    ensemble::Endpoint,
    faults::Fault,
    trace::{Trace, Violation},
};

/// How many bytes may be on their way before a writer waits.
const WINDOW: usize = 64 * 1024;

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Something may have arrived at the server's side of a connection, or at the client's.
    ArriveUp(u32),
    ArriveDown(u32),
    /// A dial has come to the server.
    Dialled(u32),
    /// A timer may be due.
    Alarm(u32),
    /// The next fault.
    Trouble,
    /// The end of a fault.
    Relief(Relief),
    /// A process starts.
    Start,
    /// Somebody looks whether clients notice that servers are silent.
    Listen,
    /// Everything heals.
    Heal,
}

/// How a fault ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Relief {
    Restart(usize),
    Rejoin(usize),
    CatchUp(usize),
    Resume(u32),
    CutOff(u32),
    LoseUp(u32),
    ClearSky,
}

/// A connection between a process and a server.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) process: u32,
    /// The server's side, while that is open.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    /// Whether the process has it open.
    pub(crate) is_held: bool,
    /// What the server was given and has left.
    pub(crate) input: BytesMut,
    /// How long bytes take.
    latency: Duration,
    /// How many bytes a read or a write takes at most.
    grain: usize,
    /// To be cut when the next bytes have come to the server.
    pub(crate) is_doomed: bool,
    /// The next reply is to be lost.
    pub(crate) swallows: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Dial {
    process: u32,
    outcome: Option<Result<u32, ErrorKind>>,
    server: Option<usize>,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Timer {
    /// In the world's time.
    deadline: Option<Instant>,
    waker: Option<Waker>,
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) trace: Trace,
    pub(crate) coverage: Coverage,
    pub(crate) wire: Wire,
    pub(crate) violation: Option<Violation>,
    /// How many faults there were.
    pub(crate) faults: usize,
    /// When processes last went on that had stood still; those that stand still have none.
    pub(crate) resumed: BTreeMap<u32, Option<Instant>>,
    pub(crate) weather: Weather,
    pub(crate) connections: BTreeMap<u32, Connection>,
    pub(crate) by_endpoint: BTreeMap<Endpoint, u32>,
    dice: Dice,
    dials: BTreeMap<u32, Dial>,
    timers: BTreeMap<u32, Timer>,
    next: u32,
}

impl Net {
    pub(crate) fn new(weather: Weather, trace: bool, dice: Dice) -> Self {
        Self {
            now: Instant::ORIGIN,
            agenda: Agenda::default(),
            trace: Trace::new(trace),
            coverage: Coverage::default(),
            wire: Wire::default(),
            violation: None,
            faults: 0,
            resumed: BTreeMap::new(),
            weather,
            connections: BTreeMap::new(),
            by_endpoint: BTreeMap::new(),
            dice,
            dials: BTreeMap::new(),
            timers: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.note(self.now, line);
    }

    /// Counts a fault that has come into effect.
    pub(crate) fn suffer(&mut self, fault: Fault) {
        self.coverage.count("fault", fault.name());
    }

    /// Notes the first thing that is wrong.
    pub(crate) fn accuse(&mut self, found: Result<(), Violation>) {
        if let Err(violation) = found {
            self.violation.get_or_insert(violation);
        }
    }

    fn new_number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Looks a name up. Returns when there is an answer, and which.
    fn look_up(&mut self, process: u32, host: &str) -> (Instant, Result<Vec<SocketAddr>, ErrorKind>) {
        let dice = &mut self.dice;
        let soon = self.now + dice.millis(0, 3);
        if let Some((fault, after)) = self.weather.name_fault(dice) {
            self.note(|| format!("P{process} cannot look up {host}: {}", fault.name()));
            self.suffer(fault);
            return match fault {
                Fault::NoName => (soon, Err(ErrorKind::NotFound)),
                Fault::NoAddress => (soon, Ok(Vec::new())),
                _ => (self.now + after, Ok(self.weather.addresses(host))),
            };
        }
        (soon, Ok(self.weather.addresses(host)))
    }

    /// Begins to dial an address.
    fn dial(&mut self, process: u32, address: SocketAddr) -> u32 {
        let id = self.new_number();
        let there = self.now + self.weather.latency(&mut self.dice);
        let mut dial = Dial { process, outcome: None, server: None, waker: None };
        let fate = match self.weather.server_at(address) {
            None => Some(Fault::DeadAddress),
            Some(_) if self.weather.is_cut_off(process, self.now) => Some(Fault::Offline),
            Some(server) => {
                dial.server = Some(server);
                self.weather.dial_fault(&mut self.dice)
            }
        };
        if let Some(fault) = fate {
            dial.server = None;
            self.suffer(fault);
            let is_refused = match fault {
                Fault::RefusedDial => true,
                Fault::DeadAddress => self.dice.once_in(2),
                _ => false,
            };
            if !is_refused {
                self.note(|| format!("P{process} dials {address} into the void: {}", fault.name()));
                self.dials.insert(id, dial);
                return id;
            }
        }
        self.note(|| format!("P{process} dials {address}"));
        self.dials.insert(id, dial);
        self.agenda.add(there, Happening::Dialled(id));
        id
    }

    /// Returns whose dial has come to which server; none where nobody wants it any more, or nobody is there.
    pub(crate) fn dialled(&mut self, id: u32) -> Option<(u32, usize)> {
        let dial = self.dials.get(&id)?;
        if dial.server.is_none() {
            self.answer_dial(id, None);
            return None;
        }
        Some((dial.process, dial.server?))
    }

    /// Tells a process how its dial went: it has a connection now, or is refused.
    pub(crate) fn answer_dial(&mut self, id: u32, endpoint: Option<Endpoint>) {
        let latency = self.weather.latency(&mut self.dice);
        let grain = self.weather.grain(&mut self.dice);
        let number = self.new_number();
        let Some(dial) = self.dials.get_mut(&id) else { return };
        let process = dial.process;
        dial.outcome = Some(match endpoint {
            None => Err(ErrorKind::ConnectionRefused),
            Some(endpoint) => {
                let connection = Connection {
                    process,
                    endpoint: Some(endpoint),
                    up: Pipe::default(),
                    down: Pipe::default(),
                    is_held: true,
                    input: BytesMut::new(),
                    latency,
                    grain,
                    is_doomed: false,
                    swallows: false,
                    reader: None,
                    writer: None,
                };
                self.connections.insert(number, connection);
                self.by_endpoint.insert(endpoint, number);
                Ok(number)
            }
        });
        if let Some(waker) = dial.waker.take() {
            waker.wake();
        }
        if let Some(endpoint) = endpoint {
            self.wire.open(number, process);
            self.note(|| format!("P{process} is connected to S{} by C{number}", endpoint.server));
        }
    }

    /// Takes the outcome of a dial.
    fn poll_dial(&mut self, id: u32, waker: &Waker) -> Poll<std::io::Result<u32>> {
        let Some(dial) = self.dials.get_mut(&id) else { return Poll::Pending };
        match dial.outcome.take() {
            Some(outcome) => {
                self.dials.remove(&id);
                Poll::Ready(outcome.map_err(Error::from))
            }
            None => {
                dial.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    /// Gives up a dial.
    fn hang_up(&mut self, id: u32) {
        if let Some(Dial { outcome: Some(Ok(connection)), .. }) = self.dials.remove(&id) {
            self.close_by_client(connection);
        }
    }

    fn read(&mut self, id: u32, input: &mut BytesMut, waker: &Waker) -> Poll<std::io::Result<usize>> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        if connection.down.closed == Some(Close::Reset) {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let there = connection.down.arrived.len();
        if there == 0 {
            if connection.down.closed.is_some() {
                return Poll::Ready(Ok(0));
            }
            connection.reader = Some(waker.clone());
            return Poll::Pending;
        }
        let room = input.capacity() - input.len();
        let count = there.min(room).min(self.dice.between(1, connection.grain));
        let bytes = connection.down.arrived.split_to(count);
        input.put_slice(&bytes);
        let notes = Notes { now: self.now, coverage: &mut self.coverage, trace: &mut self.trace };
        let found = self.wire.read(id, &bytes, notes);
        self.accuse(found);
        Poll::Ready(Ok(count))
    }

    fn write(&mut self, id: u32, chunks: &[IoSlice<'_>], waker: &Waker) -> Poll<std::io::Result<usize>> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        if connection.down.closed == Some(Close::Reset) {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW.saturating_sub(connection.up.len());
        if room == 0 {
            connection.writer = Some(waker.clone());
            return Poll::Pending;
        }
        let count = chunks.iter().map(|chunk| chunk.len()).sum::<usize>().min(room);
        let count = count.min(self.dice.between(1, connection.grain.saturating_mul(4)));
        let mut bytes = BytesMut::with_capacity(count);
        for chunk in chunks {
            let taken = chunk.len().min(count - bytes.len());
            bytes.put_slice(&chunk[..taken]);
        }
        let bytes = bytes.freeze();
        let at = self.now + connection.latency;
        let notes = Notes { now: self.now, coverage: &mut self.coverage, trace: &mut self.trace };
        let found = self.wire.sent(id, &bytes, notes);
        if connection.up.closed.is_none() {
            if let Some(at) = connection.up.send(bytes, at) {
                self.agenda.add(at, Happening::ArriveUp(id));
            }
        }
        self.accuse(found);
        Poll::Ready(Ok(count))
    }

    /// The process has let go of a connection.
    fn close_by_client(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.is_held = false;
        (connection.reader, connection.writer) = (None, None);
        let at = self.now + connection.latency;
        if let Some(at) = connection.up.close(Close::Fin, at) {
            self.agenda.add(at, Happening::ArriveUp(id));
        }
        let process = connection.process;
        self.note(|| format!("P{process} lets go of C{id}"));
        self.wire.close(id);
        self.forget_if_over(id);
    }

    /// Forgets a connection that has neither side.
    pub(crate) fn forget_if_over(&mut self, id: u32) {
        let is_over =
            self.connections.get(&id).is_some_and(|connection| !connection.is_held && connection.endpoint.is_none());
        if is_over {
            self.connections.remove(&id);
        }
    }

    /// The server sends bytes.
    pub(crate) fn send_down(&mut self, id: u32, bytes: Bytes) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let without = if connection.swallows { without_first_reply(&bytes) } else { None };
        let is_swallowed = without.is_some();
        let bytes = without.unwrap_or(bytes);
        connection.swallows &= !is_swallowed;
        if is_swallowed {
            self.wire.spoil(id);
            self.coverage.count("fault", Fault::Swallow.name());
            self.trace.note(now, || format!("C{id} loses a reply"));
        }
        if let Some(at) = connection.down.send(bytes, now + connection.latency) {
            self.agenda.add(at, Happening::ArriveDown(id));
        }
    }

    /// The server closes its side.
    pub(crate) fn close_by_server(&mut self, id: u32, close: Close) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let endpoint = connection.endpoint.take();
        connection.up.closed.get_or_insert(Close::Fin);
        if let Some(at) = connection.down.close(close, now + connection.latency) {
            self.agenda.add(at, Happening::ArriveDown(id));
        }
        endpoint.map(|endpoint| self.by_endpoint.remove(&endpoint));
        self.note(|| format!("the server closes C{id}"));
        self.forget_if_over(id);
    }

    /// Something may have arrived at the client.
    pub(crate) fn arrive_down(&mut self, id: u32) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.down.arrive(now) {
            // A writer learns of a reset too.
            [connection.reader.take(), connection.writer.take()].into_iter().flatten().for_each(Waker::wake);
        }
    }

    /// Something may have arrived at the server. Returns whether it has.
    pub(crate) fn arrive_up(&mut self, id: u32) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let any = connection.up.arrive(now);
        if any {
            if let Some(endpoint) = connection.endpoint {
                self.wire.heard(id, endpoint.server, now);
            }
            connection.writer.take().into_iter().for_each(Waker::wake);
        }
        any
    }

    /// Breaks a connection: each side hears of it somewhat later, and of any part of what was on its way.
    pub(crate) fn cut(&mut self, id: u32, close: Close) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (up, down) = (connection.up.len(), connection.down.len());
        let kept = [up, down].map(|len| if close == Close::Reset { 0 } else { self.dice.between(0, len) });
        let [up_at, down_at] = [(); 2].map(|()| self.now + connection.latency + self.dice.millis(0, 20));
        connection.up.cut(kept[0], close, up_at);
        connection.down.cut(kept[1], close, down_at);
        self.agenda.add(up_at, Happening::ArriveUp(id));
        self.agenda.add(down_at, Happening::ArriveDown(id));
    }

    /// Holds back what is on its way to the server, or to the client.
    pub(crate) fn stall(&mut self, id: u32, upwards: bool, until: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (pipe, happening) = if upwards {
            (&mut connection.up, Happening::ArriveUp(id))
        } else {
            (&mut connection.down, Happening::ArriveDown(id))
        };
        let at = pipe.hold(until);
        self.agenda.add(at, happening);
    }

    /// Lets bytes be as quick on old connections as they are on new ones.
    pub(crate) fn speed_up(&mut self) {
        for connection in self.connections.values_mut() {
            connection.latency = connection.latency.min(self.weather.latency.1);
        }
    }

    /// Waits for a time of the world.
    fn poll_until(&mut self, timer: u32, deadline: Instant, waker: &Waker) -> Poll<()> {
        if deadline <= self.now {
            return Poll::Ready(());
        }
        let entry = self.timers.entry(timer).or_default();
        if entry.deadline != Some(deadline) {
            entry.deadline = Some(deadline);
            self.agenda.add(deadline, Happening::Alarm(timer));
        }
        entry.waker = Some(waker.clone());
        Poll::Pending
    }

    pub(crate) fn alarm(&mut self, timer: u32) {
        let now = self.now;
        if let Some(timer) = self.timers.get_mut(&timer).filter(|timer| timer.deadline == Some(now)) {
            timer.deadline = None;
            timer.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Returns whether a process has stood still since then.
    pub(crate) fn has_paused_since(&self, process: u32, since: Instant) -> bool {
        self.resumed.get(&process).is_some_and(|resumed| resumed.is_none_or(|resumed| resumed >= since))
    }

    /// Looks whether clients notice that servers are silent.
    pub(crate) fn listen(&mut self) {
        let found = self.wire.check_silence(self.now, |process, since| self.has_paused_since(process, since));
        self.accuse(found);
        self.agenda.add(self.now + Duration::from_millis(500), Happening::Listen);
    }

    /// Returns how many connections a process has open.
    pub(crate) fn open_connections(&self, process: u32) -> usize {
        self.connections.values().filter(|connection| connection.process == process && connection.is_held).count()
    }

    /// Returns the connections with both sides, of all processes or of one.
    pub(crate) fn live(&self, process: Option<u32>) -> Vec<u32> {
        let is_live = |connection: &Connection| {
            connection.is_held
                && connection.endpoint.is_some()
                && process.is_none_or(|process| connection.process == process)
        };
        self.connections.iter().filter(|(_, connection)| is_live(connection)).map(|(id, _)| *id).collect()
    }

    /// The machine of a process is gone: nobody hears of it.
    pub(crate) fn silence(&mut self, process: u32) {
        for connection in self.connections.values_mut().filter(|connection| connection.process == process) {
            connection.up.lose();
            connection.down.lose();
        }
    }
}

/// Returns bytes without the first reply to a request in them; `None` where there is none, or only a part of one.
fn without_first_reply(bytes: &Bytes) -> Option<Bytes> {
    let mut at = 0;
    loop {
        let head = bytes.get(at..at + 8)?;
        let (len, xid) = head.split_at(4);
        let len = usize::try_from(i32::from_be_bytes(len.try_into().ok()?)).ok()?;
        let after = at.checked_add(4 + len).filter(|after| *after <= bytes.len())?;
        if i32::from_be_bytes(xid.try_into().ok()?) > 0 {
            return Some(Bytes::from([&bytes[..at], &bytes[after..]].concat()));
        }
        at = after;
    }
}
