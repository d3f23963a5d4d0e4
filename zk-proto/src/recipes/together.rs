//! Futures side by side.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Runs both to their end. They are polled in this order, so requests that both begin with leave in this order, and in one
/// write.
pub(crate) async fn both<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut a, mut b) = (None, None);
    poll_fn(|cx| {
        if a.is_none() {
            if let Poll::Ready(output) = first.as_mut().poll(cx) {
                a = Some(output);
            }
        }
        if b.is_none() {
            if let Poll::Ready(output) = second.as_mut().poll(cx) {
                b = Some(output);
            }
        }
        match (a.take(), b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (done_a, done_b) => {
                (a, b) = (done_a, done_b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs all to their end. They are polled in their order at first, as [`both`] are.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(cx) {
                *output = Some(ready);
            }
        }
        if running.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

/// Which of two came first.
#[derive(Debug)]
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for one of two, and prefers the first.
pub(crate) async fn either<A: Future + Unpin, B: Future + Unpin>(
    mut first: A,
    mut second: B,
) -> Either<A::Output, B::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = pin!(&mut first).poll(cx) {
            return Poll::Ready(Either::First(output));
        }
        pin!(&mut second).poll(cx).map(Either::Second)
    })
    .await
}

/// Waits for the first of some, and for ever where there are none.
pub(crate) async fn first_of<F: Future>(futures: impl IntoIterator<Item = F>) -> F::Output {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    poll_fn(|cx| {
        let first = futures.iter_mut().find_map(|future| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        });
        first.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
