//! Runs the futures of all processes, one at a time.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::dice::Dice;

/// A future of a process.
pub(crate) type Job = Pin<Box<dyn Future<Output = ()>>>;

/// Futures that are to be run, each for a process.
pub(crate) type NewJobs = Rc<RefCell<Vec<(u32, Job)>>>;

/// The tasks that want to be polled.
type Queue = Arc<Mutex<VecDeque<u64>>>;

struct Task {
    process: u32,
    job: Job,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Puts its task into the queue, once.
struct Bell {
    task: u64,
    is_rung: AtomicBool,
    queue: Queue,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.task);
        }
    }
}

/// All tasks of a world.
#[derive(Default)]
pub(crate) struct Executor {
    tasks: BTreeMap<u64, Task>,
    queue: Queue,
    new: NewJobs,
    next: u64,
    /// Rung while their processes stood still.
    paused: BTreeMap<u32, Vec<u64>>,
}

impl Executor {
    /// Returns where to leave futures that are to be run.
    pub(crate) fn new_jobs(&self) -> NewJobs {
        self.new.clone()
    }

    fn take_new(&mut self) {
        for (process, job) in self.new.take() {
            let task = self.next;
            self.next += 1;
            let bell = Arc::new(Bell { task, is_rung: AtomicBool::new(false), queue: self.queue.clone() });
            bell.wake_by_ref();
            self.tasks.insert(task, Task { process, job, waker: Waker::from(bell.clone()), bell });
        }
    }

    /// Polls one task that wants it, in no particular order; returns its process, or none where there is no such task.
    pub(crate) fn step(&mut self, dice: &mut Dice) -> Option<u32> {
        loop {
            self.take_new();
            let id = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                // Mostly the first: then a task that wakes itself cannot be drawn for ever.
                let index = if queue.len() > 1 && dice.once_in(4) { dice.below(queue.len()) } else { 0 };
                queue.remove(index)?
            };
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            if let Some(paused) = self.paused.get_mut(&task.process) {
                paused.push(id);
                continue;
            }
            // Before the poll: what rings during it wants another one.
            task.bell.is_rung.store(false, Ordering::Release);
            let process = task.process;
            if let Poll::Ready(()) = task.job.as_mut().poll(&mut Context::from_waker(&task.waker)) {
                self.tasks.remove(&id);
            }
            return Some(process);
        }
    }

    /// Lets a process stand still.
    pub(crate) fn pause(&mut self, process: u32) {
        self.paused.entry(process).or_default();
    }

    /// Lets a process go on.
    pub(crate) fn resume(&mut self, process: u32) {
        if let Some(rung) = self.paused.remove(&process) {
            self.queue.lock().unwrap_or_else(PoisonError::into_inner).extend(rung);
        }
    }

    /// Drops all tasks of a process, in the order in which they began.
    pub(crate) fn kill(&mut self, process: u32) {
        self.take_new();
        self.paused.remove(&process);
        let of_process = self.tasks.iter().filter(|(_, task)| task.process == process).map(|(id, _)| *id);
        for id in of_process.collect::<Vec<_>>() {
            self.tasks.remove(&id);
        }
    }

    /// Returns how many tasks a process has.
    pub(crate) fn count(&self, process: u32) -> usize {
        self.tasks.values().filter(|task| task.process == process).count()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn a_paused_process_catches_up_and_a_killed_one_does_not() {
        let (mut executor, mut dice) = (Executor::default(), Dice::new(1));
        let done = Rc::new(RefCell::new(Vec::new()));
        for process in 1..=3 {
            let done = done.clone();
            let job = Box::pin(async move { done.borrow_mut().push(process) });
            executor.new_jobs().borrow_mut().push((process, job));
        }
        executor.pause(1);
        executor.kill(3);

        while executor.step(&mut dice).is_some() {}
        assert_eq!(*done.borrow(), [2]);
        executor.resume(1);
        while executor.step(&mut dice).is_some() {}

        assert_eq!((&done.borrow()[..], executor.count(1)), (&[2, 1][..], 0));
    }

    #[test]
    fn a_task_that_is_woken_twice_is_polled_once() {
        let (mut executor, mut dice) = (Executor::default(), Dice::new(1));
        let polls = Rc::new(RefCell::new((0, None::<Waker>)));
        let inside = polls.clone();
        let job = poll_fn(move |cx| {
            let mut inside = inside.borrow_mut();
            inside.0 += 1;
            inside.1 = Some(cx.waker().clone());
            Poll::Pending
        });
        executor.new_jobs().borrow_mut().push((1, Box::pin(job)));
        while executor.step(&mut dice).is_some() {}

        let waker = polls.borrow().1.clone().unwrap();
        waker.wake_by_ref();
        waker.wake_by_ref();
        while executor.step(&mut dice).is_some() {}

        assert_eq!(polls.borrow().0, 2);
    }
}
