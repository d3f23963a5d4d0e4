//! Requests that wait to be sent: their frames in one buffer, their owners in one queue.
//!
//! A frame is encoded once, at the end of the buffer, and leaves as a slice of it. Taking a request back leaves a hole that
//! is skipped later; holes are closed when they outweigh what is left.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    RequestId,
    lacks::{Adapted, Lacks, Plain},
    watches::WatchId,
};
use crate::{
    Instant, Root, SessionId, Transmit,
    code::OpCode,
    wire::{Encoder, Splice},
};

/// Holes may take up so many bytes, or as many as what waits.
const HOLES_BYTES: usize = 64 * 1024;

/// An empty buffer may keep so much room.
const SPARE_BYTES: usize = 1 << 20;

/// A request on its way: waiting in the outbox, or unanswered on a link.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) id: RequestId,
    pub(super) xid: i32,
    pub(super) op: OpCode,
    pub(super) owner: Owner<T>,
    /// The whole frame with its length field.
    pub(super) bytes: usize,
    /// When it was handed to a link, the last time.
    pub(super) sent: Option<Instant>,
    /// Whether it goes out again when the link breaks before the reply.
    pub(super) resend: bool,
    /// Whether it has a time limit.
    pub(super) timed: bool,
    /// What stands for the `Stat` of a node that is created on a server that does not tell it.
    pub(super) plain: Option<Plain>,
    frame: Frame,
}

/// Who waits for the reply.
#[derive(Debug)]
pub(super) enum Owner<T> {
    Caller {
        tag: T,
        root: Root,
        /// Seldom there, and entries are moved often.
        pin: Option<Box<SessionId>>,
        watch: Option<WatchId>,
    },
    /// Nobody any more; a watch may still come of it.
    Orphan {
        watch: Option<WatchId>,
    },
    Session(Internal),
}

/// Requests of the session's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Internal {
    SetWatches {
        persistent: bool,
    },
    RemoveWatches,
    /// A one-shot watch that nothing carries any more, set by itself.
    SetWatch,
    /// The question what the server knows.
    Inquiry,
    /// Credentials added at run time: an index into the session's list.
    Auth(usize),
    Close,
}

#[derive(Debug)]
enum Frame {
    /// The next so many bytes of the buffer.
    Buffered { len: usize },
    /// The same, with payloads that belong in between.
    Spliced(Box<Spliced>),
    /// Complete, from an earlier link.
    Whole(Box<[Bytes]>),
    /// Left already.
    Gone,
}

#[derive(Debug)]
struct Spliced {
    len: usize,
    splices: Vec<Splice>,
}

impl Frame {
    /// Returns how many bytes of the buffer it has.
    fn buffered(&self) -> usize {
        match self {
            Self::Buffered { len } => *len,
            Self::Spliced(spliced) => spliced.len,
            Self::Whole(_) | Self::Gone => 0,
        }
    }
}

impl<T> Entry<T> {
    /// Makes an entry for a frame that never was in the outbox.
    ///
    /// It counts as older than every request, as frames of watches to set again are.
    pub(super) fn handed_out(xid: i32, op: OpCode, owner: Owner<T>, bytes: usize, now: Instant) -> Self {
        let id = RequestId::BEFORE_ALL;
        Self {
            id,
            xid,
            op,
            owner,
            bytes,
            sent: Some(now),
            resend: false,
            timed: false,
            plain: None,
            frame: Frame::Gone,
        }
    }

    /// Returns whether its frame is still there, so that it could be sent again.
    pub(super) fn keeps_frame(&self) -> bool {
        matches!(self.frame, Frame::Whole(_))
    }

    /// Returns the frame, where it is kept.
    pub(super) fn kept_frame(&self) -> &[Bytes] {
        if let Frame::Whole(chunks) = &self.frame { chunks } else { &[] }
    }

    /// Returns the watch that may come of it.
    pub(super) fn watch(&self) -> Option<WatchId> {
        match &self.owner {
            Owner::Caller { watch, .. } | Owner::Orphan { watch } => *watch,
            Owner::Session(_) => None,
        }
    }

