//! What the workloads of several recipes need.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use zk_proto::{
    SessionId,
    client::{Client, States},
    code::ErrorCode,
    recipes::ensure_path,
    session::State,
};

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

/// Drops a future when all are to leave.
pub(super) async fn unless_leaving<T>(process: &Process, future: impl Future<Output = T>) -> Option<T> {
    let mut output = None;
    either_of(async { output = Some(future.await) }, process.reached(Phase::Leaving)).await;
    output
}

/// Which sessions each process has had, in their order. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Sessions(Rc<RefCell<BTreeMap<u32, Vec<SessionId>>>>);

impl Sessions {
    /// Notes those of a process until there will be no other.
    pub(super) async fn note(self, process: u32, mut states: States) {
        while let Some(state) = states.next().await {
            if let State::Connected { session, .. } = state {
                let mut all = self.0.borrow_mut();
                let sessions = all.entry(process).or_default();
                if sessions.last() != Some(&session) {
                    sessions.push(session);
                }
            }
        }
    }

    /// Returns those of a process.
    pub(super) fn of(&self, process: u32) -> Vec<SessionId> {
        self.0.borrow().get(&process).cloned().unwrap_or_default()
    }

    /// Returns whose session it is.
    pub(super) fn owner(&self, session: SessionId) -> Option<u32> {
        self.0.borrow().iter().find(|(_, sessions)| sessions.contains(&session)).map(|(process, _)| *process)
    }
}

/// Returns the text that an entry was put with, in Curator's frames or not: it is in angle brackets.
pub(super) fn content(data: &[u8]) -> String {
    let start = data.iter().position(|byte| *byte == b'<').unwrap_or(data.len());
    let text = &data[start..];
    let end = text.iter().position(|byte| *byte == b'>').map_or(text.len(), |end| end + 1);
    String::from_utf8_lossy(&text[..end]).into_owned()
}

/// Puts something into a container when there is peace, so that the servers leave it alone and everybody may come to rest.
pub(super) async fn keep(process: Process, client: Client, container: String) {
    process.reached(Phase::Settling).await;
    let stranger = format!("{container}/{STRANGER}");
    while !is_over(&client) {
        let is_made = ensure_path(&client, &container, None).await.is_ok();
        let created = client.create(&stranger, b"").await;
        if is_made && created.map_or_else(|error| error.code() == Some(ErrorCode::NodeExists), |_| true) {
            break;
        }
        if client.sleep(Duration::from_millis(100)).await.is_err() {
            break;
        }
    }
    process.reached(Phase::Leaving).await;
}

/// A child that is not of the recipe, and nobody's business.
pub(super) const STRANGER: &str = "stranger";
