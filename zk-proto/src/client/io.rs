//! What a runtime lends.

use core::{
    future::Future,
    net::SocketAddr,
    task::{Context, Poll},
};
use std::io::{self, IoSlice};

use bytes::BytesMut;

use crate::Instant;

/// What a runtime lends to [`drive`](super::drive): a clock, names, sockets and a timer, and no judgement.
///
/// Nothing here has to be [`Send`]: the future of `drive` is, when the parts are.
///
/// To use a runtime that has no adapter yet, implement this for a type that may be empty. As a rule:
///
/// * [`now`](Self::now) is the time since some origin, by a monotonic clock.
/// * [`connect`](Self::connect) turns Nagle's algorithm off (`TCP_NODELAY`), or small requests leave 40 ms late.
/// * The `poll_*` functions behave as poll functions do everywhere: where they return [`Poll::Pending`], they see to it
///   that the task is woken.
///
/// Then spawn [`drive`](super::drive) with a driver from [`Builder`](super::Builder), best by way of
/// [`Runtime`](super::Runtime), which gives the builder its `connect`.
pub trait Io {
    /// An open connection. Dropping it closes it.
    type Stream;

    /// Something that can wait for a time.
    type Timer;

    /// Whether those who wait for replies run on the same threads as the task that drives, so that the task had better let them go
    /// first when a reply has come. Where each has a thread of its own, it need not.
    const HAS_NEIGHBOURS: bool = true;

    /// Returns the present time.
    fn now(&self) -> Instant;

    /// Looks up the addresses of a host, anew each time. The host may be an address itself.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>>;

    /// Opens a connection. Dropping the future gives up the attempt.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Reads what there is to the end of `input`, as much as fits into its capacity, and returns how much that was; nothing
    /// at the end of the stream. The capacity is never used up already.
    ///
    /// Bytes that do not exist yet need not be zeroed first: `input` is a [`BufMut`](bytes::BufMut).
    fn poll_read(
        &self,
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>>;

    /// Writes the beginning of `chunks`, and returns how much that was.
    fn poll_write(
        &self,
        stream: &mut Self::Stream,
        cx: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Makes a timer.
    fn timer(&self) -> Self::Timer;

    /// Waits for a time. The same timer is asked with the same deadline many times, and with another one now and then; only the
    /// last one counts. It must not be ready before the deadline.
    fn poll_timer(&self, timer: &mut Self::Timer, cx: &mut Context<'_>, deadline: Instant) -> Poll<()>;
}
