//! One client's thread, and the threads that do its work for it.
//!
//! A background thread drives each client, so heartbeats and watches never depend on what the program does. But a thread that
//! [waits](crate::Wait) for a reply has nothing else to do, and two switches between threads cost several times what the
//! request does. So it *helps*: it lets the driver turn, which sends the request, and then it waits for bytes by itself, under a
//! [lease](crate::socket), as long as nobody else waits for any. Two system calls, like a program that knows nothing but
//! its socket.
//!
//! The background thread would wake for every byte all the same, for the poll tells it. When it sees that bytes are fetched
//! without it, it has the poll watch the sockets no longer, and *looks* every few milliseconds whether that still goes on. If not, or
//! if someone leaves while other requests are unanswered, it takes over again. It goes on looking for a while, for a thread that
//! was about to help may be kept from it by what its future does besides: as long as there are looks, such a thread has nobody woken, and
//! what it leaves lying is found by the next one.

use std::{
    io::{self, ErrorKind},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token};
use zk_proto::{
    client::{Driver, drive},
    session::End,
};

use crate::{
    calls::{self, Calls},
    link::{Driving, Link},
    reactor::{MioIo, Reactor},
    socket::{Loan, PATIENCE},
    wait::Parker,
};

const WAKER: Token = Token(0);
const SOCKETS: std::ops::Range<usize> = 1..33;

/// So often in a row bytes must have been fetched by others before the poll watches no longer.
const TRUST: u32 = 8;

/// So often the background thread looks in vain before it stops looking: for half a second.
const LOOKS: u32 = 100;

pub(crate) struct Engine {
    link: Mutex<Link>,
    reactor: Arc<Reactor>,
    alarm: Arc<Alarm>,
    unanswered: Box<dyn Fn() -> usize + Send + Sync>,
    /// How often a thread has received bytes by itself, or tried to.
    fetches: AtomicU64,
    /// Somebody has left while others wait for replies.
    is_handed_over: AtomicBool,
    /// The driver was called, and a thread that has taken the call has not let it turn yet.
    is_called: AtomicBool,
    /// The background thread looks often enough to notice.
    is_looking: AtomicBool,
}

/// What wakes an engine: the thread that asks for it, if it waits for something anyway, or else the background thread.
struct Alarm {
    poll: mio::Waker,
    engine: OnceLock<Weak<Engine>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let engine = self.engine.get().and_then(Weak::upgrade);
        let is_seen_to = engine.is_some_and(|engine| {
            engine.is_called.store(true, SeqCst);
            // Who takes a call helps as soon as its poll is over, and when that is, nobody knows.
            calls::take(&engine) && engine.is_looking.load(SeqCst)
        });
        if !is_seen_to {
            self.ring();
        }
    }
}

impl Alarm {
    fn ring(&self) {
        // It fails only where there is no poll any more.
        _ = self.poll.wake();
    }
}

/// What the background thread has seen of the others.
#[derive(Default)]
struct Habits {
    fetches: u64,
    /// How often in a row bytes were fetched by others.
    trust: u32,
    /// How often to look once more.
    looks: u32,
}

/// What is to be done after a turn.
enum Next<T> {
    TurnAgain,
    Go(T),
}

impl Engine {
    /// Starts the thread of a client.
    pub(crate) fn start(driver: Driver) -> io::Result<()> {
        let unanswered = Box::new(driver.unanswered());
        Self::start_driving(unanswered, |io| Box::pin(drive(driver, io)))
    }

    /// Starts the thread of what drives on an `Io`.
    pub(crate) fn start_driving(
        unanswered: Box<dyn Fn() -> usize + Send + Sync>,
        drive: impl FnOnce(MioIo) -> Driving,
    ) -> io::Result<()> {
        let poll = Poll::new()?;
        let alarm = Arc::new(Alarm { poll: mio::Waker::new(poll.registry(), WAKER)?, engine: OnceLock::new() });
        let link = Link::driven_by(poll.registry(), SOCKETS, Waker::from(alarm.clone()), drive)?;
        let engine = Arc::new(Self {
            reactor: link.reactor().clone(),
            link: Mutex::new(link),
            alarm: alarm.clone(),
            unanswered,
            fetches: AtomicU64::new(0),
            is_handed_over: AtomicBool::new(false),
            is_called: AtomicBool::new(false),
            is_looking: AtomicBool::new(false),
        });
        _ = alarm.engine.set(Arc::downgrade(&engine));
        thread::Builder::new().name("zk-client".into()).spawn(move || engine.run(poll))?;
        Ok(())
    }

