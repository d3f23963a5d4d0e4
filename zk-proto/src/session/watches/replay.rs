//! What to tell a server so that it has all watches again.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Registry,
    lists::{List, bit, can_carry},
    slots::Stage,
};
use crate::{
    Zxid,
    broken::broken,
    code::OpCode,
    record::SetWatches,
    request::WatchKind,
    wire::{Encoder, Text},
};

/// One frame's worth of watches to set again, without header.
#[derive(Debug)]
pub(in super::super) struct Chunk {
    pub(in super::super) op: OpCode,
    pub(in super::super) body: Bytes,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct ReplayCursor {
    /// The place of the next path in the table.
    path: usize,
    /// So many of its kinds are done.
    kinds: usize,
}

impl<W: Clone> Registry<W> {
    /// Returns the next frame of watches to set again, or `None` when all have been.
    ///
    /// A frame with its header stays below `limit_bytes`, unless a single path is longer than that.
    pub(in super::super) fn next_chunk(
        &mut self,
        cursor: &mut ReplayCursor,
        relative: Zxid,
        limit_bytes: usize,
    ) -> Option<Chunk> {
        // Header (8), zxid (8) and five counts (20), and the length in front.
        let mut room = limit_bytes.saturating_sub(40);
        let mut lists: [(i32, BytesMut); 5] = Default::default();
        let is_begun = (cursor.path, cursor.kinds) != (0, 0);
        if is_begun && broken!("loses the last chunk of set-watches") {
            return None;
        }
        while let Some((path, next)) = self.paths.next(cursor.path) {
            let (mut kinds, mut needs_carrier) = (0, false);
            for watch in self.watches(path) {
                let is_forgotten = watch.kind.is_persistent() && broken!("forgets persistent watches on reconnect");
                if watch.stage == Stage::Set && !is_forgotten {
                    kinds |= bit(watch.kind);
                }
                needs_carrier |= watch.counts_on_another();
            }
            // Who should carry it went with the link, and its request says nothing of a watch.
            if needs_carrier && !can_carry(kinds, WatchKind::Data) && !self.without_persistent {
                kinds |= bit(WatchKind::Persistent);
            }
            // A server before 3.9 sets the lists of a frame in their order, and the last mode wins.
            self.slots.look_at(self.paths.get(path).watches, |watch| {
                if watch.stage == Stage::Set {
                    watch.carried = can_carry(kinds, watch.kind);
                }
            });
            let (cost, mut left) = (4 + self.paths.text(path).len(), None);
            for kind in WatchKind::ALL.into_iter().skip(cursor.kinds).filter(|kind| kinds & bit(*kind) != 0) {
                if cost > room && lists.iter().any(|(count, _)| *count > 0) {
                    left = Some(kind as usize);
                    break;
                }
                room = room.saturating_sub(cost);
                let (count, list) = &mut lists[kind as usize];
                *count += 1;
                Encoder::new(list).text(self.paths.text(path));
                self.paths.get_mut(path).on_server |= List::of(kind).bit();
            }
            match left {
                Some(kinds) => {
                    *cursor = ReplayCursor { path: next - 1, kinds };
                    break;
                }
                None => *cursor = ReplayCursor { path: next, kinds: 0 },
            }
        }
        if lists.iter().all(|(count, _)| *count == 0) {
            return None;
        }
        let persistent = lists[3].0 + lists[4].0 > 0;
        let mut body = BytesMut::with_capacity(28 + lists.iter().map(|(_, list)| list.len()).sum::<usize>());
        body.put_i64(relative.0);
        for (count, list) in &lists[..if persistent { 5 } else { 3 }] {
            body.put_i32(*count);
            body.put_slice(list);
        }
        let op = if persistent { OpCode::SetWatches2 } else { OpCode::SetWatches };
        Some(Chunk { op, body: body.freeze() })
    }
}

/// Writes the record that sets a watch on one path again, as [`OpCode::SetWatches`] has it.
pub(in super::super) fn set_one(path: &str, kind: WatchKind, relative: Zxid, out: &mut Encoder<'_>) {
    let list = |of| Some(if of == kind { alloc::vec![Some(Text::from(path))] } else { Vec::new() });
    out.put(&SetWatches {
        relative_zxid: relative,
        data_watches: list(WatchKind::Data),
        exist_watches: list(WatchKind::Exist),
        child_watches: list(WatchKind::Child),
    });
}
