//! Waiting in a thread.

use std::{
    cell::RefCell,
    fmt,
    future::{Future, IntoFuture},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use zk_proto::{
    client::{Error, WatchEnd, Watcher},
    session::{Sent, WatchedEvent},
};

use crate::{calls::Calls, link::is_turning};

/// Waits in this thread for what others await: every call of a [`Client`](crate::Client) ends so here, and so does any other future.
///
/// ```no_run
/// use zk_blocking::Wait;
///
/// # fn main() -> Result<(), zk_blocking::Error> {
/// let client = zk_blocking::connect("localhost:2181")?;
/// let (path, _) = client.create("/job-", b"x").sequential().wait()?;
/// let (data, _) = client.get_data(&path).wait()?;
/// # Ok(())
/// # }
/// ```
pub trait Wait: IntoFuture + Sized {
    /// Waits, for as long as it takes. A request may be given a [time limit](crate::Call::timeout) of its own.
    ///
    /// # Panics
    ///
    /// When this thread drives a client at the moment, as it does in a task of [`Background`](crate::Background): it would wait for
    /// itself.
    fn wait(self) -> Self::Output {
        match block_on(self.into_future(), None) {
            Ok(output) => output,
            Err(Elapsed) => unreachable!("there is no limit"),
        }
    }

    /// Waits, but not for longer than this. What is not over by then is dropped: a request that was not sent yet is taken back,
    /// one that was is carried out or not, as with [`timeout`](crate::Call::timeout).
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the time is up, which turns into an [`Error`] where one is wanted.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Elapsed> {
        block_on(self.into_future(), Instant::now().checked_add(limit))
    }
}

impl<F: IntoFuture> Wait for F {}

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("nothing came of it in time")]
pub struct Elapsed;

impl From<Elapsed> for Error {
    fn from(Elapsed: Elapsed) -> Self {
        Self::TimedOut { sent: Sent::Perhaps }
    }
}

/// A [`Watcher`] in a thread.
///
/// ```no_run
/// use std::time::Duration;
/// use zk_blocking::{AddWatchMode, Wait, WaitForEvents};
///
/// # fn main() -> Result<(), zk_blocking::Error> {
/// # let client = zk_blocking::connect("localhost:2181")?;
/// let mut tree = client.add_watch("/tree", AddWatchMode::PersistentRecursive).wait()?;
/// // What comes until nothing has come for a second, or the watch is over.
/// for event in std::iter::from_fn(|| tree.next_timeout(Duration::from_secs(1)).ok().flatten()) {
///     println!("{event:?}");
/// }
/// // What comes from then on, until the watch is over.
/// for event in tree.events() {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub trait WaitForEvents {
    /// Waits for the next event, but not for longer than this; `None` inside when the watch is over, as with
    /// [`Watcher::next`].
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the time is up. No event is lost by it.
    fn next_timeout(&mut self, limit: Duration) -> Result<Option<Result<WatchedEvent, WatchEnd>>, Elapsed>;

    /// Returns an iterator that waits for each event, and ends when the watch is over.
    fn events(&mut self) -> Events<'_>;
}

impl WaitForEvents for Watcher {
    fn next_timeout(&mut self, limit: Duration) -> Result<Option<Result<WatchedEvent, WatchEnd>>, Elapsed> {
        self.next().wait_timeout(limit)
    }

    fn events(&mut self) -> Events<'_> {
        Events { watcher: self }
    }
}

/// The events of a [`Watcher`], by [`events`](WaitForEvents::events).
#[derive(Debug)]
pub struct Events<'a> {
    watcher: &'a mut Watcher,
}

impl Iterator for Events<'_> {
    type Item = Result<WatchedEvent, WatchEnd>;

    fn next(&mut self) -> Option<Self::Item> {
        self.watcher.next().wait()
    }
}

thread_local! {
    /// The parker of this thread, unless it is in use.
    static SPARE: RefCell<Option<(Arc<Parker>, Waker)>> = const { RefCell::new(None) };
}

/// Where a thread waits to be woken.
pub(crate) struct Parker {
    thread: Thread,
    is_notified: AtomicBool,
}

impl Parker {
    pub(crate) fn is_notified(&self) -> bool {
        self.is_notified.load(Ordering::Acquire)
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_notified.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

/// Gives a parker back.
struct Borrowed(Option<(Arc<Parker>, Waker)>);

impl Borrowed {
    fn get() -> Self {
        // A thread that ends has none any more.
        let spare = SPARE.try_with(RefCell::take).unwrap_or(None);
        Self(Some(spare.unwrap_or_else(|| {
            let parker = Arc::new(Parker { thread: thread::current(), is_notified: AtomicBool::new(false) });
            let waker = Waker::from(parker.clone());
            (parker, waker)
        })))
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        _ = SPARE.try_with(|spare| spare.replace(self.0.take()));
    }
}

fn block_on<F: Future>(future: F, deadline: Option<Instant>) -> Result<F::Output, Elapsed> {
    assert!(!is_turning(), "a thread cannot wait for a client while it drives one: it would wait for itself");
    let borrowed = Borrowed::get();
    let Some((parker, waker)) = &borrowed.0 else { unreachable!("it is there until it is given back") };
    let mut future = pin!(future);
    loop {
        parker.is_notified.store(false, Ordering::Release);
        let calls = Calls::begin();
        let polled = future.as_mut().poll(&mut Context::from_waker(waker));
        let mut called = calls.finish();
        match called.single() {
            Some(engine) if polled.is_pending() => engine.help(parker, deadline),
            single => single.into_iter().chain(called).for_each(|engine| engine.help_out()),
        }
        if let Poll::Ready(output) = polled {
            return Ok(output);
        }
        while !parker.is_notified() {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return Err(Elapsed),
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").finish_non_exhaustive()
    }
}
