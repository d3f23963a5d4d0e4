//! Requests, from the caller's call to the outbox.

use alloc::boxed::Box;
use core::time::Duration;

use super::{
    Refusal, Refused, Session,
    outbox::{Draft, Owner, Removed},
    watches::{Asking, WatchId},
};
use crate::{
    Root, SessionId,
    broken::broken,
    code::{AddWatchMode, OpCode},
    request::{Request, Watched},
    wire::Encoder,
};

/// A path with the overhead of setting a watch on it again must fit into a frame.
const WATCH_OVERHEAD_BYTES: usize = 64;

/// Names a request that was taken. Later requests have greater names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

impl RequestId {
    /// Older than every request.
    pub(super) const BEFORE_ALL: Self = Self(0);
}

/// How a request is to be treated. Later versions may have more fields: end a literal with `..SubmitOptions::default()`.
#[derive(Clone, Debug, Default)]
pub struct SubmitOptions {
    /// The chroot of its paths. `None` for that of the configuration.
    pub root: Option<Root>,
    /// How long it may take, counted from the first time that the session learns after the call. `None` for as long as it
    /// takes. A request that has been handed out by then may still be carried out.
    pub timeout: Option<Duration>,
    /// The session under which it makes sense. Under another one it fails, unsent, with
    /// [`RequestError::SessionChanged`](super::RequestError::SessionChanged).
    pub pin: Option<SessionId>,
    /// Whether to send it again on the next link of the same session when a link breaks before the reply. For reads: a write
    /// may have been carried out already.
    ///
    /// Not where the server broke the protocol when this was the oldest request, as with a reply above the limit: it would break
    /// the next link too, so it fails with [`RequestError::Lost`](super::RequestError::Lost).
    pub resend: bool,
}

impl<T, W: Clone> Session<T, W> {
    /// Queues a request. It goes out in the order of these calls, now or when there is a link.
    ///
    /// # Errors
    ///
    /// With a [`Refusal`] and the tag when the request is wrong, too large or pinned to another session, when the session is
    /// full, or over. Nothing is sent then, and no event comes for it.
    pub fn submit<R: Request + ?Sized>(
        &mut self,
        request: &R,
        tag: T,
        mut options: SubmitOptions,
    ) -> Result<RequestId, Refused<T>> {
        let root = options.root.take().unwrap_or_else(|| self.config.root.clone());
        let checked = self.check(request, &options);
        match checked.and_then(|()| self.draft(request.op(), &root, false, |out| request.encode(out))) {
            Ok(draft) => Ok(self.accept(draft, request.op(), root, tag, None, &options)),
            Err(reason) => Err(Refused { tag, reason }),
        }
    }

