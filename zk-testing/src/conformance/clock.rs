//! Time for scenarios: one thread that wakes whoever waits, so that no adapter has to lend its timer.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

/// Waits for a future, but for no longer than `limit`; then it is dropped.
pub async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut alarm = Alarm::new(limit);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Pin::new(&mut alarm).poll(cx).map(|()| None),
    })
    .await
}

/// Waits for so long. For scenarios that look at something again and again, or in which time passes.
pub fn pause(duration: Duration) -> impl Future<Output = ()> + Send {
    Alarm::new(duration)
}

struct Alarm {
    due: Instant,
    bell: Option<Bell>,
}

/// Whom to wake; nobody when that is over.
type Bell = Arc<Mutex<Option<Waker>>>;

impl Alarm {
    fn new(duration: Duration) -> Self {
        Self { due: Instant::now() + duration, bell: None }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.due {
            return Poll::Ready(());
        }
        match &self.bell {
            Some(bell) => *lock(bell) = Some(cx.waker().clone()),
            None => {
                let bell = Arc::new(Mutex::new(Some(cx.waker().clone())));
                self.bell = Some(bell.clone());
                set(self.due, bell);
            }
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(bell) = &self.bell {
            *lock(bell) = None;
        }
    }
}

fn lock(bell: &Bell) -> std::sync::MutexGuard<'_, Option<Waker>> {
    bell.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(due: Instant, bell: Bell) {
    static ALARMS: OnceLock<Sender<(Instant, Bell)>> = OnceLock::new();
    let alarms = ALARMS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || ring(&receiver));
        sender
    });
    alarms.send((due, bell)).expect("the thread ends with the process");
}

/// Wakes whoever is due, until nobody can set an alarm any more.
fn ring(alarms: &Receiver<(Instant, Bell)>) {
    let mut waiting: BTreeMap<(Instant, u64), Bell> = BTreeMap::new();
    let mut count = 0;
    loop {
        let now = Instant::now();
        let next = waiting.first_key_value().map(|((due, _), _)| due.saturating_duration_since(now));
        match alarms.recv_timeout(next.unwrap_or(Duration::from_secs(3600))) {
            Ok((due, bell)) => {
                count += 1;
                waiting.insert((due, count), bell);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let later = waiting.split_off(&(Instant::now(), u64::MAX));
        for bell in std::mem::replace(&mut waiting, later).into_values() {
            let waker = lock(&bell).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}
