//! From a server's name to an open connection.

use core::{
    fmt,
    future::{Future, poll_fn},
    mem,
    net::SocketAddr,
    task::Poll,
    time::Duration,
};
use std::io;

use super::Io;
use crate::Server;

/// How long an address may take before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// Opens a connection to a server.
///
/// The name is looked up anew. All of its addresses are tried, beginning with another one at each
/// [attempt](Server::attempt): the next one as soon as one fails, or has taken 250 ms. The first that opens wins, and the
/// others are given up. There is no time limit; to give up, drop the future.
///
/// # Errors
///
/// When the name has no address, or none of its addresses can be reached.
pub async fn dial<I: Io>(io: &I, server: &Server) -> Result<I::Stream, DialError> {
    let mut addresses = io.resolve(&server.host, server.port).await.map_err(DialError::Resolve)?;
    if addresses.is_empty() {
        return Err(DialError::NoAddress);
    }
    let first = server.attempt as usize % addresses.len();
    addresses.rotate_left(first);

    let start = |address| (address, Box::pin(io.connect(address)));
    let mut attempts = vec![start(addresses[0])];
    let mut waiting = addresses[1..].iter();
    let mut failures = Vec::new();
    let (mut timer, mut next_start) = (io.timer(), io.now() + HEAD_START);
    poll_fn(|cx| {
        loop {
            let mut index = 0;
            let failures_before = failures.len();
            while let Some((address, attempt)) = attempts.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => index += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        failures.push((*address, error));
                        drop(attempts.swap_remove(index));
                    }
                }
            }
            let is_next_due = !waiting.as_slice().is_empty()
                && (failures.len() > failures_before || io.poll_timer(&mut timer, cx, next_start).is_ready());
            match if is_next_due { waiting.next() } else { None } {
                Some(address) => {
                    attempts.push(start(*address));
                    next_start = io.now() + HEAD_START;
                }
                None if attempts.is_empty() => return Poll::Ready(Err(DialError::Connect(mem::take(&mut failures)))),
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// Why no connection could be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name could not be looked up.
    #[error("name does not resolve: {0}")]
    Resolve(io::Error),
    /// The name has no addresses.
    #[error("name has no address")]
    NoAddress,
    /// No address could be reached.
    #[error("{}", Reasons(.0))]
    Connect(Vec<(SocketAddr, io::Error)>),
}

struct Reasons<'a>(&'a [(SocketAddr, io::Error)]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (address, error)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{error} ({address})")?;
        }
        Ok(())
    }
}
