//! A client on a mio loop of one's own.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use mio::{Registry, event::Event};
use zk_proto::{
    client::{Driver, drive},
    session::End,
};

use crate::reactor::{MioIo, Reactor};

/// Drives a client on a mio poll that serves other things too, without a thread of its own.
///
/// The loop does three things for it: it hands over [events](Self::handle), lets it [turn](Self::turn) after them, and waits no longer
/// than its [timeout](Self::timeout).
///
/// ```no_run
/// use mio::{Events, Poll, Token, Waker};
/// use std::{io, sync::Arc};
/// use zk_blocking::{Blocking, Link, Runtime, mio_waker};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut poll = Poll::new()?;
/// let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
/// let (client, driver) = zk_blocking::builder("localhost:2181")?.build(Blocking.seed());
/// let mut link = Link::new(driver, poll.registry(), 1..17, mio_waker(waker))?;
/// // `client` may go to any thread now.
///
/// let mut events = Events::with_capacity(64);
/// while link.turn().is_none() {
///     match poll.poll(&mut events, link.timeout()) {
///         Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
///         _ => {}
///     }
///     for event in &events {
///         if !link.handle(event) {
///             // An event of the loop's own.
///         }
///     }
/// }
/// # drop(client);
/// # Ok(())
/// # }
/// ```
///
/// Calls of the client on the loop's own thread must not wait there: who would turn? Poll the futures, with the same waker.
/// Names are looked up in short-lived threads, because the system's resolver can do nothing but wait.
///
/// Dropping it ends its clients, without closing the session on the server.
pub struct Link {
    reactor: Arc<Reactor>,
    driving: Option<Driving>,
    waker: Waker,
    end: Option<End>,
}

/// A driver that is driven.
pub(crate) type Driving = Pin<Box<dyn Future<Output = End> + Send>>;

impl Link {
    /// Makes one that registers its sockets under `tokens`, which nobody else may use. It has one connection, and while it dials, one
    /// for each address of a server; sixteen tokens are plenty.
    ///
    /// The waker is called from any thread when [`turn`](Self::turn) has something to do that no event tells: a
    /// [`mio_waker`], or one of the program's own.
    ///
    /// # Errors
    ///
    /// When the registry cannot be cloned, for lack of file descriptors.
    pub fn new(driver: Driver, registry: &Registry, tokens: Range<usize>, waker: Waker) -> io::Result<Self> {
        Self::driven_by(registry, tokens, waker, |io| Box::pin(drive(driver, io)))
    }

    /// Makes one of what drives on an `Io`.
    pub(crate) fn driven_by(
        registry: &Registry,
        tokens: Range<usize>,
        waker: Waker,
        drive: impl FnOnce(MioIo) -> Driving,
    ) -> io::Result<Self> {
        let reactor = Reactor::new(registry.try_clone()?, tokens);
        let io = MioIo { reactor: reactor.clone(), waker: waker.clone() };
        Ok(Self { reactor, driving: Some(drive(io)), waker, end: None })
    }

    /// Takes an event, and returns whether it was one of this link's: its token is among those given.
    pub fn handle(&self, event: &Event) -> bool {
        self.reactor.note(event)
    }

    /// Does everything there is to do, without waiting. Returns how the client has ended, once it has.
    ///
    /// To be called after events, after its waker was called, and when [`timeout`](Self::timeout) is over; any other time does no
    /// harm.
    pub fn turn(&mut self) -> Option<End> {
        self.reactor.forget_deadline();
        // Should this panic, by a waker that does, then the driver is dropped, and its clients end.
        let Some(mut driving) = self.driving.take() else { return Some(*self.end.get_or_insert(End::Closed)) };
        let polled = {
            let _turning = Turning::begin();
            driving.as_mut().poll(&mut Context::from_waker(&self.waker))
        };
        match polled {
            Poll::Ready(end) => {
                self.end = Some(end);
                self.reactor.forget_deadline();
            }
            Poll::Pending => self.driving = Some(driving),
        }
        self.end
    }

    /// Returns for how long a poll may wait at most.
    pub fn timeout(&self) -> Option<Duration> {
        self.reactor.timeout()
    }

    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("end", &self.end).finish_non_exhaustive()
    }
}

thread_local! {
    static IS_TURNING: Cell<bool> = const { Cell::new(false) };
}

/// Marks that this thread drives a client.
struct Turning;

impl Turning {
    fn begin() -> Self {
        IS_TURNING.set(true);
        Self
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        IS_TURNING.set(false);
    }
}

/// Returns whether this thread drives a client at the moment, so that waiting for one would be waiting for itself.
pub(crate) fn is_turning() -> bool {
    IS_TURNING.get()
}

/// Makes a waker for a [`Link`] of a poll's waker.
pub fn mio_waker(waker: Arc<mio::Waker>) -> Waker {
    struct Wake(Arc<mio::Waker>);

    impl std::task::Wake for Wake {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            // It fails only where there is no poll any more.
            _ = self.0.wake();
        }
    }

    Arc::new(Wake(waker)).into()
}