    /// Takes the caller's tag out, leaving an orphan.
    pub(super) fn orphan(&mut self) -> Option<T> {
        let watch = self.watch();
        if matches!(self.owner, Owner::Session(_)) {
            return None;
        }
        match core::mem::replace(&mut self.owner, Owner::Orphan { watch }) {
            Owner::Caller { tag, .. } => Some(tag),
            Owner::Orphan { .. } | Owner::Session(_) => None,
        }
    }

    fn is_dead(&self) -> bool {
        matches!(self.owner, Owner::Orphan { watch: None }) && !matches!(self.frame, Frame::Gone)
    }
}

#[derive(Debug)]
pub(super) struct Outbox<T> {
    buffer: BytesMut,
    entries: VecDeque<Entry<T>>,
    dead: usize,
    /// Bytes of the frames that were taken back and still lie in the buffer.
    dead_bytes: usize,
    /// Bytes of the frames that wait or are kept.
    bytes: usize,
}

/// How much may be handed out, when, and what is known of the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) limit_bytes: usize,
    pub(super) limit_count: usize,
    pub(super) now: Instant,
    pub(super) lacks: Lacks,
    pub(super) knows_create2: bool,
}

impl Terms {
    /// Returns whether it is open if the server knows this, and there is another way if it does not.
    fn may_lack(self, op: OpCode) -> bool {
        !self.knows_create2 && !self.lacks.contains(OpCode::Create2) && matches!(op, OpCode::Create2 | OpCode::Multi)
    }
}

/// What was taken out of the outbox.
pub(super) struct Removed<T> {
    pub(super) op: OpCode,
    /// None for the session's own requests.
    pub(super) tag: Option<T>,
    pub(super) watch: Option<WatchId>,
    pub(super) timed: bool,
    /// Whether it had been handed out on an earlier link.
    pub(super) sent: bool,
}

/// A frame that is being written: taken back where a caller's own request panics.
struct Unfinished<'a> {
    buffer: &'a mut BytesMut,
    start: Option<usize>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            self.buffer.truncate(start);
        }
    }
}

/// A frame that has been written but not accepted yet.
pub(super) struct Draft {
    start: usize,
    pub(super) bytes: usize,
    splices: Vec<Splice>,
}

impl<T> Outbox<T> {
    pub(super) fn new() -> Self {
        Self { buffer: BytesMut::new(), entries: VecDeque::new(), dead: 0, dead_bytes: 0, bytes: 0 }
    }

