//! The one loop: bytes first, then new work, then time.

use core::{
    borrow::Borrow,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use std::io::{self, IoSlice};

use bytes::{Buf, BytesMut};

use super::{DialError, Io, dial};
use crate::{Instant, LinkId, Machine, Server, Transmit, Wants, session::End};

/// How many turns are taken before other tasks of the runtime get theirs.
const TURNS_A_POLL: usize = 16;

/// How many reads, and how many writes, are made in one turn.
const READS_A_TURN: usize = 8;
const WRITES_A_TURN: usize = 8;

/// A read of so many bytes has probably brought several replies. One alone is not worth it: its owner wakes this task sooner than
/// a runtime of several threads comes back to it.
const MANY_BYTES: usize = 1024;

/// How many chunks go into one write.
const CHUNKS_A_WRITE: usize = 32;

/// Drives a machine on what a runtime lends, until its session is over for good; returns how it ended.
///
/// The machine handles its events itself, because nobody else can as long as it is driven: a [`Driver`](super::Driver), or a
/// machine of one's own around a [`Session`](crate::Session). Dropping the future closes the connection, and leaves the session
/// to expire.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would have its arguments twice, and there can be a thousand"
)]
pub fn drive<M: Machine, I: Io>(mut machine: M, io: I) -> impl Future<Output = End> {
    async move {
        let (machine, io) = (&mut machine, &io);
        let dial = |io, server: Server| Box::pin(async move { dial(io, &server).await });
        Driving { machine, io, dial, link: None, probe: None, timer: io.timer(), armed: None }.await
    }
}

/// A machine and its transports.
struct Driving<'a, M, I: Io, D, F> {
    machine: &'a mut M,
    io: &'a I,
    dial: D,
    link: Option<Transport<I::Stream, F>>,
    /// Seldom there, and there can be a thousand drivers.
    probe: Option<Box<Transport<I::Stream, F>>>,
    timer: I::Timer,
    /// The deadline that the timer waits for. It may be earlier than the machine's.
    armed: Option<Instant>,
}

/// One transport: all of it belongs to one link, and dies with it.
struct Transport<S, F> {
    link: LinkId,
    stage: Stage<S, F>,
}

enum Stage<S, F> {
    Dialing(F),
    Open(Open<S>),
    /// Failed; the machine was told.
    Gone,
}

struct Open<S> {
    stream: S,
    input: BytesMut,
    appetite: Appetite,
    /// The machine has left whole frames in `input`.
    is_stalled: bool,
    /// Much has come in one read.
    has_news: bool,
    /// Others were let go first, in the middle of this turn.
    has_let_go: bool,
    /// What was not written whole. Seldom there, too.
    output: Option<Box<Transmit>>,
}

