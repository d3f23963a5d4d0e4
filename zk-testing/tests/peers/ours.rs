//! What our own client is doing.

use std::{
    fmt::Debug,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use zk_blocking::{Client, Wait};

use crate::process::PATIENCE;

/// How many requests one behind the other nothing takes that a recipe does before it waits.
const STEPS: usize = 12;

/// Waits for something of ours.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> F::Output {
    match future.wait_timeout(PATIENCE) {
        Ok(output) => output,
        Err(_) => panic!("ours takes longer than {PATIENCE:?}"),
    }
}

/// Something that may take its time. It goes on only while somebody looks.
pub(crate) struct Doing<T> {
    client: Client,
    state: State<T>,
}

enum State<T> {
    UnderWay(Pin<Box<dyn Future<Output = T>>>),
    Done(T),
}

impl<T: Debug> Doing<T> {
    /// Begins. It has sent nothing yet.
    pub(crate) fn new(client: &Client, future: impl Future<Output = T> + 'static) -> Self {
        Self { client: client.clone(), state: State::UnderWay(Box::pin(future)) }
    }

    /// Goes on until it is done, or waits for something to happen, and returns whether it waits.
    #[track_caller]
    pub(crate) fn is_waiting(&mut self) -> bool {
        for _ in 0..STEPS {
            let State::UnderWay(future) = &mut self.state else { return false };
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                // Behind the reply to whatever it has sent.
                Poll::Pending => soon(self.client.sync("/").into_future()).expect("the server answers"),
                Poll::Ready(output) => self.state = State::Done(output),
            }
        }
        true
    }

    /// Goes on until it waits for something to happen, and panics when it is done instead.
    #[track_caller]
    pub(crate) fn waits(&mut self) {
        if !self.is_waiting() {
            let State::Done(output) = &self.state else { unreachable!("it does not wait") };
            panic!("ours does not wait: {output:?}");
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn done(self) -> T {
        match self.state {
            State::UnderWay(future) => soon(future),
            State::Done(output) => output,
        }
    }
}
