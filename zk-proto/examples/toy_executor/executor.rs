//! An executor in one thread: tasks, and a wait for whatever wakes them.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    io::{self, Read, Write},
    mem,
    net::TcpStream,
    os::unix::net::UnixStream,
    pin::Pin,
    rc::{Rc, Weak},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks, and what they wait for.
pub(crate) struct Executor {
    tasks: RefCell<BTreeMap<usize, Task>>,
    next: Cell<usize>,
    queue: Arc<Queue>,
    /// The other end of the queue's bell.
    bell: UnixStream,
    sockets: RefCell<Vec<Waiting>>,
    alarms: RefCell<Vec<Weak<Alarm>>>,
}

/// The tasks that are to be polled. This is what other threads see of the executor.
struct Queue {
    due: Mutex<Vec<usize>>,
    /// A byte in here ends the wait.
    bell: UnixStream,
}

/// Somebody waits for a socket.
struct Waiting {
    socket: Weak<TcpStream>,
    readiness: PollFlags,
    waker: Waker,
}

/// Somebody waits for a time.
#[derive(Default)]
pub(crate) struct Alarm(Cell<Option<(Instant, Waker)>>);

impl Executor {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        let (ring, bell) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Rc::new(Self {
            tasks: RefCell::default(),
            next: Cell::new(0),
            queue: Arc::new(Queue { due: Mutex::default(), bell: ring }),
            bell,
            sockets: RefCell::default(),
            alarms: RefCell::default(),
        }))
    }

    /// Adds a task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let key = self.next.replace(self.next.get() + 1);
        self.tasks.borrow_mut().insert(key, Box::pin(task));
        self.queue.push(key);
    }

    /// Runs all tasks until there are none.
    pub(crate) fn run(&self) -> io::Result<()> {
        loop {
            for key in self.queue.take() {
                // Taken out while it is polled, because it may spawn others.
                let Some(mut task) = self.tasks.borrow_mut().remove(&key) else { continue };
                let waker = Waker::from(Arc::new(Knock { key, queue: self.queue.clone() }));
                if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    self.tasks.borrow_mut().insert(key, task);
                }
            }
            if self.tasks.borrow().is_empty() {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Wakes `waker` once when the socket is ready.
    pub(crate) fn await_socket(&self, socket: &Rc<TcpStream>, readiness: PollFlags, waker: &Waker) {
        let socket = Rc::downgrade(socket);
        let mut sockets = self.sockets.borrow_mut();
        sockets.retain(|other| !(other.socket.ptr_eq(&socket) && other.readiness == readiness));
        sockets.push(Waiting { socket, readiness, waker: waker.clone() });
    }

    /// Makes an alarm.
    pub(crate) fn alarm(&self) -> Rc<Alarm> {
        let alarm = Rc::new(Alarm::default());
        self.alarms.borrow_mut().push(Rc::downgrade(&alarm));
        alarm
    }

    /// Waits for a socket, a time or the bell, and wakes those who wait for it.
    fn wait(&self) -> io::Result<()> {
        self.alarms.borrow_mut().retain(|alarm| alarm.strong_count() > 0);
        let alarms: Vec<_> = self.alarms.borrow().iter().filter_map(Weak::upgrade).collect();
        let first = alarms.iter().filter_map(|alarm| alarm.time()).min();
        let timeout = first.map(|time| timespec(time.saturating_duration_since(Instant::now())));

        let (sockets, mut waiting): (Vec<_>, Vec<_>) = self
            .sockets
            .take()
            .into_iter()
            .filter_map(|waiting| waiting.socket.upgrade().map(|socket| (socket, Some(waiting))))
            .unzip();
        let readiness = waiting.iter().flatten().map(|waiting| waiting.readiness);
        let mut fds: Vec<_> =
            sockets.iter().zip(readiness).map(|(socket, flags)| PollFd::new(&**socket, flags)).collect();
        fds.push(PollFd::new(&self.bell, PollFlags::IN));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }

        for (waiting, fd) in waiting.iter_mut().zip(&fds) {
            if !fd.revents().is_empty() {
                waiting.take().into_iter().for_each(|ready| ready.waker.wake());
            }
        }
        self.sockets.borrow_mut().extend(waiting.into_iter().flatten());
        let now = Instant::now();
        alarms.iter().for_each(|alarm| alarm.ring(now));
        self.silence()
    }

    /// Empties the bell.
    fn silence(&self) -> io::Result<()> {
        loop {
            match (&self.bell).read(&mut [0; 64]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Queue {
    fn push(&self, key: usize) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        // Where it is full of bytes, it rings already.
        _ = (&self.bell).write(&[1]);
    }

    fn take(&self) -> Vec<usize> {
        mem::take(&mut *self.due.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Has a task polled.
struct Knock {
    key: usize,
    queue: Arc<Queue>,
}

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.queue.push(self.key);
    }
}

impl Alarm {
    /// Sets it, in place of what it was set to before.
    pub(crate) fn set(&self, time: Instant, waker: &Waker) {
        self.0.set(Some((time, waker.clone())));
    }

    fn time(&self) -> Option<Instant> {
        let setting = self.0.take();
        let time = setting.as_ref().map(|(time, _)| *time);
        self.0.set(setting);
        time
    }

    fn ring(&self, now: Instant) {
        match self.0.take() {
            Some((time, waker)) if time <= now => waker.wake(),
            setting => self.0.set(setting),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
}
