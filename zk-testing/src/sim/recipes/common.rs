//! What the workloads of several recipes need.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use zk_proto::client::Client;

use crate::sim::{Phase, Process, Truth, Violation};

/// What is wanted by whom at the moment, so that a world at rest shows who waits in vain. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Wishes(Rc<RefCell<Pending>>);

#[derive(Default)]
struct Pending {
    by_number: BTreeMap<u64, (u32, String)>,
    next: u64,
}

/// A wish that is pending until this is dropped.
pub(super) struct Wish {
    wishes: Wishes,
    number: u64,
}

impl Wishes {
    /// Notes that a process begins to wait for something.
    pub(super) fn make(&self, process: &Process, what: String) -> Wish {
        let mut pending = self.0.borrow_mut();
        pending.next += 1;
        let number = pending.next;
        pending.by_number.insert(number, (process.number(), what));
        Wish { wishes: self.clone(), number }
    }

    /// Forgets what a process that was killed has wanted.
    pub(super) fn killed(&self, process: u32) {
        self.0.borrow_mut().by_number.retain(|_, (other, _)| *other != process);
    }

    /// Fails when something is still waited for.
    pub(super) fn check_at_rest(&self) -> Result<(), Violation> {
        match self.0.borrow().by_number.values().next() {
            Some((process, what)) => Err(Violation::new("liveness", format!("client P{process} still waits: {what}"))),
            None => Ok(()),
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.wishes.0.borrow_mut().by_number.remove(&self.number);
    }
}

/// What clients believe to hold, by the paths of their nodes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Beliefs<T>(Rc<RefCell<BTreeMap<String, T>>>);

/// A belief, until this is dropped.
pub(super) struct Belief<T> {
    beliefs: Beliefs<T>,
    path: String,
}

impl<T> Default for Beliefs<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T: Copy> Beliefs<T> {
    /// Notes that somebody believes to hold something from now on.
    pub(super) fn hold(&self, path: &str, what: T) -> Belief<T> {
        self.0.borrow_mut().insert(path.to_owned(), what);
        Belief { beliefs: self.clone(), path: path.to_owned() }
    }

    /// Returns what is held with good reason: the node is there.
    pub(super) fn founded(&self, truth: &Truth) -> Vec<T> {
        self.0.borrow().iter().filter(|(path, _)| truth.node(path).is_some()).map(|(_, what)| *what).collect()
    }
}

impl<T> Drop for Belief<T> {
    fn drop(&mut self) {
        self.beliefs.0.borrow_mut().remove(&self.path);
    }
}

/// Returns whether there will be no other session.
pub(super) fn is_over(client: &Client) -> bool {
    let mut connected = pin!(client.connected());
    matches!(connected.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
}

/// Returns whether the first was ready before the second.
pub(super) async fn either_of<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> bool {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| {
        if first.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        second.as_mut().poll(cx).map(|_| false)
    })
    .await
}

/// Polls a future once.
pub(super) fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Waits for a future until the world has come so far; then it is dropped.
pub(super) async fn before<T>(process: &Process, phase: Phase, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut reached) = (pin!(future), pin!(process.reached(phase)));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        reached.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Drops a future after so many polls.
pub(super) async fn for_some_polls<T>(future: impl Future<Output = T>, mut polls: usize) -> Option<T> {
    let mut future: Pin<Box<dyn Future<Output = T>>> = Box::pin(future);
    poll_fn(move |cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() && polls == 0 {
            return Poll::Ready(None);
        }
        polled.map(Some)
    })
    .await
}
