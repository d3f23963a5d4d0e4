//! Waiting for what must come, and looking at what has come.

use std::{
    future::{Future, IntoFuture},
    panic::Location,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use zk_proto::{
    client::{Client, Error, States, Watcher},
    code::ErrorCode,
    session::{State, WatchedEvent, WatchedEventKind},
};

use super::clock::{pause, within};

/// How long anything may take that is awaited by itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a watcher hears, in a form to compare with.
pub(super) type Heard = (WatchedEventKind, String);

/// Waits for what must come soon.
#[track_caller]
pub(super) fn soon<F: IntoFuture>(future: F) -> impl Future<Output = F::Output> {
    limited(PATIENCE, future, Location::caller())
}

pub(super) async fn limited<F: IntoFuture>(limit: Duration, future: F, caller: &Location<'_>) -> F::Output {
    match within(limit, future.into_future()).await {
        Some(output) => output,
        None => panic!("nothing came of it within {limit:?}: {caller}"),
    }
}

/// Waits until a client's state is one of these, and returns it.
#[track_caller]
pub(super) fn reach(states: &mut States, is_reached: impl Fn(&State) -> bool) -> impl Future<Output = State> {
    soon(async move {
        while let Some(state) = states.next().await {
            if is_reached(&state) {
                return state;
            }
        }
        panic!("the states have ended");
    })
}

pub(super) fn is_connected(state: &State) -> bool {
    matches!(state, State::Connected { .. })
}

pub(super) fn is_suspended(state: &State) -> bool {
    matches!(state, State::Suspended { .. })
}

/// Waits until a client has lost its link and has another, for the same session.
#[track_caller]
pub(super) fn resume(states: &mut States) -> impl Future<Output = ()> {
    soon(async move {
        reach(states, is_suspended).await;
        let state = reach(states, is_connected).await;
        assert!(matches!(state, State::Connected { resumed: true, .. }), "{state:?}");
    })
}

/// Waits for what a watcher hears next.
#[track_caller]
pub(super) fn next(watcher: &mut Watcher) -> impl Future<Output = Heard> {
    soon(async move { heard(watcher.changed().await.unwrap()) })
}

/// Returns everything that a watcher has been told and not heard yet.
///
/// Events of earlier changes come before every reply, so behind any request this is certain to be all.
pub(super) fn so_far(watcher: &mut Watcher) -> Vec<Heard> {
    let mut all = Vec::new();
    while let Poll::Ready(Some(event)) = pin!(watcher.next()).poll(&mut Context::from_waker(Waker::noop())) {
        all.push(heard(event.unwrap()));
    }
    all
}

fn heard(event: WatchedEvent) -> Heard {
    (event.kind, event.path.to_string())
}

/// Returns the server's error of a request that must have one.
#[track_caller]
pub(super) fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorCode {
    let error = outcome.expect_err("the server must refuse this");
    error.code().unwrap_or_else(|| panic!("not an error of the server's: {error:?}"))
}

/// Waits for something that only the server knows and nobody is told: asks for it again and again.
#[track_caller]
pub(super) fn eventually(is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    soon(async move {
        while !is_so() {
            pause(Duration::from_millis(5)).await;
        }
    })
}

/// Returns the names of a node's children as they are now, sorted; none where the node is a container that was empty for too long.
pub(super) async fn names(client: &Client, path: &str) -> Vec<String> {
    client.sync(path).resend().await.unwrap();
    match client.get_children(path).resend().await {
        Ok((names, _)) => {
            let mut names: Vec<_> = names.iter().map(str::to_string).collect();
            names.sort();
            names
        }
        Err(error) if error.code() == Some(ErrorCode::NoNode) => Vec::new(),
        Err(error) => panic!("{path}: {error}"),
    }
}