impl<'a, M, I, D, F> Future for Driving<'a, M, I, D, F>
where
    M: Machine,
    I: Io,
    D: Fn(&'a I, Server) -> F,
    F: Future<Output = Result<I::Stream, DialError>> + Unpin,
{
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = &mut *self;
        for _ in 0..TURNS_A_POLL {
            let now = this.io.now();
            let mut is_busy = false;
            for transport in this.link.iter_mut().chain(this.probe.as_deref_mut()) {
                is_busy |= transport.receive(this.machine, this.io, cx, now);
            }
            // Those who have just heard of a reply have mostly more to ask. When all have run, one turn sends what they want, and none
            // of them has to wake this task. But only once, or a server that never stops would never be answered.
            if I::HAS_NEIGHBOURS && this.link.as_mut().is_some_and(Transport::lets_go) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let link = this.link.as_ref().map(|transport| transport.link);
            let probe = this.probe.as_ref().map(|transport| transport.link);
            if !this.machine.is_content_with(link, probe) {
                match this.machine.wants() {
                    Wants::Nothing(end) => return Poll::Ready(end),
                    Wants::Offline => this.link = None,
                    Wants::Link { id, server } => is_busy |= adopt(&mut this.link, id, || (this.dial)(this.io, server)),
                }
                match this.machine.wants_probe() {
                    None => this.probe = None,
                    Some((id, server)) => is_busy |= adopt(&mut this.probe, id, || (this.dial)(this.io, server)),
                }
            }
            for transport in this.link.iter_mut().chain(this.probe.as_deref_mut()) {
                is_busy |= transport.send(this.machine, this.io, cx, now);
            }
            let deadline = this.machine.poll_timeout();
            if deadline.is_some_and(|deadline| deadline <= now) {
                this.machine.handle_timeout(now);
                this.armed = None;
                this.link.iter_mut().for_each(Transport::rest);
                is_busy = true;
            }
            // What others ask for after the look at the deadline makes this one busy.
            is_busy |= this.machine.poll_work(cx, now).is_ready();
            if !is_busy && this.poll_timer(deadline, cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What must stay where it is lies in boxes of its own.
impl<M, I: Io, D, F> Unpin for Driving<'_, M, I, D, F> {}

impl<M, I: Io, D, F> Driving<'_, M, I, D, F> {
    /// Waits until the machine is due, or somewhat earlier: the deadline of a busy session moves with every request, and
    /// setting the timer anew each time would cost more than a needless turn now and then.
    fn poll_timer(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(deadline) = deadline {
            self.armed = Some(self.armed.map_or(deadline, |armed| armed.min(deadline)));
        }
        let Some(armed) = self.armed else { return Poll::Pending };
        let polled = self.io.poll_timer(&mut self.timer, cx, armed);
        if polled.is_ready() {
            self.armed = None;
        }
        polled
    }
}

/// Makes the transport that of this link, by dialling if it is not. Returns whether it was not.
fn adopt<S, F, T>(transport: &mut Option<T>, link: LinkId, dial: impl FnOnce() -> F) -> bool
where
    T: Borrow<Transport<S, F>> + From<Transport<S, F>>,
{
    if transport.as_ref().is_some_and(|transport| transport.borrow().link == link) {
        return false;
    }
    // The old one goes first: it must not be open while the new one is.
    *transport = None;
    *transport = Some(Transport { link, stage: Stage::Dialing(dial()) }.into());
    true
}

impl<S, F: Future<Output = Result<S, DialError>> + Unpin> Transport<S, F> {
    /// Takes in what has arrived. Returns whether there may be more.
    fn receive<M, I>(&mut self, machine: &mut M, io: &I, cx: &mut Context<'_>, now: Instant) -> bool
    where
        M: Machine,
        I: Io<Stream = S>,
    {
        match &mut self.stage {
            Stage::Gone => false,
            Stage::Dialing(dial) => match Pin::new(dial).poll(cx) {
                Poll::Pending => false,
                Poll::Ready(Ok(stream)) => {
                    self.stage = Stage::Open(Open::new(stream));
                    machine.handle_connected(self.link, now);
                    true
                }
                Poll::Ready(Err(error)) => self.fail(machine, &error, now),
            },
            Stage::Open(open) => match open.receive(self.link, machine, io, cx, now) {
                Ok(is_busy) => is_busy,
                Err(error) => self.fail(machine, &error, now),
            },
        }
    }

    /// Writes what there is to write. Returns whether there may be more.
    fn send<M, I>(&mut self, machine: &mut M, io: &I, cx: &mut Context<'_>, now: Instant) -> bool
    where
        M: Machine,
        I: Io<Stream = S>,
    {
        let Stage::Open(open) = &mut self.stage else { return false };
        match open.send(self.link, machine, io, cx, now) {
            Ok(is_busy) => is_busy,
            Err(error) => self.fail(machine, &error, now),
        }
    }

    /// Returns whether more than a few replies have come since the last call, unless it returned true.
    fn lets_go(&mut self) -> bool {
        let Stage::Open(open) = &mut self.stage else { return false };
        open.has_let_go = core::mem::take(&mut open.has_news) && !open.has_let_go;
        open.has_let_go
    }

    /// A deadline has passed: gives back memory if nothing much has come since the last one.
    fn rest(&mut self) {
        if let Stage::Open(open) = &mut self.stage {
            open.appetite.rest(&mut open.input);
        }
    }

    fn fail(&mut self, machine: &mut impl Machine, error: &dyn fmt::Display, now: Instant) -> bool {
        self.stage = Stage::Gone;
        machine.handle_failure(self.link, error, now);
        true
    }
}

impl<S> Open<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            appetite: Appetite::default(),
            is_stalled: false,
            has_news: false,
            has_let_go: false,
            output: None,
        }
    }

    fn receive<M, I>(
        &mut self,
        link: LinkId,
        machine: &mut M,
        io: &I,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> io::Result<bool>
    where
        M: Machine,
        I: Io<Stream = S>,
    {
        for _ in 0..READS_A_TURN {
            if !machine.wants_input() {
                self.is_stalled = true;
                return Ok(false);
            }
            if core::mem::take(&mut self.is_stalled) {
                machine.handle_input(link, &mut self.input, now);
                continue;
            }
            let room = self.appetite.make_room(&mut self.input);
            match io.poll_read(&mut self.stream, cx, &mut self.input) {
                Poll::Pending => {
                    self.appetite.wait(&mut self.input);
                    return Ok(false);
                }
                Poll::Ready(Ok(0)) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed")),
                Poll::Ready(Ok(count)) => {
                    self.appetite.note(count, room);
                    self.has_news |= count >= MANY_BYTES;
                    machine.handle_input(link, &mut self.input, now);
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(true)
    }

    fn send<M, I>(
        &mut self,
        link: LinkId,
        machine: &mut M,
        io: &I,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> io::Result<bool>
    where
        M: Machine,
        I: Io<Stream = S>,
    {
        for _ in 0..WRITES_A_TURN {
            let rest = self.output.take().map(|rest| *rest);
            let Some(mut transmit) = rest.or_else(|| machine.poll_transmit(link, now)) else { return Ok(false) };
            let mut chunks = [IoSlice::new(&[]); CHUNKS_A_WRITE];
            let count = transmit.chunks_vectored(&mut chunks);
            let is_blocked = match io.poll_write(&mut self.stream, cx, &chunks[..count]) {
                Poll::Pending => true,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    transmit.advance(count);
                    false
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => false,
                Poll::Ready(Err(error)) => return Err(error),
            };
            let is_last = transmit.is_last;
            let is_over = !transmit.has_remaining();
            if !is_over {
                self.output = Some(Box::new(transmit));
            }
            if is_blocked || is_over && is_last {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// How much room to offer to a read: little while little comes, so that a thousand idle sessions cost next to nothing, and much
/// under load, where each read is a system call.
#[derive(Clone, Copy, Debug)]
struct Appetite {
    room: usize,
    /// How many reads in a row have left most of the room unused.
    small_reads: u32,
    /// Memory that is larger than it has to be goes.
    sheds: bool,
    /// Nothing but answers to heartbeats has come since the last deadline.
    is_quiet: bool,
}

impl Default for Appetite {
    fn default() -> Self {
        Self { room: Self::IDLE, small_reads: 0, sheds: false, is_quiet: false }
    }
}

impl Appetite {
    const LEAST: usize = 1024;
    const MOST: usize = 256 * 1024;
    const STEP: usize = 4;
    const PATIENCE: u32 = 16;
    /// Room for the answers to a few heartbeats, of 20 bytes each: all that comes to an idle session.
    const IDLE: usize = 64;

    /// Makes room at the end of `input`, and returns how much there is.
    fn make_room(&mut self, input: &mut BytesMut) -> usize {
        // Not at once: the machine may have made room for another large frame.
        if self.sheds && input.is_empty() {
            self.sheds = false;
            if input.capacity() > Self::STEP * self.room {
                *input = BytesMut::new();
            }
        }
        let room = input.capacity() - input.len();
        // More room means that what is there is moved. The machine has made room for the rest of a large frame, which shall
        // stay where it is; a small beginning of one is worth it.
        if room == 0 || (room < self.room / 2 && input.len() < self.room / 2) {
            input.reserve(self.room);
        }
        input.capacity() - input.len()
    }

    fn note(&mut self, count: usize, room: usize) {
        self.is_quiet &= count < Self::IDLE / 2;
        if count >= room && self.room == Self::IDLE {
            self.room = Self::LEAST;
        } else if count >= room {
            self.room = (self.room * Self::STEP).min(Self::MOST);
            self.small_reads = 0;
        } else if count > self.room / Self::STEP {
            self.small_reads = 0;
        } else {
            self.small_reads += 1;
            if self.small_reads >= Self::PATIENCE {
                self.room = (self.room / Self::STEP).max(Self::LEAST.min(self.room));
                self.small_reads = 0;
                self.sheds = true;
            }
        }
    }

    /// There is nothing to read: keeps no room meanwhile where little comes. Memory that was just given back is quickly had again.
    fn wait(self, input: &mut BytesMut) {
        if self.room == Self::IDLE && input.is_empty() {
            *input = BytesMut::new();
        }
    }

    /// Makes do with next to nothing when it was quiet since the last call.
    fn rest(&mut self, input: &mut BytesMut) {
        if self.is_quiet && input.is_empty() {
            self.room = Self::IDLE;
            if input.capacity() > Self::IDLE {
                *input = BytesMut::new();
            }
        }
        self.is_quiet = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads so many bytes, as long as there are some, and takes them all; returns how many reads that took.
    fn read(appetite: &mut Appetite, input: &mut BytesMut, mut bytes: usize) -> usize {
        let mut reads = 0;
        while bytes > 0 {
            let room = appetite.make_room(input);
            let count = bytes.min(room);
            input.resize(count, 0);
            appetite.note(count, room);
            input.clear();
            (bytes, reads) = (bytes - count, reads + 1);
        }
        reads
    }

    #[test]
    fn appetite_grows_under_load_and_goes_when_there_is_little() {
        let (mut appetite, mut input) = (Appetite::default(), BytesMut::new());
        assert!(read(&mut appetite, &mut input, 1 << 20) < 10);
        assert_eq!(appetite.room, Appetite::MOST);

        for _ in 0..100 {
            read(&mut appetite, &mut input, 20);
        }

        assert_eq!(appetite.room, Appetite::LEAST);
        assert!(input.capacity() <= Appetite::STEP * Appetite::LEAST, "{} kept", input.capacity());
    }

    #[test]
    fn who_hears_nothing_but_heartbeats_keeps_next_to_nothing() {
        let (mut appetite, mut input) = (Appetite::default(), BytesMut::new());
        read(&mut appetite, &mut input, 41);
        for _ in 0..2 {
            appetite.rest(&mut input);
            read(&mut appetite, &mut input, 20);
        }
        assert!(input.capacity() <= Appetite::IDLE, "{} kept", input.capacity());
        appetite.wait(&mut input);
        assert_eq!(input.capacity(), 0);

        assert_eq!(read(&mut appetite, &mut input, 192), 2);
        assert_eq!(read(&mut appetite, &mut input, 192), 1);
    }

    #[test]
    fn the_beginning_of_a_large_frame_stays_where_it_is() {
        let mut appetite = Appetite { room: Appetite::MOST, ..Appetite::default() };
        let mut input = BytesMut::with_capacity(1_000_000);
        input.resize(999_000, 0);
        let place = input.as_ptr();

        let room = appetite.make_room(&mut input);

        assert_eq!((room, input.as_ptr()), (1_000, place));
    }

    #[test]
    fn memory_for_large_frames_is_left_alone_until_little_comes() {
        let (mut appetite, mut input) = (Appetite::default(), BytesMut::new());
        read(&mut appetite, &mut input, 5000);
        // Less than that comes at a time, from a network that is slower than this process.
        input = BytesMut::with_capacity(2_000_000);
        for _ in 0..100 {
            appetite.make_room(&mut input);
            appetite.note(60_000, 2_000_000);
            assert!(input.capacity() >= 2_000_000);
        }

        for _ in 0..100 {
            read(&mut appetite, &mut input, 20);
        }

        assert!(input.capacity() <= Appetite::STEP * Appetite::LEAST, "{} kept", input.capacity());
    }

    #[test]
    fn there_is_always_room() {
        let mut input = BytesMut::with_capacity(100_000);
        input.resize(100_000, 0);

        assert!(Appetite::default().make_room(&mut input) > 0);
    }
}