    /// Returns how many requests wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.dead
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives back memory that is not in use.
    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Returns how many bytes wait or are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter().filter(|entry| !entry.is_dead())
    }

    /// Writes a frame to the end of the buffer. It counts for nothing until [`push`](Self::push).
    pub(super) fn draft(
        &mut self,
        xid: i32,
        op: OpCode,
        root: &Root,
        watch: bool,
        encode: impl FnOnce(&mut Encoder<'_>),
    ) -> Draft {
        let (start, mut splices) = (self.buffer.len(), Vec::new());
        let mut unfinished = Unfinished { buffer: &mut self.buffer, start: Some(start) };
        // Its length, which is not known yet, and its header.
        let head = [0, xid, op.code()].map(i32::to_be_bytes);
        unfinished.buffer.extend_from_slice(head.as_flattened());
        let mut out =
            Encoder::new(unfinished.buffer).with_splices(&mut splices, start).with_root(root).with_watch(watch);
        encode(&mut out);
        unfinished.start = None;
        drop(unfinished);
        let bytes = self.buffer.len() - start + splices.iter().map(|splice| splice.payload.len()).sum::<usize>();
        let len = i32::try_from(bytes - 4).unwrap_or(i32::MAX);
        self.buffer[start..start + 4].copy_from_slice(&len.to_be_bytes());
        Draft { start, bytes, splices }
    }

    /// Forgets a draft.
    pub(super) fn discard(&mut self, draft: Draft) {
        self.buffer.truncate(draft.start);
        // What was too large to be sent must not keep its memory.
        if self.buffer.is_empty() && self.buffer.capacity() > SPARE_BYTES {
            self.buffer = BytesMut::new();
        }
    }

    /// Accepts a draft: the last one, and the only one since.
    pub(super) fn push(&mut self, draft: Draft, id: RequestId, xid: i32, op: OpCode, owner: Owner<T>) -> &mut Entry<T> {
        let len = self.buffer.len() - draft.start;
        let frame = match draft.splices {
            splices if splices.is_empty() => Frame::Buffered { len },
            splices => Frame::Spliced(Box::new(Spliced { len, splices })),
        };
        self.bytes += draft.bytes;
        self.entries.push_back(Entry {
            id,
            xid,
            op,
            owner,
            bytes: draft.bytes,
            sent: None,
            resend: false,
            timed: false,
            plain: None,
            frame,
        });
        self.entries.back_mut().expect("an entry was just pushed")
    }

    /// Puts an entry back whose frame was kept, where it was.
    pub(super) fn put_back(&mut self, entry: Entry<T>) {
        debug_assert!(entry.keeps_frame(), "there is nothing to send again");
        match self.entries.front() {
            Some(front) if front.id < entry.id => {
                let place = self.entries.partition_point(|other| other.id < entry.id);
                self.entries.insert(place, entry);
            }
            _ => self.entries.push_front(entry),
        }
    }

    /// Gives back what a kept frame counted for: its reply is there.
    pub(super) fn release(&mut self, entry: &Entry<T>) {
        if matches!(entry.frame, Frame::Whole(_)) {
            self.bytes -= entry.bytes;
        }
    }

    /// Returns the waiting entry of that id.
    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Entry<T>> {
        let index = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.entries.get_mut(index).filter(|entry| !entry.is_dead())
    }

    pub(super) fn contains(&self, id: RequestId) -> bool {
        let index = self.entries.binary_search_by_key(&id, |entry| entry.id);
        index.is_ok_and(|index| !self.entries[index].is_dead())
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<Removed<T>> {
        let entry = self.get_mut(id)?;
        let (op, watch, timed, sent, bytes) = (entry.op, entry.watch(), entry.timed, entry.sent.is_some(), entry.bytes);
        let owner = core::mem::replace(&mut entry.owner, Owner::Orphan { watch: None });
        self.bytes -= bytes;
        (self.dead, self.dead_bytes) = (self.dead + 1, self.dead_bytes + bytes);
        self.drop_dead_tail();
        let many = self.dead > 32 && self.dead > self.entries.len() / 2;
        if many || self.dead_bytes > self.bytes.max(HOLES_BYTES) {
            self.close_holes();
        }
        let tag = match owner {
            Owner::Caller { tag, .. } => Some(tag),
            Owner::Orphan { .. } | Owner::Session(_) => None,
        };
        Some(Removed { op, tag, watch, timed, sent })
    }

    /// Takes out every entry for which `leaves` says so, oldest first.
    pub(super) fn remove_where(&mut self, leaves: impl Fn(&Entry<T>) -> bool) -> Vec<Entry<T>> {
        if !self.iter().any(&leaves) {
            return Vec::new();
        }
        let mut removed = Vec::new();
        self.close_holes_and(|mut entry| {
            if leaves(&entry) {
                // Its bytes are given back here.
                entry.frame = Frame::Gone;
                removed.push(entry);
                None
            } else {
                Some(entry)
            }
        });
        removed
    }

    fn drop_dead_tail(&mut self) {
        while let Some(entry) = self.entries.back().filter(|entry| entry.is_dead()) {
            self.buffer.truncate(self.buffer.len() - entry.frame.buffered());
            (self.dead, self.dead_bytes) = (self.dead - 1, self.dead_bytes - entry.bytes);
            self.entries.pop_back();
        }
    }

    fn close_holes(&mut self) {
        self.close_holes_and(Some);
    }

    fn close_holes_and(&mut self, mut keep: impl FnMut(Entry<T>) -> Option<Entry<T>>) {
        let mut old = core::mem::take(&mut self.buffer);
        for entry in core::mem::take(&mut self.entries) {
            let frame = old.split_to(entry.frame.buffered());
            if entry.is_dead() {
                continue;
            }
            let bytes = entry.bytes;
            match keep(entry) {
                Some(entry) => {
                    self.buffer.extend_from_slice(&frame);
                    self.entries.push_back(entry);
                }
                None => self.bytes -= bytes,
            }
        }
        (self.dead, self.dead_bytes) = (0, 0);
    }

    /// Moves entries to `handed_out` and their frames to `transmit`, until that holds about `limit_bytes`, or `limit_count`
    /// entries have moved. What the server lacks goes to `refused` instead.
    pub(super) fn hand_out(
        &mut self,
        transmit: &mut Transmit,
        terms: Terms,
        mut handed_out: impl FnMut(Entry<T>),
        mut refused: impl FnMut(Entry<T>),
    ) {
        let Terms { limit_bytes, limit_count, now, lacks, knows_create2: _ } = terms;
        let (mut bytes, mut count) = (transmit.remaining(), 0);
        while bytes < limit_bytes && count < limit_count && !self.entries.is_empty() {
            // As many frames as leave in one piece.
            let (mut run, mut frames) = (0, 0);
            while let Some(entry) = self.entries.get(frames) {
                match &entry.frame {
                    Frame::Buffered { len } if !entry.is_dead() && !lacks.concerns(entry.op) => run += len,
                    _ => break,
                }
                frames += 1;
                if bytes + run >= limit_bytes || count + frames >= limit_count {
                    break;
                }
            }
            let piece = self.buffer.split_to(run).freeze();
            let mut at = 0;
            for mut entry in self.entries.drain(..frames) {
                entry.sent = Some(now);
                entry.frame = if entry.resend || terms.may_lack(entry.op) {
                    Frame::Whole(Box::new([piece.slice(at..at + entry.bytes)]))
                } else {
                    self.bytes -= entry.bytes;
                    Frame::Gone
                };
                at += entry.bytes;
                handed_out(entry);
            }
            transmit.push(piece);
            (bytes, count) = (bytes + run, count + frames);
            if frames > 0 {
                continue;
            }
            // One that does not: a hole, a payload of its own, or a frame from an earlier link.
            let Some(mut entry) = self.entries.pop_front() else { break };
            let mut chunks = match core::mem::replace(&mut entry.frame, Frame::Gone) {
                Frame::Buffered { len } => Box::new([self.buffer.split_to(len).freeze()]),
                Frame::Spliced(spliced) => splice(self.buffer.split_to(spliced.len).freeze(), spliced.splices),
                Frame::Whole(chunks) => chunks,
                Frame::Gone => Box::default(),
            };
            if matches!(entry.owner, Owner::Orphan { watch: None }) {
                (self.dead, self.dead_bytes) = (self.dead - 1, self.dead_bytes - entry.bytes);
                continue;
            }
            if lacks.concerns(entry.op) {
                let adapted = lacks.adapt(entry.op, chunks.into_vec());
                let Some(Adapted { op, frame, plain }) = adapted else {
                    self.bytes -= entry.bytes;
                    count += 1;
                    refused(entry);
                    continue;
                };
                (entry.op, entry.plain, chunks) = (op, plain, Box::new([frame]));
            }
            entry.sent = Some(now);
            chunks.iter().for_each(|chunk| transmit.push(chunk.clone()));
            (bytes, count) = (bytes + entry.bytes, count + 1);
            if entry.resend || terms.may_lack(entry.op) {
                entry.frame = Frame::Whole(chunks);
            } else {
                self.bytes -= entry.bytes;
            }
            handed_out(entry);
        }
    }
}

/// Puts payloads where they belong, uncopied.
fn splice(mut frame: Bytes, splices: Vec<Splice>) -> Box<[Bytes]> {
    let (mut chunks, mut done) = (Vec::with_capacity(2 * splices.len() + 1), 0);
    for splice in splices {
        chunks.push(frame.split_to(splice.at - done));
        chunks.push(splice.payload);
        done = splice.at;
    }
    chunks.push(frame);
    chunks.retain(|chunk| !chunk.is_empty());
    chunks.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;
    use crate::wire::Payload;

    fn id(number: u64) -> RequestId {
        RequestId(number)
    }

    fn caller(tag: char) -> Owner<char> {
        Owner::Caller { tag, root: Root::default(), pin: None, watch: None }
    }

    fn push(outbox: &mut Outbox<char>, number: u64, tag: char, payload: &Payload<'_>) {
        let draft = outbox.draft(1, OpCode::SetData, &Root::default(), false, |out| out.payload(payload));
        outbox.push(draft, id(number), 1, OpCode::SetData, caller(tag));
    }

    fn hand_out(outbox: &mut Outbox<char>, limit_bytes: usize, limit_count: usize) -> (Vec<Entry<char>>, Vec<u8>) {
        let (mut transmit, mut entries) = (Transmit::default(), Vec::new());
        let now = Instant::ORIGIN;
        let terms = Terms { limit_bytes, limit_count, now, lacks: Lacks::NOTHING, knows_create2: true };
        let refused = |entry: Entry<char>| panic!("{entry:?}");
        let handed_out = |entry| entries.push(entry);
        outbox.hand_out(&mut transmit, terms, handed_out, refused);
        let mut bytes = Vec::new();
        bytes.put(transmit);
        (entries, bytes)
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.put_i32(i32::try_from(12 + payload.len()).unwrap());
        frame.put_slice(&[0, 0, 0, 1, 0, 0, 0, 5]);
        frame.put_i32(i32::try_from(payload.len()).unwrap());
        frame.put_slice(payload);
        frame
    }

    #[test]
    fn holes_and_large_payloads_leave_the_stream_whole() {
        let large = Bytes::from(alloc::vec![7; 10_000]);
        let mut outbox = Outbox::new();
        for (number, tag) in ('a'..='f').enumerate() {
            let payload = if tag == 'c' { Payload::from(large.clone()) } else { Payload::from(&[1, 2][..]) };
            push(&mut outbox, number as u64, tag, &payload);
        }
        assert_eq!(outbox.remove(id(1)).and_then(|removed| removed.tag), Some('b'));
        assert_eq!(outbox.remove(id(5)).and_then(|removed| removed.tag), Some('f'));
        assert!(outbox.remove(id(1)).is_none());
        assert_eq!(outbox.len(), 4);

        let (entries, bytes) = hand_out(&mut outbox, usize::MAX, usize::MAX);
        assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [id(0), id(2), id(3), id(4)]);
        assert_eq!(bytes, [frame(&[1, 2]), frame(&large), frame(&[1, 2]), frame(&[1, 2])].concat());
        assert!(outbox.is_empty() && outbox.bytes() == 0 && outbox.buffer.is_empty());
    }

    #[test]
    fn a_helping_is_bounded_in_bytes_and_in_requests() {
        let mut outbox = Outbox::new();
        for number in 0..10 {
            push(&mut outbox, number, 'x', &Payload::from(&[0; 16][..]));
        }
        let each = frame(&[0; 16]).len();
        assert_eq!(hand_out(&mut outbox, 3 * each, usize::MAX).1.len(), 3 * each);
        assert_eq!(hand_out(&mut outbox, 1, usize::MAX).1.len(), each);
        assert_eq!(hand_out(&mut outbox, usize::MAX, 4).0.len(), 4);
        assert_eq!(outbox.len(), 2);
    }

    #[test]
    fn a_request_to_send_again_keeps_its_frame_and_its_place() {
        let mut outbox = Outbox::new();
        for (number, tag) in ('a'..='c').enumerate() {
            push(&mut outbox, number as u64, tag, &Payload::from(&[number as u8][..]));
            outbox.get_mut(id(number as u64)).unwrap().resend = true;
        }
        let (entries, first) = hand_out(&mut outbox, usize::MAX, 2);
        assert_eq!(outbox.bytes(), 3 * frame(&[0]).len(), "kept frames count");

        entries.into_iter().rev().for_each(|entry| outbox.put_back(entry));
        let (mut entries, again) = hand_out(&mut outbox, usize::MAX, usize::MAX);
        assert_eq!(again, [first, frame(&[2])].concat());

        entries.drain(..).for_each(|entry| outbox.release(&entry));
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn many_holes_are_closed() {
        let mut outbox = Outbox::new();
        for number in 0..1000 {
            push(&mut outbox, number, 'x', &Payload::from(&[3; 10][..]));
        }
        for number in 0..999 {
            outbox.remove(id(number));
        }
        assert_eq!(outbox.len(), 1);
        assert!(outbox.entries.len() < 70, "{} entries left for one request", outbox.entries.len());
        assert_eq!(hand_out(&mut outbox, usize::MAX, usize::MAX).1, frame(&[3; 10]));
    }
}