    /// Queues a request that leaves a watch when it succeeds; an exists also when there is no such node.
    ///
    /// The watch is set once the reply is there; when the request fails otherwise, there is none. A one-shot watch is over
    /// with its event, a persistent one when it is given up, and every watch with the session. Over lost links it is kept.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit). The watch is dropped then.
    pub fn submit_watched<R: Watched + ?Sized>(
        &mut self,
        request: &R,
        tag: T,
        watch: W,
        options: SubmitOptions,
    ) -> Result<(RequestId, WatchId), Refused<T>> {
        let root = options.root.as_ref().unwrap_or(&self.config.root).clone();
        let path = root.to_server(request.path());
        let refused = match self.check(request, &options) {
            Ok(()) if self.watches.len() >= self.config.limits.watches || !self.watches.has_room_for(&path) => {
                Some(Refusal::TooManyWatches { limit: self.config.limits.watches })
            }
            Ok(()) => None,
            Err(reason) => Some(reason),
        };
        let (bytes, limit) = (path.len() + WATCH_OVERHEAD_BYTES, self.config.limits.send_frame_bytes);
        // It could be set now, but not again after a reconnect.
        let refused = refused.or((bytes > limit).then_some(Refusal::TooLarge { bytes, limit }));
        if let Some(reason) = refused {
            return Err(Refused { tag, reason });
        }
        let kind = request.kind();
        let (asking, found) = self.watches.asking(kind, &path);
        let encode = |out: &mut Encoder<'_>| match asking {
            Asking::AsRecursive => {
                out.path(request.path());
                out.put(&AddWatchMode::PersistentRecursive);
            }
            Asking::Plainly | Asking::Unmarked => request.encode(out),
        };
        let draft = match self.draft(request.op(), &root, asking != Asking::Unmarked, encode) {
            Ok(draft) => draft,
            Err(reason) => return Err(Refused { tag, reason }),
        };
        let watch = self.watches.add_pending(kind, asking, (&path, found), &root, watch);
        Ok((self.accept(draft, request.op(), root.clone(), tag, Some(watch), &options), watch))
    }

    /// Takes back a request that was not handed out yet, with its watch. Then no event comes for it.
    ///
    /// Returns `None` when it is too late, and its event is still to come.
    pub fn withdraw(&mut self, request: RequestId) -> Option<T> {
        let entry = self.outbox.get_mut(request)?;
        if entry.sent.is_some() || matches!(entry.owner, Owner::Session(_)) {
            return None;
        }
        let removed = self.take_back(request)?;
        self.note_finished(removed.timed);
        removed.tag.inspect(|_| self.meter.withdrawn(removed.op))
    }

    /// Gives up a watch, whether it is set or still on its way, and takes it off the server when nobody else hears it.
    ///
    /// Returns `None` when there is no such watch any more. Events of it may be in the queue already.
    pub fn unwatch(&mut self, watch: WatchId) -> Option<W> {
        let (handle, removal) = self.watches.give_up(watch)?;
        self.remove_from_server(removal);
        Some(handle)
    }

    fn check<R: Request + ?Sized>(&self, request: &R, options: &SubmitOptions) -> Result<(), Refusal> {
        if let Some(end) = self.over() {
            return Err(Refusal::Ended(end));
        }
        if options.pin.is_some() && options.pin != self.id() {
            return Err(Refusal::SessionChanged);
        }
        request.validate()?;
        if self.outbox.len() >= self.config.limits.backlog_requests {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    /// Takes a request that waits out of the outbox, and its watch away; where others count on that watch, the request goes out
    /// all the same and is nobody's.
    pub(super) fn take_back(&mut self, request: RequestId) -> Option<Removed<T>> {
        let entry = self.outbox.get_mut(request)?;
        let Some(watch) = entry.watch().filter(|watch| self.watches.is_counted_on(*watch)) else {
            let removed = self.outbox.remove(request)?;
            let removal = removed.watch.and_then(|watch| self.watches.cancel(watch));
            self.remove_from_server(removal);
            return Some(removed);
        };
        let (op, timed, sent) = (entry.op, core::mem::take(&mut entry.timed), entry.sent.is_some());
        let removed = Removed { op, tag: entry.orphan(), watch: None, timed, sent };
        self.watches.give_up(watch);
        Some(removed)
    }

    /// Encodes a checked request.
    fn draft(
        &mut self,
        op: OpCode,
        root: &Root,
        watch: bool,
        encode: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<Draft, Refusal> {
        let draft = self.outbox.draft(self.next_xid, op, root, watch, encode);
        let (bytes, limit) = (draft.bytes - 4, self.config.limits.send_frame_bytes);
        let waiting = self.outbox.bytes();
        let refused = if bytes > limit {
            Refusal::TooLarge { bytes, limit }
        } else if waiting > 0 && waiting + draft.bytes > self.config.limits.backlog_bytes {
            Refusal::Full
        } else {
            return Ok(draft);
        };
        self.outbox.discard(draft);
        Err(refused)
    }

    /// Puts an encoded request into the outbox.
    fn accept(
        &mut self,
        draft: Draft,
        op: OpCode,
        root: Root,
        tag: T,
        watch: Option<WatchId>,
        options: &SubmitOptions,
    ) -> RequestId {
        let (xid, id) = (self.take_xid(), self.take_request_id());
        let owner = Owner::Caller { tag, root, pin: options.pin.map(Box::new), watch };
        let entry = self.outbox.push(draft, id, xid, op, owner);
        entry.resend = options.resend || broken!("resends a handed-out write");
        if let Some(timeout) = options.timeout {
            entry.timed = true;
            self.deadlines.add(id, timeout);
        }
        id
    }
}
