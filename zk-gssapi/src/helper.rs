//! A thread that does what waits, so that nobody else has to.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
};

type Job = Box<dyn FnOnce() + Send>;

/// Runs one job after the other on a thread, which is there as long as there are jobs.
#[derive(Default)]
pub(crate) struct Helper {
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    jobs: VecDeque<Job>,
    is_running: bool,
}

impl Helper {
    /// Has `job` run, and returns a future of its result: `None` where no thread can be had, or the job has panicked. A job
    /// whose future is dropped before its turn is not run.
    pub(crate) fn run<T: Send + 'static>(self: &Arc<Self>, job: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
        let cell = Arc::new(Cell(Mutex::new(State::Pending(None))));
        let promise = Promise(cell.clone());
        let mut work = lock(&self.work);
        work.jobs.push_back(Box::new(move || {
            // The other share is the future's.
            if Arc::strong_count(&promise.0) > 1 {
                promise.keep(job());
            }
        }));
        if !work.is_running {
            let helper = self.clone();
            let thread = thread::Builder::new().name("zk-gssapi".to_owned());
            work.is_running = thread.spawn(move || helper.work()).is_ok();
        }
        if !work.is_running {
            let jobs = mem::take(&mut work.jobs);
            drop(work);
            drop(jobs);
        }
        Outcome(cell)
    }

    fn work(&self) {
        loop {
            let mut work = lock(&self.work);
            let Some(job) = work.jobs.pop_front() else {
                work.is_running = false;
                return;
            };
            drop(work);
            // Whoever waits is told by the drop of what the job holds.
            _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}

impl fmt::Debug for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helper").finish_non_exhaustive()
    }
}

struct Cell<T>(Mutex<State<T>>);

enum State<T> {
    Pending(Option<Waker>),
    Over(Option<T>),
}

/// The result of a job, when it is there.
pub(crate) struct Outcome<T>(Arc<Cell<T>>);

impl<T> Future for Outcome<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match &mut *lock(&self.0.0) {
            State::Pending(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            State::Over(result) => Poll::Ready(result.take()),
        }
    }
}

/// The job's share: tells the result, or on its drop that there is none.
struct Promise<T>(Arc<Cell<T>>);

impl<T> Promise<T> {
    fn keep(&self, result: T) {
        self.settle(Some(result));
    }

    fn settle(&self, result: Option<T>) {
        let mut state = lock(&self.0.0);
        if let State::Pending(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Over(result);
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.settle(None);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::Wake;

    use super::*;

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn wait<T>(mut outcome: Outcome<T>) -> Option<T> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match Pin::new(&mut outcome).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn jobs_run_in_their_order_on_another_thread() {
        let helper = Arc::new(Helper::default());
        let here = thread::current().id();
        let (sender, receiver) = mpsc::channel();
        let first = helper.run(move || receiver.recv().unwrap());
        let second = helper.run(move || thread::current().id() != here);
        sender.send(7).unwrap();
        assert_eq!((wait(first), wait(second)), (Some(7), Some(true)));
        assert_eq!(wait(helper.run(|| 8)), Some(8), "and there is a thread again");
    }

    #[test]
    fn a_job_that_panics_has_no_result_and_the_next_one_has() {
        let helper = Arc::new(Helper::default());
        let broken: Outcome<u32> = helper.run(|| panic!("as the test wants it"));
        let whole = helper.run(|| 1);
        assert_eq!((wait(broken), wait(whole)), (None, Some(1)));
    }

    #[test]
    fn a_job_that_nobody_waits_for_any_more_is_not_run() {
        let helper = Arc::new(Helper::default());
        let (sender, receiver) = mpsc::channel::<()>();
        let (told, hear) = mpsc::channel();
        let first = helper.run(move || receiver.recv().is_ok());
        drop(helper.run(move || told.send(()).unwrap()));
        sender.send(()).unwrap();
        assert_eq!(wait(first), Some(true));
        assert_eq!(wait(helper.run(|| ())), Some(()));
        assert!(hear.recv().is_err());
    }
}