    /// What the background thread does.
    fn run(self: Arc<Self>, mut poll: Poll) {
        let mut events = Events::with_capacity(64);
        let mut habits = Habits::default();
        let mut is_over = self.turn(|| Next::Go(())).is_none();
        while !is_over {
            match poll.poll(&mut events, self.reactor.fall_asleep(self.is_looking.load(SeqCst))) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => unreachable!("a poll that was made waits, whatever for: {error}"),
            }
            self.reactor.wake_up();
            if self.look(&events, &mut habits) {
                is_over = self.turn(|| Next::Go(())).is_none();
            }
        }
    }

    /// Takes events in, and looks what the others do. Returns whether there is something to do.
    fn look(&self, events: &Events, habits: &mut Habits) -> bool {
        let is_due = self.reactor.timeout() == Some(Duration::ZERO);
        let has_news = events.iter().filter(|event| self.reactor.note(event)).count() > 0;

        let fetches = self.fetches.load(SeqCst);
        let is_fetched = mem::replace(&mut habits.fetches, fetches) != fetches || self.reactor.is_lent();
        let is_handed_over = self.is_handed_over.swap(false, SeqCst);
        let is_watching = self.reactor.is_watching();
        if is_handed_over || !is_fetched && (!is_watching || has_news) {
            habits.trust = 0;
            self.reactor.watch(true);
        } else if is_fetched && is_watching && has_news {
            habits.trust += 1;
            if habits.trust >= TRUST {
                self.reactor.watch(false);
            }
        }

        let is_busy = is_fetched || is_handed_over || self.is_called.load(SeqCst);
        habits.looks = if is_busy { LOOKS } else { habits.looks.saturating_sub(1) };
        let is_looking = habits.looks > 0 || !self.reactor.is_watching();
        self.is_looking.store(is_looking, SeqCst);
        // Whoever has taken a call before that store may rely on a look that does not come.
        let is_left_lying = !is_looking && self.is_called.load(SeqCst);
        // Who helps is not to be disturbed by a mere look.
        is_due || is_left_lying || !events.is_empty() || self.reactor.is_watching()
    }

    /// Lets the driver do everything there is to do. Before anybody else lets it, `then` is asked whether that is all, and for what.
    /// Returns `None` when it was the last time.
    fn turn<T>(self: &Arc<Self>, then: impl Fn() -> Next<T>) -> Option<T> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let result = loop {
            self.is_called.store(false, SeqCst);
            let calls = Calls::begin();
            // What panics here is somebody's waker. It ends the client, and not a thread that only helps.
            let end = catch_unwind(AssertUnwindSafe(|| link.turn())).unwrap_or(Some(End::Closed));
            // Other clients that were called are left to their threads.
            let is_called_again = calls.finish().forget(self);
            if end.is_some() {
                // The background thread may not know.
                self.alarm.ring();
                return None;
            }
            if is_called_again {
                continue;
            }
            if let Next::Go(result) = then() {
                break result;
            }
        };
        drop(link);
        if self.reactor.is_overslept() {
            self.alarm.ring();
        }
        Some(result)
    }

    /// Does the driver's work in the place of the background thread: sends what there is to send, and receives the reply if it is
    /// the only one that anybody waits for.
    pub(crate) fn help(self: &Arc<Self>, parker: &Parker, deadline: Option<Instant>) {
        let is_needed = || {
            let is_urgent = || deadline.is_some_and(|deadline| deadline < Instant::now() + PATIENCE);
            !parker.is_notified() && (self.unanswered)() == 1 && !is_urgent()
        };
        // In the turn: the driver must know of the lease when it turns again, or it might miss bytes that lie in this thread's hands.
        let lend = || match is_needed().then(|| self.reactor.lend()) {
            Some(Loan::Lease(lease)) => Next::Go(Some(lease)),
            Some(Loan::Unread) => {
                self.fetches.fetch_add(1, SeqCst);
                Next::TurnAgain
            }
            Some(Loan::Refused) | None => Next::Go(None),
        };
        let mut turned = self.turn(lend);
        while let Some(Some(lease)) = turned {
            self.fetches.fetch_add(1, SeqCst);
            turned = if lease.wait() { self.turn(lend) } else { self.turn(|| Next::Go(None)) };
        }
        if turned.is_some() && (self.unanswered)() > 0 {
            self.is_handed_over.store(true, SeqCst);
            if !self.reactor.is_watching() {
                self.alarm.ring();
            }
        }
    }

    /// Sends what there is to send.
    pub(crate) fn help_out(self: &Arc<Self>) {
        self.turn(|| Next::Go(()));
    }

    /// Leaves it to the background thread.
    pub(crate) fn ring(&self) {
        self.alarm.ring();
    }
}
