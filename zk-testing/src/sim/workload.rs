//! What runs in a world, and what must be true of it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use zk_proto::{
    Instant,
    client::{Builder, Client},
};

use super::{dice::Dice, executor::NewJobs, net::Net, trace::Violation, truth::Truth};

/// What the clients of a world do. Each world has an [`Application`] of its own.
pub trait Workload: Sync {
    /// Returns its name.
    fn name(&self) -> &'static str;

    /// Returns what must have been [counted](Process::count) when many worlds have run.
    fn counters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns whether it makes every call that there is: then a run of many worlds must have seen each operation, error and
    /// event too. Default no.
    fn is_thorough(&self) -> bool {
        false
    }

    /// Makes what runs in one world.
    fn begin(&self, dice: Dice) -> Box<dyn Application>;
}

/// What runs in one world, in many processes, and what must be true of it.
pub trait Application {
    /// Says how the client of a process is to be. The servers are named already.
    fn configure(&mut self, process: &Process, builder: Builder) -> Builder {
        let _ = process;
        builder
    }

    /// Starts what a process does, by [`spawn`](Process::spawn). The process is over when all that has come to an end and the
    /// client is gone; it may be [killed](super::Fault::Kill) before, and others are started then.
    fn start(&mut self, process: Process, client: Client);

    /// Looks whether all is well. Called after each thing that happens.
    ///
    /// # Errors
    ///
    /// When something is wrong.
    fn check(&mut self, truth: &Truth) -> Result<(), Violation> {
        let _ = truth;
        Ok(())
    }

    /// Looks whether all is well when nothing has gone wrong for a good while, and the applications were asked to
    /// [settle](Phase::Settling) before that. The clients are still there.
    ///
    /// # Errors
    ///
    /// When something is wrong: a future is still pending, for instance.
    fn check_at_rest(&mut self, truth: &Truth) -> Result<(), Violation> {
        let _ = truth;
        Ok(())
    }

    /// A process was killed: what it did will not be continued.
    fn killed(&mut self, process: u32) {
        let _ = process;
    }
}

/// How far a world has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Things go wrong.
    #[default]
    Trouble,
    /// Nothing goes wrong any more. Whatever is under way must come to its end; nothing new is to be begun.
    Settling,
    /// All processes are to come to their end.
    Leaving,
}

/// What is common to all processes of a world.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) phase: Cell<Phase>,
    waiting: RefCell<Vec<Waker>>,
}

impl Common {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// A process of a world, as its application has it. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    pub(crate) number: u32,
    pub(crate) net: Rc<RefCell<Net>>,
    pub(crate) jobs: NewJobs,
    pub(crate) dice: Rc<RefCell<Dice>>,
    pub(crate) common: Rc<Common>,
}

impl Process {
    /// Returns its number, which no other process of this world has.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Runs a future as part of the process.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.jobs.borrow_mut().push((self.number, Box::pin(future)));
    }

    /// Returns the time of the world, which is not that of the process's clock.
    pub fn now(&self) -> Instant {
        self.net.borrow().now
    }

    /// Returns whether the process has stood still at some time since then: then anything may be late.
    pub fn has_paused_since(&self, since: Instant) -> bool {
        self.net.borrow().has_paused_since(self.number, since)
    }

    /// Throws the dice of the process.
    pub fn dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.dice.borrow_mut())
    }

    /// Looks at what is committed.
    pub fn truth<T>(&self, look: impl FnOnce(&Truth) -> T) -> T {
        look(&self.net.borrow().wire.truth)
    }

    /// Counts something that a run must have seen; the name is one of [`Workload::counters`].
    pub fn count(&self, name: &'static str) {
        self.count_in("workload", name);
    }

    pub(crate) fn count_in(&self, class: &'static str, name: &'static str) {
        self.net.borrow_mut().coverage.count(class, name);
    }

    /// Writes a line into the record of this world, where one is kept.
    pub fn note(&self, line: impl FnOnce() -> String) {
        let number = self.number;
        self.net.borrow_mut().note(|| format!("P{number} {}", line()));
    }

    /// Ends the world if something is wrong.
    pub fn expect(&self, found: Result<(), Violation>) {
        let number = self.number;
        let found =
            found.map_err(|violation| Violation { what: format!("client P{number}: {}", violation.what), ..violation });
        self.net.borrow_mut().accuse(found);
    }

    /// Returns how far the world has come.
    pub fn phase(&self) -> Phase {
        self.common.phase.get()
    }

    /// Waits until the world has come so far.
    pub async fn reached(&self, phase: Phase) {
        poll_fn(|cx| {
            if self.phase() >= phase {
                return Poll::Ready(());
            }
            self.common.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
