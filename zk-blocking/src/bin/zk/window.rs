//! Writes on their way: many at a time, and not too many.

use std::collections::VecDeque;

use zk_blocking::{Error, Pending, Wait};

/// So many requests may be on their way.
const REQUESTS: usize = 256;
/// So many bytes may be on their way.
const BYTES: usize = 4 << 20;

/// Requests, each with a label (its path, mostly), whose outcomes are taken in their order.
pub(crate) struct Window<L, T> {
    pending: VecDeque<(L, usize, Pending<T>)>,
    bytes: usize,
}

impl<L, T> Window<L, T> {
    pub(crate) fn new() -> Self {
        Self { pending: VecDeque::new(), bytes: 0 }
    }

    /// Adds a request that carries so many bytes.
    pub(crate) fn push(&mut self, label: L, bytes: usize, request: Pending<T>) {
        self.bytes += bytes;
        self.pending.push_back((label, bytes, request));
    }

    /// Waits for the oldest request if too many are on their way.
    pub(crate) fn overflow(&mut self) -> Option<(L, Result<T, Error>)> {
        if self.pending.len() > REQUESTS || self.bytes > BYTES { self.next() } else { None }
    }
}

/// Waits for each request, the oldest first.
impl<L, T> Iterator for Window<L, T> {
    type Item = (L, Result<T, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        let (label, bytes, request) = self.pending.pop_front()?;
        self.bytes -= bytes;
        Some((label, request.wait()))
    }
}
